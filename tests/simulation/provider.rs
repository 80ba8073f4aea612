//! The provider: the HTTP/2 core's server role under a strict APNs or FCM that follows a script of
//! chance.

mod check;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sterna::http2::{Cause, Connection, ErrorCode, Event, Field, Indexing, Options};

use crate::coverage::Kind;
use crate::dice::Dice;
use crate::frames;
use crate::issuer::UNIX;
use crate::net::{Ending, Net};
use crate::reply::{self, Class, Cut, Plan, Reply, RetryAfter, TAKEN};
use crate::trouble::{self, Trouble};

#[derive(Clone, Copy, Debug)]
enum Todo {
    Act(u32, Plan),
    /// The content of an answer whose head went out.
    Content(u32, Reply),
    /// The same, of one that has no end.
    Cut(u32, Cut),
    Trouble(Trouble),
    Close(Ending),
}

struct Request {
    push: u64,
    /// What it says to the request's credential, if that is not good.
    proof: Option<Reply>,
    content: Vec<u8>,
    plan: Option<Plan>,
}

/// The provider's end of one connection.
pub(crate) struct Peer {
    pub(crate) link: usize,
    /// None if it does not speak HTTP/2 as it should.
    http2: Option<Connection>,
    requests: BTreeMap<u32, Request>,
    todo: BTreeMap<(Instant, u64), Todo>,
    number: u64,
    /// The highest stream that it has taken or answered.
    touched: u32,
    highest: u32,
    limit: u32,
    /// To be the limit once a push was taken.
    limit_after_proof: Option<u32>,
    /// Its `INITIAL_WINDOW_SIZE`.
    window: u32,
    /// It never acknowledges SETTINGS.
    acknowledges_nothing: bool,
    /// Requests up to that were another lane's, which has given them up.
    of_others: u32,
}

/// More unknown frames than a client has to take.
const USELESS: usize = 11_000;

impl Peer {
    /// With its troubles to come.
    pub(crate) fn new(link: usize, troubled: u64, now: Instant, net: &mut Net) -> Self {
        let dice = &mut net.dice;
        let limit = if net.half_unavailable || net.refusing.is_some() || net.wide {
            1000
        } else {
            dice.one_of(&[1, 1, 2, 5, 30, 100, 1000])
        };
        // A request to FCM is known by its content, which has to follow its head.
        let is_fcm = net.issuer.is_fcm();
        let small_window = dice.chance(troubled / 2) && !is_fcm;
        let mut peer = Self {
            link,
            http2: None,
            requests: BTreeMap::new(),
            todo: BTreeMap::new(),
            number: 0,
            touched: 0,
            highest: 0,
            limit,
            limit_after_proof: (limit == 1).then(|| dice.one_of(&[1, 10, 500])),
            of_others: 0,
            window: if small_window { 700 } else { 65_535 },
            acknowledges_nothing: troubled > 0 && dice.chance(troubled / 8),
        };
        if peer.acknowledges_nothing {
            net.ledger.coverage.count(Kind::NotAcknowledged);
            // It is left after a while.
            net.links[link].wire.may_be_replaced = true;
        }
        let dice = &mut net.dice;
        for (at, trouble) in trouble::of_a_connection(troubled, dice) {
            peer.later(now + at, Todo::Trouble(trouble));
        }
        for _ in 0..if small_window { dice.between(0, 3) } else { 0 } {
            let trouble = trouble::window_shrunk(dice);
            peer.later(now + dice.millis(0, 3000), Todo::Trouble(trouble));
        }
        let fresh = dice.between(0, 999);
        let route = net.ledger.generation_of(link);
        if net.issuer.refuses_certificate(route) {
            net.ledger.coverage.count(Kind::GoAwayForSettings);
            let goaway = frames::goaway(0, 0, goaway_text(is_fcm));
            net.send(link, &goaway, now);
            peer.later(now, Todo::Close(Ending::Eof));
        } else if fresh < troubled / 8 {
            net.ledger.coverage.count(Kind::EndBeforeSettings);
            peer.later(now, Todo::Close(dice_ending(&mut net.dice)));
        } else if fresh < troubled / 4 {
            net.ledger.coverage.count(Kind::GoAwayForSettings);
            let goaway = frames::goaway(0, 0, goaway_text(is_fcm));
            net.send(link, &goaway, now);
            peer.later(now, Todo::Close(Ending::Eof));
        } else {
            if small_window {
                net.ledger.coverage.count(Kind::SmallWindow);
            }
            let options = Options {
                max_concurrent_streams: Some(limit),
                stream_window: peer.window,
                ..Options::default()
            };
            peer.http2 = Some(Connection::server(options, now));
            peer.flush(now, net);
        }
        peer
    }

