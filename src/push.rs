//! The units of everything: a notification, and the pushes it becomes.
//!
//! A [`Notification`] is one element of a request. Once its tokens are checked it is an
//! [`Accepted`], shared by its pushes: what delivery has to know ([`Envelope`]), and in one buffer
//! ([`Parcel`]) what the provider is sent ([`Content`]), what the push log shows ([`Note`]) and to
//! whom it goes ([`DeviceTokens`]). A [`Push`] is one notification to one device token: the unit of
//! queue, retry, log line and statistics.

mod content;
mod contradictions;
mod envelope;
mod lane_id;
mod native;
mod note;
mod parcel;
mod so_far;
mod tokens;

/// How a push ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// The provider took it. That is not yet a phone.
    Succeeded,
    /// The provider refused it for good, every attempt failed, or a caller took it back.
    Failed,
    /// Its own time or `max_age` passed first.
    Expired,
}

impl End {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Expired => "expired",
        }
    }
}

#[cfg(test)]
pub(crate) mod fixture;

use std::fmt;
use std::num::NonZeroU32;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use content::{Content, HEAD_FIELDS_MAX};
pub use contradictions::Contradictions;
pub use envelope::{Envelope, Lifetime, PushClass, PushType, TargetKind};
pub use lane_id::{
    APP_NAME_MAX, ApnsEnvironment, DEFAULT_APP_NAME, LANES_MAX, LaneId, Provider, is_app_name,
};
pub use native::{ExtendValue, Native};
pub use note::{Note, Texts};
pub use parcel::Parcel;
pub use so_far::SoFar;
pub use tokens::{DeviceTokens, PackedToken};

use crate::count;
use crate::moment::Moment;

/// The address of a device, spelled as the caller spelled it.
///
/// An APNs device token (hexadecimal) or an FCM registration token; which, and whether it is well
/// formed, the provider's module has checked before a [`Push`] exists.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct DeviceToken(Box<str>);

impl DeviceToken {
    /// Wraps a token without checking it.
    pub fn new(token: impl Into<Box<str>>) -> Self {
        Self(token.into())
    }

    /// The caller's spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Device tokens reach the push log only, so `{:?}` hides them.
impl fmt::Debug for DeviceToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceToken({} bytes)", self.0.len())
    }
}

/// The number of a push: unique over restarts and over the daemons of a site, 0 < id < 2^53 so that
/// every JSON reader keeps it. The ten high bits of the 53 are the [`Node`] that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PushId(pub u64);

impl PushId {
    /// All ids are below it.
    pub(crate) const END: u64 = 1 << 53;

    /// The daemon that gives such ids. Before there were nodes, ids were made from the clock: they
    /// look like those of nodes from 256 on, never like those of node 0.
    pub const fn node(self) -> Node {
        #[expect(clippy::cast_possible_truncation, reason = "ten bits are left")]
        Node((self.0 >> COUNTER_BITS & Node::MAX as u64) as u16)
    }
}

impl fmt::Display for PushId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of a daemon among those of its site: `core.node`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node(u16);

/// Bits of an id below those of its node.
const COUNTER_BITS: u32 = 43;

impl Node {
    /// The highest number of a daemon.
    pub const MAX: u16 = 1023;

    /// An id has at least this below the bits of its node. Gaurun's ids count from 1 in each run:
    /// they do not get there, so that the two can be told apart in a log.
    pub const FIRST_COUNT: u64 = 1 << 40;

    /// The daemon of that number; none beyond [`Node::MAX`].
    pub const fn new(number: u16) -> Option<Self> {
        if number <= Self::MAX {
            Some(Self(number))
        } else {
            None
        }
    }

    /// The number, 0 to [`Node::MAX`].
    pub const fn number(self) -> u16 {
        self.0
    }

    /// The ids that the daemon of that number may give.
    pub const fn ids(self) -> Range<u64> {
        let base = (self.0 as u64) << COUNTER_BITS;
        base + Self::FIRST_COUNT..base + (1 << COUNTER_BITS)
    }

