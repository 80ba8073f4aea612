//! Apple's rules for auth tokens (JWT): whose they are, how old, how often replaced.
//!
//! No clock: time is an argument, in seconds since the epoch. A signature is verified once per
//! distinct token; a connection that repeats its token pays a comparison.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;

use super::reason::Reason;

/// An auth token is too old after an hour.
pub(super) const MAX_AGE_SECS: u64 = 3_600;
/// A key's tokens may be replaced every 20 minutes at most.
pub(super) const MIN_USE_SECS: u64 = 1_200;
/// Our limit: how far `iat` may lie ahead of our clock.
const MAX_AHEAD_SECS: u64 = 60;
/// Our limit: verified tokens remembered. A well-behaved client has one per hour and key.
pub(super) const MAX_VERIFIED: usize = 64;

/// A signing key of a team.
pub(in crate::simulator) struct TeamKey {
    pub(in crate::simulator) id: String,
    pub(in crate::simulator) public: DecodingKey,
    /// The bundle IDs that it is for; of all of the team if there are none.
    pub(in crate::simulator) topics: Vec<String>,
}

impl TeamKey {
    /// Whether it is for a topic, whatever a push type adds to that. What is no topic is judged
    /// elsewhere.
    fn is_for(&self, topic: Option<&[u8]>) -> bool {
        let Some(topic) = topic.filter(|_| !self.topics.is_empty()) else {
            return true;
        };
        let begins = |known: &String| topic.starts_with(known.as_bytes());
        self.topics.iter().any(begins)
    }
}

/// The signing keys of a team and how their tokens have been used.
pub(in crate::simulator) struct AuthTokens {
    team_id: String,
    keys: Vec<TeamKey>,
    validation: Validation,
    book: Mutex<Book>,
    /// Moves on whenever a key's current token changes, so that connections look again.
    generation: AtomicU64,
}

#[derive(Default)]
struct Book {
    /// Tokens whose signature is good: which key, and `iat`.
    verified: HashMap<Box<[u8]>, (usize, u64)>,
    /// The tokens in use, by key.
    usage: HashMap<usize, Usage>,
    /// The keys that are no longer taken.
    revoked: HashSet<usize>,
}

/// The claims in use with one key. Tokens of equal claims count as one.
#[derive(Clone, Copy)]
struct Usage {
    iat: u64,
    first_used: u64,
    previous: Option<u64>,
}

/// What one connection has shown so far.
#[derive(Debug, Default)]
pub(super) struct Shown {
    token: Vec<u8>,
    iat: u64,
    generation: u64,
    /// The key of the first push binds the connection.
    key: Option<usize>,
    /// The newest `iat` that this connection has used.
    newest: u64,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    iat: u64,
}

impl AuthTokens {
    /// The rules for a team's keys.
    pub(in crate::simulator) fn new(team_id: String, keys: Vec<TeamKey>) -> Self {
        let mut validation = Validation::new(Algorithm::ES256);
        validation.required_spec_claims.clear();
        // Age is judged below, by the clock that we are handed.
        validation.validate_exp = false;
        validation.validate_aud = false;
        Self {
            team_id,
            keys,
            validation,
            book: Mutex::default(),
            generation: AtomicU64::new(1),
        }
    }

