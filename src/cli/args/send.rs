//! What `sterna send` takes.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, ValueEnum};

use super::remote::Remote;

/// What is pushed, and how.
#[derive(Args, Clone, Debug)]
#[command(group(
    ArgGroup::new("what").required(true).multiple(true).args(["ios", "android", "file", "csv"])
))]
pub(crate) struct SendPushes {
    /// Device token of an iOS device; may be repeated
    #[arg(long, value_name = "TOKEN")]
    pub(crate) ios: Vec<String>,
    /// Registration token of an Android device; may be repeated
    #[arg(long, value_name = "TOKEN")]
    pub(crate) android: Vec<String>,
    /// Text of the push
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["file", "csv"])]
    pub(crate) message: Option<String>,
    /// Its title
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["file", "csv"])]
    pub(crate) title: Option<String>,
    /// Its app, if it is not the default one
    #[arg(long, value_name = "NAME", conflicts_with_all = ["file", "csv"])]
    pub(crate) app: Option<String>,
    /// Notifications to push, a JSON object in each line, as `POST /push` takes them
    #[arg(
        help = "Notifications, a JSON object in each line, as POST /push takes them",
        long,
        value_name = "FILE",
        conflicts_with_all = ["ios", "android", "csv"],
    )]
    pub(crate) file: Option<PathBuf>,
    /// A row for each push, column names in the first
    #[arg(
        long,
        value_name = "FILE",
        requires = "template",
        conflicts_with_all = ["ios", "android"],
    )]
    pub(crate) csv: Option<PathBuf>,
    /// A notification as JSON, in whose texts {column} is a row's
    #[arg(long, value_name = "FILE", requires = "csv")]
    pub(crate) template: Option<PathBuf>,
    /// Where it is kept how far the file is sent [default: FILE.sent]
    #[arg(long, value_name = "FILE", conflicts_with_all = ["ios", "android"])]
    pub(crate) record: Option<PathBuf>,
    /// What becomes of a batch that may have been sent before: send, skip
    #[arg(
        long,
        value_name = "WHAT",
        value_enum,
        hide_possible_values = true,
        conflicts_with_all = ["ios", "android"],
    )]
    pub(crate) in_doubt: Option<InDoubt>,
    /// Notifications in a request at most
    #[arg(long, value_name = "N", default_value = "100")]
    pub(crate) batch: NonZeroUsize,
    /// Follow the pushes for so long [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = parse_wait)]
    pub(crate) wait: Option<Duration>,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

/// What is to become of pushes of which nobody knows any more whether a daemon has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum InDoubt {
    /// They are sent, maybe for the second time
    Send,
    /// They are not
    Skip,
}

/// A time of zero, or what an age may be.
fn parse_wait(text: &str) -> Result<Duration, String> {
    if matches!(text, "0" | "0s") {
        return Ok(Duration::ZERO);
    }
    super::parse_age(text)
}
