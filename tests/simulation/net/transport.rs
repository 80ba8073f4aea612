//! The daemon's end of a connection, as it reads and writes it.

use std::net::SocketAddr;
use std::time::Instant;

use sterna::delivery::transport::Transport;
use sterna::http2::Connection;

use super::{Ending, READS_PER_CALL, SimulatedTransport, Trap, WRITE_TIMEOUT};
use crate::coverage::Kind;

impl Transport for SimulatedTransport {
    fn http2(&mut self) -> &mut Connection {
        &mut self.http2
    }

    fn receive(&mut self, now: Instant) {
        self.now = now;
        if self.on_its_way.is_some() {
            return;
        }
        self.fall_into(Trap::Reading);
        if self.closed || std::mem::take(&mut self.is_blind) {
            return;
        }
        self.read(now, READS_PER_CALL);
        self.closed |= self.net.borrow().links[self.id].down.is_over(now);
        self.tell_end(now);
    }

    fn look_again(&mut self) {
        self.is_blind = false;
    }

    fn flush(&mut self, now: Instant) {
        self.now = now;
        if self.on_its_way.is_some() {
            return;
        }
        if self.http2.is_closed() {
            self.fall_into(Trap::Closing);
        }
        let open = self.open_requests();
        self.look_at_output(now);
        // What was taken back is told by events that are still to be heard.
        if self.open_requests() >= open {
            self.fall_into(Trap::Writing);
        }
        let mut broken = false;
        while !self.closed && !self.http2.output().is_empty() {
            let net = &mut *self.net.borrow_mut();
            let link = &mut net.links[self.id];
            broken = link.is_broken() && link.down.end.is_some_and(|(at, _)| at <= now);
            let output = self.http2.output();
            let mut n = output.len().min(link.up.room());
            if n < output.len()
                && net.dice.chance(400)
                && let Some(less) = link.wire.between_requests(n)
            {
                // It may stop anywhere, thus also before the first byte of a request.
                n = less;
                link.up.capacity = link.up.under_way + n;
            }
            if broken || n == 0 {
                break;
            }
            net.hand_on(self.id, &output[..n], now);
            self.http2.advance_output(n);
            let link = &mut net.links[self.id];
            if !self.http2.is_closed() {
                let output = self.http2.output();
                link.wire
                    .written(output, net.pusher_max, now, &mut net.ledger);
            }
            self.blocked_since = None;
        }
        let blocked = !self.closed && !self.http2.output().is_empty();
        if blocked && !broken {
            if self.blocked_since.is_none() {
                self.net
                    .borrow_mut()
                    .ledger
                    .coverage
                    .count(Kind::WriteBlocked);
            }
            self.blocked_since.get_or_insert(now);
        }
        self.net.borrow_mut().links[self.id].blocked = blocked;
        if broken {
            self.read(now, usize::MAX);
            self.closed = true;
        }
        if self.http2.is_closed() && self.http2.output().is_empty() {
            self.closed = true;
        }
        self.tell_end(now);
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self
            .blocked_since
            .is_some_and(|at| now >= at + WRITE_TIMEOUT)
            && !self.closed
        {
            self.closed = true;
            self.net
                .borrow_mut()
                .ledger
                .coverage
                .count(Kind::WriteDeadline);
            self.tell_end(now);
        }
        if self.http2.next_timeout().is_some_and(|at| now >= at) {
            self.http2.handle_timeout(now);
            self.look_at_output(now);
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        let write = self
            .blocked_since
            .filter(|_| !self.closed)
            .map(|at| at + WRITE_TIMEOUT);
        [write, self.http2.next_timeout()]
            .into_iter()
            .flatten()
            .min()
    }

    fn has_more(&self) -> bool {
        let net = self.net.borrow();
        let arrived = net.links[self.id]
            .down
            .next()
            .is_some_and(|at| at <= self.now);
        arrived && !self.closed && self.http2.wants_input()
    }

    fn is_closed(&self) -> bool {
        self.closed
    }

    fn peer_addr(&self) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], 443))
    }
}

impl Drop for SimulatedTransport {
    fn drop(&mut self) {
        let now = self.now;
        if self.on_its_way.is_some() {
            return;
        }
        let net = &mut *self.net.borrow_mut();
        let link = &mut net.links[self.id];
        if !link.wire.is_over() {
            link.wire.ended(now, &mut net.ledger);
        }
        link.dropped = true;
        let end = if link.down.queue.is_empty() {
            Ending::Eof
        } else {
            // What the kernel holds unread makes it reset the connection.
            Ending::Reset
        };
        link.up.end(end, now, &mut net.dice);
    }
}

impl std::fmt::Debug for SimulatedTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimulatedTransport")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
