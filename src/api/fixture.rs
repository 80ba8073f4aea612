//! What the tests of this room share: a stub lane and a stub daemon.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::Ids;
use super::plan::Rules;
use super::route::Order;
use super::service::{Door, Host, Kept, Service, Terms, Unrecorded};
use super::stat::{LaneState, Pushers, Sending};
use super::strangers::Stranger;
use crate::backlog::{Purged, PushState};
use crate::http1::head::Head;
use crate::lane::Lanes;
use crate::live::Live;
use crate::moment::Moment;
use crate::push::{Accepted, Content, LaneId, Node, Notification, Push, PushId};
use crate::stats::Process;

/// A lane that keeps what it is given.
pub(super) struct StubLane {
    capacity: usize,
    outstanding: Arc<AtomicUsize>,
    pub(super) pushes: Mutex<Vec<Push>>,
    pub(super) state: Mutex<LaneState>,
}

/// Room in a [`StubLane`], given back when it is dropped unused.
pub(super) struct StubRoom {
    pushes: usize,
    outstanding: Arc<AtomicUsize>,
}

impl StubLane {
    pub(super) fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self {
            capacity,
            outstanding: Arc::default(),
            pushes: Mutex::default(),
            state: Mutex::new(LaneState::OPEN),
        })
    }

    /// The device tokens and ids of the pushes it has.
    pub(super) fn tokens(&self) -> Vec<(String, u64)> {
        let pushes = self.pushes.lock().unwrap();
        let tokens = pushes
            .iter()
            .map(|push| (push.token().text().into_owned(), push.id().0));
        tokens.collect()
    }
}

impl Door for StubLane {
    type Room = StubRoom;

    fn capacity(&self) -> usize {
        self.capacity
    }

    fn outstanding(&self) -> usize {
        self.outstanding.load(Ordering::SeqCst)
    }

    fn reserve(&self, pushes: usize) -> Option<StubRoom> {
        if self.outstanding() + pushes > self.capacity {
            return None;
        }
        self.outstanding.fetch_add(pushes, Ordering::SeqCst);
        Some(StubRoom {
            pushes,
            outstanding: Arc::clone(&self.outstanding),
        })
    }

    fn enqueue(&self, mut room: StubRoom, pushes: Vec<Push>) {
        assert_eq!(
            std::mem::take(&mut room.pushes),
            pushes.len(),
            "reserved and enqueued"
        );
        self.pushes.lock().unwrap().extend(pushes);
    }

    fn state(&self) -> LaneState {
        self.state.lock().unwrap().clone()
    }

    fn obey(&self, order: Order) {
        let mut state = self.state.lock().unwrap();
        state.state = match order {
            Order::Pause => Sending::Paused,
            Order::Resume => Sending::Open,
        };
    }
}

impl Drop for StubRoom {
    fn drop(&mut self) {
        self.outstanding.fetch_sub(self.pushes, Ordering::SeqCst);
    }
}

/// A daemon that remembers what it is told.
#[derive(Default)]
pub(super) struct StubHost {
    pub(super) lines: Mutex<Vec<String>>,
    pub(super) is_debug: AtomicBool,
    pub(super) pushers: Mutex<Option<u64>>,
    /// Why nothing is looked at.
    pub(super) not_ready: Mutex<Option<&'static str>>,
    pub(super) warning: Mutex<Option<&'static str>>,
    /// Why nothing can be recorded.
    pub(super) unrecordable: Mutex<Option<&'static str>>,
    /// Whether it does not know what it has recorded.
    pub(super) forgets_what_it_took: AtomicBool,
    /// Called before something is recorded.
    pub(super) recording: Mutex<Option<Box<dyn Fn() + Send>>>,
    pub(super) states: Mutex<BTreeMap<u64, PushState>>,
    /// Why the push log cannot be written.
    pub(super) unloggable: Mutex<Option<&'static str>>,
}

impl StubHost {
    fn line(&self, line: String) {
        self.lines.lock().unwrap().push(line);
    }

    fn pushes(&self, kind: &str, accepted: &Accepted) {
        for push in Push::all(&Arc::new(Accepted {
            parcel: accepted.parcel.clone(),
            ..*accepted
        })) {
            self.line(format!("{kind} {} {}", push.id(), push.token().text()));
        }
    }

    /// The lines since the last call.
    pub(super) fn take_lines(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines.lock().unwrap())
    }
}

impl Host for Arc<StubHost> {
    fn now(&self) -> Moment {
        Moment {
            stood: Duration::ZERO,
            monotonic: Instant::now(),
            unix: Duration::from_secs(1_795_000_000),
        }
    }

