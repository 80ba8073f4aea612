//! What the tests of this room share: the endpoints with lanes that nobody sends from, a log that
//! is read back, and a backlog that says what it is asked to keep.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::plan::Rules;
use super::request::Trailing;
use super::service::{Service, Terms};
use super::{Apps, ChannelCalls, Ids, Lines, TurnedAway};
use crate::backlog::fixture::refused;
use crate::backlog::{Backlog, KeptAnswer, Refused, Whereabouts};
use crate::delivery::fixture::idle_lane;
use crate::delivery::register::Register;
use crate::delivery::running_lane::RunningLane;
use crate::http1::head::Head;
use crate::http1::reply::Reply;
use crate::http1::{Handler as _, Phase, Promise, ReplyWhen, RequestIds, Turnstile};
use crate::lane::Lanes;
use crate::live::Live;
use crate::log::{Destination, Logs};
use crate::moment::Moment;
use crate::provider::{Built, Fault, Unused};
use crate::push::{Accepted, Content, End, LaneId, Node, Notification, Push};
use crate::stats::{AttemptEnd, CallerStats, RoundStats};

/// A lane without connection threads, and what was taken from its queue.
pub(super) struct Queued {
    pub(super) running: Arc<RunningLane>,
    taken: Mutex<Vec<Push>>,
}

impl Queued {
    /// The device tokens and ids of the pushes that were queued so far.
    pub(super) fn tokens(&self) -> Vec<(String, u64)> {
        let mut taken = self.taken.lock().unwrap();
        taken.extend(self.running.lane.take_rest());
        let tokens = taken
            .iter()
            .map(|push| (push.token().text().into_owned(), push.id().0));
        tokens.collect()
    }

    pub(super) fn outstanding(&self) -> usize {
        self.running.lane.room().outstanding()
    }
}

/// What is behind the endpoints.
pub(super) struct Backstage {
    logs: Logs,
    path: PathBuf,
    _directory: TempDir,
    /// Bytes of the log that were looked at.
    seen: AtomicUsize,
    pub(super) register: Arc<Register>,
    /// Why nothing can be kept.
    pub(super) unrecordable: Mutex<Option<&'static str>>,
    /// Whether it does not know what it has kept.
    pub(super) forgets_what_it_took: AtomicBool,
    /// Called before something is kept.
    pub(super) recording: Mutex<Option<Box<dyn Fn() + Send>>>,
}

impl Backstage {
    fn open() -> Arc<Self> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("push.log");
        let log = Destination::named(&path);
        Arc::new(Self {
            logs: Logs::open(&log, &log, &Destination::Discard).unwrap(),
            path,
            _directory: directory,
            seen: AtomicUsize::default(),
            register: Arc::default(),
            unrecordable: Mutex::default(),
            forgets_what_it_took: AtomicBool::default(),
            recording: Mutex::default(),
        })
    }

    /// Says in the log, between the lines of pushes, what is to be kept.
    fn record(
        &self,
        accepted: &[Arc<Accepted>],
        answer: Option<&KeptAnswer>,
    ) -> Result<(), Refused> {
        if let Some(recording) = &*self.recording.lock().unwrap() {
            recording();
        }
        if let Some(why) = *self.unrecordable.lock().unwrap() {
            let forgets = self.forgets_what_it_took.load(Ordering::SeqCst);
            return Err(refused(why, forgets));
        }
        let ids: Vec<u64> = accepted.iter().map(|it| it.first_id.0).collect();
        let key = answer.map(|answer| &answer.key);
        let line = json!({"type": "recorded", "told": format!("{ids:?} {key:?}")});
        self.logs.access.write(format!("{line}\n").as_bytes());
        Ok(())
    }

    /// The lines since the last call, in few words.
    pub(super) fn take_lines(&self) -> Vec<String> {
        let lines = self.take_raw_lines();
        lines.iter().map(|line| told(line.as_bytes())).collect()
    }

    /// The lines since the last call, as they are.
    pub(super) fn take_raw_lines(&self) -> Vec<String> {
        assert!(self.logs.access.flush(Duration::from_secs(30)));
        let text = std::fs::read(&self.path).unwrap();
        let seen = self.seen.swap(text.len(), Ordering::SeqCst);
        let new = String::from_utf8(text[seen..].to_vec()).unwrap();
        new.lines().map(str::to_owned).collect()
    }
}

/// A line in few words.
fn told(line: &[u8]) -> String {
    let line: Value = serde_json::from_slice(line).unwrap();
    let text = |key: &str| line[key].as_str().unwrap_or_default();
    let of_push = |what: &str| format!("{what} {} {}", line["id"], text("token"));
    match text("type") {
        "recorded" => format!("recorded {}", text("told")),
        "accepted-request" => format!(
            "request {} {} {} {}",
            text("uri"),
            text("method"),
            text("proto"),
            line["content_length"]
        ),
        "accepted-push" => of_push("accepted"),
        "disabled-push" => of_push("disabled"),
        "failed-push" if text("error") == "bad device token" => of_push("malformed"),
        "failed-push" => of_push(text("reason")),
        _ => {
            let (message, error) = (text("message"), text("error"));
            let colon = if error.is_empty() { "" } else { ": " };
            format!("error {message}{colon}{error} ({})", text("request_id"))
        }
    }
}

/// The endpoints of a daemon with both platforms, whose tokens may not begin with `bad`, whose
/// messages may not begin with `long`, and whose next push id is 1.
pub(super) struct Site {
    pub(super) service: Arc<Service>,
    pub(super) ios: Option<Arc<Queued>>,
    pub(super) host: Arc<Backstage>,
}

