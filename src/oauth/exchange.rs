//! Asking for an access token once, on the way that a credential has to one.

use super::answer::{self, Class, ExchangeFailure, Grant, TOKEN_ENDPOINT};
use super::call::{FORM_TYPE, ServerCall};
use super::{AccessToken, Account, Assertion, TokenWay, federation};
use crate::moment::Moment;
use crate::moment::server_clock::ServerClock;

/// Requests of one exchange at most.
pub(super) const REQUESTS_MAX: u32 = 3;

/// RFC 7523 §2.1, ready for a form. Assertions need no escape: base64url and full stops.
const FORM: &str = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";

/// Asks for an access token.
pub(super) fn exchange(account: &Account, agent: &ureq::Agent) -> Result<Grant, ExchangeFailure> {
    let Account { label, clock, .. } = account;
    match &account.way {
        TokenWay::Assertion {
            token_uri,
            assertion,
        } => by_assertion((token_uri, assertion), account, agent),
        TokenWay::Federation(external) => federation::exchange(external, clock, agent),
        TokenWay::Metadata(server) => server.ask(label, clock, agent),
    }
}

/// Asks for an access token once, and waits for it: for a look at the credentials.
///
/// # Errors
///
/// What the server said, for the operator; without secrets.
pub fn exchange_once(account: &Account, agent: &ureq::Agent) -> Result<AccessToken, String> {
    let grant = exchange(account, agent).map_err(|failure| failure.text)?;
    Ok(AccessToken {
        authorization: format!("Bearer {}", grant.token).into(),
        number: 0,
    })
}

/// Sends an assertion; if it turns out that our clock is wrong, once more by the endpoint's.
fn by_assertion(
    of: (&str, &Assertion),
    Account { label, clock, .. }: &Account,
    agent: &ureq::Agent,
) -> Result<Grant, ExchangeFailure> {
    let asked = Moment::now();
    let result = post(of, clock, agent, asked.unix_secs());
    let skew = match &result {
        Err(failure) if failure.class != Class::Passing => failure.skew,
        _ => None,
    };
    let Some(skew) = skew else {
        return result;
    };
    if let Some(text) = clock.apart(Moment::now()) {
        ::log::warn!("{label}: {text}. Asking again by theirs");
    }
    post(
        of,
        clock,
        agent,
        asked.unix_secs().saturating_add_signed(skew),
    )
}

/// Sends one request, with an assertion of that time.
fn post(
    (token_uri, assertion): (&str, &Assertion),
    clock: &ServerClock,
    agent: &ureq::Agent,
    issued_at: u64,
) -> Result<Grant, ExchangeFailure> {
    let assertion = assertion(issued_at).map_err(ExchangeFailure::stopping)?;
    let call = ServerCall {
        whom: TOKEN_ENDPOINT.name,
        agent,
    };
    let form = format!("{FORM}{assertion}");
    let heard = call.post(token_uri, None, (FORM_TYPE, &form), &[&assertion])?;
    heard.note_time(clock);
    answer::judge(&TOKEN_ENDPOINT, heard.status, heard.body.as_bytes())
        .map_err(|failure| heard.told(failure, clock))
}
