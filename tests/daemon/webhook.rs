//! The feed, posted to a receiver that fails in each way and comes back.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "helpers of tests fail the test by panicking"
)]

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use aws_lc_rs::hmac;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::documents::database;
use crate::harness::daemon::Daemon;
use crate::harness::metrics::Metrics;
use crate::harness::simulator::Simulated;
use crate::harness::site::{ReservedPort, Site, run, sterna};
use crate::harness::{hex_token, wait_until};

const SECRET: &str = "a secret of more than 16 bytes";

/// A receiver, which answers with these texts first, and then takes what comes.
#[derive(Clone)]
pub(crate) struct Receiver {
    answers: Arc<Mutex<VecDeque<&'static str>>>,
    /// What it expects to be signed with.
    secret: Arc<Mutex<String>>,
    /// Records of a batch that it takes at most, and what it answers to more.
    most: Arc<AtomicUsize>,
    too_many: Arc<Mutex<&'static str>>,
    /// Batches, whatever they were answered.
    posted: Arc<Mutex<Vec<Value>>>,
    taken: Arc<Mutex<Vec<Value>>>,
    /// Connections that get no answer.
    silent: Arc<Mutex<Vec<TcpStream>>>,
}

/// In the place of an answer: none, and the connection stays.
const STALLS: &str = "";

const TOO_LARGE: &str =
    "HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
/// Of a gateway that waits less long than we do.
const TOO_SLOW: &str =
    "HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

impl Receiver {
    /// The receiver, and its URL.
    pub(crate) fn serve(answers: &[&'static str]) -> (Self, String) {
        let receiver = Self {
            answers: Arc::new(Mutex::new(answers.iter().copied().collect())),
            secret: Arc::new(Mutex::new(SECRET.to_owned())),
            most: Arc::new(AtomicUsize::new(usize::MAX)),
            too_many: Arc::new(Mutex::new(TOO_LARGE)),
            posted: Arc::default(),
            taken: Arc::default(),
            silent: Arc::default(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serving = receiver.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                serving.answer(stream.unwrap());
            }
        });
        (receiver, url)
    }

    fn answer(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let (mut head, mut line) = (String::new(), String::new());
        while reader.read_line(&mut line).is_ok_and(|len| len > 2) {
            head += &line.to_ascii_lowercase();
            line.clear();
        }
        let field = |name: &str| {
            let mut lines = head.lines();
            let found = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            found.map(str::to_owned)
        };
        let Some(length) = field("content-length") else {
            return;
        };
        let mut body = vec![0; length.parse().unwrap()];
        reader.read_exact(&mut body).unwrap();
        let signature = field("sterna-signature").unwrap();
        let (time, hex) = signature.split_once(",v1=").unwrap();
        let secret = self.secret.lock().unwrap().clone();
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let signed = [time.strip_prefix("t=").unwrap().as_bytes(), b".", &body].concat();
        let bytes = (0..hex.len()).step_by(2);
        let bytes = bytes.map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap());
        hmac::verify(&key, &signed, &bytes.collect::<Vec<u8>>()).unwrap();
        let page: Value = serde_json::from_slice(&body).unwrap();
        let records = page["records"].as_array().unwrap().len();
        self.posted.lock().unwrap().push(page.clone());
        let answer = self.answers.lock().unwrap().pop_front();
        let answer = match answer {
            Some(STALLS) => return self.silent.lock().unwrap().push(stream),
            Some(text) => text,
            None if records > self.most.load(Ordering::SeqCst) => *self.too_many.lock().unwrap(),
            None => {
                self.taken.lock().unwrap().push(page);
                "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
            }
        };
        drop((&stream).write_all(answer.as_bytes()));
    }

    /// The records of batches, in their order.
    fn of(batches: &Mutex<Vec<Value>>, stream: &str) -> Vec<Value> {
        let batches = batches.lock().unwrap();
        let batches = batches.iter().filter(|page| page["stream"] == stream);
        let records = batches.flat_map(|page| page["records"].as_array().unwrap().clone());
        records.collect()
    }

    /// The records that were taken of a stream, in their order.
    fn records(&self, stream: &str) -> Vec<Value> {
        Self::of(&self.taken, stream)
    }

    /// Waits until so many records were taken of a stream.
    fn wait_for(&self, stream: &str, count: usize) {
        wait_until("the records to be taken", || {
            self.records(stream).len() >= count
        });
    }
}

