//! Field blocks for the peer.
//!
//! The table is kept for what repeats. A value that changes each time would, if inserted, push
//! out those that repeat (some 35 APNs paths fill the table), so it is sent as a literal.
//!
//! Its name would still cost its bytes each time where the static table has none (`apns-id`,
//! `apns-expiration`, `apns-collapse-id`). RFC 7541 has no way to insert a name alone: the first
//! field of that name is inserted whole, the later ones refer to its name. To keep the table clean
//! that is done for at most [`MAX_NAMES`] small fields, and again only after an insertion of a
//! value has evicted something, which may have been such a name. So however many values and names
//! go by, the values in the table stay there.

use super::super::fields::{index, list_size};
use super::super::{Field, Indexing};
use super::dynamic_table::{DynamicTable, Match};
use super::{DEFAULT_TABLE_SIZE, huffman, integer, static_table};

/// Encodes the blocks of one connection.
#[derive(Debug)]
pub struct Encoder {
    table: DynamicTable,
    /// The table size to come to at the next block.
    next_size: usize,
    /// The smallest that `next_size` was since the last block.
    smallest_size: usize,
    /// Fields that may still be inserted for the sake of their names.
    names_left: u8,
    epoch: u64,
}

impl Encoder {
    /// With the table size that holds before any SETTINGS.
    pub fn new() -> Self {
        let size = index(DEFAULT_TABLE_SIZE);
        Self {
            table: DynamicTable::new(size),
            next_size: size,
            smallest_size: size,
            names_left: MAX_NAMES,
            epoch: 0,
        }
    }

    /// The peer's SETTINGS said this `HEADER_TABLE_SIZE`. It takes effect with the next block.
    pub fn set_peer_table_size(&mut self, size: u32) {
        self.next_size = index(size.min(MAX_TABLE_SIZE));
        self.smallest_size = self.smallest_size.min(self.next_size);
    }

    /// Starts a block; to be called before its first field.
    ///
    /// After a change of size the block begins with updates to the smallest size that there was
    /// in between and to the final one (RFC 7541 §4.2).
    pub fn begin(&mut self, out: &mut Vec<u8>) {
        for size in [self.smallest_size, self.next_size] {
            if size != self.table.max_size() {
                integer::encode(size, 0x1f, 0x20, out);
                self.table.set_max_size(size);
                self.table_changed();
            }
        }
        self.smallest_size = self.next_size;
    }

    /// Appends a field to the block.
    pub fn field(&mut self, field: &Field<'_>, out: &mut Vec<u8>) {
        let Field {
            name,
            value,
            indexing,
        } = *field;
        let in_static = static_table::find(name, value);
        let in_dynamic = match (indexing, in_static) {
            // Nothing in the dynamic table could be of use.
            (_, Some((_, true))) | (Indexing::Literal | Indexing::NeverIndexed, Some(_)) => {
                Match::default()
            }
            _ => self.table.find(name, value),
        };
        let whole = match in_static {
            Some((index, true)) => Some(index),
            _ => in_dynamic.field.map(number),
        };
        if let Some(index) = whole
            && indexing != Indexing::NeverIndexed
        {
            integer::encode(index, 0x7f, 0x80, out);
            return;
        }
        let name_index = match in_static {
            Some((index, _)) => Some(index),
            None => in_dynamic.name.map(number),
        };
        let insert = match indexing {
            Indexing::Indexed => self.insert_value(name, value),
            Indexing::Literal => name_index.is_none() && self.insert_name(name, value),
            Indexing::NeverIndexed => false,
        };
        let (mask, pattern) = match indexing {
            _ if insert => (0x3f, 0x40),
            Indexing::NeverIndexed => (0x0f, 0x10),
            Indexing::Indexed | Indexing::Literal => (0x0f, 0x00),
        };
        integer::encode(name_index.unwrap_or(0), mask, pattern, out);
        if name_index.is_none() {
            string(name, out);
        }
        string(value, out);
    }

    /// Changes whenever the dynamic table does: while it is the same, a field that was encoded
    /// without insertion is encoded to the same bytes again.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Inserts the field for the sake of its value, if the table can hold it.
    fn insert_value(&mut self, name: &[u8], value: &[u8]) -> bool {
        if list_size(name.len(), value.len()) > self.table.max_size() {
            return false;
        }
        if self.table.insert(name, value) {
            self.names_left = MAX_NAMES;
        }
        self.table_changed();
        true
    }

    /// Inserts the field for the sake of its name, within the limits that has.
    fn insert_name(&mut self, name: &[u8], value: &[u8]) -> bool {
        let size = list_size(name.len(), value.len());
        if size.saturating_mul(NAME_SHARE) > self.table.max_size() {
            return false;
        }
        let Some(left) = self.names_left.checked_sub(1) else {
            return false;
        };
        self.names_left = left;
        self.table.insert(name, value);
        self.table_changed();
        true
    }

    fn table_changed(&mut self) {
        self.epoch = self.epoch.wrapping_add(1);
    }
}

impl Default for Encoder {
    fn default() -> Self {
        Self::new()
    }
}

/// The index, over both tables, of an entry of the dynamic one.
fn number(dynamic: usize) -> usize {
    dynamic.saturating_add(static_table::LEN).saturating_add(1)
}

/// Appends a string literal, Huffman-coded where that is shorter (RFC 7541 §5.2).
pub(super) fn string(bytes: &[u8], out: &mut Vec<u8>) {
    if bytes.len() <= SHORT {
        // Coded at once, behind the one byte that its length takes.
        let begin = out.len();
        out.push(0);
        huffman::encode(bytes, out);
        let coded = out.len().saturating_sub(begin).saturating_sub(1);
        if coded < bytes.len()
            && let (Ok(length), Some(place)) = (u8::try_from(coded), out.get_mut(begin))
        {
            *place = 0x80 | length;
            return;
        }
        out.truncate(begin);
    }
    let coded = huffman::encoded_len(bytes);
    if coded < bytes.len() {
        out.reserve(coded.saturating_add(8));
        integer::encode(coded, 0x7f, 0x80, out);
        huffman::encode(bytes, out);
    } else {
        integer::encode(bytes.len(), 0x7f, 0x00, out);
        out.extend_from_slice(bytes);
    }
}

#[cfg(test)]
impl Encoder {
    pub(super) fn table(&self) -> &DynamicTable {
        &self.table
    }
}

/// Longest string whose length takes one byte if it is shorter when coded.
const SHORT: usize = 0x7f;

/// Our limit: table bytes that we use, whatever the peer offers. A provider's template takes
/// below 2 KiB; following an offer of many megabytes would spend our memory on the peer's word.
pub(super) const MAX_TABLE_SIZE: u32 = DEFAULT_TABLE_SIZE;

/// Our limit: fields inserted for the sake of their names. Both providers' requests have three
/// such names.
pub(super) const MAX_NAMES: u8 = 8;

/// Our limit: a field inserted for the sake of its name takes at most the table's size divided by
/// this (256 bytes of 4,096), so that all `MAX_NAMES` of them take at most half of it.
pub(super) const NAME_SHARE: usize = 16;
