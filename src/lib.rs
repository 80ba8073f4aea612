//! Sterna, a push-notification daemon: JSON in over HTTP, pushes out to Apple (APNs) and Google
//! (FCM HTTP v1), from a fixed pool of threads and over an HTTP/2 of its own.
//!
//! # The trip of a push
//!
//! ```text
//! caller ──▶ http1 ──▶ api ──parse──▶ Notification ──one per device token──▶ Push
//!                       │ reserve room in the lane, log "accepted", answer 200
//!                       ▼
//!                     lane ── ready queue and retry shelf; one for each provider
//!                       ▼
//!  delivery::worker ── one thread, one TLS connection, many streams in flight
//!     desk              what it decides, without socket and clock
//!     net::connection   socket and TLS
//!     http2             frames, HPACK, windows, streams
//!     provider          what the request holds, what the answer means
//!                       ▼
//!               Outcome ──policy──▶ retry: back to the lane
//!                                └▶ settlement: one line in the log, one count in stats
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
//! - [`journal`]: what was accepted and is not settled, kept over crashes and power failures.
//! - [`lane`]: what waits for a provider, and how much may.
//! - [`delivery`]: pushes to attempts, attempts to outcomes, outcomes to retries or settlements.
//! - [`provider`]: payloads, headers, tokens and answer tables of APNs and FCM.
//! - [`oauth`]: Google's access tokens, refreshed ahead of their expiry.
//! - [`http2`]: one HTTP/2 connection of either role: bytes to events and back.
//! - [`net`]: name resolution, TCP, TLS, readiness, and HTTP/2 under `ureq`.
//! - [`recover`]: push logs read back, for the pushes in them that have no outcome.
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
//! Who may know whom is held by a test (`tests/tidy.rs`): nobody knows [`cli`] or [`daemon`],
//! [`http2`] knows nobody, [`http1`] nothing of pushes, [`simulator`] never knows [`provider`].

pub mod api;
pub mod check;
pub mod cli;
pub mod config;
pub mod control;
pub mod count;
pub mod crash_point;
pub mod daemon;
pub mod delivery;
pub mod descriptors;
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
