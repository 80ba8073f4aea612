//! What a reload puts in force: each key reaches those who go by it, and nothing else is touched.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use rcgen::KeyPair;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::config::{Key, all_keys};
use crate::delivery::running_lane::RunningLane;
use crate::journal::{DiskFiles, Journal, Settings};
use crate::lane::{CredentialRefusal, EndsWith, Lane, RAMP, Refused};
use crate::provider::{self, Built, Unused};
use crate::push::{Accepted, DeviceToken, Notification, PushId};

/// What the tests in `tests/reload` look at from outside, …
const FROM_OUTSIDE: [&str; 12] = [
    "log.hash_key_path",
    "core.max_connections",
    "core.max_body_bytes",
    "log.level",
    "log.mode",
    "log.access_log",
    "log.error_log",
    "log.operator_log",
    "ios.pem_cert_path",
    "ios.pem_key_path",
    "ios.pem_key_passphrase",
    "ios.token_auth_old_key_id",
];

/// … and what no reload puts in force.
const NOTHING_TO_SEE: [&str; 13] = [
    "core.port",
    "core.address",
    "core.socket_mode",
    "core.socket_group",
    "core.workers",
    "core.pid",
    "core.control_socket",
    "core.node",
    "ios.enabled",
    "ios.keepalive_conns",
    "android.enabled",
    "android.apikey",
    "android.keepalive_conns",
];

const DAY: Duration = Duration::from_secs(86_400);

/// A running daemon with both lanes, its file and its directory.
struct Running {
    directory: TempDir,
    keys: BTreeMap<String, String>,
    daemon: Daemon,
    /// When tickets are taken next.
    at: Instant,
}

