//! What is told about each push, and how.

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::answer::Judgement;
use super::arrival::Arrival;
use super::ledger::Counts;
use super::provider::Provider;

/// Where the news of pushes goes.
pub enum Report {
    /// A line per push.
    Lines(Box<dyn Write + Send>),
    /// A line of counts each second in which they changed, and at the end.
    Summary(Box<dyn Write + Send>),
    /// A call per push, on the thread of its connection, before the answer goes out.
    Each(Box<dyn Fn(&Receipt<'_>) + Send + Sync>),
    /// Nowhere.
    Silent,
}

/// One push as the simulator saw it.
#[derive(Clone, Debug)]
pub struct Receipt<'a> {
    /// At which endpoint.
    pub provider: Provider,
    /// On which connection to it, counted from 0.
    pub connection: u64,
    /// When, since the epoch, in whole seconds.
    pub at: Duration,
    /// For which device, as far as that was understood.
    pub device_token: &'a str,
    /// `:path`.
    pub path: &'a str,
    /// The `apns-*` fields and `content-type`, where sent.
    pub headers: &'a [(&'static str, &'a str)],
    /// The content, cut off at the endpoint's limit.
    pub body: &'a [u8],
    /// The answer's status; 0 if there was none.
    pub status: u16,
    /// The provider's word for a refusal, or what was done in the place of an answer.
    pub reason: &'static str,
}

/// The report in use by all connections.
pub(super) enum Reporter {
    Lines(Mutex<Box<dyn Write + Send>>),
    Summary(Mutex<Summary>),
    Each(Box<dyn Fn(&Receipt<'_>) + Send + Sync>),
    Silent,
}

/// The last counts written.
pub(super) struct Summary {
    out: Box<dyn Write + Send>,
    last: [Counts; 2],
}

impl From<Report> for Reporter {
    fn from(report: Report) -> Self {
        match report {
            Report::Lines(out) => Self::Lines(Mutex::new(out)),
            Report::Summary(out) => Self::Summary(Mutex::new(Summary {
                out,
                last: Default::default(),
            })),
            Report::Each(call) => Self::Each(call),
            Report::Silent => Self::Silent,
        }
    }
}

impl Reporter {
    /// Tells of one request; lines are gathered in `text` until [`Reporter::write`].
    pub(super) fn tell(
        &self,
        text: &mut Vec<u8>,
        (provider, connection): (Provider, u64),
        arrival: &Arrival<'_>,
        judgement: &Judgement<'_>,
    ) {
        match self {
            Self::Silent | Self::Summary(_) => {}
            Self::Lines(_) => {
                let provider = provider.as_str();
                let status = judgement.reply.status();
                let token = shortened(&judgement.device_token);
                let id = arrival.request.id().unwrap_or(b"-").escape_ascii();
                let bytes = arrival.body.len();
                let reason = match judgement.reason {
                    "" => "accepted",
                    reason => reason,
                };
                // Writing to a vector cannot fail.
                drop(writeln!(
                    text,
                    "{provider} #{connection} {status} {token} {id} {bytes} bytes {reason}"
                ));
            }
            Self::Each(call) => call(&Receipt {
                provider,
                connection,
                at: Duration::from_secs(arrival.now),
                device_token: &judgement.device_token,
                path: str::from_utf8(arrival.request.path).unwrap_or_default(),
                headers: &arrival.request.shown(),
                body: arrival.body,
                status: judgement.reply.status(),
                reason: judgement.reason,
            }),
        }
    }

    /// Writes the lines that were gathered, and forgets them.
    pub(super) fn write(&self, text: &mut Vec<u8>) {
        if let Self::Lines(out) = self
            && !text.is_empty()
        {
            let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
            // There is nobody to tell that nobody listens.
            drop(out.write_all(text).and_then(|()| out.flush()));
            text.clear();
        }
    }

    /// Writes the counts of both providers if they changed.
    pub(super) fn summarise(&self, counts: [Counts; 2]) {
        let Self::Summary(summary) = self else { return };
        let mut summary = summary.lock().unwrap_or_else(PoisonError::into_inner);
        if summary.last == counts {
            return;
        }
        summary.last = counts;
        let [apns, fcm] = counts.map(|counts| {
            let Counts {
                received,
                accepted,
                refused,
                turned_away,
                doubled,
                lost,
                ..
            } = counts;
            format!(
                "{received} received, {accepted} accepted, {refused} refused, \
                 {turned_away} turned away, {doubled} doubled, {lost} lost"
            )
        });
        let written = writeln!(summary.out, "apns: {apns}; fcm: {fcm}");
        drop(written.and_then(|()| summary.out.flush()));
    }
}

/// Characters of a device token that a line shows.
const SHOWN: usize = 8;

/// The beginning of a device token, fit for a terminal.
fn shortened(token: &str) -> String {
    let mut shown: String = token
        .chars()
        .take(SHOWN)
        .flat_map(char::escape_default)
        .collect();
    if token.chars().nth(SHOWN).is_some() {
        shown.push('…');
    } else if shown.is_empty() {
        shown.push('-');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::shortened;

    #[test]
    fn device_tokens_are_shortened_and_made_harmless() {
        for (token, shown) in [
            ("", "-"),
            ("ab12", "ab12"),
            ("0123456789", "01234567…"),
            ("a\x1b[2J", "a\\u{1b}[2J"),
        ] {
            assert_eq!(shortened(token), shown, "{token:?}");
        }
    }
}
