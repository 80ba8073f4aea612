//! A bounded HTTP/1.1 server, which knows nothing of what it is asked for.
//!
//! ```text
//!  listener ── starts and ends it
//!    watch ── one thread waits for all callers: readiness, deadlines, calls
//!      door · doorstep      who gets a place, who hears why there is none
//!      berth                where a connection waits; who has it when
//!    crew ── a channel, and the threads that answer, or promise to
//!      lounge               where they sleep
//!    connection ── head and body in, answer out, each within its deadline: a value
//!      input                what has come and was not read
//!      registry · budget    who is there, and what all may have in memory
//!  turnstile                how many large ones at once do what takes a processor
//!  socket · shared          the system's calls; what the threads share
//!  body · chunked · head · reply · query · request_id · traceparent
//!                         bytes to values and back (pure)
//!  standing · crowd       whom to close for whom, what to tell of it (pure)
//!  handler · settings     what is wanted of those who use it (pure)
//! ```
//!
//! A caller costs no thread: its connection is a value that waits in its berth, and nobody waits
//! for a slow head, body, or reader of an answer, nor for who takes no notice of our closing. What
//! has to wait for a disk makes a [`Promise`]: the request is a value in the hands of whoever keeps
//! that, and comes back to the crew then.
//!
//! [`Listener`] reads requests, all of it bounded, and a [`Handler`] answers them. Who waits in
//! another way, as the simulator does over TLS, uses the pure files without the others.
//!
//! `tiny_http`'s types and response writer are used, its server is not: one request of 60 bytes
//! aborts its process, and it bounds neither connections nor heads nor waiting.

mod berth;
pub(crate) mod body;
mod budget;
pub mod chunked;
mod connection;
mod crew;
mod crowd;
mod door;
mod doorstep;
mod handler;
pub mod head;
mod input;
pub mod listener;
mod lounge;
pub mod query;
mod registry;
pub mod reply;
pub mod request_id;
pub(crate) mod settings;
mod shared;
pub mod socket;
mod standing;
pub mod traceparent;
mod turnstile;
mod watch;

#[cfg(test)]
pub(crate) mod fixture;

pub use body::BodyScan;
pub(crate) use body::FREE;
pub use crew::{Hooks, Job, while_waiting};
pub use handler::{Handler, More, Phase, Promise, Promiser, ReplyWhen};
pub use listener::{BESIDE_CONNECTIONS, Listener};
pub use reply::{Reply, http_date};
pub use request_id::{RequestId, RequestIds};
pub use settings::{Settings, Timeouts};
pub use socket::{BindError, Bound, advice, group_number, is_pause};
pub use traceparent::Traceparent;
pub use turnstile::{Turn, Turnstile};
