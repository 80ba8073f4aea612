//! A caller who pushes without a pause.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use serde_json::json;

use crate::harness::daemon::Daemon;
use crate::harness::{fcm_token, hex_token};

/// A caller on a thread of its own.
pub(crate) struct Load {
    ended: Arc<AtomicBool>,
    caller: JoinHandle<Vec<u64>>,
}

impl Load {
    /// Begins to push to both platforms; whatever is not answered 200 fails the test.
    pub(crate) fn begin(daemon: &Daemon) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let (mut client, told) = (daemon.client(), Arc::clone(&ended));
        let caller = thread::spawn(move || {
            let mut accepted = Vec::new();
            let mut number = 0;
            while !told.load(Ordering::Acquire) {
                number += 1;
                let body = json!({"notifications": [
                    {"platform": 1, "message": "m", "token": [hex_token(number)]},
                    {"platform": 2, "message": "m", "token": [fcm_token(number)]},
                ]});
                let reply = client.request("POST", "/push", body.to_string().as_bytes());
                assert_eq!(reply.status, 200, "request {number}: {}", reply.text());
                accepted.extend(reply.accepted_ids());
            }
            accepted
        });
        Self { ended, caller }
    }

    /// Ends; the ids of what was accepted.
    pub(crate) fn end(self) -> Vec<u64> {
        self.ended.store(true, Ordering::Release);
        self.caller.join().unwrap()
    }
}
