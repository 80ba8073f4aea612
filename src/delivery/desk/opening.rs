//! How a connection thread comes by its next connection.

use std::fmt::Display;
use std::time::Instant;

use super::super::link::{Begun, Link, REPLACED};
use super::super::transport::Transport;
use super::{Desk, LONGEST_WAIT, Timer};
use crate::lane::{Lack, MaySend, Permit};
use crate::moment::Moment;
use crate::push;

impl<T: Transport> Desk<T> {
    /// Notes whether another connection would help, if the present one has no room for bulk.
    pub(super) fn note_full(&mut self, room: Option<(usize, usize)>, now: Instant) {
        if !matches!(room, Some((_, 0))) {
            return;
        }
        let stream_limit = self.stream_limit(now);
        let Some(link) = &mut self.links.present else {
            return;
        };
        // What the first streams show is how long it takes to begin; and where windows are narrow
        // few are in use.
        let (streams, in_flight) = (link.streams().min(stream_limit), link.in_flight());
        let is_full = in_flight >= streams.div_ceil(2) && !link.is_retiring();
        if is_full && link.has_shown_itself(now) {
            let answered_after = self.settler.answered_after(link.used(), now);
            self.lane.crew().note_full(in_flight, answered_after);
        }
    }

    /// Whether to open a connection now: there is work for one and the lane permits.
    pub(super) fn wants_connection(&mut self, now: Moment) -> bool {
        self.timers.stop(Timer::Connect);
        self.call_off(now);
        let opens = self.sharing.take_opens();
        if let Some(begun) = &mut self.links.dialling {
            if opens {
                (begun.generation, begun.at) = (self.following.generation, now);
            }
            return opens;
        }
        if self.trays.to_try.is_some() {
            return self.dial_candidate(now);
        }
        if self.links.present.is_some() || self.is_going {
            return false;
        }
        let is_idle = self.lane.is_quiet() || self.lane.pacing().waits_for_tickets();
        if !self.may_dial || !self.lane.has_work_for(None) || is_idle {
            return false;
        }
        if self.lane.may_send(now.monotonic) == MaySend::No {
            let latest = now.monotonic.checked_add(LONGEST_WAIT);
            self.timers.set(Timer::Connect, latest);
            self.sweep(now);
            return false;
        }
        if !self.following.route.can_send(now) {
            let serves_at = self.following.await_credential(now);
            let latest = now.monotonic.checked_add(LONGEST_WAIT);
            self.timers.set(Timer::Connect, serves_at.or(latest));
            self.sweep(now);
            return self.begin_trying(now) && self.dial_candidate(now);
        }
        let permit = self.lane.crew().dial().ask(now.monotonic);
        if let Permit::Wait(at) = permit {
            self.timers.set(Timer::Connect, at);
            self.sweep(now);
            if self.begin_trying(now) {
                return self.dial_candidate(now);
            }
        }
        self.links.dialling = (permit == Permit::Go).then_some(Begun {
            generation: self.following.generation,
            is_candidate: false,
            at: now,
        });
        self.links.dialling.is_some() && !self.asks_for_one(now)
    }

    /// Whether to open a connection to try a candidate by, unless there is one.
    fn dial_candidate(&mut self, now: Moment) -> bool {
        let generation = self.following.trying();
        let generation = generation.filter(|_| self.links.candidate.is_none());
        self.links.dialling = generation.map(|generation| Begun {
            generation,
            is_candidate: true,
            at: now,
        });
        self.links.dialling.is_some()
    }

    /// Takes over the connection that was opened, or the reason why there is none.
    pub fn opened(&mut self, opened: Result<T, &dyn Display>, now: Moment) {
        let begun = self.links.dialling.take().unwrap_or(Begun {
            generation: self.following.generation,
            is_candidate: false,
            at: now,
        });
        if begun.is_candidate {
            return self.opened_candidate(opened, begun, now);
        }
        match opened {
            Ok(connection) => {
                self.lane.stats().connects(true);
                let ping_complaints = {
                    let mut dial = self.lane.crew().dial();
                    dial.succeeded();
                    dial.ping_complaints()
                };
                self.lane.outage().has(Lack::Connection);
                let id = self.lane.new_connection();
                let mut link = Link::new(id, connection, &self.following.route, begun, now);
                link.slow_down_pings(ping_complaints);
                let is_late = self.links.present.is_some();
                if is_late || begun.generation != self.following.generation {
                    link.session().retire(REPLACED);
                }
                let (lane, peer) = (self.lane.id(), link.peer());
                ::log::debug!("{lane}: connected to {peer}");
                self.links.take_opened(link);
            }
            Err(why) => self.cannot_connect(why, now),
        }
    }

    fn cannot_connect(&mut self, why: &dyn Display, now: Moment) {
        self.lane.stats().connects(false);
        let random = self.settler.random();
        let wait = self.lane.crew().dial().failed(now.monotonic, random);
        self.lane
            .outage()
            .cannot_reach(Lack::Connection, &why.to_string(), now);
        ::log::error!(
            "{}: no connection: {why}; {} outstanding, next try in {:.1} s",
            self.lane.id(),
            push::counted(self.lane.room().outstanding() as u64),
            wait.as_secs_f32(),
        );
    }
}