    /// A key by which ids come in the order in which a daemon of that number has them: its own
    /// last, since all others are from before it had this number.
    pub const fn rank(self, id: u64) -> u64 {
        id.wrapping_sub(self.ids().end)
    }

    /// The id that has this [`Node::rank`].
    pub const fn ranked(self, rank: u64) -> u64 {
        rank.wrapping_add(self.ids().end)
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of a connection within its lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionId(NonZeroU32);

impl ConnectionId {
    /// The connection of that number. After four thousand million they come again: a push that
    /// still remembers an earlier connection then is kept from one more, and no more than that.
    pub fn new(number: u32) -> Self {
        Self(NonZeroU32::new(number).unwrap_or(NonZeroU32::MAX))
    }

    /// A number from 1 to 255 that connections share of which the one comes 255 after the other.
    fn mark(self) -> u8 {
        u8::try_from(self.0.get() % 255 + 1).unwrap_or(u8::MAX)
    }
}

/// A key and its value that the caller adds to the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extend {
    /// The payload key.
    pub key: Box<str>,
    /// Its value.
    pub value: ExtendValue,
}

/// What a caller asks to be pushed: one element of `notifications`, less its device tokens. What of
/// it is needed once it is accepted has another form: see [`Accepted`].
///
/// Text fields that the caller left out are empty; numbers that it left out are 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Where it goes.
    pub lane: LaneId,
    /// The text: the alert's body, or `data.message` on Android.
    pub message: Box<str>,
    /// The caller's own name for it; logged, not sent.
    pub identifier: Box<str>,
    /// The name of the request that it came with; logged, not sent.
    pub request_id: Arc<str>,
    /// The `traceparent` of that request, if it had one; logged, not sent.
    pub traceparent: Option<Arc<str>>,
    /// Alert title (iOS).
    pub title: Box<str>,
    /// Alert subtitle (iOS).
    pub subtitle: Box<str>,
    /// Action category (iOS).
    pub category: Box<str>,
    /// Sound file name (iOS).
    pub sound: Box<str>,
    /// `""`, `"alert"` or `"background"` (iOS).
    pub push_type: Box<str>,
    /// FCM collapse key (Android).
    pub collapse_key: Box<str>,
    /// `""`, `"normal"` or `"high"` (Android).
    pub priority: Box<str>,
    /// Icon badge (iOS); absent means unchanged.
    pub badge: Option<i64>,
    /// Seconds from acceptance until the push is worthless (iOS); 0 or less means not said.
    pub expiry: i64,
    /// Seconds from acceptance until the push is worthless (Android); 0 means not said.
    pub time_to_live: i64,
    /// Wakes the app in the background (iOS).
    pub content_available: bool,
    /// Runs the notification service extension (iOS).
    pub mutable_content: bool,
    /// Accepted from old clients and ignored (Android).
    pub delay_while_idle: bool,
    /// Further payload keys.
    pub extend: Vec<Extend>,
    /// What Gaurun did not have.
    pub native: Native,
}

impl Notification {
    /// A notification for which nothing was said but where it goes.
    pub fn empty(lane: LaneId) -> Self {
        Self {
            lane,
            message: Box::default(),
            identifier: Box::default(),
            request_id: Arc::default(),
            traceparent: None,
            title: Box::default(),
            subtitle: Box::default(),
            category: Box::default(),
            sound: Box::default(),
            push_type: Box::default(),
            collapse_key: Box::default(),
            priority: Box::default(),
            badge: None,
            expiry: 0,
            time_to_live: 0,
            content_available: false,
            mutable_content: false,
            delay_while_idle: false,
            extend: Vec::new(),
            native: Native::default(),
        }
    }

    /// The texts that log lines show: all but `extend`.
    pub fn texts(&self) -> Texts<'_> {
        Texts {
            message: &self.message,
            identifier: &self.identifier,
            title: &self.title,
            subtitle: &self.subtitle,
            category: &self.category,
            sound: &self.sound,
            collapse_key: &self.collapse_key,
        }
    }

    /// Length of the texts in bytes.
    pub fn texts_len(&self) -> usize {
        self.texts().each().map(str::len).iter().sum()
    }
}

