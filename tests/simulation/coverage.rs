//! Which faults have happened, and how often.

use std::fmt;

macro_rules! kinds {
    ($($name:ident $text:literal)*) => {
        /// Something that goes wrong, or a rare thing that comes of it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Kind { $($name),* }

        /// Each with its name.
        pub(crate) const KINDS: &[(Kind, &str)] = &[$((Kind::$name, $text)),*];
    };
}

kinds! {
    DialRefused "connection refused"
    DialSlow "connection after more than 5 s"
    EndBeforeSettings "end before SETTINGS"
    GoAwayForSettings "GOAWAY instead of SETTINGS"
    ResetInRequest "reset at a byte of a request"
    ResetInAnswer "reset at a byte of an answer"
    EofInRequest "end at a byte of a request"
    EofInAnswer "end at a byte of an answer"
    Eof "end between answers"
    Vanished "half-open connection"
    StalledUp "bytes to the provider held up"
    StalledDown "bytes from the provider held up"
    Split "frame in pieces"
    TakenBack "unsent requests taken back"
    WriteBlocked "socket takes no more"
    WriteDeadline "write deadline passed"
    GracefulGoAway "double GOAWAY"
    AbruptGoAway "abrupt GOAWAY"
    GoAwayBelowOpen "GOAWAY below open streams"
    GoAwayWithError "GOAWAY with an error code"
    TwoGoAways "second GOAWAY after an error"
    LimitRaised "MAX_CONCURRENT_STREAMS up"
    LimitLowered "MAX_CONCURRENT_STREAMS down"
    LimitOne "MAX_CONCURRENT_STREAMS 1"
    LimitZero "MAX_CONCURRENT_STREAMS 0"
    LimitStaysZero "MAX_CONCURRENT_STREAMS 0 for good"
    WindowShrunk "INITIAL_WINDOW_SIZE down and up"
    SmallWindow "small INITIAL_WINDOW_SIZE at the start"
    TableShrunk "HEADER_TABLE_SIZE 0"
    ListLimited "MAX_HEADER_LIST_SIZE"
    Useless "more frames that move nothing than are taken"
    UsefulAfterAll "answer on a connection that is left for such frames"
    NotAcknowledged "SETTINGS never acknowledged"
    Refused "REFUSED_STREAM"
    ResetOther "RST_STREAM with another code"
    BrokenAnswer "malformed answer"
    ResetBehindHead "RST_STREAM behind the head of an answer"
    SilenceBehindHead "nothing behind the head of an answer"
    FloodBehindHead "more behind the head of an answer than is taken"
    Believed "200 believed by its head alone"
    Interim "interim answer"
    FinalRefusal "final refusal"
    RetriedRefusal "429 or 5xx"
    RetryAfter "Retry-After in seconds"
    RetryAfterDate "Retry-After as a date"
    RetryAfterAbsurd "Retry-After of days"
    RetryAfterUnreadable "Retry-After that cannot be read"
    RetryAfterOfLane "Retry-After for the lane"
    Quota "quota of the project used up"
    DeviceQuota "quota of a device or a topic used up"
    LifetimeOfItsOwn "lifetime of 0, or up to a point in time"
    OtherTarget "target that is no device token"
    FieldsOfItsOwn "header fields of a notification's own"
    OwnTopic "topic of a push's own"
    OwnTopicRefused "topic of a push's own refused"
    OtherTopicProbed "probe refused for another topic"
    AuthTokenExpired "ExpiredProviderToken"
    AuthTokenInvalid "InvalidProviderToken"
    AuthTokenTooSoon "TooManyProviderTokenUpdates"
    AuthTokenMade "auth token made"
    AuthTokenRenewed "auth token renewed in time"
    AuthTokenAfterJump "auth token renewed after a clock jump"
    AccessTokenRefused "access token refused"
    AccessTokenIssued "access token issued"
    ExchangeFailed "no access token for now"
    ExchangeClock "no access token, for the clock is wrong"
    ExchangeStopped "no access token until an operator acts"
    CredentialGoAway "credential refused by GOAWAY"
    ProbePassed "probe taken"
    FilesRead "credential files read again"
    RouteReplaced "credential replaced"
    Paused "lane paused by hand"
    Resumed "lane resumed by hand"
    Purged "settled as purged"
    Scheduled "queued when its time had come"
    Cancelled "cancelled before its time"
    ScheduledKept "restart with something scheduled"
    RateUsedUp "rate used up"
    ThreadStarted "thread started for work"
    BoundReached "as many threads as there may be"
    ThreadDismissed "thread ended that had nothing to do"
    Panicked "panic of a thread"
    StoodStill "thread that stood still"
    StoodStillPast "thread that stood still past a deadline, with bytes unread"
    Elsewhere "503 Shutdown"
    Once "refusal of a credential that is given one more try"
    Held "refused credential"
    Probe "probe of a refused credential"
    Contradicted "refusal that other pushes contradict"
    SingledOut "settled by its third contradiction"
    NeverAnswered "never answered"
    TakenNotAnswered "taken and never answered"
    LateAnswer "answer after the time-out"
    QueueFull "reservation refused"
    RoomReturned "room given back unused"
    PusherMax "pusher_max changed"
    ClockStays "clock set to what it was"
    HourForward "clock set an hour ahead"
    HourBack "clock set an hour back"
    YearForward "clock set a year ahead"
    YearBack "clock set a year back"
    Shutdown "shutdown"
    Restarted "restart with a journal"
    PushResumed "restart that goes on with pushes"
    AuthTokenKept "auth token kept over a restart"
    LeftAtShutdown "settled as shutdown"
    Succeeded "settled as succeeded"
    Expired "settled as expired"
    NotResent "unknown outcome, and not to be resent"
    Overtook "transactional push before bulk ones that came first"
    WaitsForLane "retry that waits for the lane's Retry-After"
    LaneRests "round in which the lane rests"
    RestResumed "rest that goes on over a restart"
    WaitResumed "wait that goes on over a restart"
    ToldWhatIsLeft "time_to_live told less what was waited"
    ProbeRefused "probe refused"
    GaveUp "attempts or time used up"
    CostlyRefusal "more refusals in a row than are free"
    RefusedEarly "REFUSED_STREAM before SETTINGS were acknowledged"
    ResentElsewhere "refused push sent on another connection"
    Doubled "taken twice after an unknown outcome"
}

/// Counts by kind.
#[derive(Clone)]
pub(crate) struct Coverage([u64; KINDS.len()]);

impl Default for Coverage {
    fn default() -> Self {
        Self([0; KINDS.len()])
    }
}

impl Coverage {
    pub(crate) fn count(&mut self, kind: Kind) {
        self.0[kind as usize] += 1;
    }

    pub(crate) fn of(&self, kind: Kind) -> u64 {
        self.0[kind as usize]
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (sum, count) in self.0.iter_mut().zip(other.0) {
            *sum += count;
        }
    }

    /// The names of what has not happened.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        let counts = KINDS.iter().zip(self.0);
        counts
            .filter(|(_, count)| *count == 0)
            .map(|((_, name), _)| *name)
            .collect()
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((_, name), count) in KINDS.iter().zip(self.0) {
            writeln!(f, "{count:10}  {name}")?;
        }
        Ok(())
    }
}
