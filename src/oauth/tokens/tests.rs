use std::net::TcpListener;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};

use super::*;
use crate::oauth::fixture::{PATIENCE, TokenEndpoint};
use crate::oauth::{Assertion, TokenWay};

/// Where no token endpoint is.
const NOWHERE: &str = "http://127.0.0.1:9/token";

/// An account whose assertions are those.
fn account(token_uri: &str, assertion: Assertion) -> Account {
    Account {
        way: TokenWay::Assertion {
            token_uri: token_uri.to_owned(),
            assertion,
        },
        label: LABEL.to_owned(),
        clock: Arc::default(),
    }
}

impl TokenEndpoint {
    fn tokens(&self) -> AccessTokens {
        let account = account(&self.uri, Box::new(|at| Ok(format!("head.{at}.sig-_"))));
        AccessTokens::start(account, ureq::Agent::new_with_defaults()).unwrap()
    }
}

/// What nobody but a test asks.
impl AccessTokens {
    /// The token to send, waited for until the deadline, unless an operator has to act first.
    fn wait(&self, deadline: Instant) -> Result<AccessToken, String> {
        let rung = bell(self);
        loop {
            let state = self.shared.lock();
            let now = Instant::now();
            if let Some(token) = state.refresh.current(now) {
                return Ok(token);
            }
            let trouble = state.refresh.trouble();
            let stopped = trouble.is_some_and(|trouble| trouble.class == Class::Stopping);
            let left = deadline.saturating_duration_since(now);
            if stopped || left.is_zero() {
                let text = trouble.map(|trouble| trouble.text.clone());
                return Err(text.unwrap_or_else(|| "the token endpoint is slow".to_owned()));
            }
            drop(state);
            let _rung_or_over = rung.recv_timeout(left).is_ok();
        }
    }

    /// Why there is no token, or no new one; `None` while all is well.
    fn last_error(&self) -> Option<String> {
        let state = self.shared.lock();
        state.refresh.trouble().map(|trouble| trouble.text.clone())
    }

    /// Whether the last error needs an operator.
    fn is_stopped(&self) -> bool {
        let state = self.shared.lock();
        let trouble = state.refresh.trouble();
        trouble.is_some_and(|trouble| trouble.class == Class::Stopping)
    }
}

fn wait(tokens: &AccessTokens) -> Result<String, String> {
    let token = tokens.wait(Instant::now() + PATIENCE)?;
    Ok(token.authorization().to_owned())
}

/// A bell and what rings when it is rung.
fn bell(tokens: &AccessTokens) -> Receiver<()> {
    let (ring, heard) = channel();
    tokens.on_change(Box::new(move |_| ring.send(()).unwrap_or(())));
    heard
}

/// The time in an assertion of the fixture.
fn issued_at(form: &str) -> u64 {
    form.split('.').nth(1).unwrap().parse().unwrap()
}

fn unix_now() -> u64 {
    Moment::now().unix_secs()
}

#[test]
fn the_form_is_the_one_of_rfc_7523() {
    let endpoint = TokenEndpoint::start();
    endpoint.grant("ya29.abc..");
    let tokens = endpoint.tokens();
    assert_eq!(wait(&tokens).unwrap(), "Bearer ya29.abc..");
    let form = endpoint.form();
    let (start, assertion) = form.split_once("&assertion=").unwrap();
    assert_eq!(
        start,
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer"
    );
    assert_eq!(assertion, format!("head.{}.sig-_", issued_at(&form)));
    assert!(unix_now() - issued_at(&form) < 60);
}

#[test]
fn eight_threads_at_once_cause_one_exchange() {
    let endpoint = TokenEndpoint::start();
    let tokens = endpoint.tokens();
    let form = endpoint.form();
    assert!(tokens.current(Instant::now()).is_none(), "it never blocks");
    let found: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| wait(&tokens))).collect();
        endpoint.grant("one");
        threads.into_iter().map(|it| it.join().unwrap()).collect()
    });
    assert_eq!(found, vec![Ok("Bearer one".to_owned()); 8]);
    assert!(!form.is_empty());
    assert!(endpoint.requests.try_recv().is_err(), "a second exchange");
}

#[test]
fn a_bell_rings_when_a_token_has_come() {
    let endpoint = TokenEndpoint::start();
    let tokens = endpoint.tokens();
    let rung = bell(&tokens);
    endpoint.grant("one");
    rung.recv_timeout(PATIENCE).unwrap();
    assert_eq!(
        tokens.current(Instant::now()).unwrap().authorization(),
        "Bearer one"
    );
    assert_eq!((tokens.last_error(), tokens.is_stopped()), (None, false));
}

