//! The descriptors of the process: how many it may have, and who has how many of them.
//!
//! A lane that dials, a log that is opened again, a journal that begins another segment: each
//! takes descriptors at a time of its own, and what does not get one costs more than a caller's
//! connection does. So all of them together have a reserve, and callers what the limit leaves.

use std::fs;
use std::io;
use std::num::NonZeroUsize;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::config::Config;
use crate::control;
use crate::delivery::links::DRAINING_MAX;
use crate::http1;
use crate::net::resolve::{MAX_ADDRESSES, MAX_LOOKUPS};

/// Raises the limit of this process to what it may raise it to. The lower one is there for
/// programs that can use no more.
///
/// # Errors
///
/// The system's; the limit is as it was then.
pub fn raise() -> io::Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(())
}

/// The limit of this process as it is; `usize::MAX` if the system does not tell.
pub fn limit() -> usize {
    getrlimit(Resource::RLIMIT_NOFILE).map_or(usize::MAX, |(soft, _)| count(soft))
}

/// The limit that a daemon has: the running one of that pid, or else one that is started by this
/// process.
pub fn limit_of_daemon(pid: Option<u32>) -> (usize, Whose) {
    let limits = pid.and_then(|pid| fs::read_to_string(format!("/proc/{pid}/limits")).ok());
    if let Some(limit) = limits.as_deref().and_then(soft_limit) {
        return (limit, Whose::Running);
    }
    let own = getrlimit(Resource::RLIMIT_NOFILE).map_or(usize::MAX, |(_, hard)| count(hard));
    (own, Whose::Own)
}

/// Which process has a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// This one.
    Own,
    /// The daemon that runs beside it.
    Running,
}

fn count(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// The soft limit of open files in the form of /proc/PID/limits.
fn soft_limit(limits: &str) -> Option<usize> {
    let mut lines = limits.lines();
    let line = lines.find_map(|line| line.strip_prefix("Max open files"))?;
    let word = line.split_whitespace().next()?;
    (word == "unlimited")
        .then_some(usize::MAX)
        .or_else(|| word.parse().ok())
}

/// What a limit leaves to callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Connections of callers that may be open at once.
    pub connections: usize,
    /// Connections of callers that `core.max_connections` allows.
    asked: usize,
    /// Nobody has asked for so many: what the limit leaves will do.
    is_default: bool,
    /// What all others may need.
    reserve: usize,
    limit: usize,
    /// Lanes, and their connection threads, which are a part of the reserve.
    lanes: usize,
    threads: usize,
}

impl Share {
    /// Of a daemon with that configuration and that limit.
    pub fn of(config: &Config, limit: usize) -> Self {
        let most = config.core.provider_connections;
        let most = most.map_or(usize::MAX, NonZeroUsize::get);
        let asked = config.core.max_connections.map(NonZeroUsize::get);
        let lanes = config.enabled().count();
        let scrapers = match config.metrics.address {
            Some(_) => SCRAPERS + http1::BESIDE_CONNECTIONS,
            None => 0,
        };
        let lanes = (lanes, config.core.workers.get(), most);
        Self::of_lanes(asked, lanes, scrapers, limit)
    }

    /// Beside so many lanes with so many threads each, and so many of all lanes at most, and beside
    /// so many files for who scrapes at an address of its own.
    fn of_lanes(
        asked: Option<usize>,
        (lanes, workers, most): (usize, usize, usize),
        scrapers: usize,
        limit: usize,
    ) -> Self {
        let threads = lanes.saturating_mul(workers).min(most);
        let of_lanes = lanes.saturating_mul(LANE);
        let of_lanes = of_lanes.saturating_add(threads.saturating_mul(THREAD));
        Self {
            lanes,
            threads,
            ..Self::new(asked, of_lanes.saturating_add(OTHERS + scrapers), limit)
        }
    }

    /// For so many callers; `None`: for as many as there may be without asking.
    fn new(asked: Option<usize>, reserve: usize, limit: usize) -> Self {
        let (asked, is_default) = (asked.unwrap_or(CALLERS), asked.is_none());
        let left = limit.saturating_sub(reserve + http1::BESIDE_CONNECTIONS);
        Self {
            connections: asked.min(left.max(CALLERS_MIN)),
            asked,
            is_default,
            reserve,
            limit,
            lanes: 0,
            threads: 0,
        }
    }

