//! The page of `/metrics`: Prometheus' text format 0.0.4, or `OpenMetrics` 1.0.
//!
//! Pure. Room for it is asked for before it is taken, so that a page is never larger than whoever
//! has the memory allows.

use std::fmt::{Display, Write};

use super::family::{Family, FamilyKind, FamilyRow};
use super::histogram::HistogramFigures;

/// How a page is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposition {
    /// Prometheus' text format 0.0.4.
    Text,
    /// `OpenMetrics` 1.0.
    OpenMetrics,
}

impl Exposition {
    /// What a client is best served with that says this in `Accept`.
    pub fn accepted_by(accept: &[u8]) -> Self {
        let (mut open, mut text) = (0, 0);
        for range in accept.split(|byte| *byte == b',') {
            let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            let kind = parts.next().unwrap_or_default();
            let (mut quality, mut is_ours) = (1000, true);
            for part in parts {
                if let Some(value) = value_of(part, b"q") {
                    quality = thousandths(value);
                } else if let Some(version) = value_of(part, b"version") {
                    // That of the text format may be any: nobody speaks another.
                    is_ours =
                        kind.ends_with(b"plain") || version == b"1.0.0" || version == b"0.0.1";
                }
            }
            let best = if kind.eq_ignore_ascii_case(b"application/openmetrics-text") {
                &mut open
            } else if [&b"text/plain"[..], b"text/*", b"*/*"]
                .iter()
                .any(|known| kind.eq_ignore_ascii_case(known))
            {
                &mut text
            } else {
                continue;
            };
            if is_ours {
                *best = quality.max(*best);
            }
        }
        if open > 0 && open >= text {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }

    /// Its `Content-Type`.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// The value of a parameter of that name.
fn value_of<'a>(parameter: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let at = parameter.iter().position(|byte| *byte == b'=')?;
    let (found, value) = parameter.split_at(at);
    let value = value.get(1..)?.trim_ascii();
    let value = value.strip_prefix(b"\"").unwrap_or(value);
    let value = value.strip_suffix(b"\"").unwrap_or(value);
    found
        .trim_ascii()
        .eq_ignore_ascii_case(name)
        .then_some(value)
}

/// A weight of RFC 9110 §12.4.2, in thousandths; 0 for what is none.
fn thousandths(value: &[u8]) -> u32 {
    let text = str::from_utf8(value).unwrap_or_default();
    let weight = text.parse::<f32>().unwrap_or_default();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is within 0 and 1000"
    )]
    let weight = (weight.clamp(0.0, 1.0) * 1000.0) as u32;
    weight
}

/// Whether there is room for so many more bytes of a page; there is from then on.
pub type PageRoom<'a> = dyn FnMut(usize) -> bool + 'a;

/// A page that is being written.
pub struct MetricsPage<'r> {
    out: String,
    exposition: Exposition,
    /// The family whose samples follow.
    row: &'static FamilyRow,
    room: &'r mut PageRoom<'r>,
    /// Bytes that there is room for.
    most: usize,
    /// There was no room for more: it is of no use.
    is_cut: bool,
}

/// Bytes that are asked for at a time.
const PIECE: usize = 64 * 1024;

impl<'r> MetricsPage<'r> {
    /// An empty page; `room` is asked for each piece of it beyond the first `free` bytes.
    pub fn new(exposition: Exposition, free: usize, room: &'r mut PageRoom<'r>) -> Self {
        Self {
            out: String::new(),
            exposition,
            row: Family::BuildInfo.row(),
            room,
            most: free,
            is_cut: false,
        }
    }

    /// The samples of a family follow.
    pub fn begin(&mut self, family: Family) {
        let row = family.row();
        self.row = row;
        let mut head = String::with_capacity(256);
        let (name, kind, help) = (self.family_name(), row.kind.word(), row.help);
        // Writing to a string does not fail, here and below.
        let _ = writeln!(head, "# HELP {name} {help}\n# TYPE {name} {kind}");
        if self.exposition == Exposition::OpenMetrics && !row.unit.is_empty() {
            let _ = writeln!(head, "# UNIT {name} {}", row.unit);
        }
        self.push(&head);
    }

