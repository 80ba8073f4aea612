//! What was found, told in a few lines.

use std::collections::BTreeMap;
use std::io::{self, Write};

use crate::count::grouped;
use crate::daemon::Obstacle;
use crate::push::LaneId;
use crate::texts;

/// Pushes that are held back and told one by one.
const NAMED_MAX: usize = 20;

/// Characters of the time of such a push.
const TIME_SHOWN: usize = 40;

/// What was found, by what is to become of it.
#[derive(Default)]
pub(super) struct Figures {
    /// To be sent.
    pub(super) to_send: u64,
    /// Of so many.
    pub(super) total: u64,
    /// To be settled as expired.
    pub(super) expired: u64,
    /// Lines or places that cannot be read.
    pub(super) damaged: u64,
    /// To be settled as failed.
    pub(super) unsendable: u64,
    /// To be left, by the reason.
    pub(super) held: BTreeMap<Obstacle, u64>,
    /// The first of them by id and time.
    pub(super) named: Vec<String>,
    /// Lines that the logs say are missing.
    pub(super) lost: u64,
    /// Whether no error log was read: then what was refused looks outstanding.
    pub(super) lacks_error_log: bool,
}

impl Figures {
    /// Counts a push that is to be left.
    pub(super) fn hold(&mut self, hold: Obstacle, id: u64, lane: LaneId, accepted: &str) {
        *self.held.entry(hold).or_default() += 1;
        if self.named.len() < NAMED_MAX {
            // A time that is none may hold anything.
            let at = texts::first(accepted, TIME_SHOWN).escape_debug();
            self.named.push(format!("  id {id} {lane}, accepted {at}"));
        }
    }

    /// Pushes that are to be left.
    pub(super) fn held_back(&self) -> u64 {
        self.held.values().sum()
    }

    /// Whether nothing is to be sent or settled.
    pub(super) fn is_empty(&self) -> bool {
        self.to_send == 0 && self.expired == 0 && self.unsendable == 0
    }

    /// Tells the figures, and what is held back and why.
    pub(super) fn tell(&self, is_dry: bool) -> io::Result<()> {
        let mut out = io::stdout().lock();
        let outstanding = [self.unsendable, self.held_back()]
            .into_iter()
            .fold(self.to_send, u64::saturating_add);
        writeln!(
            out,
            "{} outstanding of {}, {} expired, {} damaged",
            grouped(outstanding),
            grouped(self.total),
            grouped(self.expired),
            grouped(self.damaged),
        )?;
        if outstanding > 0 && self.lacks_error_log {
            writeln!(
                out,
                "no line of an error log among them: if there is such a log, add it with -l, for \
                 without it pushes that were refused look outstanding",
            )?;
        }
        if self.lost > 0 {
            writeln!(
                out,
                "{} lines are missing from these logs, as they say: pushes without an outcome may \
                 have been sent",
                grouped(self.lost),
            )?;
        }
        for (hold, pushes) in &self.held {
            writeln!(out, "{} held back: {hold}", grouped(*pushes))?;
        }
        for line in &self.named {
            writeln!(out, "{line}")?;
        }
        let unnamed = self.held_back().saturating_sub(self.named.len() as u64);
        if unnamed > 0 && !self.named.is_empty() {
            writeln!(out, "  and {} more", grouped(unnamed))?;
        }
        if self.unsendable > 0 {
            let pushes = grouped(self.unsendable);
            writeln!(out, "{pushes} cannot be sent: no provider would take them")?;
        }
        if is_dry {
            writeln!(out, "dry run: nothing was sent or written")?;
        }
        out.flush()
    }
}
