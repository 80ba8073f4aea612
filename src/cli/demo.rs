//! `sterna demo`: daemon and simulator in one process.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crossbeam_channel::Receiver;
use serde::Deserialize;

use super::args::Demo;
use super::serve::{exit_code, refused};
use super::simulate::{self, CONFIG_NAME, Directory};
use super::{ExitCode, report};
use crate::config::{Config, Environment, Overrides};
use crate::daemon::{self, Daemon, Source, StartError, StartErrorKind, Watched};
use crate::log::{Shape, forges};
use crate::signal::Signal;
use crate::simulator::{Credentials, Provider, Receipt, Report, Simulator};
use crate::texts;

/// How often the log files are looked at for new lines to show.
const SHOW_EVERY: Duration = Duration::from_millis(50);
/// Parts of an answer that are shown of a kind.
const PARTS_SHOWN: usize = 8;
/// Characters of a device token that are shown.
const TOKEN_SHOWN: usize = 16;

/// Runs both until told to stop.
pub(super) fn run(demo: &Demo) -> ExitCode {
    let signals = match daemon::signals() {
        Ok(signals) => signals,
        Err(error) => return refused(Shape::Text, &error),
    };
    match play(demo, &signals) {
        Ok(code) => code,
        Err(DemoFailure::Io(error)) => {
            report(format_args!("the demo cannot run: {error}"));
            simulate::exit_code(&error)
        }
        Err(DemoFailure::Config(text)) => {
            report(text);
            ExitCode::Config
        }
        Err(DemoFailure::Start(error)) => {
            let code = refused(Shape::Text, &error);
            if error.kind == StartErrorKind::CannotListen {
                report("another port: --port 8080, or --port 0 for any free one");
            }
            code
        }
    }
}

enum DemoFailure {
    Io(io::Error),
    Config(String),
    Start(StartError),
}

impl From<io::Error> for DemoFailure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn play(demo: &Demo, signals: &Receiver<Signal>) -> Result<ExitCode, DemoFailure> {
    let directory = Directory::of(&demo.behaviour)?;
    let quiet = demo.behaviour.summary;
    let sent = if quiet {
        Report::Silent
    } else {
        Report::Each(Box::new(show_receipt))
    };
    let simulator = simulate::start(&demo.behaviour, &directory.path, sent, |_| ())?;
    let text = config_text(demo, &simulator, &directory.path);
    let path = directory.path.join(CONFIG_NAME);
    fs::write(&path, &text)?;
    let overrides = Overrides {
        port: Some(demo.port.clone()),
        ..Overrides::default()
    };
    let environment = Environment::read();
    let read = Config::parse(CONFIG_NAME, &text, overrides.clone(), &environment);
    let (config, warnings) = read.map_err(|error| DemoFailure::Config(error.to_string()))?;
    let daemon = Daemon::start(&config, &warnings).map_err(DemoFailure::Start)?;
    let daemon = daemon.reading(Source {
        path: Some(path),
        overrides,
        environment,
    });
    let daemon = if quiet {
        daemon
    } else {
        daemon.watched(show_watched)
    };
    introduce(demo, &daemon, &simulator, &directory.path)?;
    let ended = Arc::new(AtomicBool::new(false));
    let follower = if quiet {
        None
    } else {
        let logs = [ACCESS_LOG, ERROR_LOG].map(|name| directory.path.join(name));
        let ended = Arc::clone(&ended);
        let follow = move || follow(&logs, &ended);
        Some(
            thread::Builder::new()
                .name("demo".to_owned())
                .spawn(follow)?,
        )
    };
    let end = daemon.run(signals);
    ended.store(true, Ordering::Release);
    if let Some(follower) = follower {
        // A panic there has been told by the panic hook.
        let _told = follower.join().is_err();
    }
    let mut out = io::stdout().lock();
    for (name, provider) in [("APNs", Provider::Apns), ("FCM", Provider::Fcm)] {
        writeln!(
            out,
            "{name}: {}",
            simulate::summary(simulator.counts_of(provider))
        )?;
    }
    write!(out, "{}", simulate::faults_told(&simulator))?;
    Ok(exit_code(Shape::Text, end))
}