    /// A sample, with the values of the family's labels in their order; one that is empty is left
    /// out.
    pub fn sample(&mut self, labels: &[&str], value: impl Display) {
        debug_assert_eq!(labels.len(), self.row.labels.len(), "{}", self.row.name);
        self.line("", labels, "", value);
    }

    /// The samples of a histogram, with the values of the family's labels in their order.
    pub fn histogram(&mut self, labels: &[&str], figures: &HistogramFigures) {
        debug_assert_eq!(self.row.kind, FamilyKind::Histogram, "{}", self.row.name);
        for (bound, count) in figures.cumulated() {
            let bound = bound.map_or_else(|| "+Inf".to_owned(), seconds);
            self.line("_bucket", labels, &bound, count);
        }
        self.line("_sum", labels, "", seconds(figures.sum));
        self.line("_count", labels, "", figures.count());
    }

    /// The page; `None` if there was no room for all of it.
    pub fn end(mut self) -> Option<Vec<u8>> {
        if self.exposition == Exposition::OpenMetrics {
            self.push("# EOF\n");
        }
        (!self.is_cut).then(|| self.out.into_bytes())
    }

    /// `OpenMetrics` names counters without what their samples end with.
    fn family_name(&self) -> &'static str {
        let name = self.row.name;
        match self.exposition {
            Exposition::Text => name,
            Exposition::OpenMetrics => name.strip_suffix("_total").unwrap_or(name),
        }
    }

    fn line(&mut self, suffix: &str, labels: &[&str], bound: &str, value: impl Display) {
        let mut line = String::with_capacity(128);
        let _ = write!(line, "{}{suffix}", self.row.name);
        let named = self.row.labels.iter().copied().zip(labels.iter().copied());
        let mut mark = '{';
        for (name, value) in named.chain([("le", bound)]) {
            if value.is_empty() {
                continue;
            }
            let _ = write!(line, "{mark}{name}=\"");
            for letter in value.chars() {
                match letter {
                    '\\' => line.push_str("\\\\"),
                    '"' => line.push_str("\\\""),
                    '\n' => line.push_str("\\n"),
                    _ => line.push(letter),
                }
            }
            line.push('"');
            mark = ',';
        }
        if mark == ',' {
            line.push('}');
        }
        let _ = writeln!(line, " {value}");
        self.push(&line);
    }

    fn push(&mut self, text: &str) {
        if self.is_cut {
            return;
        }
        let needed = self.out.len().saturating_add(text.len());
        if needed > self.most {
            let more = text.len().max(PIECE);
            if !(self.room)(more) {
                self.is_cut = true;
                self.out = String::new();
                return;
            }
            self.most = self.most.saturating_add(more);
        }
        if needed > self.out.capacity() {
            let piece = PIECE.min(self.most.saturating_sub(self.out.len()));
            self.out.reserve_exact(piece.max(text.len()));
        }
        self.out.push_str(text);
    }
}