/// A notification that was accepted, shared by all its pushes.
#[derive(Debug, PartialEq, Eq)]
pub struct Accepted {
    /// What delivery has to know of it.
    pub envelope: Envelope,
    /// What the provider is sent, what the push log shows, and its valid device tokens, of which
    /// there is one at least.
    pub parcel: Parcel,
    /// The id of the first token's push; the others follow consecutively.
    pub first_id: PushId,
    /// When it was accepted: its lifetime and `max_age` count from here.
    pub at: Moment,
}

impl Accepted {
    /// How long after its acceptance it is worth sending, if its caller has said so: no time at all
    /// where the provider is to try once.
    pub fn lifetime(&self) -> Option<Duration> {
        match self.envelope.lifetime {
            Lifetime::Unsaid => None,
            Lifetime::Now => Some(Duration::ZERO),
            Lifetime::Secs(secs) => Some(Duration::from_secs(secs.get().into())),
            Lifetime::Until(at) => {
                Some(Duration::from_secs(at.into()).saturating_sub(self.at.unix))
            }
        }
    }
}

/// So many pushes, in words for the operator.
pub fn counted(pushes: u64) -> String {
    count::of(pushes, "push", "pushes")
}

/// Why a push is to be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setback {
    /// The provider refused to process it.
    Refused,
    /// It was sent, and no answer came.
    Unanswered,
    /// The provider answered with that status.
    Answered(u16),
}

/// Until when a push waits, and its lane with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    /// For its next attempt.
    pub due: Option<Instant>,
    /// So long its lane rests.
    pub rest: Option<Instant>,
}

/// One notification to one device token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Push {
    accepted: Arc<Accepted>,
    index: u32,
    /// Attempts that count, so far.
    pub attempts: u16,
    /// Refusals in a row that proved the provider never processed the push.
    pub refusals: u16,
    /// The connection on which the provider refused it last; it goes to another.
    pub refused_by: Option<ConnectionId>,
    /// Whether an earlier attempt ended without an answer, so that the provider may have it.
    pub maybe_sent: bool,
    /// Whether a process before this one has crashed that may have sent it: nobody knows.
    pub in_doubt: bool,
    /// Whether a refusal that is given one more try has had it.
    pub used_its_second_chance: bool,
    /// Whether it came from the retry shelf, and has a place in its lane's retry budget.
    pub is_retry: bool,
    /// When the first attempt began.
    pub first_attempt: Option<Instant>,
    /// Why it waits for another attempt, if that has to come within the hour.
    pub setback: Option<Setback>,
    /// How often it was refused as if by a bad credential, while other pushes were taken.
    pub contradictions: Contradictions,
}

const _: () = assert!(size_of::<Push>() == 48);

impl Push {
    /// The pushes of an accepted notification, in the order of its tokens.
    pub fn all(accepted: &Arc<Accepted>) -> impl Iterator<Item = Self> {
        (0..accepted.parcel.count()).filter_map(|index| Self::nth(accepted, index))
    }

    /// The push to the token at `index`, if there is one.
    pub fn nth(accepted: &Arc<Accepted>, index: u32) -> Option<Self> {
        (index < accepted.parcel.count()).then(|| Self {
            accepted: Arc::clone(accepted),
            index,
            attempts: 0,
            refusals: 0,
            refused_by: None,
            maybe_sent: false,
            in_doubt: false,
            used_its_second_chance: false,
            is_retry: false,
            first_attempt: None,
            setback: None,
            contradictions: Contradictions::default(),
        })
    }

    /// The push's id.
    pub fn id(&self) -> PushId {
        PushId(
            self.accepted
                .first_id
                .0
                .saturating_add(u64::from(self.index)),
        )
    }

