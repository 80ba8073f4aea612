//! One connection as it passes by: which requests are open on it, by the frames of both sides.

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use sterna::http2::hpack::Decoder;

use crate::coverage::Kind;
use crate::frames::{self, Frames};
use crate::ledger::{Fate, Ledger};
use crate::reply::{Class, Reply};

/// A request on the wire.
struct Open {
    /// Zero until its content has said it.
    push: u64,
    /// Where its first byte stands.
    at: u64,
    /// Bytes of content that the provider still allows.
    window: i64,
    /// It was written before the provider had acknowledged the daemon's SETTINGS.
    is_early: bool,
    /// The head of its answer has come: what that says.
    head: Option<Reply>,
    /// Transactional pushes were left in the queue when it was written.
    left_others: bool,
}

/// A frame that is on its way to the socket.
struct Ahead {
    at: u64,
    length: u64,
    stream: u32,
    hidden: bool,
}

/// So many frames that move nothing are taken at once, and some more as time passes.
const USELESS_TAKEN: u64 = 9_000;

/// The account of one connection.
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub(crate) struct Wire {
    link: usize,
    up: Frames,
    down: Frames,
    decoder: Decoder,
    /// Of answers.
    down_decoder: Decoder,
    open: BTreeMap<u32, Open>,
    /// What the provider allows as far as the daemon has heard; 1 before its SETTINGS.
    limit: usize,
    /// Of a new stream, and of the connection: as far as the daemon has heard.
    initial_window: i64,
    window: i64,
    /// The provider takes no more.
    going_away: bool,
    /// It has refused the certificate.
    refused: bool,
    /// It has answered something.
    answered: bool,
    /// Bytes that the daemon has written, and of those, the socket took.
    written: u64,
    handed: u64,
    /// What the heads of the provider's answers say, by stream.
    pub(crate) heads: BTreeMap<u32, Reply>,
    /// The answers that the provider gave, by stream.
    pub(crate) answers: BTreeMap<u32, Reply>,
    /// Acknowledgements of SETTINGS that are still to pass: true for one that the provider's
    /// HTTP/2 does not know of.
    pub(crate) settings_sent: VecDeque<bool>,
    /// Where the bytes of acknowledgements begin that it must not see.
    hidden: VecDeque<u64>,
    /// Whole frames that the daemon has written and the socket has not taken entirely.
    ahead: VecDeque<Ahead>,
    /// Bytes that went on their way to the provider, hidden ones included.
    conveyed: u64,
    over: bool,
    /// The daemon has heard that its SETTINGS are known.
    acknowledged: bool,
    /// Frames that move nothing.
    useless: u64,
    /// Its thread has panicked: nobody knows what became of what is open.
    pub(crate) abandoned: bool,
    /// Something has happened that another connection may be opened for.
    pub(crate) may_be_replaced: bool,
    /// Streams that the daemon has reset since the last look.
    pub(crate) given_up: Vec<u32>,
    /// It was another lane's, and this one has sent nothing on it.
    is_new_here: bool,
    /// The key of the auth tokens on it.
    key: Option<String>,
}

impl Wire {
    pub(crate) fn new(link: usize) -> Self {
        Self {
            abandoned: false,
            may_be_replaced: false,
            given_up: Vec::new(),
            link,
            up: Frames::of_client(),
            down: Frames::of_server(),
            decoder: Decoder::new(4096, 0x4000),
            down_decoder: Decoder::new(4096, 0x4000),
            open: BTreeMap::new(),
            limit: 1,
            initial_window: 65_535,
            window: 65_535,
            going_away: false,
            refused: false,
            answered: false,
            written: 0,
            handed: 0,
            heads: BTreeMap::new(),
            answers: BTreeMap::new(),
            settings_sent: [false].into(),
            hidden: VecDeque::new(),
            ahead: VecDeque::new(),
            conveyed: 0,
            over: false,
            acknowledged: false,
            useless: 0,
            is_new_here: false,
            key: None,
        }
    }

    /// It is another lane's from now on, by that number.
    pub(crate) fn moves_to(&mut self, link: usize) {
        self.link = link;
        self.is_new_here = true;
        self.given_up.clear();
    }

    /// Nothing passes any more.
    pub(crate) fn gone(&mut self) {
        self.over = true;
    }

    /// Whether all auth tokens on it are of that one's key: Apple ends it for another.
    pub(crate) fn is_of_one_key(&mut self, authorization: &str) -> bool {
        let key = authorization.split('.').next().unwrap_or_default();
        self.key.get_or_insert_with(|| key.to_owned()) == key
    }

