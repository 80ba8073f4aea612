mod gates;
mod provider;
mod sharing;

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use super::*;
use crate::delivery::credential::Credentials;
use crate::delivery::desk::Timer;
use crate::delivery::fixture::idle_route;
use crate::delivery::policy::Limits;
use crate::delivery::route::Route;
use crate::delivery::shared_tokens::SharedTokens;
use crate::lane::SeatState;
use crate::log::{Destination, Logs};
use crate::net::connection::{Endpoint, Timeouts};
use crate::net::fixture::AMPLE;
use crate::provider::accept;
use crate::provider::apns::{AuthTokens, SigningKey};
use crate::provider::fixture::built;
use crate::push::{DeviceToken, LaneId, Notification, Push, PushId, fixture};
use provider::{Order, Provider};

/// A route to a port of this host on which nobody listens.
fn route_to_nowhere() -> Route {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let second = Duration::from_secs(1);
    let idle = idle_route();
    Route {
        endpoint: Endpoint {
            host: "127.0.0.1".to_owned(),
            port,
            timeouts: Timeouts {
                connect: second,
                handshake: second,
                write: second,
            },
            ..idle.endpoint
        },
        timeout: second,
        idle_timeout: second,
        ..idle
    }
}

fn enqueue(lane: &Arc<Lane>, count: usize) {
    let reservation = lane.room().reserve(count).unwrap();
    let pushes = fixture::pushes(1, count, Moment::now());
    lane.enqueue(reservation, pushes);
}

fn worker(lane: &Arc<Lane>) -> Worker {
    let route = PresentRoute::new(lane, route_to_nowhere());
    worker_on(0, lane, route)
}

fn worker_on(seat: usize, lane: &Arc<Lane>, route: Arc<PresentRoute>) -> Worker {
    worker_of(seat, lane, route, Arc::default())
}

fn worker_of(seat: usize, lane: &Arc<Lane>, route: Arc<PresentRoute>, pool: Arc<Wires>) -> Worker {
    let nowhere = Destination::Discard;
    let logs = Logs::open(&nowhere, &nowhere, &nowhere).unwrap();
    let limits = Limits {
        retry_max: 3,
        max_age: Duration::from_secs(3600),
        resend_unknown: true,
    };
    let settler = Settler::new(Arc::clone(lane), logs, limits, 1);
    Worker::new(seat, Arc::clone(lane), route, settler, pool).unwrap()
}

#[test]
fn a_panic_is_counted_and_gives_every_push_back_once() {
    let lane = Lane::new(LaneId::IOS, 10, 1);
    let mut worker = worker(&lane);
    enqueue(&lane, 3);
    worker.desk.trap = |desk| {
        if desk.lane.stats().figures().panics == 0 {
            desk.lane.take(&mut desk.trays.hand);
            desk.trays.at_work = desk.trays.hand.pop_front();
            panic!("a fault on purpose");
        }
        // The second time round it has recovered: the rest is for the assertions.
        desk.lane.stop();
    };
    thread::spawn(move || worker.run()).join().unwrap();
    assert_eq!(lane.stats().figures().panics, 1);
    assert_eq!(
        lane.room().outstanding(),
        3,
        "nothing was settled, nothing was lost"
    );
    let rest = lane.take_rest();
    let mut left: Vec<_> = rest
        .iter()
        .map(|push| (push.id().0, push.maybe_sent))
        .collect();
    left.sort_unstable();
    assert_eq!(left, [(1, true), (2, false), (3, false)]);
}

#[test]
fn without_a_connection_pushes_wait_and_the_lane_can_still_be_stopped() {
    let lane = Lane::new(LaneId::IOS, 10, 1);
    let mut worker = worker(&lane);
    enqueue(&lane, 3);
    worker.desk.trap = |desk| {
        if desk.timers.at(Timer::Connect).is_some() {
            desk.lane.stop();
        }
    };
    thread::spawn(move || worker.run()).join().unwrap();
    assert_eq!(lane.room().outstanding(), 3);
    assert_eq!(lane.take_rest().len(), 3);
    assert_eq!(lane.stats().figures().push_error, 0);
}