    /// The tokens in use are called too old: as with ones that really are, the next may follow at
    /// once.
    pub(super) fn age(&self) {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        book.usage.clear();
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// A key is taken no more.
    pub(in crate::simulator) fn revoke(&self, id: &str) {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        book.revoked
            .extend(self.keys.iter().position(|key| key.id == id));
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Judges the auth token of one request for that topic.
    pub(super) fn check(
        &self,
        shown: &mut Shown,
        token: Option<&[u8]>,
        topic: Option<&[u8]>,
        now: u64,
    ) -> Result<(), Reason> {
        let token = token.ok_or(Reason::MISSING_PROVIDER_TOKEN)?;
        let is_for = |key: Option<usize>| {
            let key = key.and_then(|key| self.keys.get(key));
            key.is_none_or(|key| key.is_for(topic))
        };
        if shown.generation == self.generation.load(Ordering::Acquire) && shown.token == token {
            if !is_for(shown.key) {
                return Err(Reason::INVALID_PROVIDER_TOKEN);
            }
            return check_age(shown.iat, now);
        }
        let (key, iat) = self.verify(token)?;
        if !is_for(Some(key)) {
            return Err(Reason::INVALID_PROVIDER_TOKEN);
        }
        check_age(iat, now)?;
        if *shown.key.get_or_insert(key) != key {
            return Err(Reason::UNRELATED_KEY);
        }
        self.use_claims(key, iat, shown.newest, now)?;
        shown.newest = shown.newest.max(iat);
        shown.generation = self.generation.load(Ordering::Acquire);
        shown.iat = iat;
        shown.token.clear();
        shown.token.extend_from_slice(token);
        Ok(())
    }

    /// The key and `iat` of a token that is well formed and rightly signed.
    fn verify(&self, token: &[u8]) -> Result<(usize, u64), Reason> {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        let invalid = Reason::INVALID_PROVIDER_TOKEN;
        if let Some(known) = book.verified.get(token) {
            let is_revoked = book.revoked.contains(&known.0);
            return if is_revoked { Err(invalid) } else { Ok(*known) };
        }
        let kid = jsonwebtoken::decode_header(token)
            .ok()
            .and_then(|header| header.kid);
        let kid = kid.ok_or(invalid)?;
        let key = self
            .keys
            .iter()
            .position(|key| key.id == kid)
            .ok_or(invalid)?;
        let public = &self.keys.get(key).ok_or(invalid)?.public;
        let claims = jsonwebtoken::decode::<Claims>(token, public, &self.validation)
            .map_err(|_| invalid)?
            .claims;
        if claims.iss != self.team_id || book.revoked.contains(&key) {
            return Err(invalid);
        }
        if book.verified.len() >= MAX_VERIFIED {
            book.verified.clear();
        }
        book.verified.insert(token.into(), (key, claims.iat));
        Ok((key, claims.iat))
    }

    /// The 20-minute rule. A connection that has not yet seen the newest token may finish with the
    /// one before; returning to it, or bringing a third one early, is an update too many.
    fn use_claims(&self, key: usize, iat: u64, newest_here: u64, now: u64) -> Result<(), Reason> {
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(usage) = book.usage.get_mut(&key) else {
            book.usage.insert(
                key,
                Usage {
                    iat,
                    first_used: now,
                    previous: None,
                },
            );
            return Ok(());
        };
        if usage.iat == iat || (usage.previous == Some(iat) && newest_here <= iat) {
            return Ok(());
        }
        if now.saturating_sub(usage.first_used) < MIN_USE_SECS {
            return Err(Reason::TOO_MANY_PROVIDER_TOKEN_UPDATES);
        }
        *usage = Usage {
            iat,
            first_used: now,
            previous: Some(usage.iat),
        };
        self.generation.fetch_add(1, Ordering::Release);
        Ok(())
    }
}

fn check_age(iat: u64, now: u64) -> Result<(), Reason> {
    if iat > now.saturating_add(MAX_AHEAD_SECS) {
        Err(Reason::INVALID_PROVIDER_TOKEN)
    } else if now.saturating_sub(iat) > MAX_AGE_SECS {
        Err(Reason::EXPIRED_PROVIDER_TOKEN)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
    use rcgen::KeyPair;

    use super::{AuthTokens, MAX_VERIFIED, Reason, Shown, TeamKey};

    const NOW: u64 = 1_790_000_000;

    struct Team {
        keys: Vec<KeyPair>,
        tokens: AuthTokens,
    }

    impl Team {
        fn new() -> Self {
            let keys: Vec<_> = (0..2).map(|_| KeyPair::generate().unwrap()).collect();
            let public = |(index, key): (usize, &KeyPair)| {
                let public = DecodingKey::from_ec_pem(key.public_key_pem().as_bytes()).unwrap();
                TeamKey {
                    id: format!("KEY{index}"),
                    public,
                    topics: Vec::new(),
                }
            };
            let tokens = AuthTokens::new(
                "TEAM".to_owned(),
                keys.iter().enumerate().map(public).collect(),
            );
            Self { keys, tokens }
        }

        fn sign(&self, key: usize, kid: &str, claims: &str) -> Vec<u8> {
            let mut header = Header::new(Algorithm::ES256);
            header.kid = Some(kid.to_owned());
            let claims: serde_json::Value = serde_json::from_str(claims).unwrap();
            let secret = EncodingKey::from_ec_pem(self.keys[key].serialize_pem().as_bytes());
            jsonwebtoken::encode(&header, &claims, &secret.unwrap())
                .unwrap()
                .into_bytes()
        }

        fn mint(&self, iat: u64) -> Vec<u8> {
            self.sign(0, "KEY0", &format!(r#"{{"iss":"TEAM","iat":{iat}}}"#))
        }

        fn check(&self, shown: &mut Shown, token: &[u8], now: u64) -> Result<(), Reason> {
            self.tokens.check(shown, Some(token), None, now)
        }
    }

    #[test]
    fn a_token_that_is_absent_malformed_or_not_ours_is_refused() {
        let team = Team::new();
        let shown = &mut Shown::default();
        let missing = team.tokens.check(shown, None, None, NOW);
        assert_eq!(missing, Err(Reason::MISSING_PROVIDER_TOKEN));
        let good = format!(r#"{{"iss":"TEAM","iat":{NOW}}}"#);
        for (why, token) in [
            ("no JWT", b"nonsense".to_vec()),
            ("unknown key", team.sign(0, "KEY9", &good)),
            ("signed by the other key", team.sign(1, "KEY0", &good)),
            (
                "other team",
                team.sign(0, "KEY0", &good.replace("TEAM", "MEAT")),
            ),
            (
                "iat as text",
                team.sign(0, "KEY0", r#"{"iss":"TEAM","iat":"1"}"#),
            ),
            ("no iat", team.sign(0, "KEY0", r#"{"iss":"TEAM"}"#)),
            ("from the future", team.mint(NOW + 61)),
        ] {
            let refused = team.check(shown, &token, NOW);
            assert_eq!(refused, Err(Reason::INVALID_PROVIDER_TOKEN), "{why}");
        }
        assert_eq!(team.check(shown, &team.mint(NOW + 60), NOW), Ok(()));
    }

    #[test]
    fn a_token_serves_for_an_hour_and_no_longer() {
        let team = Team::new();
        let shown = &mut Shown::default();
        let token = team.mint(NOW);
        assert_eq!(team.check(shown, &token, NOW), Ok(()));
        assert_eq!(team.check(shown, &token, NOW + 3_600), Ok(()));
        let late = team.check(shown, &token, NOW + 3_601);
        assert_eq!(late, Err(Reason::EXPIRED_PROVIDER_TOKEN));
        let late_elsewhere = team.check(&mut Shown::default(), &token, NOW + 3_601);
        assert_eq!(late_elsewhere, Err(Reason::EXPIRED_PROVIDER_TOKEN));
    }

    #[test]
    fn twenty_minutes_count_from_the_first_use_and_per_key() {
        let team = Team::new();
        let (first, second) = (team.mint(NOW), team.mint(NOW + 1));
        let used = NOW + 600;
        assert_eq!(team.check(&mut Shown::default(), &first, used), Ok(()));
        let other = &mut Shown::default();
        let early = team.check(other, &second, used + 1_199);
        assert_eq!(early, Err(Reason::TOO_MANY_PROVIDER_TOKEN_UPDATES));
        assert_eq!(team.check(other, &second, used + 1_200), Ok(()));
    }

    #[test]
    fn a_token_that_was_called_too_old_may_be_replaced_at_once() {
        let team = Team::new();
        let shown = &mut Shown::default();
        assert_eq!(team.check(shown, &team.mint(NOW), NOW), Ok(()));
        team.tokens.age();
        assert_eq!(team.check(shown, &team.mint(NOW + 1), NOW + 1), Ok(()));
        let third = team.check(shown, &team.mint(NOW + 2), NOW + 2);
        assert_eq!(third, Err(Reason::TOO_MANY_PROVIDER_TOKEN_UPDATES));
    }

    #[test]
    fn tokens_of_equal_claims_are_one() {
        let team = Team::new();
        let (one, two) = (team.mint(NOW), team.mint(NOW));
        assert_ne!(one, two, "ECDSA signatures differ");
        let shown = &mut Shown::default();
        assert_eq!(team.check(shown, &one, NOW), Ok(()));
        assert_eq!(team.check(shown, &two, NOW), Ok(()));
        assert_eq!(team.check(shown, &one, NOW), Ok(()));
    }

    #[test]
    fn only_connections_that_have_not_seen_the_new_token_may_still_use_the_old() {
        let team = Team::new();
        let (old, new) = (team.mint(NOW), team.mint(NOW + 1_200));
        let (ahead, behind) = (&mut Shown::default(), &mut Shown::default());
        assert_eq!(team.check(ahead, &old, NOW), Ok(()));
        assert_eq!(team.check(behind, &old, NOW), Ok(()));
        assert_eq!(team.check(ahead, &new, NOW + 1_200), Ok(()));
        assert_eq!(team.check(behind, &old, NOW + 1_201), Ok(()));
        let back = team.check(ahead, &old, NOW + 1_201);
        assert_eq!(back, Err(Reason::TOO_MANY_PROVIDER_TOKEN_UPDATES));
    }

    #[test]
    fn a_connection_is_bound_to_the_key_of_its_first_push() {
        let team = Team::new();
        let shown = &mut Shown::default();
        assert_eq!(team.check(shown, &team.mint(NOW), NOW), Ok(()));
        let other = team.sign(1, "KEY1", &format!(r#"{{"iss":"TEAM","iat":{NOW}}}"#));
        assert_eq!(team.check(shown, &other, NOW), Err(Reason::UNRELATED_KEY));
        assert_eq!(team.check(&mut Shown::default(), &other, NOW), Ok(()));
    }

    #[test]
    fn a_key_that_is_revoked_or_for_other_topics_is_refused() {
        let mut team = Team::new();
        team.tokens.keys[0].topics = vec!["com.one".to_owned()];
        let (shown, token) = (&mut Shown::default(), team.mint(NOW));
        let mut check = |topic: &str| {
            let topic = Some(topic.as_bytes());
            team.tokens.check(shown, Some(&token), topic, NOW)
        };
        let invalid = Err(Reason::INVALID_PROVIDER_TOKEN);
        assert_eq!(check("com.other"), invalid, "at first");
        assert_eq!(check("com.one.voip"), Ok(()));
        assert_eq!(check("com.other"), invalid, "of a known token");
        team.tokens.revoke("KEY1");
        assert_eq!(check("com.one"), Ok(()), "that was another");
        team.tokens.revoke("KEY0");
        assert_eq!(check("com.one"), invalid);
    }

    #[test]
    fn verified_tokens_are_remembered_within_bounds() {
        let team = Team::new();
        for _ in 0..=MAX_VERIFIED {
            assert_eq!(
                team.check(&mut Shown::default(), &team.mint(NOW), NOW),
                Ok(())
            );
        }
        assert_eq!(team.tokens.book.lock().unwrap().verified.len(), 1);
    }
}
