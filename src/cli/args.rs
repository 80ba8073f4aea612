//! The command line: what may be written, and what it means.

mod remote;
mod send;

use std::net::IpAddr;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::styling::Styles;
use clap::{ArgAction, Args, Parser, Subcommand, value_parser};
use clap_complete::Shell;

use super::manual::beside;
use super::since::parse_since;
use super::token_format::TokenFormat;
use crate::config::{MAX_AGE_MAX, Overrides, Port, QUEUES_MAX};
use crate::simulator::{Fail, Farewell, Percent, RetryAfter, Strikes};
pub(super) use remote::{Remote, Stat};
pub(super) use send::{InDoubt, SendPushes};

/// Takes pushes by HTTP and sends them to Apple (APNs) and Google (FCM)
#[derive(Debug, Parser)]
#[command(
    name = "sterna",
    version,
    disable_version_flag = true,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    styles = Styles::plain(),
    help_template = HELP,
    before_help = beside::examples("sterna"),
    after_help = beside::ending("sterna"),
)]
pub(super) struct Cli {
    /// Absent: serve.
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) serve: Serve,
}

/// Examples and exit codes are those of the pages.
const HELP: &str = "\
{name} {version}: {about}

{before-help}{usage-heading} {usage}

{all-args}{after-help}
";

const COMMAND_HELP: &str = "\
{about}

{before-help}{usage-heading} {usage}

{all-args}{after-help}
";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Serve the API and push; the same as no subcommand
    #[command(
        help_template = COMMAND_HELP,
        before_help = beside::examples("sterna-serve"),
        after_help = beside::ending("sterna-serve"),
    )]
    Serve(Serve),
    /// Run an APNs and FCM look-alike on this host
    #[command(
        help_template = COMMAND_HELP,
        before_help = beside::examples("sterna-simulate"),
        after_help = beside::ending("sterna-simulate"),
    )]
    Simulate(Simulate),
    /// Run daemon and simulator together, with generated credentials
    #[command(
        help_template = COMMAND_HELP,
        before_help = beside::examples("sterna-demo"),
        after_help = beside::ending("sterna-demo"),
    )]
    Demo(Demo),
    /// Have the daemon read its configuration again
    #[command(
        help_template = COMMAND_HELP,
        before_help = beside::examples("sterna-reload"),
        after_help = beside::ending("sterna-reload"),
    )]
    Reload(Reload),
    /// Send what was accepted and never settled, by the journal or a push log
    #[command(
        help_template = COMMAND_HELP,
        before_help = beside::examples("sterna-recover"),
        after_help = beside::ending("sterna-recover"),
    )]
    Recover(Recover),
    /// List the device tokens that push logs call dead
    #[command(
        help_template = COMMAND_HELP,
        before_help = beside::examples("sterna-tokens"),
        after_help = beside::ending("sterna-tokens"),
    )]
    Tokens(ScreenTokens),
    /// Push from the shell, to one device or to a file of them
    #[command(
        help_template = COMMAND_HELP,
        before_help = beside::examples("sterna-send"),
        after_help = beside::ending("sterna-send"),
    )]
    Send(SendPushes),
    /// Watch what a daemon does, a line each second
    #[command(
        help_template = COMMAND_HELP,
        before_help = beside::examples("sterna-stat"),
        after_help = beside::ending("sterna-stat"),
    )]
    Stat(Stat),
    /// Say all that is wrong with a configuration, and with what it names
    #[command(
        help_template = COMMAND_HELP,
        before_help = beside::examples("sterna-check"),
        after_help = beside::ending("sterna-check"),
    )]
    Check(Check),
    /// Say what a reason in a log line means, and what to do about it
    #[command(
        help_template = COMMAND_HELP,
        before_help = beside::examples("sterna-explain"),
        after_help = beside::ending("sterna-explain"),
    )]
    Explain(Explain),
    /// Show a page of the manual
    #[command(
        help_template = COMMAND_HELP,
        before_help = beside::examples("sterna-help"),
        after_help = beside::ending("sterna-help"),
    )]
    Help(Help),
    /// Write the man pages
    #[command(
        hide = true,
        help_template = COMMAND_HELP,
        before_help = beside::examples("sterna-man"),
        after_help = beside::ending("sterna-man"),
    )]
    Man(Man),
    /// Print the completions of a shell
    #[command(
        hide = true,
        help_template = COMMAND_HELP,
        before_help = beside::examples("sterna-completions"),
        after_help = beside::ending("sterna-completions"),
    )]
    Completions(Completions),
}

