//! Every command of the documents is run, and what they show of answers, logs and output is
//! compared with what came.
//!
//! Each document has a site of its own: a daemon before a simulator, in a directory with the files
//! that its commands name. They run in the document's order. What serves until it is ended is ended
//! when the next command needs it no more. `sudo` and `cargo` have stand-ins, of which the second
//! looks whether there is what it is asked to run.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "helpers of tests fail the test by panicking"
)]

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use crate::harness::daemon::{Address, Daemon};
use crate::harness::documents::{self, Document, normal};
use crate::harness::simulator::Simulated;
use crate::harness::site::{Site, read_text, run, sterna};
use crate::harness::{batch, wait_for, wait_until};

/// A fenced block of a document.
struct Block<'a> {
    language: &'a str,
    text: &'a str,
    /// Whether nothing but an empty line stands between it and the block before.
    follows: bool,
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut rest = page;
    while let Some(at) = rest.find("```") {
        let between = &rest[..at];
        let (language, after) = rest[at + 3..].split_once('\n').unwrap();
        let (text, after) = after.split_once("```").unwrap();
        let text = text.trim_end_matches(' ');
        let follows = between.trim().is_empty();
        blocks.push(Block {
            language,
            text,
            follows,
        });
        rest = after;
    }
    blocks
}

/// The commands of a block, without their comments: lines, but for those within quotation marks.
fn commands(block: &str) -> Vec<String> {
    let mut commands: Vec<String> = Vec::new();
    let mut open = None;
    for line in block.lines().filter(|line| !line.trim().is_empty()) {
        let line = match line.split_once(" #") {
            // An apostrophe in a comment would take the commands behind it for quoted.
            Some((before, _)) if quoted(before, open).is_none() => before.trim_end(),
            _ => line,
        };
        let goes_on = |last: &&mut String| open.is_some() || last.ends_with("&&");
        match commands.last_mut().filter(goes_on) {
            Some(last) => write!(last, "\n{line}").unwrap(),
            None => commands.push(line.to_owned()),
        }
        open = quoted(line, open);
    }
    assert!(open.is_none(), "a quotation mark is not closed: {block}");
    commands
}

/// The quotation mark that is open behind a text, if one is; `open` is the one before it.
fn quoted(text: &str, open: Option<char>) -> Option<char> {
    let marks = text.chars().filter(|mark| ['\'', '"'].contains(mark));
    marks.fold(open, |open, mark| match open {
        None => Some(mark),
        Some(is) if is == mark => None,
        other => other,
    })
}

struct Scene {
    site: Site,
    daemon: Daemon,
    simulated: Simulated,
    /// Another site, for what serves beside the daemon.
    other: Site,
    serving: Option<Serving>,
    /// The id of the push that failed before.
    failed: String,
    /// All that commands have printed.
    printed: String,
}

/// A site's table of devices, with these rows.
pub(crate) fn database(path: &Path, rows: &str) {
    let create = "CREATE TABLE devices (id INTEGER PRIMARY KEY, platform TEXT, token TEXT, \
                  registered_at INTEGER);";
    let mut sqlite = Command::new("sqlite3");
    let output = run({
        sqlite.arg(path).arg(format!("{create}{rows}"));
        sqlite
    });
    assert!(output.status.success(), "{output:?}");
}

/// What serves until it is ended.
struct Serving {
    daemon: Daemon,
    port: Option<String>,
}

impl Scene {
    fn new() -> Self {
        let simulated = Simulated::start();
        let site = Site::simulated(&simulated.simulator)
            .with_path("core.pid", "sterna.pid")
            .with_path("core.control_socket", "control");
        let other = Site::simulated(&simulated.simulator);
        other.write_config();
        let daemon = site.start();
        let reply = daemon.push(&json!({"notifications": [
            {"platform": 1, "token": ["ab12"], "message": "Hi", "title": "T", "badge": 3},
            {"platform": 2, "token": ["cQk3:APA91b"], "message": "Hi", "time_to_live": 3600},
            {"platform": 1, "token": ["0bad4100"], "message": "Hi", "badge": 3, "expiry": 3600,
             "identifier": "id-1"}]}));
        let failed = reply.json()["accepted"][2]["first_id"].to_string();
        daemon.wait_idle();
        let scene = Self {
            site,
            daemon,
            simulated,
            other,
            serving: None,
            failed,
            printed: String::new(),
        };
        scene.furnish();
        scene
    }

