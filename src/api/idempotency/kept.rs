//! An answer as the backlog keeps it: behind the owner of its key, if it has one.

use std::time::Duration;

use super::{Answered, BYTES_MAX, BodyHash, ENTRY, KEPT_FOR, Keyed, PackedAnswer};
use crate::api::keys::KeyOwner;
use crate::backlog::{ANSWER_EXTRA, ANSWERS_BYTES_MAX, KEEP_ANSWERS, KeptAnswer};

/// A restart forgets no key that would be known without it: the backlog keeps answers for as long,
/// and as much of them, as their requests are let in.
const _: () = assert!(
    KEEP_ANSWERS.as_secs() >= KEPT_FOR.as_secs()
        && ANSWERS_BYTES_MAX >= BYTES_MAX as u64
        && ANSWER_EXTRA + OWNED <= ENTRY
);

impl Keyed<'_> {
    /// The answer under this key, given at that time since the Unix epoch, as it is kept: packed.
    pub fn kept(&self, answer: &[u8], at: Duration) -> KeptAnswer {
        let answer = PackedAnswer::of(answer);
        let answer = answer.bytes();
        let answer = match self.owner {
            Some(KeyOwner(owner)) => [&[OWNER_FOLLOWS], &owner[..], answer].concat().into(),
            None => answer.into(),
        };
        KeptAnswer {
            key: self.key.into(),
            body_hash: self.body.0,
            answer,
            at,
        }
    }
}

impl From<KeptAnswer> for Answered {
    fn from(kept: KeptAnswer) -> Self {
        let (owner, answer) = match kept.answer.split_first_chunk::<OWNED>() {
            Some(([OWNER_FOLLOWS, owner @ ..], answer)) => (Some(KeyOwner(*owner)), answer.into()),
            _ => (None, kept.answer),
        };
        Self {
            key: kept.key,
            body: BodyHash(kept.body_hash),
            owner,
            answer,
            at: kept.at,
        }
    }
}

/// What an answer begins with that has an owner: no JSON does.
const OWNER_FOLLOWS: u8 = 1;

/// Bytes of an owner before its answer.
const OWNED: usize = 9;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::backlog::Backlog;
    use crate::journal::fixture::{Loss, MemoryFiles};
    use crate::journal::{Journal, Settings};
    use crate::moment::Moment;

    #[test]
    fn an_answer_has_its_owner_again_after_a_restart() {
        let files = MemoryFiles::default();
        let open = |files: &MemoryFiles| {
            let mut settings = Settings::new("/journal");
            settings.reserve_bytes = 0;
            Journal::open(Arc::new(files.clone()), settings, Moment::now()).unwrap()
        };
        let now = Moment::now();
        let owners = [None, Some(KeyOwner([1; 8])), Some(KeyOwner(*b"{\"messag"))];
        let backlog = Backlog::default();
        backlog.open(Arc::new(open(&files).0));
        let given = owners.map(|owner| Answered {
            key: format!("{owner:?}").into(),
            body: BodyHash([7; 32]),
            owner,
            answer: b"{\"message\":\"ok\"}\n".as_slice().into(),
            at: now.unix,
        });
        for answered in &given {
            let keyed = Keyed {
                key: &answered.key,
                body: answered.body,
                owner: answered.owner,
            };
            let kept = keyed.kept(&answered.answer, answered.at);
            backlog.accept(&[], Some(&kept)).unwrap();
        }
        drop(backlog);
        let found = open(&files.reboot(Loss::Nothing)).1.answers;
        let mut found: Vec<Answered> = found.into_iter().map(Answered::from).collect();
        found.sort_by_key(|answered| given.iter().position(|given| given.key == answered.key));
        assert_eq!(found, given);
    }
}
