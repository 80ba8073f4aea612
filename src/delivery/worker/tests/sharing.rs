//! Lanes of one key and their sockets, before a provider that a test plays.

use super::*;
use crate::delivery::pool_key::{PoolKey, Speaker};
use crate::net::tls::Stance;

/// Lanes of one team's key, each with a thread.
struct Siblings {
    provider: Provider,
    lanes: Vec<Arc<Lane>>,
    threads: Vec<JoinHandle<()>>,
}

impl Siblings {
    fn start(many: usize) -> Self {
        let (provider, pool) = (Provider::start(100), Arc::<Wires>::default());
        let lanes: Vec<_> = (0..many).map(|_| Lane::new(LaneId::IOS, 1000, 1)).collect();
        let threads = lanes.iter().map(|lane| {
            let key = PoolKey {
                host: "localhost".to_owned(),
                port: provider.endpoint.port,
                stance: Stance::default(),
                speaker: Speaker::Certificate,
                idle_timeout: AMPLE,
            };
            let route = Route {
                endpoint: provider.endpoint.clone(),
                timeout: AMPLE,
                idle_timeout: AMPLE,
                pool: Some(Arc::new(key)),
                ..route_to_nowhere()
            };
            let route = PresentRoute::new(lane, route);
            let worker = worker_of(0, lane, route, Arc::clone(&pool));
            thread::spawn(move || worker.run())
        });
        Self {
            threads: threads.collect(),
            provider,
            lanes,
        }
    }

    /// Waits until that lane has nothing left; says how many of its pushes have succeeded.
    fn settled(&self, lane: usize) -> u64 {
        let (lane, until) = (&self.lanes[lane], Instant::now() + AMPLE);
        while lane.room().outstanding() > 0 {
            assert!(Instant::now() < until, "{lane:?}");
            thread::yield_now();
        }
        lane.stats().figures().push_success
    }
}

impl Drop for Siblings {
    fn drop(&mut self) {
        self.lanes.iter().for_each(|lane| lane.stop());
        for thread in self.threads.drain(..) {
            assert!(thread.join().is_ok() || thread::panicking());
        }
    }
}

/// From one thread's epoll to the other's, with TLS and all that HTTP/2 knows.
#[test]
fn a_connection_goes_from_thread_to_thread_and_is_shaken_hands_on_once() {
    let siblings = Siblings::start(3);
    enqueue(&siblings.lanes[0], 1);
    let connection = siblings.provider.connection();
    connection.order(Order::Answer(connection.request(), 200, ""));
    assert_eq!(siblings.settled(0), 1);
    for turn in 1..30 {
        let lane = turn % 3;
        enqueue(&siblings.lanes[lane], 1);
        connection.order(Order::Answer(connection.request(), 200, ""));
        assert_eq!(siblings.settled(lane), (turn / 3 + 1) as u64);
    }
    assert!(siblings.provider.has_no_more());
}

/// Whoever has it by then finds out, and opens one: another lane's might end by the same push.
#[test]
fn one_that_the_provider_drops_is_replaced_for_the_lane_that_has_it() {
    let siblings = Siblings::start(2);
    enqueue(&siblings.lanes[0], 1);
    let first = siblings.provider.connection();
    first.order(Order::Answer(first.request(), 200, ""));
    assert_eq!(siblings.settled(0), 1);
    enqueue(&siblings.lanes[1], 1);
    let lost = first.request();
    enqueue(&siblings.lanes[0], 1);
    let second = siblings.provider.connection();
    second.order(Order::Answer(second.request(), 200, ""));
    assert_eq!(siblings.settled(0), 2);
    first.order(Order::GoAway(lost - 2));
    let third = siblings.provider.connection();
    third.order(Order::Answer(third.request(), 200, ""));
    assert_eq!((siblings.settled(0), siblings.settled(1)), (2, 1));
}