#[test]
fn what_expires_while_nothing_can_be_sent_is_settled() {
    let lane = Lane::new(LaneId::IOS, 10, 1);
    let mut worker = worker(&lane);
    let mut notification = Notification::empty(LaneId::IOS);
    notification.expiry = 1;
    let at = Moment::now();
    let at = Moment {
        monotonic: at.monotonic.checked_sub(Duration::from_secs(2)).unwrap(),
        ..at
    };
    let built = built(&mut notification, at);
    let accepted = Arc::new(accept(
        &notification,
        &built,
        [DeviceToken::new("ab")],
        PushId(1),
        at,
    ));
    // The first try to connect fails, so that the second finds it must wait, and looks.
    lane.crew().dial().failed(Instant::now(), 0);
    let reservation = lane.room().reserve(1).unwrap();
    lane.enqueue(reservation, Push::all(&accepted).collect());
    worker.desk.trap = |desk| {
        if desk.lane.room().outstanding() == 0 {
            desk.lane.stop();
        }
    };
    thread::spawn(move || worker.run()).join().unwrap();
    assert_eq!(lane.room().outstanding(), 0);
    assert_eq!(lane.stats().figures().push_error, 1);
}

/// A lane and its threads, before a provider that a test plays.
struct Running {
    provider: Provider,
    lane: Arc<Lane>,
    route: Arc<PresentRoute>,
    threads: Vec<JoinHandle<()>>,
}

impl Running {
    fn start(threads: usize, streams: u32) -> Self {
        Self::start_with(threads, streams, |_| ())
    }

    fn start_with(threads: usize, streams: u32, change: impl FnOnce(&mut Route)) -> Self {
        let provider = Provider::start(streams);
        let lane = Lane::new(LaneId::IOS, 1000, threads);
        let mut route = Route {
            endpoint: provider.endpoint.clone(),
            timeout: AMPLE,
            idle_timeout: AMPLE,
            ..route_to_nowhere()
        };
        change(&mut route);
        let route = PresentRoute::new(&lane, route);
        let workers: Vec<_> = (0..threads)
            .map(|seat| worker_on(seat, &lane, Arc::clone(&route)))
            .collect();
        let started = workers.into_iter();
        let started = started.map(|worker| thread::spawn(move || worker.run()));
        let running = Self {
            provider,
            threads: started.collect(),
            lane,
            route,
        };
        // Who finds work when it starts may connect, whatever connections there are by then.
        let until = Instant::now() + AMPLE;
        let attendance = running.lane.crew().attendance();
        while (0..threads).any(|seat| !attendance.is(seat, SeatState::Cold)) {
            assert!(Instant::now() < until, "{:?}", running.lane);
            thread::yield_now();
        }
        running
    }

    /// Waits until everything is settled; says how many pushes succeeded and how many failed.
    fn settled(&self) -> (u64, u64) {
        let until = Instant::now() + AMPLE;
        while self.lane.room().outstanding() > 0 {
            assert!(Instant::now() < until, "{:?}", self.lane);
            thread::yield_now();
        }
        let figures = self.lane.stats().figures();
        (figures.push_success, figures.push_error)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.lane.stop();
        for thread in self.threads.drain(..) {
            assert!(thread.join().is_ok() || thread::panicking());
        }
    }
}

#[test]
fn a_connection_that_retires_drains_beside_its_successor() {
    let running = Running::start(1, 100);
    enqueue(&running.lane, 1);
    let first = running.provider.connection();
    let slow = first.request();
    first.order(Order::GoAway(slow));
    enqueue(&running.lane, 1);
    let second = running.provider.connection();
    let quick = second.request();
    second.order(Order::Answer(quick, 200, ""));
    first.order(Order::Answer(slow, 200, ""));
    assert_eq!(running.settled(), (2, 0));
}

#[test]
fn connections_that_drain_are_bounded() {
    let running = Running::start(1, 100);
    let worthy = usize::try_from(super::super::link::WORTHY_ANSWERS).unwrap();
    let mut draining = Vec::new();
    for _ in 0..=super::super::links::DRAINING_MAX {
        enqueue(&running.lane, worthy);
        let connection = running.provider.connection();
        // It has proved its worth, so that the next may follow at once.
        for _ in 0..worthy {
            connection.order(Order::Answer(connection.request(), 200, ""));
        }
        enqueue(&running.lane, 1);
        let slow = connection.request();
        connection.order(Order::GoAway(slow));
        draining.push((connection, slow));
    }
    enqueue(&running.lane, 1);
    assert!(running.provider.has_no_more());
    for (connection, slow) in &draining {
        connection.order(Order::Answer(*slow, 200, ""));
    }
    let last = running.provider.connection();
    last.order(Order::Answer(last.request(), 200, ""));
    assert_eq!(
        running.settled(),
        ((worthy + 1) as u64 * draining.len() as u64 + 1, 0)
    );
}