#[test]
fn a_refused_token_is_replaced_once_for_all_who_had_it() {
    let endpoint = TokenEndpoint::start();
    endpoint.grant("one");
    let tokens = endpoint.tokens();
    wait(&tokens).unwrap();
    let first = tokens.current(Instant::now()).unwrap();
    let rung = bell(&tokens);
    for _ in 0..100 {
        tokens.refused(&first, 1, Instant::now());
        tokens.refused(&first, 2, Instant::now());
    }
    assert!(tokens.current(Instant::now()).is_none());
    endpoint.grant("two");
    rung.recv_timeout(PATIENCE).unwrap();
    tokens.refused(&first, 1, Instant::now());
    tokens.refused(&first, 2, Instant::now());
    assert_eq!(
        tokens.current(Instant::now()).unwrap().authorization(),
        "Bearer two"
    );
    endpoint.form();
    endpoint.form();
    assert!(endpoint.requests.try_recv().is_err(), "a third exchange");
}

#[test]
fn trouble_that_passes_is_tried_again() {
    let endpoint = TokenEndpoint::start();
    let tokens = endpoint.tokens();
    let rung = bell(&tokens);
    endpoint.answer("503 Unavailable", "", "<html>secret</html>");
    rung.recv_timeout(PATIENCE).unwrap();
    assert_eq!(tokens.last_error().unwrap(), "no access token (status 503)");
    assert!(!tokens.is_stopped());
    endpoint.grant("one");
    assert_eq!(wait(&tokens).unwrap(), "Bearer one");
    assert_eq!(tokens.last_error(), None);
}

#[test]
fn trouble_that_stays_ends_the_wait_at_once() {
    let endpoint = TokenEndpoint::start();
    let tokens = endpoint.tokens();
    endpoint.answer(
        "400 Bad Request",
        "",
        r#"{"error":"invalid_grant","error_description":"Invalid JWT Signature."}"#,
    );
    let error = wait(&tokens).unwrap_err();
    assert!(error.contains("key was deleted or disabled"), "{error}");
    assert!(tokens.is_stopped());
}

#[test]
fn a_wrong_clock_is_corrected_by_the_date_field_once() {
    let endpoint = TokenEndpoint::start();
    let tokens = endpoint.tokens();
    let error = r#"{"error":"invalid_grant","error_description":"Check your iat and exp values"}"#;
    // Half a century from now or more, so that the day of the test does not matter.
    let date = "date: Fri, 01 Jan 2100 00:00:00 GMT\r\n";
    endpoint.answer("400 Bad Request", date, error);
    assert!(issued_at(&endpoint.form()) <= unix_now());
    endpoint.grant("one");
    assert_eq!(wait(&tokens).unwrap(), "Bearer one");
    let corrected = issued_at(&endpoint.form());
    assert!(corrected.abs_diff(4_102_444_800) < 60, "{corrected}");
}

#[test]
fn a_clock_that_cannot_be_corrected_is_trouble() {
    let endpoint = TokenEndpoint::start();
    let tokens = endpoint.tokens();
    let rung = bell(&tokens);
    let error = r#"{"error":"invalid_grant","error_description":"Check your iat and exp values"}"#;
    let date = "date: Fri, 01 Jan 2100 00:00:00 GMT\r\n";
    endpoint.answer("400 Bad Request", date, error);
    endpoint.answer("400 Bad Request", date, error);
    rung.recv_timeout(PATIENCE).unwrap();
    assert!(tokens.last_error().unwrap().contains("clock is wrong"));
    endpoint.form();
    endpoint.form();
    assert!(endpoint.requests.try_recv().is_err(), "a third exchange");
}

#[test]
fn redirects_are_not_followed() {
    let endpoint = TokenEndpoint::start();
    let other = TokenEndpoint::start();
    let tokens = endpoint.tokens();
    endpoint.answer(
        "307 Temporary Redirect",
        &format!("location: {}\r\n", other.uri),
        "",
    );
    assert_eq!(wait(&tokens).unwrap_err(), "no access token (status 307)");
    assert!(
        other.requests.try_recv().is_err(),
        "the assertion went elsewhere"
    );
}