    /// The push and its request, as a message names them.
    pub fn named(&self) -> String {
        let note = self.note();
        let mut named = format!("push {}", self.id());
        for (what, name) in [
            (" of request ", note.request_id),
            (", traceparent ", note.traceparent),
        ] {
            if !name.is_empty() {
                named.extend([what, name]);
            }
        }
        named
    }

    /// The accepted notification that the push belongs to.
    pub fn accepted(&self) -> &Arc<Accepted> {
        &self.accepted
    }

    /// What delivery has to know of the push's notification.
    pub fn envelope(&self) -> &Envelope {
        &self.accepted.envelope
    }

    /// Whether others go before it.
    pub fn class(&self) -> PushClass {
        self.accepted.envelope.class
    }

    /// Where the push goes.
    pub fn lane(&self) -> LaneId {
        self.accepted.envelope.lane
    }

    /// What the push log shows of the push's notification.
    pub fn note(&self) -> Note<'_> {
        self.accepted.parcel.note()
    }

    /// Whether others have contradicted it before.
    pub fn is_discredited(&self) -> bool {
        self.contradictions.count() > 0
    }

    /// How long ago it was accepted.
    pub fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.accepted.at.monotonic)
    }

    /// The device that it goes to.
    pub fn token(&self) -> PackedToken<'_> {
        // There is one: `Push::nth` has looked.
        self.accepted.parcel.token(self.index).unwrap_or_default()
    }

    /// Whether nothing has become of it so far, so that its place says all of it.
    pub fn is_fresh(&self) -> bool {
        Self::nth(&self.accepted, self.index).as_ref() == Some(self)
    }

    /// The place of its device token.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Whether it goes to the device token behind that of the other, of the same notification.
    pub fn follows(&self, before: &Self) -> bool {
        Arc::ptr_eq(&self.accepted, &before.accepted) && self.index == before.index + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ids_of_all_nodes_lie_apart_and_below_2_to_the_53() {
        let mut before = 0;
        for number in 0..=Node::MAX {
            let node = Node::new(number).unwrap();
            let ids = node.ids();
            assert!(before < ids.start && ids.start < ids.end, "{number}");
            assert_eq!(PushId(ids.start).node(), node);
            assert_eq!(PushId(ids.end - 1).node(), node);
            before = ids.end - 1;
        }
        assert_eq!(before, PushId::END - 1);
        assert_eq!(PushId::END, 1 << 53);
        assert_eq!(Node::new(Node::MAX + 1), None);
    }

    #[test]
    fn a_message_names_a_push_with_its_request() {
        let named = |request: &str, traceparent: &str| {
            let note = Note {
                request_id: request,
                traceparent,
                ..Note::default()
            };
            let accepted = Arc::new(Accepted {
                envelope: Envelope::to(LaneId::IOS),
                parcel: Parcel::new(&Content::default(), &note, &["a"].into_iter().collect()),
                first_id: PushId(7),
                at: Moment::now(),
            });
            Push::nth(&accepted, 0).unwrap().named()
        };
        assert_eq!(named("r-1", ""), "push 7 of request r-1");
        let traced = "push 7 of request r-1, traceparent 00-0a-b7-01";
        assert_eq!(named("r-1", "00-0a-b7-01"), traced);
        assert_eq!(named("", ""), "push 7", "an old journal says nothing of it");
    }

    #[test]
    fn ids_that_were_made_from_the_clock_are_not_of_node_0() {
        // Twice the microseconds since 1970, in 2020 and in 2040.
        for id in [3_155_760_000_000_000, 4_417_977_600_000_000] {
            assert!(PushId(id).node().number() >= 256, "{id}");
        }
    }

    #[test]
    fn a_daemons_own_ids_come_last_in_its_order() {
        let node = Node::new(7).unwrap();
        let own = node.ids();
        let others = [1, 99, own.start - (1 << 41), own.end, 1 << 52];
        for other in others {
            assert!(node.rank(other) < node.rank(own.start), "{other}");
            assert_eq!(node.ranked(node.rank(other)), other);
        }
        assert!(node.rank(own.start) < node.rank(own.end - 1));
    }
}
