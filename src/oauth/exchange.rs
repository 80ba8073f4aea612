//! One exchange of an assertion for an access token, over HTTP.

use std::time::Duration;

use super::answer::{self, ANSWER_BODY_MAX, Class, ExchangeFailure, Grant};
use super::{AccessToken, Account};
use crate::moment::{Moment, http_date, server_clock};
use crate::pasted;

/// How long one request to the token endpoint may take: for the connector of the agent.
pub const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(10);

/// RFC 7523 §2.1, ready for a form. Assertions need no escape: base64url and full stops.
const FORM: &str = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";

/// Asks for an access token; if it turns out that our clock is wrong, once more by the endpoint's.
pub(super) fn exchange(account: &Account, agent: &ureq::Agent) -> Result<Grant, ExchangeFailure> {
    let asked = Moment::now();
    let result = post(account, agent, asked.unix_secs());
    let skew = match &result {
        Err(failure) if failure.class != Class::Passing => failure.skew,
        _ => None,
    };
    let Some(skew) = skew else {
        return result;
    };
    if let Some(text) = account.clock.apart(Moment::now()) {
        ::log::warn!("oauth: {text}. Asking again by theirs");
    }
    post(
        account,
        agent,
        asked.unix_secs().saturating_add_signed(skew),
    )
}

/// Asks for an access token once, and waits for it: for a look at the credentials.
///
/// # Errors
///
/// What the endpoint said, for the operator; without secrets.
pub fn exchange_once(account: &Account, agent: &ureq::Agent) -> Result<AccessToken, String> {
    let grant = exchange(account, agent).map_err(|failure| failure.text)?;
    Ok(AccessToken {
        authorization: format!("Bearer {}", grant.token).into(),
        number: 0,
    })
}

/// Sends one request, with an assertion of that time.
fn post(account: &Account, agent: &ureq::Agent, issued_at: u64) -> Result<Grant, ExchangeFailure> {
    let assertion = (account.assertion)(issued_at).map_err(|text| ExchangeFailure {
        class: Class::Stopping,
        ..ExchangeFailure::passing(text)
    })?;
    let unreachable = |error| ExchangeFailure::passing(why_no_answer(&error));
    let mut response = agent
        .post(&account.token_uri)
        .config()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .build()
        .content_type("application/x-www-form-urlencoded")
        .send(format!("{FORM}{assertion}"))
        .map_err(unreachable)?;
    let now = Moment::now();
    let status = response.status().as_u16();
    let field = |name| {
        let value = response.headers().get(name)?;
        value.to_str().ok().map(str::to_owned)
    };
    let retry_after = field("retry-after").and_then(|text| text.trim().parse().ok());
    let theirs = field("date").and_then(|text| http_date(&text));
    let body = response
        .body_mut()
        .with_config()
        .limit(ANSWER_BODY_MAX as u64)
        .read_to_vec()
        .map_err(unreachable)?;
    let body = pasted::without(&body, &[&assertion]);
    if let Some(theirs) = theirs {
        account.clock.note(theirs, now);
    }
    let apart = theirs.and_then(|theirs| server_clock::apart(theirs, now.unix_secs()));
    answer::judge(status, body.as_bytes()).map_err(|failure| ExchangeFailure {
        retry_after: retry_after.map(Duration::from_secs),
        skew: answer::skew(now.unix_secs(), theirs),
        text: match apart.filter(|_| failure.class != Class::Passing) {
            Some(apart) => format!("{}; {apart}", failure.text),
            None => failure.text,
        },
        class: failure.class,
    })
}

/// Why there is no answer, for the operator: the words of the network, not those of the library.
fn why_no_answer(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => {
            let secs = EXCHANGE_TIMEOUT.as_secs();
            format!("the token endpoint: no answer within {secs} s")
        }
        ureq::Error::Io(error) => format!("the token endpoint: {error}"),
        error => format!("the token endpoint: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_that_does_not_answer_is_told_in_words_for_an_operator() {
        let silent = ureq::Error::Timeout(ureq::Timeout::Global);
        assert_eq!(
            why_no_answer(&silent),
            "the token endpoint: no answer within 10 s"
        );
        let refused = ureq::Error::Io(std::io::Error::other("a.example:443: refused"));
        assert_eq!(
            why_no_answer(&refused),
            "the token endpoint: a.example:443: refused"
        );
    }
}
