//! What an answer to a batch means. Pure.

use std::time::Duration;

use serde::Deserialize;

use super::push_batch::PushBatch;
use super::tally::SendTally;
use crate::cli::ExitCode;
use crate::cli::api_client::{ApiAnswer, NoApiAnswer, shown};

/// What is to be done about a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// It is done with.
    Answered(BatchAnswer),
    /// One notification makes the request malformed: the others are sent without it.
    Without {
        /// Where it is.
        pointer: String,
        /// What is wrong with it, less what stands there.
        reason: String,
        /// All that is said of it.
        why: String,
    },
    /// It is larger than a request may be.
    TooLarge {
        /// Why.
        why: String,
    },
    /// Nothing of it was taken, and it is to be sent again after that.
    Later {
        /// For how long to wait.
        after: Duration,
        /// Why.
        why: String,
        /// Nor was it taken by a request before it under the same key.
        is_new: bool,
    },
    /// Nobody knows whether it was taken: the same request tells.
    Unknown {
        /// What happened.
        why: String,
        /// Nothing of it can have been taken.
        is_unsent: bool,
    },
    /// No batch will be taken.
    Refused {
        /// Why, and what to do.
        why: String,
        /// How the process ends.
        code: ExitCode,
        /// Nothing of it was taken.
        is_untaken: bool,
    },
}

/// What a daemon says of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct BatchAnswer {
    /// What became of its parts.
    pub(super) tally: SendTally,
    /// Parts that were rejected, as far as they are listed: their lines, and why.
    pub(super) rejected: Vec<(Vec<u64>, String)>,
    /// The ids of its pushes: the first of some that follow each other, and how many.
    pub(super) ids: Vec<(u64, u64)>,
    /// Pointers to what had no effect.
    pub(super) ignored: Vec<String>,
}

/// The body of an answer to `POST /push`.
#[derive(Deserialize)]
struct AnswerBody {
    message: String,
    error: Option<String>,
    accepted: Option<Vec<AcceptedPart>>,
    #[serde(default)]
    rejected: Vec<RefusedPart>,
    #[serde(default)]
    rejected_omitted: u64,
    #[serde(default)]
    ignored: Vec<String>,
}

#[derive(Deserialize)]
struct AcceptedPart {
    first_id: u64,
    count: u64,
}

#[derive(Deserialize)]
struct RefusedPart {
    pointer: String,
    error: String,
}

/// Judges what came of a request.
pub(super) fn judge(came: Result<ApiAnswer, NoApiAnswer>, batch: &PushBatch) -> Judgement {
    let answer = match came {
        Ok(answer) => answer,
        Err(NoApiAnswer { text, is_unsent }) => {
            return Judgement::Unknown {
                why: text,
                is_unsent,
            };
        }
    };
    let body: Option<AnswerBody> = serde_json::from_slice(&answer.body).ok();
    let refused = |code, advice: &str| Judgement::Refused {
        why: format!("{}: {}{advice}", answer.status, answer.message()),
        code,
        is_untaken: answer.status >= 400,
    };
    match (answer.status, body) {
        (200 | 400, Some(body)) if body.accepted.is_some() => {
            Judgement::Answered(BatchAnswer::of(body, batch))
        }
        (400, Some(body)) => match pointed_out(&body) {
            Some(without) => without,
            None => refused(
                ExitCode::Data,
                "; --batch sets how many notifications a request has",
            ),
        },
        (401 | 403, _) => refused(
            ExitCode::NoPermission,
            "; --api-key-path names a file whose first key has the right push",
        ),
        (413, Some(body)) => Judgement::TooLarge {
            why: shown(&body.message),
        },
        // What stands in front of a daemon may have lost its answer; it has another message, if
        // any, and does not say when to come again.
        (409 | 429 | 503, Some(body)) if answer.status == 409 || answer.retry_after.is_some() => {
            Judgement::Later {
                after: answer.retry_after.unwrap_or(LATER).clamp(LATER, LATER_MAX),
                why: format!("{}: {}", answer.status, shown(&body.message)),
                is_new: body.message.contains(QUEUE_IS_FULL),
            }
        }
        (408 | 409 | 413 | 429 | 500.., _) => Judgement::Unknown {
            why: format!("{}: {}", answer.status, answer.message()),
            is_unsent: false,
        },
        (200, _) => refused(
            ExitCode::Unavailable,
            "; what answers there is no Sterna; --url names another place",
        ),
        (404, _) => refused(ExitCode::Unavailable, "; is that a Sterna's API?"),
        _ => refused(ExitCode::Unavailable, ""),
    }
}