    /// Whether the limit leaves less than is asked for.
    pub fn is_cut(&self) -> bool {
        self.wanted() > self.limit
    }

    /// What the operator is to know of `core.max_connections`, if it leaves fewer than the operator
    /// has asked for, or too few; what follows the `; ` is
    /// what to do.
    pub fn warning(&self, whose: Whose) -> Option<String> {
        let Self {
            connections,
            reserve,
            limit,
            ..
        } = self;
        let wanted = self.wanted();
        let beside = http1::BESIDE_CONNECTIONS;
        let the = match whose {
            Whose::Own => "the",
            Whose::Running => "the running daemon's",
        };
        let mut advice =
            format!("raise it to {wanted}: LimitNOFILE= in the unit, else ulimit -n as root");
        if let Some(fewer) = self.fewer_threads() {
            advice = format!("{advice}, or set core.provider_connections = {fewer}");
        }
        let is_short = *limit < reserve + beside + connections;
        if is_short {
            return Some(format!(
                "{the} limit of open files is {limit}, and lanes, logs and journal may need \
                 {reserve}, callers who come or leave {beside}: they may be left \
                 without while {connections} callers are served; \
                 {advice}"
            ));
        }
        (self.is_cut() && !self.is_default).then(|| {
            format!(
                "{the} limit of open files is {limit}, which leaves {connections} connections to \
                 callers beside the {reserve} files of lanes, logs and journal and {beside} for \
                 callers who come or leave; {advice}, or set core.max_connections = {connections}"
            )
        })
    }

    /// The threads of all lanes with which the limit would leave what is asked for; `None` if it
    /// does, or if there are too many lanes for that.
    fn fewer_threads(&self) -> Option<usize> {
        let over = self.wanted().saturating_sub(self.limit);
        let fewer = self.threads.checked_sub(over.div_ceil(THREAD))?;
        (over > 0 && fewer >= self.lanes.max(1)).then_some(fewer)
    }

    /// The limit that leaves what is asked for.
    fn wanted(&self) -> usize {
        let beside = self.reserve.saturating_add(http1::BESIDE_CONNECTIONS);
        beside.saturating_add(self.asked)
    }
}

/// Our limit: connections to `metrics.address` that may be open at once.
pub const SCRAPERS: usize = 16;

/// A lane's thread: what it waits with, its bell, its connection and those that drain beside it.
const THREAD: usize = 3 + DRAINING_MAX;

/// A connection that is being opened: each address of the name, and what is waited with.
const OPENING: usize = MAX_ADDRESSES + 3;

/// A lane beside its threads: one connection that is being opened, the same for the exchange of
/// access tokens, and credential files.
const LANE: usize = 2 * OPENING + 2;

/// All that is no lane's: name lookups (`getaddrinfo` opens a few files and sockets), the control
/// socket, three logs, each beside the one that follows it, and the following.
const OTHERS: usize = 4 * MAX_LOOKUPS + control::DESCRIPTORS + 6 + JOURNAL + REST;

/// The journal: its locks, the segments that are still needed, the one that is being written,
/// directories.
const JOURNAL: usize = 16;

/// What was inherited, signals, the API's socket, pid file and state files, the files that a
/// reload reads, systemd, and one request that asks for figures of the process.
const REST: usize = 32;

/// Our limit: connections of callers that there may be without asking for more.
pub const CALLERS: usize = 8192;