impl Running {
    fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), &[])
    }

    fn start_in(directory: TempDir, further: &[(&str, &str)]) -> Self {
        let path = |name: &str| directory.path().join(name);
        let now = Moment::now().unix;
        let ec = || KeyPair::generate().unwrap().serialize_pem();
        for (name, text) in [
            ("AuthKey.p8", ec()),
            ("other.p8", ec()),
            ("account.json", account("one")),
            ("other.json", account("two")),
            ("ca.pem", authority(now + 400 * DAY)),
            ("soon.pem", authority(now + 7 * DAY)),
            ("old.pem", authority(DAY)),
            ("keys", "0123456789abcdef".to_owned()),
        ] {
            fs::write(path(name), text).unwrap();
        }
        let named = |name: &str| format!("{:?}", path(name));
        let mut keys: BTreeMap<String, String> = [
            ("core.port", "\"0\"".to_owned()),
            ("core.workers", "1".to_owned()),
            ("ios.token_auth_key_path", named("AuthKey.p8")),
            ("ios.token_auth_key_id", "\"STERNAKEY1\"".to_owned()),
            ("ios.token_auth_team_id", "\"STERNATEAM\"".to_owned()),
            ("ios.topic", "\"org.example.sterna\"".to_owned()),
            ("android.service_account_path", named("account.json")),
            ("journal.dir", named("journal")),
            ("log.access_log", named("access")),
            ("log.error_log", named("error")),
            ("log.operator_log", "\"discard\"".to_owned()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into();
        let further = further.iter();
        keys.extend(further.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        let source = Source {
            path: Some(path("sterna.toml")),
            overrides: Overrides::default(),
            environment: Environment::read(),
        };
        let text = text(&keys);
        fs::write(path("sterna.toml"), &text).unwrap();
        let (none, around) = (Overrides::default(), &source.environment);
        let parsed = Config::parse("sterna.toml", &text, none, around);
        let daemon = Daemon::start(&parsed.unwrap().0, &[]).unwrap();
        Self {
            directory,
            keys,
            daemon: daemon.reading(source),
            at: moment::now() + RAMP,
        }
    }

    /// Writes the file with these values, `DIR` being its directory, and has it read.
    fn ask(&mut self, changes: &[(&str, &str)]) -> ControlAnswer {
        let directory = self.directory.path().to_str().unwrap();
        let mut keys = self.keys.clone();
        for (key, value) in changes {
            keys.insert((*key).to_owned(), value.replace("DIR", directory));
        }
        fs::write(self.directory.path().join("sterna.toml"), text(&keys)).unwrap();
        self.daemon.reload()
    }

    /// Goes over to these values; what is told.
    fn reload(&mut self, changes: &[(&str, &str)]) -> Vec<String> {
        match self.ask(changes) {
            ControlAnswer::Reloaded { lines } => lines,
            other => panic!("{changes:?}: {other:?}"),
        }
    }

    /// By what callers, lanes and logs go, a line each.
    fn state(&mut self) -> BTreeSet<String> {
        let terms = self.daemon.service.terms.get();
        let rules = &terms.rules;
        let mut notification = Notification::empty(LaneId::IOS);
        let (now, mut unused) = (Moment::now(), Unused::default());
        let built = (rules.content)(&mut notification, now, &mut unused).unwrap();
        let mut android = Notification::empty(LaneId::ANDROID);
        android.message = "m".into();
        let shows = (rules.content)(&mut android, now, &mut unused).unwrap();
        let shows = str::from_utf8(shows.content.body()).unwrap();
        let privacy = self.daemon.logs.privacy.get();
        let mut state = BTreeSet::from([
            format!("notification_max {}", rules.notification_max),
            format!("empty_message {}", rules.allows_empty_message),
            format!("as_gaurun {}", rules.as_gaurun),
            format!("bulk_from {}", rules.bulk_from),
            format!("payload {}", str::from_utf8(built.content.body()).unwrap()),
            format!("shows {}", shows.contains("notification")),
            format!("api_keys {}", terms.keys.is_some()),
            format!("hosts {:?}", terms.hosts),
            format!("token {:.5}", privacy.token.shown("ab")),
            format!("hides_message {}", privacy.hides_message),
            format!("shutdown {:?}", self.daemon.shutdown_timeout),
            format!("connections {}", self.daemon.lanes.get().limit().most()),
        ]);
        // Within less than what starts the ramp over.
        self.at += RAMP / 2;
        for running in self.daemon.lanes.get().serving() {
            let (lane, limits) = (&running.lane, running.limits.get());
            let (_, route) = running.route.current();
            let endpoint = &route.endpoint;
            let shared = route.address.shared(0, None).unwrap();
            let field = |name: &[u8]| {
                let mut fields = shared.pseudo.iter();
                let value = fields
                    .find(|(its, _)| *its == name)
                    .map(|(_, value)| *value);
                String::from_utf8(value.unwrap_or_default().to_vec()).unwrap()
            };
            let facts = [
                format!("queues {}", lane.room().capacity()),
                format!("scheduled {}", lane.room().scheduled().capacity()),
                format!("streams {}", lane.stream_limit()),
                format!("retry_max {}", limits.retry_max),
                format!("max_age {:?}", limits.max_age),
                format!("resends {}", limits.resend_unknown),
                format!("tickets {:?}", lane.pacing().tickets(self.at, usize::MAX)),
                format!("host {}:{}", endpoint.host, endpoint.port),
                format!("connect {:?}", endpoint.timeouts.connect),
                format!("timeout {:?}", route.timeout),
                format!("idle {:?}", route.idle_timeout),
                format!("authority {}", field(b":authority")),
                format!("path {}", field(b":path")),
            ];
            let of_route = running.route.shown();
            let credential = of_route.new.unwrap_or(of_route.present);
            let credential = credential.split(", ").map(str::to_owned);
            let facts = facts.into_iter().chain(credential);
            state.extend(facts.map(|fact| format!("{} {fact}", lane.id())));
        }
        let directory = self.directory.path().to_str().unwrap();
        let facts = state.into_iter();
        let facts = facts.map(|fact| fact.replace(directory, "DIR").replace('"', "'"));
        facts.map(|fact| fact.trim_end().to_owned()).collect()
    }

    /// The same, once the rates have come to their height.
    fn settled_state(&mut self) -> BTreeSet<String> {
        (0..3).map(|_| self.state()).last().unwrap()
    }

    /// The numbers of the lanes' latest routes, each of which has connections of its own.
    fn routes(&self) -> Vec<(LaneId, u64)> {
        let lanes = self.daemon.lanes.get();
        let number = |running: &Arc<RunningLane>| (running.id(), running.route.latest());
        lanes.serving().map(number).collect()
    }

    fn lane(&self, id: LaneId) -> Arc<Lane> {
        let lanes = self.daemon.lanes.get();
        Arc::clone(&lanes.get(id).unwrap().lane)
    }
}

fn text(keys: &BTreeMap<String, String>) -> String {
    let (mut text, mut of) = (String::new(), "");
    for (key, value) in keys {
        let (section, name) = key.split_once('.').unwrap();
        if section != of {
            (of, text) = (section, format!("{text}[{section}]\n"));
        }
        writeln!(text, "{name} = {value}").unwrap();
    }
    text
}

/// A service account with that key, whose token endpoint does not answer.
fn account(id: &str) -> String {
    let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    json!({
        "type": "service_account",
        "project_id": "example-project",
        "private_key": key.serialize_pem(),
        "private_key_id": id,
        "client_email": "push@example.iam.gserviceaccount.com",
        "token_uri": "https://127.0.0.1:9/token",
    })
    .to_string()
}

/// An authority until that day, since the epoch.
fn authority(until: Duration) -> String {
    let key = KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]);
    let mut params = params.unwrap();
    params.not_after = rcgen::date_time_ymd(1970, 1, 1) + until;
    params.self_signed(&key).unwrap().pem()
}

