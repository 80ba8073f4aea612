//! What is written down: the push log (access and error log, in Gaurun's format) and the operator
//! log.
//!
//! [`mod@line`] formats lines and does nothing else; [`Sink`] carries whole lines to one
//! destination through a bounded buffer and a thread of its own; [`operator`] puts the `log`
//! facade in front of a sink; its lines are JSON too where they share one with the push log. When a
//! sink of the push log is full, whoever writes waits; beside a journal the push log gives way
//! instead, and says in its place what it has lost. Device tokens reach the push log only.

mod destination;
mod escape;
pub mod line;
pub mod operator;
mod origin;
mod privacy;
mod shape;
mod sink;
mod time_text;

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::Duration;

pub use self::destination::{Destination, RATE_LIMITED, append_to, append_to_existing};
pub use self::escape::forges;
pub use self::origin::{Origin, Origins};
pub use self::privacy::{HASH_KEY_MIN, Privacy, TokenShown};
pub use self::shape::Shape;
pub use self::sink::Sink;
pub use self::time_text::TimeText;
use crate::heartbeat::Heartbeat;
use crate::live::Live;
use crate::moment;
use crate::regular::Identity;

/// The daemon's three logs. Those that end in the same file share one sink.
#[derive(Clone, Debug)]
pub struct Logs {
    /// `accepted-request`, `accepted-push` and `succeeded-push` lines.
    pub access: Sink,
    /// `failed-push` and `disabled-push` lines, and texts about requests.
    pub error: Sink,
    /// What the operator must know; see [`operator::start`].
    pub operator: Sink,
    /// What the first two do not show.
    pub privacy: Arc<Live<Privacy>>,
    /// How the pushes of a recovery are named in their lines; a daemon has none.
    pub origins: Option<Origins>,
}

impl Logs {
    /// Opens the three destinations and starts a writer for each that is not shared.
    ///
    /// # Errors
    ///
    /// When a file cannot be opened, with its path, or when a thread cannot be started.
    pub fn open(
        access: &Destination,
        error: &Destination,
        operator: &Destination,
    ) -> io::Result<Self> {
        let access = Sink::open(access)?;
        let error = Sink::open_or_share(error, &[&access])?;
        let operator = Sink::open_or_share(operator, &[&access, &error])?;
        Ok(Self {
            access,
            error,
            operator,
            privacy: Arc::default(),
            origins: None,
        })
    }

    /// How the lines of the operator log look: as the others' where they come between them.
    pub fn operator_shape(&self) -> Shape {
        let is_shared = [&self.access, &self.error]
            .into_iter()
            .any(|log| log.is_same(&self.operator));
        if is_shared { Shape::Json } else { Shape::Text }
    }

    /// The same logs, which from now on hide what `privacy` says.
    #[must_use]
    pub fn hiding(self, privacy: Privacy) -> Self {
        let privacy = Arc::new(Live::new(privacy));
        Self { privacy, ..self }
    }

    /// Opens other destinations beside these, which [`Logs::turn_to`] puts in force. `None` if
    /// writers would have to begin or end for that: a log that shares a file with another one goes
    /// on sharing it, and one that discards goes on discarding.
    ///
    /// # Errors
    ///
    /// As for [`Logs::open`].
    pub fn open_beside(&self, names: &[Destination; 3]) -> io::Result<Option<Beside>> {
        let sinks = [&self.access, &self.error, &self.operator];
        let mut opened: Vec<Opened> = Vec::new();
        for (sink, name) in sinks.into_iter().zip(names) {
            let file = name.open()?;
            if file.is_none() != sink.discards() {
                return Ok(None);
            }
            opened.push(Opened {
                name: name.clone(),
                identity: file.as_ref().map(Identity::of_file).transpose()?,
                // Under a name of before it is the writer who opens the file again.
                file: file.filter(|_| sink.destination() != *name),
            });
        }
        let is_shared_as_before = |one: usize, other: usize| {
            let (Some(a), Some(b)) = (opened.get(one), opened.get(other)) else {
                return false;
            };
            let (Some(sink), Some(mate)) = (sinks.get(one), sinks.get(other)) else {
                return false;
            };
            a.is_one_with(b) == sink.is_same(mate) || sink.discards()
        };
        let fits = [(0, 1), (0, 2), (1, 2)]
            .into_iter()
            .all(|(one, other)| is_shared_as_before(one, other));
        Ok(fits.then_some(Beside(opened)))
    }

    /// From now on all clones of these logs go where [`Logs::open_beside`] said.
    pub fn turn_to(&self, beside: Beside) {
        let sinks = [&self.access, &self.error, &self.operator];
        for (sink, opened) in sinks.into_iter().zip(beside.0) {
            if let Some(file) = opened.file {
                sink.turn_to(opened.name, file);
            }
        }
    }

    /// Asks every writer to open its file again before its next write (after a rotation).
    pub fn reopen(&self) {
        self.sinks().for_each(Sink::reopen);
    }

