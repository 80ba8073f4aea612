//! A bounded HTTP/1.1 server, which knows nothing of what it is asked for.
//!
//! [`Listener`] accepts connections and reads requests, all of it bounded; a [`Handler`] answers
//! them. What can be decided without a socket is decided in modules that are pure, and say so.
//!
//! `tiny_http`'s types and response writer are used, its server is not: one request of 60 bytes
//! aborts its process, and it bounds neither connections nor heads nor waiting.

pub(crate) mod body;
pub mod chunked;
mod connection;
mod crowd;
mod doorstep;
mod handler;
pub mod head;
mod input;
pub mod listener;
pub mod query;
mod registry;
pub mod reply;
pub mod request_id;
mod settings;
pub mod socket;
mod standing;
mod turnstile;

#[cfg(test)]
pub(crate) mod fixture;

pub use handler::{Handler, More, Phase};
pub use listener::{BESIDE_CONNECTIONS, Hooks, Listener, advice};
pub use reply::Reply;
pub use request_id::{RequestId, RequestIds};
pub use settings::{Settings, Timeouts};
pub use socket::{BindError, Bound, group_number};
pub use turnstile::{Turn, Turnstile};