/// What is to be shown.
#[derive(Args, Clone, Debug)]
pub(super) struct Help {
    /// The page; absent: which there are
    #[arg(value_name = "TOPIC")]
    pub(super) topic: Option<String>,
}

/// Which man pages go where.
#[derive(Args, Clone, Debug)]
pub(super) struct Man {
    /// The page to print [default: sterna]
    #[arg(value_name = "TOPIC", conflicts_with = "dir")]
    pub(super) topic: Option<String>,
    /// Directory for a file of each page
    #[arg(long, value_name = "DIR")]
    pub(super) dir: Option<PathBuf>,
}

/// Whose completions.
#[derive(Args, Clone, Debug)]
pub(super) struct Completions {
    /// The shell
    #[arg(value_name = "SHELL", required_unless_present = "dir")]
    pub(super) shell: Option<Shell>,
    /// Directory for the files of bash, zsh and fish
    #[arg(long, value_name = "DIR", conflicts_with = "shell")]
    pub(super) dir: Option<PathBuf>,
}

/// What is to be checked, and how.
#[derive(Args, Clone, Debug)]
pub(super) struct Check {
    /// Configuration file [default: /etc/sterna/sterna.toml]
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Print a JSON array on standard output
    #[arg(long)]
    pub(super) json: bool,
    /// Ask APNs and FCM too, with the real credentials, for what reaches no device
    #[arg(long)]
    pub(super) online: bool,
    /// Print the configuration in force as TOML, without secrets
    #[arg(long, conflicts_with_all = ["json", "online"])]
    pub(super) print: bool,
    /// Print Gaurun's file as one of Sterna's, with a reason for each change
    #[arg(long, value_name = "FILE", conflicts_with_all = ["config", "json", "online", "print"])]
    pub(super) migrate: Option<PathBuf>,
}

/// Gaurun's flags.
#[derive(Args, Clone, Debug)]
pub(super) struct Serve {
    /// Configuration file [default: /etc/sterna/sterna.toml]
    #[arg(short = 'c', long = "config", alias = "c", value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Port, instead of the file's
    #[arg(
        help = "Port number or unix:/path, instead of the file's",
        short = 'p',
        long,
        alias = "p",
        value_name = "PORT",
        value_parser = Port::from_str,
    )]
    pub(super) port: Option<Port>,
    /// Connection threads per provider at most, instead of the file's
    #[arg(short = 'w', long, alias = "w", value_name = "N")]
    pub(super) workers: Option<NonZeroUsize>,
    /// Pushes that may wait per provider, instead of the file's
    #[arg(short = 'q', long, alias = "q", value_name = "N", value_parser = parse_queues)]
    pub(super) queues: Option<NonZeroUsize>,
    /// Print the version
    #[arg(short = 'v', long, short_alias = 'V', alias = "v", action = ArgAction::SetTrue)]
    pub(super) version: bool,
}

impl Serve {
    /// What goes before the file.
    pub(super) fn overrides(&self) -> Overrides {
        Overrides {
            port: self.port.clone(),
            workers: self.workers,
            queues: self.queues,
        }
    }
}

fn parse_queues(text: &str) -> Result<NonZeroUsize, String> {
    let most = usize::try_from(QUEUES_MAX).unwrap_or(usize::MAX);
    text.parse()
        .ok()
        .filter(|queues: &NonZeroUsize| queues.get() <= most)
        .ok_or_else(|| format!("must be a number from 1 to {most}"))
}

/// Which daemon is to reload.
#[derive(Args, Clone, Debug)]
pub(super) struct Reload {
    /// Configuration file of the daemon [default: /etc/sterna/sterna.toml]
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Wait for what comes of it, and print that
    #[arg(long)]
    pub(super) wait: bool,
}

