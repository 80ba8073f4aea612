//! One reason with all that is known of it, in words. Pure: the words come from the tables.

use serde::Serialize;

use crate::delivery::policy::{
    FIRST_BACKOFF, FIRST_BACKOFF_QUOTA, FREE_REFUSALS, LANE_RETRY_AFTER_MAX, LONGEST_BACKOFF,
};
use crate::delivery::reasons;
use crate::oauth;
use crate::provider::{
    Advice, Again, LaneEffect, Row, TokenEffect, Vendor, Verdict, Wait, apns, fcm,
};

/// A reason.
#[derive(Debug, Serialize)]
pub(super) struct Explained {
    /// Who says it.
    pub(super) source: &'static str,
    /// The word, as the push log has it.
    pub(super) reason: &'static str,
    /// The HTTP status that it comes with.
    pub(super) status: Option<u16>,
    /// What tells it from others of the same word.
    pub(super) when: Option<&'static str>,
    /// What happened, as the push log tells it.
    pub(super) meaning: &'static str,
    pub(super) cause: &'static str,
    pub(super) cure: &'static str,
    /// What becomes of the push.
    pub(super) push: &'static str,
    /// Whether and when it is tried again.
    pub(super) retry: String,
    /// What becomes of other pushes.
    pub(super) lane: String,
    /// What is to be done with the device token.
    pub(super) token: &'static str,
}

impl Explained {
    /// Every reason there is: APNs', FCM's, those on the way to an access token, our own, the
    /// connections'.
    pub(super) fn all() -> Vec<Self> {
        let mut all: Vec<Self> = of_rows(&apns::Apns, apns::ROWS).collect();
        all.extend(of_rows(&fcm::Fcm, fcm::ROWS));
        let refinements: [(&dyn Vendor, &[_]); 2] = [
            (&apns::Apns, &apns::refinements()),
            (&fcm::Fcm, &fcm::refinements()),
        ];
        for (vendor, refinements) in refinements {
            for (when, row) in refinements {
                let advice = vendor.advice().iter().find(|it| it.reason == row.reason);
                all.extend(advice.map(|advice| Self {
                    when: Some(when),
                    ..Self::of_row(vendor, row, advice)
                }));
            }
        }
        for (status, advice) in fcm::BY_STATUS_ADVICE {
            let row = fcm::by_status_alone()
                .iter()
                .find(|row| row.status == *status);
            all.extend(row.map(|row| Self {
                when: Some("if Google gives no other word"),
                ..Self::of_row(&fcm::Fcm, row, advice)
            }));
        }
        for server in oauth::SERVERS {
            let rows = server.rows.iter();
            all.extend(rows.map(|row| Self::of_exchange(server, row)));
        }
        all.extend(reasons::OURS.iter().map(Self::of_ours));
        all.extend(reasons::HOLDS.iter().map(Self::of_hold));
        all.extend(reasons::CONNECTIONS.iter().map(Self::of_connection));
        all
    }

    /// Whether it is meant by a word: its reason in any case, or its status.
    pub(super) fn is(&self, word: &str) -> bool {
        let status = self.status.map(|status| status.to_string());
        self.reason.eq_ignore_ascii_case(word) || status.as_deref() == Some(word)
    }

    /// It in one line.
    pub(super) fn line(&self) -> String {
        let status = self.status.map(|status| status.to_string());
        let (source, reason, meaning) = (self.source, self.reason, self.meaning);
        let status = status.unwrap_or_default();
        let when = self
            .when
            .map(|when| format!(" ({when})"))
            .unwrap_or_default();
        format!("{source:<15} {status:<3} {reason:<31} {meaning}{when}\n")
    }

