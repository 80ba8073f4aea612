//! The thread that queues again what an earlier process has left, queues what is scheduled once its
//! time has come, and settles what expires in the backlog for want of a lane.
//!
//! More may be outstanding than the lanes hold, and callers want room too: it feeds while a lane
//! is less than half full. Transactional pushes come first, and a few at a time also while the lane
//! is fuller by what callers bring, which must not keep them back. What is scheduled comes on room
//! of its own, as much of it as that holds, so that a million pushes that are due in one second are
//! fed as they are sent.
//!
//! The times of what is scheduled are of the wall clock, which may be set while everybody sleeps:
//! as long as something is scheduled it is looked at every second.

mod scheduled;

use std::io;
use std::num::NonZeroU32;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use self::scheduled::WallClock;
use super::absent::Absent;
use super::called_off::Meant;
use super::{Backlog, LINES_KEPT_WITHIN};
use crate::delivery::outcome::Settlement;
use crate::delivery::policy::{self, Limits};
use crate::delivery::purge;
use crate::delivery::reasons::JOURNAL_DAMAGED;
use crate::delivery::register::Register;
use crate::delivery::running_lane::RunningLane;
use crate::delivery::settler::Settler;
use crate::heartbeat::{Heartbeat, LONGEST_REST};
use crate::journal::Fed;
use crate::lane::{Asked, Lane, Lanes, Reservation, Said, TRANSACTIONAL_SHARE, Turn};
use crate::log::Logs;
use crate::moment::{self, Moment};
use crate::push::{
    self, Accepted, Content, End, Envelope, LaneId, Note, Parcel, Push, PushClass, PushId,
};
use crate::recover::resume;

/// How often it looks whether there is room.
const LOOKS_EVERY: Duration = Duration::from_millis(20);
/// Our limit: pushes that are read from the journal at a time.
const AT_A_TIME: usize = 4096;

/// Why a lane rests whose provider asked for it before this start.
const RESTED: &str = "asked for before the last start";

/// The running thread that feeds the lanes.
#[derive(Debug)]
pub struct Feeder {
    words: Sender<Word>,
    thread: JoinHandle<()>,
    heartbeat: Heartbeat,
}

/// What it is told.
enum Word {
    /// A lane is served from now on.
    Serve(Arc<Lane>, Settler),
    /// Lanes are not served any more. Dropped when nothing more is done with their pushes.
    Leave(
        Vec<LaneId>,
        #[expect(dead_code, reason = "it tells by its end")] Sender<()>,
    ),
    /// What lanes had that have left is fed anew; whether that is so.
    Again(Vec<LaneId>, Sender<bool>),
    /// These are looked after.
    Keep(Absent),
    /// Something was scheduled.
    Scheduled,
    /// By what pushes expire whose lane is not served.
    Limits(Box<dyn Fn(LaneId) -> Limits + Send>),
    /// Nothing more is fed.
    Stop,
}

/// What it works on.
struct Feeding {
    /// Where they go.
    lanes: Vec<FedLane>,
    /// Those that go nowhere.
    absent: Vec<Absent>,
    clock: WallClock,
    /// Where the pushes are, and which are not to be sent any more.
    backlog: Arc<Backlog>,
    register: Arc<Register>,
    heartbeat: Heartbeat,
}

/// A lane with room for what is outstanding.
struct FedLane {
    lane: Arc<Lane>,
    /// Settles what is not worth sending any more.
    settler: Settler,
    /// The notification of the last pushes, which may have more, as long as any of them live.
    last: Weak<Accepted>,
}

impl Feeder {
    /// From now on what ends in these lanes is settled in the backlog, once its line is written or
    /// lost; what is outstanding there is fed to them, and expires in the others.
    ///
    /// # Errors
    ///
    /// When the system gives no thread.
    pub fn connect(
        backlog: &Arc<Backlog>,
        lanes: &Lanes<RunningLane>,
        absent: Vec<Absent>,
        logs: &Logs,
        register: &Arc<Register>,
    ) -> io::Result<Self> {
        register.set_backlog(Arc::<Backlog>::clone(backlog));
        let told = Arc::clone(register);
        logs.on_written(move |access, error| told.written(access, error));
        logs.shed();
        let feeding = Feeding {
            lanes: lanes
                .serving()
                .map(|running| FedLane::new(Arc::clone(&running.lane), running.settler()))
                .collect(),
            absent,
            clock: WallClock::default(),
            backlog: Arc::clone(backlog),
            register: Arc::clone(register),
            heartbeat: Heartbeat::new(moment::now()),
        };
        Self::start(feeding).map_err(|error| {
            let text = format!("no thread for the journal's pushes: {error}");
            io::Error::new(error.kind(), text)
        })
    }

