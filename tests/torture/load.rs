//! Callers who push until the daemon is gone, and who remember what they were answered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::json;

use super::dice::Dice;
use crate::harness::daemon::Address;
use crate::harness::http::{Client, request};
use crate::harness::{fcm_token, hex_token};

/// Callers at a time.
const CALLERS: u64 = 3;

/// More than the daemon may be stopped for.
pub(crate) const ANSWERED_WITHIN: Duration = Duration::from_secs(120);

/// Tokens of one notification at most.
const TOKENS: u64 = 12;

/// Device tokens, of which each push has its own, so that what the providers receive can be told
/// apart: `number` in hexadecimal.
pub(crate) struct Load {
    /// The token of each push that was answered with 200, by id.
    answered: BTreeMap<u64, String>,
    /// Tokens of requests that were begun and not answered with 200.
    unanswered: Vec<String>,
    callers: u64,
    /// Between two requests of a caller.
    pause: Duration,
    /// The callers have been told to end.
    stops: Arc<AtomicBool>,
    /// Callers whose connection failed before.
    cut: usize,
}

/// What a caller comes back with: ids with their tokens, and tokens without an answer.
pub(crate) struct Told {
    answered: Vec<(u64, String)>,
    unanswered: Vec<String>,
    cut: bool,
}

impl Load {
    /// Callers that pause between their requests.
    pub(crate) fn new(pause: Duration) -> Self {
        Self {
            answered: BTreeMap::new(),
            unanswered: Vec::new(),
            callers: 0,
            pause,
            stops: Arc::default(),
            cut: 0,
        }
    }

    /// Tells the callers that it is enough.
    #[allow(dead_code, reason = "not every test that uses this file lets them end")]
    pub(crate) fn stop(&self) {
        self.stops.store(true, Ordering::Relaxed);
    }

    /// Callers whose connection failed.
    #[allow(dead_code, reason = "not every test that uses this file lets them end")]
    pub(crate) fn cut(&self) -> usize {
        self.cut
    }

    /// Ids that were answered with 200, with their tokens.
    pub(crate) fn answered(&self) -> &BTreeMap<u64, String> {
        &self.answered
    }

    /// Tokens of requests that were begun and not answered with 200.
    pub(crate) fn unanswered(&self) -> &[String] {
        &self.unanswered
    }

    /// Lets callers push to a daemon.
    pub(crate) fn start(&mut self, address: &Address) -> Vec<JoinHandle<Told>> {
        let callers = self.callers..self.callers + CALLERS;
        self.callers += CALLERS;
        let start = |caller| {
            let (address, pause) = (address.clone(), self.pause);
            let stops = Arc::clone(&self.stops);
            std::thread::spawn(move || push_on(&address, caller, pause, &stops))
        };
        callers.map(start).collect()
    }

    /// Takes down what they were answered.
    pub(crate) fn finish(&mut self, callers: Vec<JoinHandle<Told>>) {
        for caller in callers {
            let told = caller.join().unwrap();
            for (id, token) in told.answered {
                let before = self.answered.insert(id, token);
                assert_eq!(before, None, "id {id} was given twice");
            }
            self.unanswered.extend(told.unanswered);
            self.cut += usize::from(told.cut);
        }
    }
}

/// Pushes until told to end, or the connection fails.
fn push_on(address: &Address, caller: u64, pause: Duration, stops: &AtomicBool) -> Told {
    let mut told = Told {
        answered: Vec::new(),
        unanswered: Vec::new(),
        cut: false,
    };
    let mut dice = Dice::new(caller + 1);
    let mut next = (caller + 1) << 32;
    let Ok(mut client) = Client::try_connect(address) else {
        return told;
    };
    client.set_read_timeout(ANSWERED_WITHIN);
    while !stops.load(Ordering::Relaxed) {
        let is_ios = dice.below(2) == 0;
        let mut token = || {
            next += 1;
            match (is_ios, next % 16) {
                (true, 0) => format!("0bad4100{next:056x}"),
                (true, _) => hex_token(next),
                (false, _) => fcm_token(next),
            }
        };
        let tokens: Vec<String> = (0..=dice.below(TOKENS)).map(|_| token()).collect();
        let platform = if is_ios { 1 } else { 2 };
        let notification = json!({"platform": platform, "token": tokens, "message": "m"});
        let body = json!({"notifications": [notification]}).to_string();
        let sent = client.try_send(&request("POST", "/push", body.as_bytes()));
        let reply = sent.and_then(|()| client.try_reply("POST"));
        match reply {
            Ok(reply) if reply.status == 200 => {
                let ids = reply.accepted_ids();
                assert_eq!(ids.len(), tokens.len());
                told.answered.extend(ids.into_iter().zip(tokens));
            }
            Ok(reply) => {
                assert_eq!(reply.status, 503, "{reply:?}");
                told.unanswered.extend(tokens);
                // The queue is full: whoever is told so waits a little.
                std::thread::park_timeout(Duration::from_millis(5));
            }
            Err(_) => {
                told.unanswered.extend(tokens);
                told.cut = true;
                return told;
            }
        }
        std::thread::park_timeout(pause);
    }
    told
}
