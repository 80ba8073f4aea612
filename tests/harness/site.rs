//! A site: a directory with a configuration, credentials and logs.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::channel;
use std::thread;

use rustix::net::sockopt::set_socket_reuseaddr;
use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket};
use rustix::process::{Pid, Signal, kill_process};
use sterna::simulator::Simulator;
use tempfile::TempDir;

use super::credentials;
use super::daemon::Daemon;
use super::lines::{self, Line};
use super::{PATIENCE, wait_for, writers};

/// A site of its own, removed when dropped.
pub(crate) struct Site {
    directory: TempDir,
    /// By section, then by name; values as TOML spells them.
    keys: BTreeMap<String, BTreeMap<String, String>>,
}

impl Site {
    /// Both platforms are enabled and nobody listens where their providers should be: what is
    /// accepted stays in the queue.
    pub(crate) fn unreachable() -> Self {
        let endpoint = format!("https://127.0.0.1:{}", closed_port());
        let site = Self::with_logs();
        credentials::write(site.directory.path(), &format!("{endpoint}/token"));
        site.with("core.workers", 2)
            .with_path("ios.token_auth_key_path", "AuthKey.p8")
            .with_text("ios.token_auth_key_id", "STERNAKEY1")
            .with_text("ios.token_auth_team_id", "STERNATEAM")
            .with_text("ios.topic", "org.example.sterna")
            .with_text("ios.endpoint", &endpoint)
            .with_text("ios.channels_endpoint", &endpoint)
            .with_path("android.service_account_path", "service-account.json")
            .with_text("android.endpoint", &endpoint)
    }

    /// Both platforms are enabled, and their providers are a simulator.
    pub(crate) fn simulated(simulator: &Simulator) -> Self {
        let addresses = simulator.addresses();
        let credentials = simulator.credentials();
        let [key, _] = &credentials.signing_keys;
        let path = |path: &Path| path.to_str().unwrap().to_owned();
        Self::with_logs()
            .with("core.workers", 2)
            .with_text("ios.token_auth_key_path", &path(&key.path))
            .with_text("ios.token_auth_key_id", &key.id)
            .with_text("ios.token_auth_team_id", &credentials.team_id)
            .with_text("ios.topic", &credentials.topic)
            .with_text("ios.endpoint", &addresses.apns_url())
            .with_text("ios.channels_endpoint", &addresses.channels_url())
            .with_text("ios.ca_path", &path(&credentials.ca_path))
            .with_text(
                "android.service_account_path",
                &path(&credentials.service_account_path),
            )
            .with_text("android.endpoint", &addresses.fcm_url())
            .with_text("android.ca_path", &path(&credentials.ca_path))
    }

    /// The site with another app, whose providers are that simulator.
    pub(crate) fn with_app(self, app: &str, simulator: &Simulator) -> Self {
        let of_app = Self::simulated(simulator);
        let sections = ["ios", "android"].map(|section| (section, of_app.keys[section].clone()));
        let mut site = self;
        for (section, keys) in sections {
            site.keys.insert(format!("apps.{app}.{section}"), keys);
        }
        site
    }

    /// The site without an app's section for that platform.
    pub(crate) fn without_app(mut self, app: &str, platform: &str) -> Self {
        let removed = self.keys.remove(&format!("apps.{app}.{platform}"));
        assert!(removed.is_some(), "{app} was not there");
        self
    }

    /// The same, with a client certificate in the place of auth tokens.
    pub(crate) fn by_certificate(self, simulator: &Simulator) -> Self {
        let credentials = simulator.credentials();
        let path = |path: &Path| path.to_str().unwrap().to_owned();
        let certificate = path(&credentials.client_certificate_path);
        self.with_pem(&certificate, &path(&credentials.client_key_path))
    }

    /// A client certificate and its key, at these paths below the site, in place of auth tokens.
    pub(crate) fn with_pem(self, certificate: &str, key: &str) -> Self {
        self.without("ios.token_auth_key_path")
            .without("ios.token_auth_key_id")
            .without("ios.token_auth_team_id")
            .with_path("ios.pem_cert_path", certificate)
            .with_path("ios.pem_key_path", key)
    }

    /// Logs to files, listens on any free port; says nothing of the platforms.
    pub(crate) fn with_logs() -> Self {
        let site = Self {
            directory: tempfile::tempdir().unwrap(),
            keys: BTreeMap::new(),
        };
        site.with_text("core.port", "0")
            .with_path("log.access_log", "access.log")
            .with_path("log.error_log", "error.log")
            .with_path("log.operator_log", "operator.log")
            .with_path("journal.dir", "journal")
    }

    /// Keeps nothing over the end of the process: what is left is settled as failed.
    pub(crate) fn without_journal(self) -> Self {
        self.without("journal.dir").with_text("journal.sync", "off")
    }

    /// Sets a key, named `section.name`, to a value as TOML spells it.
    pub(crate) fn with(mut self, key: &str, value: impl Display) -> Self {
        let (section, name) = key.rsplit_once('.').unwrap();
        let section = self.keys.entry(section.to_owned()).or_default();
        section.insert(name.to_owned(), value.to_string());
        self
    }

    /// Sets a key to a string.
    pub(crate) fn with_text(self, key: &str, value: &str) -> Self {
        self.with(key, format_args!("{value:?}"))
    }

    /// Sets a key to the path of a file of the site.
    pub(crate) fn with_path(self, key: &str, file: &str) -> Self {
        let path = self.path(file);
        self.with_text(key, path.to_str().unwrap())
    }

