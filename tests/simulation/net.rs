//! The network: bytes that arrive late, in pieces, or not at all.

mod transport;

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::panic::resume_unwind;
use std::rc::Rc;
use std::time::{Duration, Instant};

use sterna::delivery::transport::Transport as _;
use sterna::http2::{Connection, Options};

use crate::coverage::Kind;
use crate::dice::Dice;
use crate::issuer::Issuer;
use crate::ledger::Ledger;
use crate::provider::Peer;
use crate::reply::Plan;
use crate::wire::Wire;
use crate::world::alarms::Reasons;

/// How long the socket waits for the peer to take bytes.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
/// Pieces that are read at once.
const READS_PER_CALL: usize = 4;

/// What a connection is used for when that ends in a panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trap {
    Reading,
    Writing,
    /// For the last time.
    Closing,
}

/// How a direction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// After all bytes.
    Eof,
    /// At once; bytes under way are lost.
    Reset,
}

/// One direction of a connection.
pub(crate) struct Pipe {
    queue: VecDeque<(Instant, Vec<u8>)>,
    end: Option<(Instant, Ending)>,
    /// Bytes in `queue`.
    under_way: usize,
    /// Bytes that may be under way before the sender has to wait.
    pub(crate) capacity: usize,
    pub(crate) delay: Duration,
    /// Nothing arrives before this.
    pub(crate) held_until: Option<Instant>,
    /// So many more bytes pass; then the connection ends.
    pub(crate) cut: Option<(usize, Ending)>,
    /// The cut has come.
    pub(crate) is_cut: bool,
    /// Whatever is put in is lost.
    pub(crate) vanished: bool,
    last: Option<Instant>,
}

impl Pipe {
    fn new(capacity: usize, delay: Duration) -> Self {
        Self {
            queue: VecDeque::new(),
            end: None,
            under_way: 0,
            capacity,
            delay,
            held_until: None,
            cut: None,
            is_cut: false,
            vanished: false,
            last: None,
        }
    }

    fn arrival(&mut self, now: Instant, dice: &mut Dice) -> Instant {
        let jitter = self
            .delay
            .mul_f64(f64::from(u8::try_from(dice.between(0, 100)).unwrap()) / 100.0);
        let mut at = now + self.delay + jitter;
        at = at
            .max(self.last.unwrap_or(at))
            .max(self.held_until.unwrap_or(at));
        self.last = Some(at);
        at
    }

    fn room(&self) -> usize {
        self.capacity.saturating_sub(self.under_way)
    }

    fn put(&mut self, bytes: &[u8], now: Instant, dice: &mut Dice) -> bool {
        if self.end.is_some() || self.is_cut || self.vanished {
            // The sender does not know yet.
            self.under_way += if self.vanished { bytes.len() } else { 0 };
            return false;
        }
        let mut bytes = bytes;
        if let Some((left, _)) = &mut self.cut {
            let passing = bytes.len().min(*left);
            *left -= passing;
            bytes = &bytes[..passing];
            self.is_cut = *left == 0;
        }
        let mut split = false;
        while !bytes.is_empty() {
            let piece = if dice.chance(300) {
                dice.index(bytes.len()) + 1
            } else {
                bytes.len()
            };
            split |= piece < bytes.len();
            let (now_sent, later) = bytes.split_at(piece);
            let at = self.arrival(now, dice);
            self.queue.push_back((at, now_sent.to_vec()));
            self.under_way += piece;
            bytes = later;
        }
        if self.is_cut {
            let at = self.arrival(now, dice);
            self.end = self.cut.map(|(_, ending)| (at, ending));
        }
        split
    }

    fn end(&mut self, ending: Ending, now: Instant, dice: &mut Dice) {
        if self.end.is_none() && !self.vanished {
            let at = match ending {
                Ending::Eof => self.arrival(now, dice),
                Ending::Reset => now + self.delay,
            };
            self.end = Some((at, ending));
        }
    }

    fn is_reset(&self, now: Instant) -> bool {
        matches!(self.end, Some((at, Ending::Reset)) if at <= now)
    }

