//! Field blocks from the peer.

use super::super::Fields;
use super::super::fields::{index, list_size};
use super::dynamic_table::DynamicTable;
use super::error::DecodeError;
use super::{DEFAULT_TABLE_SIZE, huffman, integer, static_table};

/// What a block held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// The fields, up to the limit.
    pub fields: Fields,
    /// The list is over the limit and `fields` is only its beginning.
    pub over_limit: bool,
}

/// Decodes the blocks of one connection.
#[derive(Debug)]
pub struct Decoder {
    table: DynamicTable,
    /// The largest size that the peer may give the table.
    max_table_size: u32,
    /// The peer acknowledged a size below the table's; its next block is to begin with an update
    /// to at most this.
    update_owed: Option<u32>,
    /// `SETTINGS_MAX_HEADER_LIST_SIZE` as we enforce it.
    max_list_size: usize,
}

impl Decoder {
    /// `max_table_size` and `max_header_list_size` are what our first SETTINGS say.
    ///
    /// Until the peer acknowledges them (`set_max_table_size`) the table has the 4,096 bytes that
    /// it has without SETTINGS, and the peer may use either size.
    pub fn new(max_table_size: u32, max_header_list_size: u32) -> Self {
        Self {
            table: DynamicTable::new(index(DEFAULT_TABLE_SIZE)),
            max_table_size: max_table_size.max(DEFAULT_TABLE_SIZE),
            update_owed: None,
            max_list_size: index(max_header_list_size),
        }
    }

    /// The peer acknowledged SETTINGS with this `HEADER_TABLE_SIZE`.
    ///
    /// If that is less than the table's size, the next block has to begin with an update
    /// (RFC 7541 §4.2).
    pub fn set_max_table_size(&mut self, size: u32) {
        self.max_table_size = size;
        if index(size) < self.table.max_size() {
            self.update_owed = Some(self.update_owed.map_or(size, |owed| owed.min(size)));
        }
    }

    /// Decodes a whole block (HEADERS and its CONTINUATIONs put together).
    ///
    /// A list over the limit is decoded to its end all the same, so that the table stays the
    /// peer's. After an error the decoder is of no further use.
    pub fn decode(&mut self, block: &[u8]) -> Result<Decoded, DecodeError> {
        let mut list = List::new(self.max_list_size, block.len());
        let mut rest = block;
        self.take_size_updates(&mut rest)?;
        while let Some(first) = rest.first() {
            match first.leading_zeros() {
                0 => self.indexed(&mut rest, &mut list)?,
                1 => {
                    let name_end = self.literal(&mut rest, 0x3f, &mut list)?;
                    let (name, value) = list.unfinished(name_end);
                    self.table.insert(name, value);
                    list.finish_field(name_end)?;
                }
                2 => return Err(DecodeError::Compression("table size update after a field")),
                // Without indexing, or never indexed: we pass nothing on, so it is the same.
                _ => {
                    let name_end = self.literal(&mut rest, 0x0f, &mut list)?;
                    list.finish_field(name_end)?;
                }
            }
        }
        Ok(list.into_decoded())
    }

    /// RFC 7541 §6.3; they stand at the beginning of a block only (§4.2).
    fn take_size_updates(&mut self, rest: &mut &[u8]) -> Result<(), DecodeError> {
        while let Some(first) = rest.first() {
            let is_update = first.leading_zeros() == 2;
            if !is_update {
                break;
            }
            let size = integer::decode(rest, 0x1f)?;
            if size > self.max_table_size {
                return Err(DecodeError::Compression(
                    "table size update above our setting",
                ));
            }
            if self.update_owed.take().is_some_and(|owed| size > owed) {
                return Err(DecodeError::Compression(
                    "table size update misses a reduction",
                ));
            }
            self.table.set_max_size(index(size));
        }
        if self.update_owed.is_some() && !rest.is_empty() {
            return Err(DecodeError::Compression(
                "no table size update after a reduction",
            ));
        }
        Ok(())
    }

    /// RFC 7541 §6.1.
    fn indexed(&self, rest: &mut &[u8], list: &mut List) -> Result<(), DecodeError> {
        let (name, value) = self.entry(integer::decode(rest, 0x7f)?)?;
        list.bytes().extend_from_slice(name);
        let name_end = list.bytes().len();
        list.bytes().extend_from_slice(value);
        list.finish_field(name_end)
    }

