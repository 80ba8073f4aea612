//! The auth token that outlives the process, so that a restart is not another token to Apple.
//!
//! One file for each key id, readable by its owner only: whoever has the token may push in our
//! name for an hour. Its content is sealed with the signing key, so that nothing but what a
//! process with this key wrote is believed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::delivery::shared_tokens::SharedTokens;
use crate::moment::Moment;
use crate::provider::apns::{AuthTokens, SEALED_MAX};

/// For its owner alone, from the first moment on.
const MODE: u32 = 0o600;

/// Shares auth tokens, goes on with the one that was kept in `directory` for this key id, and
/// keeps those to come there.
pub(super) fn shared(
    mut tokens: AuthTokens,
    key_id: &str,
    directory: Option<&Path>,
    now: Moment,
) -> SharedTokens {
    let Some(directory) = directory else {
        ::log::debug!("ios: no state directory: the auth token does not outlive the process");
        return SharedTokens::new(tokens, None);
    };
    // Key ids are letters and digits: the signing key was checked before.
    let path = directory.join(format!("apns-auth-token-{key_id}"));
    match read(&path) {
        Ok(None) => {}
        Ok(Some(sealed)) => match tokens.resume(&sealed, now) {
            Ok(true) => ::log::info!("ios: going on with the auth token of {}", path.display()),
            Ok(false) => ::log::debug!("ios: the auth token of {} is over", path.display()),
            Err(why) => ignored(&path, why),
        },
        Err(error) => ignored(&path, &error.to_string()),
    }
    let keep = move |sealed: &str| {
        if let Err(error) = write(&path, sealed) {
            ::log::warn!(
                "ios: cannot keep the auth token in {}: {error}; a restart within 20 minutes may \
                 be refused as a renewal too soon",
                path.display()
            );
        }
    };
    SharedTokens::new(tokens, Some(Box::new(keep)))
}

fn ignored(path: &Path, why: &str) {
    ::log::warn!(
        "ios: the auth token in {} is not used: {why}; another is made when it is needed",
        path.display()
    );
}

/// The content; `None` if there is no such file.
fn read(path: &Path) -> io::Result<Option<String>> {
    // A pipe in its place must not make us wait: only a plain file is opened.
    match fs::symlink_metadata(path) {
        Ok(metadata) if !metadata.is_file() => {
            return Err(io::Error::other("it is not a plain file"));
        }
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    let most = (SEALED_MAX as u64).saturating_add(1);
    let mut text = String::new();
    File::open(path)?.take(most).read_to_string(&mut text)?;
    Ok(Some(text))
}

/// Writes a file beside it and puts that in its place, so that a reader sees one or the other.
fn write(path: &Path, sealed: &str) -> io::Result<()> {
    let mut beside = PathBuf::from(path).into_os_string();
    beside.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(beside);
    // What a process of our number left behind.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(&beside)?;
    let written = file
        .write_all(sealed.as_bytes())
        .and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // It would stay for ever; why it was not written matters more than this.
        drop(fs::remove_file(&beside));
    }
    written
}

#[cfg(test)]
mod tests;