    fn start(mut feeding: Feeding) -> io::Result<Self> {
        for absent in &feeding.absent {
            if let Some(text) = absent.told(&feeding.backlog) {
                ::log::warn!("{text}");
            }
        }
        let heartbeat = feeding.heartbeat.clone();
        let (words, heard) = crossbeam_channel::unbounded();
        let told = Sender::clone(&words);
        feeding.backlog.on_scheduled(move || {
            // After its end nothing is fed any more.
            let _heard = told.send(Word::Scheduled).is_ok();
        });
        let thread = std::thread::Builder::new()
            .name("feeder".to_owned())
            .spawn(move || {
                feeding.run(&heard);
                feeding.heartbeat.end();
            })?;
        Ok(Self {
            words,
            thread,
            heartbeat,
        })
    }

    /// The sign of life of the feeder's thread.
    pub fn heartbeat(&self) -> Heartbeat {
        self.heartbeat.clone()
    }

    /// Feeds a lane from now on whose pushes were only looked after.
    pub fn serve(&self, running: &RunningLane) {
        let lane = Arc::clone(&running.lane);
        self.tell(Word::Serve(lane, running.settler()));
    }

    /// Feeds lanes no more; returns when it does not, or the time is over.
    pub fn leave(&self, lanes: &[LaneId], within: Duration) {
        let (told, heard) = crossbeam_channel::bounded::<()>(0);
        self.tell(Word::Leave(lanes.to_vec(), told));
        let _heard = moment::receive_within(&heard, within).is_ok();
    }

    /// Counts as not fed what lanes had that have left, and whose threads have ended; false if the
    /// logs or the journal are not written, `None` if it comes to that after this time only.
    ///
    /// Here, since nobody but the feeder knows that it feeds the lanes no more.
    pub fn feed_again(&self, lanes: &[LaneId], within: Duration) -> Option<bool> {
        let (told, heard) = crossbeam_channel::bounded(1);
        self.tell(Word::Again(lanes.to_vec(), told));
        moment::receive_within(&heard, within).ok()
    }

    /// Looks after the pushes of a lane that is not served.
    pub fn keep(&self, absent: Absent) {
        self.tell(Word::Keep(absent));
    }

    /// Changes by what the pushes expire whose lanes are not served.
    pub fn set_limits(&self, of: impl Fn(LaneId) -> Limits + Send + 'static) {
        self.tell(Word::Limits(Box::new(of)));
    }

    /// Has the feeder feed no more; what is not fed stays in the journal.
    pub fn stop(&self) {
        self.tell(Word::Stop);
    }

    fn tell(&self, word: Word) {
        // A thread that was stopped hears nothing more.
        let _heard = self.words.send(word).is_ok();
    }

    /// Waits for the feeder's end: it may be waiting for a log that is full, so that must have been
    /// told to hurry.
    pub fn end(self) {
        if self.thread.join().is_err() {
            ::log::error!("the feeder of the journal's pushes panicked");
        }
    }
}

impl Feeding {
    fn run(&mut self, words: &Receiver<Word>) {
        let mut heard = None;
        loop {
            // Whoever waits for no time at all lets all others run first.
            while let Some(word) = heard.take().or_else(|| words.try_recv().ok()) {
                if matches!(word, Word::Stop) {
                    return;
                }
                self.heartbeat.busy(moment::now());
                self.hear(word);
            }
            self.heartbeat.busy(moment::now());
            let now = Moment::now();
            let fed = [self.feed_lanes(), self.feed_scheduled(now)];
            let backlog = &self.backlog;
            let absent = self.absent.iter_mut();
            let due = absent.filter_map(|absent| {
                let due = absent.settle(backlog, Moment::now());
                let ripe = scheduled::next_look(backlog.scheduled(absent.id()).1, now);
                due.into_iter().chain(ripe).min()
            });
            let now = moment::now();
            let latest = now + LONGEST_REST;
            let due = due.chain(fed.into_iter().flatten()).min();
            let due = due.unwrap_or(latest).min(latest);
            self.heartbeat.rest(due);
            if due > now {
                heard = match moment::receive_within(words, due - now) {
                    Err(RecvTimeoutError::Disconnected) => return,
                    heard => heard.ok(),
                };
            }
        }
    }