/// A site that posts there.
pub(crate) fn posting(simulated: &Simulated, url: &str) -> Site {
    let site = Site::simulated(&simulated.simulator)
        .with_text("feedback.sync", "group")
        .with_text("feedback.url", &format!("{url}/in/hunter2"))
        .with_path("feedback.secret_path", "secret");
    fs::write(site.path("secret"), format!("{SECRET}\n")).unwrap();
    site
}

fn push(daemon: &Daemon, tokens: &[&str]) {
    let all = json!({"platform": 1, "token": tokens, "message": "m"});
    let reply = daemon.push(&json!({ "notifications": [all] }));
    assert_eq!(reply.status, 200, "{}", reply.text());
}

fn feed(daemon: &Daemon, path: &str) -> Vec<Value> {
    let reply = daemon.request("GET", path, b"").json();
    reply["records"].as_array().unwrap().clone()
}

#[test]
fn a_receiver_that_fails_in_each_way_and_comes_back_gets_each_record() {
    let (receiver, url) = Receiver::serve(&[
        "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "\u{1}garbage\r\n\r\n",
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\
         Connection: close\r\n\r\n",
        STALLS,
    ]);
    let simulated = Simulated::start();
    let site = posting(&simulated, &url);
    let daemon = site.start();
    push(&daemon, &[&hex_token(1), "0bad4100", &hex_token(2)]);
    // Nothing waits for it, and it is told.
    daemon.wait_idle();
    wait_until("the failures to be told", || {
        let health = daemon.request("GET", "/healthz", b"");
        let ready = daemon.request("GET", "/readyz?verbose", b"");
        assert_eq!((health.status, ready.status), (200, 200));
        health.text().contains("could not be posted ") && ready.text().contains("\n[!]feed ")
    });
    wait_until("the receiver to be behind", || {
        let page = Metrics::scrape(&daemon);
        page.count("sterna_feedback_posts_total", &[("result", "failed")]) > 0
            && page.value("sterna_feedback_lag_seconds{stream=\"settlements\"}") > 0.0
    });
    receiver.wait_for("settlements", 3);
    receiver.wait_for("dead-tokens", 1);
    assert!(receiver.posted.lock().unwrap().len() >= 6);
    wait_until("it to be well again", || {
        let health = daemon.request("GET", "/healthz", b"");
        let page = Metrics::scrape(&daemon);
        let sum = |family: &str| page.count(&format!("sterna_feedback_{family}"), &[]);
        let lag: f64 = page.of("sterna_feedback_lag_seconds").map(|it| it.1).sum();
        health.json()["feed"] == "ok"
            && sum("records_total") == 4
            && sum("lost_total") == 0
            && sum("bytes") > 0
            && sum("posts_total") == receiver.posted.lock().unwrap().len() as u64
            && lag <= 0.0
    });
    assert_eq!(
        receiver.records("settlements"),
        feed(&daemon, "/settlements")
    );
    assert_eq!(
        receiver.records("dead-tokens"),
        feed(&daemon, "/tokens/dead")
    );
    wait_until("its end to be told", || {
        let log = site.operator_log();
        log.contains(" again\n")
    });
    let log = site.operator_log();
    assert!(
        log.contains(&format!("webhook {url}: it answers 500")),
        "{log}"
    );
    // Neither what signs nor the path, in which a secret may stand.
    assert!(!log.contains(SECRET) && !log.contains("hunter2"), "{log}");
    assert_eq!(daemon.terminate(), 0);
    // It goes on where it was, and at another path after a reload, which does not tell it either.
    let daemon = site.start();
    let site = site.with_text("feedback.url", &format!("{url}/in/hunter3"));
    site.write_config();
    daemon.signal("HUP");
    wait_until("the reload", || {
        let told = format!("applied: feedback.url = \"{url}/…\" (was \"{url}/…\")");
        site.operator_log().contains(&told)
    });
    assert!(!site.operator_log().contains("hunter"));
    push(&daemon, &[&hex_token(3)]);
    receiver.wait_for("settlements", 4);
    assert_eq!(
        receiver.records("settlements"),
        feed(&daemon, "/settlements")
    );
    assert_eq!(receiver.records("dead-tokens").len(), 1);
    assert_eq!(daemon.terminate(), 0);
    // It is tried before the start too.
    let (code, told) = checked(&site, &["--online"]);
    let taken = format!("the webhook at {url} takes a batch without records");
    assert!(code == Some(0) && told.contains(&taken), "{told}");
}

