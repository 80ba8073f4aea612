//! The life of one push, by what passed on the wire.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sterna::delivery::policy::Limits;
use sterna::push::{Accepted, PushClass};

use super::{Fate, LONGEST_BACKOFF, RETRY_WINDOW};
use crate::reply::{Class, Reply};

/// Refusals in a row that cost nothing.
pub(super) const FREE_REFUSALS: u32 = 5;

/// The least wait after the first contradiction.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// From the first contradiction to the last.
pub(super) const CONTRADICTED_FOR: Duration = Duration::from_secs(60);

/// The life of one push.
#[expect(clippy::struct_excessive_bools, reason = "four independent facts")]
pub(super) struct Record {
    pub(super) accepted: Arc<Accepted>,
    pub(super) deadline: Instant,
    /// Link and stream, while a request of it is open.
    pub(super) flight: Option<(usize, u32)>,
    pub(super) sent: Option<Instant>,
    pub(super) flown: Option<Instant>,
    pub(super) attempts: u32,
    pub(super) refusals: u32,
    /// The link on which it was refused last.
    pub(super) refused_on: Option<usize>,
    pub(super) used_its_second_chance: bool,
    /// Attempts of which nothing was heard.
    pub(super) unknown: u32,
    /// Its request is to show whether the credential is taken again.
    pub(super) is_probe: bool,
    pub(super) first_attempt: Option<Instant>,
    /// Not to be sent again before this.
    pub(super) not_before: Option<Instant>,
    pub(super) last: Option<Fate>,
    /// How often others contradicted what it met.
    pub(super) contradictions: u32,
    /// When first, and on which link.
    pub(super) first_contradiction: Option<(Instant, usize)>,
    /// The last of them: on which link it met what.
    pub(super) last_contradiction: Option<(usize, Reply)>,
    /// How often the provider took it.
    pub(super) taken: u32,
    /// The final answer that came, which the same round has to settle.
    pub(super) due: Option<Reply>,
    pub(super) settled: bool,
    /// It was told that it waits beyond its time.
    pub(super) told_late: bool,
}

impl Fate {
    /// What it is to a daemon that sends again what may have arrived, or not, and to which a push
    /// was taken of late, or not.
    pub(super) fn believed(self, resend_unknown: bool, is_proved: bool) -> Self {
        match self {
            Self::Spared if !resend_unknown => Self::Unknown,
            Self::Answered(reply) if !is_proved => Self::Answered(reply.of_doubtful_credential()),
            other => other,
        }
    }

    /// Whether no word on the credential can be in it: another may go in the place of a probe. What
    /// is refused for its own sake may be so before the credential is looked at.
    pub(super) fn is_nothing(self) -> bool {
        match self {
            Self::NotSent => true,
            Self::Answered(reply) => reply.class == Class::Final && !reply.of_other_topic,
            Self::NotProcessed { .. } | Self::Unknown | Self::Spared => false,
        }
    }
}

impl Record {
    pub(super) fn is_bulk(&self) -> bool {
        self.accepted.envelope.class == PushClass::Bulk
    }

    pub(super) fn new(accepted: &Arc<Accepted>, life: Duration) -> Self {
        Self {
            accepted: Arc::clone(accepted),
            deadline: accepted.at.monotonic + life,
            flight: None,
            sent: None,
            flown: None,
            attempts: 0,
            refusals: 0,
            refused_on: None,
            used_its_second_chance: false,
            unknown: 0,
            is_probe: false,
            first_attempt: None,
            not_before: None,
            last: None,
            contradictions: 0,
            first_contradiction: None,
            last_contradiction: None,
            taken: 0,
            due: None,
            settled: false,
            told_late: false,
        }
    }

    /// Whether an answer is about the credential, so that it costs the push nothing.
    pub(super) fn is_spared(&self, reply: Reply) -> bool {
        let last = self.is_probe || self.used_its_second_chance;
        match reply.class {
            _ if reply.broken => false,
            Class::Held => true,
            Class::Once | Class::OnceElsewhere => last,
            _ => false,
        }
    }

    /// Whether it goes last by an answer that its topic has met: it went to see whether the
    /// credential is taken.
    pub(super) fn is_kept(&self, reply: Reply) -> bool {
        self.is_probe && reply.of_other_topic
    }