/// A key and a value of it, and what is otherwise by that, with `=>` by other connections too.
/// `EACH` is either platform, `DIR` the directory.
const TABLE: &str = "\
core.queues = 5 -> EACH queues 5
core.scheduled_queues = 5 -> EACH scheduled 5
core.provider_connections = 2 -> connections 2
core.pusher_max = 7 -> EACH streams 7
core.pusher_max = 0 -> EACH streams 1
core.max_age = 60 -> EACH max_age 60s
core.resend_unknown = false -> EACH resends false
core.notification_max = 5 -> notification_max 5
core.allows_empty_message = true -> empty_message true
core.compatible_with = 'gaurun' -> as_gaurun true, payload {'aps':{'badge':0}}, shows false
core.bulk_from = 3 -> bulk_from 3
core.hosts = ['push.example'] -> hosts ['push.example']
core.shutdown_timeout = 3 -> shutdown 3s
core.api_key_path = 'DIR/keys' -> api_keys true
core.allow_unauthenticated = true ->
core.probe_interval = 60 ->
log.hide_message = true -> hides_message true
log.hide_token = 'yes' -> token
log.hide_token = 'hash' & hash_key_path = 'DIR/keys' -> token hash:
EACH.retry_max = 3 -> EACH retry_max 3
EACH.rate = 2000 -> EACH tickets Go(10)
EACH.timeout = 20 => EACH connect 20s, EACH timeout 20s
EACH.keepalive_timeout = 7 => EACH idle 7s
EACH.endpoint = 'https://[::1]:9' => EACH authority [::1]:9, EACH host ::1:9
EACH.ca_path = 'DIR/ca.pem' =>
ios.sandbox = false => ios authority api.push.apple.com, ios host api.push.apple.com:443
ios.environments = ['production'] => ios authority api.push.apple.com, \
ios host api.push.apple.com:443
ios.topic = 'org.other' & channels_endpoint = 'https://[::1]:9' => ios topic org.other
ios.token_auth_key_id = 'OTHER67890' => ios key id OTHER67890
ios.token_auth_team_id = 'OTHER67890' => ios team id OTHER67890
ios.token_auth_key_path = 'DIR/other.p8' => ios token_auth_key_path DIR/other.p8
ios.token_auth_old_key_path = 'DIR/other.p8' & token_auth_old_key_id = 'OTHER67890' ->
android.style = 'data' -> shows false
android.project_id = 'two' => android path /v1/projects/two/messages:send, android project two
android.service_account_path = 'DIR/other.json' => android key id two, \
android service_account_path DIR/other.json
android.credential_hosts = ['idp.example'] =>
android.token_hosts = ['proxy.example'] =>
android.metadata_server = true & service_account_path = '' & project_id = 'example-project' => \
android metadata server metadata.google.internal
";

