//! `/metrics`, read strictly by each of its two formats, and by promtool.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Stdio};

use super::daemon::Daemon;
use super::http::Reply;

/// A page that was scraped.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// The name and the type of each family, in the order of the page.
    pub(crate) families: Vec<(String, String)>,
    /// The value of each series, under its name and labels as they stand there.
    pub(crate) series: BTreeMap<String, f64>,
    /// The same, of those that are whole numbers.
    whole: BTreeMap<String, u64>,
    pub(crate) text: String,
}

impl Metrics {
    /// Scrapes a daemon that asks for no API key.
    pub(crate) fn scrape(daemon: &Daemon) -> Self {
        let reply = daemon.request("GET", "/metrics", b"");
        assert_eq!(reply.status, 200, "{}", reply.text());
        let kind = "text/plain; version=0.0.4; charset=utf-8";
        assert_eq!(reply.field("Content-Type"), Some(kind));
        Self::read(reply.text())
    }

    /// Scrapes in `OpenMetrics`.
    pub(crate) fn scrape_open(daemon: &Daemon) -> Self {
        let mut client = daemon.client();
        client.send(
            b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\
              Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n\r\n",
        );
        let reply: Reply = client.reply();
        let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        assert_eq!(
            (reply.status, reply.field("Content-Type")),
            (200, Some(kind))
        );
        let text = reply.text();
        let (page, rest) = text.split_once("# EOF\n").expect("an end");
        assert!(rest.is_empty(), "{rest}");
        Self::read(page)
    }

    /// Reads a page, and ends the test where it is not in order.
    pub(crate) fn read(text: &str) -> Self {
        let mut page = Self {
            families: Vec::new(),
            series: BTreeMap::new(),
            whole: BTreeMap::new(),
            text: text.to_owned(),
        };
        assert!(text.ends_with('\n'), "the last line has an end");
        let (mut helped, mut names) = (String::new(), BTreeSet::new());
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').expect(line);
                assert!(!help.is_empty() && names.insert(name.to_owned()), "{line}");
                name.clone_into(&mut helped);
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').expect(line);
                assert_eq!(name, helped, "{line}");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                page.families.push((name.to_owned(), kind.to_owned()));
            } else if let Some(unit) = line.strip_prefix("# UNIT ") {
                let (name, unit) = unit.split_once(' ').expect(line);
                assert!(name == helped && name.ends_with(unit), "{line}");
            } else {
                page.sample(line);
            }
        }
        page.check_histograms();
        page
    }

    fn sample(&mut self, line: &str) {
        let (series, value) = line.rsplit_once(' ').expect(line);
        let (name, labels) = split(series);
        let (family, kind) = self.families.last().expect("a family before its samples");
        let suffixes: &[&str] = match &**kind {
            "histogram" => &["_bucket", "_sum", "_count"],
            // OpenMetrics leaves it out of the family's name.
            "counter" if !family.ends_with("_total") => &["_total"],
            _ => &[""],
        };
        let suffix = name.strip_prefix(&**family).expect(line);
        assert!(suffixes.contains(&suffix), "{line} below {family}");
        if let Ok(whole) = value.parse() {
            self.whole.insert(series.to_owned(), whole);
        }
        let value: f64 = value.parse().expect(line);
        assert!(value.is_finite() && value >= 0.0, "{line}");
        let of_names: BTreeSet<_> = labels.iter().map(|(name, _)| name).collect();
        assert_eq!(of_names.len(), labels.len(), "{line}");
        assert_eq!(
            labels.iter().any(|it| it.0 == "le"),
            suffix == "_bucket",
            "{line}"
        );
        let before = self.series.insert(series.to_owned(), value);
        assert_eq!(before, None, "twice: {line}");
    }

    /// Buckets grow, and the last of them is the number of all.
    fn check_histograms(&self) {
        for (family, _) in self.families.iter().filter(|it| it.1 == "histogram") {
            for (count, number) in self.of(&format!("{family}_count")) {
                let labels = count.trim_start_matches(&format!("{family}_count"));
                let labels = labels.trim_start_matches('{').trim_end_matches('}');
                // Their bound is the last label.
                let begin = format!("{family}_bucket{{{labels}");
                let buckets = self.beginning(&begin);
                let mut buckets: Vec<_> = buckets
                    .map(|(series, value)| (bound(series), value))
                    .collect();
                buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
                assert!(
                    buckets.is_sorted_by(|one, other| one.1 <= other.1),
                    "{count}"
                );
                assert_eq!(buckets.last(), Some(&(f64::INFINITY, number)), "{count}");
                let sum = count.replace("_count", "_sum");
                assert!(self.series.contains_key(&sum), "{sum}");
            }
        }
    }

    /// The series of that name, with their values.
    pub(crate) fn of<'m>(&'m self, name: &'m str) -> impl Iterator<Item = (&'m str, f64)> {
        let all = self.beginning(name);
        all.filter(move |(series, _)| split(series).0 == name)
    }

    /// The series that begin so: they are many.
    fn beginning<'m>(&'m self, begin: &'m str) -> impl Iterator<Item = (&'m str, f64)> {
        let all = self.series.range(begin.to_owned()..);
        let all = all.take_while(move |(series, _)| series.starts_with(begin));
        all.map(|(series, value)| (&**series, *value))
    }

    /// The value of a series that must be there, named as it stands there.
    pub(crate) fn value(&self, series: &str) -> f64 {
        let value = self.series.get(series).copied();
        value.unwrap_or_else(|| panic!("no {series} in {}", self.text))
    }

    /// The value of a series that must be there, and be a whole number.
    pub(crate) fn number(&self, series: &str) -> u64 {
        let value = self.whole.get(series).copied();
        value.unwrap_or_else(|| panic!("no whole {series} in {}", self.text))
    }

    /// What all series of that name come to whose labels have all of these: whole numbers.
    pub(crate) fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let has = |series: &&str| {
            let found = split(series).1;
            labels
                .iter()
                .all(|(name, value)| found.iter().any(|it| it.0 == *name && it.1 == *value))
        };
        let of_it = self.of(name).map(|(series, _)| series).filter(has);
        of_it.map(|series| self.number(series)).sum()
    }
}

