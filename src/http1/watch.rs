//! The watching thread: it waits for all callers at once, lets new ones in, reads what they send
//! until it is a whole request, and notices who is late. It answers nothing itself.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::io;
use std::mem;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::Sender;
use mio::event::Event;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use super::berth::Berth;
use super::budget;
use super::connection::{CallStep, Conversation, Hand};
use super::crew::{self, ApiCrew, Ready};
use super::door::ApiDoor;
use super::handler::Phase;
use super::registry::Place;
use super::shared::ListenerShared;
use super::socket::{INLET, WAKER};
use crate::heartbeat::{Heartbeat, LONGEST_REST};
use crate::moment;

/// See the module.
pub(super) struct Watch {
    heartbeat: Heartbeat,
    poll: Poll,
    door: ApiDoor,
    /// Dropped when the door is closed, for which somebody waits.
    open: Option<Sender<()>>,
    shared: Arc<ListenerShared>,
    crew: ApiCrew,
    watched: WatchedBerths,
    /// What is too much for the way to the crew.
    ready: VecDeque<Ready>,
    /// Connections with which to go on when others have had their turn.
    again: BTreeSet<u64>,
    /// When to see again whether memory is waited for.
    press_at: Instant,
    spare: Vec<u8>,
}

/// The connections that are watched, and when to look at them whatever comes.
#[derive(Default)]
struct WatchedBerths {
    berths: HashMap<u64, Arc<Berth>>,
    /// At most one for each.
    looks: BTreeSet<(Instant, u64)>,
}

impl Watch {
    /// With what waits for callers, who lets them in, and who answers. `open` is dropped when
    /// nobody is let in any more.
    pub(super) fn new(
        (poll, door, crew): (Poll, ApiDoor, ApiCrew),
        shared: &Arc<ListenerShared>,
        open: Sender<()>,
    ) -> Self {
        Self {
            heartbeat: Heartbeat::new(moment::now()),
            poll,
            door,
            open: Some(open),
            shared: Arc::clone(shared),
            crew,
            watched: WatchedBerths::default(),
            ready: VecDeque::new(),
            again: BTreeSet::new(),
            press_at: moment::now(),
            spare: Vec::new(),
        }
    }

    /// What tells that the thread lives.
    pub(super) fn heartbeat(&self) -> Heartbeat {
        self.heartbeat.clone()
    }

