//! The bodies of `/stat/app`, `/stat/go` and `/stat/runtime`.
//!
//! Pure: no I/O, no clock.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::lane::{Lack, QueueKind};
use crate::push::{LaneId, Provider};
use crate::stats::{LaneFigures, Process};

/// Pushes settled on one lane since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Settled {
    /// Those that the provider took.
    pub push_success: u64,
    /// Those that failed for good.
    pub push_error: u64,
}

impl From<LaneFigures> for Settled {
    fn from(figures: LaneFigures) -> Self {
        Self {
            push_success: figures.push_success,
            push_error: figures.push_error,
        }
    }
}

/// Attempts to push on one lane since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tries {
    /// Requests to the provider that have ended, whatever came of them, but for those on a
    /// connection that it refused as a whole.
    pub attempts: u64,
    /// Times that a push was to be sent again after one.
    pub retries: u64,
}

impl From<LaneFigures> for Tries {
    fn from(figures: LaneFigures) -> Self {
        Self {
            attempts: figures.attempts,
            retries: figures.retries,
        }
    }
}

/// Streams to the providers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pushers {
    /// Most streams in flight over all connections; 0 where only the providers limit them.
    pub max: u64,
    /// Streams in flight.
    pub count: u64,
}

/// Whether a lane sends, and why not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LaneState {
    /// Whether it sends.
    pub state: Sending,
    /// Since when it has not, in seconds of Unix time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// The provider's word for what is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The id of the push that was refused last for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub push: Option<u64>,
    /// For how long its provider has asked it to rest yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_left: Option<u64>,
    /// What that means, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What its provider cannot be reached for, if that is so.
    #[serde(skip)]
    pub lack: Option<Lack>,
    /// When the notification was accepted whose pushes have waited for longest, in seconds of Unix
    /// time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting_since: Option<u64>,
    /// The id of that notification's first push.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest: Option<u64>,
    /// Since when nothing has been taken, whatever was tried, in seconds of Unix time; absent
    /// before that was tried for a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<u64>,
    /// What most of its last answers are, if that points to something wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alarm: Option<LaneAlarm>,
}

/// A refusal of device tokens that most of a lane's last answers are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LaneAlarm {
    /// The provider's word.
    pub reason: &'static str,
    /// How many of a hundred answers.
    pub percent: usize,
    /// Since when most are, in seconds of Unix time.
    pub since: u64,
    /// What that is likely to come of.
    pub cause: Cow<'static, str>,
    /// What to do.
    pub cure: Cow<'static, str>,
}

/// Whether a lane sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Sending {
    /// It does.
    Open,
    /// An operator paused it, and has to resume it.
    Paused,
    /// Its credential is refused; it resumes by itself.
    Held,
    /// Its provider refuses whatever comes, and has said for how long.
    Resting,
    /// No connection or no access token can be had; it resumes by itself.
    Unreachable,
}

impl Sending {
    /// All states.
    pub const ALL: [Self; 5] = [
        Self::Open,
        Self::Paused,
        Self::Held,
        Self::Resting,
        Self::Unreachable,
    ];

    /// The word for it, as in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Paused => "paused",
            Self::Held => "held",
            Self::Resting => "resting",
            Self::Unreachable => "unreachable",
        }
    }
}

impl LaneState {
    /// Of a lane that sends.
    pub const OPEN: Self = Self {
        state: Sending::Open,
        since: None,
        reason: None,
        push: None,
        seconds_left: None,
        error: None,
        lack: None,
        waiting_since: None,
        oldest: None,
        failing_since: None,
        alarm: None,
    };
}

/// A lane of `/stat/app`: what it has settled, and its state if anything serves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LaneStat {
    /// What it has settled.
    #[serde(flatten)]
    pub settled: Settled,
    /// Whether it sends.
    #[serde(flatten)]
    pub state: Option<LaneState>,
    /// What it has tried.
    #[serde(flatten)]
    pub tries: Option<Tries>,
    /// What waits in it, by kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<LaneQueues>,
    /// What it proves itself with.
    #[serde(flatten)]
    pub credentials: Option<LaneCredentials>,
    /// What is to be sent later, if anything is.
    #[serde(flatten)]
    pub scheduled: Option<ScheduledStat>,
}

/// What waits in a lane, by kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneQueues(pub [(QueueKind, LaneQueue); QueueKind::ALL.len()]);

impl Serialize for LaneQueues {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let kinds = self.0.iter();
        serializer.collect_map(kinds.map(|(kind, queue)| (kind.word(), queue)))
    }
}

/// What waits in a lane of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LaneQueue {
    /// Pushes that wait or are in flight.
    pub pushes: usize,
    /// Pushes that may, beside those of the other class.
    pub capacity: usize,
    /// For how long the oldest has waited, in whole seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_seconds: Option<u64>,
}

