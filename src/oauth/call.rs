//! One request on the way to an access token, and its answer.

use std::time::Duration;

use serde_json::Value;
use ureq::typestate::{WithBody, WithoutBody};
use ureq::{Agent, Body, RequestBuilder};

use super::answer::{self, ANSWER_BODY_MAX, Class, ExchangeFailure};
use crate::moment::server_clock::{self, ServerClock};
use crate::moment::{Moment, http_date};
use crate::pasted;

/// How long one request to a server on the way may take: for the connector of the agent.
pub const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(10);

/// The media type of a form.
pub(super) const FORM_TYPE: &str = "application/x-www-form-urlencoded";

/// Who is asked.
pub(super) struct ServerCall<'a> {
    /// What messages call them.
    pub(super) whom: &'a str,
    /// What the request goes through.
    pub(super) agent: &'a Agent,
}

/// What came back.
pub(super) struct Heard {
    /// HTTP status.
    pub(super) status: u16,
    /// The content, less the secrets that were sent.
    pub(super) body: String,
    /// The time by the server, in seconds since the Unix epoch.
    pub(super) date: Option<u64>,
    /// When it came.
    pub(super) at: Moment,
    /// Whether the answer says that it is of Google's metadata server.
    pub(super) is_of_metadata_server: bool,
    retry_after: Option<Duration>,
}

impl ServerCall<'_> {
    /// Posts a text of that media type; `secrets` are what of the request no message may repeat.
    pub(super) fn post(
        &self,
        url: &str,
        authorization: Option<&str>,
        (media_type, text): (&str, &str),
        secrets: &[&str],
    ) -> Result<Heard, ExchangeFailure> {
        let request: RequestBuilder<WithBody> = self.agent.post(url);
        let request = authorization.into_iter().fold(request, |request, value| {
            request.header("authorization", value)
        });
        let sent = request
            .config()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .build()
            .content_type(media_type)
            .send(text);
        self.hear(sent, secrets)
    }

    /// Asks for a text. What comes may be a token: no message repeats it.
    pub(super) fn get(
        &self,
        url: &str,
        fields: &[(String, String)],
    ) -> Result<Heard, ExchangeFailure> {
        let request: RequestBuilder<WithoutBody> = self.agent.get(url);
        let request = fields.iter().fold(request, |request, (name, value)| {
            request.header(name, value)
        });
        let sent = request
            .config()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .build()
            .call();
        self.hear(sent, &[])
    }

    fn hear(
        &self,
        sent: Result<http::Response<Body>, ureq::Error>,
        secrets: &[&str],
    ) -> Result<Heard, ExchangeFailure> {
        let unreachable = |error| ExchangeFailure::passing(self.why_no_answer(&error));
        let mut response = sent.map_err(unreachable)?;
        let at = Moment::now();
        let field = |name| {
            let value = response.headers().get(name)?;
            value.to_str().ok().map(str::to_owned)
        };
        let retry_after = field("retry-after").and_then(|text| text.trim().parse().ok());
        let date = field("date").and_then(|text| http_date(&text));
        let flavor = field("metadata-flavor");
        let status = response.status().as_u16();
        let body = response
            .body_mut()
            .with_config()
            .limit(ANSWER_BODY_MAX as u64)
            .read_to_vec()
            .map_err(unreachable)?;
        Ok(Heard {
            status,
            body: without(&body, secrets),
            date,
            at,
            is_of_metadata_server: flavor.is_some_and(|it| it.eq_ignore_ascii_case("google")),
            retry_after: retry_after.map(Duration::from_secs),
        })
    }

    /// Why there is no answer, for the operator: the words of the network, not those of the
    /// library.
    fn why_no_answer(&self, error: &ureq::Error) -> String {
        let whom = self.whom;
        match error {
            ureq::Error::Timeout(_) => {
                let secs = EXCHANGE_TIMEOUT.as_secs();
                format!("{whom}: no answer within {secs} s")
            }
            ureq::Error::Io(error) => format!("{whom}: {error}"),
            error => format!("{whom}: {error}"),
        }
    }
}

/// An answer without the secrets that were sent: in JSON they may be spelled in other ways.
fn without(body: &[u8], secrets: &[&str]) -> String {
    if secrets.is_empty() {
        return pasted::without(body, secrets).into_owned();
    }
    let mut json: Option<Value> = serde_json::from_slice(body).ok();
    if let Some(json) = &mut json {
        hide(json, secrets);
    }
    let read = json.map(|json| json.to_string());
    let body = read.as_deref().map_or(body, str::as_bytes);
    pasted::without(body, secrets).into_owned()
}

/// Takes secrets out of all texts of a value; of names none is quoted.
fn hide(value: &mut Value, secrets: &[&str]) {
    match value {
        Value::String(text) => *text = pasted::without(text.as_bytes(), secrets).into_owned(),
        Value::Array(values) => values.iter_mut().for_each(|value| hide(value, secrets)),
        Value::Object(fields) => fields.values_mut().for_each(|value| hide(value, secrets)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

impl Heard {
    /// A failure with all that the answer's head says of it; `clock` takes note of the time.
    pub(super) fn told(&self, failure: ExchangeFailure, clock: &ServerClock) -> ExchangeFailure {
        self.note_time(clock);
        let now = self.at.unix_secs();
        let apart = self
            .date
            .and_then(|theirs| server_clock::apart(theirs, now));
        ExchangeFailure {
            retry_after: self.retry_after,
            skew: answer::skew(now, self.date),
            text: match apart.filter(|_| failure.class != Class::Passing) {
                Some(apart) => format!("{}; {apart}", failure.text),
                None => failure.text,
            },
            class: failure.class,
        }
    }

    /// Tells a clock the time by the server.
    pub(super) fn note_time(&self, clock: &ServerClock) {
        if let Some(theirs) = self.date {
            clock.note(theirs, self.at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_answer_repeats_a_secret_however_json_spells_it() {
        let secret = "c2VjcmV0LXRva2Vu=";
        let body = r#"{"error":{"message":["bad c2VjcmV0LXRva2Vu\u003d"],"code":400}}"#;
        let heard = without(body.as_bytes(), &[secret]);
        let expected = r#"{"error":{"code":400,"message":["bad (not shown)"]}}"#;
        assert_eq!(heard, expected);
        let heard = without(format!("<p>{secret}</p>").as_bytes(), &[secret]);
        assert_eq!(heard, "<p>(not shown)</p>");
    }

    #[test]
    fn a_server_that_does_not_answer_is_told_in_words_for_an_operator() {
        let call = ServerCall {
            whom: "the token endpoint",
            agent: &Agent::new_with_defaults(),
        };
        let silent = ureq::Error::Timeout(ureq::Timeout::Global);
        assert_eq!(
            call.why_no_answer(&silent),
            "the token endpoint: no answer within 10 s"
        );
        let refused = ureq::Error::Io(std::io::Error::other("a.example:443: refused"));
        assert_eq!(
            call.why_no_answer(&refused),
            "the token endpoint: a.example:443: refused"
        );
    }
}