/// Where the simulator listens, and what it does.
#[derive(Args, Clone, Debug)]
pub(super) struct Simulate {
    /// IP address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub(super) listen: IpAddr,
    /// Port of the APNs look-alike; 0: any free one
    #[arg(long, value_name = "PORT", default_value_t = 2197)]
    pub(super) apns_port: u16,
    /// Port of the FCM look-alike; 0: any free one
    #[arg(long, value_name = "PORT", default_value_t = 2198)]
    pub(super) fcm_port: u16,
    /// Port of Google's token endpoint; 0: any free one
    #[arg(long, value_name = "PORT", default_value_t = 2199)]
    pub(super) oauth_port: u16,
    /// Port of the servers of channels; 0: any free one
    #[arg(long, value_name = "PORT", default_value_t = 2196)]
    pub(super) channels_port: u16,
    #[command(flatten)]
    pub(super) behaviour: Behaviour,
}

/// How the simulator answers; shared with the demo.
#[derive(Args, Clone, Debug)]
pub(super) struct Behaviour {
    /// Directory for the generated CA and credentials [default: a fresh one]
    #[arg(long, value_name = "DIR")]
    pub(super) dir: Option<PathBuf>,
    /// Milliseconds before each answer
    #[arg(
        long,
        value_name = "MS",
        default_value_t = 0,
        value_parser = value_parser!(u64).range(0..=LATENCY_MAX_MS),
    )]
    pub(super) latency: u64,
    /// Print counts once a second, not a line for each push
    #[arg(long)]
    pub(super) summary: bool,
    #[command(flatten)]
    pub(super) trouble: Trouble,
}

/// What goes wrong on purpose. Scripts have a key of the same name for each of these but the last
/// three.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Faults")]
pub(super) struct Trouble {
    /// Milliseconds added at most, drawn per answer
    #[arg(
        long,
        value_name = "MS",
        default_value_t = 0,
        value_parser = value_parser!(u64).range(0..=LATENCY_MAX_MS),
    )]
    pub(super) latency_spread: u64,
    /// Failures in percent, of all kinds or by name
    #[arg(
        help = "Failures in percent: 5, or ServiceUnavailable=2,INTERNAL=3",
        long, value_name = "PERCENT", value_parser = Fail::from_str)]
    pub(super) fail: Option<Fail>,
    /// Streams that are refused unprocessed, in percent
    #[arg(long, value_name = "PERCENT", value_parser = Percent::from_str)]
    pub(super) refuse: Option<Percent>,
    /// Ends before the time: rst@processed=1,silence@data=2
    #[arg(long, value_name = "KIND@POINT=%", value_parser = Strikes::from_str)]
    pub(super) strike: Option<Strikes>,
    /// Requests on a connection until it is sent away [default: no end]
    #[arg(long, value_name = "N")]
    pub(super) goaway_after: Option<NonZeroU64>,
    /// Its kind: json, graceful, abrupt, ...; a wrong one has all named
    #[arg(long, value_name = "KIND", value_parser = Farewell::from_str)]
    pub(super) goaway: Option<Farewell>,
    /// retry-after of 429 and 503: seconds, date+SECONDS or any text
    #[arg(long, value_name = "TEXT", value_parser = RetryAfter::from_str)]
    pub(super) retry_after: Option<RetryAfter>,
    /// One stream at a time after a 4xx of APNs, until the next 200
    #[arg(long)]
    pub(super) penalty: bool,
    /// `MAX_CONCURRENT_STREAMS` at most
    #[arg(help = "MAX_CONCURRENT_STREAMS at most", long, value_name = "N")]
    pub(super) streams: Option<u32>,
    /// `INITIAL_WINDOW_SIZE`
    #[arg(help = "INITIAL_WINDOW_SIZE", long, value_name = "BYTES")]
    pub(super) stream_window: Option<u32>,
    /// Window of a connection, at most 65535 bytes
    #[arg(long, value_name = "BYTES", value_parser = value_parser!(u32).range(1..=65_535))]
    pub(super) connection_window: Option<u32>,
    /// `HEADER_TABLE_SIZE`
    #[arg(help = "HEADER_TABLE_SIZE", long, value_name = "BYTES")]
    pub(super) header_table: Option<u32>,
    /// Bytes sent every 10 ms
    #[arg(long, value_name = "BYTES")]
    pub(super) slow: Option<NonZeroU32>,
    /// Where the random numbers begin
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(super) seed: u64,
    /// Phases, one after the other, each with faults of its own
    #[arg(long, value_name = "FILE")]
    pub(super) script: Option<PathBuf>,
    /// Write a line of JSON for each request to that file
    #[arg(long, value_name = "FILE")]
    pub(super) ledger: Option<PathBuf>,
}

