//! The daemon as a whole, where it cannot be seen from outside.

use std::fs;
use std::time::{Duration, Instant};

use rcgen::KeyPair;

use super::*;
use crate::config::{Environment, Overrides};
use crate::journal::{DiskFiles, Journal, Outstanding, Settings};
use crate::lane::{CredentialRefusal, EndsWith, Tickets};
use crate::moment;
use crate::provider::{self, Built};
use crate::push::{Accepted, DeviceToken, LaneId, Notification, Push, PushId};

/// A daemon of iOS alone, with pushes to Android in its journal.
fn config(directory: &std::path::Path) -> Config {
    let key = directory.join("AuthKey.p8");
    fs::write(&key, KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let journal = directory.join("journal");
    let text = format!(
        "[core]\nport = \"0\"\nworkers = 2\ncontrol_socket = \"{0}/control\"\n[ios]\ntoken_auth_key_path = {key:?}\n\
         token_auth_key_id = \"STERNAKEY1\"\ntoken_auth_team_id = \"STERNATEAM\"\n\
         topic = \"org.example.sterna\"\nrate = 2000\n[android]\nenabled = false\n[journal]\ndir = {journal:?}\n\
         [log]\naccess_log = \"{0}/access\"\nerror_log = \"{0}/error\"\noperator_log = \"discard\"\n",
        directory.display(),
    );
    let environment = Environment::read();
    Config::parse("sterna.toml", &text, Overrides::default(), &environment)
        .unwrap()
        .0
}

/// A notification to that lane, with one push for each device token.
fn notification(lane: LaneId, tokens: &[&str], now: Moment) -> Arc<Accepted> {
    let tokens: Box<[_]> = tokens
        .iter()
        .map(|token| DeviceToken::new(*token))
        .collect();
    let notification = Notification::empty(lane);
    let accepted = provider::accept(&notification, &Built::nothing(lane), tokens, PushId(7), now);
    Arc::new(accepted)
}

/// One to iOS, which the daemon's journal has.
fn accepted(daemon: &Daemon, tokens: &[&str], now: Moment) -> Arc<Accepted> {
    let accepted = notification(LaneId::IOS, tokens, now);
    let kept = [Arc::clone(&accepted)];
    daemon.backlog.accept(&kept, None).unwrap();
    accepted
}

/// What the next process finds.
fn found(directory: &std::path::Path) -> Outstanding {
    let kept = Settings::new(directory.join("journal"));
    let (journal, _) = Journal::open(Arc::new(DiskFiles), kept, Moment::now()).unwrap();
    let mut fed = journal.feed(LaneId::IOS, 10).notifications;
    assert_eq!(fed.len(), 1, "{fed:?}");
    fed.remove(0)
}

/// Has the lanes put away that this configuration disables; what is told of their pushes.
fn put_away(daemon: &mut Daemon, without: &Config) -> Vec<(::log::Level, String)> {
    let (gone, told) = daemon.turn_lanes(without, Vec::new());
    let of_pause = "ios: it was paused by hand, which ends with it";
    assert!(
        told.iter().all(|(_, line)| line.starts_with(of_pause)),
        "{told:?}"
    );
    daemon.let_go(&gone, without)
}

#[test]
fn every_class_of_threads_is_looked_after() {
    let directory = tempfile::tempdir().unwrap();
    let config = config(directory.path());
    let kept = Settings::new(directory.path().join("journal"));
    let (journal, _) = Journal::open(Arc::new(DiskFiles), kept, Moment::now()).unwrap();
    let accepted = notification(LaneId::ANDROID, &["token"], Moment::now());
    journal.append([&*accepted], None).unwrap();
    drop(journal);

    let daemon = Daemon::start(&config, &[]).unwrap();
    // Nobody can have been heard of in the future.
    let future = Instant::now() + Duration::from_secs(3600);
    let idle = daemon.supervision.overdue(future, &daemon.lanes.get());
    assert!(
        !idle.join(" ").contains("ios"),
        "an idle lane has none: {idle:?}"
    );
    let lane = Arc::clone(&daemon.lanes.get().get(LaneId::IOS).unwrap().lane);
    let accepted = self::accepted(&daemon, &["token"], Moment::now());
    lane.holding().pause(Moment::now());
    lane.enqueue(
        lane.room().reserve(1).unwrap(),
        Push::all(&accepted).collect(),
    );
    let refusal = CredentialRefusal {
        reason: "InvalidProviderToken".into(),
        text: "no key of this team".into(),
        ends_with: EndsWith::Probe,
    };
    lane.refuse(refusal, 0, None, None, Moment::now(), 0);
    assert_eq!(
        daemon.supervision.overdue(future, &daemon.lanes.get()),
        [
            "API accept",
            "control socket",
            "journal",
            "journal feeder",
            "log writer",
            "ios connection",
            "ios credential files",
        ]
    );
    // Idle threads are heard of all the same.
    assert_eq!(
        daemon
            .supervision
            .overdue(Instant::now(), &daemon.lanes.get()),
        [""; 0]
    );
    let ended = daemon.stop(&crossbeam_channel::never());
    assert_eq!(
        (ended.left, ended.unlogged, ended.journal_failed),
        (0, 0, false)
    );
}

#[test]
fn what_comes_to_a_lane_after_it_was_put_away_waits_with_the_rest() {
    for ends_first in [false, true] {
        comes_late(ends_first);
    }
}

/// By a request that had looked at the lanes before, and was slow.
fn comes_late(ends_first: bool) {
    let directory = tempfile::tempdir().unwrap();
    let config = config(directory.path());
    let mut daemon = Daemon::start(&config, &[]).unwrap();
    let mut without = config;
    without.lanes.insert(LaneId::IOS, None);
    let before = daemon.lanes.get();
    let lane = Arc::clone(&before.get(LaneId::IOS).unwrap().lane);
    let room = lane.room().reserve(1).unwrap();
    let told = put_away(&mut daemon, &without);
    assert_eq!(told, [], "nothing waits yet");
    let accepted = accepted(&daemon, &["ab"], Moment::now());
    daemon.end_finished();
    assert_eq!(daemon.backlog.unclaimed(LaneId::IOS), 0, "it is on its way");
    lane.enqueue(room, Push::all(&accepted).collect());
    if !ends_first {
        drop(before);
        daemon.end_finished();
        assert_eq!(daemon.backlog.unclaimed(LaneId::IOS), 1);
    }
    daemon.stop(&crossbeam_channel::never());
    assert!(!found(directory.path()).in_doubt, "nobody has sent it");
}

#[test]
fn what_waits_at_the_end_waits_on_in_the_next_process() {
    let directory = tempfile::tempdir().unwrap();
    let mut config = config(directory.path());
    config.core.shutdown_timeout = Duration::ZERO;
    let daemon = Daemon::start(&config, &[]).unwrap();
    let now = Moment::now();
    let accepted = accepted(&daemon, &["ab", "cd"], now);
    let lane = Arc::clone(&daemon.lanes.get().get(LaneId::IOS).unwrap().lane);
    lane.holding().pause(now);
    let mut pushes: Vec<Push> = Push::all(&accepted).collect();
    for push in &mut pushes {
        push.attempts = 3;
    }
    let (queued, tried) = (pushes.remove(0), pushes.remove(0));
    lane.room().reserve(1).unwrap().occupy();
    lane.retries()
        .shelve(tried, now.monotonic + Duration::from_secs(600));
    lane.enqueue(lane.room().reserve(1).unwrap(), vec![queued]);
    let ended = daemon.stop(&crossbeam_channel::never());
    assert_eq!((ended.left, ended.journal_failed), (0, false));
    let found = found(directory.path());
    let attempts = found.pushes.iter().map(|(_, it)| (it.attempts, it.due));
    let attempts: Vec<_> = attempts.collect();
    assert!(!found.in_doubt);
    assert_eq!(attempts[0], (3, None));
    let due = attempts[1]
        .1
        .unwrap()
        .saturating_sub(now.unix)
        .as_secs_f32();
    assert_eq!((attempts[1].0, due.round()), (3, 600.0));
}

#[test]
fn what_sends_a_journal_s_pushes_again_keeps_to_the_rate() {
    let directory = tempfile::tempdir().unwrap();
    let config = config(directory.path());
    let logs = open_logs(&config, &Destination::Discard).unwrap();
    let state = StateDirectory::of(&config).unwrap();
    let register = Arc::default();
    let lane = lane_making::lane_of_files(
        &config,
        config.lane(LaneId::IOS).unwrap(),
        (LaneId::IOS, &lane_making::none(&config)),
        lane_making::limits(&config, LaneId::IOS),
        (&state, &logs, &register),
    );
    let tickets = lane.unwrap().lane.pacing().tickets(moment::now(), 1000);
    assert!(
        !matches!(tickets, Tickets::Go(1000)),
        "a tenth of 2000 in the first second: {tickets:?}"
    );
}

#[test]
fn what_a_lane_has_that_is_being_put_away_is_purged() {
    let directory = tempfile::tempdir().unwrap();
    let config = config(directory.path());
    let mut daemon = Daemon::start(&config, &[]).unwrap();
    let mut without = config;
    without.lanes.insert(LaneId::IOS, None);
    let accepted = accepted(&daemon, &["ab"], Moment::now());
    // Whoever holds the registry of before has the lane wait.
    let before = daemon.lanes.get();
    let lane = &before.get(LaneId::IOS).unwrap().lane;
    lane.holding().pause(Moment::now());
    let room = lane.room().reserve(1).unwrap();
    lane.enqueue(room, Push::all(&accepted).collect());
    let (lanes, service) = (Arc::clone(&daemon.lanes), Arc::clone(&daemon.service));
    std::thread::scope(|scope| {
        let purge = scope.spawn(|| {
            while lanes.get().get(LaneId::IOS).is_some() {
                std::thread::yield_now();
            }
            // The name of pushes whose caller gave them none.
            service.whereabouts.purge("", None).unwrap()
        });
        let told = put_away(&mut daemon, &without);
        assert_eq!(purge.join().unwrap().pushes, 1);
        assert_eq!(told, [], "nothing waits to be sent");
    });
    assert_eq!(daemon.backlog.unclaimed(LaneId::IOS), 0);
    assert_eq!(daemon.backlog.lane_of(accepted.first_id), None);
    drop(before);
    daemon.stop(&crossbeam_channel::never());
}