#[test]
fn a_batch_that_was_not_answered_comes_again_after_a_kill_and_no_end_waits_for_it() {
    let (receiver, url) = Receiver::serve(&[STALLS, STALLS]);
    let simulated = Simulated::start();
    let site = posting(&simulated, &url).with_text("feedback.send", "settlements");
    let posts = |count: usize| {
        wait_until("the batch to be posted", || {
            receiver.posted.lock().unwrap().len() >= count
        });
    };
    let daemon = site.start();
    push(&daemon, &[&hex_token(1), &hex_token(2), &hex_token(3)]);
    posts(1);
    // It has the batch, and we do not know.
    daemon.kill();
    let daemon = site.start();
    posts(2);
    let begun = Instant::now();
    assert_eq!(daemon.terminate(), 0);
    assert!(begun.elapsed() < Duration::from_secs(8), "{begun:?}");
    let daemon = site.start();
    receiver.wait_for("settlements", 3);
    let all = receiver.records("settlements");
    assert_eq!(all, feed(&daemon, "/settlements"));
    let posted = receiver.posted.lock().unwrap().clone();
    let first = posted[0]["records"].as_array().unwrap();
    // The same cursors, each time.
    for batch in &posted {
        let records = batch["records"].as_array().unwrap();
        let of_both = first.len().min(records.len());
        assert_eq!(records[..of_both], first[..of_both]);
    }
    assert_eq!(daemon.terminate(), 0);

    // What stands in the file is nothing of this feed's, and bodies are to be small.
    let place = site.path("journal/feed/webhook");
    let cursor = fs::read_to_string(&place).unwrap();
    let last = all.last().unwrap()["cursor"].as_str().unwrap();
    assert_eq!(cursor, format!("{last}\n"));
    let (feeds, _) = cursor.rsplit_once('.').unwrap();
    receiver.most.store(1, Ordering::SeqCst);
    for (nth, wrong) in [
        &*format!("{feeds}.99\n"),
        "settlements.1.2\n",
        &"x".repeat(9000),
    ]
    .iter()
    .enumerate()
    {
        receiver.taken.lock().unwrap().clear();
        // Whether it takes so few at once, or is too slow for more.
        *receiver.too_many.lock().unwrap() = [TOO_LARGE, TOO_SLOW][nth % 2];
        fs::write(&place, wrong).unwrap();
        let daemon = site.start();
        receiver.wait_for("settlements", all.len());
        assert_eq!(receiver.records("settlements"), all, "{wrong}");
        wait_until("that to be told", || {
            let log = site.operator_log();
            let told = "is no cursor of this feed";
            log.matches(told).count() == (nth + 1).min(2)
        });
        assert_eq!(daemon.terminate(), 0);
    }
    let log = site.operator_log();
    for told in [
        "/webhook cannot be read: it is not what",
        " records of settlements, ",
        ": it answers 413 to ",
    ] {
        assert!(log.contains(told), "{told}: {log}");
    }

    // A reload reads the secret again.
    let daemon = site.start();
    let secret = "another secret of more bytes";
    secret.clone_into(&mut receiver.secret.lock().unwrap());
    fs::write(site.path("secret"), secret).unwrap();
    daemon.signal("HUP");
    wait_until("the reload", || {
        let told = "holds a new secret, which signs from now on";
        site.operator_log().contains(told)
    });
    push(&daemon, &[&hex_token(4)]);
    receiver.wait_for("settlements", all.len() + 1);
}

/// What `sterna check` says of a site.
fn checked(site: &Site, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = sterna();
    command
        .arg("check")
        .args(arguments)
        .arg("-c")
        .arg(site.write_config());
    let output = run(command);
    let told = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(told).unwrap())
}

