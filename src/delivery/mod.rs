//! Delivery: from a lane's queue to a settlement, attempt by attempt.
//!
//! [`policy`] and [`session`] are pure; [`worker`] is the thread around them. [`settler`] is the
//! one place where a push ends.

pub mod credential;
mod dialling;
mod link;
pub mod links;
pub mod outcome;
pub mod policy;
pub mod requests;
pub mod route;
pub mod session;
pub mod settler;
pub mod worker;
