//! Sterna, a push-notification daemon: JSON in over HTTP, pushes out to Apple (APNs) and Google
//! (FCM HTTP v1), from a fixed pool of threads and over an HTTP/2 of its own.
//!
//! # The trip of a push
//!
//! ```text
//!  caller ─→ http1 → api ── parse, check, build each payload once
//!                     │ reserve room in the lanes
//!                     │ backlog: kept in the journal, as surely as journal.sync says
//!                     │ log accepted-push, queue, answer 200
//!                     ▼
//!                   lane ── ready queue · what came back · retry shelf; one for each provider
//!                     ▼ a chunk of pushes; one wake-up per request
//!         delivery::worker ── a thread, a TLS connection, as many streams as the provider allows
//!             delivery::desk      what the thread does next: take, send, connect, part, wait
//!             delivery::session   which stream carries which push
//!             http2               bytes to events and back
//!             net::connection     socket and TLS
//!                     ▼ the provider's answer, or its absence
//!             delivery::policy ── again at t: back to the lane, same id, same apns-id
//!                              └─ settled: delivery::settler, one log line, one count, the feed,
//!                                 room back; once the line is written: delivery::register, backlog
//! ```
//!
//! # The map
//!
//! Pure rooms take bytes, values and time and give back bytes, values and decisions; they know no
//! socket, file, clock, thread or lock: [`http2`], [`push`], [`provider`], [`config`] but for its
//! loader, the request parser of [`api`], policy and session of [`delivery`]. The others are
//! shells around them.
//!
//! - [`cli`]: what the command line asks for, and the exit codes. `main` calls nothing else.
//! - [`daemon`]: start order, signals, drain; it alone knows every other room.
//! - [`config`]: the TOML file, checked once, with all its problems at once.
//! - [`check`]: looks at the files, places and providers that a configuration names.
//! - [`named`]: the files that a configuration names, read by all that use it in one way.
//! - [`filetype`]: what a file is that is no key, certificate or service account.
//! - [`http1`]: the bounded HTTP/1.1 server: connections, heads, bodies, replies.
//! - [`api`]: routes, request parsing, and what callers are answered.
//! - [`push`], [`moment`], [`jitter`]: the units of everything, points in time, spread of retries.
//! - [`backlog`]: what was accepted and is not settled, and the way back to the lanes of what an
//!   earlier process has left. [`journal`]: the same on the disk, over crashes and power failures.
//! - [`lane`]: what waits for a provider, and how much may.
//! - [`delivery`]: pushes to attempts, attempts to outcomes, outcomes to retries or settlements.
//! - [`provider`]: payloads, headers, tokens and answer tables of APNs and FCM.
//! - [`oauth`]: Google's credentials, and their access tokens, refreshed ahead of their expiry.
//! - [`http2`]: one HTTP/2 connection of either role: bytes to events and back.
//! - [`net`]: name resolution, TCP, TLS, readiness, and HTTP/2 under `ureq`.
//! - [`recover`]: push logs read back, for the pushes in them that have no outcome, and for the
//!   device tokens that they call dead.
//! - [`feed`]: what became of pushes, and which device tokens are dead, for who asks later.
//! - [`webhook`]: posts that in batches, until it was taken.
//! - [`log`], [`stats`]: push logs in Gaurun's format, the operator log, counters.
//! - [`crash_point`]: where a debug build kills itself, for the torture test.
//! - [`count`]: numbers of things, in words for the operator. [`texts`]: cut, escaped,
//!   or the known name that a misspelt one was meant to be.
//! - [`pasted`]: keys in the place of a path, which no message may repeat.
//! - [`regular`]: opens a file, and nothing else that is in its place.
//! - [`live`]: values that a reload replaces while others read them.
//! - [`control`]: the socket over which `sterna reload` asks the daemon.
//! - [`descriptors`]: how many of the process's callers may have beside all others.
//! - [`signal`], [`pid_file`]: Unix signals as values on a channel; the locked pid file.
//! - [`supervisor`], [`heartbeat`]: what systemd passes and is told; signs of life.
//! - [`simulator`]: an APNs, FCM and OAuth look-alike. It shares no table with [`provider`], so
//!   that a wrong constant cannot agree with itself.
//!
//! # What never happens
//!
//! `tests/tidy.rs` holds most of it:
//!
//! - `http2` never touches a socket, a clock, a thread or another room.
//! - `http1` knows nothing of what it is asked for: what answers is a `Handler`, which `api` is.
//! - `journal` touches files through one seam, `journal::Files`, whose double in memory loses what
//!   was not synced, tears writes, fails and fills up. Its records, its index and its recovery are
//!   pure.
//! - `provider`, `push`, `config` but for its loader, `delivery::{policy, session, desk}`, the
//!   request parser and `recover` but for its files do no I/O and read no clock. Time and random
//!   numbers are arguments.
//! - `simulator` never sees `provider`: a wrong constant cannot agree with itself.
//! - Nobody knows `cli`, and only `cli` knows `daemon`.
//! - No push ends outside of `Settler::settle`, and none ends twice.
//! - No connection thread waits for an access token, a log that has room, or a caller.
//! - No async runtime is in the binary's dependency tree (`.ci/run` looks).
//!
//! # Where it departs from the first design
//!
//! - A thread has one of four states in `lane::attendance` (looking, warm, cold, busy) and not one
//!   parked flag: work must go to a waiting thread with a connection before one that would have to
//!   open one. `tests/loom_attendance.rs` checks that no wake-up is lost.
//! - A lane has a retry budget, `lane::retry_budget`: it bounds retries under way, not retries a
//!   minute, so that it needs no clock and follows the load by itself.
//! - What comes back to a lane (due retries, pushes that a lost connection never sent) has a
//!   channel of its own and goes first.
//! - A log has one bounded buffer, not one per thread. A thread gathers the lines of a round and
//!   appends them under one lock: lines keep their order, and the bound is one number.
//! - After a crash the default is to label, not to know: a record of each push before its bytes
//!   leave would cost each round of a connection thread a wait for the journal, so it is written
//!   only where `core.resend_unknown = false` asks for it. Otherwise the journal says at a start
//!   that all is in doubt and takes that back at an end in order; what a crash leaves in doubt is
//!   sent again, as the default wants, and its line says `maybe_sent`.
//! - `api` asks lanes, `backlog` and logs by itself: `daemon` is on no push's way. Its tests have
//!   lanes without connection threads, and a log that they read back.
//! - Payloads are built when a request is taken, not when it is sent, so that the caller is told.
//! - `daemon` is a folder: wiring, and the ways to the providers (`routes`).

pub mod api;
pub mod backlog;
pub mod check;
pub mod cli;
pub mod config;
pub mod control;
pub mod count;
pub mod crash_point;
pub mod daemon;
pub mod delivery;
pub mod descriptors;
mod encoding;
pub mod feed;
pub mod filetype;
pub mod heartbeat;
pub mod http1;
pub mod http2;
pub mod jitter;
pub mod journal;
pub mod lane;
pub mod live;
pub mod log;
pub mod moment;
pub mod named;
pub mod net;
pub mod oauth;
pub mod pasted;
pub mod pid_file;
pub mod provider;
pub mod push;
pub mod recover;
pub mod regular;
pub mod signal;
pub mod simulator;
pub mod stats;
pub mod supervisor;
pub mod texts;
pub mod webhook;
