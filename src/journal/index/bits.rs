//! Which pushes of a notification are settled.
//!
//! Pure: no file, no clock, no thread.

/// A set of token indexes.
#[derive(Debug)]
pub(super) struct Bits {
    pub(super) count: u32,
    words: Box<[u64]>,
}

impl Bits {
    pub(super) fn new(len: u32) -> Self {
        Self {
            count: 0,
            words: vec![0; len.div_ceil(u64::BITS) as usize].into(),
        }
    }

    pub(super) fn has(&self, index: u32) -> bool {
        let word = self.words.get((index / u64::BITS) as usize);
        word.is_some_and(|word| word >> (index % u64::BITS) & 1 == 1)
    }

    /// False if it is there already, or out of range.
    pub(super) fn set(&mut self, index: u32) -> bool {
        let Some(word) = self.words.get_mut((index / u64::BITS) as usize) else {
            return false;
        };
        let bit = 1 << (index % u64::BITS);
        let is_new = *word & bit == 0;
        *word |= bit;
        self.count += u32::from(is_new);
        is_new
    }
}
