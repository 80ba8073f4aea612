//! What a GOAWAY says of the connection, of its credential and of our PINGs.

use super::Session;
use super::causes::goaway_text;
use super::flight::Carried;
use crate::http2::ErrorCode;
use crate::provider::{self, LaneEffect};

impl Session {
    /// The provider closes the connection.
    pub(super) fn take_goaway(&mut self, code: ErrorCode, debug: &[u8]) {
        self.too_many_pings |=
            code == ErrorCode::ENHANCE_YOUR_CALM && provider::complains_of_pings(debug);
        let row = self.requests.provider().goaway(debug);
        let word = row.map(|row| row.reason).filter(|word| !word.is_empty());
        self.goaway = word.or(code.name()).or(Some(UNKNOWN));
        let refusal = row.filter(|row| row.lane == LaneEffect::Stop);
        if let Some(row) = refusal.filter(|_| self.refused.is_none() && self.has_spoken()) {
            let carried = Carried::refused(row, self.flights.values());
            if !row.of_topic || carried != Carried::Nothing {
                self.refused = Some((row, carried.only()));
            }
        }
        let said = self.requests.less_tokens(debug);
        self.retire(goaway_text(code, &said, row));
    }

    /// Once for each GOAWAY: its documented word, else the name of its code.
    pub fn take_goaway_reason(&mut self) -> Option<&'static str> {
        self.goaway.take()
    }
}

/// A code that RFC 9113 does not name.
const UNKNOWN: &str = "unknown";
