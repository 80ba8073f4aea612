use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_channel::bounded;

use super::*;
use crate::delivery::credential_files::Unroutable;
use crate::delivery::fixture::idle_route;
use crate::delivery::threads::NO_THREAD;
use crate::lane::{CredentialRefusal, EndsWith, Proof};
use crate::log::Destination;
use crate::net::connection::Endpoint;
use crate::net::fixture::AMPLE;
use crate::push::{self, Provider};

/// A way to a port on which nobody listens.
fn way() -> (Route, CredentialFiles) {
    let idle = idle_route();
    let route = Route {
        endpoint: Endpoint {
            host: "127.0.0.1".to_owned(),
            port: 9,
            ..idle.endpoint
        },
        timeout: AMPLE,
        idle_timeout: AMPLE,
        ..idle
    };
    let files = CredentialFiles::new(Vec::new(), Box::new(|| unreachable!("there are no files")));
    (route, files)
}

/// So many lanes of up to four threads each, called by that name and a number.
fn lanes(name: &str, many: u16) -> Vec<Arc<RunningLane>> {
    let sizing = Sizing {
        workers: 4,
        eager: 4,
        limit: Arc::default(),
        pool: Arc::default(),
        capacity: 1000,
        scheduled: 1000,
        streams: None,
        first_probe: AMPLE,
    };
    let nowhere = Destination::Discard;
    let logs = Logs::open(&nowhere, &nowhere, &nowhere).unwrap();
    let limits = Limits {
        retry_max: 3,
        max_age: AMPLE,
        resend_unknown: true,
    };
    let lane = |number| {
        let name: &'static str = format!("{name}{number}").leak();
        let known = (
            LaneId::new(number, Provider::Apns, name),
            Arc::<LaneStats>::default(),
        );
        let register = Arc::<Register>::default();
        RunningLane::new(known, &sizing, way(), limits, &logs, &register)
    };
    (1..=many).map(lane).collect()
}

/// Threads of this process whose name begins so.
fn threads(name: &str) -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.map(|task| fs::read_to_string(task.unwrap().path().join("comm")));
    // One may have ended since it was listed.
    let names = names.filter_map(Result::ok);
    names.filter(|it| it.starts_with(name)).count()
}

/// Waits until there are so many threads whose name begins so.
#[track_caller]
fn await_threads(name: &str, many: usize) {
    await_that(|| threads(name) == many);
}

#[track_caller]
fn await_that(condition: impl Fn() -> bool) {
    let until = moment::now() + AMPLE;
    while !condition() {
        assert!(moment::now() < until, "it does not come to be");
        std::thread::yield_now();
    }
}

#[test]
fn fifty_idle_lanes_have_no_thread_and_one_each_when_there_is_something_to_send() {
    let lanes = lanes("fifty", 50);
    let idle = lanes.iter().all(|it| it.threads.heartbeats().is_empty());
    assert!(idle, "an idle lane has none");
    for running in &lanes {
        let pushes = push::fixture::pushes(1, 3, Moment::now());
        let room = running.lane.room().reserve(3).unwrap();
        running.lane.enqueue(room, pushes);
    }
    await_threads("fifty", 50);
    assert_eq!(end_all(lanes.iter()), 150, "none is sent");
    assert!(lanes.iter().all(|running| running.has_ended()));
    await_threads("fifty", 0);
}

/// The provider has refused the credential that the lane has now.
fn refuse(lane: &Lane) {
    let refusal = CredentialRefusal {
        reason: "InvalidProviderToken".into(),
        text: "no key of this team".into(),
        ends_with: EndsWith::Probe,
    };
    let generation = lane.holding().route_generation();
    lane.refuse(refusal, generation, None, None, Moment::now(), 0);
}

#[test]
fn the_files_of_a_credential_are_read_by_a_thread_while_the_lane_is_held_for_it() {
    let lanes = lanes("held", 2);
    let lane = &lanes[0].lane;
    for _ in 0..2 {
        refuse(lane);
        await_threads("held", 1);
        lane.taken(0, Proof::Topic, moment::now());
        await_threads("held", 0);
    }
}

#[test]
fn a_lane_that_has_stopped_starts_no_thread() {
    let lanes = lanes("stopped", 1);
    let lane = &lanes[0].lane;
    lane.stop();
    lane.enqueue(
        lane.room().reserve(1).unwrap(),
        push::fixture::pushes(1, 1, Moment::now()),
    );
    lanes[0].look();
    assert!(lanes[0].threads.heartbeats().is_empty());
    assert!(lanes[0].credential.has_ended());
    assert_eq!(lane.take_rest().len(), 1);
}

#[test]
fn a_thread_that_the_system_does_not_give_is_told_and_tried_for_again() {
    let running = lanes("none", 1).remove(0);
    running.threads.trap.store(true, Ordering::Release);
    let room = running.lane.room().reserve(1).unwrap();
    let pushes = push::fixture::pushes(1, 1, Moment::now());
    running.lane.enqueue(room, pushes);
    assert!(running.threads.heartbeats().is_empty());
    let is_told_now = |reason| {
        let mut alarms = running.lane.holding().alarms();
        alarms.is_due(reason, moment::now())
    };
    assert!(!is_told_now(NO_THREAD), "it has been told");
    running.threads.trap.store(false, Ordering::Release);
    running.look();
    assert_eq!(running.threads.heartbeats().len(), 1);
}

/// Refuses the credential of a lane whose files, in that directory, have changed meanwhile.
fn refuse_changed(
    running: &RunningLane,
    directory: &Path,
    build: impl Fn() -> Result<Route, Unroutable> + Send + 'static,
) {
    let file = directory.join("key");
    let files = CredentialFiles::new(vec![file.clone()], Box::new(build));
    running.credential.turn_to(files, way().0, false);
    fs::write(&file, "another key").unwrap();
    running
        .lane
        .holding()
        .set_first_probe(Duration::from_millis(1));
    refuse(&running.lane);
}

#[test]
fn a_reader_of_credential_files_that_panics_has_ended_and_is_started_again() {
    let directory = tempfile::tempdir().unwrap();
    let running = lanes("panic", 1).remove(0);
    let built = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&built);
    refuse_changed(&running, directory.path(), move || {
        let is_first = counted.fetch_add(1, Ordering::AcqRel) == 0;
        assert!(!is_first, "a fault on purpose");
        Ok(way().0)
    });
    await_that(|| built.load(Ordering::Acquire) > 0);
    await_that(|| running.credential.has_ended());
    let later = moment::now() + 60 * AMPLE;
    assert_eq!(running.overdue(later).next(), None, "a watchdog starves");
    running.look();
    await_that(|| running.lane.holding().route_generation() == 2);
    assert_eq!(built.load(Ordering::Acquire), 2);
}

#[test]
fn a_lane_has_ended_though_its_credential_files_are_still_read() {
    let directory = tempfile::tempdir().unwrap();
    let running = lanes("still", 1).remove(0);
    let (begins, begun) = bounded(0);
    let (ends, ended) = bounded::<()>(0);
    refuse_changed(&running, directory.path(), move || {
        begins.send(()).unwrap();
        let _ended = ended.recv().is_err();
        Err(Unroutable("a key of no use".to_owned()))
    });
    begun.recv_timeout(AMPLE).unwrap();
    running.lane.stop();
    assert!(running.has_ended(), "it has no pushes");
    assert!(!running.credential.has_ended());
    drop(ends);
    await_that(|| running.credential.has_ended());
}