/// The daemon's configuration: the simulator's, with log files beside it.
fn config_text(demo: &Demo, simulator: &Simulator, directory: &Path) -> String {
    let text = simulator.config_text();
    let lines = text.lines().filter_map(|line| {
        if !demo.certificate {
            return Some(line);
        }
        let is_auth_token = line.starts_with("token_auth_");
        let as_certificate = line
            .strip_prefix("# pem_")
            .map(|_| line.get(2..).unwrap_or(line));
        (!is_auth_token).then(|| as_certificate.unwrap_or(line))
    });
    let lines: Vec<_> = lines.collect();
    let log = |key, name| format!("{key} = {:?}\n", directory.join(name).display().to_string());
    format!(
        "{}\n\n[log]\n{}{}",
        lines.join("\n"),
        log("access_log", ACCESS_LOG),
        log("error_log", ERROR_LOG),
    )
}

/// Says what can be done.
fn introduce(
    demo: &Demo,
    daemon: &Daemon,
    simulator: &Simulator,
    directory: &Path,
) -> io::Result<()> {
    let Credentials { topic, .. } = &**simulator.credentials();
    let curl = if let Some(address) = daemon.local_addr() {
        format!("curl -s http://{address}/push")
    } else {
        let path = demo.port.unix_path().unwrap_or(Path::new("")).display();
        format!("curl -s --unix-socket {path} http://sterna/push")
    };
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "Sterna serves, and pushes to look-alikes of APNs and FCM on this host."
    )?;
    writeln!(
        out,
        "Files: {} (app {topic}). Ctrl-C ends it.\n",
        directory.display()
    )?;
    writeln!(out, "An iOS push:\n")?;
    writeln!(out, "{curl} -d '{IOS_BODY}'\n")?;
    writeln!(out, "An Android push:\n")?;
    writeln!(out, "{curl} -d '{ANDROID_BODY}'\n")?;
    writeln!(out, "A push to a device that is gone:\n")?;
    writeln!(out, "{curl} -d '{GONE_BODY}'\n")?;
    out.flush()
}

/// The part of a push log line that is shown.
#[derive(Deserialize)]
struct ShownLine {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    id: u64,
    #[serde(default)]
    platform: String,
    #[serde(default)]
    token: String,
    #[serde(default)]
    error: String,
    #[serde(default)]
    attempt: u64,
}

/// Shows the lines of the log files as they come, until the daemon has ended and all are shown.
fn follow(logs: &[std::path::PathBuf], ended: &AtomicBool) {
    let open = |path: &std::path::PathBuf| File::open(path).map(BufReader::new).ok();
    let mut readers: Vec<_> = logs.iter().filter_map(open).collect();
    let mut parts = vec![String::new(); readers.len()];
    loop {
        let last = ended.load(Ordering::Acquire);
        for (reader, part) in readers.iter_mut().zip(&mut parts) {
            while matches!(reader.read_line(part), Ok(bytes) if bytes > 0) {
                if part.ends_with('\n') {
                    show_line(part);
                    part.clear();
                }
            }
        }
        if last {
            return;
        }
        thread::park_timeout(SHOW_EVERY);
    }
}

fn show_line(line: &str) {
    let Ok(shown) = serde_json::from_str::<ShownLine>(line) else {
        return;
    };
    let end = match shown.kind.as_str() {
        "accepted-push" => String::new(),
        "succeeded-push" => format!(", attempt {}", shown.attempt),
        "failed-push" | "disabled-push" => format!(": {}", shown.error),
        _ => return,
    };
    let ShownLine {
        kind,
        id,
        platform,
        token,
        ..
    } = shown;
    let line = format!(
        "{kind:<15} id {id} {platform} {}{end}",
        texts::shortened(&token, TOKEN_SHOWN)
    );
    tell(&harmless(&line));
}

/// The parts of an answer that are shown: what of its request comes to nothing.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Reported {
    message: String,
    error: String,
    rejected: Vec<Rejected>,
    rejected_omitted: usize,
    /// The same in the words of gorush's callers.
    logs: Vec<GorushRejected>,
    logs_omitted: usize,
}

#[derive(Deserialize)]
struct Rejected {
    pointer: String,
    error: String,
}

#[derive(Deserialize)]
struct GorushRejected {
    platform: String,
    token: String,
    error: String,
}