    fn is_not_ready(&self) -> Option<&'static str> {
        *self.not_ready.lock().unwrap()
    }

    fn trouble(&self) -> Option<String> {
        self.is_not_ready().map(str::to_owned)
    }

    fn warning(&self) -> Option<&'static str> {
        *self.warning.lock().unwrap()
    }

    fn log_trouble(&self) -> Option<String> {
        self.unloggable.lock().unwrap().map(str::to_owned)
    }

    fn record(&self, accepted: &[Arc<Accepted>], kept: Option<Kept<'_>>) -> Result<(), Unrecorded> {
        if let Some(recording) = &*self.recording.lock().unwrap() {
            recording();
        }
        if let Some(why) = *self.unrecordable.lock().unwrap() {
            return Err(Unrecorded {
                why: why.to_owned(),
                is_unknown: self.forgets_what_it_took.load(Ordering::SeqCst),
            });
        }
        let ids = accepted.iter().map(|accepted| accepted.first_id);
        let ids: Vec<u64> = ids.map(|id| id.0).collect();
        let key = kept.map(|kept| kept.keyed.key);
        self.line(format!("recorded {ids:?} {key:?}"));
        Ok(())
    }

    fn push_state(&self, id: PushId) -> PushState {
        let states = self.states.lock().unwrap();
        states.get(&id.0).cloned().unwrap_or(PushState::Unknown)
    }

    fn is_debug(&self) -> bool {
        self.is_debug.load(Ordering::SeqCst)
    }

    fn note_stranger(&self, stranger: Stranger, peer: &dyn Fn() -> String) {
        self.line(format!("{stranger:?} {}", peer()));
    }

    fn log_request(&self, head: &Head) {
        self.line(format!(
            "request {} {} {} {}",
            head.target,
            head.method,
            head.proto(),
            head.content_length()
        ));
    }

    fn log_accepted(&self, accepted: &Accepted) {
        self.pushes("accepted", accepted);
    }

    fn await_accepted(&self) {}

    fn log_disabled(&self, disabled: &Accepted) {
        self.pushes("disabled", disabled);
    }

    fn log_malformed(&self, malformed: &Accepted) {
        self.pushes("malformed", malformed);
    }

    fn log_error(&self, text: &str, error: &str, request_id: &str) {
        let error = if error.is_empty() {
            ""
        } else {
            &format!(": {error}")
        };
        self.line(format!("error {text}{error} ({request_id})"));
    }

    fn pushers(&self) -> Pushers {
        Pushers { max: 7, count: 8 }
    }

    fn set_pushers(&self, max: u64) -> Result<(), u64> {
        *self.pushers.lock().unwrap() = Some(max);
        Ok(())
    }

    fn purge(&self, identifier: &str) -> Result<Purged, &'static str> {
        self.line(format!("purge {identifier}"));
        let unkept = self.unrecordable.lock().unwrap();
        Ok(Purged {
            pushes: identifier.len(),
            unread: 0,
            unkept: unkept.map(str::to_owned),
        })
    }

    fn purge_push(&self, id: PushId) -> Result<Purged, PushState> {
        self.line(format!("purge {id}"));
        match self.push_state(id) {
            PushState::Queued { .. } if id.0.is_multiple_of(2) => Ok(Purged {
                pushes: 1,
                unread: 0,
                unkept: None,
            }),
            state => Err(state),
        }
    }

    fn config(&self) -> Vec<u8> {
        br#"{"core":{"port":"1056"}}"#.to_vec()
    }

    fn process(&self) -> Process {
        Process {
            cpus: Some(2),
            threads: Some(9),
            resident_bytes: Some(4096),
            cpu_time: Some(Duration::from_secs(1)),
        }
    }
}

/// The endpoints of a daemon with both platforms, whose tokens may not begin with `bad`, whose
/// messages may not begin with `long`, and whose next push id is 1.
pub(super) struct Site {
    pub(super) service: Service<StubLane, Arc<StubHost>>,
    pub(super) host: Arc<StubHost>,
}

fn content_of(notification: &mut Notification) -> Result<Content, String> {
    match notification.message.strip_prefix("long") {
        Some(_) => Err("payload of 4097 bytes over limit(4096)".to_owned()),
        None => Ok(Content::whole(notification.message.as_bytes())),
    }
}

impl Site {
    /// The same, whose callers are treated as Gaurun treated them.
    pub(super) fn like_gaurun(mut self) -> Self {
        let before = self.service.terms.get();
        self.service.terms = Live::new(Terms {
            rules: Rules {
                as_gaurun: true,
                content: Box::new(content_of),
                ..before.rules
            },
            keys: None,
            hosts: Vec::new(),
        });
        self
    }
}

pub(super) fn site(ios: Option<usize>, android: Option<usize>) -> Site {
    let host = Arc::<StubHost>::default();
    let rules = Rules {
        notification_max: 100,
        allows_empty_message: false,
        as_gaurun: false,
        check_token: |_, token| match token.strip_prefix("bad") {
            Some(_) => Err("bad device token"),
            None => Ok(()),
        },
        content: Box::new(content_of),
    };
    let mut lanes = Lanes::of([LaneId::IOS, LaneId::ANDROID]);
    for (id, capacity) in [(LaneId::IOS, ios), (LaneId::ANDROID, android)] {
        lanes.serve(id, capacity.map(StubLane::new));
        lanes.stats(id).tried(12, 1);
    }
    lanes.stats(LaneId::IOS).succeeded(5);
    lanes.stats(LaneId::IOS).failed(6);
    let service = Service {
        lanes: Arc::new(Live::new(lanes)),
        terms: Live::new(Terms {
            rules,
            keys: None,
            hosts: Vec::new(),
        }),
        is_on_loopback: false,
        ids: counting(),
        repeats: Mutex::default(),
        told: Mutex::default(),
        request_ids: crate::http1::RequestIds::starting(0xabc),
        turnstile: crate::http1::Turnstile::default(),
        watcher: std::sync::OnceLock::new(),
        host: Arc::clone(&host),
    };
    Site { service, host }
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