#[test]
fn what_waits_for_one_environment_does_not_go_to_the_other() {
    let both = "[\"production\", \"sandbox\"]";
    let turned = "[\"sandbox\", \"production\"]";
    let directory = tempfile::tempdir().unwrap();
    let mut running = Running::start_in(directory, &[("ios.environments", both)]);
    let routes = running.routes();
    let room = running.lane(LaneId::IOS).room().reserve(1).unwrap();
    for (queues, changes) in [
        ("1001", &[("ios.environments", turned)][..]),
        ("1002", &[("ios.environments", "[\"sandbox\"]")]),
        (
            "1003",
            &[("ios.environments", "[]"), ("ios.sandbox", "true")],
        ),
    ] {
        // The rest goes in force: a renewed certificate, a key that is revoked.
        let lines = running.reload(&[changes, &[("core.queues", queues)]].concat());
        let expected = "ios: its environments, topic and endpoint stay as they were: 1 push waits in the lane ios for \
                        production, and that lane would be sandbox. ";
        let told = |begin: &str| lines.iter().any(|line| line.contains(begin));
        assert!(told(expected) && told("stays: ios."), "{lines:?}");
        assert!(told("applied: core.queues = ") && !told("restart"));
        assert_eq!(running.routes(), routes);
    }
    // Its environment stays; and nothing changes for what has none.
    running.reload(&[("ios.environments", "[\"production\"]")]);
    running.reload(&[("ios.environments", both), ("android.timeout", "20")]);
    // Elsewhere there is one place for both.
    let endpoint = ("ios.endpoint", "\"https://[::1]:9\"");
    running.reload(&[("ios.environments", both), endpoint]);
    running.reload(&[("ios.environments", turned), endpoint]);
    running.reload(&[("ios.environments", both), endpoint]);
    running.reload(&[("ios.environments", both)]);
    // Nor is the other's left alone with what it has, though it is served by another name.
    drop(room);
    let other = LaneId::named("ios/sandbox").unwrap();
    let room = running.lane(other).room().reserve(2).unwrap();
    let lines = running.reload(&[("ios.environments", turned)]);
    let expected = "2 pushes wait in the lane ios/sandbox for sandbox, and that lane would be not \
                    served";
    assert!(
        lines.iter().any(|line| line.contains(expected)),
        "{lines:?}"
    );
    drop(room);
    running.reload(&[("ios.environments", turned)]);
}

#[test]
fn each_key_reaches_those_who_go_by_it_and_touches_nothing_else() {
    let mut running = Running::start();
    let before = running.settled_state();
    assert!(before.contains("android tickets Go(450)"), "{before:?}");
    let elsewhere = [FROM_OUTSIDE.as_slice(), &NOTHING_TO_SEE].concat();
    let mut walked: BTreeSet<String> = elsewhere.into_iter().map(str::to_owned).collect();
    for row in TABLE.lines() {
        let (setting, facts) = row.split_once('>').unwrap();
        let renews = setting.ends_with('=');
        let (row, value) = setting.split_once(" = ").unwrap();
        let value = value.trim_end_matches([' ', '-', '=']).replace(" & ", "\n");
        for key in each(row, &LaneId::DEFAULT_APP) {
            let is_of = |section: &str| key.split_once('.').unwrap().0 == section;
            let mut concerned = LaneId::DEFAULT_APP.to_vec();
            concerned.retain(|platform| is_of("core") || is_of(platform.platform()));
            let facts = facts
                .split(',')
                .map(str::trim)
                .filter(|fact| !fact.is_empty());
            let facts = facts.flat_map(|fact| each(fact, &concerned)).collect();
            let mut routes = running.routes();
            // What follows the key's own value are others of its section.
            let section = key.split_once('.').unwrap().0;
            let mut parts = value.split('\n');
            let own = (key.clone(), parts.next().unwrap());
            let more = parts.map(|part| part.split_once(" = ").unwrap());
            let more = more.map(|(name, value)| (format!("{section}.{name}"), value));
            let changes: Vec<_> = std::iter::once(own).chain(more).collect();
            let changes: Vec<_> = changes.iter().map(|(key, it)| (&**key, *it)).collect();
            let lines = running.reload(&changes);
            let others = &running.state() - &before;
            assert_eq!(others, facts, "{key} = {value}: {lines:?}");
            for (platform, number) in &mut routes {
                *number += u64::from(renews && concerned.contains(platform));
            }
            assert_eq!(running.routes(), routes, "{key} = {value}: {lines:?}");
            running.reload(&[]);
            assert_eq!(running.settled_state(), before, "after {key} = {value}");
            walked.extend(changes.iter().map(|(key, _)| (*key).to_owned()));
        }
    }
    // What is kept is opened at the start, beside the lanes, and so is where Prometheus scrapes.
    let all = all_keys().filter(|it| !["journal", "feedback", "metrics"].contains(&it.section));
    let all: BTreeSet<String> = all.map(Key::path).collect();
    assert_eq!(walked, all);
}

