//! Whether a connection lives: when it is asked by a PING, and when it counts as dead.
//!
//! Pure: time is an argument. Any byte of the peer is a sign of life; the answer to the PING is
//! only what makes a silent peer give one.

use std::time::{Duration, Instant};

use crate::http2::Connection;
use crate::provider::Pings;

/// How long a peer may keep silent after a PING.
const PONG_TIMEOUT: Duration = Duration::from_secs(10);
/// How often the interval is doubled at most by a peer that complains of PINGs: FCM's comes to
/// more than three days.
const DOUBLINGS_MAX: u32 = 10;

/// What is known of one connection's life.
#[derive(Debug)]
pub(super) struct Pulse {
    /// `None`: idle connections are not asked.
    idle: Option<Duration>,
    interval: Duration,
    heard: Option<Instant>,
    /// The PING that was not answered yet.
    asked: Option<([u8; 8], Instant)>,
    last_asked: Option<Instant>,
    number: u64,
}

impl Pulse {
    /// As the provider likes it.
    pub(super) fn of(pings: Pings) -> Self {
        Self {
            idle: pings.idle,
            interval: pings.interval,
            heard: None,
            asked: None,
            last_asked: None,
            number: 0,
        }
    }

    /// The peer has complained so often: it is asked that much less.
    pub(super) fn slow_down(&mut self, doublings: u32) {
        let factor = 1_u32 << doublings.min(DOUBLINGS_MAX);
        self.interval = self.interval.saturating_mul(factor);
        self.idle = self.idle.map(|idle| idle.saturating_mul(factor));
    }

    /// A request timed out: asks, unless it was asked a short time ago. `idle`: none is open now.
    pub(super) fn ask(&mut self, http2: &mut Connection, idle: bool, now: Instant) {
        let too_soon = |at: Instant| now.saturating_duration_since(at) < self.interval;
        let unwanted = idle && self.idle.is_none();
        if unwanted || self.asked.is_some() || self.last_asked.is_some_and(too_soon) {
            return;
        }
        self.number = self.number.wrapping_add(1);
        let payload = self.number.to_be_bytes();
        http2.ping(payload);
        self.asked = Some((payload, now));
        self.last_asked = Some(now);
    }

