mod late;
mod leaving;
mod panics;
mod purging;
mod refusing;
mod sharing;
mod sweeping;
mod turns;
mod worth;

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;
use crate::delivery::fixture::idle_route;
use crate::delivery::policy::Limits;
use crate::delivery::register::{Keeper, Register};
use crate::delivery::session::Ended;
use crate::http2::{self, Event, Options};
use crate::lane::{CredentialRefusal, EndsWith, GATHER, RAMP, Refused, Witness};
use crate::log::{Destination, Logs};
use crate::moment::grace::GRACE;
use crate::push::{ConnectionId, End, LaneId, PushId, Waits, fixture};

/// What a provider does with the request that is the nth on its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manners {
    Answers,
    Refuses,
    /// For the credential.
    Forbids,
    /// For the credential, as a connection does that is older than the team's app.
    IsOld,
    /// For now, by an error of its own.
    Falters,
    /// For good.
    IsSilent,
}

const HOUR: Duration = Duration::from_secs(3600);

/// A connection to a provider that answers 200 whenever it is looked at, unless told otherwise.
#[derive(Debug)]
struct Kind {
    client: http2::Connection,
    provider: http2::Connection,
    answered: usize,
    /// How many pushes were noted as handed to it, if that is noted.
    handed: Option<Arc<AtomicUsize>>,
    /// By the number of the connection and that of the request on it.
    manners: fn(usize, usize) -> Manners,
    number: usize,
    requests: usize,
    /// It panics when it is to write its last bytes.
    is_trapped: bool,
    way: Way,
}

/// How bytes come from the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Open,
    /// Only who looks finds them.
    Unannounced,
    /// Whoever reads next does.
    Sought,
    /// They are on their way.
    Held,
}

impl Kind {
    fn new(
        number: usize,
        manners: fn(usize, usize) -> Manners,
        handed: Option<Arc<AtomicUsize>>,
        now: Instant,
    ) -> Self {
        let options = Options {
            max_concurrent_streams: Some(1000),
            ..Options::default()
        };
        Self {
            client: http2::Connection::client(Options::default(), now),
            provider: http2::Connection::server(options, now),
            answered: 0,
            handed,
            manners,
            number,
            requests: 0,
            is_trapped: false,
            way: Way::Open,
        }
    }
}

fn carry(from: &mut http2::Connection, to: &mut http2::Connection, now: Instant) {
    let bytes = from.output().to_vec();
    from.advance_output(bytes.len());
    to.receive(&bytes, now);
}

impl Transport for Kind {
    fn http2(&mut self) -> &mut http2::Connection {
        &mut self.client
    }

    fn receive(&mut self, now: Instant) {
        if self.way == Way::Sought {
            self.way = Way::Open;
        }
        if self.way == Way::Open {
            carry(&mut self.provider, &mut self.client, now);
        }
    }

    fn look_again(&mut self) {
        if self.way == Way::Unannounced {
            self.way = Way::Sought;
        }
    }

    fn flush(&mut self, now: Instant) {
        let is_last = self.client.is_closed();
        assert!(!is_last || !std::mem::take(&mut self.is_trapped), "a trap");
        carry(&mut self.client, &mut self.provider, now);
        while let Some(event) = self.provider.poll_event() {
            if let Event::Data { stream, data, .. } = &event {
                self.provider.release(*stream, data.len());
            }
            if let Event::Head {
                stream,
                end_stream: true,
                ..
            }
            | Event::Data {
                stream,
                end_stream: true,
                ..
            } = event
            {
                let nth = self.requests;
                self.requests += 1;
                match (self.manners)(self.number, nth) {
                    Manners::Answers => {
                        let sent = self.provider.send_response(stream, 200, &[], Some(b""));
                        sent.unwrap();
                        self.answered += 1;
                        if let Some(handed) = &self.handed {
                            let handed = handed.load(Ordering::Relaxed);
                            assert!(handed >= self.answered, "noted too late");
                        }
                    }
                    Manners::Refuses => {
                        self.provider
                            .reset(stream, http2::ErrorCode::REFUSED_STREAM);
                    }
                    Manners::Forbids => {
                        let body: &[u8] = br#"{"reason":"Forbidden"}"#;
                        let sent = self.provider.send_response(stream, 403, &[], Some(body));
                        sent.unwrap();
                    }
                    Manners::IsOld => {
                        let body: &[u8] = br#"{"reason":"InvalidProviderToken"}"#;
                        let sent = self.provider.send_response(stream, 403, &[], Some(body));
                        sent.unwrap();
                    }
                    Manners::Falters => {
                        let sent = self.provider.send_response(stream, 500, &[], Some(b""));
                        sent.unwrap();
                    }
                    Manners::IsSilent => {}
                }
            }
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.client.next_timeout()
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.client.handle_timeout(now);
    }

    fn has_more(&self) -> bool {
        self.way == Way::Open && !self.provider.output().is_empty()
    }

    fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    fn peer_addr(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, 443))
    }
}

