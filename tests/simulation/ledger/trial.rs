//! A new credential, tried beside the one in use until a push was taken that went by it: by what
//! passed on the wire.

use super::Fate;

/// The one that is to be tried, and what became of all that were.
#[derive(Default)]
pub(crate) struct Trial {
    /// The number of its route, as long as it is not in use.
    generation: Option<u64>,
    /// The push that tries it.
    push: Option<u64>,
    /// A push was taken that went by it.
    is_taken: bool,
    /// How often one was tried.
    pub(crate) tried: u64,
    /// How often in vain.
    pub(crate) refused: u64,
    /// How many came into use.
    pub(crate) used: u64,
}

impl Trial {
    /// Another is to be tried.
    pub(crate) fn begin(&mut self, generation: u64) {
        (self.generation, self.push, self.is_taken) = (Some(generation), None, false);
    }

    fn is_of(&self, generation: u64) -> bool {
        self.generation == Some(generation)
    }

    /// A request goes by the route of that number, where that is in use; what is wrong with it.
    pub(super) fn sent(&mut self, push: u64, by: u64, in_use: u64) -> Option<&'static str> {
        if !self.is_of(by) {
            let is_late = by == in_use && self.is_taken;
            let is_neither = by != in_use;
            return (is_late || is_neither).then_some("by a credential that is not used any more");
        }
        if self.is_taken {
            return None;
        }
        self.tried += 1;
        let before = self.push.replace(push);
        before.map(|_| "beside another that tries the new credential")
    }

    /// A request that went by that route has ended; whether that says nothing of its push, which
    /// goes by the other one.
    pub(super) fn ended(&mut self, by: u64, fate: Fate) -> bool {
        if !self.is_of(by) || self.is_taken {
            return false;
        }
        self.push = None;
        match fate {
            Fate::Answered(reply) if reply.proves() => {
                self.is_taken = true;
                false
            }
            Fate::NotSent => {
                // Its certificate was refused first.
                self.refused += 1;
                false
            }
            _ => {
                self.refused += 1;
                true
            }
        }
    }

    /// That route is in use; what is wrong with it.
    pub(crate) fn is_used(&mut self, generation: u64) -> Option<&'static str> {
        let is_right = self.is_of(generation) && self.is_taken;
        self.used += 1;
        self.generation = None;
        self.is_taken = false;
        (!is_right).then_some("a new credential is used, and no push was taken that went by it")
    }
}
