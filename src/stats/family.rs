//! The families of `/metrics`: one table, from which the page and its documentation are made.
//!
//! Pure.

/// What the samples of a family are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FamilyKind {
    /// A number that only grows while the process lives.
    Counter,
    /// A number that is as it is.
    Gauge,
    /// How many were of which size: buckets, a sum and a number.
    Histogram,
}

impl FamilyKind {
    /// Its word in the exposition formats.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// What there is to say of a family.
#[derive(Debug)]
pub struct FamilyRow {
    /// The name that its samples have; those of a histogram have `_bucket`, `_sum` and `_count`
    /// behind it.
    pub name: &'static str,
    /// What its samples are.
    pub kind: FamilyKind,
    /// What its numbers are in, if not in things counted: `seconds` or `bytes`.
    pub unit: &'static str,
    /// The names of its labels, in their order.
    pub labels: &'static [&'static str],
    /// What it is, in a sentence.
    pub help: &'static str,
}

/// Makes the families, and the row of each.
macro_rules! families {
    ($(
        $(#[$doc:meta])+
        $family:ident = $kind:ident $name:literal $unit:literal $labels:tt $help:literal;
    )*) => {
        /// A family of `/metrics`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Family {
            $( $(#[$doc])+ $family, )*
        }

        impl Family {
            /// All of them, in the order of the page.
            pub const ALL: &'static [Self] = &[ $( Self::$family, )* ];

            /// Its row of the table.
            pub const fn row(self) -> &'static FamilyRow {
                match self {
                    $( Self::$family => &FamilyRow {
                        name: $name,
                        kind: FamilyKind::$kind,
                        unit: $unit,
                        labels: &$labels,
                        help: $help,
                    }, )*
                }
            }
        }
    };
}

families! {
    /// Requests of callers.
    Requests = Counter "sterna_requests_total" "" ["route", "code"]
        "Requests that were answered, by path and status, those turned away unread among them.";
    /// How long they took.
    RequestDuration = Histogram "sterna_request_duration_seconds" "seconds" []
        "Time from a request's first byte to its answer.";
    /// Pushes that were accepted.
    Accepted = Counter "sterna_pushes_accepted_total" "" ["lane", "class"]
        "Pushes that were accepted, those that are to be sent later too.";
    /// Pushes that have ended.
    Settled = Counter "sterna_pushes_settled_total" "" ["lane", "outcome", "reason"]
        "Pushes that have ended: succeeded, failed or expired, and why.";
    /// How long they took.
    PushDuration = Histogram "sterna_push_duration_seconds" "seconds" ["lane"]
        "Time from a push's acceptance, or its send_at, to its end.";
    /// Attempts that have ended.
    Attempts = Counter "sterna_attempts_total" "" ["lane", "status"]
        "Requests to the provider that have ended, by the status of the answer.";
    /// How long they took.
    AttemptDuration = Histogram "sterna_attempt_duration_seconds" "seconds" ["lane"]
        "Time from handing a request to its connection to its end, be it a time-out.";
    /// Pushes that go again.
    Retries = Counter "sterna_retries_total" "" ["lane", "cause"]
        "Times that a push was to be sent again after an attempt, by what ended that.";
    /// Device tokens that are dead.
    DeadTokens = Counter "sterna_dead_tokens_total" "" ["lane", "reason"]
        "Device tokens that the provider has called dead for certain, by its word.";
    /// What a lane holds.
    Queue = Gauge "sterna_queue_pushes" "" ["lane", "class"]
        "Pushes that wait or are in flight; class scheduled: those whose send_at has come.";
    /// What it may hold.
    QueueCapacity = Gauge "sterna_queue_capacity_pushes" "" ["lane", "class"]
        "As many of a class may be there beside the other's: then the next is a 503.";
    /// How long its oldest push has waited.
    QueueOldest = Gauge "sterna_queue_oldest_seconds" "seconds" ["lane", "class"]
        "For how long the oldest of them has waited since it could go; 0 if there is none.";
    /// What is in flight.
    InFlight = Gauge "sterna_in_flight_pushes" "" []
        "Pushes that were sent and not answered yet.";
    /// Whether a lane sends.
    LaneState = Gauge "sterna_lane_state" "" ["lane", "state"]
        "1 for the state that the lane is in, 0 for the others.";
    /// Connections.
    Connections = Gauge "sterna_connections" "" []
        "Connections to the providers that are open.";
    /// Streams on them.
    StreamsAllowed = Gauge "sterna_streams_allowed" "" []
        "Streams that the providers allow on all of them.";
    /// Tries to connect.
    Connects = Counter "sterna_connects_total" "" ["result"]
        "Tries to open a connection to a provider: ok or failed.";
    /// Farewells.
    Goaways = Counter "sterna_goaways_total" "" ["reason"]
        "GOAWAYs of the providers, by their documented word, else by their error code.";
    /// Waits for windows.
    WindowStall = Counter "sterna_window_stall_seconds_total" "seconds" []
        "Time in which a connection had a push to send and a stream for it, and the provider's \
         window let none out; summed over connections.";
    /// Panics.
    Panics = Counter "sterna_panics_total" "" []
        "Panics of threads of the process, those that cost nothing too.";
    /// Lines that are lost.
    LogLinesDropped = Counter "sterna_log_lines_dropped_total" "" []
        "Lines of the push log and the operator log that were dropped: a log could not be written.";
    /// Reloads.
    Reloads = Counter "sterna_reloads_total" "" ["result"]
        "Reloads of the configuration: done, or refused, so that the one of before stays in force.";
    /// When credentials end.
    CredentialExpiry = Gauge "sterna_credential_expiry_timestamp_seconds" "seconds" ["lane", "kind"]
        "When the lane's credential ends, since the Unix epoch; kind certificate: that for APNs.";
    /// How long the journal's disk takes.
    JournalSync = Histogram "sterna_journal_sync_duration_seconds" "seconds" []
        "Time of a sync of the journal.";
    /// How large the journal is.
    JournalBytes = Gauge "sterna_journal_bytes" "bytes" []
        "Bytes of the journal's segments on its disk, but for damaged ones that are kept aside.";
    /// What the journal holds.
    JournalOutstanding = Gauge "sterna_journal_outstanding_pushes" "" []
        "Pushes in the journal that were accepted and have not ended.";
    /// What its disk has.
    JournalDiskFree = Gauge "sterna_journal_disk_free_bytes" "bytes" []
        "What is free of the disk under the journal.";
    /// What its disk must have.
    JournalDiskNeeded = Gauge "sterna_journal_disk_needed_bytes" "bytes" []
        "What has to be free of it: with less, callers are answered 503.";
    /// Records of the feed.
    FeedbackRecords = Counter "sterna_feedback_records_total" "" ["stream"]
        "Records that were written to the feed: settlements, and dead-tokens.";
    /// Those that are missing in it.
    FeedbackLost = Counter "sterna_feedback_lost_total" "" ["stream"]
        "Records that the feed has no room for in memory, or that the disk has not kept.";
    /// What they take.
    FeedbackBytes = Gauge "sterna_feedback_bytes" "bytes" ["stream"]
        "What the stream's files take on the disk.";
    /// Batches that were posted.
    FeedbackPosts = Counter "sterna_feedback_posts_total" "" ["result"]
        "Batches that were posted to feedback.url: taken, or failed, which come again.";
    /// What a receiver has not got.
    FeedbackMissed = Counter "sterna_feedback_missed_total" "" ["stream"]
        "Records that feedback.bytes has removed before feedback.url has taken them.";
    /// How far behind the receiver is.
    FeedbackLag = Gauge "sterna_feedback_lag_seconds" "seconds" ["stream"]
        "Age of the oldest record that feedback.url has still to take, or would have; 0 for none.";
    /// Which Sterna it is.
    BuildInfo = Gauge "sterna_build_info" "" ["version"]
        "1; the version is a label.";
    /// Processor time.
    ProcessCpu = Counter "process_cpu_seconds_total" "seconds" []
        "Processor time that the process has used, user and system.";
    /// Memory.
    ProcessResident = Gauge "process_resident_memory_bytes" "bytes" []
        "Memory that the process occupies.";
    /// Address space.
    ProcessVirtual = Gauge "process_virtual_memory_bytes" "bytes" []
        "Address space that the process has.";
    /// Its start.
    ProcessStart = Gauge "process_start_time_seconds" "seconds" []
        "When the process started, since the Unix epoch.";
    /// Open files.
    ProcessOpenFiles = Gauge "process_open_fds" "" []
        "Files and sockets that the process has open.";
    /// Files that it may open.
    ProcessMaxFiles = Gauge "process_max_fds" "" []
        "Files and sockets that it may have open.";
    /// Threads.
    ProcessThreads = Gauge "process_threads" "" []
        "Threads of the process.";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_as_prometheus_wants_them() {
        let rows: Vec<_> = Family::ALL.iter().map(|family| family.row()).collect();
        let names: BTreeSet<_> = rows.iter().map(|row| row.name).collect();
        assert_eq!(names.len(), rows.len(), "each name is one family's");
        for row in rows {
            let FamilyRow { name, unit, .. } = row;
            let (stem, is_total) = match name.strip_suffix("_total") {
                Some(stem) => (stem, true),
                None => (*name, false),
            };
            assert_eq!(is_total, row.kind == FamilyKind::Counter, "{name}");
            assert!(unit.is_empty() || stem.ends_with(unit), "{name}");
            let is_of_us = name.starts_with("sterna_") || name.starts_with("process_");
            assert!(is_of_us && row.help.ends_with('.'), "{name}");
            assert!(!row.labels.contains(&"le"), "{name}");
        }
    }
}