/// A lane with one thread, in a time of its own.
struct Scene {
    lane: Arc<Lane>,
    desk: Desk<Kind>,
    now: Moment,
    rounds: usize,
    bell: Arc<AtomicBool>,
    handed: Option<Arc<AtomicUsize>>,
    manners: fn(usize, usize) -> Manners,
    /// When connections were opened.
    opened: Vec<Instant>,
    /// When the thread ended that had nothing to do.
    dismissed: Vec<Instant>,
    /// The ids in the lines of the push logs.
    settled: Vec<u64>,
    panics: usize,
}

/// Counts what is noted.
struct Counter(Arc<AtomicUsize>, Arc<AtomicUsize>);

impl Keeper for Counter {
    fn settle(&self, _: &[(PushId, End)]) {}

    fn release(&self, _: &Push, _: Waits, _: Moment) {}

    fn note(&self, _: &Push, _: Waits, _: Moment) {
        self.1.fetch_add(1, Ordering::Relaxed);
    }

    fn hand(&self, pushes: &[PushId]) {
        self.0.fetch_add(pushes.len(), Ordering::Relaxed);
    }
}

impl Scene {
    fn new() -> Self {
        Self::with(1, true, None)
    }

    /// The first of so many threads runs.
    fn with_threads(threads: usize) -> Self {
        Self::with(threads, true, None)
    }

    fn with(threads: usize, resend_unknown: bool, keeper: Option<Counter>) -> Self {
        let now = Moment::now();
        let lane = Lane::new(LaneId::IOS, 10_000, threads);
        let bell = Arc::new(AtomicBool::new(false));
        let nowhere = Destination::Discard;
        let logs = Logs::open(&nowhere, &nowhere, &nowhere).unwrap();
        let limits = Limits {
            retry_max: 3,
            max_age: Duration::from_secs(3600),
            resend_unknown,
        };
        let (register, mut handed) = (Arc::<Register>::default(), None);
        if let Some(keeper) = keeper {
            handed = Some(Arc::clone(&keeper.0)).filter(|_| !resend_unknown);
            register.set_backlog(Arc::new(keeper));
        }
        let settler = Settler::new(Arc::clone(&lane), logs, limits, 1).with_register(register);
        let route = Route {
            timeout: HOUR,
            idle_timeout: 10 * HOUR,
            ..idle_route()
        };
        let route = PresentRoute::new(&lane, route);
        let desk = Desk::new(0, Arc::clone(&lane), route, settler);
        let scene = Self {
            lane,
            desk,
            now,
            rounds: 0,
            bell,
            handed,
            manners: |_, _| Manners::Answers,
            opened: Vec::new(),
            dismissed: Vec::new(),
            settled: Vec::new(),
            panics: 0,
        };
        scene.sit_down();
        scene
    }

    /// The thread runs, as if it had come by itself.
    fn sit_down(&self) {
        let rung = Arc::clone(&self.bell);
        let wake = move || rung.store(true, Ordering::Relaxed);
        self.desk.sit_down(Box::new(wake));
    }

    fn enqueue(&self, first_id: u64, count: usize) {
        self.enqueue_all(fixture::pushes(first_id, count, self.now));
    }

    fn enqueue_all(&self, pushes: Vec<Push>) {
        let room = self.lane.room().reserve(pushes.len()).unwrap();
        self.lane.enqueue(room, pushes);
    }

    /// One round, in which no connection is opened, and what follows.
    fn round(&mut self) -> Next {
        self.desk.look();
        assert!(!self.desk.round(self.now));
        self.read_logs();
        self.desk.flush(self.now);
        self.desk.next(self.now.monotonic)
    }