    /// The daemon has `output` to send, of which some was seen before.
    pub(crate) fn written(
        &mut self,
        output: &[u8],
        pusher_max: usize,
        now: Instant,
        ledger: &mut Ledger,
    ) {
        let seen = usize::try_from(self.written - self.handed).unwrap();
        if output.len() < seen && !self.over {
            self.taken_back(output.len() as u64, now, ledger);
        }
        let seen = usize::try_from(self.written - self.handed).unwrap();
        let Some(new) = output
            .get(seen..)
            .filter(|new| !new.is_empty() && !self.over)
        else {
            return;
        };
        self.written += new.len() as u64;
        for frame in self.up.take(new) {
            self.ahead.push_back(Ahead {
                at: frame.at,
                length: frame.payload.len() as u64 + 9,
                stream: frame.stream,
                hidden: false,
            });
            match frame.kind {
                frames::DATA => self.content(&frame, now, ledger),
                frames::HEADERS => self.opened(&frame, pusher_max, now, ledger),
                frames::RST_STREAM => {
                    self.may_be_replaced = true;
                    self.given_up.push(frame.stream);
                    self.end_by_peer(frame.stream, Fate::Unknown, now, ledger);
                }
                frames::SETTINGS if frame.is_ack() => {
                    let hidden = self.settings_sent.pop_front() == Some(true);
                    self.hidden.extend(hidden.then_some(frame.at));
                    self.ahead.back_mut().unwrap().hidden = hidden;
                }
                _ => {}
            }
        }
    }

    /// The daemon has closed the connection, and has `output` to send: the requests that it had
    /// given up before ended before that.
    pub(crate) fn given_up_before_the_end(
        &mut self,
        output: &[u8],
        now: Instant,
        ledger: &mut Ledger,
    ) {
        let seen = usize::try_from(self.written - self.handed).unwrap();
        let new = output.get(seen..).unwrap_or_default();
        let mut frames = self.up.clone().take(new);
        frames.retain(|frame| frame.kind == frames::RST_STREAM);
        for frame in frames {
            self.end_by_peer(frame.stream, Fate::Unknown, now, ledger);
        }
    }

    /// The daemon has taken requests back: exactly the frames of those of which the socket took
    /// nothing, with those behind them that it had reset, and it sends no others.
    fn taken_back(&mut self, left: u64, now: Instant, ledger: &mut Ledger) {
        let unsent: Vec<u32> = self
            .open
            .iter()
            .filter(|(_, open)| open.at >= self.handed)
            .map(|(stream, _)| *stream)
            .collect();
        let first = unsent.first().copied().unwrap_or(u32::MAX);
        self.ahead
            .retain(|frame| frame.at < self.handed || frame.stream < first);
        let handed = self.handed;
        let mut at = self
            .ahead
            .front()
            .map_or(handed, |frame| frame.at.min(handed));
        self.hidden.retain(|hidden| *hidden < handed);
        for frame in &mut self.ahead {
            let is_new = frame.hidden && at >= handed;
            self.hidden.extend(is_new.then_some(at));
            frame.at = at;
            at += frame.length;
        }
        if at - handed != left {
            let (link, rest) = (self.link, at - handed);
            let what = format!("{link}: {left} bytes left of what should be {rest}");
            ledger.violate(now, what);
        }
        self.written = handed + left;
        self.up.go_back_to(self.written);
        // It has no more use for streams.
        self.going_away = true;
        ledger.coverage.count(Kind::TakenBack);
        for stream in unsent {
            self.end(stream, Fate::NotSent, now, ledger);
        }
    }

    fn opened(
        &mut self,
        frame: &frames::Frame,
        pusher_max: usize,
        now: Instant,
        ledger: &mut Ledger,
    ) {
        assert_eq!(frame.flags & 0x2c, 0x4, "a head in one frame");
        self.is_new_here = false;
        let decoded = self.decoder.decode(&frame.payload).unwrap();
        let push = decoded
            .fields
            .get(b"apns-id")
            .and_then(push_of)
            .unwrap_or(0);
        let (link, stream) = (self.link, frame.stream);
        let left_others = ledger.lane.has_transactional();
        if push > 0 {
            ledger.sent(push, link, stream, now);
            let carried = self.open.values().map(|open| open.push);
            let streams = self.limit.min(pusher_max);
            ledger.check_class(push, left_others, now);
            ledger.check_kept(push, carried, streams, now);
        }
        self.open.insert(
            stream,
            Open {
                push,
                at: frame.at,
                window: self.initial_window,
                is_early: !self.acknowledged,
                head: None,
                left_others,
            },
        );
        let open = self.open.len();
        if open > self.limit.min(pusher_max) {
            let limit = self.limit;
            ledger.violate(
                now,
                format!("{link}/{stream}: {open} streams, allowed {limit} and {pusher_max}"),
            );
        }
        if self.going_away {
            ledger.violate(now, format!("{link}/{stream}: a request after GOAWAY"));
        }
    }