#[test]
fn what_was_removed_before_it_was_taken_is_counted_and_told_and_a_failed_start_leaves_no_gap() {
    let (receiver, url) = Receiver::serve(&[]);
    let simulated = Simulated::start();
    let site = posting(&simulated, &url)
        .with_text("feedback.send", "settlements")
        .with("feedback.bytes", 1 << 20);
    let daemon = site.start();
    push(&daemon, &[&hex_token(1)]);
    receiver.wait_for("settlements", 1);
    assert_eq!(daemon.terminate(), 0);
    // The feed is not opened by a start that finds no secret.
    fs::rename(site.path("secret"), site.path("aside")).unwrap();
    let failed = run({
        let mut command = sterna();
        command.arg("-c").arg(site.write_config());
        command
    });
    assert_eq!(failed.status.code(), Some(78), "{failed:?}");
    fs::rename(site.path("aside"), site.path("secret")).unwrap();
    let daemon = site.start();
    assert_eq!(feed(&daemon, "/settlements").len(), 1);
    // It refuses all, until the oldest are gone.
    receiver.most.store(0, Ordering::SeqCst);
    *receiver.too_many.lock().unwrap() = TOO_SLOW;
    let missed = || {
        let page = Metrics::scrape(&daemon);
        page.count("sterna_feedback_missed_total", &[("stream", "settlements")])
    };
    assert_eq!(missed(), 0);
    let identifier = "i".repeat(4096);
    let all = json!({"platform": 1, "token": [hex_token(2)], "message": "m",
                     "identifier": identifier});
    let request = json!({ "notifications": vec![all; 100] });
    for _ in 0..4 {
        assert_eq!(daemon.push(&request).status, 200);
        daemon.wait_idle();
    }
    wait_until("it to be counted", || missed() > 0);
    wait_until("it to be told", || {
        let log = site.operator_log();
        log.contains(" of settlements were removed to keep feedback.bytes before they were taken")
    });
    receiver.most.store(usize::MAX, Ordering::SeqCst);
    daemon.signal("HUP");
    let is_gap = |record: &Value| record["gap"] == true;
    wait_until("the gap to be told to the receiver", || {
        receiver.records("settlements").iter().any(is_gap)
    });
    let records = receiver.records("settlements");
    let gap = records.iter().find(|record| is_gap(record)).unwrap();
    assert_eq!(gap["records"], missed());
}

#[test]
fn what_no_record_can_be_posted_to_is_refused_before_the_start() {
    let with_secret = |url: &str, secret: &str| {
        let site = Site::unreachable()
            .with_text("feedback.url", url)
            .with_path("feedback.secret_path", "secret");
        fs::write(site.path("secret"), secret).unwrap();
        site
    };
    let local = "http://localhost:9/";
    for (site, expected) in [
        (
            with_secret("http://hooks.example/", SECRET),
            "must be https://",
        ),
        (
            with_secret("https://me:hunter2@hooks.example/", SECRET),
            "must be https://host[:port][/path]",
        ),
        (
            with_secret("https://hunter2@hooks.example/", SECRET),
            "must be https://host[:port][/path]",
        ),
        (
            with_secret("https://hooks.example/?key=hunter2", SECRET),
            "must have no user, query or fragment",
        ),
        (
            with_secret("https://hooks.example/?of=me", SECRET),
            "must have no user, query or fragment",
        ),
        (with_secret(local, "short\n"), "the file has 5 bytes"),
        (with_secret(local, "\n"), "the file has 0 bytes"),
        (
            with_secret(local, SECRET).with_path("feedback.secret_path", "none"),
            "cannot be read",
        ),
        (
            with_secret(local, SECRET).with_path("feedback.ca_path", "secret"),
            "feedback.ca_path",
        ),
        (
            Site::unreachable().with_text("feedback.url", local),
            "needs feedback.secret_path",
        ),
    ] {
        let (code, told) = checked(&site, &[]);
        assert!(code == Some(78) && told.contains(expected), "{told}");
        assert!(
            !told.contains("hunter2") && !told.contains(SECRET),
            "{told}"
        );
    }
    let site = with_secret(local, SECRET).with_text("feedback.sync", "off");
    let (code, told) = checked(&site, &[]);
    let expected = "has no effect beside feedback.sync = \"off\"";
    assert!(code == Some(0) && told.contains(expected), "{told}");
}