    /// Takes a literal field (RFC 7541 §6.2) and leaves it unfinished in the list. The name is
    /// copied, so that it may come from an entry which this field evicts. Returns its end.
    fn literal(&self, rest: &mut &[u8], mask: u8, list: &mut List) -> Result<usize, DecodeError> {
        match integer::decode(rest, mask)? {
            0 => string(rest, list.bytes())?,
            index => list.bytes().extend_from_slice(self.entry(index)?.0),
        }
        let name_end = list.bytes().len();
        string(rest, list.bytes())?;
        Ok(name_end)
    }

    /// RFC 7541 §2.3.3: one index over both tables.
    fn entry(&self, number: u32) -> Result<(&[u8], &[u8]), DecodeError> {
        let number = index(number);
        match number.checked_sub(static_table::LEN.saturating_add(1)) {
            Some(dynamic) => self.table.get(dynamic),
            None => static_table::get(number),
        }
        .ok_or(DecodeError::Compression("index of no table entry"))
    }
}

/// Takes a string literal (RFC 7541 §5.2). Its bytes have to be there before room is made.
fn string(rest: &mut &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let is_coded = rest.first().is_some_and(|first| first & 0x80 != 0);
    let len = integer::decode(rest, 0x7f)?;
    let (bytes, after) = rest
        .split_at_checked(index(len))
        .ok_or(DecodeError::Compression("string longer than its block"))?;
    *rest = after;
    if is_coded {
        huffman::decode(bytes, out)
    } else {
        out.extend_from_slice(bytes);
        Ok(())
    }
}

/// The list that a block is decoded to, within its limits.
struct List {
    fields: Fields,
    /// Sizes of all fields so far, dropped ones too; each counts 32 bytes more than it has.
    size: usize,
    /// Number of all fields so far, dropped ones too.
    count: usize,
    max_size: usize,
    over_limit: bool,
}

impl List {
    fn new(max_size: usize, block_len: usize) -> Self {
        let fields = Fields::with_capacity(block_len.saturating_mul(2).saturating_add(128));
        Self {
            fields,
            size: 0,
            count: 0,
            max_size,
            over_limit: false,
        }
    }

    /// The bytes of the fields, to which those of the next field are appended.
    fn bytes(&mut self) -> &mut Vec<u8> {
        self.fields.bytes()
    }

    /// Name and value of the field that is not finished yet.
    fn unfinished(&self, name_end: usize) -> (&[u8], &[u8]) {
        self.fields.unfinished(name_end)
    }

    /// Counts the field and keeps or drops it.
    fn finish_field(&mut self, name_end: usize) -> Result<(), DecodeError> {
        let (name, value) = self.fields.unfinished(name_end);
        self.size = self.size.saturating_add(list_size(name.len(), value.len()));
        self.count = self.count.saturating_add(1);
        if self.size > self.max_size.saturating_mul(EXCESS) {
            return Err(DecodeError::EnhanceYourCalm(
                "field list of 4 times the size limit",
            ));
        }
        if self.count > MAX_FIELDS.saturating_mul(EXCESS) {
            return Err(DecodeError::EnhanceYourCalm(
                "field list of 4 times 128 fields",
            ));
        }
        if self.size > self.max_size || self.count > MAX_FIELDS {
            self.over_limit = true;
            self.fields.drop_unfinished();
        } else {
            self.fields.finish_field(name_end);
        }
        Ok(())
    }

    fn into_decoded(mut self) -> Decoded {
        if self.over_limit {
            self.fields.shrink();
        }
        Decoded {
            fields: self.fields,
            over_limit: self.over_limit,
        }
    }
}

/// Our limit: fields of a list that are kept. Many tiny fields cost more than their bytes say;
/// providers send about ten, callers about twenty.
pub(super) const MAX_FIELDS: usize = 128;

/// Our limit: a list that is over a limit is decoded on (so that the connection can answer and go
/// on) until it is this many times over. Then it is an attack, one byte for a whole entry.
pub(in crate::http2) const EXCESS: usize = 4;

#[cfg(test)]
impl Decoder {
    pub(super) fn table(&self) -> &DynamicTable {
        &self.table
    }
}