fn show_watched(watched: &Watched<'_>) {
    match watched {
        Watched::Answer(status, body) => show_answer(*status, body),
        Watched::Ignored(reasons, omitted) => {
            let mut lines = Vec::new();
            let reasons = reasons.iter().cloned();
            show_parts(&mut lines, "ignored  ", reasons, *omitted);
            show(&lines);
        }
    }
}

fn show_answer(status: u16, body: &[u8]) {
    let is_refused = status >= 400;
    let answer = serde_json::from_slice(body).unwrap_or_else(|_| Reported {
        message: String::from_utf8_lossy(body).into_owned(),
        ..Reported::default()
    });
    let mut lines = Vec::new();
    if is_refused {
        let more = if answer.error.is_empty() { "" } else { ": " };
        // That of the first part stands there below.
        let is_first = |part: &Rejected| part.error == answer.message;
        let message = if answer.rejected.first().is_some_and(is_first) {
            "nothing of it is pushed"
        } else {
            answer.message.trim_end()
        };
        lines.push(format!(
            "refused         {status} {message}{more}{}",
            answer.error
        ));
    }
    let rejected = answer.rejected.iter();
    let rejected = rejected.map(|it| format!("{}: {}", it.pointer, it.error));
    show_parts(&mut lines, "rejected ", rejected, answer.rejected_omitted);
    let logs = answer.logs.iter();
    let logs = logs.map(|it| {
        let token = texts::shortened(&it.token, TOKEN_SHOWN);
        let place = [&*it.platform, &*token].join(" ");
        format!("{}: {}", place.trim(), it.error)
    });
    show_parts(&mut lines, "rejected ", logs, answer.logs_omitted);
    show(&lines);
}

/// Shows lines at once, so that no other one comes between them.
fn show(lines: &[String]) {
    if !lines.is_empty() {
        let lines: Vec<_> = lines.iter().map(|line| harmless(line)).collect();
        tell(&lines.join("\n"));
    }
}

/// A text of which a terminal obeys nothing.
fn harmless(text: &str) -> Cow<'_, str> {
    texts::escaped(text, forges)
}

/// Adds a line for each of the first parts, and one for the others.
fn show_parts(
    lines: &mut Vec<String>,
    what: &str,
    mut parts: impl ExactSizeIterator<Item = String>,
    omitted: usize,
) {
    let first = parts.by_ref().take(PARTS_SHOWN);
    lines.extend(first.map(|part| format!("{what}       {part}")));
    let others = parts.len().saturating_add(omitted);
    if others > 0 {
        lines.push(format!("{what}       {others} more"));
    }
}

fn show_receipt(receipt: &Receipt<'_>) {
    let provider = match receipt.provider {
        Provider::Apns => "APNs",
        Provider::Fcm => "FCM",
        Provider::OAuth | Provider::Channels => return,
    };
    let body = String::from_utf8_lossy(receipt.body);
    let got = format!(
        "  {provider} got {} {body}, answers {} {}",
        texts::shortened(receipt.device_token, TOKEN_SHOWN),
        receipt.status,
        receipt.reason,
    );
    let fields = receipt.headers.iter();
    let fields = fields.filter(|(name, _)| name.starts_with("apns-"));
    let fields: Vec<_> = fields
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    let mut lines = vec![got.trim_end().to_owned()];
    if !fields.is_empty() {
        lines.push(format!("       by {}", fields.join(", ")));
    }
    show(&lines);
}

fn tell(line: &str) {
    // Nobody is left to tell if even this cannot be written.
    let _written = writeln!(io::stdout().lock(), "{}", line.trim_end());
}

const ACCESS_LOG: &str = "access.log";
const ERROR_LOG: &str = "error.log";

const IOS_BODY: &str = r#"{"notifications":[{"platform":1,"token":["9f3c1d0a5b7e4428a6d1c2f3e4b5a697887766554433221100ffeeddccbbaa99"],"message":"Hello from Sterna","sound":"default"}]}"#;
const ANDROID_BODY: &str = r#"{"notifications":[{"platform":2,"token":["cQk3demo:APA91bFdemo-registration-token"],"message":"Hello from Sterna","extend":[{"key":"order","val":"4711"}]}]}"#;
const GONE_BODY: &str =
    r#"{"notifications":[{"platform":1,"token":["0bad4100"],"message":"Is anybody there?"}]}"#;