#[test]
fn a_receiver_whose_authority_is_the_sites_own_is_trusted_by_the_file_that_is_named() {
    let simulated = Simulated::start();
    // No receiver, but a server with such a certificate.
    let url = simulated.simulator.addresses().oauth_url();
    let site = posting(&simulated, &url);
    let (_, told) = checked(&site, &["--online"]);
    let refused = told.contains("takes no batch: ") && told.contains("ca_path adds one");
    assert!(refused, "{told}");
    let authorities = simulated.simulator.credentials().ca_path.clone();
    let site = site.with_text("feedback.ca_path", authorities.to_str().unwrap());
    let (_, told) = checked(&site, &["--online"]);
    assert!(told.contains("takes no batch: it answers 4"), "{told}");
}

/// The receiver of the README, where its interpreter is.
#[test]
fn the_receiver_of_the_readme_deletes_what_is_dead_whatever_is_in_a_token() {
    if !Path::new("/usr/bin/python3").exists() {
        return;
    }
    let simulated = Simulated::start();
    let reserved = ReservedPort::new();
    let port = reserved.number;
    let site = posting(&simulated, &format!("http://127.0.0.1:{port}"))
        .with_text("feedback.send", "dead-tokens");
    let program = include_str!("../../README.md");
    let (_, program) = program.split_once("```python\n").unwrap();
    let (program, _) = program.split_once("```").unwrap();
    let program = program.replace("8080", &port.to_string());
    fs::write(site.path("hook.py"), program).unwrap();
    fs::write(site.path("hook.secret"), format!("{SECRET}\n")).unwrap();
    let hostile = "x');DELETE FROM devices;--\"";
    let rows = [
        ("ios", "0bad4100", 1_500_000_000),
        // Registered again since, on the other platform, alive, named below.
        ("ios", "0bad4100", Timestamp::now().as_second() + 60),
        ("android", "0bad4100", 1_500_000_000),
        ("ios", &*hex_token(1), 1_500_000_000),
        ("android", hostile, 1_500_000_000),
    ];
    let insert = rows.iter().map(|(platform, token, at)| {
        let token = token.replace('\'', "''");
        format!(
            "INSERT INTO devices (platform, token, registered_at) VALUES ('{platform}', '{token}', {at});"
        )
    });
    database(&site.path("site.db"), &insert.collect::<String>());
    let left = || {
        let mut sqlite = Command::new("sqlite3");
        sqlite
            .arg(site.path("site.db"))
            .arg("SELECT id FROM devices");
        let output = run(sqlite);
        String::from_utf8(output.stdout).unwrap().replace('\n', " ")
    };
    let daemon = site.start();
    push(&daemon, &[&hex_token(1), "0bad4100"]);
    let mut python = Command::new("/usr/bin/python3");
    python.arg("hook.py").current_dir(site.path(""));
    python.stdout(Stdio::null()).stderr(Stdio::null());
    let _receiver = Ended(python.spawn().unwrap());
    wait_until("the dead one to be gone", || left() == "2 3 4 5 ");

    // What others post deletes nothing, nor does a token that would be SQL but its own device.
    let now = u64::try_from(Timestamp::now().as_second()).unwrap();
    let record = |token: &str| {
        let record = json!({"platform": "android", "token": token, "settled_at": now * 1000});
        json!({"records": [{"gap": true, "records": 7}, record]}).to_string()
    };
    let answer = |secret: &str, at: u64, body: &str| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let signed = hmac::sign(&key, format!("{at}.{body}").as_bytes());
        let hex = signed.as_ref().iter().map(|byte| format!("{byte:02x}"));
        let hex: String = hex.collect();
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let length = body.len();
        let head = format!(
            "POST / HTTP/1.0\r\nContent-Length: {length}\r\nSterna-Signature: t={at},v1={hex}\r\n\r\n"
        );
        stream
            .write_all(format!("{head}{body}").as_bytes())
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    let dead = record("0bad4100");
    assert_eq!(answer("another secret of 16 bytes", now, &dead), "403");
    assert_eq!(answer(SECRET, now - 301, &dead), "403");
    assert_eq!(left(), "2 3 4 5 ");
    assert_eq!(answer(SECRET, now, &record(hostile)), "204");
    assert_eq!(left(), "2 3 4 ");
}

/// A process that ends with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // Whatever it was, it is gone.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}