    /// All of it.
    pub(super) fn text(&self) -> String {
        let status = self.status.map(|status| format!(", status {status}"));
        let when = self.when.map(|when| format!(", {when}"));
        let head = format!(
            "{} ({}{}{})\n",
            self.reason,
            self.source,
            status.unwrap_or_default(),
            when.unwrap_or_default()
        );
        let parts = [
            ("means", self.meaning),
            ("cause", self.cause),
            ("cure", self.cure),
            ("push", self.push),
            ("retry", &self.retry),
            ("lane", &self.lane),
            ("token", self.token),
        ];
        let parts = parts.iter().map(|(name, text)| wrapped(name, text));
        head + &parts.collect::<String>()
    }

    fn of_row(provider: &'static dyn Vendor, row: &'static Row, advice: &'static Advice) -> Self {
        let by_status = row.status == 0;
        Self {
            source: provider.name(),
            reason: advice.reason,
            status: (!by_status).then_some(row.status),
            when: None,
            meaning: row.meaning,
            cause: advice.cause,
            cure: advice.cure,
            push: match row.verdict {
                _ if by_status => "as its HTTP status says",
                Verdict::Succeeded => "succeeds",
                Verdict::Refused => "fails for good",
                Verdict::Retry(again) if again.once => "is tried again, once",
                Verdict::Retry(_) => "is tried again",
                Verdict::Stopped => STOPPED_PUSH,
            },
            retry: match row.verdict {
                _ if by_status => "as its HTTP status says".to_owned(),
                Verdict::Retry(again) => retry_rule(again, provider),
                Verdict::Stopped => STOPPED_RETRY.to_owned(),
                Verdict::Succeeded | Verdict::Refused => "never".to_owned(),
            },
            lane: match row.lane {
                LaneEffect::None if is_given_one_more_try(row) => {
                    format!("the second time: {STOPPED_LANE}")
                }
                LaneEffect::None if row.token_alarm().is_some() => {
                    let proof = if row.proves {
                        "; a credential which others refuse is taken"
                    } else {
                        ""
                    };
                    format!(
                        "an error line for the operator if most of its last answers are this; \
                         pushes go on{proof}"
                    )
                }
                LaneEffect::None if row.proves => {
                    "no effect, but that a credential which others refuse is taken".to_owned()
                }
                LaneEffect::None => "no effect".to_owned(),
                LaneEffect::Slow => format!(
                    "a Retry-After holds back its other retries too if another target meets it, \
                     for {} at most, and fresh pushes if most of its last answers were such",
                    minutes(LANE_RETRY_AFTER_MAX.as_secs())
                ),
                LaneEffect::Alarm => "an error line for the operator; pushes go on".to_owned(),
                LaneEffect::Stop => STOPPED_LANE.to_owned(),
            },
            token: match row.token {
                TokenEffect::Keep => "keep it",
                TokenEffect::Suspect => "doubtful: the configuration may be at fault instead",
                TokenEffect::Dead => "drop it, unless the app has registered it again since",
            },
        }
    }

    fn of_exchange(server: &'static oauth::TokenServer, row: &'static oauth::ExchangeRow) -> Self {
        let waits = "its pushes wait while there is no access token";
        let (cure, retry, lane) = match row.class {
            oauth::Class::Passing => (
                "Nothing: it is asked again. If it lasts, look at Google Cloud's status page.",
                "the exchange, after 1 s, doubling up to 60 s",
                waits,
            ),
            oauth::Class::Clock => (
                "Correct this machine's clock; keep it right with NTP.",
                "the exchange, every 60 s and by Google's clock",
                waits,
            ),
            oauth::Class::Stopping => (
                server.cure,
                "the exchange, with the lane's probes, and every 5 min at the least",
                "held as NoAccessToken, with an error line for the operator, until there is one",
            ),
        };
        Self {
            source: server.source,
            reason: row.error,
            status: row.error.parse().ok(),
            when: Some(row.description).filter(|text| !text.is_empty()),
            meaning: row.meaning,
            cause: server.cause,
            cure,
            push: "waits for an access token, until its own time or core.max_age",
            retry: retry.to_owned(),
            lane: lane.to_owned(),
            token: "keep it",
        }
    }

