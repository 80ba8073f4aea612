//! The HTTP/1.1 interface: what callers ask, what they are told.
//!
//! [`Listener`] accepts connections and reads requests, all of it bounded; [`Service`] answers
//! them. The daemon supplies the lanes as [`Door`]s and itself as [`Host`]. What can be decided
//! without a socket is decided in modules that are pure, and say so.
//!
//! `tiny_http`'s types and response writer are used, its server is not: one request of 60 bytes
//! aborts its process, and it bounds neither connections nor heads nor waiting.

mod answer;
mod body;
pub mod chunked;
mod connection;
mod crowd;
mod doorstep;
pub mod head;
pub mod idempotency;
pub mod ids;
pub mod ignored;
mod input;
mod keyless;
pub mod keys;
pub mod listener;
mod mistake;
pub mod plan;
pub mod query;
mod registry;
pub mod reply;
pub mod request;
pub mod request_id;
pub mod route;
pub mod service;
pub mod socket;
mod standing;
pub mod stat;
pub mod state;
pub mod strangers;
mod turnstile;

#[cfg(test)]
mod fixture;

pub use connection::Timeouts;
pub use ids::Ids;
pub use keys::{ApiKeys, KeyRotation, KeysError};
pub use listener::{BESIDE_CONNECTIONS, Handler, Hooks, Listener, Phase, Settings, advice};
pub use plan::Rules;
pub use reply::Reply;
pub use request_id::{RequestId, RequestIds};
pub use service::{Door, Host, Kept, Service, Terms, Unrecorded};
pub use socket::{BindError, Bound, group_number};
pub use state::{Ending, PushState};
pub use strangers::Stranger;
pub use turnstile::Turnstile;
