//! What holds the lane, by the answers that passed: a second account of its gate.
//!
//! It knows when something may go at the earliest. What was answered in one round of a thread is
//! looked at together: what says that the credential is refused comes before what says that it is
//! taken.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use sterna::lane::Proof;

use crate::reply::Reply;

/// The wait before a probe grows to so many times the first.
const GROWTH: u32 = 10;
/// How long answers have to decide whether a refusal is about one push.
const DECIDES: Duration = Duration::from_millis(500);

const REFUSED_FIRST: &str = "though it was refused, and others go first";
const UNDECIDED: &str = "before others have decided by their answers";

/// Whether the daemon may send.
pub(crate) struct Hold {
    first_probe: Duration,
    /// An operator has paused the lane.
    pub(crate) paused: bool,
    refused: Option<Refused>,
    /// The number of the route in use.
    generation: u64,
    /// Of the present round.
    heard: Heard,
}

/// What answers have said of the credential.
#[derive(Default)]
struct Heard {
    refusals: Vec<Refusal>,
    /// Another push was taken, and what that proves at most.
    taken: Option<Proof>,
}

/// To a push and for what, or to a connection as a whole.
#[derive(Clone, Copy)]
struct Refusal {
    push: Option<(u64, Reply)>,
    link: usize,
    /// Others have contradicted it before.
    is_discredited: bool,
}

/// The credential was refused.
struct Refused {
    met: Met,
    /// The one that alone has met it has been contradicted before.
    is_discredited: bool,
    /// Pushes that have met it.
    targets: BTreeSet<u64>,
    /// Those of them that wait for others to contradict it, and on which link they met what.
    suspects: BTreeMap<u64, (usize, Reply)>,
    /// No push that has met it before this, nor any if several have.
    not_before: Instant,
    /// No other before this.
    others_from: Instant,
    /// Those that were sent since.
    probes: BTreeSet<u64>,
    /// Probes that were refused, or had no answer.
    refusals: u32,
    /// It was a GOAWAY that said so, in the present round.
    is_rumour: bool,
}

/// Who has met it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Met {
    /// Nobody since the credential was replaced.
    Nobody,
    /// A connection as a whole, of which the daemon may not have heard, and maybe others.
    Connection,
    /// All of them that push, or all on that link.
    One(Option<u64>, Option<usize>),
    Several,
}

impl Refused {
    fn new(met: Met, now: Instant) -> Self {
        Self {
            met,
            is_discredited: false,
            targets: BTreeSet::new(),
            suspects: BTreeMap::new(),
            not_before: now,
            others_from: now,
            probes: BTreeSet::new(),
            refusals: 0,
            is_rumour: false,
        }
    }

    fn meet(&mut self, refusal: Refusal, first_probe: Duration, now: Instant) {
        let before = self.met;
        let push = refusal.push.map(|(push, _)| push);
        self.met = match before {
            Met::One(one, link) if !self.is_discredited => {
                let same_push = one.filter(|one| push == Some(*one));
                let same_link = link.filter(|link| *link == refusal.link);
                match (same_push, same_link) {
                    _ if refusal.is_discredited || push.is_none() => before,
                    (None, None) => Met::Several,
                    (push, link) => Met::One(push, link),
                }
            }
            Met::Nobody | Met::One(..) if push.is_none() => Met::Connection,
            Met::Nobody | Met::One(..) => Met::One(push, Some(refusal.link)),
            Met::Connection | Met::Several => before,
        };
        if self.met == Met::Several && before != Met::Several {
            // What is under way was to decide, and is no probe.
            self.probes.clear();
        }
        if before == Met::Nobody || self.is_discredited {
            self.is_discredited = refusal.is_discredited;
        }
        // While one alone has met it, others are no probes.
        let may_be_another = self.met != Met::Several;
        let is_another = |push: &u64| may_be_another && !self.targets.contains(push);
        let was_another = push.as_ref().is_some_and(is_another);
        if let Some((push, reply)) = refusal.push {
            self.targets.insert(push);
            self.suspects.insert(push, (refusal.link, reply));
        }
        let was_probe = push.is_some_and(|push| self.probes.remove(&push)) && !was_another;
        if before == Met::Nobody || before != self.met && self.met == Met::Several {
            self.not_before = now + first_probe / 2;
        } else if was_probe {
            self.wait_again(first_probe, now);
        } else if push.is_none() && self.met == Met::Several && !self.probes.is_empty() {
            self.probes.clear();
            self.wait_again(first_probe, now);
        }
        self.others_from = self.others_from.min(now);
    }