    fn of_ours((meaning, advice): &'static (&'static str, Advice)) -> Self {
        Self {
            source: "Sterna",
            reason: advice.reason,
            status: None,
            when: None,
            meaning,
            cause: advice.cause,
            cure: advice.cure,
            push: "has failed",
            retry: "no more".to_owned(),
            lane: "no effect".to_owned(),
            token: "keep it",
        }
    }

    fn of_hold(of: &'static (&'static str, Advice)) -> Self {
        Self {
            push: "waits in the queue, at no cost",
            retry: "when the lane is held no more".to_owned(),
            lane:
                "held, with an error line for the operator, until there is one; if FCM has refused \
                   them, until a good answer shows that it is mended"
                    .to_owned(),
            ..Self::of_ours(of)
        }
    }

    fn of_connection(of: &'static (&'static str, Advice)) -> Self {
        Self {
            source: "connection",
            push: "is sent again, or awaited",
            retry: "on the next connection with room".to_owned(),
            ..Self::of_ours(of)
        }
    }
}

/// The rows of a provider's answer table with their advice.
fn of_rows(provider: &'static dyn Vendor, rows: &'static [Row]) -> impl Iterator<Item = Explained> {
    rows.iter().filter_map(move |row| {
        let mut advice = provider.advice().iter();
        let advice = advice.find(|it| it.reason == row.reason)?;
        Some(Explained::of_row(provider, row, advice))
    })
}

/// When a push is tried again, and at what cost.
fn retry_rule(again: Again, provider: &dyn Vendor) -> String {
    let longest = minutes(LONGEST_BACKOFF.as_secs());
    let part = |least: u64, first: u64| {
        let least = if least > 0 {
            format!("{least} s and ")
        } else {
            String::new()
        };
        format!("after {least}a random part of {first} s, which doubles up to {longest}")
    };
    let wait = match again.wait {
        Wait::Now => "at once".to_owned(),
        Wait::Backoff => part(provider.least_backoff().as_secs(), FIRST_BACKOFF.as_secs()),
        Wait::Quota => {
            let first = FIRST_BACKOFF_QUOTA.as_secs();
            part(first, first)
        }
    };
    let connection = if again.close_connection {
        ", on another connection"
    } else {
        ""
    };
    let credential = if again.new_credential {
        format!(", with a new {}", provider.renewed())
    } else {
        String::new()
    };
    let cost = if again.counts {
        "counts against retry_max".to_owned()
    } else if again.once {
        "costs nothing".to_owned()
    } else {
        format!("costs nothing {FREE_REFUSALS} times in a row")
    };
    format!("{wait}{connection}{credential}; never before a Retry-After; {cost}")
}

fn minutes(secs: u64) -> String {
    format!("{} min", secs / 60)
}

/// A part of the text, its lines indented below its first.
fn wrapped(name: &str, text: &str) -> String {
    let mut lines = format!("  {name:<6}");
    let mut width = lines.len();
    for word in text.split_whitespace() {
        if width + 1 + word.len() > TEXT_WIDTH {
            lines.push_str("\n        ");
            width = 8;
        }
        lines.push(' ');
        lines.push_str(word);
        width += 1 + word.len();
    }
    lines.push('\n');
    lines
}

/// What a refused credential does to the push that met it, and to its lane.
const STOPPED_PUSH: &str =
    "waits, at no cost; fails by it the third time that others are taken meanwhile";
const STOPPED_RETRY: &str = "after others: soon if they are taken, and again a minute after the \
                             first time; else with the lane's probes";
const STOPPED_LANE: &str = "nothing is sent until it is seen whether others meet it, by what is \
                            in flight or by another push within a second; if they do, or if there \
                            is no other, held, with an error line for the operator, until a push \
                            is taken; but where it is a new credential that is refused, the old \
                            one stays in use, and an error line says so";

fn is_given_one_more_try(row: &Row) -> bool {
    matches!(row.verdict, Verdict::Retry(again) if again.once)
}

/// Columns of the text.
const TEXT_WIDTH: usize = 88;
