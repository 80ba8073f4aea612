//! Reads push logs, Gaurun's and our own, for the pushes that were accepted and have no outcome.
//!
//! ```text
//! files ──▶ lines ──▶ entry ──of each log──▶ merge ──in the order of time──▶ fold ──▶ what is left
//! plain or  bounded,  damage                                                open pushes
//! gzipped   unwrapped counted                                               only
//! ```
//!
//! An `accepted-push` line opens a push, a `succeeded-push` or `failed-push` line settles it.
//! Gaurun counts its ids from 1 in each run and appends to the same file, so an id names several
//! pushes; which one an outcome belongs to is a matter of position and content, see [`Fold`].
//!
//! What the same lines say of device tokens needs no order: [`refused_tokens`] reads them in two
//! passes, for the refusals and for what succeeded after them.
//!
//! Only `files`, `log_file` and `tokens` touch files. What is found is sent by
//! [`crate::daemon::Resend`].
//!
//! What a journal has outstanding needs no search: [`resume`] makes pushes of either.

mod dead_tokens;
mod entry;
mod files;
mod fold;
mod foreign;
mod lines;
mod log_file;
mod merge;
mod open_push;
mod resume;
mod texts;
mod token_line;
mod tokens;
mod when;
mod wrapping;

pub use dead_tokens::{DEAD_MAX, RefusedToken, RefusedTokens, SUSPECTS_MAX};
pub use entry::whole_tail;
pub use files::{Found, read};
pub use fold::{Fold, OPEN_MAX, Outcome, TooMany};
pub use lines::LINE_MAX;
pub use log_file::{LOGS_MAX, ReadError, is_gzip, is_wrapped};
pub use open_push::OpenPush;
pub use resume::{attempts, resume};
pub use tokens::{FoundTokens, refused_tokens};
pub use when::TimeReader;

#[cfg(test)]
mod tests;