/// The notification that makes a body malformed, and why, if the answer says which it is.
fn pointed_out(body: &AnswerBody) -> Option<Judgement> {
    let error = body.error.as_deref()?;
    let (pointer, why) = error.split_once(": ")?;
    let mut steps = pointer.strip_prefix("/notifications/")?.split('/');
    let _number: usize = steps.next()?.parse().ok()?;
    let field = steps.next().unwrap_or("notification");
    let ends = [", and there is", ", at line", "; "].iter();
    let end = ends.filter_map(|end| why.find(end)).min();
    let expected = why.get(..end.unwrap_or(why.len())).unwrap_or_default();
    Some(Judgement::Without {
        pointer: pointer.to_owned(),
        reason: shown(&format!("{field}: {expected}")),
        why: format!("{}: {field}: {}", body.message, shown(why)),
    })
}

impl BatchAnswer {
    fn of(body: AnswerBody, batch: &PushBatch) -> Self {
        let mut answer = Self {
            ignored: body.ignored,
            ..Self::default()
        };
        for part in body.accepted.unwrap_or_default() {
            answer.tally.accepted += part.count;
            answer.ids.push((part.first_id, part.count));
        }
        for part in body.rejected {
            let lines = batch.lines_of(&part.pointer).to_vec();
            let why = shown(&part.error);
            answer.tally.reject(&why, lines.len().max(1) as u64);
            answer.rejected.push((lines, why));
        }
        if body.rejected_omitted > 0 {
            answer.tally.reject(UNLISTED, body.rejected_omitted);
        }
        answer
    }
}

/// What is said of parts that an answer counts and does not list.
const UNLISTED: &str = "beyond what an answer lists";

/// What a daemon says that has looked the key up, and not found it.
const QUEUE_IS_FULL: &str = " queue is full: ";

/// How long to wait where a daemon does not say, and at least.
const LATER: Duration = Duration::from_secs(1);