    fn hear(&mut self, word: Word) {
        match word {
            Word::Serve(lane, settler) => {
                self.absent.retain(|absent| absent.id() != lane.id());
                // What has expired here is in the journal once its line is in the log.
                let _all_there = self.register.await_all(LINES_KEPT_WITHIN)
                    && self.backlog.settle_at_once([]).is_ok();
                self.lanes.push(FedLane::new(lane, settler));
            }
            Word::Leave(ids, _) => self.lanes.retain(|fed| !ids.contains(&fed.lane.id())),
            Word::Again(ids, told) => {
                // What has ended and is not settled there yet would be sent again.
                let is_done =
                    self.register.await_all(LINES_KEPT_WITHIN) && self.backlog.claim_again(&ids);
                let absent = self.absent.iter_mut();
                absent
                    .filter(|absent| ids.contains(&absent.id()))
                    .for_each(Absent::look_again);
                let _waits = told.send(is_done).is_ok();
            }
            Word::Keep(absent) => self.absent.push(absent),
            Word::Limits(of) => {
                for absent in &mut self.absent {
                    absent.set_limits(of(absent.id()));
                }
            }
            Word::Scheduled | Word::Stop => {}
        }
    }

    /// Feeds the lanes that have room; when to go on, if there is more for them.
    fn feed_lanes(&mut self) -> Option<Instant> {
        let now = moment::now();
        let mut next: Option<Instant> = None;
        for to in &mut self.lanes {
            let unfed = self.backlog.unclaimed(to.lane.id());
            if unfed == 0 {
                continue;
            }
            let mut due = now + LOOKS_EVERY;
            let first = self.backlog.transactional_unclaimed(to.lane.id());
            if let Some(room) = room(&to.lane, unfed, first) {
                let called_off = self.backlog.called_off.lock();
                let fed = self.backlog.claim(to.lane.id(), room.pushes());
                if feed(to, room, fed, &called_off, Moment::now()) {
                    due = now;
                }
            }
            next = Some(next.map_or(due, |next| next.min(due)));
        }
        next
    }
}

impl FedLane {
    fn new(lane: Arc<Lane>, settler: Settler) -> Self {
        let last = Weak::new();
        Self {
            lane,
            settler,
            last,
        }
    }
}

/// Room for what is fed next, of which `first` are transactional, if the lane is less than half
/// full, or lacks those and has room for them: no more than there is to feed, for what is reserved
/// shows as outstanding. Of the share that only those have half is left to callers.
fn room(lane: &Arc<Lane>, unfed: u64, first: u64) -> Option<Reservation> {
    let at_most = |room: usize, pushes: u64| {
        let pushes = usize::try_from(pushes).unwrap_or(AT_A_TIME);
        room.saturating_sub(lane.room().callers().outstanding())
            .min(AT_A_TIME)
            .min(pushes)
    };
    let capacity = lane.room().capacity();
    let share = capacity / TRANSACTIONAL_SHARE;
    let lacks = if lane.has_transactional() { 0 } else { first };
    let of_transactional = at_most(capacity + share / 2, lacks);
    let room = match at_most((capacity / 2).max(1), unfed) {
        0 => of_transactional,
        room => room,
    };
    let reserve = || lane.room().reserve_for(PushClass::Transactional, room);
    (room > 0).then(reserve).flatten()
}