    /// Content was written: as much as the windows let out.
    fn content(&mut self, frame: &frames::Frame, now: Instant, ledger: &mut Ledger) {
        if let Some(open) = self.open.get_mut(&frame.stream)
            && open.push == 0
        {
            // FCM's requests have no other name.
            open.push = target_in(&frame.payload)
                .and_then(|token| ledger.push_to(token))
                .unwrap_or(0);
            ledger.sent(open.push, self.link, frame.stream, now);
            ledger.check_class(open.push, open.left_others, now);
        }
        let bytes = i64::try_from(frame.payload.len()).unwrap();
        self.window -= bytes;
        let mut least = self.window;
        if let Some(open) = self.open.get_mut(&frame.stream) {
            open.window -= bytes;
            least = least.min(open.window);
        }
        if bytes > 0 && least < 0 {
            let (link, stream) = (self.link, frame.stream);
            ledger.violate(now, format!("{link}/{stream}: {} bytes too many", -least));
        }
    }

    /// The streams whose answers would be complete with these bytes.
    pub(crate) fn answered_by(&self, bytes: &[u8]) -> Vec<u32> {
        let frames = self.down.clone().take(bytes);
        let last = frames.iter().filter(|frame| frame.ends_stream());
        last.map(|frame| frame.stream).collect()
    }

    /// How many of these bytes are to be given to the daemon before the next look at it.
    pub(crate) fn of_one_frame(&self, bytes: &[u8]) -> usize {
        self.down.of_one_frame(bytes)
    }

    /// Where the last request begins within the next `n` bytes that the socket could take.
    pub(crate) fn between_requests(&self, n: usize) -> Option<usize> {
        let begins = self.open.values().map(|open| open.at);
        let ahead = begins.filter_map(|at| usize::try_from(at.checked_sub(self.handed)?).ok());
        ahead.filter(|ahead| (1..n).contains(ahead)).max()
    }

    /// The socket took so many bytes. Returns those that go on to the provider.
    pub(crate) fn handed(&mut self, bytes: &[u8]) -> Vec<u8> {
        const ACK: u64 = 9;
        self.handed += bytes.len() as u64;
        while let Some(frame) = self.ahead.front() {
            if frame.at + frame.length > self.handed {
                break;
            }
            self.ahead.pop_front();
        }
        let mut passing = Vec::with_capacity(bytes.len());
        for byte in bytes {
            while self
                .hidden
                .front()
                .is_some_and(|at| at + ACK <= self.conveyed)
            {
                self.hidden.pop_front();
            }
            if self.hidden.front().is_none_or(|at| self.conveyed < *at) {
                passing.push(*byte);
            }
            self.conveyed += 1;
        }
        passing
    }

    /// These bytes are given to the daemon now.
    pub(crate) fn delivered(&mut self, bytes: &[u8], now: Instant, ledger: &mut Ledger) {
        for frame in self.down.take(bytes) {
            let stream = frame.stream;
            if frame.kind == frames::HEADERS {
                let head = self.down_decoder.decode(&frame.payload).unwrap();
                let is_final = head.fields.status().is_some_and(|status| status >= 200);
                if let Some(open) = self.open.get_mut(&stream).filter(|_| is_final) {
                    open.head = self.heads.get(&stream).copied();
                }
            }
            if frame.ends_stream() {
                let answer = self.answers.get(&stream).filter(|reply| !reply.broken);
                let fate = answer.map_or(Fate::Unknown, |reply| Fate::Answered(*reply));
                self.end(stream, fate, now, ledger);
            }
            match frame.kind {
                frames::RST_STREAM if frame.number(0) == frames::REFUSED_STREAM => {
                    self.may_be_replaced = true;
                    let is_early = self.open.get(&stream).is_some_and(|open| open.is_early);
                    self.end_by_peer(stream, Fate::NotProcessed { is_early }, now, ledger);
                }
                frames::RST_STREAM => self.end(stream, Fate::Unknown, now, ledger),
                frames::SETTINGS if !frame.is_ack() => self.settings(&frame, now, ledger),
                frames::SETTINGS => self.acknowledged = true,
                frames::WINDOW_UPDATE if stream == 0 => self.window += i64::from(frame.number(0)),
                frames::WINDOW_UPDATE => {
                    if let Some(open) = self.open.get_mut(&stream) {
                        open.window += i64::from(frame.number(0));
                    }
                }
                frames::UNKNOWN => {
                    self.useless += 1;
                    // It is left in good order.
                    self.may_be_replaced |= self.useless > USELESS_TAKEN;
                }
                frames::GOAWAY => {
                    self.going_away = true;
                    let debug = String::from_utf8_lossy(&frame.payload[8..]);
                    // What is said before a lane's first push is about another's.
                    let is_ours = !self.refused && !self.is_new_here;
                    if debug.contains("BadCertificate") && is_ours {
                        self.refused = true;
                        ledger.refused(self.link);
                    }
                    // What was not sent yet is taken back, and seen to be.
                    let handed = self.handed;
                    let above: Vec<u32> = self
                        .open
                        .range(frame.number(0).saturating_add(1)..)
                        .filter(|(_, open)| open.at < handed)
                        .map(|(stream, _)| *stream)
                        .collect();
                    let link = self.link;
                    ledger.tell(now, above.len() as u64, || {
                        format!("{link}: GOAWAY({}, {})", frame.number(0), frame.number(4))
                    });
                    if !above.is_empty() {
                        ledger.coverage.count(Kind::GoAwayBelowOpen);
                    }
                    for stream in above {
                        let fate = Fate::NotProcessed { is_early: false };
                        self.end_by_peer(stream, fate, now, ledger);
                    }
                }
                _ => {}
            }
        }
    }