/// Microseconds as a number of seconds, which has a point, as `OpenMetrics` has it.
fn seconds(micros: u64) -> String {
    let (whole, rest) = (micros / 1_000_000, micros % 1_000_000);
    let text = format!("{whole}.{rest:06}");
    let text = text.trim_end_matches('0');
    if text.ends_with('.') {
        format!("{text}0")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::histogram::{Histogram, WITHIN_A_MINUTE};
    use super::*;

    fn written(exposition: Exposition) -> String {
        let mut room = |_| true;
        let mut page = MetricsPage::new(exposition, 0, &mut room);
        page.begin(Family::Accepted);
        page.sample(&["a\"\\b\nc", "bulk"], 3);
        page.begin(Family::InFlight);
        page.sample(&[], 0.5);
        page.begin(Family::Settled);
        page.sample(&["ios", "succeeded", ""], 1);
        page.begin(Family::PushDuration);
        let histogram = Histogram::new(&WITHIN_A_MINUTE);
        histogram.add(Duration::from_micros(2_500));
        histogram.add(Duration::from_secs(90));
        page.histogram(&["ios"], &histogram.figures());
        String::from_utf8(page.end().unwrap()).unwrap()
    }

    #[test]
    fn a_page_is_in_the_format_that_was_asked_for() {
        let text = written(Exposition::Text);
        let open = written(Exposition::OpenMetrics);
        for (page, total) in [(&text, "_total"), (&open, "")] {
            let head = format!("\n# TYPE sterna_pushes_accepted{total} counter\n");
            assert!(page.contains(&head), "{page}");
            for line in [
                "sterna_pushes_accepted_total{lane=\"a\\\"\\\\b\\nc\",class=\"bulk\"} 3\n",
                "sterna_in_flight_pushes 0.5\n",
                "sterna_pushes_settled_total{lane=\"ios\",outcome=\"succeeded\"} 1\n",
                "sterna_push_duration_seconds_bucket{lane=\"ios\",le=\"0.001\"} 0\n",
                "sterna_push_duration_seconds_bucket{lane=\"ios\",le=\"0.0025\"} 1\n",
                "sterna_push_duration_seconds_bucket{lane=\"ios\",le=\"60.0\"} 1\n",
                "sterna_push_duration_seconds_bucket{lane=\"ios\",le=\"+Inf\"} 2\n",
                "sterna_push_duration_seconds_sum{lane=\"ios\"} 90.0025\n",
                "sterna_push_duration_seconds_count{lane=\"ios\"} 2\n",
            ] {
                assert!(page.contains(line), "{line}{page}");
            }
        }
        let unit = "# UNIT sterna_push_duration_seconds seconds\n";
        assert!(open.contains(unit) && !text.contains("# UNIT"));
        assert!(open.ends_with("\n# EOF\n") && !text.contains("# EOF"));
    }

    #[test]
    fn room_is_asked_for_before_it_is_taken_and_a_page_that_has_none_is_none() {
        for (most, is_whole) in [(4 * PIECE, true), (PIECE, false), (0, false)] {
            let mut left = most;
            let mut room = |more: usize| {
                let fits = more <= left;
                left -= if fits { more } else { 0 };
                fits
            };
            let mut page = MetricsPage::new(Exposition::Text, 1000, &mut room);
            page.begin(Family::Accepted);
            for number in 0..2 * PIECE / 60 {
                page.sample(&["ios", "bulk"], number);
                assert!(page.out.capacity() <= 1000 + most + PIECE, "{most}");
                assert!(page.out.len() <= 1000 + most, "{most}");
            }
            assert_eq!(page.end().is_some(), is_whole, "{most}");
        }
    }

    #[test]
    fn the_format_is_the_one_that_the_client_likes_best() {
        let open = "application/openmetrics-text";
        for (accept, expected) in [
            ("", Exposition::Text),
            ("*/*", Exposition::Text),
            (open, Exposition::OpenMetrics),
            (
                "Application/OpenMetrics-Text; version=0.0.1",
                Exposition::OpenMetrics,
            ),
            (
                "application/openmetrics-text;version=2.0.0",
                Exposition::Text,
            ),
            ("application/openmetrics-text;q=0", Exposition::Text),
            (
                "application/openmetrics-text;q=0.3,text/plain;q=0.5",
                Exposition::Text,
            ),
            // Prometheus 2.53, and 3.
            (
                "application/openmetrics-text;version=1.0.0;q=0.5,\
                 application/openmetrics-text;version=0.0.1;q=0.4,\
                 text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                Exposition::OpenMetrics,
            ),
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6, \
                 text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,*/*;q=0.2",
                Exposition::OpenMetrics,
            ),
            (
                "application/vnd.google.protobuf;q=0.9,text/plain;q=0.3",
                Exposition::Text,
            ),
            (";;=,,q=;\"", Exposition::Text),
        ] {
            assert_eq!(
                Exposition::accepted_by(accept.as_bytes()),
                expected,
                "{accept}"
            );
        }
    }

    #[test]
    fn seconds_have_a_point_and_no_needless_digits() {
        for (micros, text) in [
            (0, "0.0"),
            (1, "0.000001"),
            (2_500, "0.0025"),
            (1_000_000, "1.0"),
            (3_600_000_000, "3600.0"),
        ] {
            assert_eq!(seconds(micros), text);
        }
    }
}
