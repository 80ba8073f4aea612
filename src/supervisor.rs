//! Whoever started the process and looks after it: systemd, or server-starter.
//!
//! [`Inherited`] is the listening socket that it passes, [`Supervisor`] what it is told. Neither
//! decides anything: what to say, and when, is the daemon's business.

mod notify;
mod sockets;

pub use notify::Supervisor;
pub use sockets::{InheritError, Inherited, InheritedSocket};