    /// Makes the files that commands name.
    fn furnish(&self) {
        let path = |name: &str| self.site.path(name);
        let credentials = self.simulated.simulator.credentials();
        for (from, to) in [
            (&credentials.signing_keys[0].path, "AuthKey_ABCDE12345.p8"),
            (&credentials.signing_keys[1].path, "AuthKey_NEWKEY1234.p8"),
            (&credentials.service_account_path, "service-account.json"),
            (&credentials.client_certificate_path, "apns.pem"),
            (&credentials.client_key_path, "apns.key"),
        ] {
            fs::copy(from, path(to)).unwrap();
        }
        fs::write(path("api-keys"), "0123456789abcdef0123456789abcdef\n").unwrap();
        let external = json!({
            "type": "external_account",
            "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": "https://sts.googleapis.com/v1/token",
            "credential_source": {"url": "https://idp.example.com/token"},
        });
        fs::write(path("external-account.json"), external.to_string()).unwrap();
        let sample = include_str!("../gaurun_contract/gaurun.toml");
        fs::write(path("gaurun.toml"), sample).unwrap();
        let accepted = r#"{"level":"info","time":"2026/11/22 08:48:18 UTC","message":"Hi","id":1,"platform":"ios","token":"ab12","type":"accepted-push","ptime":0,"error":""}"#;
        let failed = accepted
            .replace("info", "error")
            .replace("accepted", "failed");
        for (name, line) in [
            ("gaurun-access.log", accepted),
            ("gaurun-error.log", &failed),
            ("old.log", &failed),
        ] {
            fs::write(path(name), format!("{line}\n")).unwrap();
        }
        let file = File::create(path("old.log.1.gz")).unwrap();
        let mut packed = GzEncoder::new(file, Compression::fast());
        writeln!(packed, "{accepted}").unwrap();
        packed.finish().unwrap();
        let hello = r#"{"platform": "{platform}", "token": "{token}", "title": "Hello {name}", "message": "It is {{open}} now"}"#;
        let notification = r#"{"platform":"ios","token":"ab12","message":"Hi"}"#;
        for (name, text) in [
            (
                "tokens.csv",
                "platform,token,name\nios,ab12,Ann\nandroid,cQk3:APA91b,Bob\n",
            ),
            ("hello.json", hello),
            ("notifications.jsonl", notification),
        ] {
            fs::write(path(name), text).unwrap();
        }
        database(&path("site.db"), "");
        for directory in ["bin", "target/release"] {
            fs::create_dir_all(path(directory)).unwrap();
        }
        let old = Site::unreachable();
        let daemon = old.start();
        assert_eq!(daemon.push(&batch([1])).status, 200);
        daemon.kill();
        fs::rename(old.path("journal"), path("old-host")).unwrap();
        for link in ["bin/sterna", "target/release/sterna"] {
            symlink(env!("CARGO_BIN_EXE_sterna"), path(link)).unwrap();
        }
        let root = env!("CARGO_MANIFEST_DIR");
        let cargo = format!(
            "while [ $# -gt 0 ]; do\n case $1 in\n --test) of=tests ;;\n --bench) of=benches ;;\n \
             *) of= ;;\n esac\n shift\n [ -z $of ] || ls {root}/$of/$1.rs {root}/$of/$1/main.rs \
             2>/dev/null | grep -q . || exit 9\ndone\n"
        );
        for (name, script) in [
            ("cargo", cargo.as_str()),
            ("sudo", "[ \"$1\" != -u ] || shift 2\nexec \"$@\"\n"),
            ("man", "grep -q '^.TH'\n"),
        ] {
            let file = path("bin").join(name);
            fs::write(&file, format!("#!/bin/sh\n{script}")).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    /// A command for the shell, with this scene's places for those of a host.
    fn shell(&self, command: &str) -> Command {
        let Address::Tcp(address) = &self.daemon.address else {
            panic!("the daemon is on TCP");
        };
        let port = self
            .serving
            .as_ref()
            .and_then(|serving| serving.port.clone());
        let port = port.unwrap_or_else(|| address.port().to_string());
        let directory = self.site.path("");
        let directory = directory.to_str().unwrap().trim_end_matches('/');
        let command = command
            .replace("/etc/sterna/", "")
            .replace("/run/credentials/sterna.service", directory)
            .replace("/tmp/sterna.sock", &format!("{directory}/sterna.sock"))
            .replace("127.0.0.1:1056", &format!("127.0.0.1:{port}"))
            .replace("3175829064403", &self.failed);
        let mut shell = Command::new("sh");
        shell
            .args(["-ec", &command])
            .current_dir(directory)
            .env_clear()
            .env("PATH", format!("{directory}/bin:/usr/bin:/bin"))
            .env("HOME", directory)
            .env("TZ", "UTC")
            .stdin(Stdio::null());
        shell
    }

    /// What the commands of a block print.
    fn run(&mut self, block: &str) -> String {
        let all = commands(block);
        if !all.iter().all(|command| command.starts_with("curl ")) {
            self.end_serving();
        }
        let mut printed = String::new();
        for command in all {
            if serves(&command) {
                self.end_serving();
                self.serve(&command);
                printed += &read_text(&self.site.path("printed"));
                continue;
            }
            if self.serving.is_none() {
                self.daemon.wait_idle();
            }
            if command.contains("/tokens/dead") {
                // The feed shows a record once it is synced.
                let dead = || self.daemon.request("GET", "/tokens/dead", b"");
                wait_until("a dead token", || dead().text().contains("cursor"));
            }
            let output = run(self.shell(&command));
            assert!(output.status.success(), "{command}: {output:?}");
            for bytes in [output.stdout, output.stderr] {
                printed += &String::from_utf8(bytes).unwrap();
            }
        }
        self.printed += &printed;
        printed
    }

    /// What a program prints, if its interpreter is there.
    fn run_program(&mut self, program: &Block<'_>) -> Option<String> {
        if program.text.contains("serve_forever") {
            // The webhook's test has it take what a daemon posts.
            return None;
        }
        let interpreter = match program.language {
            "python" => "python3",
            "javascript" => "node",
            language => language,
        };
        let is_there = |directory: &str| Path::new(directory).join(interpreter).exists();
        if !["/usr/bin", "/bin"].into_iter().any(is_there) {
            return None;
        }
        let Address::Tcp(address) = &self.daemon.address else {
            panic!("the daemon is on TCP");
        };
        let text = program.text.replace("127.0.0.1:1056", &address.to_string());
        fs::write(self.site.path("program"), text).unwrap();
        let output = run(self.shell(&format!("{interpreter} program")));
        assert!(output.status.success(), "{interpreter}: {output:?}");
        Some(String::from_utf8(output.stdout).unwrap())
    }

    fn serve(&mut self, command: &str) {
        let config = self.other.path("sterna.toml");
        let config = config.to_str().unwrap();
        let mut command = command
            .replace("cargo run -- ", "sterna ")
            .replace("/etc/sterna/sterna.toml", config)
            .replace(" gaurun.toml", &format!(" {config}"))
            .replace(" sterna.toml", &format!(" {config}"))
            .replace(" 8080", " 0");
        if command.contains(" demo") && !command.contains("--port") {
            command += " --port 0";
        } else if command.contains(" simulate") {
            command += " --apns-port 0 --fcm-port 0 --oauth-port 0 --channels-port 0";
        }
        let path = self.site.path("printed");
        let mut shell = self.shell(&format!("exec {command}"));
        shell.stdout(File::create(&path).unwrap());
        let served = self.other.operator_log().matches("serves on").count();
        let daemon = Daemon::spawn(shell);
        let port = wait_for(&command, || {
            assert!(daemon.ended().is_none(), "{command}: {}", read_text(&path));
            let printed = read_text(&path);
            if command.contains(" demo") {
                let (_, rest) = printed.split_once("http://127.0.0.1:")?;
                return Some(Some(rest.split_once('/')?.0.to_owned()));
            }
            let log = self.other.operator_log();
            let is_ready = printed.contains("Serve pushes to it with:")
                || log.matches("serves on").count() > served;
            is_ready.then_some(None)
        });
        self.serving = Some(Serving { daemon, port });
    }

    fn end_serving(&mut self) {
        if let Some(serving) = self.serving.take() {
            assert_eq!(serving.daemon.terminate(), 0);
            self.printed += &read_text(&self.site.path("printed"));
        }
    }

    /// All that there is to see now, with numbers as one.
    fn seen(&self) -> String {
        let logs = "printed access.log access.log.1 error.log operator.log".split(' ');
        let logs: Vec<_> = logs.map(|name| read_text(&self.site.path(name))).collect();
        let directory = self.site.path("");
        let all = format!("{}\n{}", self.printed, logs.join("\n"));
        normal(&all.replace(directory.to_str().unwrap(), "/home/me/"))
    }

    fn play(&mut self, document: &Document) {
        let path = &document.path;
        let mut open = Vec::new();
        let mut answer = None;
        for block in blocks(&unmarked(&document.text)) {
            match block.language {
                "sh" => answer = Some(self.run(block.text)),
                "toml" if block.text.contains("[[phase]]") => {
                    fs::write(self.site.path("bad-day.toml"), block.text).unwrap();
                }
                "toml" => self.check(block.text),
                "php" | "python" | "javascript" => answer = self.run_program(&block),
                "json" if block.follows && answer.is_some() => {
                    let came = answer.take().unwrap_or_default();
                    let credentials = self.simulated.simulator.credentials();
                    let directory = credentials.ca_path.parent().unwrap();
                    let came = came.replace(directory.to_str().unwrap(), "/etc/sterna");
                    assert_eq!(normal(&came).trim(), normal(block.text).trim(), "{path}");
                }
                // The drawing is compared with the crate's.
                "text" if block.text.contains('▼') => {}
                "json" | "text" => {
                    let lines = block.text.lines().map(normal);
                    let is_open = |line: &String| {
                        line.len() > 2 && !COMPARED_THERE.iter().any(|part| line.contains(part))
                    };
                    let lines = lines.filter(is_open);
                    if block.follows && self.serving.is_some() {
                        let lines: Vec<String> = lines.collect();
                        wait_until(&lines.join("\n"), || {
                            let seen = self.seen();
                            lines.iter().all(|line| is_in(line, &seen))
                        });
                    } else {
                        open.extend(lines);
                    }
                }
                language => panic!("{path}: a block of {language:?}"),
            }
        }
        self.end_serving();
        if path.contains("simulate") {
            self.strike();
        }
        let body = json!({"notifications": [
            {"platform": 2, "token": ["unavailable-1"], "message": "Hi"}]});
        self.daemon.push(&body);
        wait_until("a retry", || {
            self.site.operator_log().contains("to be sent again")
        });
        let seen = self.seen();
        let missing: Vec<&String> = open
            .iter()
            .filter(|line| !is_in(line, &seen) && !is_in(line, asserted_elsewhere()))
            .collect();
        assert!(
            missing.is_empty(),
            "{path} shows what does not come: {missing:#?}"
        );
    }

    /// Pushes to a simulator whose faults strike, and never strike.
    fn strike(&mut self) {
        self.serve(
            "sterna simulate --dir struck --strike rst@processed=100 --goaway graceful \
             --goaway-after 1000000 --ledger struck.jsonl",
        );
        let files = Site::with_logs();
        let log = files.path("operator.log");
        let config = read_text(&self.site.path("struck/sterna.toml"));
        let config = format!("{config}\n[log]\noperator_log = \"{}\"\n", log.display());
        fs::write(files.path("sterna.toml"), config).unwrap();
        let mut command = sterna();
        command
            .args(["-p", "0", "-c"])
            .arg(files.path("sterna.toml"));
        files.capture(&mut command);
        let daemon = Daemon::start(command, &log);
        assert_eq!(daemon.push(&batch([1])).status, 200);
        wait_until("a push to be struck", || {
            read_text(&self.site.path("printed")).contains("apns #")
        });
        daemon.kill();
        self.end_serving();
        self.printed += &read_text(&self.site.path("struck.jsonl"));
    }

    /// A configuration that is shown can be used.
    fn check(&self, text: &str) {
        fs::write(self.site.path("shown.toml"), text).unwrap();
        let output = run(self.shell("sterna check -c shown.toml"));
        assert!(output.status.success(), "{text}: {output:?}");
    }
}

/// What is compared with the documents where it comes ([`documents::shows`]): full disks, files
/// that hold something new.
const COMPARED_THERE: [&str; 5] = [
    "No space left on device",
    "lines of this log are lost",
    "holds a new certificate",
    "API keys (were",
    "the old credential stays in use until",
];

/// A document without what stands between marks, which other tests compare.
fn unmarked(page: &str) -> String {
    let mut kept = String::new();
    let mut rest = page;
    while let Some((before, after)) = rest.split_once("<!-- ") {
        let (name, inner) = after.split_once(" -->").unwrap();
        kept += before;
        rest = inner.split_once(&format!("<!-- /{name} -->")).unwrap().1;
    }
    kept + rest
}

/// Whether a command goes on until it is ended.
fn serves(command: &str) -> bool {
    [
        "sterna -c",
        "sterna serve",
        "sterna demo",
        "sterna simulate",
        "cargo run -- demo",
    ]
    .iter()
    .any(|begin| command.starts_with(begin))
}

/// Whether a line is part of a text; `…` in it stands for whatever is there.
fn is_in(line: &str, text: &str) -> bool {
    let parts: Vec<&str> = line.split(['…', '~']).collect();
    text.lines().any(|candidate| {
        let mut rest = candidate;
        parts.iter().all(|part| match rest.split_once(part) {
            Some((_, after)) => {
                rest = after;
                true
            }
            None => false,
        })
    })
}

/// What other tests expect literally, with numbers as one.
fn asserted_elsewhere() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let mut text = String::new();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for directory in ["tests", "src"] {
            read_tests(&root.join(directory), directory == "tests", &mut text);
        }
        normal(
            &text
                .replace("\\\"", "\"")
                .replace("readme.toml", "sterna.toml"),
        )
    })
}