    /// The next piece that has arrived.
    fn take(&mut self, now: Instant) -> Option<Vec<u8>> {
        if self.is_reset(now) || self.queue.front().is_none_or(|(at, _)| *at > now) {
            return None;
        }
        let (_, piece) = self.queue.pop_front()?;
        self.under_way -= piece.len();
        Some(piece)
    }

    /// The end has arrived, and all before it was taken.
    fn is_over(&self, now: Instant) -> bool {
        self.is_reset(now)
            || (self.queue.is_empty() && matches!(self.end, Some((at, _)) if at <= now))
    }

    /// When there is something to take.
    fn next(&self) -> Option<Instant> {
        let piece = self.queue.front().map(|(at, _)| *at);
        let end = self.end.map(|(at, ending)| match ending {
            Ending::Eof => piece.unwrap_or(at),
            Ending::Reset => at,
        });
        [piece, end].into_iter().flatten().min()
    }
}

/// A connection between a seat and the provider.
#[expect(clippy::struct_excessive_bools, reason = "four independent facts")]
pub(crate) struct Link {
    pub(crate) seat: usize,
    pub(crate) up: Pipe,
    pub(crate) down: Pipe,
    pub(crate) wire: Wire,
    /// The daemon does not read: its own output waits.
    unread: bool,
    blocked: bool,
    /// The daemon has let go of it.
    pub(crate) dropped: bool,
    /// So has the provider.
    pub(crate) left: bool,
    /// As whom it speaks, if other lanes may have it.
    speaker: Option<String>,
}

impl Link {
    /// One that nothing passes on any more.
    fn over(id: usize, seat: usize) -> Self {
        let mut wire = Wire::new(id);
        wire.gone();
        Self {
            seat,
            up: Pipe::new(0, Duration::ZERO),
            down: Pipe::new(0, Duration::ZERO),
            wire,
            unread: false,
            blocked: false,
            dropped: true,
            left: true,
            speaker: None,
        }
    }

    /// When its seat has something to do with it.
    pub(crate) fn next(&self, now: Instant) -> Option<Instant> {
        if self.dropped {
            return None;
        }
        let writable = self.blocked && self.up.room() > 0;
        let broken = self
            .down
            .end
            .map(|(at, _)| at)
            .filter(|_| self.blocked && self.is_broken());
        let readable = self.down.next().filter(|_| !self.unread);
        [writable.then_some(now), broken, readable]
            .into_iter()
            .flatten()
            .min()
    }

    /// No request was given up whose answer has come and is not read yet.
    fn check_given_up(&mut self, now: Instant, ledger: &mut Ledger) {
        let given_up = std::mem::take(&mut self.wire.given_up);
        if given_up.is_empty() || self.down.is_reset(now) {
            return;
        }
        let arrived = self.down.queue.iter().take_while(|(at, _)| *at <= now);
        let arrived: Vec<u8> = arrived.flat_map(|(_, bytes)| bytes).copied().collect();
        for stream in self.wire.answered_by(&arrived) {
            if given_up.contains(&stream) {
                let what = format!("stream {stream} is given up, and its answer is there");
                ledger.violate(now, what);
            }
        }
    }

    /// Writing fails.
    fn is_broken(&self) -> bool {
        self.down.is_cut || self.up.is_cut || self.left
    }

    /// The provider closes.
    pub(crate) fn leave(&mut self, ending: Ending, now: Instant, dice: &mut Dice) {
        self.left = true;
        self.down.end(ending, now, dice);
    }

    /// Pieces for the provider, and whether the end has come.
    pub(crate) fn arrived(&mut self, now: Instant) -> (Vec<Vec<u8>>, bool) {
        let pieces = std::iter::from_fn(|| self.up.take(now)).collect();
        (pieces, self.up.is_over(now))
    }

    /// When something reaches the provider.
    pub(crate) fn next_arrival(&self) -> Option<Instant> {
        self.up.next().filter(|_| !self.left)
    }
}

