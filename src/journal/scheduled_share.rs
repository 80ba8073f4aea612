//! How much may be scheduled: others are never refused for it.
//!
//! Pure: no file, no clock, no thread.

use super::batch::Group;
use super::reply::Reply;
use super::schedule::{AppLoads, ScheduledLoad};
use super::space::Space;
use super::{Settings, State};
use crate::push::DEFAULT_APP_NAME;

/// The most that may be scheduled.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScheduledShare(ScheduledLoad);

/// Requests by whether there is room for them.
#[derive(Debug, Default)]
pub(super) struct SortedRequests {
    pub(super) kept: Vec<(Group, Reply)>,
    /// Those for which there is none, and why: [`State::NoShare`].
    pub(super) refused: Vec<(Reply, State)>,
    /// Those of an app that would have more than others leave it, and why.
    pub(super) beyond_apps: Vec<(Reply, State)>,
}

/// What there is before a request.
#[derive(Debug, Default)]
pub(super) struct LoadBefore {
    /// What is scheduled.
    pub(super) scheduled: ScheduledLoad,
    /// Of which apps that is, where several share it.
    pub(super) of_apps: Option<AppLoads>,
    /// Bytes of all that is outstanding.
    pub(super) live_bytes: u64,
}

impl ScheduledShare {
    /// As much as these say.
    pub(super) fn new(settings: &Settings) -> Self {
        Self(ScheduledLoad {
            pushes: settings.scheduled_max,
            bytes: settings.scheduled_bytes,
        })
    }

    /// Which requests have room beside what there is.
    pub(super) fn sort(
        self,
        requests: Vec<(Group, Reply)>,
        mut so_far: LoadBefore,
        disk: (&Space, &str),
    ) -> SortedRequests {
        let mut sorted = SortedRequests::default();
        for (group, reply) in requests {
            let with_it = so_far.scheduled.and(group.scheduled);
            let live_then = so_far.live_bytes.saturating_add(group.scheduled.bytes);
            let is_scheduled = group.scheduled.pushes > 0;
            let too_large = self.too_large(group.scheduled);
            let is_for_good = too_large.is_some();
            let of_apps = so_far.of_apps.as_ref().filter(|_| !is_for_good);
            if let Some(state) = of_apps.and_then(|of_apps| self.beyond_app(of_apps, &group)) {
                sorted.beyond_apps.push((reply, state));
                continue;
            }
            let refusal = || too_large.or_else(|| self.refusal(with_it, live_then, disk));
            if let Some(why) = is_scheduled.then(refusal).flatten() {
                sorted
                    .refused
                    .push((reply, State::NoShare { why, is_for_good }));
                continue;
            }
            (so_far.scheduled, so_far.live_bytes) = (with_it, live_then);
            if let Some(of_apps) = &mut so_far.of_apps {
                for (app, load) in &group.scheduled_of {
                    let of_app = of_apps.entry(app).or_default();
                    *of_app = of_app.and(*load);
                }
            }
            sorted.kept.push((group, reply));
        }
        sorted
    }

    /// What is said to a request by which an app would have more than half of what the others
    /// leave, if one would.
    fn beyond_app(self, of_apps: &AppLoads, group: &Group) -> Option<State> {
        let now = self.beyond_half(of_apps, group)?;
        let alone = self.beyond_half(&AppLoads::new(), group);
        let is_for_good = alone.is_some();
        let (said, what) = if is_for_good {
            ("at once", "schedule fewer at once")
        } else {
            ("with these", "cancel some of its own")
        };
        let Beyond { app, has, key } = alone.unwrap_or(now);
        // How much others have is none of the caller's affair.
        let why = format!(
            "app {app} has {has} {said}, and beside other apps it may have half of what they \
             leave of {key}; {what}"
        );
        Some(State::NoShare { why, is_for_good })
    }

