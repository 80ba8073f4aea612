//! The endpoints: what callers ask, what they are told.
//!
//! [`Service`] answers the requests that [`http1`](crate::http1) reads, and asks lanes, backlog and
//! logs by itself: the daemon only puts them there. What can be decided without a lock is decided
//! in modules that are pure, and say so.

mod answer;
mod apps;
mod channel_calls;
pub mod content;
mod feed_query;
mod gorush;
pub mod idempotency;
pub mod ids;
pub mod ignored;
mod keyless;
pub mod keys;
mod lane_state;
mod lines;
mod mistake;
mod openapi;
pub mod paths;
pub mod plan;
pub mod request;
pub mod rights;
pub mod route;
mod scraping;
pub mod service;
pub mod stat;
pub mod state;
pub mod strangers;
mod told;
mod turned_away;

#[cfg(test)]
mod fixture;

pub use apps::Apps;
pub use channel_calls::ChannelCalls;
pub use ids::Ids;
#[cfg(test)]
pub(crate) use keyless::Keyless;
pub use keys::{ApiKeys, KeyRotation, KeysError};
pub use lines::Lines;
pub use plan::Rules;
pub use scraping::Scraping;
pub use service::{KeptFeed, Service, Terms, Watched};
pub use turned_away::TurnedAway;
