use std::fs;
use std::path::Path;

use super::*;

const LONG: Duration = Duration::from_secs(30);

fn file(path: &Path) -> Destination {
    Destination::named(path)
}

#[test]
fn destinations_by_name() {
    assert_eq!(Destination::named("stdout"), Destination::Stdout);
    assert_eq!(Destination::named("stderr"), Destination::Stderr);
    assert_eq!(Destination::named("discard"), Destination::Discard);
    let path = Destination::named("./stdout");
    assert!(matches!(path, Destination::File { .. }));
    assert_eq!(path.to_string(), "./stdout");
}

#[test]
fn what_there_is_a_word_for_is_named_by_it() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    for (path, expected) in [
        (Path::new("/dev/stdout"), Some("write \"stdout\" instead")),
        (
            Path::new("/proc/self/fd/2"),
            Some("write \"stderr\" instead"),
        ),
        (Path::new("/dev/null"), Some("write \"discard\" instead")),
        (
            Path::new("/dev/full"),
            Some("it is a device, not a file; \"stdout\", "),
        ),
        (
            &socket,
            Some("it is a socket: \"stdout\" and \"stderr\" lead "),
        ),
        (&directory.path().join("none"), None),
    ] {
        let told = Destination::named(path).better_named();
        let is_told = told
            .as_deref()
            .zip(expected)
            .is_some_and(|(a, b)| a.starts_with(b));
        assert!(is_told || told.is_none() && expected.is_none(), "{told:?}");
    }
    let discard = Destination::Discard;
    let error = Logs::open(&discard, &file(&socket), &discard).unwrap_err();
    assert!(error.to_string().contains("; it is a socket: "), "{error}");
}

#[test]
fn each_log_goes_to_its_own_file() {
    let directory = tempfile::tempdir().unwrap();
    let paths = ["access", "error", "operator"].map(|name| directory.path().join(name));
    let [access, error, operator] = &paths;
    let logs = Logs::open(&file(access), &file(error), &file(operator)).unwrap();
    logs.access.write(b"a\n");
    logs.error.write(b"e\n");
    logs.operator.write(b"o\n");
    assert_eq!(logs.close(LONG), 0);
    assert_eq!(
        paths.map(|path| fs::read_to_string(path).unwrap()),
        ["a\n", "e\n", "o\n"]
    );
}

#[test]
fn logs_in_the_same_file_share_a_sink_whatever_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let link = directory.path().join("link");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let logs = Logs::open(&file(&path), &Destination::Discard, &file(&link)).unwrap();
    assert!(logs.error.discards() && !logs.access.discards());
    logs.access.write(b"1\n");
    logs.operator.write(b"2\n");
    logs.access.write(b"3\n");
    logs.error.write(b"4\n");
    assert!(logs.flush(LONG));
    // One buffer, so the order is the order of the calls.
    assert_eq!(fs::read_to_string(&path).unwrap(), "1\n2\n3\n");
    assert_eq!(logs.close(LONG), 0);
}

#[test]
fn logs_go_on_elsewhere_and_no_line_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let named = |names: [&str; 3]| names.map(|name| file(&path(name)));
    let [access, error, operator] = &named(["access", "error", "operator"]);
    let logs = Logs::open(access, error, operator).unwrap();
    let held = logs.clone();
    held.access.write(b"1\n");
    assert!(logs.flush(LONG));
    let beside = logs.open_beside(&named(["access.new", "error", "operator.new"]));
    held.access.write(b"2\n");
    assert!(logs.flush(LONG));
    logs.turn_to(beside.unwrap().unwrap());
    held.access.write(b"3\n");
    held.error.write(b"4\n");
    assert!(logs.flush(LONG));
    let text = |name: &str| fs::read_to_string(path(name)).unwrap();
    assert_eq!(text("access"), "1\n2\n");
    assert_eq!(
        (text("access.new"), text("error")),
        ("3\n".to_owned(), "4\n".to_owned())
    );
    // Its name is the new one's from now on.
    fs::rename(path("access.new"), path("access.old")).unwrap();
    logs.reopen();
    held.access.write(b"5\n");
    assert_eq!(logs.close(LONG), 0);
    assert_eq!(text("access.new"), "5\n");
}

#[test]
fn writers_neither_begin_nor_end_when_logs_go_elsewhere() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| file(&directory.path().join(name));
    let logs = Logs::open(&path("one"), &path("one"), &Destination::Discard).unwrap();
    let discard = Destination::Discard;
    let opens = |names: [Destination; 3]| logs.open_beside(&names).unwrap().is_some();
    assert!(opens([path("two"), path("two"), discard.clone()]));
    assert!(!opens([path("two"), path("three"), discard.clone()]));
    assert!(!opens([path("two"), path("two"), path("three")]));
    assert!(!opens([discard.clone(), path("one"), discard.clone()]));
    let nowhere = path("no/such/directory");
    let refused = logs
        .open_beside(&[nowhere.clone(), nowhere, discard])
        .unwrap_err();
    assert!(
        refused.to_string().contains("no/such/directory"),
        "{refused}"
    );
}

#[test]
fn reopening_reopens_all() {
    let directory = tempfile::tempdir().unwrap();
    let paths = ["access", "error", "operator"].map(|name| directory.path().join(name));
    let [access, error, operator] = &paths;
    let logs = Logs::open(&file(access), &file(error), &file(operator)).unwrap();
    for path in &paths {
        fs::rename(path, path.with_extension("1")).unwrap();
    }
    let reopened = || {
        logs.reopen();
        logs.opened_again(LONG)
    };
    assert_eq!(reopened(), "log files are opened again");
    assert!(paths.iter().all(|path| path.exists()));
    // What is said of one that cannot be is true until it can be again.
    fs::remove_file(error).unwrap();
    fs::create_dir(error).unwrap();
    let but = "log files are opened again, but for those that cannot be";
    assert_eq!((reopened(), reopened()), (but, but));
    fs::remove_dir(error).unwrap();
    assert_eq!(reopened(), "log files are opened again");
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("missing/access.log");
    let discard = Destination::Discard;
    let error = Logs::open(&discard, &file(&path), &discard).unwrap_err();
    assert!(
        error.to_string().starts_with("cannot open log file "),
        "{error}"
    );
    assert!(
        error.to_string().contains(path.to_str().unwrap()),
        "{error}"
    );
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
}

#[test]
#[cfg(target_os = "linux")]
fn what_a_shared_sink_loses_counts_once_and_what_waits_in_it_is_not_told_as_lost() {
    let full = file(Path::new("/dev/full"));
    let logs = Logs::open(&full, &full, &full).unwrap();
    logs.error.write(b"it waits\nand waits\n");
    logs.reopen();
    assert_eq!(
        logs.opened_again(Duration::from_millis(50)),
        "log files are opened again as soon as their writers get on"
    );
    assert_eq!(logs.close_push_log(Duration::from_millis(50)), 0);
    assert_eq!(logs.close(Duration::from_millis(50)), 2);
}