    /// The first app that would have more than half of what the others leave, which those before
    /// it in the request are among.
    fn beyond_half(self, of_apps: &AppLoads, group: &Group) -> Option<Beyond> {
        let all = of_apps.values().copied();
        let mut all = all.fold(ScheduledLoad::default(), ScheduledLoad::and);
        let half_left = |most: u64, others: u64| most.saturating_sub(others).div_ceil(2);
        for (app, load) in &group.scheduled_of {
            let before = of_apps.get(app).copied().unwrap_or_default();
            let own = before.and(*load);
            let others_pushes = all.pushes.saturating_sub(before.pushes);
            let others_bytes = all.bytes.saturating_sub(before.bytes);
            let (has, key) = if own.pushes > half_left(self.0.pushes, others_pushes) {
                (own.pushes.to_string(), "journal.scheduled_max")
            } else if own.bytes > half_left(self.0.bytes, others_bytes) {
                let has = format!("{} bytes", own.bytes);
                (has, "journal.scheduled_bytes")
            } else {
                all = all.and(*load);
                continue;
            };
            let app = if app.is_empty() {
                DEFAULT_APP_NAME
            } else {
                app
            };
            return Some(Beyond { app, has, key });
        }
        None
    }

    /// Why a request may never be taken that has so much to be scheduled, if so.
    fn too_large(self, alone: ScheduledLoad) -> Option<String> {
        let ScheduledLoad { pushes, bytes } = self.0;
        if alone.pushes > pushes {
            let asked = alone.pushes;
            let text = format!("{asked} at once, and journal.scheduled_max is {pushes}");
            return Some(text);
        }
        (alone.bytes > bytes).then(|| {
            format!(
                "the request takes {} bytes of the journal, and journal.scheduled_bytes is {bytes}; \
                 schedule fewer pushes at once, or raise it",
                alone.bytes
            )
        })
    }

    /// Why so much may not be scheduled, if so, where that many bytes are outstanding then; the
    /// journal's directory is `dir`.
    fn refusal(
        self,
        with_it: ScheduledLoad,
        live_bytes: u64,
        (space, dir): (&Space, &str),
    ) -> Option<String> {
        let ScheduledLoad { pushes, bytes } = self.0;
        let free = space.free();
        // A segment ends when it is twice as long as that, and all of it is carried into the next.
        let needed = space.needed().saturating_add(live_bytes);
        let needed = needed.saturating_mul(DISK_KEPT);
        if with_it.pushes > pushes {
            let text = format!(
                "{} with these, and journal.scheduled_max is {pushes}; raise it, or cancel some",
                with_it.pushes
            );
            return Some(text);
        }
        if with_it.bytes > bytes {
            let text = format!(
                "{} bytes with these, and journal.scheduled_bytes is {bytes}; raise it, or cancel \
                 some",
                with_it.bytes
            );
            return Some(text);
        }
        // Others are not to be refused for what can wait.
        (space.is_known() && free < needed).then(|| {
            format!(
                "{free} bytes of the disk under {dir} are free, and nothing is scheduled with \
                 fewer than {needed}; make room"
            )
        })
    }
}

/// An app that would have more than its part.
#[derive(Debug)]
struct Beyond {
    app: &'static str,
    /// How much that is.
    has: String,
    /// Of what.
    key: &'static str,
}

