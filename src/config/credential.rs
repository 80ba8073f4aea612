//! `credential:NAME` in the place of a path: a file that systemd hands to the service
//! (`LoadCredential=`), in a directory that only this service can read.

use std::path::{Path, PathBuf};

/// The name, if the text is one of a credential.
pub(super) fn name(text: &str) -> Option<&str> {
    text.strip_prefix("credential:")
}

/// Its file; the error is a sentence without the value.
pub(super) fn path(name: &str, directory: Option<&Path>) -> Result<PathBuf, String> {
    if name.is_empty() || name.len() > NAME_MAX || name.contains('/') || [".", ".."].contains(&name)
    {
        return Err(format!(
            "a credential's name is the name of a file, of 1 to {NAME_MAX} bytes and without /"
        ));
    }
    let Some(directory) = directory else {
        return Err(format!(
            "CREDENTIALS_DIRECTORY is not set: systemd sets it for a unit with \
             LoadCredential={name}:/path/of/the/file; elsewhere set it to a directory with a file \
             {name}, while the service runs by: sudo env \
             CREDENTIALS_DIRECTORY=/run/credentials/sterna.service sterna check -c FILE"
        ));
    };
    Ok(directory.join(name))
}

/// Bytes of a credential's name: what a directory's entry may have.
const NAME_MAX: usize = 255;