    /// Waits until that is done, for so long at most, and says in words for the operator how far it
    /// is.
    pub fn opened_again(&self, within: Duration) -> &'static str {
        if !self.flush(within) {
            "log files are opened again as soon as their writers get on"
        } else if self.sinks().any(Sink::keeps_old) {
            "log files are opened again, but for those that cannot be"
        } else {
            "log files are opened again"
        }
    }

    /// Waits until all that was asked of the logs so far is done; false if `within` was too short.
    pub fn flush(&self, within: Duration) -> bool {
        let start = moment::now();
        self.sinks()
            .all(|sink| sink.flush(within.saturating_sub(moment::since(start))))
    }

    /// Has the writers of the push log say how far they have got, in bytes since the start: that
    /// of the access log and that of the error log, which may be the same. See
    /// [`Sink::on_written`].
    pub fn on_written(
        &self,
        told: impl Fn(Option<u64>, Option<u64>) + Clone + Send + Sync + 'static,
    ) {
        if self.access.is_same(&self.error) {
            return self
                .access
                .on_written(Box::new(move |at| told(Some(at), Some(at))));
        }
        let of_errors = told.clone();
        self.access
            .on_written(Box::new(move |at| told(Some(at), None)));
        self.error
            .on_written(Box::new(move |at| of_errors(None, Some(at))));
    }

    /// From now on nobody waits for a push log that cannot be written: see [`Sink::shed`].
    pub fn shed(&self) {
        self.access.shed();
        self.error.shed();
    }

    /// What is wrong with the logs, for who looks after the daemon; no paths are in it.
    pub fn trouble(&self) -> Option<String> {
        let is_shared = self.access.is_same(&self.error);
        let access = if is_shared { "push log" } else { "access log" };
        let is_apart = self.operator_shape() == Shape::Text;
        let logs = [
            (access, Some(&self.access)),
            ("error log", (!is_shared).then_some(&self.error)),
            ("operator log", is_apart.then_some(&self.operator)),
        ]
        .into_iter();
        let troubles =
            logs.filter_map(|(name, sink)| Some(format!("the {name} {}", sink?.trouble()?)));
        let troubles: Vec<String> = troubles.collect();
        (!troubles.is_empty()).then(|| troubles.join("; "))
    }

    /// Tells the operator of logs that take nothing, however few lines wait for them.
    pub fn look(&self) {
        self.sinks().for_each(Sink::look);
    }

    /// From now on no line waits longer than that for a log that gets nothing written.
    pub fn hurry(&self, patience: Duration) {
        self.sinks().for_each(|sink| sink.hurry(patience));
    }

    /// Ends what has lines of pushes only, as [`Logs::close`] ends all, so that the operator log
    /// can say how many of them are lost; where they share one, how many it has dropped: those that
    /// wait are written before that is.
    pub fn close_push_log(&self, within: Duration) -> u64 {
        let start = moment::now();
        let left = || within.saturating_sub(moment::since(start));
        let push_log = self.sinks().filter(|sink| !sink.is_same(&self.operator));
        let lost: u64 = push_log.map(|sink| sink.close(left())).sum();
        match self.operator_shape() {
            Shape::Text => lost,
            Shape::Json => {
                let _all_written = self.operator.flush(left());
                lost + self.operator.dropped()
            }
        }
    }

    /// Writes out what is left and ends the writers; says how many lines could not be written.
    ///
    /// Later lines are discarded. Nobody waits for room any more.
    #[must_use = "lines that were not written are lost"]
    pub fn close(&self, within: Duration) -> u64 {
        let start = moment::now();
        self.sinks()
            .map(|sink| sink.close(within.saturating_sub(moment::since(start))))
            .sum()
    }

    /// What tells that the writers live.
    pub fn heartbeats(&self) -> impl Iterator<Item = Heartbeat> {
        self.sinks().filter_map(Sink::heartbeat)
    }

    /// Whether somebody waits for room in one of them.
    pub fn are_waited_for(&self) -> bool {
        self.sinks().any(Sink::is_waited_for)
    }

    /// Each sink once; that of the operator log last, so that it can still tell about the others.
    fn sinks(&self) -> impl Iterator<Item = &Sink> {
        let all = [&self.access, &self.error, &self.operator];
        (0..all.len()).filter_map(move |index| {
            let (sink, later) = all.get(index..)?.split_first()?;
            (!later.iter().any(|other| other.is_same(sink))).then_some(*sink)
        })
    }
}

/// Destinations that were opened beside those in use, for [`Logs::turn_to`].
#[derive(Debug)]
pub struct Beside(Vec<Opened>);

#[derive(Debug)]
struct Opened {
    name: Destination,
    /// `None` for one that stays, and for one that discards.
    file: Option<File>,
    identity: Option<Identity>,
}

impl Opened {
    /// Whether both lead to one file.
    fn is_one_with(&self, other: &Self) -> bool {
        self.identity.is_some() && self.identity == other.identity
    }
}

/// Our limit: how long who has logs opened again waits before that is told.
pub const OPENED_WITHIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