/// What a lane proves itself with: which files and keys, nothing of what is in them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LaneCredentials {
    /// What is in use.
    pub credential: String,
    /// What is to be in use once a push has shown that it is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_credential: Option<String>,
    /// The provider's word for why that is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new_credential_reason: Option<String>,
    /// What was in use before, while it is not known whether what is in use is taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_credential: Option<String>,
}

/// What is scheduled for a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ScheduledStat {
    /// How many pushes are; those that are due and have found no room yet too.
    pub scheduled: u64,
    /// When the first of them is due, in seconds of Unix time.
    pub next_scheduled: u64,
}

impl ScheduledStat {
    /// So many pushes, the first for that time since the Unix epoch.
    pub fn of((scheduled, next): (u64, Option<Duration>)) -> Option<Self> {
        let next_scheduled = next?.as_secs();
        Some(Self {
            scheduled,
            next_scheduled,
        })
    }
}

/// What there is to say of lanes, under their names and in the order of their numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByLane<T>(pub Vec<(LaneId, T)>);

impl<T: Serialize> Serialize for ByLane<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let lanes = self.0.iter();
        serializer.collect_map(lanes.map(|(id, of_lane)| (id.name(), of_lane)))
    }
}

/// `/stat/app`: Gaurun's keys in Gaurun's order, ours behind them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StatApp {
    /// Pushes that the queues of all enabled lanes hold at most; as Gaurun has it, of one.
    pub queue_max: u64,
    /// Pushes accepted and not yet settled; as Gaurun has it, without those in flight.
    pub queue_usage: u64,
    /// See [`Pushers::max`].
    pub pusher_max: u64,
    /// See [`Pushers::count`].
    pub pusher_count: u64,
    /// What all lanes to each provider have settled.
    #[serde(flatten)]
    pub settled: ByPlatform,
    /// Each lane under its name.
    pub lanes: ByLane<LaneStat>,
}

/// What all lanes to each provider have settled, under Gaurun's word for its devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByPlatform([(Provider, Settled); Provider::ALL.len()]);

impl ByPlatform {
    /// The sums over these lanes.
    pub fn of(lanes: &ByLane<LaneStat>) -> Self {
        let sum = |provider| {
            let lanes = lanes.0.iter().filter(|(id, _)| id.provider() == provider);
            lanes.fold(Settled::default(), |sum, (_, lane)| Settled {
                push_success: sum.push_success.saturating_add(lane.settled.push_success),
                push_error: sum.push_error.saturating_add(lane.settled.push_error),
            })
        };
        Self(Provider::ALL.map(|provider| (provider, sum(provider))))
    }
}

impl Serialize for ByPlatform {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let sums = self.0.iter();
        serializer.collect_map(sums.map(|(provider, sum)| (provider.platform(), sum)))
    }
}

/// `/stat/go`: those of Gaurun's keys that a process without a Go runtime can honestly fill.
#[derive(Serialize)]
struct StatGo {
    time: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_num: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    goroutine_num: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_sys: Option<u64>,
}

/// `/stat/runtime`: the same figures under their own names, and two more.
#[derive(Serialize)]
struct StatRuntime {
    time: u64,
    version: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpus: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    threads: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_resident_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_seconds: Option<f64>,
}

/// The body of `/stat/app`: indented by one space, no newline at its end.
pub fn app(stat: &StatApp) -> Vec<u8> {
    indented(stat, b" ")
}

/// The body of `/stat/go`: indented by two spaces.
pub fn go(process: &Process, unix: Duration) -> Vec<u8> {
    let stat = StatGo {
        time: nanos(unix),
        cpu_num: process.cpus,
        goroutine_num: process.threads,
        memory_sys: process.resident_bytes,
    };
    indented(&stat, b"  ")
}

/// The body of `/stat/runtime`: indented by two spaces.
pub fn runtime(process: &Process, unix: Duration) -> Vec<u8> {
    let stat = StatRuntime {
        time: nanos(unix),
        version: env!("CARGO_PKG_VERSION"),
        cpus: process.cpus,
        threads: process.threads,
        memory_resident_bytes: process.resident_bytes,
        cpu_seconds: process.cpu_time.map(|time| time.as_secs_f64()),
    };
    indented(&stat, b"  ")
}

fn nanos(unix: Duration) -> u64 {
    u64::try_from(unix.as_nanos()).unwrap_or(u64::MAX)
}