    /// A probe was in vain.
    fn wait_again(&mut self, first_probe: Duration, now: Instant) {
        let factor = match self.met {
            Met::Several => {
                self.refusals += 1;
                GROWTH.min(1 << self.refusals.min(8))
            }
            Met::Nobody | Met::Connection | Met::One(..) => 1,
        };
        self.not_before = self.not_before.max(now + first_probe * factor / 2);
    }
}

impl Hold {
    pub(crate) fn new(first_probe: Duration) -> Self {
        Self {
            first_probe,
            paused: false,
            refused: None,
            generation: 0,
            heard: Heard::default(),
        }
    }

    pub(crate) fn is_refused(&self) -> bool {
        self.refused.is_some()
    }

    /// The number of the route in use.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// A request goes out; what is wrong with that.
    pub(crate) fn sent(&mut self, push: u64, now: Instant) -> Option<&'static str> {
        if self.paused {
            return Some("while the lane is paused by hand");
        }
        // It may be that nothing is left by which the lane was held.
        let refused = self.refused.as_mut().filter(|it| !it.is_rumour)?;
        let has_met = refused.targets.contains(&push);
        let is_early = now < refused.not_before;
        let fault = match refused.met {
            Met::Connection | Met::One(..) if has_met => is_early.then_some(REFUSED_FIRST),
            // Unless the time for a probe has come, whoever it is.
            Met::Connection | Met::One(..) => {
                (is_early && now < refused.others_from).then_some(UNDECIDED)
            }
            Met::Nobody | Met::Several if !refused.probes.is_empty() => Some("beside a probe"),
            Met::Nobody | Met::Several => is_early.then_some("as a probe, too early"),
        };
        refused.others_from = now + DECIDES;
        refused.probes.insert(push);
        refused.suspects.remove(&push);
        fault
    }

    /// Whether that push was sent to see whether the credential is taken.
    pub(crate) fn is_probe(&self, push: u64) -> bool {
        let refused = self.refused.as_ref();
        refused.is_some_and(|refused| refused.probes.contains(&push))
    }

    /// The credential of that route was refused, to a push or by GOAWAY. False if that is the one
    /// before, of which nothing more is to be known.
    pub(crate) fn refuse(
        &mut self,
        push: Option<(u64, Reply)>,
        is_discredited: bool,
        link: usize,
        generation: u64,
    ) -> bool {
        if generation == self.generation {
            self.heard.refusals.push(Refusal {
                push,
                link,
                is_discredited,
            });
        }
        generation == self.generation
    }

    /// Whether something was heard in the present round that changes anything.
    pub(crate) fn has_news(&mut self) -> bool {
        let is_refused = self.refused.is_some() || !self.heard.refusals.is_empty();
        self.heard.taken.take_if(|_| !is_refused);
        is_refused
    }

    /// A push was answered as only a good credential is.
    pub(crate) fn taken(&mut self, generation: u64, proof: Proof) {
        if generation == self.generation {
            self.heard.taken = self.heard.taken.max(Some(proof));
        }
    }

    /// What was heard takes effect, while others are in flight or not; the pushes whose refusal is
    /// contradicted by that, with the link on which they met what.
    pub(crate) fn conclude(&mut self, others: bool, now: Instant) -> BTreeMap<u64, (usize, Reply)> {
        let heard = std::mem::take(&mut self.heard);
        for refusal in heard.refusals {
            let (first_probe, is_new) = (self.first_probe, self.refused.is_none());
            let refused = self.refused.get_or_insert_with(|| {
                let mut refused = Refused::new(Met::Nobody, now);
                refused.is_rumour = refusal.push.is_none();
                refused
            });
            refused.meet(refusal, first_probe, now);
            if is_new && others {
                refused.others_from = now + DECIDES;
            }
        }
        let opens = |refused: &mut Refused| match heard.taken {
            None => false,
            // Of the configured topic it says nothing.
            Some(Proof::Credential) => !refused.suspects.values().any(|it| it.1.is_of_topic()),
            Some(Proof::Topic) => true,
        };
        let refused = self.refused.take_if(opens);
        refused.map_or_else(BTreeMap::new, |refused| refused.suspects)
    }

    /// Nothing was learnt by a push, which was sent or not.
    pub(crate) fn ended(&mut self, push: u64, was_sent: bool, now: Instant) {
        let first_probe = self.first_probe;
        if let Some(refused) = &mut self.refused
            && refused.probes.remove(&push)
        {
            let may_be_another = matches!(refused.met, Met::Connection | Met::One(..));
            let is_another = may_be_another && !refused.targets.contains(&push);
            if was_sent && !is_another {
                refused.wait_again(first_probe, now);
            } else if was_sent {
                // The next one that is to decide has its time.
            } else {
                refused.others_from = refused.others_from.min(now);
            }
        }
    }

    /// A push is settled, and waits for nothing any more.
    pub(crate) fn settled(&mut self, push: u64) {
        if let Some(refused) = &mut self.refused {
            refused.suspects.remove(&push);
        }
    }

    /// Another credential is in use; `is_held` if the daemon holds the lane until it is tried.
    /// Returns what was said to pushes, and says nothing of them.
    pub(crate) fn replaced(&mut self, generation: u64, is_held: bool, now: Instant) -> Vec<u64> {
        self.generation = generation;
        self.heard = Heard::default();
        let refused = self.refused.take();
        if is_held {
            self.refused = Some(Refused::new(Met::Nobody, now));
        }
        let suspects = refused.map_or_else(BTreeMap::new, |refused| refused.suspects);
        suspects.into_keys().collect()
    }

    /// The daemon holds nothing any more.
    pub(crate) fn forget_all(&mut self) {
        self.refused = None;
    }

    /// A push was taken out by hand, and with it what it has met. Another may go in the place of a
    /// probe. Of those that are left it is not known whether they were on one link.
    pub(crate) fn forget(&mut self, push: u64, now: Instant) {
        let is_alone = |refused: &mut Refused| {
            let is_first = matches!(refused.met, Met::One(Some(first), _) if first == push);
            is_first && refused.targets.len() <= 1
        };
        self.refused.take_if(is_alone);
        if let Some(refused) = &mut self.refused {
            // It may have been alone on the connection.
            if refused.targets.remove(&push) && refused.met != Met::Nobody {
                refused.met = Met::Connection;
                refused.others_from = refused.others_from.min(now);
            }
            refused.is_rumour |= refused.met == Met::Connection;
            refused.suspects.remove(&push);
            if refused.probes.remove(&push) {
                refused.not_before = refused.not_before.min(now);
                refused.others_from = refused.others_from.min(now);
            }
        }
    }

    /// A round is over, after which the daemon holds the lane or does not. A GOAWAY on a connection
    /// that it has let go by then is nothing to it.
    pub(crate) fn round_over(&mut self, is_held: bool) -> bool {
        if let Some(refused) = &mut self.refused {
            let is_rumour = std::mem::replace(&mut refused.is_rumour, false);
            if is_rumour && !is_held {
                self.refused = None;
            }
        }
        is_held || self.refused.is_none()
    }
}