/// A text for each of these platforms, if it is for `EACH`.
fn each(text: &str, platforms: &[LaneId]) -> Vec<String> {
    if !text.contains("EACH") {
        return vec![text.to_owned()];
    }
    let platforms = platforms.iter();
    platforms
        .map(|platform| text.replace("EACH", platform.platform()))
        .collect()
}

#[test]
fn what_was_set_by_hand_or_met_since_the_start_stays() {
    let mut running = Running::start();
    let now = Moment::now();
    let refused = |lane: &Lane| {
        let generation = lane.holding().route_generation();
        lane.refuse(refusal(), generation, None, None, now, 0)
    };
    let lane = running.lane(LaneId::IOS);
    lane.set_stream_limit(3);
    lane.holding().pause(now);
    let Refused::Held { wait } = refused(&lane) else {
        panic!("it was held before");
    };
    let holds = format!("{:?}", lane.holding().holds());
    running.reload(&[
        ("core.queues", "5"),
        ("core.max_age", "60"),
        ("core.probe_interval", "60"),
        ("core.resend_unknown", "false"),
        ("ios.retry_max", "3"),
        ("ios.rate", "5"),
        ("android.timeout", "20"),
    ]);
    let lane = running.lane(LaneId::IOS);
    assert_eq!(format!("{:?}", lane.holding().holds()), holds);
    assert_eq!(lane.stream_limit(), 3);
    // Whoever is refused from now on waits by the new interval.
    let twice = Refused::Held { wait: wait * 2 };
    assert_eq!(refused(&running.lane(LaneId::ANDROID)), twice);
    running.reload(&[("core.pusher_max", "7")]);
    assert_eq!(running.lane(LaneId::IOS).stream_limit(), 7);
    // Another way to the provider ends nothing that is by hand.
    running.reload(&[("ios.topic", "\"org.other\"")]);
    let lane = running.lane(LaneId::IOS);
    assert!(
        format!("{:?}", lane.holding().holds()).contains("Operator"),
        "{:?}",
        lane.holding().holds()
    );
}

fn refusal() -> CredentialRefusal {
    CredentialRefusal {
        reason: "InvalidProviderToken".into(),
        text: "APNs refuses it".into(),
        ends_with: EndsWith::Probe,
    }
}

fn accepted(platform: LaneId, id: u64, at: Moment) -> Arc<Accepted> {
    Arc::new(provider::accept(
        &Notification::empty(platform),
        &Built::nothing(platform),
        [DeviceToken::new("token")],
        PushId(id),
        at,
    ))
}

fn open(directory: &Path) -> Journal {
    let settings = Settings::new(directory);
    let opened = Journal::open(Arc::new(DiskFiles), settings, Moment::now());
    opened.unwrap().0
}