/// What a world's parts share.
pub(crate) struct Net {
    pub(crate) origin: Instant,
    pub(crate) dice: Dice,
    pub(crate) ledger: Ledger,
    pub(crate) links: Vec<Link>,
    pub(crate) pusher_max: usize,
    /// The provider answers every second push with 503, and does nothing else wrong.
    pub(crate) half_unavailable: bool,
    /// Every answer, until the provider is well.
    pub(crate) refusing: Option<Plan>,
    pub(crate) reasons: Reasons,
    /// Every answer asks the whole lane to wait, until then.
    pub(crate) used_up_until: Option<Instant>,
    /// Its connections take a thousand streams each, and many bytes at once.
    pub(crate) wide: bool,
    /// Pushes that are answered so whatever happens, until the provider is well.
    pub(crate) poison: BTreeMap<u64, Plan>,
    /// What the provider knows of credentials.
    pub(crate) issuer: Issuer,
    /// Where the next use of a connection ends in a panic.
    pub(crate) trap: Option<Trap>,
    /// Connections that were another lane's.
    pub(crate) taken_over: u64,
}

impl Net {
    /// Bytes from the provider.
    pub(crate) fn send(&mut self, link: usize, bytes: &[u8], now: Instant) {
        let Link { up, down, .. } = &mut self.links[link];
        if down.put(bytes, now, &mut self.dice) {
            self.ledger.coverage.count(Kind::Split);
        }
        if let Some((_, ending)) = down.cut.filter(|_| down.is_cut && !up.is_cut) {
            up.is_cut = true;
            up.end(ending, now, &mut self.dice);
            self.ledger.coverage.count(match ending {
                Ending::Eof => Kind::EofInAnswer,
                Ending::Reset => Kind::ResetInAnswer,
            });
        }
    }

    /// Bytes from the daemon, which the socket took.
    fn hand_on(&mut self, link: usize, bytes: &[u8], now: Instant) {
        let Link { up, down, wire, .. } = &mut self.links[link];
        let passing = wire.handed(bytes);
        if up.put(&passing, now, &mut self.dice) {
            self.ledger.coverage.count(Kind::Split);
        }
        if let Some((_, ending)) = up.cut.filter(|_| up.is_cut && !down.is_cut) {
            down.is_cut = true;
            down.end(ending, now, &mut self.dice);
            self.ledger.coverage.count(match ending {
                Ending::Eof => Kind::EofInRequest,
                Ending::Reset => Kind::ResetInRequest,
            });
        }
    }

    /// Whatever is connected may be replaced: the credential is another, or refused.
    pub(crate) fn let_all_be_replaced(&mut self) {
        for link in &mut self.links {
            link.wire.may_be_replaced = true;
        }
    }

    /// A connection of that thread, by the route of that number.
    pub(crate) fn open(&mut self, seat: usize, generation: u64, speaker: Option<String>) -> usize {
        let id = self.links.len();
        self.ledger.connected(generation);
        let capacity = match self.dice.between(0, 3) {
            0 if !self.wide => self.dice.between(200, 6000),
            _ => 1 << 20,
        };
        // Some time has to pass, or a small socket would take a whole batch in one instant.
        let delay = self.dice.millis(1, 80);
        self.links.push(Link {
            seat,
            up: Pipe::new(usize::try_from(capacity).unwrap(), delay),
            down: Pipe::new(usize::MAX, delay),
            wire: Wire::new(id),
            unread: false,
            blocked: false,
            dropped: false,
            left: false,
            speaker,
        });
        id
    }
}

/// The daemon's end of a connection: what `net::connection` is to a real one.
pub(crate) struct SimulatedTransport {
    net: Rc<RefCell<Net>>,
    id: usize,
    http2: Connection,
    blocked_since: Option<Instant>,
    closed: bool,
    told: bool,
    now: Instant,
    /// The last wait has said nothing of what has come.
    is_blind: bool,
    /// Its way and the provider's end of it, while no thread has it.
    on_its_way: Option<Box<(Link, Peer)>>,
}

impl SimulatedTransport {
    pub(crate) fn new(net: Rc<RefCell<Net>>, id: usize, now: Instant) -> Self {
        let options = Options {
            streams_before_settings: 1,
            ..Options::default()
        };
        let mut transport = Self {
            net,
            id,
            http2: Connection::client(options, now),
            blocked_since: None,
            closed: false,
            told: false,
            now,
            is_blind: false,
            on_its_way: None,
        };
        transport.flush(now);
        transport
    }

