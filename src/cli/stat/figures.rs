//! What `/stat/app` says, and what has changed since it was last asked. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// The figures of one answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct AppFigures {
    queued: u64,
    in_flight: u64,
    /// For how long the oldest push has waited, in seconds, of each lane and class that has one.
    oldest: Vec<(String, u64)>,
    lanes: BTreeMap<String, LaneSoFar>,
}

/// One lane's: what was counted since the daemon's start, and whether it sends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct LaneSoFar {
    counts: Counts,
    state: String,
}

/// Settled pushes, and what was to be sent again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) succeeded: u64,
    pub(super) failed: u64,
    pub(super) retries: u64,
}

/// What is shown of one look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StatLine {
    pub(super) queued: u64,
    /// Seconds for which the oldest of these has waited, if any does.
    pub(super) oldest: Option<u64>,
    pub(super) in_flight: u64,
    /// Since the look before.
    pub(super) since: Counts,
    /// Those that do not send, each with why not, `open` if there is none; and those in which
    /// pushes wait.
    pub(super) lanes: String,
    /// Counters have fallen: they are of another process, whose counts since its start these are.
    pub(super) is_restarted: bool,
}

impl AppFigures {
    /// Reads the body of `/stat/app`; `None` if it is none.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let all: Map<String, Value> = serde_json::from_slice(body).ok()?;
        let number = |key| all.get(key)?.as_u64();
        // Where each lane has an entry of its own, the platforms' are sums.
        let lanes = all.get("lanes").and_then(Value::as_object).unwrap_or(&all);
        let mut oldest: Vec<_> = lanes.iter().flat_map(oldest).collect();
        oldest.sort_by_key(|(_, seconds)| std::cmp::Reverse(*seconds));
        let lanes = lanes.iter().filter_map(|(name, lane)| {
            let number = |key| lane.get(key)?.as_u64();
            let state = lane.get("state").and_then(Value::as_str);
            let read = LaneSoFar {
                counts: Counts {
                    succeeded: number("push_success")?,
                    failed: number("push_error")?,
                    retries: number("retries").unwrap_or_default(),
                },
                // One that is disabled has none.
                state: state.unwrap_or(OPEN).to_owned(),
            };
            Some((name.clone(), read))
        });
        Some(Self {
            queued: number("queue_usage")?,
            in_flight: number("pusher_count")?,
            oldest,
            lanes: lanes.collect(),
        })
    }

    /// Takes a later answer in its place, and tells what has changed. A lane that has gone is
    /// remembered: a reload may bring it back.
    pub(super) fn follow(&mut self, later: Self) -> StatLine {
        let none = LaneSoFar::default();
        let before_of = |name: &String| self.lanes.get(name).unwrap_or(&none).counts;
        let mut lanes = later.lanes.iter();
        // Of another process all of it is new, also where it is more than there was.
        let is_restarted = lanes.any(|(name, lane)| lane.counts.has_fallen_from(before_of(name)));
        let mut since = Counts::default();
        for (name, lane) in &later.lanes {
            let before = if is_restarted {
                Counts::default()
            } else {
                before_of(name)
            };
            since.add(lane.counts, before);
        }
        if is_restarted {
            self.lanes.clear();
        }
        let look = StatLine {
            queued: later.queued,
            in_flight: later.in_flight,
            oldest: later.oldest.first().map(|(_, seconds)| *seconds),
            since,
            lanes: later.states() + &later.ages(),
            is_restarted,
        };
        self.lanes.extend(later.lanes);
        look
    }

    fn states(&self) -> String {
        let shut = self.lanes.iter().filter(|(_, lane)| lane.state != OPEN);
        let shut = shut.map(|(name, lane)| format!("{name}:{}", lane.state));
        let told = some_of(shut);
        if told.is_empty() {
            OPEN.to_owned()
        } else {
            told
        }
    }

    /// Where pushes have waited for a second and more.
    fn ages(&self) -> String {
        let waiting = self.oldest.iter().filter(|(_, seconds)| *seconds > 0);
        let told = some_of(waiting.map(|(kind, seconds)| format!("{kind}:{seconds}s")));
        if told.is_empty() {
            told
        } else {
            format!(" {told}")
        }
    }
}

/// The first of some, and how many more there are.
fn some_of(all: impl Iterator<Item = String>) -> String {
    let mut told: Vec<String> = all.collect();
    let more = told.len().saturating_sub(LANES_SHOWN);
    if more > 0 {
        told.truncate(LANES_SHOWN);
        told.push(format!("+{more}"));
    }
    told.join(" ")
}

/// For how long the oldest push of each class of a lane has waited, in seconds.
fn oldest((lane, figures): (&String, &Value)) -> Vec<(String, u64)> {
    let classes = figures.get("queue").and_then(Value::as_object);
    let classes = classes.into_iter().flatten();
    let ages = classes.filter_map(|(class, waiting)| {
        let seconds = waiting.get("oldest_seconds")?.as_u64()?;
        Some((format!("{lane}:{class}"), seconds))
    });
    ages.collect()
}

