//! Delivery: from a lane's queue to a settlement, attempt by attempt.
//!
//! [`policy`] and [`session`] are pure; [`desk`] is what a connection thread decides, [`worker`]
//! the thread around it, [`threads`] when there is one. [`settler`] is the one place where a push
//! ends, and tells push log, backlog and statistics; [`purge`] is the way there that an operator
//! opens.
//!
//! What follows an attempt is told to users in sterna-delivery(7) (`etc/doc`). Whoever changes a
//! rule of [`policy`] changes it there too; its figures are limits, which a test compares with the
//! code.

mod candidate;
pub mod channel_manager;
pub mod credential;
pub mod credential_files;
pub mod credential_reader;
mod decided;
pub mod desk;
mod dialling;
#[cfg(test)]
pub(crate) mod fixture;
mod link;
pub mod links;
mod outage;
pub mod outcome;
pub mod policy;
pub mod pool;
pub mod pool_key;
pub mod present_route;
mod pulse;
pub mod purge;
pub mod reasons;
pub mod register;
pub mod requests;
pub mod route;
pub mod running_lane;
pub mod session;
pub mod settler;
pub mod shared_tokens;
mod sinks;
pub mod stop;
pub mod threads;
pub mod transport;
pub mod worker;
