//! What a GOAWAY says of the connection, of its credential and of our PINGs.

use std::collections::BTreeMap;

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
        let reason = word.or(code.name()).unwrap_or(UNKNOWN);
        *self.goaways.entry(reason).or_default() += 1;
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

    /// What GOAWAYs have come with since this was last asked: a provider that shuts down sends two
    /// of them, which may come together.
    pub fn take_goaway_reasons(&mut self) -> GoawayReasons {
        std::mem::take(&mut self.goaways)
    }
}

/// How many GOAWAYs have come with which documented word, or else with which name of an error code.
pub type GoawayReasons = BTreeMap<&'static str, u64>;

/// A code that RFC 9113 does not name.
const UNKNOWN: &str = "unknown";
