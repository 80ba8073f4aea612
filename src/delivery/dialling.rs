//! A connection that is being opened, on a thread of its own.
//!
//! Opening one blocks for up to half a minute when the network is bad. Meanwhile the connection
//! thread goes on: it reads the last answers of a connection that retires, and it ends in time
//! when the daemon does. The thread here holds no push. There is one per lane at a time.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use crossbeam_channel::{Receiver, bounded};

use super::route::Route;
use crate::moment;
use crate::net::connection::Connection;
use crate::net::readiness::Waiter;

/// A connection on its way.
#[derive(Debug)]
pub(super) struct Dialling {
    result: Receiver<Result<Connection, DialFailure>>,
}

/// Why there is no connection.
#[derive(Debug)]
pub(super) struct DialFailure {
    /// For the operator.
    pub(super) text: String,
    /// It is our own fault.
    pub(super) panicked: bool,
}

impl Dialling {
    /// Begins to connect; rings the waiter's bell when that is done.
    ///
    /// # Errors
    ///
    /// When the system gives no thread or descriptor.
    pub(super) fn start(route: &Arc<Route>, waiter: &Waiter) -> io::Result<Self> {
        let route = Arc::clone(route);
        let registry = waiter.registry().try_clone()?;
        let bell = waiter.bell();
        let (sender, result) = bounded(1);
        thread::Builder::new()
            .name("connect".to_owned())
            .spawn(move || {
                let open = || Connection::open(&route.endpoint, &registry);
                let open = || moment::again_after_standstill(open);
                let opened = match catch_unwind(AssertUnwindSafe(open)) {
                    Ok(Ok(connection)) => Ok(connection),
                    Ok(Err(error)) => Err(DialFailure {
                        text: error.to_string(),
                        panicked: false,
                    }),
                    Err(panic) => Err(DialFailure {
                        text: format!("a panic: {}", panic_text(&*panic)),
                        panicked: true,
                    }),
                };
                // Nobody waits for it any more if the daemon has ended.
                let _unwanted = sender.send(opened).is_err();
                bell.ring();
            })?;
        Ok(Self { result })
    }

    /// How it went, once it is known; then it is over.
    pub(super) fn result(&self) -> Option<Result<Connection, DialFailure>> {
        self.result.try_recv().ok()
    }
}

/// What a panic said.
pub(super) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text")
}
