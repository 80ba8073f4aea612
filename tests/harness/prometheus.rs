//! Prometheus as promtool has it: the pages that a daemon gives become series, one page a minute,
//! and the rules of `etc/prometheus` are evaluated over them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::park_timeout;
use std::time::{Duration, Instant};

use sterna::moment::Moment;

use super::daemon::Daemon;
use super::http::Client;
use super::site::run;

/// Time between two pages, at least.
const APART: Duration = Duration::from_millis(100);

/// Seconds of Prometheus' time between two pages.
const MINUTE: f64 = 60.0;

/// Where the files for Prometheus are.
pub(crate) fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("etc/prometheus")
}

/// promtool with these arguments; what it has printed, if it found nothing wrong.
///
/// There must be one: without it nothing here would be tested.
pub(crate) fn promtool(arguments: &[&str], within: &Path) -> Result<String, String> {
    let mut command = Command::new("promtool");
    let found = command.arg("--version").output();
    assert!(
        found.is_ok(),
        "there is no promtool: {found:?}; it is in Debian's package prometheus"
    );
    let mut command = Command::new("promtool");
    command.args(arguments).current_dir(within);
    let output = run(command);
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let told = text(&output.stdout) + &text(&output.stderr);
    if output.status.success() {
        Ok(told)
    } else {
        Err(told)
    }
}

/// The samples of a page, each by its name and labels.
pub(crate) fn samples(page: &str) -> BTreeMap<String, f64> {
    let lines = page
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (series.to_owned(), value.parse().unwrap())
        })
        .collect()
}

/// The name of a series.
pub(crate) fn name(series: &str) -> &str {
    series.split('{').next().unwrap()
}

/// The page that a daemon gives.
pub(crate) fn page(daemon: &Daemon) -> String {
    let reply = daemon.request("GET", "/metrics", b"");
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.text().to_owned()
}

/// The pages of a daemon, one after the other.
pub(crate) struct Scrapes {
    begun: Instant,
    /// When the first was taken, in seconds since 1970: Prometheus' time begins there.
    unix: f64,
    /// Each with when it was taken; none where the daemon did not answer.
    pages: Vec<(Duration, Option<BTreeMap<String, f64>>)>,
}

impl Scrapes {
    pub(crate) fn begin() -> Self {
        Self {
            begun: Instant::now(),
            unix: Moment::now().unix.as_secs_f64(),
            pages: Vec::new(),
        }
    }

    /// Takes a page.
    pub(crate) fn take(&mut self, daemon: &Daemon) {
        let page = Client::try_connect(&daemon.address).ok().map(|mut client| {
            let reply = client.request("GET", "/metrics", b"");
            assert_eq!(reply.status, 200, "{}", reply.text());
            samples(reply.text())
        });
        self.pages.push((self.begun.elapsed(), page));
    }

    /// Takes so many pages, and does this before each.
    pub(crate) fn take_each(&mut self, daemon: &Daemon, pages: usize, mut before: impl FnMut()) {
        for _ in 0..pages {
            before();
            // What a daemon does at once is to be a matter of seconds for Prometheus.
            park_timeout(APART);
            self.take(daemon);
        }
    }

    /// The alerts that fire at any time over these pages.
    ///
    /// A second of the daemon's is as long for Prometheus as the pages are apart: what the daemon
    /// tells as an age grows with that.
    pub(crate) fn firing(&self) -> BTreeSet<String> {
        let directory = tempfile::tempdir().unwrap();
        let rules = super::prometheus::directory().join("sterna.rules.yml");
        let end = self.pages.len();
        // promtool says what it got where it expected something else.
        let test = format!(
            "rule_files: [{:?}]\nevaluation_interval: 1m\ntests:\n- interval: 1m\n  \
             input_series:\n{}  promql_expr_test:\n  - expr: 'count by (alertname) \
             (max_over_time(ALERTS{{alertstate=\"firing\"}}[{end}m]))'\n    \
             eval_time: {end}m\n    exp_samples: [{{labels: nothing, value: 0}}]\n",
            rules.to_str().unwrap(),
            self.series(),
        );
        fs::write(directory.path().join("test.yml"), &test).unwrap();
        let told = promtool(&["test", "rules", "test.yml"], directory.path()).unwrap_err();
        let got = told.rsplit_once("got:");
        let (_, got) = got.unwrap_or_else(|| panic!("{told}\n{test}"));
        let alerts = got.split("alertname=\"").skip(1);
        alerts
            .map(|rest| rest.split('"').next().unwrap().to_owned())
            .collect()
    }

    /// As promtool takes them.
    fn series(&self) -> String {
        let (first, last) = (self.pages.first().unwrap(), self.pages.last().unwrap());
        let between = u32::try_from(self.pages.len() - 1).unwrap().max(1);
        let apart = last.0.saturating_sub(first.0).as_secs_f64() / f64::from(between);
        let found = self.pages.iter().filter_map(|(_, page)| page.as_ref());
        let all: BTreeSet<&String> = found.flat_map(BTreeMap::keys).collect();
        let mut text = String::new();
        let mut write = |series: &str, values: &str| {
            writeln!(text, "  - series: '{series}'\n    values: '{values}'").unwrap();
        };
        for series in all {
            let value = |value: f64| match name(series) {
                name if name.ends_with("_timestamp_seconds") => value - self.unix,
                name if AGES.contains(&name) => value / apart * MINUTE,
                _ => value,
            };
            let mut values = Vec::new();
            let mut was_there = false;
            for (_, page) in &self.pages {
                let found = page.as_ref().and_then(|page| page.get(series));
                values.push(match found {
                    Some(found) => value(*found).to_string(),
                    // As Prometheus does where a series ends.
                    None if was_there => "stale".to_owned(),
                    None => "_".to_owned(),
                });
                was_there = found.is_some();
            }
            write(&labelled(series), &values.join(" "));
        }
        let up = self.pages.iter().map(|(_, page)| u8::from(page.is_some()));
        let up: Vec<String> = up.map(|up| up.to_string()).collect();
        write(&labelled("up"), &up.join(" "));
        text
    }
}

/// Series that tell for how long something has been so.
const AGES: [&str; 2] = ["sterna_queue_oldest_seconds", "sterna_feedback_lag_seconds"];

/// A series with the labels that Prometheus adds.
fn labelled(series: &str) -> String {
    let target = "job=\"sterna\",instance=\"a\"";
    match series.strip_suffix('}') {
        Some(begin) => format!("{begin},{target}}}"),
        None => format!("{series}{{{target}}}"),
    }
}
