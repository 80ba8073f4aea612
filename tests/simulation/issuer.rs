//! What a strict provider knows of the daemon's credentials, and what it says to them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::coverage::Kind;
use crate::ledger::Ledger;
use crate::reply::{
    EXPIRED_ACCESS_TOKEN, EXPIRED_AUTH_TOKEN, INVALID_AUTH_TOKEN, NOT_PERMITTED, Reply,
    TOO_MANY_UPDATES,
};

/// The wall clock at the beginning.
pub(crate) const UNIX: Duration = Duration::from_secs(1_790_000_000);
/// No auth token is older.
const AUTH_TOKEN_LIFE: Duration = Duration::from_secs(3600);
/// Nor comes sooner after the one before.
const AUTH_TOKEN_REST: Duration = Duration::from_secs(20 * 60);

/// What a lane proves itself with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// A client certificate, to APNs.
    Certificate,
    /// Auth tokens, to APNs.
    AuthTokens,
    /// Access tokens, to FCM.
    AccessTokens,
}

/// The key of a daemon's auth tokens.
#[derive(Default)]
struct Key {
    /// `iat` of those that were taken, and when the last one was new.
    taken: Vec<u64>,
    last: Option<Instant>,
}

/// The provider's account of credentials, by a clock that is right.
pub(crate) struct Issuer {
    pub(crate) proof: Proof,
    origin: Instant,
    keys: BTreeMap<String, Key>,
    /// Access tokens, until when they are good, and of which account they are.
    access: BTreeMap<String, (Instant, u64)>,
    /// Keys, certificates or accounts that it does not know yet.
    pub(crate) refused: BTreeSet<u64>,
    /// The key of the route of each number.
    pub(crate) keys_by_route: BTreeMap<u64, u64>,
    /// What the daemon has signed since the last look: the key's name and `iat`.
    pub(crate) signed: Arc<Mutex<Vec<(u64, u64)>>>,
    /// The auth token of each key as the daemon keeps it for its next process, sealed.
    pub(crate) kept: Arc<Mutex<BTreeMap<u64, String>>>,
    /// Auth tokens that a process went on with since the last look.
    pub(crate) resumed: AtomicU64,
    /// When it signed last, by key.
    last_signed: BTreeMap<u64, Instant>,
    /// When the daemon's wall clock was set last.
    pub(crate) clock_set: Option<Instant>,
}

impl Issuer {
    pub(crate) fn new(proof: Proof, origin: Instant) -> Self {
        Self {
            proof,
            origin,
            keys: BTreeMap::new(),
            access: BTreeMap::new(),
            refused: BTreeSet::new(),
            keys_by_route: BTreeMap::new(),
            signed: Arc::default(),
            kept: Arc::default(),
            resumed: AtomicU64::new(0),
            last_signed: BTreeMap::new(),
            clock_set: None,
        }
    }

    pub(crate) fn is_fcm(&self) -> bool {
        self.proof == Proof::AccessTokens
    }

    /// Issues an access token.
    pub(crate) fn issue(&mut self, key: u64, life: Duration, now: Instant) -> String {
        let token = format!("ya29.{}", self.access.len());
        self.access
            .insert(format!("Bearer {token}"), (now + life, key));
        token
    }

    /// Whether it refuses the certificate of a connection that is opened by that route.
    pub(crate) fn refuses_certificate(&self, route: u64) -> bool {
        let key = self.keys_by_route.get(&route);
        self.proof == Proof::Certificate && key.is_some_and(|key| self.refused.contains(key))
    }

    /// What it has to say to a request's `authorization`; an error if the daemon made that up.
    pub(crate) fn judge(
        &mut self,
        authorization: Option<&str>,
        now: Instant,
    ) -> Result<Option<Reply>, &'static str> {
        match (self.proof, authorization) {
            (Proof::Certificate, None) => Ok(None),
            (Proof::Certificate, Some(_)) => Err("a needless credential"),
            (Proof::AuthTokens, Some(text)) => self.judge_auth_token(text, now),
            (Proof::AccessTokens, Some(text)) => match self.access.get(text) {
                None => Err("an access token that was never issued"),
                Some((_, key)) if self.refused.contains(key) => Ok(Some(NOT_PERMITTED)),
                Some((until, _)) => Ok((now >= *until).then_some(EXPIRED_ACCESS_TOKEN)),
            },
            (_, None) => Err("no credential"),
        }
    }

    fn judge_auth_token(
        &mut self,
        text: &str,
        now: Instant,
    ) -> Result<Option<Reply>, &'static str> {
        let parts = text
            .strip_prefix("bearer key")
            .and_then(|rest| rest.split_once('.'));
        let (key, iat) = parts.ok_or("a malformed auth token")?;
        let iat: u64 = iat.parse().map_err(|_| "a malformed auth token")?;
        let issued_at = Duration::from_secs(iat);
        let unix = UNIX + now.duration_since(self.origin);
        if issued_at > unix + Duration::from_secs(300) {
            return Ok(Some(INVALID_AUTH_TOKEN));
        }
        if unix > issued_at + AUTH_TOKEN_LIFE {
            return Ok(Some(EXPIRED_AUTH_TOKEN));
        }
        if key.parse().is_ok_and(|key| self.refused.contains(&key)) {
            return Ok(Some(INVALID_AUTH_TOKEN));
        }
        let key = self.keys.entry(key.to_owned()).or_default();
        if key.taken.contains(&iat) {
            return Ok(None);
        }
        if key.last.is_some_and(|last| now < last + AUTH_TOKEN_REST) {
            return Ok(Some(TOO_MANY_UPDATES));
        }
        key.taken.push(iat);
        key.last = Some(now);
        Ok(None)
    }

    /// Auth tokens that a process went on with since the last call.
    pub(crate) fn take_resumed(&self) -> u64 {
        self.resumed.swap(0, Ordering::Relaxed)
    }

    /// Looks at what the daemon has signed in a round: one auth token in twenty minutes, and one
    /// more for each time that its clock was set.
    pub(crate) fn check_signed(&mut self, now: Instant, ledger: &mut Ledger) {
        let signed = std::mem::take(&mut *self.signed.lock().unwrap());
        for (key, iat) in signed {
            ledger.tell(now, iat, || {
                format!("auth token of key {key} signed: {iat}")
            });
            ledger.coverage.count(Kind::AuthTokenMade);
            if let Some(last) = self.last_signed.insert(key, now) {
                let early = now < last + AUTH_TOKEN_REST;
                let by_clock = self.clock_set.is_some_and(|at| at >= last);
                ledger.coverage.count(if early {
                    Kind::AuthTokenAfterJump
                } else {
                    Kind::AuthTokenRenewed
                });
                if early && !by_clock {
                    ledger.violate(now, "an auth token that nothing asked for");
                }
            }
        }
    }
}