/// The name of a series, and its labels.
fn split(series: &str) -> (&str, Vec<(String, String)>) {
    let Some((name, rest)) = series.split_once('{') else {
        assert!(is_name(series), "{series}");
        return (series, Vec::new());
    };
    assert!(is_name(name), "{series}");
    let mut labels = Vec::new();
    let mut rest = rest.strip_suffix('}').expect(series);
    loop {
        let (label, behind) = rest.split_once("=\"").expect(series);
        assert!(is_name(label) && !label.contains(':'), "{series}");
        let mut value = String::new();
        let mut letters = behind.char_indices();
        let end = loop {
            match letters.next().expect(series) {
                (_, '\\') => match letters.next().expect(series).1 {
                    'n' => value.push('\n'),
                    letter @ ('\\' | '"') => value.push(letter),
                    letter => panic!("\\{letter} in {series}"),
                },
                (at, '"') => break at,
                (_, letter) => value.push(letter),
            }
        };
        labels.push((label.to_owned(), value));
        match &behind[end + 1..] {
            "" => return (name, labels),
            more => rest = more.strip_prefix(',').expect(series),
        }
    }
}

fn is_name(name: &str) -> bool {
    let is_letter = |letter: char| letter.is_ascii_alphabetic() || letter == '_' || letter == ':';
    name.starts_with(is_letter) && name.chars().all(|it| is_letter(it) || it.is_ascii_digit())
}

fn bound(series: &str) -> f64 {
    let labels = split(series).1;
    let (_, bound) = labels.iter().find(|(name, _)| name == "le").expect(series);
    bound.parse().expect(series)
}

/// Has promtool look at a page: what it says, if it finds anything. A machine without promtool
/// fails the test: `.ci/run` installs it.
pub(crate) fn promtool_says(page: &str) -> String {
    let child = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.expect("promtool, of Debian's package prometheus");
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(page.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let said = [&*output.stdout, &*output.stderr].concat();
    let said = String::from_utf8(said).unwrap();
    // 3 are lint findings.
    assert!(output.status.success() || !said.is_empty(), "{output:?}");
    said
}