/// Our limit: connections of callers that there may be however low the limit of open files is.
const CALLERS_MIN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::APPS_MAX;

    #[test]
    fn callers_have_what_is_left_and_both_numbers_are_told() {
        let beside = http1::BESIDE_CONNECTIONS;
        let share = |limit| Share::new(Some(512), 300, limit);
        let all = share(812 + beside);
        assert_eq!((all.connections, all.warning(Whose::Own)), (512, None));
        assert_eq!(share(usize::MAX).connections, 512);
        let cut = share(811 + beside);
        assert_eq!(cut.connections, 511);
        let warning = cut.warning(Whose::Own).unwrap();
        assert!(warning.starts_with("the limit of"), "{warning}");
        assert!(warning.ends_with("or set core.max_connections = 511"));
        let running = cut.warning(Whose::Running).unwrap();
        assert!(running.starts_with("the running daemon's limit of"));
        for number in [811 + beside, 511, 300, beside, 812 + beside] {
            assert!(warning.contains(&number.to_string()), "{warning}");
        }
        let least = share(300 + beside + CALLERS_MIN);
        assert_eq!(least.connections, CALLERS_MIN);
        assert!(
            least.warning(Whose::Own).unwrap().contains("leaves"),
            "{least:?}"
        );
    }

    #[test]
    fn below_the_reserve_few_callers_are_served_and_it_is_said_who_may_be_left_without() {
        for limit in [
            0,
            20,
            300,
            300 + http1::BESIDE_CONNECTIONS + CALLERS_MIN - 1,
        ] {
            let share = Share::new(Some(512), 300, limit);
            assert_eq!(share.connections, CALLERS_MIN);
            let warning = share.warning(Whose::Own).unwrap();
            assert!(warning.contains("may be left without"), "{warning}");
        }
        let few = Share::new(Some(3), 300, 20);
        assert_eq!(few.connections, 3);
        assert!(few.warning(Whose::Own).is_some());
    }

    #[test]
    fn who_has_not_asked_for_a_number_has_what_there_is_without_a_word() {
        let share = |limit| Share::new(None, 300, limit);
        assert_eq!(share(usize::MAX).connections, CALLERS);
        let fewer = share(1024);
        let left = 1024 - 300 - http1::BESIDE_CONNECTIONS;
        assert_eq!((fewer.connections, fewer.is_cut()), (left, true));
        assert_eq!(fewer.warning(Whose::Own), None);
        let warning = share(64).warning(Whose::Own).unwrap();
        assert!(warning.contains("may be left without"), "{warning}");
    }

    #[test]
    fn under_the_unit_s_limit_as_many_apps_as_there_may_be_leave_callers_theirs() {
        let unit = include_str!("../systemd/sterna.service");
        let limit = unit
            .lines()
            .find_map(|line| line.strip_prefix("LimitNOFILE="));
        let limit = limit.unwrap().parse().unwrap();
        let lanes = 2 * (APPS_MAX + 1);
        let share = Share::of_lanes(None, (lanes, 32, usize::MAX), 0, limit);
        assert_eq!((share.connections, share.is_cut()), (CALLERS, false));
        // On a larger machine they have to share threads, as the warning says.
        let share = Share::of_lanes(Some(512), (lanes, 256, usize::MAX), 0, limit);
        assert_eq!(share.connections, CALLERS_MIN);
        let fewer = share.fewer_threads().unwrap();
        let advice = format!(", or set core.provider_connections = {fewer}");
        assert!(share.warning(Whose::Own).unwrap().contains(&advice));
        let share = Share::of_lanes(Some(512), (lanes, 256, fewer), 0, limit);
        assert_eq!((share.connections, share.warning(Whose::Own)), (512, None));
        assert!(Share::of_lanes(Some(512), (lanes, 256, fewer + 1), 0, limit).is_cut());
        // Each lane needs one.
        assert_eq!(
            Share::of_lanes(Some(512), (lanes, 2, usize::MAX), 0, 1024).fewer_threads(),
            None
        );
    }

    #[test]
    fn the_limit_of_another_process_is_read() {
        let limits = "Limit             Soft Limit  Hard Limit  Units     \n\
                      Max processes     7           8           processes \n\
                      Max open files    1024        524288      files     \n";
        assert_eq!(soft_limit(limits), Some(1024));
        assert_eq!(
            soft_limit(&limits.replace("1024", "unlimited")),
            Some(usize::MAX)
        );
        assert_eq!(soft_limit("Max open files\n"), None);
        assert_eq!(soft_limit(""), None);
    }
}
