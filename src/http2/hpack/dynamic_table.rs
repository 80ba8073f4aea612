//! The dynamic table (RFC 7541 §2.3.2), of either direction.
//!
//! The bytes of all entries lie one after the other, oldest first, in one buffer; evicted ones
//! are cut off its front when the buffer is full. It takes at most twice the table's maximum size.

use std::collections::VecDeque;
use std::fmt;

use super::super::fields::list_size;

/// Entries, newest first, within a maximum size.
pub(super) struct DynamicTable {
    /// Names and values, oldest first; what lies before the oldest entry is dead.
    bytes: Vec<u8>,
    /// Newest first.
    entries: VecDeque<FieldPlace>,
    /// Sum of the sizes of the entries, as RFC 7541 §4.1 counts them; `size <= max_size`.
    size: usize,
    max_size: usize,
}

/// Where an entry lies in `bytes`: the value follows the name.
#[derive(Clone, Copy, Debug)]
struct FieldPlace {
    start: usize,
    name_len: usize,
    value_len: usize,
}

/// What `DynamicTable::find` found: indices, 0 is the newest entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Match {
    /// The newest entry of that name and value.
    pub(super) field: Option<usize>,
    /// The newest entry of that name.
    pub(super) name: Option<usize>,
}

impl DynamicTable {
    pub(super) fn new(max_size: usize) -> Self {
        Self {
            bytes: Vec::new(),
            entries: VecDeque::new(),
            size: 0,
            max_size,
        }
    }

    pub(super) fn max_size(&self) -> usize {
        self.max_size
    }

    /// Changes the maximum size and evicts what does not fit (RFC 7541 §4.3).
    pub(super) fn set_max_size(&mut self, max_size: usize) {
        self.max_size = max_size;
        self.evict_to(max_size);
    }

    /// Adds an entry after evicting as many as it takes; one that is larger than the table leaves
    /// the table empty (RFC 7541 §4.4). Returns whether entries were evicted.
    pub(super) fn insert(&mut self, name: &[u8], value: &[u8]) -> bool {
        let before = self.entries.len();
        let size = list_size(name.len(), value.len());
        let Some(room) = self.max_size.checked_sub(size) else {
            self.evict_to(0);
            return before > 0;
        };
        self.evict_to(room);
        let evicted = self.entries.len() < before;
        self.make_room(name.len().saturating_add(value.len()));
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(value);
        self.entries.push_front(FieldPlace {
            start,
            name_len: name.len(),
            value_len: value.len(),
        });
        self.size = self.size.saturating_add(size);
        evicted
    }

    /// Name and value of an entry; 0 is the newest.
    pub(super) fn get(&self, index: usize) -> Option<(&[u8], &[u8])> {
        self.entries
            .get(index)
            .map(|entry| (self.name(entry), self.value(entry)))
    }

    /// Looks for a field. There are so few entries that comparing lengths is the best filter.
    pub(super) fn find(&self, name: &[u8], value: &[u8]) -> Match {
        let mut found = Match::default();
        for (index, entry) in self.entries.iter().enumerate() {
            if entry.name_len != name.len() || self.name(entry) != name {
                continue;
            }
            found.name = found.name.or(Some(index));
            if entry.value_len == value.len() && self.value(entry) == value {
                found.field = Some(index);
                break;
            }
        }
        found
    }

    fn name(&self, entry: &FieldPlace) -> &[u8] {
        self.part(entry.start, entry.name_len)
    }

    fn value(&self, entry: &FieldPlace) -> &[u8] {
        self.part(entry.start.saturating_add(entry.name_len), entry.value_len)
    }

    fn part(&self, start: usize, len: usize) -> &[u8] {
        self.bytes
            .get(start..start.saturating_add(len))
            .unwrap_or_default()
    }

    fn evict_to(&mut self, size: usize) {
        while self.size > size
            && let Some(entry) = self.entries.pop_back()
        {
            self.size = self
                .size
                .saturating_sub(list_size(entry.name_len, entry.value_len));
        }
        if self.entries.is_empty() {
            self.bytes.clear();
        }
    }

    /// Makes room for `len` bytes, which with the live ones are at most `max_size`. The buffer is
    /// kept at twice that, so that its front is cut off once per that many bytes, not at each
    /// insertion.
    fn make_room(&mut self, len: usize) {
        if self.bytes.capacity().saturating_sub(self.bytes.len()) >= len {
            return;
        }
        let dead = self
            .entries
            .back()
            .map_or(self.bytes.len(), |oldest| oldest.start);
        self.bytes.drain(..dead);
        for entry in &mut self.entries {
            entry.start = entry.start.saturating_sub(dead);
        }
        let wanted = self.bytes.len().saturating_add(len).saturating_mul(2);
        self.bytes
            .reserve_exact(wanted.saturating_sub(self.bytes.len()));
    }
}

/// Entries may hold credentials, so `{:?}` tells how many there are.
impl fmt::Debug for DynamicTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (entries, size, max_size) = (self.entries.len(), self.size, self.max_size);
        write!(f, "DynamicTable({entries} entries, {size} of {max_size})")
    }
}

#[cfg(test)]
impl DynamicTable {
    pub(super) fn size(&self) -> usize {
        self.size
    }

    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// All entries as text, newest first.
    pub(super) fn listing(&self) -> Vec<String> {
        (0..self.entries.len())
            .filter_map(|index| self.get(index))
            .map(|(name, value)| format!("{}: {}", name.escape_ascii(), value.escape_ascii()))
            .collect()
    }
}
