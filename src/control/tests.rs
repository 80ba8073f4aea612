//! Both ends of the socket.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use super::clients::CLIENTS_MAX;
use super::message::{REQUEST_MAX, TEXT_MAX};
use super::*;

const PATIENCE: Duration = Duration::from_secs(30);
const WAITING_ASK: Request = Request::Reload { wait: true };

struct Site {
    control: Control,
    path: PathBuf,
    _directory: tempfile::TempDir,
}

fn site() -> Site {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control");
    Site {
        control: Control::start(Control::bind(&path).unwrap()).unwrap(),
        path,
        _directory: directory,
    }
}

impl Site {
    /// Answers the next request so.
    fn answers(&self, answer: ControlAnswer) -> std::thread::JoinHandle<()> {
        let asked = self.control.asked().clone();
        std::thread::spawn(move || asked.recv_timeout(PATIENCE).unwrap().answer(answer))
    }

    /// What comes back for these bytes.
    fn say(&self, bytes: &[u8]) -> String {
        let mut stream = UnixStream::connect(&self.path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(bytes).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

#[test]
fn who_waits_hears_what_came_of_it() {
    let site = site();
    for answer in [
        ControlAnswer::Reloaded {
            lines: vec!["applied: core.queues = 5 (was 6)".to_owned()],
        },
        ControlAnswer::Kept {
            problems: vec!["f:1:2: \"no\"".to_owned(), "another".to_owned()],
        },
    ] {
        let daemon = site.answers(answer.clone());
        assert_eq!(ask(&site.path, WAITING_ASK).unwrap(), answer);
        daemon.join().unwrap();
    }
}

#[test]
fn who_does_not_wait_is_answered_at_once_and_the_request_stays() {
    let site = site();
    let request = Request::Reload { wait: false };
    for _ in 0..desk::WAITING {
        assert_eq!(ask(&site.path, request).unwrap(), ControlAnswer::Asked);
    }
    let busy = ask(&site.path, request).unwrap();
    assert!(matches!(busy, ControlAnswer::Busy { .. }), "{busy:?}");
    assert_eq!(site.control.asked().len(), desk::WAITING);
}

#[test]
fn only_the_owner_may_ask() {
    let site = site();
    let mode = std::fs::metadata(&site.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_live_socket_is_not_taken_and_a_stale_one_is() {
    let site = site();
    assert!(Control::bind(&site.path).unwrap_err().is_taken());
    let stale = site.path.with_extension("stale");
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    assert!(stale.exists());
    drop(Control::bind(&stale).unwrap());
    let path = site.path.clone();
    drop(site);
    assert!(!path.exists());
    let error = ask(&path, WAITING_ASK).unwrap_err();
    assert!(matches!(error, AskError::NoDaemon(_)), "{error}");
}

#[test]
fn what_is_no_request_is_refused_and_harms_nobody() {
    let site = site();
    for bytes in [
        &b"\n"[..],
        b"reload\n",
        b"{\"do\":\"stop\"}\n",
        b"{\"do\":\"reload\"}\n",
        b"\xff\n",
    ] {
        let answer = site.say(bytes);
        assert!(
            answer.starts_with("{\"answer\":\"malformed\",\"text\":\"not a request: "),
            "{answer}"
        );
    }
    // More than a line may have, without its end: the connection closes without a word.
    assert_eq!(site.say(&vec![b'x'; REQUEST_MAX + 1]), "");
    let asked = ControlAnswer::Reloaded { lines: vec![] };
    let daemon = site.answers(asked.clone());
    assert_eq!(ask(&site.path, WAITING_ASK).unwrap(), asked);
    daemon.join().unwrap();
}

#[test]
fn an_answer_is_cut_to_what_a_line_may_have() {
    let problems = vec!["x".repeat(TEXT_MAX / 4); 10];
    let line = ControlAnswer::Kept { problems }.line();
    let ControlAnswer::Kept { problems } = ControlAnswer::parse(line.trim_ascii_end()).unwrap()
    else {
        panic!("another answer");
    };
    assert_eq!(problems.len(), 5);
    assert!(
        problems[4].starts_with("and 6 lines more"),
        "{}",
        problems[4]
    );
}

#[test]
fn who_waits_hears_of_the_end() {
    let Site {
        control,
        path,
        _directory,
    } = site();
    let asking = std::thread::spawn(move || ask(&path, WAITING_ASK).unwrap());
    let asked = control.asked().recv_timeout(PATIENCE).unwrap();
    drop(asked);
    let answer = asking.join().unwrap();
    assert!(
        matches!(&answer, ControlAnswer::Busy { text } if text.contains("shutting down")),
        "{answer:?}"
    );
}

#[test]
fn a_silent_client_goes_for_one_too_many_and_who_waits_does_not() {
    let site = site();
    let path = site.path.clone();
    let waiting = std::thread::spawn(move || ask(&path, WAITING_ASK).unwrap());
    let asked = site.control.asked().recv_timeout(PATIENCE).unwrap();
    let mut silent: Vec<UnixStream> = (0..2 * CLIENTS_MAX)
        .map(|_| UnixStream::connect(&site.path).unwrap())
        .collect();
    silent[0].set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(
        silent[0].read(&mut [0; 1]).unwrap(),
        0,
        "the first one goes"
    );
    let daemon = site.answers(ControlAnswer::Asked);
    assert_eq!(ask(&site.path, WAITING_ASK).unwrap(), ControlAnswer::Asked);
    daemon.join().unwrap();
    let last = silent.last_mut().unwrap();
    last.write_all(&Request::Reload { wait: false }.line())
        .unwrap();
    last.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = String::new();
    last.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "{\"answer\":\"asked\"}\n", "the last one is there");
    let answer = ControlAnswer::Reloaded { lines: vec![] };
    asked.answer(answer.clone());
    assert_eq!(waiting.join().unwrap(), answer);
}