    /// Its connection is another lane's from now on, by that number; `last` is the last request of
    /// those before.
    pub(crate) fn moves_to(&mut self, link: usize, last: u32) {
        (self.link, self.of_others) = (link, last);
        self.requests.clear();
    }

    fn later(&mut self, at: Instant, todo: Todo) {
        self.number += 1;
        self.todo.insert((at, self.number), todo);
    }

    /// When it has something to do.
    pub(crate) fn next(&self, net: &Net) -> Option<Instant> {
        if net.links[self.link].left {
            return None;
        }
        let todo = self.todo.keys().next().map(|(at, _)| *at);
        let http2 = self.http2.as_ref().and_then(Connection::next_timeout);
        let arrival = net.links[self.link].next_arrival();
        [todo, http2, arrival].into_iter().flatten().min()
    }

    /// Does what is due.
    pub(crate) fn act(&mut self, now: Instant, troubled: u64, timeout: Duration, net: &mut Net) {
        let (pieces, over) = net.links[self.link].arrived(now);
        if let Some(http2) = &mut self.http2 {
            for piece in pieces {
                http2.receive(&piece, now);
            }
            if http2.next_timeout().is_some_and(|at| at <= now) {
                http2.handle_timeout(now);
            }
            self.take_events(now, troubled, timeout, net);
        }
        if over {
            net.links[self.link].leave(Ending::Eof, now, &mut net.dice);
            return;
        }
        while let Some(entry) = self.todo.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let todo = entry.remove();
            self.carry_out(todo, now, net);
        }
        self.flush(now, net);
    }

    fn flush(&mut self, now: Instant, net: &mut Net) {
        let Some(http2) = &mut self.http2 else { return };
        while !http2.output().is_empty() {
            let mut output = http2.output().to_vec();
            http2.advance_output(output.len());
            if self.acknowledges_nothing {
                output = frames::without_acknowledgements(&output);
            }
            net.send(self.link, &output, now);
        }
        if http2.is_closed() {
            net.links[self.link].leave(Ending::Eof, now, &mut net.dice);
        }
    }

    fn take_events(&mut self, now: Instant, troubled: u64, timeout: Duration, net: &mut Net) {
        while let Some(event) = self.http2.as_mut().and_then(Connection::poll_event) {
            match event {
                Event::Head {
                    stream,
                    fields,
                    end_stream,
                } => {
                    self.highest = stream;
                    if stream <= self.of_others {
                        continue;
                    }
                    let (push, proof) = check::head(self.link, stream, &fields, now, net);
                    let request = Request {
                        push,
                        proof,
                        content: Vec::new(),
                        plan: None,
                    };
                    self.requests.insert(stream, request);
                    if end_stream {
                        self.complete(stream, now, troubled, timeout, net);
                    }
                }
                Event::Data {
                    stream,
                    data,
                    end_stream,
                } => {
                    if let Some(http2) = &mut self.http2 {
                        http2.release(stream, data.len());
                    }
                    if let Some(request) = self.requests.get_mut(&stream) {
                        request.content.extend(data);
                    }
                    if end_stream {
                        self.complete(stream, now, troubled, timeout, net);
                    }
                }
                Event::StreamFailed { stream, cause, .. } => {
                    self.requests.remove(&stream);
                    if let Cause::StreamError(code, rule) = cause {
                        let link = self.link;
                        net.ledger
                            .violate(now, format!("{link}/{stream}: {code}: {rule}"));
                    }
                }
                Event::Closed {
                    cause: Cause::ConnectionError(code, rule),
                } if code != ErrorCode::SETTINGS_TIMEOUT => {
                    let link = self.link;
                    net.ledger.violate(now, format!("{link}: {code}: {rule}"));
                }
                Event::GoAway { code, debug, .. }
                    if code != ErrorCode::NO_ERROR && code != ErrorCode::SETTINGS_TIMEOUT =>
                {
                    let (link, debug) = (self.link, String::from_utf8_lossy(&debug));
                    let what = format!("{link}: the daemon sends GOAWAY {code} {debug}");
                    net.ledger.violate(now, what);
                }
                _ => {}
            }
        }
    }

    /// A request is whole: decides what becomes of it.
    fn complete(
        &mut self,
        stream: u32,
        now: Instant,
        troubled: u64,
        timeout: Duration,
        net: &mut Net,
    ) {
        let Some(request) = self.requests.get_mut(&stream) else {
            return;
        };
        let content = &request.content;
        request.push = check::content(self.link, stream, request.push, content, now, net);
        let plan = if let Some(reply) = request.proof {
            Plan::Answer(reply)
        } else if let Some(plan) = net.poison.get(&request.push) {
            *plan
        } else if let Some(plan) = net.refusing {
            plan
        } else if net.half_unavailable {
            reply::half_unavailable(&mut net.dice)
        } else if net.used_up_until.is_some_and(|until| now < until) {
            reply::used_up(net.issuer.is_fcm(), &mut net.dice)
        } else {
            reply::draw(net.issuer.is_fcm(), troubled, &mut net.dice)
        };
        let accepted = net.ledger.accepted(request.push);
        let plan = accepted.map_or(plan, |accepted| plan.to(&accepted.envelope));
        if let Plan::Answer(reply) = plan
            && reply.of_other_topic
            && reply.reason.ends_with("TopicDisallowed")
        {
            net.ledger.coverage.count(Kind::OwnTopicRefused);
        }
        request.plan = Some(plan);
        let wait = net.dice.millis(1, 300);
        match plan {
            Plan::Late | Plan::Never(true) => {
                let push = request.push;
                self.take(stream, push, now, net);
                if matches!(plan, Plan::Late) {
                    let late = net.dice.millis(1, 9000);
                    self.later(now + timeout + late, Todo::Act(stream, plan));
                } else {
                    net.ledger.coverage.count(Kind::TakenNotAnswered);
                }
            }
            Plan::Never(false) => net.ledger.coverage.count(Kind::NeverAnswered),
            Plan::Answer(_)
            | Plan::Cut(..)
            | Plan::Reset(_)
            | Plan::GoAway(..)
            | Plan::Close(_) => {
                self.later(now + wait, Todo::Act(stream, plan));
            }
        }
    }

    fn take(&mut self, stream: u32, push: u64, now: Instant, net: &mut Net) {
        self.touched = self.touched.max(stream);
        net.ledger.taken(push, now);
        if let (Some(limit), Some(http2)) = (self.limit_after_proof.take(), &mut self.http2) {
            http2.set_max_concurrent_streams(limit, now);
            net.links[self.link].wire.settings_sent.push_back(false);
            self.limit = limit;
        }
    }

    fn carry_out(&mut self, todo: Todo, now: Instant, net: &mut Net) {
        match todo {
            Todo::Act(stream, plan) => {
                let Some(request) = self.requests.get(&stream) else {
                    return;
                };
                let push = request.push;
                match plan {
                    Plan::Answer(reply) | Plan::Cut(reply, _) => {
                        if reply.class == Class::Taken {
                            self.take(stream, push, now, net);
                        }
                        let cut = match plan {
                            Plan::Cut(_, cut) => Some(cut),
                            _ => None,
                        };
                        self.answer(stream, reply, cut, now, net);
                    }
                    Plan::Late => {
                        net.ledger.coverage.count(Kind::LateAnswer);
                        self.answer(stream, TAKEN, None, now, net);
                    }
                    Plan::Reset(code) => {
                        self.requests.remove(&stream);
                        let kind = match code {
                            ErrorCode::REFUSED_STREAM => Kind::Refused,
                            _ => Kind::ResetOther,
                        };
                        net.ledger.coverage.count(kind);
                        if let Some(http2) = &mut self.http2 {
                            http2.reset(stream, code);
                        }
                    }
                    Plan::GoAway(code, is_known) => {
                        if is_known {
                            self.touched = self.touched.max(stream);
                        }
                        self.go_away(true, code, false, now, net);
                    }
                    Plan::Close(ending) => self.later(now, Todo::Close(ending)),
                    Plan::Never(_) => {}
                }
            }
            Todo::Content(stream, reply) => self.finish_answer(stream, reply, net),
            Todo::Cut(stream, cut) => self.cut_answer(stream, cut, net),
            Todo::Close(ending) => {
                self.flush(now, net);
                net.links[self.link].leave(ending, now, &mut net.dice);
            }
            Todo::Trouble(trouble) => self.befall(trouble, now, net),
        }
    }

    fn answer(&mut self, stream: u32, reply: Reply, cut: Option<Cut>, now: Instant, net: &mut Net) {
        let Some(http2) = &mut self.http2 else { return };
        self.touched = self.touched.max(stream);
        reply.count(&mut net.ledger);
        let interim = net.dice.chance(30);
        if interim && http2.send_interim(stream, 103).is_ok() {
            net.ledger.coverage.count(Kind::Interim);
        }
        let date = http_date(UNIX + now.duration_since(net.origin));
        let retry_after = reply.retry_after.map(|asked| match asked {
            RetryAfter::Secs(secs) => secs.to_string(),
            RetryAfter::Date(secs) => {
                http_date(UNIX + now.duration_since(net.origin) + Duration::from_secs(secs))
            }
            RetryAfter::Unreadable => "soon".to_owned(),
        });
        let mut fields = vec![field(b"apns-id", b"73746572-6e61-8000-8000-000000000001")];
        if let Some(text) = &retry_after {
            fields.push(field(b"date", date.as_bytes()));
            fields.push(field(b"retry-after", text.as_bytes()));
        }
        if reply.broken {
            fields.push(field(b"content-length", b"5"));
        }
        let content = reply.content();
        let whole = cut.is_none() && (content.is_empty() || net.dice.chance(600));
        let sent = http2.send_response(stream, reply.status, &fields, whole.then_some(&content));
        if sent.is_err() {
            return;
        }
        let wire = &mut net.links[self.link].wire;
        let by_its_head = reply.by_its_head(net.issuer.is_fcm());
        wire.heads.insert(stream, by_its_head);
        if whole {
            wire.answers.insert(stream, reply);
            self.requests.remove(&stream);
        } else {
            let wait = net.dice.millis(0, 400);
            let rest = cut.map_or(Todo::Content(stream, reply), |cut| Todo::Cut(stream, cut));
            self.later(now + wait, rest);
        }
    }

    fn finish_answer(&mut self, stream: u32, reply: Reply, net: &mut Net) {
        let Some(http2) = &mut self.http2 else { return };
        if http2.send_data(stream, &reply.content(), true).is_ok() {
            net.links[self.link].wire.answers.insert(stream, reply);
        }
        self.requests.remove(&stream);
    }

    fn cut_answer(&mut self, stream: u32, cut: Cut, net: &mut Net) {
        let Some(http2) = &mut self.http2 else { return };
        let is_open = self.requests.remove(&stream).is_some();
        net.ledger.coverage.count(match cut {
            _ if !is_open => return,
            Cut::Reset(_) => Kind::ResetBehindHead,
            Cut::Silence => Kind::SilenceBehindHead,
            Cut::Flood => Kind::FloodBehindHead,
        });
        match cut {
            Cut::Reset(code) => http2.reset(stream, code),
            Cut::Silence => {}
            Cut::Flood => {
                // It may have been let go meanwhile.
                let _sent = http2.send_data(stream, &vec![b' '; 0x1_0001], false);
            }
        }
    }

    fn befall(&mut self, trouble: Trouble, now: Instant, net: &mut Net) {
        let Some(http2) = &mut self.http2 else { return };
        if http2.is_closed() {
            return;
        }
        let link = self.link;
        net.ledger.tell(now, 1, || format!("{link}: {trouble:?}"));
        match trouble {
            Trouble::Network(fault) => {
                trouble::befall_network(fault, &mut net.links[link], now, &mut net.ledger);
            }
            Trouble::Close(ending) => {
                net.ledger.coverage.count(Kind::Eof);
                self.later(now, Todo::Close(ending));
            }
            Trouble::Useless => {
                net.ledger.coverage.count(Kind::Useless);
                self.flush(now, net);
                net.send(link, &frames::unknown(USELESS), now);
            }
            Trouble::Graceful => {
                net.ledger.coverage.count(Kind::GracefulGoAway);
                http2.shut_down(now);
                let wait = net.dice.millis(1000, 60_000);
                self.later(now + wait, Todo::Close(Ending::Eof));
            }
            Trouble::Abrupt { below, code, again } => self.go_away(below, code, again, now, net),
            Trouble::Limit { to, then } => self.set_limit(to, then, now, net),
            Trouble::Setting { id, .. }
                if id == frames::INITIAL_WINDOW_SIZE && net.issuer.is_fcm() => {}
            Trouble::Setting { id, to, back } => {
                net.ledger.coverage.count(match id {
                    frames::INITIAL_WINDOW_SIZE => Kind::WindowShrunk,
                    frames::MAX_HEADER_LIST_SIZE => Kind::ListLimited,
                    _ => Kind::TableShrunk,
                });
                // Its HTTP/2 does not know: the window is as it was before anything shows.
                self.flush(now, net);
                // It keeps to the window that it gave; the daemon never gets more than that.
                let most = match id {
                    frames::INITIAL_WINDOW_SIZE => self.window,
                    _ => u32::MAX,
                };
                let frame = frames::settings(id, to.min(most));
                net.send(link, &frame, now);
                net.links[link].wire.settings_sent.push_back(true);
                if let Some((to, after)) = back {
                    let back = Trouble::Setting { id, to, back: None };
                    self.later(now + after, Todo::Trouble(back));
                }
            }
        }
    }

    /// GOAWAY out of the blue, and the end soon.
    fn go_away(&mut self, below: bool, code: ErrorCode, again: bool, now: Instant, net: &mut Net) {
        let Some(http2) = &mut self.http2 else { return };
        let last = if below { self.touched } else { self.highest };
        let (kind, debug): (_, &[u8]) = match code {
            ErrorCode::NO_ERROR => (Kind::AbruptGoAway, b""),
            _ => (Kind::GoAwayWithError, goaway_text(net.issuer.is_fcm())),
        };
        net.ledger.coverage.count(kind);
        http2.send_goaway(last, code, debug);
        // Of requests that were whole it says nothing.
        self.requests.retain(|stream, _| *stream <= last);
        if again {
            net.ledger.coverage.count(Kind::TwoGoAways);
            http2.send_goaway(last, ErrorCode::NO_ERROR, b"");
        }
        let ending = dice_ending(&mut net.dice);
        let wait = net.dice.millis(0, 3000);
        self.later(now + wait, Todo::Close(ending));
    }

    fn set_limit(&mut self, to: u32, then: Option<(u32, Duration)>, now: Instant, net: &mut Net) {
        let Some(http2) = &mut self.http2 else { return };
        let link = self.link;
        let kinds = [
            (to > self.limit, Kind::LimitRaised),
            (to < self.limit, Kind::LimitLowered),
            (to == 1, Kind::LimitOne),
            (to == 0, Kind::LimitZero),
            (to == 0 && then.is_none(), Kind::LimitStaysZero),
        ];
        for (_, kind) in kinds.iter().filter(|(is_so, _)| *is_so) {
            net.ledger.coverage.count(*kind);
        }
        self.limit = to;
        self.limit_after_proof = None;
        http2.set_max_concurrent_streams(to, now);
        net.links[link].wire.settings_sent.push_back(false);
        if let Some((to, after)) = then {
            let back = Trouble::Limit { to, then: None };
            self.later(now + after, Todo::Trouble(back));
        }
    }
}

pub(crate) fn dice_ending(dice: &mut Dice) -> Ending {
    dice.one_of(&[Ending::Eof, Ending::Reset])
}

/// What a GOAWAY that is more than a goodbye says.
fn goaway_text(is_fcm: bool) -> &'static [u8] {
    if is_fcm {
        b"too_many_pings"
    } else {
        br#"{"reason":"BadCertificate"}"#
    }
}

/// Seconds since the Unix epoch as `date` has them.
fn http_date(unix: Duration) -> String {
    let at = jiff::Timestamp::from_second(i64::try_from(unix.as_secs()).unwrap()).unwrap();
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

fn field<'a>(name: &'a [u8], value: &'a [u8]) -> Field<'a> {
    Field {
        name,
        value,
        indexing: Indexing::Literal,
    }
}