fn read_tests(directory: &Path, are_tests: bool, text: &mut String) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let extension = path.extension().and_then(OsStr::to_str);
        let are_tests = are_tests || name.starts_with("tests");
        if path.is_dir() {
            read_tests(&path, are_tests, text);
        } else if are_tests && [Some("rs"), Some("txt")].contains(&extension) {
            *text += &read_text(&path);
        }
    }
}

fn play(path: &str) {
    let document = documents::all().into_iter().find(|page| page.path == path);
    Scene::new().play(&document.unwrap());
}

/// One at a time: each has a daemon and what serves beside it.
#[test]
fn the_readme_is_true() {
    play("README.md");
}

#[test]
fn the_page_of_the_api_is_true() {
    play("etc/doc/sterna-api.7.md");
}

#[test]
fn the_pages_of_commands_are_true() {
    for page in documents::all() {
        if page.path.ends_with(".1.md") {
            Scene::new().play(&page);
        }
    }
}

#[test]
fn the_other_pages_are_true() {
    for page in documents::all() {
        let is_other = !page.path.ends_with(".1.md") && !page.path.contains("sterna-api");
        if is_other && page.path != "README.md" {
            Scene::new().play(&page);
        }
    }
}

#[test]
fn variables_of_tests_that_are_named_are_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut source = String::new();
    for directory in ["tests", "benches"] {
        read_tests(&root.join(directory), true, &mut source);
    }
    for document in documents::all() {
        for rest in document.text.split("STERNA_").skip(1) {
            let is_of_name = |at: char| at.is_ascii_uppercase() || at == '_';
            let name = rest.split(|at| !is_of_name(at)).next().unwrap();
            let quoted = format!("\"STERNA_{name}\"");
            assert!(source.contains(&quoted), "{}: {quoted}", document.path);
        }
    }
}
