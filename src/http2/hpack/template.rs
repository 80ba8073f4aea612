//! Fields that repeat from request to request.

use std::fmt;

use super::super::{Field, Fields, Indexing};
use super::Encoder;

/// Pseudo-headers and fields that repeat, with their encoding kept as long as it holds.
///
/// It belongs to one encoder: what is kept refers to that encoder's dynamic table.
#[derive(Debug)]
pub struct Template {
    pseudo: Part,
    fields: Part,
}

impl Template {
    /// Copies the fields. To be used with one and the same encoder always.
    pub fn new(pseudo: &[Field<'_>], fields: &[Field<'_>]) -> Self {
        Self {
            pseudo: Part::new(pseudo),
            fields: Part::new(fields),
        }
    }

    /// What its fields count against the peer's `SETTINGS_MAX_HEADER_LIST_SIZE`.
    pub fn list_size(&self) -> usize {
        self.pseudo
            .list_size()
            .saturating_add(self.fields.list_size())
    }

    /// Appends the pseudo-headers to the block.
    pub fn encode_pseudo(&mut self, encoder: &mut Encoder, out: &mut Vec<u8>) {
        self.pseudo.encode(encoder, out);
    }

    /// Appends the other fields to the block.
    pub fn encode_fields(&mut self, encoder: &mut Encoder, out: &mut Vec<u8>) {
        self.fields.encode(encoder, out);
    }
}

/// Fields that stand together in a block.
struct Part {
    fields: Fields,
    /// One for each of `fields`.
    indexing: Vec<Indexing>,
    /// What they were last encoded to, if nothing was inserted on the way.
    encoded: Vec<u8>,
    /// The encoder's epoch in which `encoded` holds.
    epoch: Option<u64>,
}

impl Part {
    fn new(fields: &[Field<'_>]) -> Self {
        let mut own = Fields::default();
        for field in fields {
            own.push(field.name, field.value);
        }
        let indexing = fields.iter().map(|field| field.indexing).collect();
        Self {
            fields: own,
            indexing,
            encoded: Vec::new(),
            epoch: None,
        }
    }

    fn list(&self) -> impl Iterator<Item = Field<'_>> {
        let fields = self.fields.iter().zip(&self.indexing);
        fields.map(|((name, value), &indexing)| Field {
            name,
            value,
            indexing,
        })
    }

    fn list_size(&self) -> usize {
        self.list().map(|field| field.list_size()).sum()
    }

    fn encode(&mut self, encoder: &mut Encoder, out: &mut Vec<u8>) {
        let epoch = encoder.epoch();
        if self.epoch == Some(epoch) {
            out.extend_from_slice(&self.encoded);
            return;
        }
        let start = out.len();
        for field in self.list() {
            encoder.field(&field, out);
        }
        self.epoch = None;
        if encoder.epoch() == epoch {
            self.encoded.clear();
            self.encoded
                .extend_from_slice(out.get(start..).unwrap_or_default());
            self.epoch = Some(epoch);
        }
    }
}

/// Leaves out `encoded`, in which a credential may be.
impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.list()).finish()
    }
}
