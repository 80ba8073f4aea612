//! Reads push logs, Gaurun's and our own, for the pushes that were accepted and have no outcome.
//!
//! ```text
//! files ──▶ lines ──▶ entry ──of each log──▶ merge ──in the order of time──▶ fold ──▶ what is left
//! plain or  bounded   damage                                                open pushes
//! gzipped             counted                                               only
//! ```
//!
//! An `accepted-push` line opens a push, a `succeeded-push` or `failed-push` line settles it.
//! Gaurun counts its ids from 1 in each run and appends to the same file, so an id names several
//! pushes; which one an outcome belongs to is a matter of position and content, see [`Fold`].
//!
//! Only `files` touches files. What is found is sent by [`crate::daemon::Resend`].
//!
//! What a journal has outstanding needs no search: [`resume`] makes pushes of either.

mod entry;
mod files;
mod fold;
mod foreign;
mod lines;
mod merge;
mod open_push;
mod resume;
mod texts;
mod when;

pub use entry::whole_tail;
pub use files::{Found, LOGS_MAX, ReadError, is_gzip, read};
pub use fold::{Fold, OPEN_MAX, Outcome, TooMany};
pub use lines::LINE_MAX;
pub use open_push::OpenPush;
pub use resume::{attempts, resume};
pub use when::TimeReader;

#[cfg(test)]
mod tests;