/// Our limit: nothing is scheduled with less of the disk than so many times its reserve and all
/// that is outstanding.
const DISK_KEPT: u64 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    fn load(pushes: u64, bytes: u64) -> ScheduledLoad {
        ScheduledLoad { pushes, bytes }
    }

    /// What becomes of requests that come at once where so much may be scheduled.
    fn told(
        most: ScheduledLoad,
        of_apps: &[(&'static str, ScheduledLoad)],
        requests: &[&[(&'static str, ScheduledLoad)]],
    ) -> Vec<String> {
        let sum = |loads: &[(&'static str, ScheduledLoad)]| {
            let loads = loads.iter().map(|(_, load)| *load);
            loads.fold(ScheduledLoad::default(), ScheduledLoad::and)
        };
        let request = |loads: &&[(&'static str, ScheduledLoad)]| {
            let mut group = Group::default();
            group.scheduled = sum(loads);
            group.scheduled_of = loads.iter().copied().collect();
            let (reply, _) = crate::journal::reply::pair();
            (group, reply)
        };
        let so_far = LoadBefore {
            scheduled: sum(of_apps),
            of_apps: Some(of_apps.iter().copied().collect()),
            live_bytes: 0,
        };
        let requests = requests.iter().map(request).collect();
        let sorted = ScheduledShare(most).sort(requests, so_far, (&Space::new(0), ""));
        assert!(sorted.refused.is_empty(), "{sorted:?}");
        let refused = sorted
            .beyond_apps
            .into_iter()
            .map(|(_, state)| match state {
                State::NoShare { why, is_for_good } => format!("{is_for_good}: {why}"),
                other => other.to_string(),
            });
        let kept = sorted.kept.iter().map(|_| "kept".to_owned());
        kept.chain(refused).collect()
    }

    #[test]
    fn of_several_apps_none_has_more_than_half_of_what_the_others_leave() {
        let most = load(100, 1000);
        for (own, others, asked, expected) in [
            (load(0, 0), load(0, 0), load(50, 500), "kept"),
            (
                load(0, 0),
                load(0, 0),
                load(51, 0),
                "true: app shop has 51 at once",
            ),
            (
                load(0, 0),
                load(0, 0),
                load(1, 501),
                "true: app shop has 501 bytes at once",
            ),
            (load(30, 0), load(0, 0), load(20, 0), "kept"),
            (
                load(30, 0),
                load(0, 0),
                load(21, 0),
                "false: app shop has 51 with these",
            ),
            (load(0, 0), load(50, 0), load(25, 0), "kept"),
            (
                load(0, 0),
                load(50, 0),
                load(26, 0),
                "false: app shop has 26 with these",
            ),
            (load(0, 0), load(99, 0), load(1, 0), "kept"),
            (load(1, 499), load(0, 0), load(1, 1), "kept"),
            (
                load(1, 200),
                load(1, 600),
                load(1, 1),
                "false: app shop has 201 bytes with these",
            ),
        ] {
            let told = told(
                most,
                &[("shop", own), ("news", others)],
                &[&[("shop", asked)]],
            );
            assert!(told[0].starts_with(expected), "{told:?}");
        }
    }

    #[test]
    fn requests_that_come_at_once_and_apps_of_one_request_count_one_after_the_other() {
        let most = load(100, 1000);
        let (shop, default) = (("shop", load(30, 0)), ("", load(30, 0)));
        let of_one = told(most, &[], &[&[shop], &[shop], &[shop], &[default]]);
        let refused = "false: app shop has 60 with these, and beside other apps it may have half \
                       of what they leave of journal.scheduled_max; cancel some of its own";
        assert_eq!(of_one, ["kept", "kept", refused, refused]);
        // However long it waits, there is never room for both.
        let of_both = told(most, &[], &[&[("", load(50, 0)), ("shop", load(26, 0))]]);
        let refused = "true: app shop has 26 at once";
        assert!(of_both[0].starts_with(refused), "{of_both:?}");
        let default_first = told(most, &[("shop", load(50, 0))], &[&[("", load(26, 0))]]);
        assert!(default_first[0].contains("app default has 26"));
    }

    /// As the documents say.
    #[test]
    fn some_twenty_apps_that_each_take_half_of_what_is_left_take_all() {
        const APPS: [&str; 20] = [
            "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q",
            "r", "s", "t",
        ];
        let most = load(1_000_000, u64::MAX);
        let (mut taken, mut left) = (Vec::new(), most.pushes);
        for app in APPS {
            let half = left.div_ceil(2);
            let more = told(most, &taken, &[&[(app, load(half + 1, 0))]]);
            assert_ne!(more, ["kept"], "{app}");
            let asked = (app, load(half, 0));
            assert_eq!(told(most, &taken, &[&[asked]]), ["kept"], "{app}");
            taken.push(asked);
            left -= half;
        }
        assert_eq!(left, 0);
        let none = told(most, &taken, &[&[("u", load(1, 0))]]);
        assert!(
            none[0].starts_with("false: app u has 1 with these"),
            "{none:?}"
        );
    }
}