#[test]
fn what_may_have_been_sent_is_known_from_the_reload_on_that_asks_for_it() {
    let mut running = Running::start();
    let now = Moment::now();
    let keep = |running: &Running, id| {
        let accepted = [accepted(LaneId::IOS, id, now)];
        running.daemon.backlog.accept(&accepted, None).unwrap();
    };
    // Which are in doubt, if the process is killed now.
    let in_doubt = |running: &Running| {
        let copy = tempfile::tempdir().unwrap();
        let files = fs::read_dir(running.directory.path().join("journal")).unwrap();
        for file in files {
            let file = file.unwrap();
            // The feed is beside it.
            if file.path().is_file() {
                fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
            }
        }
        let fed = open(copy.path()).feed(LaneId::IOS, 10).notifications;
        let of_each = fed.iter().map(|found| (found.id(0).0, found.in_doubt));
        of_each.collect::<Vec<_>>()
    };
    keep(&running, 1);
    assert_eq!(in_doubt(&running), [(1, true)]);
    running.reload(&[("core.resend_unknown", "false")]);
    keep(&running, 2);
    assert_eq!(in_doubt(&running), [(1, true), (2, false)]);
    running.reload(&[("core.resend_unknown", "false"), ("core.queues", "5")]);
    assert_eq!(in_doubt(&running), [(1, true), (2, false)]);
    running.reload(&[]);
    assert_eq!(in_doubt(&running), [(1, true), (2, true)]);
    // A journal that takes nothing more is told to who asks it for that.
    let _closed = running.daemon.backlog.close().unwrap();
    let line = "a crash would not know what was sent: ";
    for (resends, is_told) in [(true, false), (false, true), (false, false), (true, true)] {
        let told = running.reload(&[("core.resend_unknown", &resends.to_string())]);
        let found = told.iter().any(|told| told.starts_with(line));
        assert_eq!(found, is_told, "{resends}: {told:?}");
    }
}

#[test]
fn pushes_to_a_platform_that_is_disabled_expire_by_the_new_age() {
    let directory = tempfile::tempdir().unwrap();
    let mut hour_ago = Moment::now();
    hour_ago.unix -= Duration::from_secs(3600);
    let journal = open(&directory.path().join("journal"));
    let accepted = accepted(LaneId::ANDROID, 7, hour_ago);
    journal.append([&*accepted], None).unwrap();
    drop(journal);
    let mut running = Running::start_in(directory, &[("android.enabled", "false")]);
    let backlog = Arc::clone(&running.daemon.backlog);
    assert_eq!(backlog.outstanding(), 1);
    running.reload(&[("core.max_age", "60")]);
    let end = moment::now() + Duration::from_secs(30);
    while backlog.outstanding() > 0 {
        assert!(moment::now() < end, "it has not expired");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

#[test]
fn what_the_check_or_the_daemon_alone_refuses_stays_and_what_is_warned_of_does_not() {
    let mut running = Running::start();
    let before = running.settled_state();
    for (key, file, text) in [
        (
            "ios.ca_path",
            "DIR/old.pem",
            "the certificate expired at 1970",
        ),
        // Whoever may write anywhere is told of that by trying alone.
        ("log.access_log", "/proc/sterna.log", "/proc/sterna.log"),
    ] {
        let ControlAnswer::Kept { problems } = running.ask(&[(key, &format!("'{file}'"))]) else {
            panic!("{file} is in force");
        };
        assert!(problems.join("").contains(text), "{problems:?}");
        assert_eq!(running.state(), before);
    }
    let told = running.reload(&[("ios.ca_path", "'DIR/soon.pem'")]);
    let line = "applied: ios.ca_path";
    assert!(told.iter().any(|told| told.starts_with(line)), "{told:?}");
}

#[test]
fn what_may_not_be_stays_and_is_told_beside_what_cannot_be_used() {
    let directory = tempfile::tempdir().unwrap();
    let open = [
        ("core.address", "'0.0.0.0'"),
        ("core.allow_unauthenticated", "true"),
    ];
    let mut running = Running::start_in(directory, &open);
    let before = running.settled_state();
    // The file is good, but it still listens where it did.
    let changes = [
        ("core.address", "'127.0.0.1'"),
        ("core.allow_unauthenticated", "false"),
        ("ios.ca_path", "'DIR/none'"),
        ("core.queues", "5"),
    ];
    let ControlAnswer::Kept { problems } = running.ask(&changes) else {
        panic!("it is in force");
    };
    let told = problems.join("");
    for text in ["ca_path", "core.api_key_path: cannot be left out"] {
        assert!(told.contains(text), "{told}");
    }
    assert_eq!(running.state(), before);
    let told = running.reload(&[("log.access_log", "'discard'"), ("core.queues", "5")]);
    let line = "needs a restart: log.access_log = \"discard\"";
    assert!(told.iter().any(|told| told.starts_with(line)), "{told:?}");
    assert!(
        told.iter()
            .any(|told| told.starts_with("applied: core.queues")),
        "{told:?}"
    );
}