/// Our limit: how long a daemon may ask to wait at once.
pub(super) const LATER_MAX: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::super::template::FilledTemplate;
    use super::*;

    /// Two device tokens of lines 2 and 3 in one notification, and another one of line 4.
    fn batch() -> PushBatch {
        let mut batch = PushBatch::default();
        for (line, rest, at, token) in [
            (2, r#"{"token":}"#, Some(9), r#""a""#),
            (3, r#"{"token":}"#, Some(9), r#""b""#),
            (4, r#"{"token":["c","d"]}"#, None, ""),
        ] {
            let filled = FilledTemplate {
                rest: rest.as_bytes().to_vec(),
                at,
                device_token: token.as_bytes().to_vec(),
            };
            batch.add(&filled, line);
        }
        batch
    }

    fn judged(status: u16, body: &str) -> Judgement {
        let answer = ApiAnswer {
            status,
            retry_after: (status == 503).then_some(Duration::from_secs(7)),
            body: body.as_bytes().to_vec(),
        };
        judge(Ok(answer), &batch())
    }

    #[test]
    fn a_batch_is_one_body_and_its_pointers_are_lines() {
        let batch = batch();
        assert_eq!(
            str::from_utf8(&batch.body()).unwrap(),
            r#"{"notifications":[{"token":["a","b"]},{"token":["c","d"]}]}"#
        );
        for (pointer, lines) in [
            ("/notifications/0", &[2, 3][..]),
            ("/notifications/0/token/1", &[3]),
            ("/notifications/0/ttl", &[2, 3]),
            ("/notifications/1/token/1", &[4]),
            ("/notifications/2", &[]),
            ("/strict", &[]),
        ] {
            assert_eq!(batch.lines_of(pointer), lines, "{pointer}");
        }
        assert_eq!((batch.items(), batch.span()), (3, (2, 4)));
    }

    #[test]
    fn halves_have_each_item_once() {
        let (first, second) = batch().halves().unwrap();
        let bodies = [&first, &second].map(|half| String::from_utf8(half.body()).unwrap());
        assert_eq!(
            bodies,
            [
                r#"{"notifications":[{"token":["a","b"]}]}"#,
                r#"{"notifications":[{"token":["c","d"]}]}"#,
            ]
        );
        assert_eq!((second.items(), second.span()), (1, (4, 4)));
        assert!(second.halves().is_none());
        let (one, other) = first.halves().unwrap();
        let bodies = [&one, &other].map(|half| String::from_utf8(half.body()).unwrap());
        assert_eq!(
            bodies,
            [
                r#"{"notifications":[{"token":["a"]}]}"#,
                r#"{"notifications":[{"token":["b"]}]}"#,
            ]
        );
        assert_eq!(other.lines_of("/notifications/0/token/0"), [3]);
        assert!(one.halves().is_none() && other.halves().is_none());
    }

    #[test]
    fn what_was_taken_and_what_was_not_is_told_by_line() {
        let body = r#"{"message":"ok","accepted":[{"index":0,"first_id":7,"count":1}],
            "rejected":[{"pointer":"/notifications/0/token/1","error":"bad"},
                        {"pointer":"/notifications/1","error":"empty message"}],
            "rejected_omitted":2,"ignored":["/notifications/0/sonud"]}"#;
        let Judgement::Answered(answer) = judged(200, body) else {
            panic!("{:?}", judged(200, body));
        };
        assert_eq!((answer.tally.accepted, answer.tally.rejected), (1, 4));
        let lines: Vec<_> = answer.rejected.iter().map(|(lines, _)| &**lines).collect();
        assert_eq!(lines, [&[3][..], &[4]]);
        assert_eq!(answer.ids, [(7, 1)]);
        assert_eq!(answer.ignored, ["/notifications/0/sonud"]);
        // Of one in which nothing is fine the same.
        let body = body.replace(r#"{"index":0,"first_id":7,"count":1}"#, "");
        assert!(matches!(judged(400, &body), Judgement::Answered(_)));
    }

    #[test]
    fn one_notification_that_is_malformed_is_told_from_the_others() {
        let body = r#"{"message":"Request-body is malformed","error":"/notifications/1/badge: an integer was expected, and there is the string \"Ann\", at line 1 column 37; PHP"}"#;
        assert_eq!(
            judged(400, body),
            Judgement::Without {
                pointer: "/notifications/1/badge".to_owned(),
                reason: "badge: an integer was expected".to_owned(),
                why: "Request-body is malformed: badge: an integer was expected, and there is the \
                      string \"Ann\", at line 1 column 37; PHP"
                    .to_owned(),
            }
        );
        let mut batch = batch();
        assert_eq!(batch.take_out("/notifications/1/badge"), [4]);
        assert_eq!(batch.items(), 2);
        assert_eq!(
            str::from_utf8(&batch.body()).unwrap(),
            r#"{"notifications":[{"token":["a","b"]}]}"#
        );
        assert_eq!(batch.take_out("/notifications/0"), [2, 3]);
        assert!(batch.is_empty());
    }

    #[test]
    fn what_passes_is_told_from_what_does_not() {
        let message = r#"{"message":"m"}"#;
        let later = Judgement::Later {
            after: Duration::from_secs(7),
            why: "503: m".to_owned(),
            is_new: false,
        };
        assert_eq!(judged(503, message), later);
        let full = judged(
            503,
            r#"{"message":"ios queue is full: 5 pushes do not fit"}"#,
        );
        assert!(matches!(full, Judgement::Later { is_new: true, .. }));
        // Of something in front of it.
        let unknown = judged(503, "upstream connect error");
        assert!(matches!(unknown, Judgement::Unknown { .. }));
        let large = Judgement::TooLarge {
            why: "m".to_owned(),
        };
        assert_eq!(judged(413, message), large);
        for status in [408, 500, 502, 504] {
            let unknown = matches!(
                judged(status, message),
                Judgement::Unknown {
                    is_unsent: false,
                    ..
                }
            );
            assert!(unknown, "{status}");
        }
        for (status, body, expected) in [
            (400, message, ExitCode::Data),
            (401, message, ExitCode::NoPermission),
            (403, message, ExitCode::NoPermission),
            (404, "no", ExitCode::Unavailable),
            (200, "<html>", ExitCode::Unavailable),
            (405, "", ExitCode::Unavailable),
        ] {
            let judged = judged(status, body);
            let Judgement::Refused {
                code, is_untaken, ..
            } = judged
            else {
                panic!("{status}: {judged:?}");
            };
            // A 200 of another kind may have been taken.
            assert_eq!((code, is_untaken), (expected, status >= 400));
        }
    }
}
