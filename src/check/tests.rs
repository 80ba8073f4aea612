//! What a look at the files finds.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use std::time::Duration;

use super::*;
use crate::config::fixture::environment;
use crate::config::{Overrides, Style};
use crate::moment::Moment;
use crate::simulator::{Credentials, Options, Simulator};

fn examine<T>(text: &str, look: impl Fn(&Config, &FileText<'_>) -> T) -> T {
    let source = FileText::read("f", text, Path::exists);
    let found = Config::parse("f", text, Overrides::default(), &environment());
    look(&found.unwrap().0, &source)
}

fn shown(findings: &[Diagnostic]) -> String {
    findings.iter().fold(String::new(), |mut text, it| {
        text.push_str(&it.render(Style::Plain));
        text
    })
}

/// A certificate that is valid between these days of 2026, and its key, in one file.
fn certificate(directory: &Path, (from, to): (u8, u8)) -> String {
    let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
    params.not_before = rcgen::date_time_ymd(2026, from, 1);
    params.not_after = rcgen::date_time_ymd(2026, to, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    let path = directory.join("cert.pem");
    let pem = params.self_signed(&key).unwrap().pem();
    fs::write(&path, pem + &key.serialize_pem()).unwrap();
    let path = path.display();
    format!(
        "[core]\nport = \"0\"\n[ios]\npem_cert_path = \"{path}\"\npem_key_path = \"{path}\"\n\
         [android]\nenabled = false\n"
    )
}

#[test]
fn certificates_are_looked_at_by_the_calendar() {
    let directory = tempfile::tempdir().unwrap();
    let text = certificate(directory.path(), (3, 6));
    let day = |month: i8, day: i8| {
        let date = jiff::civil::date(2026, month, day);
        let zoned = date.to_zoned(TimeZone::UTC).unwrap();
        Duration::from_secs(zoned.timestamp().as_second().try_into().unwrap())
    };
    for (now, expected) in [
        (day(2, 27), "warning: ios.pem_cert_path = "),
        (day(2, 27), "valid from 2026-03-01T00:00:00Z on, in 2 days"),
        (day(4, 1), ""),
        (day(5, 1), ""),
        (day(5, 2), "expires in 30 days (2026-06-01T00:00:00Z)"),
        (day(5, 2), "warning: "),
        (day(6, 1), "expired at 2026-06-01T00:00:00Z"),
        (day(6, 1), "error: "),
    ] {
        let found = examine(&text, |config, source| {
            credentials(
                config,
                source,
                Moment {
                    unix: now,
                    ..Moment::now()
                },
            )
        });
        let shown = shown(&found);
        assert!(shown.contains(expected), "{shown}");
        assert_eq!(shown.is_empty(), expected.is_empty(), "{shown}");
    }
}

#[test]
fn places_are_tried_and_left_as_they_were() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut text = certificate(directory.path(), (1, 12));
    let port = taken.local_addr().unwrap().port();
    text = text.replace(
        "port = \"0\"",
        &format!("port = \"{port}\"\npid = \"{}\"", path("no/p")),
    );
    write!(
        text,
        "[journal]\ndir = \"/etc/passwd\"\n[log]\naccess_log = \"{}\"\nerror_log = \"{}\"\n",
        path("fresh.log"),
        directory.path().display()
    )
    .unwrap();
    let now = Moment::now();
    let found = examine(&text, |config, source| {
        let mut found = offline(config, source, now);
        found.retain(|it| !it.text.contains("pem_cert_path"));
        found
    });
    let shown = shown(&found);
    assert_eq!(found.len(), 4, "{shown}");
    for part in [
        "is a directory",
        "the journal's directory /etc/passwd cannot be used",
        "/no does not exist",
        "is taken: fine if that is the daemon",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(has_error(&found));
    assert!(!Path::new(&path("fresh.log")).exists());
}

#[test]
fn what_is_not_ours_in_the_place_of_our_directory_is_an_error_as_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let open = fs::Permissions::from_mode(0o777);
    fs::set_permissions(directory.path(), open).unwrap();
    let ours = crate::journal::place(directory.path()).unwrap();
    std::os::unix::fs::symlink("/tmp", &ours).unwrap();
    let mut text = certificate(directory.path(), (1, 12));
    write!(
        text,
        "[journal]\ndir = \"{}\"\n",
        directory.path().display()
    )
    .unwrap();
    let found = examine(&text, |config, source| {
        let mut findings = Vec::new();
        journal::journal(config, source, None, &mut findings);
        findings
    });
    let shown = shown(&found);
    assert!(found.len() == 1 && has_error(&found), "{shown}");
    assert!(shown.contains("somebody else has made it"), "{shown}");
    assert!(!shown.contains("ours alone"), "{shown}");
}

#[test]
fn a_file_from_the_future_speaks_against_the_clock() {
    let source = FileText::read("f", "", Path::exists);
    let at = Duration::from_secs;
    assert!(from_the_future(&source, at(1060), at(1000)).is_none());
    assert!(from_the_future(&source, at(900), at(1000)).is_none());
    let found = from_the_future(&source, at(9000), at(1000)).unwrap();
    assert!(found.text.contains("2 hours in the future"), "{found:?}");
}

#[test]
fn providers_say_whether_they_take_the_credentials() {
    let directory = tempfile::tempdir().unwrap();
    let credentials = Arc::new(Credentials::generate(directory.path()).unwrap());
    let simulator = Simulator::start(Options::new(credentials)).unwrap();
    let text = simulator.config_text();
    let ask = |config: &Config, source: &FileText<'_>| online(config, source, &[]);
    let found = examine(&text, ask);
    let all = shown(&found);
    assert!(!has_error(&found) && found.len() == 2, "{all}");
    assert!(all.contains("note: APNs at https://127.0.0.1:"), "{all}");
    assert!(all.contains("answered 400 BadDeviceToken"), "{all}");
    assert!(
        all.contains("takes the credentials: it answered 200"),
        "{all}"
    );
    let counts = simulator.counts();
    assert_eq!(counts.accepted, 0, "nothing was pushed");

    // Another team's key, and a project that is not the account's.
    let wrong = text
        .replace("STERNATEAM", "OTHERTEAM1")
        .replace("[android]", "[android]\nproject_id = \"another\"");
    let found = examine(&wrong, ask);
    let all = shown(&found);
    assert!(has_error(&found) && found.len() == 2, "{all}");
    assert!(all.contains("answered 403 InvalidProviderToken"), "{all}");
    assert!(all.contains("answered 403 "), "{all}");
    assert!(all.contains("= help: "), "{all}");
    assert!(!all.contains("bearer") && !all.contains("Bearer"), "{all}");
    drop(simulator);
    let found = examine(&text, ask);
    assert_eq!(
        found
            .iter()
            .filter(|it| it.severity == Severity::Error)
            .count(),
        2
    );
}
