//! The endpoints: what callers ask, what they are told.
//!
//! [`Service`] answers the requests that [`http1`](crate::http1) reads. The daemon supplies the
//! lanes as [`Door`]s and itself as [`Host`]. What can be decided without a lock is decided in
//! modules that are pure, and say so.

mod answer;
pub mod idempotency;
pub mod ids;
pub mod ignored;
mod keyless;
pub mod keys;
mod mistake;
pub mod plan;
pub mod request;
pub mod route;
pub mod service;
pub mod stat;
pub mod state;
pub mod strangers;

#[cfg(test)]
mod fixture;

pub use ids::Ids;
pub use keys::{ApiKeys, KeyRotation, KeysError};
pub use plan::Rules;
pub use service::{Door, Host, Kept, Service, Terms, Unrecorded};
pub use strangers::Stranger;
