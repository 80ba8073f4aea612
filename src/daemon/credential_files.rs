//! The files that a lane's credential is in, and whether they have changed.

use std::fmt;
use std::path::PathBuf;

use super::route_error::RouteError;
use crate::delivery::route::Route;
use crate::regular;

/// Bytes of a file that are compared: more than any credential file may have.
pub(super) const COMPARED: usize = 1024 * 1024;

/// Makes a route from the configuration and what the files hold now.
pub(super) type Build = Box<dyn Fn() -> Result<Route, RouteError> + Send>;

/// The files of one lane's credential.
pub(super) struct CredentialFiles {
    paths: Vec<PathBuf>,
    /// What they held when a route was made of them last; `None` for one that could not be read.
    known: Vec<Option<Vec<u8>>>,
    build: Build,
}

impl CredentialFiles {
    /// Files, and what makes a route of them.
    pub(super) fn new(paths: Vec<PathBuf>, build: Build) -> Self {
        Self {
            known: content(&paths),
            paths,
            build,
        }
    }

    /// Whether these are the same files with the same content.
    pub(super) fn are(&self, others: &Self) -> bool {
        self.paths == others.paths && self.known == others.known
    }

    /// Makes the first route.
    pub(super) fn route(&self) -> Result<Route, RouteError> {
        (self.build)()
    }

    /// A route of what the files hold now; `None` if they have not changed since the last one.
    pub(super) fn changed(&mut self) -> Result<Option<Route>, RouteError> {
        let now = content(&self.paths);
        if now == self.known {
            return Ok(None);
        }
        let route = (self.build)()?;
        self.known = now;
        Ok(Some(route))
    }
}

/// Hides what is in the files.
impl fmt::Debug for CredentialFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialFiles")
            .field("paths", &self.paths)
            .finish_non_exhaustive()
    }
}

fn content(paths: &[PathBuf]) -> Vec<Option<Vec<u8>>> {
    let read = |path: &PathBuf| regular::read(path, COMPARED).ok();
    paths.iter().map(read).collect()
}