fn content_of(notification: &mut Notification, _: Moment, _: &mut Unused) -> Result<Built, Fault> {
    let error = notification.message.strip_prefix("long");
    let fault = error.map(|_| Fault {
        pointer: "".into(),
        error: "payload of 4097 bytes over limit(4096)".to_owned(),
    });
    fault.map_or_else(
        || {
            Ok(Built {
                content: Content::whole(notification.message.as_bytes()),
                ..Built::nothing(notification.lane)
            })
        },
        Err,
    )
}

impl Site {
    /// The same, whose callers are treated as Gaurun treated them.
    pub(super) fn like_gaurun(self) -> Self {
        self.with(|terms| terms.rules.as_gaurun = true)
    }

    /// The same on other terms.
    pub(super) fn with(self, change: impl FnOnce(&mut Terms)) -> Self {
        let before = self.service.terms.get();
        let mut terms = Terms {
            rules: Rules {
                apps: before.rules.apps.clone(),
                content: Box::new(content_of),
                ..before.rules
            },
            keys: None,
            hosts: Vec::new(),
            trailing: before.trailing,
        };
        change(&mut terms);
        self.service.terms.set(terms);
        self
    }
}

pub(super) fn site(ios: Option<usize>, android: Option<usize>) -> Site {
    let site = unready_site(ios, android);
    site.service.backlog.ready();
    site
}

/// The same while the journal is being read.
pub(super) fn unready_site(ios: Option<usize>, android: Option<usize>) -> Site {
    let host = Backstage::open();
    let rules = Rules {
        notification_max: 100,
        allows_empty_message: false,
        bulk_from: 10,
        as_gaurun: false,
        keeps_scheduled: true,
        apps: Apps::default(),
        check_token: |_, token| match token.strip_prefix("bad") {
            Some(_) => Err("bad device token"),
            None => Ok(()),
        },
        content: Box::new(content_of),
    };
    let mut lanes = Lanes::of([LaneId::IOS, LaneId::ANDROID]);
    for (id, capacity) in [(LaneId::IOS, ios), (LaneId::ANDROID, android)] {
        let known = (id, lanes.stats(id));
        lanes.serve(
            id,
            capacity.map(|capacity| idle_lane(known, capacity, &host.logs, &host.register)),
        );
        let mut round = RoundStats::default();
        for attempt in 0..12 {
            round.tried(AttemptEnd::Status(200), Duration::ZERO, attempt == 0);
        }
        lanes.stats(id).add(&mut round);
    }
    let mut round = RoundStats::default();
    for settled in 0..11 {
        let as_what = if settled < 5 {
            (End::Succeeded, "")
        } else {
            (End::Failed, "BadDeviceToken")
        };
        round.settled(as_what, Duration::ZERO);
    }
    lanes.stats(LaneId::IOS).add(&mut round);
    lanes.stats(LaneId::IOS).sent(8);
    let queued = |running: &Arc<RunningLane>| Queued {
        running: Arc::clone(running),
        taken: Mutex::default(),
    };
    let ios = lanes.get(LaneId::IOS).map(queued).map(Arc::new);
    let (lanes, backlog) = (Arc::new(Live::new(lanes)), Arc::<Backlog>::default());
    let behind = Arc::clone(&host);
    (backlog.trap).set(move |accepted, answer| behind.record(accepted, answer));
    let service = Service {
        whereabouts: Whereabouts {
            lanes: Arc::clone(&lanes),
            register: Arc::clone(&host.register),
            backlog: Arc::clone(&backlog),
            logs: host.logs.clone(),
        },
        lanes,
        backlog,
        lines: Lines::new(host.logs.clone()),
        turned_away: TurnedAway::default(),
        config: Live::new(br#"{"core":{"port":"1056"}}"#.to_vec()),
        connections_per_lane: 2,
        streams_max: 1000,
        terms: Live::new(Terms {
            rules,
            keys: None,
            hosts: Vec::new(),
            trailing: Trailing::Ignored,
        }),
        is_on_loopback: false,
        ids: counting(),
        repeats: Mutex::default(),
        told: Mutex::default(),
        request_ids: RequestIds::starting(0xabc),
        turnstile: Turnstile::default(),
        channel_calls: ChannelCalls::default(),
        stats: CallerStats::default(),
        stuck: OnceLock::new(),
        metrics_address: None,
        feed: OnceLock::new(),
        is_ending: AtomicBool::new(false),
        watcher: OnceLock::new(),
    };
    Site {
        service: Arc::new(service),
        ios,
        host,
    }
}

/// What a request is answered, in the end.
pub(super) fn answered(
    service: &Arc<Service>,
    head: &Head,
    body: &mut Vec<u8>,
    phase: Phase,
) -> Reply {
    let (keep, kept) = mpsc::channel();
    let mut promise = || {
        let keep = keep.clone();
        Promise::new(move |rest| keep.send(rest).unwrap())
    };
    match Arc::clone(service).answer(head, body, phase, &mut |_| true, &mut promise) {
        ReplyWhen::Now(reply) => reply,
        ReplyWhen::Later => kept.recv().unwrap()(head),
    }
}

/// Ids from 1 on.
fn counting() -> Ids {
    let ids = Ids::of(Node::default());
    let mut next = 1;
    let more = move |count| {
        let first = next;
        next += count;
        Ok(first..next)
    };
    ids.begin(0..0, Box::new(more));
    ids
}