    /// Watches until the listener is over.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        while !self.shared.is_over() {
            if self.open.is_some() && self.shared.phase() != Phase::Serving {
                self.door.close(&self.poll);
                self.open = None;
            }
            let now = moment::now();
            let until = self.next(now);
            self.heartbeat.rest(until);
            let timeout = until.saturating_duration_since(now);
            match self.poll.poll(&mut events, Some(timeout)) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => log::error!("waiting for callers failed: {error}"),
            }
            self.heartbeat.busy(moment::now());
            for event in &events {
                self.hear(event);
            }
            self.look_around();
        }
        self.heartbeat.end();
    }

    /// When to look next, if nothing comes before.
    fn next(&mut self, now: Instant) -> Instant {
        // Those who send without end keep nobody from a thread that answers.
        let crew = self.crew.grow(now);
        if !self.again.is_empty() {
            return now;
        }
        let held = (!self.ready.is_empty()).then(|| now + crew::LOOK_EVERY);
        let crew = crew.or(held);
        let late = self.watched.looks.first().map(|(at, _)| *at);
        let press = self.shared.budget.is_awaited().then_some(self.press_at);
        let times = crew.into_iter().chain(press).chain(late);
        let times = times.chain(self.door.next(now));
        times.fold(now + LONGEST_REST, Instant::min)
    }

    fn hear(&mut self, event: &Event) {
        match event.token() {
            INLET => self.door.knock(),
            WAKER => {}
            Token(number) => {
                let may_end = event.is_read_closed() || event.is_write_closed() || event.is_error();
                self.look(number as u64, may_end);
            }
        }
    }

    /// Does what is due.
    fn look_around(&mut self) {
        for number in self.shared.doorbell.take() {
            self.look(number, true);
        }
        for number in mem::take(&mut self.again) {
            self.look(number, true);
        }
        let now = moment::now();
        for number in self.watched.due(now) {
            self.look(number, true);
        }
        if self.door.is_due(now) {
            let (poll, shared, watched) = (&self.poll, &self.shared, &mut self.watched);
            self.door.let_in(|socket| {
                let place = shared.registry.enter(socket);
                watch(poll, &place, Interest::READABLE, true)?;
                watched.add(Box::new(Conversation::new(place, shared)));
                Ok(())
            });
        }
        self.door.look_after(now);
        if self.press_at <= now {
            self.press_at = now + budget::LOOK_EVERY;
            let registry = &self.shared.registry;
            let budget = &self.shared.budget;
            budget.press(|bytes| registry.free_memory(bytes));
        }
        // Each on its own way: what is too much for one does not keep the others.
        for ready in mem::take(&mut self.ready) {
            if let Err(ready) = self.crew.hand(ready) {
                self.ready.push_back(ready);
            }
        }
    }

    /// Goes on with a connection, if it is here.
    fn look(&mut self, number: u64, may_end: bool) {
        let Some(berth) = self.watched.berths.get(&number).map(Arc::clone) else {
            return;
        };
        let mut taken = berth.take();
        // The crew has it, and looks again; or it is gone; or it was put back in this moment.
        if taken.is_none() && Arc::strong_count(&berth) == HERE {
            taken = berth.take();
            if taken.is_none() {
                self.watched.forget(number, &berth);
            }
        }
        let Some(mut conversation) = taken else {
            return;
        };
        conversation.note(may_end);
        let step = conversation.advance(&self.shared, &mut self.spare, Hand::Watch);
        match step {
            CallStep::Wait => {
                if conversation.is_writing() && berth.is_room_new() {
                    let both = Interest::READABLE | Interest::WRITABLE;
                    if let Err(error) = watch(&self.poll, conversation.place(), both, false) {
                        // Its deadline comes in any case.
                        log::error!("cannot wait for a caller to take its answer: {error}");
                    }
                }
                self.watched
                    .look_at(number, &berth, conversation.deadline());
                berth.keep(conversation);
            }
            CallStep::Again => {
                berth.keep(conversation);
                self.again.insert(number);
            }
            CallStep::Crew => {
                conversation.place().queue();
                self.ready.push_back(Ready {
                    conversation,
                    berth,
                });
            }
            // It makes no promises.
            CallStep::Over | CallStep::Later => {
                drop(conversation);
                self.watched.forget(number, &berth);
            }
        }
    }
}

impl WatchedBerths {
    /// A connection that was let in.
    fn add(&mut self, conversation: Box<Conversation>) {
        let (number, deadline) = (conversation.number(), conversation.deadline());
        let berth = Arc::<Berth>::default();
        berth.keep(conversation);
        self.look_at(number, &berth, deadline);
        self.berths.insert(number, berth);
    }

    /// Looks at it by then, whatever comes.
    fn look_at(&mut self, number: u64, berth: &Berth, at: Instant) {
        let before = berth.looks_at(Some(at));
        match before {
            // Its deadline mostly moves on with each request: it is enough to see so then.
            Some(before) if before <= at => {
                berth.looks_at(Some(before));
            }
            _ => {
                if let Some(before) = before {
                    self.looks.remove(&(before, number));
                }
                self.looks.insert((at, number));
            }
        }
    }

    /// Those to look at by now.
    fn due(&mut self, now: Instant) -> Vec<u64> {
        let mut due = Vec::new();
        while let Some(&(at, number)) = self.looks.first()
            && at <= now
        {
            self.looks.pop_first();
            if let Some(berth) = self.berths.get(&number) {
                berth.looks_at(None);
            }
            due.push(number);
        }
        due
    }

    /// One that is gone.
    fn forget(&mut self, number: u64, berth: &Berth) {
        if let Some(at) = berth.looks_at(None) {
            self.looks.remove(&(at, number));
        }
        self.berths.remove(&number);
    }
}

/// Has a connection watched, for the first time if `is_new`.
fn watch(poll: &Poll, place: &Place, interest: Interest, is_new: bool) -> io::Result<()> {
    let descriptor = place.slot.socket.descriptor().as_raw_fd();
    let mut source = SourceFd(&descriptor);
    // Numbers of connections would be used up in centuries.
    let token = Token(usize::try_from(place.number()).unwrap_or(usize::MAX));
    if is_new {
        poll.registry().register(&mut source, token, interest)
    } else {
        poll.registry().reregister(&mut source, token, interest)
    }
}

/// Holds of a berth whose connection nobody else has: the map's and the one of who looks.
const HERE: usize = 2;

/// What is heard at once.
const EVENTS: usize = 1024;