#[test]
fn pushes_in_hand_outlive_the_connection_they_were_taken_for() {
    let running = Running::start(1, 1);
    enqueue(&running.lane, 3);
    let first = running.provider.connection();
    first.order(Order::Answer(first.request(), 200, ""));
    first.request();
    first.order(Order::Drop);
    let second = running.provider.connection();
    for _ in 0..2 {
        second.order(Order::Answer(second.request(), 200, ""));
    }
    assert_eq!(running.settled(), (3, 0));
}

#[test]
fn a_thread_that_woke_by_itself_opens_no_second_connection() {
    let running = Running::start(4, 100);
    enqueue(&running.lane, 1);
    let connection = running.provider.connection();
    connection.order(Order::Answer(connection.request(), 200, ""));
    running.settled();
    for _ in 0..50 {
        enqueue(&running.lane, 1);
        running.lane.crew().wake_all();
        connection.order(Order::Answer(connection.request(), 200, ""));
    }
    assert_eq!(running.settled(), (51, 0));
    assert!(running.provider.has_no_more());
}

#[test]
fn when_all_streams_are_busy_another_thread_connects() {
    let running = Running::start(2, 1);
    enqueue(&running.lane, 1);
    let first = running.provider.connection();
    let slow = first.request();
    enqueue(&running.lane, 1);
    let second = running.provider.connection();
    second.order(Order::Answer(second.request(), 200, ""));
    first.order(Order::Answer(slow, 200, ""));
    assert_eq!(running.settled(), (2, 0));
}

#[test]
fn answers_that_make_it_close_do_not_make_it_connect_without_end() {
    let running = Running::start(1, 100);
    let began = Instant::now();
    enqueue(&running.lane, 1);
    for status in [403, 200] {
        let connection = running.provider.connection();
        let body = r#"{"reason":"ExpiredProviderToken"}"#;
        connection.order(Order::Answer(connection.request(), status, body));
    }
    assert_eq!(running.settled(), (1, 0));
    assert!(began.elapsed() >= crate::lane::FIRST_WAIT / 2);
}

#[test]
fn a_thread_can_be_stopped_while_it_connects() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let running = Running::start_with(1, 1, |route| route.endpoint.port = port);
    enqueue(&running.lane, 1);
    // It is connected, and will wait for the answer to its TLS hello.
    let _silent = listener.accept().unwrap();
    let began = Instant::now();
    let lane = Arc::clone(&running.lane);
    drop(running);
    assert!(began.elapsed() < AMPLE / 2);
    assert_eq!(lane.take_rest().len(), 1);
}

/// Panics the first time that a handshake is under way.
#[derive(Debug, Default)]
struct Trapdoor(AtomicBool);

impl rustls::KeyLog for Trapdoor {
    fn log(&self, _label: &str, _client_random: &[u8], _secret: &[u8]) {
        assert!(self.0.swap(true, Ordering::Relaxed), "a fault on purpose");
    }
}

#[test]
fn a_panic_while_connecting_is_counted_and_does_not_bar_the_lane() {
    let running = Running::start_with(1, 1, |route| {
        let mut tls = rustls::ClientConfig::clone(&route.endpoint.tls);
        tls.key_log = Arc::new(Trapdoor::default());
        route.endpoint.tls = Arc::new(tls);
    });
    enqueue(&running.lane, 1);
    let _broken = running.provider.connection();
    let connection = running.provider.connection();
    connection.order(Order::Answer(connection.request(), 200, ""));
    assert_eq!(running.settled(), (1, 0));
    assert_eq!(running.lane.stats().figures().panics, 1);
}

#[test]
fn an_auth_token_is_not_made_before_there_is_a_connection_to_send_it_on() {
    let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
    let key = SigningKey::from_pem(key.as_bytes(), "ABCDE12345", "FGHIJ67890").unwrap();
    let tokens = SharedTokens::new(AuthTokens::new(key), None);
    let credentials = Credentials::AuthTokens(Arc::new(tokens));
    assert!(credentials.are_at_hand(Moment::now()));
    assert!(format!("{credentials:?}").contains("in_use: None"));
}

#[test]
fn a_connection_that_takes_no_more_streams_is_left_with_pushes_in_hand() {
    let running = Running::start_with(1, 1, |route| {
        route.idle_timeout = Duration::from_millis(200);
    });
    enqueue(&running.lane, 3);
    let first = running.provider.connection();
    let stream = first.request();
    first.order(Order::Limit(0));
    first.order(Order::Answer(stream, 200, ""));
    let second = running.provider.connection();
    for _ in 0..2 {
        second.order(Order::Answer(second.request(), 200, ""));
    }
    assert_eq!(running.settled(), (3, 0));
}