    fn settings(&mut self, frame: &frames::Frame, now: Instant, ledger: &mut Ledger) {
        if self.limit == 1 && frame.at == 0 {
            self.limit = usize::MAX;
        }
        for (id, value) in frame.settings() {
            let link = self.link;
            ledger.tell(now, value.into(), || {
                format!("{link}: SETTINGS {id} = {value}")
            });
            if id == frames::MAX_CONCURRENT_STREAMS {
                self.limit = value as usize;
            }
            if id == frames::INITIAL_WINDOW_SIZE {
                let difference = i64::from(value) - self.initial_window;
                self.initial_window += difference;
                for open in self.open.values_mut() {
                    open.window += difference;
                }
            }
        }
    }

    /// A provider that refuses the certificate of a connection has done nothing beyond what it
    /// has answered on it; before its first answer, nothing.
    fn spared(&self, fate: Fate) -> Fate {
        match fate {
            Fate::NotProcessed { .. } if self.refused => Fate::NotSent,
            Fate::Unknown if self.refused && !self.answered => Fate::Spared,
            fate => fate,
        }
    }

    fn end_by_peer(&mut self, stream: u32, fate: Fate, now: Instant, ledger: &mut Ledger) {
        self.end(stream, self.spared(fate), now, ledger);
    }

    fn end(&mut self, stream: u32, fate: Fate, now: Instant, ledger: &mut Ledger) {
        if let Some(open) = self.open.remove(&stream) {
            self.end_open(&open, fate, now, ledger);
        }
    }

    /// Whatever ends a request whose answer has begun, its head is believed.
    fn end_open(&mut self, open: &Open, fate: Fate, now: Instant, ledger: &mut Ledger) {
        let fate = match (fate, open.head) {
            (Fate::Answered(_), _) | (_, None) => fate,
            (_, Some(head)) => {
                if head.class == Class::Taken {
                    ledger.coverage.count(Kind::Believed);
                }
                Fate::Answered(head)
            }
        };
        if let Fate::Answered(reply) = fate {
            if self.useless > 0 {
                ledger.coverage.count(Kind::UsefulAfterAll);
            }
            self.answered = true;
            self.may_be_replaced |= reply.closes();
        }
        ledger.ended(open.push, fate, now);
    }

    /// The connection is over on the daemon's side.
    pub(crate) fn ended(&mut self, now: Instant, ledger: &mut Ledger) {
        self.over = true;
        for (_, mut open) in std::mem::take(&mut self.open) {
            let fate = if self.abandoned {
                open.head.take_if(|head| head.class != Class::Taken);
                Fate::Unknown
            } else if open.at < self.handed {
                self.spared(Fate::Unknown)
            } else {
                Fate::NotSent
            };
            self.end_open(&open, fate, now, ledger);
            if self.abandoned {
                ledger.may_settle_later(open.push);
            }
        }
    }

    /// Requests that are open.
    pub(crate) fn open_requests(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    /// Whether another connection may take its place.
    pub(crate) fn is_lost(&self) -> bool {
        self.over || self.going_away || self.may_be_replaced
    }
}

/// The number in an `apns-id` of ours.
pub(crate) fn push_of(apns_id: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(apns_id).ok()?;
    let digits: String = text.chars().filter(|character| *character != '-').collect();
    let number = u64::from_str_radix(digits.get(17..)?, 16).ok()?;
    Some(number & ((1 << 53) - 1))
}

/// The target that the content of a request to FCM begins with.
fn target_in(content: &[u8]) -> Option<&str> {
    let rest = content.strip_prefix(br#"{"message":{""#)?;
    let text = str::from_utf8(rest.get(..TARGET_MAX.min(rest.len()))?).ok()?;
    let mut parts = text.split('"');
    let name = parts.next()?;
    let is_target = ["token", "fid", "topic", "condition"].contains(&name);
    parts.nth(1).filter(|_| is_target)
}

/// Bytes within which a target and its name are, of the targets here.
const TARGET_MAX: usize = 64;