    /// Leaves its thread, for one of another lane.
    pub(crate) fn leave(&mut self, peers: &mut Vec<Peer>) {
        let peer = peers.iter().position(|peer| peer.link == self.id);
        let peer = peers.remove(peer.unwrap());
        let net = &mut *self.net.borrow_mut();
        let link = &mut net.links[self.id];
        let is_busy = link.wire.open_requests() > 0;
        // What is left here is a connection that is over.
        let link = std::mem::replace(link, Link::over(self.id, link.seat));
        self.on_its_way = Some(Box::new((link, peer)));
        if is_busy {
            let what = "a connection is given away that has a push on it";
            net.ledger.violate(self.now, what);
        }
    }

    /// Comes to a thread of that lane, which speaks as `speaker`.
    pub(crate) fn join(
        &mut self,
        net: &Rc<RefCell<Net>>,
        (seat, generation): (usize, u64),
        speaker: Option<&str>,
        peers: &mut Vec<Peer>,
    ) {
        let (mut link, mut peer) = *self.on_its_way.take().unwrap();
        let last = self.http2.highest_stream();
        self.net = Rc::clone(net);
        let net = &mut *net.borrow_mut();
        self.id = net.links.len();
        if speaker.is_none() || link.speaker.as_deref() != speaker {
            let what = format!("{speaker:?} has a connection of {:?}", link.speaker);
            net.ledger.violate(self.now, what);
        }
        net.ledger.connected(generation);
        net.taken_over += 1;
        link.seat = seat;
        link.wire.moves_to(self.id);
        peer.moves_to(self.id, last);
        net.links.push(link);
        peers.push(peer);
    }

    /// Notes what the HTTP/2 side wants to send, or that it has ended.
    pub(crate) fn look_at_output(&mut self, now: Instant) {
        let net = &mut *self.net.borrow_mut();
        let wire = &mut net.links[self.id].wire;
        if self.http2.is_closed() {
            if !wire.is_over() {
                wire.given_up_before_the_end(self.http2.output(), now, &mut net.ledger);
                wire.ended(now, &mut net.ledger);
            }
        } else {
            wire.written(self.http2.output(), net.pusher_max, now, &mut net.ledger);
            if self.http2.wants_input() {
                net.links[self.id].check_given_up(now, &mut net.ledger);
            } else {
                // It may not read before the provider does.
                wire.given_up.clear();
            }
        }
    }

    /// The next wait is interrupted.
    pub(crate) fn go_blind(&mut self) {
        self.is_blind = true;
    }

    /// Takes what has arrived.
    fn read(&mut self, now: Instant, most: usize) {
        for _ in 0..most {
            let wants = self.http2.wants_input() || self.http2.is_closed();
            let piece = {
                let link = &mut self.net.borrow_mut().links[self.id];
                link.unread = !wants;
                wants.then(|| link.down.take(now)).flatten()
            };
            let Some(piece) = piece else { break };
            self.deliver(&piece, now);
        }
    }

    /// Gives bytes to the HTTP/2 side, frame by frame, with a look at what it says to each.
    fn deliver(&mut self, mut bytes: &[u8], now: Instant) {
        while !bytes.is_empty() && !self.http2.is_closed() {
            let frame = {
                let net = &mut *self.net.borrow_mut();
                let wire = &mut net.links[self.id].wire;
                let (frame, rest) = bytes.split_at(wire.of_one_frame(bytes));
                wire.delivered(frame, now, &mut net.ledger);
                bytes = rest;
                frame
            };
            self.http2.receive(frame, now);
            self.look_at_output(now);
        }
    }

    fn open_requests(&self) -> usize {
        self.net.borrow().links[self.id].wire.open_requests()
    }

    /// Panics if that was to be.
    fn fall_into(&self, trap: Trap) {
        let mut net = self.net.borrow_mut();
        if net.trap.take_if(|set| *set == trap).is_some() {
            drop(net);
            resume_unwind(Box::new("a trap"));
        }
    }

    fn tell_end(&mut self, now: Instant) {
        if self.closed && !self.told {
            self.told = true;
            self.http2.transport_closed();
            self.look_at_output(now);
        }
    }
}
