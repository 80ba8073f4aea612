//! What the commands take that ask a daemon by its API.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;

use super::super::api_url::ApiUrl;

/// Which daemon is asked, and what it is shown.
#[derive(Args, Clone, Debug)]
pub(crate) struct Remote {
    /// Where the API is
    #[arg(
        help = "URL or unix:/path of the API",
        long,
        value_name = "URL",
        default_value = "http://127.0.0.1:1056",
        value_parser = ApiUrl::from_str,
    )]
    pub(crate) url: ApiUrl,
    /// File whose first line has the API key to show
    #[arg(long, value_name = "FILE")]
    pub(crate) api_key_path: Option<PathBuf>,
}

/// How often a daemon is looked at.
#[derive(Args, Clone, Debug)]
pub(crate) struct Stat {
    /// Seconds from line to line, from 0.1 to 3600
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = parse_interval)]
    pub(crate) interval: Duration,
    /// End after so many lines [default: no end]
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<NonZeroU64>,
    #[command(flatten)]
    pub(crate) remote: Remote,
}

fn parse_interval(text: &str) -> Result<Duration, String> {
    text.parse()
        .ok()
        .filter(|seconds| (0.1..=3600.0).contains(seconds))
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "must be a number of seconds from 0.1 to 3600".to_owned())
}