#[test]
fn an_answer_over_the_limit_is_not_read() {
    let endpoint = TokenEndpoint::start();
    let tokens = endpoint.tokens();
    let rung = bell(&tokens);
    endpoint.answer("200 OK", "", &" ".repeat(super::super::ANSWER_BODY_MAX + 1));
    rung.recv_timeout(PATIENCE).unwrap();
    assert!(
        tokens
            .last_error()
            .unwrap()
            .starts_with("the token endpoint: ")
    );
    assert!(!tokens.is_stopped());
}

#[test]
fn an_endpoint_that_is_not_there_is_trouble_that_passes() {
    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let uri = format!("http://{gone}/token");
    let account = account(&uri, Box::new(|_| Ok("a".to_owned())));
    let tokens = AccessTokens::start(account, ureq::Agent::new_with_defaults()).unwrap();
    let rung = bell(&tokens);
    // The first exchange may have ended before the bell was there; the next follows in a second.
    rung.recv_timeout(PATIENCE).unwrap();
    assert!(
        tokens
            .last_error()
            .unwrap()
            .starts_with("the token endpoint: ")
    );
    assert!(!tokens.is_stopped());
    let error = tokens.wait(Instant::now()).unwrap_err();
    assert_eq!(Some(error), tokens.last_error());
}

#[test]
fn an_assertion_that_cannot_be_signed_stops() {
    let account = account(NOWHERE, Box::new(|_| Err("no key".to_owned())));
    let tokens = AccessTokens::start(account, ureq::Agent::new_with_defaults()).unwrap();
    assert_eq!(wait(&tokens).unwrap_err(), "no key");
}

#[test]
fn a_panic_is_trouble_that_passes() {
    let account = account(NOWHERE, Box::new(|_| panic!("as it may be")));
    let tokens = AccessTokens::start(account, ureq::Agent::new_with_defaults()).unwrap();
    bell(&tokens).recv_timeout(PATIENCE).unwrap();
    assert_eq!(tokens.last_error().unwrap(), "a panic in the exchange");
}

/// Has the next step for an account panic, and waits until it has.
fn trip(tokens: &AccessTokens, cause: impl FnOnce()) {
    tokens.shared.trap.store(true, Ordering::Release);
    cause();
    let until = Instant::now() + PATIENCE;
    while tokens.shared.trap.load(Ordering::Acquire) {
        assert!(Instant::now() < until, "no step");
        thread::yield_now();
    }
}

#[test]
fn a_panic_as_one_account_is_looked_at_ends_the_renewal_of_none() {
    let endpoints = [(); 2].map(|()| TokenEndpoint::start());
    endpoints[0].grant("one");
    let tokens = endpoints[0].tokens();
    wait(&tokens).unwrap();
    trip(&tokens, || RENEWALS.look());
    endpoints[1].grant("other");
    assert_eq!(wait(&endpoints[1].tokens()).unwrap(), "Bearer other");
    let first = tokens.current(Instant::now()).unwrap();
    endpoints[0].grant("two");
    tokens.refused(&first, 1, Instant::now());
    tokens.refused(&first, 2, Instant::now());
    assert_eq!(wait(&tokens).unwrap(), "Bearer two");
    assert!(tokens.shared.has_panicked.load(Ordering::Relaxed), "told");
}

#[test]
fn an_account_whose_token_could_not_be_taken_for_a_panic_is_asked_for_again() {
    let endpoint = TokenEndpoint::start();
    let tokens = endpoint.tokens();
    endpoint.form();
    trip(&tokens, || endpoint.grant("one"));
    RENEWALS.look();
    endpoint.form();
    endpoint.grant("two");
    assert_eq!(wait(&tokens).unwrap(), "Bearer two");
}