/// Queues what was fed, on that room; false if there was nothing.
fn feed(
    to: &mut FedLane,
    mut room: Reservation,
    fed: Fed,
    called_off: &Meant,
    now: Moment,
) -> bool {
    let FedLane {
        lane,
        settler,
        last,
    } = to;
    let has_fed = !fed.notifications.is_empty() || !fed.damaged.is_empty();
    settle_damaged(lane, settler, &mut room, &fed.damaged, now);
    let mut pushes = Vec::new();
    let mut shelved = false;
    for outstanding in fed.notifications {
        let mut later = Vec::new();
        for (push, waits) in resume(outstanding, last, now) {
            let class = push.class();
            if let Some(until) = waits.rest {
                rest_on(lane, until, now);
            }
            if called_off.has(&push) {
                settler.settle(&push, purge::settlement(&push), now);
                room.spend(class);
                continue;
            }
            if push.maybe_sent && !settler.resends_unknown() {
                settler.settle(&push, policy::unanswered_before(&push), now);
                room.spend(class);
                continue;
            }
            match settler.settle_if_expired(push, now) {
                Some(push) => match waits.due {
                    Some(due) => {
                        let due = due.min(settler.expires_at(&push, now));
                        later.push((push, due));
                        room.spend(class);
                    }
                    None => pushes.push(push),
                },
                None => room.spend(class),
            }
        }
        // Of its notification, one stands for all.
        lane.waiting().add(
            later
                .first()
                .map_or(&[], |(push, _)| std::slice::from_ref(push)),
        );
        shelved |= !later.is_empty();
        for (push, due) in later {
            lane.retries().shelve(push, due);
        }
    }
    settler.flush(now.monotonic);
    lane.enqueue(room, pushes);
    if shelved {
        // Its threads have planned by a shelf that seemed empty.
        lane.crew().wake_all();
        lane.call_first();
    }
    has_fed
}

/// Lets a lane rest on that rested when the last process ended.
fn rest_on(lane: &Lane, until: Instant, now: Moment) {
    let asked = Asked {
        until,
        spread: Duration::ZERO,
    };
    let turn = lane.heard(Said::RefusedToAll, Some(asked), || RESTED.into(), now);
    if let Turn::Begun { until, .. } = turn {
        let wait = until.saturating_duration_since(now.monotonic);
        ::log::warn!(
            "{}: the provider's wish to wait, {RESTED}, holds for another {} s",
            lane.id(),
            wait.as_secs_f32().ceil(),
        );
    }
}

/// Settles pushes of which the journal has kept no more than the id.
fn settle_damaged(
    lane: &Lane,
    settler: &mut Settler,
    room: &mut Reservation,
    damaged: &[PushId],
    now: Moment,
) {
    let Some(first) = damaged.first() else {
        return;
    };
    ::log::error!(
        "{}: the journal is damaged where {} were, which fail with reason journal_damaged (the \
         first: id {first}); look at the disk",
        lane.id(),
        push::counted(damaged.len() as u64),
    );
    let (content, note) = (Content::default(), Note::default());
    // By that they give back the room that they have.
    let earliest = room.is_scheduled().then_some(NonZeroU32::MIN);
    for id in damaged {
        let accepted = Accepted {
            envelope: Envelope {
                earliest,
                ..Envelope::to(lane.id())
            },
            parcel: Parcel::new(&content, &note, &[""].into_iter().collect()),
            first_id: *id,
            at: now,
        };
        if let Some(push) = Push::nth(&Arc::new(accepted), 0) {
            settler.settle(&push, journal_damaged(), now);
            room.spend(push.class());
        }
    }
}