/// Milliseconds of simulated latency at most: a client has given up after ten minutes.
const LATENCY_MAX_MS: u64 = 600_000;

/// What is to be explained.
#[derive(Args, Clone, Debug)]
pub(super) struct Explain {
    /// A reason as the log has it, in any case, or an HTTP status; absent: all
    #[arg(value_name = "REASON")]
    pub(super) reason: Option<String>,
    /// Print a JSON array
    #[arg(long)]
    pub(super) json: bool,
}

/// What is to be recovered, and how.
#[derive(Args, Clone, Debug)]
pub(super) struct Recover {
    /// Configuration file [default: /etc/sterna/sterna.toml]
    #[arg(short = 'c', long = "config", alias = "c", value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Push logs, Gaurun's or Sterna's, plain or gzipped
    #[arg(
        short = 'l',
        long = "log",
        alias = "l",
        value_name = "FILE",
        num_args = 1..,
    )]
    pub(super) logs: Vec<PathBuf>,
    /// Directory of the journal; with -l: whose pushes are left alone
    #[arg(
        help = "The journal; with -l, its pushes are left to it [default: journal.dir]",
        long,
        value_name = "DIR"
    )]
    pub(super) journal: Option<PathBuf>,
    /// Tell what would be sent; send and write nothing
    #[arg(short = 'n', long)]
    pub(super) dry_run: bool,
    /// Send pushes although some of their fields are not in the log
    #[arg(
        help = "Send pushes though the log lacks extend, data, priority and others",
        long,
        requires = "logs"
    )]
    pub(super) allow_incomplete: bool,
    /// Age at which a push counts as expired
    #[arg(
        help = "Age at which a push has expired (90s, 15m, 1h, 7d) [default: core.max_age]",
        long, value_name = "AGE",
        value_parser = parse_age,
    )]
    pub(super) max_age: Option<Duration>,
    /// File that outcomes are appended to [default: the last log]
    #[arg(long, value_name = "FILE", requires = "logs")]
    pub(super) outcomes: Option<PathBuf>,
}

/// Which tokens are listed, and how.
#[derive(Args, Clone, Debug)]
pub(super) struct ScreenTokens {
    /// Push logs, Gaurun's or Sterna's, plain or gzipped
    #[arg(value_name = "LOG", required = true)]
    pub(super) logs: Vec<PathBuf>,
    /// Pass over refusals before that
    #[arg(
        help = "Pass over refusals before then (36h, 7d, 2026-11-22, 2026-11-22T08:00Z)",
        long, value_name = "TIME",
        value_parser = parse_since,
    )]
    pub(super) since: Option<u64>,
    /// How they are printed
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        default_value = "csv",
        hide_possible_values = true
    )]
    #[arg(help = "csv (RFC 4180), jsonl, or sql, for a table dead_tokens")]
    pub(super) format: TokenFormat,
    /// List the doubtful ones instead
    #[arg(long)]
    pub(super) suspects: bool,
}

/// A number of seconds, or of what the letter after it says.
fn parse_age(text: &str) -> Result<Duration, String> {
    let (number, seconds) = match text.char_indices().next_back() {
        Some((at, 's')) => (text.get(..at), 1),
        Some((at, 'm')) => (text.get(..at), 60),
        Some((at, 'h')) => (text.get(..at), 60 * 60),
        Some((at, 'd')) => (text.get(..at), 24 * 60 * 60),
        _ => (Some(text), 1),
    };
    let digits = number.filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
    digits
        .and_then(|digits| digits.parse::<u64>().ok())
        .and_then(|number| number.checked_mul(seconds))
        .filter(|age| (1..=MAX_AGE_MAX).contains(age))
        .map(Duration::from_secs)
        .ok_or_else(|| "must be a time from 1s to 28d, such as 90s, 15m or 1h".to_owned())
}

/// What the demo can do otherwise.
#[derive(Args, Clone, Debug)]
pub(super) struct Demo {
    /// Port of the API
    #[arg(
        help = "Port number or unix:/path of the API; 0: any free port",
        short = 'p',
        long,
        value_name = "PORT",
        default_value = "1056",
        value_parser = Port::from_str,
    )]
    pub(super) port: Port,
    /// Authenticate to APNs with a certificate instead of auth tokens
    #[arg(long)]
    pub(super) certificate: bool,
    #[command(flatten)]
    pub(super) behaviour: Behaviour,
}