#[test]
fn the_assertion_is_cut_out_of_the_endpoints_text() {
    let endpoint = TokenEndpoint::start();
    let tokens = endpoint.tokens();
    let assertion = format!("head.{}.sig-_", issued_at(&endpoint.form()));
    let error =
        format!(r#"{{"error":"invalid_request","error_description":"what is {assertion}"}}"#);
    endpoint.answer("400 Bad Request", "", &error);
    let error = wait(&tokens).unwrap_err();
    assert!(error.contains("what is (not shown)"), "{error}");
}

#[test]
fn an_assertion_as_long_as_googles_is_cut_out_too() {
    let endpoint = TokenEndpoint::start();
    let assertion = "eyJ0eXAi".repeat(100);
    let account = account(&endpoint.uri, Box::new(move |_| Ok("eyJ0eXAi".repeat(100))));
    let tokens = AccessTokens::start(account, ureq::Agent::new_with_defaults()).unwrap();
    let error = format!(r#"{{"error":"invalid_request","error_description":"no {assertion}!"}}"#);
    endpoint.answer("400 Bad Request", "", &error);
    let error = wait(&tokens).unwrap_err();
    assert!(error.ends_with("no (not shown)!)"), "{error}");
}

#[test]
fn one_thread_looks_after_all_accounts_and_a_slow_endpoint_keeps_no_other_waiting() {
    let slow = TokenEndpoint::start();
    let waits = slow.tokens();
    slow.form();
    let endpoints = [(); 3].map(|()| TokenEndpoint::start());
    let tokens = endpoints.each_ref().map(TokenEndpoint::tokens);
    for (endpoint, tokens) in endpoints.iter().zip(&tokens) {
        endpoint.grant("one");
        assert_eq!(wait(tokens).unwrap(), "Bearer one");
    }
    let threads = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let names =
            tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
        names.filter(|name| name == "oauth\n").count()
    };
    // One that it starts for an exchange has its name until it takes its own.
    let until = Instant::now() + PATIENCE;
    let mut count = threads();
    while count > 1 && Instant::now() < until {
        thread::yield_now();
        count = threads();
    }
    assert_eq!(count, 1);
    assert!(waits.current(Instant::now()).is_none());
    slow.grant("two");
    assert_eq!(wait(&waits).unwrap(), "Bearer two");
}

#[test]
fn so_many_exchanges_are_under_way_at_a_time_and_those_that_failed_last_come_last() {
    let (tell, begun) = channel();
    let (let_go, held) = crossbeam_channel::unbounded::<()>();
    // Nobody but this test looks after them.
    let accounts: Vec<_> = (0..EXCHANGES_MAX + 4)
        .map(|number| {
            let (tell, held) = (tell.clone(), held.clone());
            let assertion = move |_| {
                tell.send(number).unwrap();
                held.recv().unwrap();
                Err("no key".to_owned())
            };
            let account = account(NOWHERE, Box::new(assertion));
            AccessTokens::of(1, Some((account, ureq::Agent::new_with_defaults())))
        })
        .collect();
    let known: Vec<_> = accounts.iter().map(|it| Arc::clone(&it.shared)).collect();
    let now = Moment::now();
    let later = |seconds| {
        let by = Duration::from_secs(seconds);
        let monotonic = now.monotonic + by;
        Moment { monotonic, ..now }
    };
    // The first two have failed before; the second has waited longer since.
    for (number, seconds) in [(1, 90), (0, 91)] {
        let failure = ExchangeFailure::passing("as it may be".to_owned());
        known[number].take(Err(failure), now.monotonic, now);
        known[number].look(later(seconds));
    }
    let now = later(92);
    let next_one = || begun.recv_timeout(PATIENCE).unwrap();
    let under_way = || known.iter().filter(|it| it.lock().asks).count();
    assert_eq!(look_at(&known, now), LONGEST_REST);
    let mut first: Vec<usize> = (0..EXCHANGES_MAX).map(|_| next_one()).collect();
    first.sort_unstable();
    assert_eq!(first, (2..EXCHANGES_MAX + 2).collect::<Vec<_>>());
    look_at(&known, now);
    assert_eq!(under_way(), EXCHANGES_MAX, "no turn is free");
    for next in [EXCHANGES_MAX + 2, EXCHANGES_MAX + 3, 1, 0] {
        let_go.send(()).unwrap();
        let until = Instant::now() + PATIENCE;
        while under_way() == EXCHANGES_MAX {
            assert!(Instant::now() < until, "none has ended");
            thread::yield_now();
        }
        look_at(&known, now);
        assert_eq!(next_one(), next);
        assert_eq!(under_way(), EXCHANGES_MAX);
    }
}

#[test]
fn dropping_it_lets_go_of_the_account() {
    let endpoint = TokenEndpoint::start();
    endpoint.grant("one");
    let tokens = endpoint.tokens();
    wait(&tokens).unwrap();
    let rung = bell(&tokens);
    let shared = Arc::downgrade(&tokens.shared);
    drop(tokens);
    // The bell lives as long as anybody's share of the state.
    let heard = rung.recv_timeout(PATIENCE);
    assert_eq!(heard, Err(RecvTimeoutError::Disconnected));
    assert_eq!(shared.strong_count(), 0);
}

#[test]
fn debug_output_has_no_token() {
    let endpoint = TokenEndpoint::start();
    endpoint.grant("secret");
    let tokens = endpoint.tokens();
    wait(&tokens).unwrap();
    assert!(!format!("{tokens:?}").contains("secret"));
}