    /// Lets so much time pass. The thread wakes when it wants to, or when it is rung for.
    fn pass(&mut self, time: Duration) {
        let end = self.now.monotonic + time;
        loop {
            self.desk.look();
            self.rounds += 1;
            let (desk, now) = (&mut self.desk, self.now);
            desk.take_over(|_| Ok(()), now);
            match catch_unwind(AssertUnwindSafe(|| desk.round(now))) {
                Ok(false) => {}
                Ok(true) => {
                    let number = self.opened.len();
                    self.opened.push(now.monotonic);
                    let connection =
                        Kind::new(number, self.manners, self.handed.clone(), now.monotonic);
                    desk.opened(Ok(connection), now);
                }
                Err(_) => {
                    self.panics += 1;
                    desk.recover("a fault on purpose", now);
                    self.now.monotonic += Duration::from_millis(250);
                    continue;
                }
            }
            self.desk.give_away(|_| Ok(()));
            self.read_logs();
            self.desk.flush(self.now);
            match self.desk.next(self.now.monotonic) {
                Next::Round => {}
                Next::WaitUntil(_) if self.bell.swap(false, Ordering::Relaxed) => {}
                Next::WaitUntil(at) => {
                    self.now.monotonic = at.min(end);
                    if at >= end {
                        return;
                    }
                }
                Next::End => return,
                Next::Dismissed => {
                    self.dismissed.push(self.now.monotonic);
                    self.now.monotonic = end;
                    return self.sit_down();
                }
            }
        }
    }

    fn read_logs(&mut self) {
        for lines in self.desk.unflushed() {
            for line in lines
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
            {
                let line: serde_json::Value = serde_json::from_slice(line).unwrap();
                self.settled.push(line["id"].as_u64().unwrap());
            }
        }
        self.settled.sort_unstable();
    }

    fn answered(&mut self) -> usize {
        self.desk.transports().map(|kind| kind.answered).sum()
    }
}

#[test]
fn a_thread_sends_at_the_lanes_rate_and_sleeps_in_between() {
    let mut scene = Scene::new();
    scene.lane.set_rate(1_000, scene.now.monotonic);
    // Past the ramp, without a minute's silence.
    scene.enqueue(1, 1);
    scene.pass(RAMP / 2);
    scene.enqueue(2, 1);
    scene.pass(RAMP / 2 + RAMP / 4);
    assert_eq!(scene.answered(), 2);

    scene.enqueue(3, 5_000);
    let (before, second) = (scene.rounds, Duration::from_secs(1));
    for elapsed in 1..=4 {
        scene.pass(second);
        let answered = scene.answered() - 2;
        assert!(
            answered.abs_diff(elapsed * 1_000 + 25) <= 35,
            "{answered} after {elapsed} s"
        );
    }
    let rounds = scene.rounds - before;
    let bundles = usize::try_from(4 * second.as_millis() / GATHER.as_millis()).unwrap();
    assert!(rounds <= 4 * bundles, "{rounds} rounds in 4 s");
    scene.pass(2 * second);
    assert_eq!(
        (scene.answered(), scene.lane.room().outstanding()),
        (5_002, 0)
    );
    // With nothing left it does not wake for tickets.
    let before = scene.rounds;
    scene.pass(9 * second);
    assert!(scene.rounds - before <= 3, "{}", scene.rounds - before);
    // And what comes then goes at once.
    scene.enqueue(9_000, 10);
    scene.pass(Duration::ZERO);
    assert_eq!(scene.answered(), 5_012);
}

#[test]
fn without_a_rate_all_goes_at_once() {
    let mut scene = Scene::new();
    scene.enqueue(1, 5_000);
    scene.pass(Duration::from_millis(1));
    assert_eq!(
        (scene.answered(), scene.lane.room().outstanding()),
        (5_000, 0)
    );
}

#[test]
fn what_expires_while_the_rate_is_used_up_is_settled() {
    let mut scene = Scene::new();
    scene.lane.set_rate(1, scene.now.monotonic);
    scene.enqueue(1, 5_000);
    // An hour is the longest that a push may wait.
    scene.pass(Duration::from_secs(3600 + 20));
    assert_eq!(scene.lane.room().outstanding(), 0);
    let answered = scene.answered();
    assert!(answered.abs_diff(3_575) <= 25, "{answered}");
}

