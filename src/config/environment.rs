//! What the configuration takes from the process: the shell that reads it.

use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use crate::pasted::{self, IS_CONTENT, NO_KEY_HERE};

/// What the parser wants to know of the process it runs in.
#[derive(Clone, Debug)]
pub struct Environment {
    /// `GOOGLE_APPLICATION_CREDENTIALS`: the credential file if the configuration names none.
    pub google_application_credentials: Option<PathBuf>,
    /// `GCE_METADATA_HOST`: where the metadata server is, if elsewhere than Google has it.
    pub metadata_host: Option<String>,
    /// Where the daemon may keep what outlives it: the default of `journal.dir`.
    pub state_dir: Option<PathBuf>,
    /// `CREDENTIALS_DIRECTORY`: where systemd puts what `credential:NAME` names.
    pub credentials_directory: Option<PathBuf>,
    /// systemd's directory for sockets of ours.
    pub runtime_dir: Option<PathBuf>,
    /// Whether credentials have to be named: not for who only looks at what was accepted. Then none
    /// of a [`Config`](super::Config) may be opened.
    pub needs_credentials: bool,
    /// Variables that hold a key where a path belongs, and count as not set; each with why.
    pub pasted: Vec<(&'static str, &'static str)>,
    /// Whether there is something of that name.
    pub is_there: fn(&Path) -> bool,
    /// CPUs that the process may use: the default of `core.workers`, if they are many.
    pub cpus: NonZeroUsize,
}

impl Environment {
    /// This process's.
    pub fn read() -> Self {
        let pasted = RefCell::new(Vec::new());
        let path = |name| {
            let value = std::env::var_os(name).filter(|path| !path.is_empty());
            let path = PathBuf::from(value?);
            let text = path.to_string_lossy();
            let why = pasted::why_no_path(&text, &path, Path::exists).map(|_| match name {
                CREDENTIALS_VARIABLE => IS_CONTENT,
                _ => NO_KEY_HERE,
            });
            let why = why.or_else(|| {
                // systemd's may be several.
                let is_there =
                    |path: &Path| path.exists() || first(path).is_some_and(|first| first.exists());
                let must_be = HAVE_TO_BE.contains(&name);
                pasted::why_no_file(&text, &path, is_there).filter(|_| must_be)
            });
            pasted.borrow_mut().extend(why.map(|why| (name, why)));
            drop(text);
            why.is_none().then_some(path)
        };
        let mut environment = Self {
            google_application_credentials: path(CREDENTIALS_VARIABLE),
            metadata_host: std::env::var_os(METADATA_VARIABLE)
                .map(|host| host.to_string_lossy().into_owned())
                .filter(|host| !host.is_empty()),
            state_dir: state_dir(path),
            credentials_directory: path("CREDENTIALS_DIRECTORY"),
            runtime_dir: path("RUNTIME_DIRECTORY").as_deref().and_then(first),
            cpus: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            needs_credentials: true,
            pasted: Vec::new(),
            is_there: Path::exists,
        };
        environment.pasted = pasted.into_inner();
        environment
    }

    /// The same for who opens no credential.
    #[must_use]
    pub fn without_credentials(self) -> Self {
        Self {
            needs_credentials: false,
            ..self
        }
    }

    /// What is said of a variable that holds a key where a path belongs.
    pub(super) fn complaint(&self, name: &str) -> Option<String> {
        let (_, why) = self.pasted.iter().find(|(pasted, _)| *pasted == name)?;
        Some(format!("{name}: {why}"))
    }

    /// Where the control socket is unless the file says otherwise.
    pub fn control_socket(&self) -> Option<PathBuf> {
        self.runtime_dir
            .as_ref()
            .map(|dir| dir.join(CONTROL_SOCKET))
    }
}

/// systemd's directory for us, else ours among the user's.
fn state_dir(path: impl Fn(&'static str) -> Option<PathBuf>) -> Option<PathBuf> {
    let given = path("STATE_DIRECTORY").as_deref().and_then(first);
    let of_user = || {
        // What is relative is to be ignored, says the XDG specification.
        let xdg = path("XDG_STATE_HOME").filter(|path| path.is_absolute());
        let home = || path("HOME").filter(|path| path.is_absolute());
        let state = xdg.or_else(|| Some(home()?.join(".local/state")))?;
        Some(state.join("sterna"))
    };
    given.or_else(of_user)
}

/// systemd separates several directories by colons.
fn first(paths: &Path) -> Option<PathBuf> {
    let first = paths.to_str()?.split(':').next()?;
    (!first.is_empty()).then(|| PathBuf::from(first))
}

/// Variables whose files and directories nobody makes later.
const HAVE_TO_BE: [&str; 3] = [
    CREDENTIALS_VARIABLE,
    "CREDENTIALS_DIRECTORY",
    "RUNTIME_DIRECTORY",
];

/// The control socket in the runtime directory.
const CONTROL_SOCKET: &str = "control";

/// The variable that says where the metadata server is, as Google's own libraries have it.
pub(super) const METADATA_VARIABLE: &str = "GCE_METADATA_HOST";

/// The variable that names the service account if the file does not.
pub(super) const CREDENTIALS_VARIABLE: &str = "GOOGLE_APPLICATION_CREDENTIALS";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_directory_is_systemds_else_the_users() {
        let check = |set: &[(&str, &str)], expected: Option<&str>| {
            let dir = state_dir(|name| {
                let found = set.iter().find(|(known, _)| *known == name);
                found.map(|(_, path)| PathBuf::from(path))
            });
            assert_eq!(dir.as_deref(), expected.map(Path::new), "{set:?}");
        };
        let (systemd, xdg) = (("STATE_DIRECTORY", "/var/lib/s"), ("XDG_STATE_HOME", "/x"));
        let home = ("HOME", "/home/me");
        check(&[systemd, xdg, home], Some("/var/lib/s"));
        check(
            &[("STATE_DIRECTORY", "/var/lib/s:/var/lib/t")],
            Some("/var/lib/s"),
        );
        check(&[xdg, home], Some("/x/sterna"));
        check(
            &[("XDG_STATE_HOME", "x"), home],
            Some("/home/me/.local/state/sterna"),
        );
        check(&[("HOME", "relative")], None);
        check(&[], None);
    }
}