    /// It was asked and has said nothing since: what is sent to it now may be lost.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.asked.is_some_and(|(_, at)| self.heard <= Some(at))
    }

    /// Whether a PING is not answered yet.
    pub(super) fn is_asked(&self) -> bool {
        self.asked.is_some()
    }

    /// The answer came.
    pub(super) fn answered(&mut self, payload: [u8; 8]) {
        self.asked.take_if(|(asked, _)| *asked == payload);
    }

    /// Asks a peer that was silent for long, if `idle`. False if the peer does not answer.
    pub(super) fn check(&mut self, http2: &mut Connection, idle: bool, now: Instant) -> bool {
        self.heard = Some(http2.last_heard());
        if self.silent_at().is_some_and(|at| now >= at) {
            return false;
        }
        if idle && self.idle_at().is_some_and(|at| now >= at) {
            self.ask(http2, true, now);
        }
        true
    }

    /// When [`Pulse::check`] is to be called.
    pub(super) fn next(&self, idle: bool) -> Option<Instant> {
        let idle_at = self.idle_at().filter(|_| idle && self.asked.is_none());
        self.silent_at().or(idle_at)
    }

    fn idle_at(&self) -> Option<Instant> {
        let since = self.heard.max(self.last_asked)?;
        since.checked_add(self.idle?)
    }

    fn silent_at(&self) -> Option<Instant> {
        let (_, asked) = self.asked?;
        let since = self.heard.map_or(asked, |heard| heard.max(asked));
        since.checked_add(PONG_TIMEOUT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http2::Options;
    use crate::provider::{Vendor as _, apns, fcm};

    fn apns() -> Pulse {
        Pulse::of(apns::Apns.pings())
    }

    fn fcm() -> Pulse {
        Pulse::of(fcm::Fcm.pings())
    }

    /// A connection whose peer is played by the test.
    struct Line {
        http2: Connection,
        now: Instant,
    }

    impl Line {
        fn new() -> Self {
            let now = Instant::now();
            let mut http2 = Connection::client(Options::default(), now);
            http2.advance_output(usize::MAX);
            http2.receive(&[0, 0, 0, 4, 0, 0, 0, 0, 0], now);
            http2.advance_output(usize::MAX);
            Self { http2, now }
        }

        /// The PINGs sent since the last call.
        fn pings(&mut self) -> Vec<[u8; 8]> {
            let frames = self.http2.output().as_chunks::<17>().0.to_vec();
            self.http2.advance_output(usize::MAX);
            frames
                .iter()
                .map(|frame| frame[9..].try_into().unwrap())
                .collect()
        }

        fn hear(&mut self) {
            self.http2
                .receive(&[0, 0, 0, 0xfa, 0, 0, 0, 0, 0], self.now);
        }
    }

    #[test]
    fn apns_is_asked_after_an_hour_idle_and_fcm_never() {
        let mut line = Line::new();
        let (mut apns, mut fcm) = (apns(), fcm());
        assert!(apns.check(&mut line.http2, true, line.now));
        assert!(fcm.check(&mut line.http2, true, line.now));
        assert_eq!(apns.next(true), Some(line.now + apns::PING_IDLE));
        assert_eq!(apns.next(false), None);
        assert_eq!(fcm.next(true), None);
        fcm.ask(&mut line.http2, true, line.now);
        line.now += apns::PING_IDLE;
        assert!(fcm.check(&mut line.http2, true, line.now));
        assert!(apns.check(&mut line.http2, false, line.now));
        assert!(line.pings().is_empty());
        assert!(apns.check(&mut line.http2, true, line.now));
        assert!(apns.check(&mut line.http2, true, line.now));
        assert_eq!(line.pings().len(), 1, "one outstanding at most");
        assert_eq!(apns.next(true), Some(line.now + PONG_TIMEOUT));
        line.now += PONG_TIMEOUT;
        assert!(!apns.check(&mut line.http2, true, line.now));
    }

    #[test]
    fn a_time_out_makes_it_ask_and_any_byte_is_life() {
        for mut pulse in [apns(), fcm()] {
            let mut line = Line::new();
            line.now += Duration::from_secs(10);
            pulse.ask(&mut line.http2, false, line.now);
            pulse.ask(&mut line.http2, false, line.now);
            let pings = line.pings();
            assert_eq!(pings.len(), 1);
            line.now += PONG_TIMEOUT / 2;
            line.hear();
            assert!(pulse.check(&mut line.http2, false, line.now));
            assert_eq!(pulse.next(false), Some(line.now + PONG_TIMEOUT));
            pulse.answered([9; 8]);
            assert!(pulse.next(false).is_some(), "another's answer");
            pulse.answered(pings[0]);
            line.now += Duration::from_secs(11);
            assert!(pulse.check(&mut line.http2, false, line.now));
        }
    }

    #[test]
    fn time_outs_in_a_row_do_not_make_a_flood() {
        for (mut pulse, interval) in [(apns(), apns::PING_INTERVAL), (fcm(), fcm::PING_INTERVAL)] {
            let mut line = Line::new();
            let end = line.now + 10 * interval;
            let mut sent = 0;
            while line.now < end {
                pulse.ask(&mut line.http2, false, line.now);
                for payload in line.pings() {
                    pulse.answered(payload);
                    sent += 1;
                }
                line.now += Duration::from_secs(1);
            }
            assert_eq!(sent, 10);
        }
    }

    #[test]
    fn a_peer_that_lives_and_does_not_answer_is_asked_once() {
        for (mut pulse, interval) in [(apns(), apns::PING_INTERVAL), (fcm(), fcm::PING_INTERVAL)] {
            let mut line = Line::new();
            pulse.ask(&mut line.http2, false, line.now);
            assert_eq!(line.pings().len(), 1);
            let end = line.now + 3 * interval;
            while line.now < end {
                line.now += Duration::from_secs(1);
                line.hear();
                assert!(pulse.check(&mut line.http2, false, line.now));
                pulse.ask(&mut line.http2, false, line.now);
            }
            assert!(line.pings().is_empty());
        }
    }

    #[test]
    fn each_complaint_doubles_the_interval_up_to_a_limit() {
        for (doublings, factor) in [(1, 2), (3, 8), (DOUBLINGS_MAX + 5, 1 << DOUBLINGS_MAX)] {
            let (mut line, mut pulse) = (Line::new(), fcm());
            pulse.slow_down(doublings);
            pulse.ask(&mut line.http2, false, line.now);
            let first = line.pings();
            pulse.answered(first[0]);
            line.now += factor * fcm::PING_INTERVAL / 4 * 3;
            pulse.ask(&mut line.http2, false, line.now);
            assert!(line.pings().is_empty());
            line.now += factor * fcm::PING_INTERVAL / 4;
            pulse.ask(&mut line.http2, false, line.now);
            let second = line.pings();
            assert!(
                second.len() == 1 && second != first,
                "an answer says to which"
            );
        }
    }
}