fn indented(value: &impl Serialize, indent: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(256);
    let formatter = serde_json::ser::PrettyFormatter::with_indent(indent);
    let mut serializer = serde_json::Serializer::with_formatter(&mut body, formatter);
    // Numbers and fixed names: nothing here can fail to serialise.
    drop(value.serialize(&mut serializer));
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled_alone(push_success: u64, push_error: u64) -> LaneStat {
        LaneStat {
            settled: Settled {
                push_success,
                push_error,
            },
            state: None,
            tries: None,
            queue: None,
            credentials: None,
            scheduled: None,
        }
    }

    #[test]
    fn stat_app_is_gauruns_to_the_byte_with_the_lanes_behind() {
        let queue = |pushes, oldest_seconds| LaneQueue {
            pushes,
            capacity: 9,
            oldest_seconds,
        };
        let queues = [queue(2, Some(61)), queue(0, None), queue(0, None)];
        let kinds = QueueKind::ALL;
        let kept = LaneStat {
            state: Some(LaneState {
                state: Sending::Held,
                since: Some(1_795_000_000),
                reason: Some("SERVICE_DISABLED".into()),
                push: Some(17),
                seconds_left: None,
                error: Some("the API is not enabled".into()),
                ..LaneState::OPEN
            }),
            tries: Some(Tries {
                attempts: 7,
                retries: 5,
            }),
            queue: Some(LaneQueues([0, 1, 2].map(|at| (kinds[at], queues[at])))),
            credentials: Some(LaneCredentials {
                credential: "key id OLD".into(),
                new_credential: Some("key id NEW".into()),
                new_credential_reason: None,
                old_credential: None,
            }),
            scheduled: ScheduledStat::of((3, Some(Duration::from_secs(9)))),
            ..settled_alone(0, 0)
        };
        let shop = LaneId::new(300, Provider::Apns, "stat-shop/ios");
        let lanes = ByLane(vec![
            (LaneId::IOS, settled_alone(3, 4)),
            (LaneId::ANDROID, kept),
            (shop, settled_alone(30, 40)),
        ]);
        let stat = StatApp {
            queue_max: 8192,
            queue_usage: 1,
            pusher_max: 16,
            pusher_count: 2,
            settled: ByPlatform::of(&lanes),
            lanes,
        };
        assert_eq!(
            String::from_utf8(app(&stat)).unwrap(),
            "{\n \"queue_max\": 8192,\n \"queue_usage\": 1,\n \"pusher_max\": 16,\n \
             \"pusher_count\": 2,\n \"ios\": {\n  \"push_success\": 33,\n  \
             \"push_error\": 44\n },\n \
             \"android\": {\n  \"push_success\": 0,\n  \"push_error\": 0\n },\n \
             \"lanes\": {\n  \
             \"ios\": {\n   \"push_success\": 3,\n   \"push_error\": 4\n  },\n  \
             \"android\": {\n   \"push_success\": 0,\n   \"push_error\": 0,\n   \
             \"state\": \"held\",\n   \"since\": 1795000000,\n   \
             \"reason\": \"SERVICE_DISABLED\",\n   \"push\": 17,\n   \
             \"error\": \"the API is not enabled\",\n   \"attempts\": 7,\n   \
             \"retries\": 5,\n   \"queue\": {\n    \
             \"transactional\": {\n     \"pushes\": 2,\n     \"capacity\": 9,\n     \
             \"oldest_seconds\": 61\n    },\n    \
             \"bulk\": {\n     \"pushes\": 0,\n     \"capacity\": 9\n    },\n    \
             \"scheduled\": {\n     \"pushes\": 0,\n     \"capacity\": 9\n    }\n   },\n   \
             \"credential\": \"key id OLD\",\n   \
             \"new_credential\": \"key id NEW\",\n   \
             \"scheduled\": 3,\n   \"next_scheduled\": 9\n  },\n  \
             \"stat-shop/ios\": {\n   \"push_success\": 30,\n   \"push_error\": 40\n  }\n }\n}"
        );
    }

    #[test]
    fn stat_go_leaves_out_what_is_not_known() {
        let process = Process {
            threads: Some(9),
            ..Process::default()
        };
        assert_eq!(
            String::from_utf8(go(&process, Duration::new(1, 2))).unwrap(),
            "{\n  \"time\": 1000000002,\n  \"goroutine_num\": 9\n}"
        );
        let process = Process {
            cpus: Some(2),
            threads: Some(9),
            resident_bytes: Some(4096),
            cpu_time: Some(Duration::from_millis(1500)),
            ..Process::default()
        };
        assert_eq!(
            String::from_utf8(go(&process, Duration::from_secs(1))).unwrap(),
            "{\n  \"time\": 1000000000,\n  \"cpu_num\": 2,\n  \"goroutine_num\": 9,\n  \
             \"memory_sys\": 4096\n}"
        );
        let text = String::from_utf8(runtime(&process, Duration::from_secs(1))).unwrap();
        assert!(text.ends_with(
            "\"cpus\": 2,\n  \"threads\": 9,\n  \"memory_resident_bytes\": 4096,\n  \
             \"cpu_seconds\": 1.5\n}"
        ));
    }
}
