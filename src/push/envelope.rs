//! What delivery has to know of a notification.
//!
//! Pure: no file, no clock, no thread.

use std::num::NonZeroU32;

use super::LaneId;

/// What delivery has to know of a notification, whatever is in it. Priority and collapse id stand
/// in the content or among its header fields, or follow from the push type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Where it goes.
    pub lane: LaneId,
    /// What its targets are.
    pub target: TargetKind,
    /// What it does on the device.
    pub push_type: PushType,
    /// Whether its topic is its caller's, and not the configuration's: what the provider says of
    /// that topic is said of the push.
    pub has_own_topic: bool,
    /// How long it is worth sending.
    pub lifetime: Lifetime,
    /// The second since the Unix epoch before which it is not sent, by the wall clock; `None` for
    /// at once.
    pub earliest: Option<NonZeroU32>,
    /// Whether others go before it.
    pub class: PushClass,
}

const _: () = assert!(size_of::<Envelope>() == 40);

/// What goes first where pushes wait: each of the one before all of the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum PushClass {
    /// Somebody waits for it: a code to log in with, a message from a friend.
    #[default]
    Transactional,
    /// One of many, as a campaign's are, that may wait for the others.
    Bulk,
}

impl PushClass {
    /// Both of them, in the order in which they go.
    pub const ALL: [Self; 2] = [Self::Transactional, Self::Bulk];

    /// The word for it in a request.
    pub fn word(self) -> &'static str {
        match self {
            Self::Transactional => "transactional",
            Self::Bulk => "bulk",
        }
    }
}

/// What the targets of a notification are. All are texts, and lie packed as device tokens do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TargetKind {
    /// A device token (APNs) or registration token (FCM).
    #[default]
    DeviceToken,
    /// A Firebase installation id.
    Fid,
    /// A topic (FCM): whoever has subscribed to it.
    Topic,
    /// A condition of topics (FCM).
    Condition,
    /// A broadcast channel (APNs).
    Channel,
}

impl TargetKind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::DeviceToken,
        Self::Fid,
        Self::Topic,
        Self::Condition,
        Self::Channel,
    ];

    /// The word for it in a push log; none for a device token, of which no line says so.
    pub fn word(self) -> Option<&'static str> {
        match self {
            Self::DeviceToken => None,
            Self::Fid => Some("fid"),
            Self::Topic => Some("topic"),
            Self::Condition => Some("condition"),
            Self::Channel => Some("channel"),
        }
    }

    /// What a line of a push log is of that has this word, or none.
    pub fn of_word(word: Option<&str>) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// What a push does on the device: Apple's push types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushType {
    /// It may be shown.
    Alert,
    /// It wakes the app and shows nothing.
    Background,
    /// An incoming call.
    Voip,
    /// It updates a watch face's complications.
    Complication,
    /// It tells a file provider of changes.
    FileProvider,
    /// It asks a managed device to contact its server.
    Mdm,
    /// It asks for the device's place.
    Location,
    /// It starts, updates or ends a Live Activity.
    LiveActivity,
    /// It is about a push-to-talk channel.
    PushToTalk,
    /// It makes widgets reload.
    Widgets,
    /// It makes controls reload.
    Controls,
    /// One that is not known here; its word stands among the content's header fields.
    Other,
}

impl PushType {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Alert,
        Self::Background,
        Self::Voip,
        Self::Complication,
        Self::FileProvider,
        Self::Mdm,
        Self::Location,
        Self::LiveActivity,
        Self::PushToTalk,
        Self::Widgets,
        Self::Controls,
        Self::Other,
    ];
}

/// How long a push is worth sending, as its caller has said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lifetime {
    /// Nothing was said.
    #[default]
    Unsaid,
    /// The provider is to try once, and to keep nothing.
    Now,
    /// So many seconds from its acceptance.
    Secs(NonZeroU32),
    /// Until so many seconds since the Unix epoch.
    Until(u32),
}

impl Lifetime {
    /// So many seconds, where 0 or less means not said, as Gaurun has it. More than a number of 32
    /// bits holds, 136 years, is as much as that.
    pub fn positive_secs(secs: i64) -> Self {
        match u64::try_from(secs) {
            Ok(secs @ 1..) => Self::secs(secs),
            _ => Self::Unsaid,
        }
    }

    /// So many seconds, where 0 means [`Lifetime::Now`].
    pub fn secs(secs: u64) -> Self {
        NonZeroU32::new(at_most_u32(secs)).map_or(Self::Now, Self::Secs)
    }

    /// Until so many seconds since the Unix epoch, the year 2106 at most, where 0 means
    /// [`Lifetime::Now`].
    pub fn until(unix_secs: u64) -> Self {
        match at_most_u32(unix_secs) {
            0 => Self::Now,
            secs => Self::Until(secs),
        }
    }
}

/// The number, or the highest of 32 bits.
fn at_most_u32(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl Envelope {
    /// The envelope of a notification of which nothing was said but where it goes.
    pub fn to(lane: LaneId) -> Self {
        Self {
            lane,
            target: TargetKind::DeviceToken,
            push_type: PushType::Alert,
            has_own_topic: false,
            lifetime: Lifetime::Unsaid,
            earliest: None,
            class: PushClass::Transactional,
        }
    }

    /// Whether its topic is the one that is configured, as that stands: neither its caller's own,
    /// nor one to which the push type or a broadcast adds something. What the provider says of
    /// that topic, for good or ill, is said of the lane; of any other it is said of the push.
    pub fn has_bare_topic(&self) -> bool {
        let adds_nothing = matches!(
            self.push_type,
            PushType::Alert | PushType::Background | PushType::Mdm
        );
        adds_nothing && !self.has_own_topic && self.target != TargetKind::Channel
    }

    /// This envelope, whose pushes are worthless after so many seconds; 0 or less means not said.
    #[must_use]
    pub fn lasting(self, secs: i64) -> Self {
        Self {
            lifetime: Lifetime::positive_secs(secs),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_of_zero_is_none_to_gaurun_and_now_to_all_others() {
        let secs = |secs| Lifetime::Secs(NonZeroU32::new(secs).unwrap());
        for (said, expected) in [
            (Lifetime::positive_secs(-1), Lifetime::Unsaid),
            (Lifetime::positive_secs(0), Lifetime::Unsaid),
            (Lifetime::positive_secs(1), secs(1)),
            (Lifetime::positive_secs(i64::MAX), secs(u32::MAX)),
            (Lifetime::secs(0), Lifetime::Now),
            (Lifetime::secs(u64::MAX), secs(u32::MAX)),
            (Lifetime::until(0), Lifetime::Now),
            (
                Lifetime::until(1_790_000_000),
                Lifetime::Until(1_790_000_000),
            ),
            (Lifetime::until(1 << 32), Lifetime::Until(u32::MAX)),
        ] {
            assert_eq!(said, expected);
        }
    }
}