#[test]
fn a_thread_that_panics_leaves_the_time_to_another() {
    let mut scene = Scene::new();
    scene.lane.set_rate(1, scene.now.monotonic);
    scene.enqueue(1, 10);
    scene.pass(Duration::from_millis(1));
    assert!(scene.lane.pacing().waits_for_tickets());
    scene.desk.recover("a fault on purpose", scene.now);
    assert!(!scene.lane.pacing().waits_for_tickets());
    // Not another's.
    let now = scene.now.monotonic;
    assert!(matches!(
        scene.lane.pacing().tickets(now, 1),
        Tickets::UsedUp(Some(_))
    ));
    scene.desk.recover("a fault on purpose", scene.now);
    assert!(scene.lane.pacing().waits_for_tickets());
}

#[test]
fn what_expires_on_its_way_out_takes_nothing_from_the_rate() {
    let mut scene = Scene::new();
    scene.lane.set_rate(1, scene.now.monotonic);
    scene.enqueue(1, 1);
    scene.now.monotonic += Duration::from_secs(3601);
    scene.pass(Duration::ZERO);
    assert_eq!((scene.answered(), &scene.settled[..]), (0, &[1][..]));
    scene.enqueue(2, 2);
    scene.pass(Duration::ZERO);
    assert_eq!(scene.answered(), 1);
}

#[test]
fn a_paused_lane_sends_nothing_and_its_pushes_time_goes_on() {
    let mut scene = Scene::new();
    scene.enqueue(1, 1);
    scene.pass(Duration::from_millis(1));
    scene.lane.holding().pause(scene.now);
    scene.enqueue(2, 100);
    let before = scene.rounds;
    scene.pass(Duration::from_secs(3590));
    assert_eq!(
        (scene.answered(), scene.lane.room().outstanding()),
        (1, 100)
    );
    let rounds = scene.rounds - before;
    assert!(rounds <= 2 * 360, "{rounds} rounds in an hour");
    scene.enqueue(200, 50);
    scene.pass(Duration::from_secs(30));
    assert_eq!(
        scene.lane.room().outstanding(),
        50,
        "the others have expired"
    );
    scene.lane.resume();
    scene.pass(Duration::from_millis(1));
    assert_eq!((scene.answered(), scene.lane.room().outstanding()), (51, 0));
}

/// After a crash the next process must know what it may not send again.
#[test]
fn where_nothing_is_sent_again_each_push_is_noted_before_its_bytes_leave() {
    for resend_unknown in [false, true] {
        let (handed, tried) = (Arc::<AtomicUsize>::default(), Arc::default());
        let counter = Counter(Arc::clone(&handed), Arc::clone(&tried));
        let mut scene = Scene::with(1, resend_unknown, Some(counter));
        scene.enqueue(1, 500);
        scene.pass(Duration::from_millis(1));
        assert_eq!(scene.answered(), 500);
        let expected = if resend_unknown { 0 } else { 500 };
        assert_eq!(handed.load(Ordering::Relaxed), expected);
        assert_eq!(tried.load(Ordering::Relaxed), 0, "all have ended");
    }
}

/// The provider has not taken it, so that a crash does not leave it as sent.
#[test]
fn what_is_refused_for_the_credential_is_noted_to_wait_again() {
    let (handed, tried) = (Arc::<AtomicUsize>::default(), Arc::default());
    let counter = Counter(Arc::clone(&handed), Arc::clone(&tried));
    let mut scene = Scene::with(1, false, Some(counter));
    scene.manners = |_, _| Manners::Forbids;
    scene.enqueue(1, 1);
    scene.pass(Duration::from_millis(1));
    let noted = [handed, tried].map(|count| count.load(Ordering::Relaxed));
    assert_eq!((noted, scene.lane.room().outstanding()), ([1, 1], 1));
}

/// Whom others contradicted before is no reason to call an operator then.
#[test]
fn pushes_that_are_taken_are_noted_as_long_as_some_are() {
    let mut scene = Scene::new();
    scene.enqueue(1, 1);
    scene.pass(2 * HOUR);
    scene.enqueue(2, 1);
    scene.pass(Duration::ZERO);
    let witness = Witness {
        push: None,
        connection: ConnectionId::new(1),
        is_discredited: true,
        others_decide: false,
    };
    let refusal = CredentialRefusal {
        reason: "Forbidden".into(),
        text: "the credential is not allowed to do this".into(),
        ends_with: EndsWith::Probe,
    };
    let (lane, now) = (&scene.lane, scene.now);
    lane.refuse(refusal, 0, Some(witness), None, now, 0);
    let told = lane.judge(false, now.monotonic, 0);
    assert!(matches!(told, Refused::HeldForOne { .. }), "{told:?}");
}