    /// Goes on with what another site's daemon has accepted and not settled.
    pub(crate) fn with_journal_of(self, other: &Self) -> Self {
        let journal = other.path("journal");
        self.with_text("journal.dir", journal.to_str().unwrap())
    }

    /// Listens on a Unix socket of the site.
    pub(crate) fn on_unix_socket(self) -> Self {
        let port = format!("unix:{}", self.path("api.sock").display());
        self.with_text("core.port", &port)
    }

    /// Leaves a key, or with no dot in it a section, out of the file.
    pub(crate) fn without(mut self, key: &str) -> Self {
        let removed = match key.split_once('.') {
            Some((section, name)) => self.keys.get_mut(section).unwrap().remove(name).is_some(),
            None => self.keys.remove(key).is_some(),
        };
        assert!(removed, "{key} was not set");
        self
    }

    /// A file of the site.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.directory.path().join(file)
    }

    /// Writes the configuration; its path.
    pub(crate) fn write_config(&self) -> PathBuf {
        let mut text = String::new();
        for (section, keys) in &self.keys {
            writeln!(text, "[{section}]").unwrap();
            for (name, value) in keys {
                writeln!(text, "{name} = {value}").unwrap();
            }
        }
        let path = self.path("sterna.toml");
        fs::write(&path, text).unwrap();
        path
    }

    /// The command that serves this site, its output going to files of the site.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = sterna();
        command.arg("-c").arg(self.write_config()).args(arguments);
        self.capture(&mut command);
        command
    }

    /// Lets the output of a command go to files of the site: `stdout` and `stderr`.
    pub(crate) fn capture(&self, command: &mut Command) {
        command
            .stdout(append_to(&self.path("stdout")))
            .stderr(append_to(&self.path("stderr")));
    }

    /// Starts the daemon and waits until it serves.
    pub(crate) fn start(&self) -> Daemon {
        self.start_with(&[])
    }

    /// The same with further arguments.
    pub(crate) fn start_with(&self, arguments: &[&str]) -> Daemon {
        Daemon::start(self.command(arguments), &self.path("operator.log"))
    }

    /// Runs a daemon that is expected to end by itself.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        run(self.command(arguments))
    }

    /// The access log so far, with all that was said by now.
    pub(crate) fn access_log(&self) -> Vec<Line> {
        writers::wait_for(self.directory.path());
        lines::read(&self.path("access.log"))
    }

    /// The error log so far, with all that was said by now.
    pub(crate) fn error_log(&self) -> Vec<Line> {
        writers::wait_for(self.directory.path());
        lines::read(&self.path("error.log"))
    }

    /// The files of the journal that have its records.
    pub(crate) fn segments(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path("journal")).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        let is_segment = |path: &PathBuf| path.extension().is_some_and(|it| it == "journal");
        paths.filter(is_segment).collect()
    }

    /// The operator log so far, with all that was said by now.
    pub(crate) fn operator_log(&self) -> String {
        writers::wait_for(self.directory.path());
        read_text(&self.path("operator.log"))
    }
}

/// The binary, with nothing from our own environment that changes what it does.
pub(crate) fn sterna() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sterna"));
    command
        .env_remove("GOOGLE_APPLICATION_CREDENTIALS")
        .env_remove("GCE_METADATA_HOST")
        .env_remove("STATE_DIRECTORY")
        .env_remove("RUNTIME_DIRECTORY")
        .env_remove("SSL_CERT_FILE")
        .env_remove("SSL_CERT_DIR")
        .env("TZ", "UTC")
        .stdin(Stdio::null());
    command
}

/// Runs a command to its end, which must come by itself.
pub(crate) fn run(mut command: Command) -> Output {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let pid = Pid::from_child(&child);
    let (ended, output) = channel();
    // Nobody hears of one that ends too late.
    thread::spawn(move || drop(ended.send(child.wait_with_output())));
    let output = output.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        // It may end in this very moment.
        let _gone = kill_process(pid, Signal::KILL);
        panic!("waited {PATIENCE:?} in vain for the process to end by itself: {command:?}");
    });
    output.unwrap()
}

fn append_to(path: &Path) -> fs::File {
    let mut options = fs::OpenOptions::new();
    options.create(true).append(true).open(path).unwrap()
}

/// Makes a pipe with a name.
pub(crate) fn make_pipe(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status();
    assert!(made.unwrap().success());
}

/// A file's text; empty if it is not there.
pub(crate) fn read_text(path: &Path) -> String {
    String::from_utf8(fs::read(path).unwrap_or_default()).unwrap()
}

/// A port of loopback at which connections are refused for as long as this process lives.
pub(crate) fn closed_port() -> u16 {
    static PORT: OnceLock<ReservedPort> = OnceLock::new();
    PORT.get_or_init(ReservedPort::new).number
}

/// A port that is taken and does not listen. Nobody else gets it, except who asks for this very
/// number to listen on it.
pub(crate) struct ReservedPort {
    pub(crate) number: u16,
    _socket: OwnedFd,
}

impl ReservedPort {
    /// Takes any free one.
    pub(crate) fn new() -> Self {
        Self::take(0).unwrap()
    }

    /// Takes that one, as soon as nobody has it: a neighbour's connection may for a moment.
    pub(crate) fn at(number: u16) -> Self {
        wait_for("the port to be free", || Self::take(number).ok())
    }

    fn take(number: u16) -> io::Result<Self> {
        let taken = socket(AddressFamily::INET, SocketType::STREAM, None)?;
        set_socket_reuseaddr(&taken, true)?;
        bind(&taken, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, number))?;
        let address = SocketAddrV4::try_from(getsockname(&taken)?)?;
        Ok(Self {
            number: address.port(),
            _socket: taken,
        })
    }
}
