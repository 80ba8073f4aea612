//! What the operator is told of what callers get wrong: seldom, and of few kinds alone.
//!
//! Pure: no I/O, no clock.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::ignored::{Ignored, IgnoredField};
use super::mistake::Mistake;
use crate::count::{self, Seldom};

/// What the operator was told of ignored fields, and of requests that could not be read.
#[derive(Debug, Default)]
pub struct Told {
    fields: BTreeMap<IgnoredField, Seldom>,
    /// By their kinds.
    mistakes: BTreeMap<String, Seldom>,
    /// Values of `traceparent` that were none, by why.
    traceparents: BTreeMap<&'static str, Seldom>,
}

impl Told {
    /// What to tell of a request's: each field at most once an hour, and the first
    /// [`TOLD_FIELDS_MAX`] unknown ones alone, since callers choose them. `endpoint` is where the
    /// request came in.
    pub(super) fn tell(
        &mut self,
        ignored: &Ignored,
        (endpoint, request_id): (&str, &str),
        now: Instant,
    ) -> Vec<String> {
        let mut lines = Vec::new();
        for field in ignored.fields() {
            if !self.fields.contains_key(field) {
                let is_unknown = |field: &&IgnoredField| !matches!(field, IgnoredField::Unused(..));
                let unknown = self.fields.keys().filter(is_unknown).count();
                if is_unknown(&field) && unknown >= TOLD_FIELDS_MAX {
                    continue;
                }
                self.fields.insert(field.clone(), Seldom::every(TOLD_EVERY));
            }
            let seldom = self.fields.get_mut(field);
            if let Some(times) = seldom.and_then(|seldom| seldom.note(now)) {
                lines.push(field.told(endpoint, &requests(times, request_id)));
            }
        }
        lines
    }

    /// What to tell of a request whose `traceparent` is none: each reason, of which there are few,
    /// at most once an hour.
    pub(super) fn tell_traceparent(
        &mut self,
        why: &'static str,
        (endpoint, request_id): (&str, &str),
        now: Instant,
    ) -> Option<String> {
        let every = || Seldom::every(TOLD_EVERY);
        let times = self
            .traceparents
            .entry(why)
            .or_insert_with(every)
            .note(now)?;
        let requests = requests(times, request_id);
        Some(format!(
            "{endpoint}: the traceparent of {requests} was ignored, and is in no line of their \
             pushes: {why}; one is 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        ))
    }

    /// What to tell of a request that could not be read: each kind of mistake at most once an hour,
    /// and so many kinds alone, since they may have to do with names that callers choose.
    pub(super) fn tell_mistake(
        &mut self,
        mistake: &Mistake,
        (endpoint, request_id): (&str, &str),
        now: Instant,
    ) -> Option<String> {
        if !self.mistakes.contains_key(&mistake.kind) {
            if self.mistakes.len() >= TOLD_FIELDS_MAX {
                return None;
            }
            let seldom = Seldom::every(TOLD_EVERY);
            self.mistakes.insert(mistake.kind.clone(), seldom);
        }
        let times = self.mistakes.get_mut(&mistake.kind)?.note(now)?;
        let requests = requests(times, request_id);
        Some(format!("{endpoint} refused {requests}: {}", mistake.log))
    }
}

fn requests(times: u64, last: &str) -> String {
    let requests = count::of(times, "request", "requests");
    format!("{requests} (the last: {last})")
}

/// Our limit: unknown fields of which the operator is told as long as the process lives, and kinds
/// of requests that could not be read.
const TOLD_FIELDS_MAX: usize = 100;

/// Our limit: a line about one of them at most this often.
pub(super) const TOLD_EVERY: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http1::Traceparent;

    #[test]
    fn the_operator_hears_of_a_traceparent_that_is_none_once_an_hour() {
        let (start, mut told) = (Instant::now(), Told::default());
        let mut tell = |why, at| told.tell_traceparent(why, ("POST /push", "r-1"), start + at);
        let now = Duration::ZERO;
        let line = tell("it is odd", now).unwrap();
        let begin = "POST /push: the traceparent of 1 request (the last: r-1) was ignored, and is \
                     in no line of their pushes: it is odd; one is 00-";
        assert!(line.starts_with(begin), "{line}");
        assert_eq!(tell("it is odd", TOLD_EVERY / 2), None);
        assert!(tell("it is none", now).is_some());
        let later = tell("it is odd", TOLD_EVERY).unwrap();
        assert!(later.contains("of 2 requests"), "{later}");
        let (_, example) = later.rsplit_once(' ').unwrap();
        assert!(
            Traceparent::of_caller(example.as_bytes()).is_ok(),
            "{example}"
        );
    }
}
