//! What the operator hears of callers for whom there were too few connections.
//!
//! Pure: time is an argument.

use std::time::Instant;

use crate::count::{self, Seldom};

/// Connections that were closed for others, by what they were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct CrowdTally {
    /// Their requests or answers were under way.
    pub(super) unfinished: u64,
    /// They were idle.
    pub(super) idle: u64,
    /// Their callers were told with an answer to connect again.
    pub(super) parting: u64,
}

/// Counts them between two lines.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    seldom: Seldom,
    closed: CrowdTally,
    refused: u64,
}

impl Crowd {
    /// One more that was refused.
    pub(super) fn refused(&mut self) {
        self.refused = self.refused.saturating_add(1);
    }

    /// Those that were closed for others.
    pub(super) fn closed(&mut self, more: CrowdTally) {
        self.closed.unfinished = self.closed.unfinished.saturating_add(more.unfinished);
        self.closed.idle = self.closed.idle.saturating_add(more.idle);
        self.closed.parting = self.closed.parting.saturating_add(more.parting);
    }

    /// What to tell, if it is time. `is_cut`: the limit of open files leaves no more than `most`.
    pub(super) fn tell(&mut self, most: usize, is_cut: bool, now: Instant) -> Option<String> {
        let CrowdTally {
            unfinished,
            idle,
            parting,
        } = self.closed;
        let is_news = self.closed != CrowdTally::default() || self.refused > 0;
        if !is_news || self.seldom.note(now).is_none() {
            return None;
        }
        let advice = if is_cut {
            format!(
                "the limit of open files, which leaves {most} connections (LimitNOFILE= in the \
                 unit, else ulimit -n as root)"
            )
        } else {
            format!("core.max_connections ({most})")
        };
        let text = format!(
            "too many callers at once: since this was last said, {} cut off that did not go on, \
             {} closed, {} asked to connect again, {} answered 503; if these callers are yours, raise {advice}, \
             else keep them away",
            count::of(unfinished, "request was", "requests were"),
            count::of(idle, "idle connection was", "idle connections were"),
            count::of(parting, "caller was", "callers were"),
            count::of(self.refused, "new one was", "new ones were"),
        );
        (self.closed, self.refused) = (CrowdTally::default(), 0);
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_crowd_is_told_once_a_minute() {
        let start = Instant::now();
        let mut crowd = Crowd::default();
        let mut told = Vec::new();
        for second in 0..=120 {
            crowd.closed(CrowdTally {
                unfinished: u64::from(second > 1),
                idle: 1,
                parting: 2,
            });
            if second == 61 {
                crowd.refused();
            }
            told.extend(crowd.tell(512, second > 1, start + Duration::from_secs(second)));
        }
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(told[0].starts_with(
            "too many callers at once: since this was last said, 0 requests were cut off that did \
             not go on, 1 idle connection was closed, 2 callers were asked to connect again, 0 new \
             ones were answered 503;"
        ));
        assert!(told[1].contains("59 requests were cut off"), "{told:?}");
        assert!(told[2].contains("1 new one was answered 503"), "{told:?}");
        assert!(told[0].contains("core.max_connections (512)"), "{told:?}");
        assert!(
            told[1].contains("which leaves 512 connections ("),
            "{told:?}"
        );
    }
}
