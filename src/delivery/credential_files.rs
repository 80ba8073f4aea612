//! The files that a lane's credential is in, and whether they have changed.

use std::fmt;
use std::path::{Path, PathBuf};

use super::route::Route;
use crate::regular;

/// Our limit: bytes of a file that are compared: more than any credential file may have.
pub const COMPARED: usize = 1024 * 1024;

/// Why there is no route: a line for each thing in the configuration that cannot be used.
#[derive(Debug)]
pub struct Unroutable(pub String);

impl fmt::Display for Unroutable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unroutable {}

/// Makes a route from the configuration and what the files hold now.
pub type Build = Box<dyn Fn() -> Result<Route, Unroutable> + Send>;

/// Makes a route with the credential before, if the configuration still names one that can be used.
pub type BuildFormer = Box<dyn Fn() -> Option<Route> + Send>;

/// The files of one lane's credential.
pub struct CredentialFiles {
    paths: Vec<PathBuf>,
    /// What they held when a route was made of them last; `None` for one that could not be read.
    known: Vec<Option<Vec<u8>>>,
    build: Build,
    former: Option<BuildFormer>,
}

impl CredentialFiles {
    /// Files, and what makes a route of them.
    pub fn new(paths: Vec<PathBuf>, build: Build) -> Self {
        Self {
            known: content(&paths),
            paths,
            build,
            former: None,
        }
    }

    /// The same, with what makes a route of the credential before.
    #[must_use]
    pub fn after(self, former: BuildFormer) -> Self {
        Self {
            former: Some(former),
            ..self
        }
    }

    /// A route with the credential before, if the configuration names one that can be used.
    pub(super) fn former(&self) -> Option<Route> {
        self.former.as_ref().and_then(|build| build())
    }

    /// Whether the configuration names a credential before.
    pub fn name_former(&self) -> bool {
        self.former.is_some()
    }

    /// Whether both have that file, with the same content.
    pub(super) fn have_same(&self, others: &Self, path: &Path) -> bool {
        let content = |of: &Self| {
            let index = of.paths.iter().position(|known| known == path)?;
            of.known.get(index).cloned()
        };
        content(self) == content(others)
    }

    /// Whether these are the same files with the same content.
    pub fn are(&self, others: &Self) -> bool {
        self.paths == others.paths && self.known == others.known
    }

    /// Makes the first route.
    ///
    /// # Errors
    ///
    /// What in the configuration or the files cannot be used.
    pub fn route(&self) -> Result<Route, Unroutable> {
        (self.build)()
    }

    /// A route of what the files hold now; `None` if they have not changed since the last one.
    pub(super) fn changed(&mut self) -> Result<Option<Route>, Unroutable> {
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