impl Counts {
    fn has_fallen_from(self, before: Self) -> bool {
        self.succeeded < before.succeeded
            || self.failed < before.failed
            || self.retries < before.retries
    }

    fn add(&mut self, after: Self, before: Self) {
        self.succeeded += after.succeeded.saturating_sub(before.succeeded);
        self.failed += after.failed.saturating_sub(before.failed);
        self.retries += after.retries.saturating_sub(before.retries);
    }
}

/// The state of a lane that sends.
const OPEN: &str = "open";

/// Lanes that are named on a line.
const LANES_SHOWN: usize = 3;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn counted(lanes: &[(&str, u64, &str)]) -> AppFigures {
        let mut all = json!({"queue_max": 9, "queue_usage": 7, "pusher_max": 0, "pusher_count": 2});
        for (name, count, state) in lanes {
            all[*name] = json!({
                "push_success": count, "push_error": 1, "state": state, "retries": 0,
            });
        }
        AppFigures::read(all.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn deltas_are_sums_over_the_lanes() {
        let mut seen = counted(&[("ios", 10, "open"), ("android", 5, "open")]);
        let look = seen.follow(counted(&[("ios", 14, "open"), ("android", 6, "held")]));
        assert_eq!((look.queued, look.in_flight), (7, 2));
        let Counts {
            succeeded,
            failed,
            retries,
        } = look.since;
        assert_eq!((succeeded, failed, retries), (5, 0, 0));
        assert_eq!(look.lanes, "android:held");
        assert!(!look.is_restarted);
    }

    #[test]
    fn counters_that_fall_are_counted_from_their_restart() {
        let mut seen = counted(&[("ios", 10, "open"), ("android", 5, "open")]);
        let look = seen.follow(counted(&[("ios", 3, "open"), ("android", 5, "open")]));
        assert!(look.is_restarted);
        assert_eq!(look.since.succeeded, 8);
        let look = seen.follow(counted(&[("ios", 4, "open"), ("android", 5, "open")]));
        assert!(!look.is_restarted);
        assert_eq!(look.since.succeeded, 1);
    }

    #[test]
    fn a_lane_that_goes_and_comes_back_adds_only_what_is_new() {
        let mut seen = counted(&[("ios", 10, "open"), ("android", 5, "open")]);
        let look = seen.follow(counted(&[("ios", 10, "open")]));
        assert_eq!(look.since, Counts::default());
        let look = seen.follow(counted(&[("ios", 10, "open"), ("android", 6, "open")]));
        assert_eq!(look.since.succeeded, 1);
    }

    #[test]
    fn where_lanes_have_an_entry_each_platforms_do_not_count_twice() {
        let ios = json!({"push_success": 8, "push_error": 0});
        let queue = json!({"transactional": {"oldest_seconds": 2}, "bulk": {"oldest_seconds": 95}});
        let lanes = json!({"ios": {"push_success": 5, "push_error": 0, "state": "open"},
            "shop/ios": {"push_success": 3, "push_error": 0, "state": "paused", "queue": queue}});
        let all = json!({"queue_usage": 0, "pusher_count": 0, "ios": ios, "lanes": lanes});
        let read = AppFigures::read(all.to_string().as_bytes()).unwrap();
        let look = AppFigures::default().follow(read);
        assert_eq!(look.since.succeeded, 8);
        let told = "shop/ios:paused shop/ios:bulk:95s shop/ios:transactional:2s";
        assert_eq!((&*look.lanes, look.oldest), (told, Some(95)));
    }

    #[test]
    fn of_many_lanes_that_do_not_send_three_are_named() {
        let names: Vec<String> = (1..=5).map(|number| format!("a{number}/ios")).collect();
        let lanes: Vec<_> = names.iter().map(|name| (&**name, 0, "held")).collect();
        let look = AppFigures::default().follow(counted(&lanes));
        assert_eq!(look.lanes, "a1/ios:held a2/ios:held a3/ios:held +2");
    }

    #[test]
    fn of_many_that_wait_the_three_are_named_that_have_waited_longest() {
        let mut all = json!({"queue_usage": 9, "pusher_count": 0});
        for (number, seconds) in [(1, 3), (2, 0), (3, 9), (4, 4), (5, 1)] {
            let queue =
                json!({"transactional": {"pushes": 0}, "bulk": {"oldest_seconds": seconds}});
            all[format!("a{number}/ios")] =
                json!({"push_success": 0, "push_error": 0, "state": "open", "queue": queue});
        }
        let read = AppFigures::read(all.to_string().as_bytes()).unwrap();
        let look = AppFigures::default().follow(read);
        let told = "open a3/ios:bulk:9s a4/ios:bulk:4s a1/ios:bulk:3s +1";
        assert_eq!((&*look.lanes, look.oldest), (told, Some(9)));
    }

    #[test]
    fn what_is_no_answer_of_the_daemons_is_none() {
        for body in [
            "",
            "[]",
            "{}",
            "<html>",
            r#"{"queue_usage":-1,"pusher_count":0}"#,
        ] {
            assert_eq!(AppFigures::read(body.as_bytes()), None, "{body}");
        }
    }
}