/// The settlement of a push whose record the disk has damaged.
fn journal_damaged() -> Settlement {
    let error = "its record in the journal is damaged; what it held, its device token too, is lost";
    Settlement::of_ours(End::Failed, JOURNAL_DAMAGED, error.to_owned(), 0)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{accepted, backlog_in, no_logs};
    use super::*;
    use crate::delivery::fixture::idle_lane;
    use crate::journal::fixture::{Loss, MemoryFiles};

    /// What feeds that lane alone.
    pub(super) fn feeding(
        lane: &RunningLane,
        backlog: Backlog,
        register: Arc<Register>,
    ) -> Feeding {
        Feeding {
            lanes: vec![FedLane::new(Arc::clone(&lane.lane), lane.settler())],
            absent: Vec::new(),
            clock: WallClock::default(),
            backlog: Arc::new(backlog),
            register,
            heartbeat: Heartbeat::new(moment::now()),
        }
    }

    #[test]
    fn a_queue_that_a_reload_shrinks_meanwhile_has_room_for_some_or_none() {
        let lane = Lane::new(LaneId::IOS, 8, 1);
        let sizes = [1_000_000, 8].into_iter().cycle();
        std::thread::scope(|scope| {
            let resized = || {
                sizes
                    .take(200_000)
                    .for_each(|size| lane.room().set_capacity(size));
            };
            let resizing = scope.spawn(resized);
            while !resizing.is_finished() {
                drop(room(&lane, 1, 1));
            }
        });
    }

    #[test]
    fn what_is_claimed_of_one_notification_by_and_by_is_held_once() {
        let files = MemoryFiles::default();
        let kept = accepted(6, Moment::now());
        backlog_in(&files).accept(&[kept], None).unwrap();
        let register = Arc::<Register>::default();
        let running = idle_lane((LaneId::IOS, Arc::default()), 4, &no_logs(), &register);
        let lane = &running.lane;
        let mut feeding = feeding(&running, backlog_in(&files.reboot(Loss::Nothing)), register);
        let mut feed = || {
            assert!(feeding.feed_lanes().is_some());
            lane.room().settled(2);
            (lane.take_rest(), Weak::clone(&feeding.lanes[0].last))
        };
        let ((first, _), (second, held)) = (feed(), feed());
        assert_eq!([first.len(), second.len()], [2; 2], "half of the lane");
        assert!(Arc::ptr_eq(first[0].accepted(), second[1].accepted()));
        assert_ne!(first[0].id(), second[0].id());
        // Nobody holds it for pushes that have ended.
        drop((first, second));
        assert!(held.upgrade().is_none());
        assert_eq!(feed().0.len(), 2);
    }

    #[test]
    fn transactional_pushes_are_fed_first_and_to_a_lane_that_callers_have_filled() {
        let files = MemoryFiles::default();
        let of = |class, first_id, pushes| {
            let accepted = Arc::into_inner(accepted(pushes, Moment::now())).unwrap();
            let envelope = Envelope {
                class,
                ..accepted.envelope
            };
            let first_id = PushId(first_id);
            Arc::new(Accepted {
                envelope,
                first_id,
                ..accepted
            })
        };
        let kept = [
            of(PushClass::Bulk, 7, 20),
            of(PushClass::Transactional, 27, 3),
            of(PushClass::Bulk, 30, 1),
        ];
        backlog_in(&files).accept(&kept, None).unwrap();
        let register = Arc::<Register>::default();
        let running = idle_lane((LaneId::IOS, Arc::default()), 32, &no_logs(), &register);
        let lane = &running.lane;
        let mut feeding = feeding(&running, backlog_in(&files.reboot(Loss::Nothing)), register);
        let campaign = lane.room().reserve(32).unwrap();
        let mut fed = || {
            assert!(feeding.feed_lanes().is_some());
            let fed = lane.take_rest();
            fed.iter().map(|push| push.id().0).collect::<Vec<_>>()
        };
        // Half of what only they have is left to callers.
        assert_eq!(fed(), [27, 28]);
        assert_eq!(fed(), [] as [u64; 0]);
        lane.room().settled(2);
        assert_eq!(fed(), [29]);
        assert_eq!(
            fed(),
            [] as [u64; 0],
            "bulk ones wait until it is half empty"
        );
        drop(campaign);
        lane.room().settled(1);
        assert_eq!(fed(), (7..23).collect::<Vec<_>>());
    }

    #[test]
    fn it_feeds_so_much_at_a_time_and_callers_have_half_of_the_lane() {
        let lane = Lane::new(LaneId::IOS, 4 * AT_A_TIME, 1);
        let room = |unfed: u64| room(&lane, unfed, 0);
        let first = room(u64::MAX).unwrap();
        assert_eq!(first.pushes(), AT_A_TIME);
        let second = room(u64::MAX).unwrap();
        assert_eq!((second.pushes(), room(1).is_none()), (AT_A_TIME, true));
        drop(first);
        assert_eq!(room(11).unwrap().pushes(), 11);
        assert_eq!(
            lane.room().outstanding(),
            AT_A_TIME,
            "the room was given back"
        );
    }
}
