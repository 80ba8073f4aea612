//! The ledger line by line: what became of each request, as JSON, to be joined with what others
//! know of it.

use std::io::{BufWriter, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use super::answer::Judgement;
use super::provider::Provider;
use super::request::{Name, Request};

/// What became of one request.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Entry {
    provider: &'static str,
    connection: u64,
    stream: u32,
    /// The `apns-id`, or the key of the FCM message.
    id: String,
    /// The device token.
    token: String,
    /// It was judged: if by a 200, the push is on its way, whether or not the answer went out.
    processed: bool,
    /// The answer's status, also of one that did not go out; 0 if there was none to be.
    status: u16,
    reason: &'static str,
    /// The HEADERS of the answer were handed to the transport: its sender may know it.
    pub(super) head: bool,
    /// All of the answer was handed to the transport.
    pub(super) answered: bool,
    /// Seconds since the simulator was started.
    time: f64,
}

/// Where a request came in.
#[derive(Clone, Copy, Debug)]
pub(super) struct StreamPlace {
    pub(super) provider: Provider,
    pub(super) connection: u64,
    pub(super) stream: u32,
    /// Since the simulator's start.
    pub(super) time: Duration,
}

impl Entry {
    /// Of a request that ended before it was processed.
    pub(super) fn unprocessed(
        place: StreamPlace,
        request: &Request<'_>,
        reason: &'static str,
    ) -> Self {
        let path = str::from_utf8(request.path).unwrap_or_default();
        let channel = request.get(Name::ApnsChannelId);
        let token = match (place.provider, channel) {
            (Provider::Fcm | Provider::OAuth, _) | (Provider::Channels, None) => "",
            (_, Some(channel)) => str::from_utf8(channel).unwrap_or_default(),
            (Provider::Apns, None) => path.rsplit('/').next().unwrap_or_default(),
        };
        let id = request.id().unwrap_or_default();
        Self {
            provider: place.provider.as_str(),
            connection: place.connection,
            stream: place.stream,
            id: id.escape_ascii().to_string(),
            token: token.to_owned(),
            processed: false,
            status: 0,
            reason,
            head: false,
            answered: false,
            time: place.time.as_secs_f64(),
        }
    }

    /// Of a request that was judged; its answer has not gone out yet.
    pub(super) fn judged(
        place: StreamPlace,
        request: &Request<'_>,
        judgement: &Judgement<'_>,
        processed: bool,
    ) -> Self {
        let mut entry = Self::unprocessed(place, request, judgement.reason);
        entry.processed = processed;
        entry.status = judgement.reply.status();
        entry.token = judgement.device_token.to_string();
        if place.provider == Provider::Fcm {
            entry.id = judgement
                .key
                .map_or_else(String::new, |key| format!("{key:016x}"));
        }
        entry
    }
}

/// Writes entries as they are settled.
pub(super) struct Recorder {
    out: Mutex<BufWriter<Box<dyn Write + Send>>>,
}

impl Recorder {
    pub(super) fn new(out: Box<dyn Write + Send>) -> Self {
        let out = Mutex::new(BufWriter::new(out));
        Self { out }
    }

    /// Writes a batch, and empties it.
    pub(super) fn write(&self, entries: &mut Vec<Entry>) {
        if entries.is_empty() {
            return;
        }
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        for entry in entries.drain(..) {
            let written = serde_json::to_writer(&mut *out, &entry).map_err(Into::into);
            if let Err(error) = written.and_then(|()| writeln!(out)) {
                log::error!("the simulator's ledger has lost a line: {error}");
            }
        }
        if let Err(error) = out.flush() {
            log::error!("the simulator's ledger has lost lines: {error}");
        }
    }
}