    /// An attempt that says nothing of it.
    pub(super) fn spare(&mut self) {
        self.refusals = 0;
        self.first_attempt = None;
    }

    /// Others were taken that were sent with the credential which was refused to it.
    pub(super) fn contradicted(&mut self, link: usize, reply: Reply, now: Instant) {
        self.contradictions += 1;
        let (first, first_link) = *self.first_contradiction.get_or_insert((now, link));
        self.last_contradiction = Some((link, reply));
        self.last = Some(Fate::Answered(reply));
        if link == first_link {
            self.refused_on = Some(link);
        }
        let least = now + FIRST_WAIT;
        self.not_before = Some(match self.contradictions {
            1 => least,
            _ => least.max(first + CONTRADICTED_FOR),
        });
    }

    /// Whether it may fail by what it met while others were taken, which was that.
    pub(super) fn is_singled_out(&self, reason: &str, now: Instant) -> bool {
        let (Some((first, first_link)), Some((link, reply))) =
            (self.first_contradiction, self.last_contradiction)
        else {
            return false;
        };
        let is_over = now >= first + CONTRADICTED_FOR && link != first_link;
        self.contradictions >= 3 && is_over && self.flight.is_none() && reason == reply.reason
    }

    /// One more refusal in a row.
    pub(super) fn refused(&mut self) {
        self.refusals += 1;
        if self.refusals > FREE_REFUSALS {
            self.attempts += 1;
        }
    }

    /// Takes an answer that is about the push; true if that is the end of it.
    pub(super) fn answered(&mut self, reply: Reply) -> bool {
        match reply.class {
            Class::Elsewhere => self.refused(),
            Class::Once | Class::OnceElsewhere => self.refusals += 1,
            Class::OnceThenFinal if !self.used_its_second_chance => {
                self.refusals += 1;
                self.used_its_second_chance = true;
                return false;
            }
            _ => {
                self.attempts += 1;
                self.refusals = 0;
            }
        }
        self.used_its_second_chance |= matches!(reply.class, Class::Once | Class::OnceElsewhere);
        matches!(
            reply.class,
            Class::Taken | Class::Final | Class::Held | Class::OnceThenFinal
        )
    }

    /// Whether it goes to the shelf after that fate, and not at once to another connection.
    pub(super) fn is_shelved(&self) -> bool {
        match self.last {
            Some(Fate::Answered(reply)) => {
                matches!(reply.class, Class::Backoff | Class::Quota) || self.refusals > 1
            }
            Some(Fate::NotProcessed { .. }) => self.refusals > 1,
            Some(Fate::Unknown) => true,
            _ => false,
        }
    }

    /// Whether a settlement without a final answer is right.
    pub(super) fn may_fail(
        &self,
        reason: &str,
        status: Option<u64>,
        now: Instant,
        limits: Limits,
        stopped: bool,
    ) -> Option<()> {
        let first = self.first_attempt.unwrap_or(now);
        let asked = match self.last {
            Some(Fate::Answered(reply)) => reply.asked().unwrap_or(0),
            _ => 0,
        };
        let longest = LONGEST_BACKOFF + Duration::from_secs(60);
        let longest = longest.max(Duration::from_secs(asked * 11 / 10));
        let end = self.deadline.min(first + RETRY_WINDOW);
        let is_late = now + longest >= end;
        let used_up = self.attempts > u32::from(limits.retry_max) || is_late;
        let right = match (reason, self.last) {
            ("expired", _) => now >= self.deadline && self.flight.is_none(),
            ("shutdown", _) => stopped,
            ("too_late", Some(last)) => {
                let answered = match last {
                    Fate::Answered(reply) => Some(reply.status.into()),
                    _ => None,
                };
                now > first + RETRY_WINDOW && self.flight.is_none() && status == answered
            }
            ("unanswered", Some(Fate::Unknown)) => {
                let was_resent = self.unknown > 1 || is_late;
                status.is_none() && (!limits.resend_unknown || used_up && was_resent)
            }
            ("refused", Some(Fate::NotProcessed { .. })) => used_up && status.is_none(),
            (reason, Some(Fate::Answered(reply))) => {
                used_up && reason == reply.reason && status == Some(reply.status.into())
            }
            _ => false,
        };
        right.then_some(())
    }
}
