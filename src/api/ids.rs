//! Push ids, unique over restarts and over the daemons of a site.

use std::fmt;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::push::{Node, PushId};

/// Gives ids that nobody else is given, before or after: as many as are asked for, or more.
///
/// # Errors
///
/// Why there are none, for the caller whose pushes need them.
pub type More = Box<dyn FnMut(u64) -> Result<Range<u64>, String> + Send>;

/// Where the next push ids come from.
pub struct Ids {
    node: Node,
    block: Mutex<IdBlock>,
}

/// Ids that are ours and were not given yet.
struct IdBlock {
    left: Range<u64>,
    more: Option<More>,
    /// Whether the last time there were none.
    is_short: bool,
}

impl IdBlock {
    /// Makes room for so many consecutive ones.
    fn fill(&mut self, count: u64) -> Result<(), String> {
        let left = self.left.end.saturating_sub(self.left.start);
        if left >= count {
            return Ok(());
        }
        let more = self.more.as_mut().ok_or(NOT_YET)?;
        self.is_short = true;
        let more = more(count)?;
        self.is_short = false;
        if more.start == self.left.end {
            self.left.end = more.end;
        } else {
            self.left = more;
        }
        Ok(())
    }
}

impl Ids {
    /// Ids of that daemon, of which none can be given yet.
    pub fn of(node: Node) -> Self {
        let block = IdBlock {
            left: 0..0,
            more: None,
            is_short: false,
        };
        Self {
            node,
            block: Mutex::new(block),
        }
    }

    /// The daemon that gives them.
    pub fn node(&self) -> Node {
        self.node
    }

    /// From now on ids are given: those of a block, then those that `more` says.
    pub fn begin(&self, block: Range<u64>, more: More) {
        *self.block() = IdBlock {
            left: block,
            more: Some(more),
            is_short: false,
        };
    }

    /// Why the last caller got none, if there are none still: it is tried again.
    pub fn trouble(&self) -> Option<String> {
        let mut block = self.block();
        let is_short = block.is_short;
        is_short.then(|| block.fill(1).err()).flatten()
    }

    /// The first of `count` consecutive ids, which are never given again.
    ///
    /// Others wait while more ids are asked for.
    ///
    /// # Errors
    ///
    /// Why there are no more.
    pub fn take(&self, count: u64) -> Result<PushId, String> {
        let mut block = self.block();
        block.fill(count)?;
        let first = block.left.start;
        block.left.start = first.saturating_add(count);
        Ok(PushId(first))
    }

    fn block(&self) -> MutexGuard<'_, IdBlock> {
        // No code panics while it holds the lock; if it did, a block would be lost, and no more.
        self.block.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ids")
            .field("node", &self.node)
            .field("left", &self.block().left)
            .finish_non_exhaustive()
    }
}

/// No caller hears this: until the journal is read, no push is looked at.
const NOT_YET: &str = "no push ids are to be had yet";

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives blocks of ten, one behind the other, until there are none.
    fn tens(first: u64, blocks: u64) -> More {
        let mut blocks = (0..blocks).map(move |block| first + 10 * block);
        Box::new(move |count| {
            assert!(count <= 10, "{count}");
            let first = blocks.next().ok_or("used up")?;
            Ok(first..first + 10)
        })
    }

    fn ids(more: More) -> Ids {
        let ids = Ids::of(Node::default());
        ids.begin(0..0, more);
        ids
    }

    #[test]
    fn ids_are_consecutive_over_blocks_and_never_given_twice() {
        let ids = ids(tens(7, 3));
        let taken = [3, 0, 1, 8, 9, 9].map(|count| ids.take(count).unwrap().0);
        assert_eq!(taken, [7, 10, 10, 11, 19, 28]);
        assert_eq!(ids.take(1), Err("used up".to_owned()));
        assert_eq!(ids.take(0), Ok(PushId(37)), "it needs none");
    }

    #[test]
    fn a_block_that_others_have_is_stepped_over() {
        let mut blocks = [7..9, 100..110].into_iter();
        let ids = ids(Box::new(move |_| blocks.next().ok_or_else(String::new)));
        assert_eq!(ids.take(1), Ok(PushId(7)));
        assert_eq!(ids.take(2), Ok(PushId(100)), "8 has no neighbour");
        assert_eq!(ids.take(8), Ok(PushId(102)));
    }

    #[test]
    fn what_cannot_be_had_now_may_be_had_later() {
        let mut tries = 0;
        let ids = ids(Box::new(move |count| {
            tries += 1;
            if tries < 3 {
                return Err(format!("try {tries}"));
            }
            Ok(5..5 + count)
        }));
        assert_eq!(ids.trouble(), None);
        assert_eq!(ids.take(2), Err("try 1".to_owned()));
        assert_eq!(ids.trouble(), Some("try 2".to_owned()));
        assert_eq!(ids.trouble(), None);
        assert_eq!(ids.take(1), Ok(PushId(5)));
    }

    #[test]
    fn before_it_begins_there_are_none() {
        assert!(Ids::of(Node::default()).take(1).is_err());
    }
}
