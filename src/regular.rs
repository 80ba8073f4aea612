//! Files that others have named: whoever opens one waits for nobody.
//!
//! In its place there may be a pipe, whose opener waits for somebody at the other end, or a device,
//! which may have no end, or does something when it is opened. Neither is a file. And what has its
//! place by now need not be the file that had it.

use std::fs::{self, File, FileType, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read as _};
use std::ops::{Deref, DerefMut};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

/// Reads a file up to that many bytes, and one more where there are more, so that the caller sees
/// the excess.
///
/// # Errors
///
/// The operating system's, or that it is no file.
pub fn read(path: &Path, most: usize) -> io::Result<Vec<u8>> {
    rest_of(open(path)?, most)
}

/// Reads what is left of an open file up to that many bytes, and one more where there are more, so
/// that the caller sees the excess.
///
/// # Errors
///
/// The operating system's.
pub fn rest_of(file: impl io::Read, most: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = (most as u64).saturating_add(1);
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Reads the pid that an open file holds, if it holds nothing else.
pub fn pid_in(file: impl io::Read) -> Option<u32> {
    let bytes = rest_of(file, PID_BYTES).ok()?;
    str::from_utf8(&bytes).ok()?.trim_end().parse().ok()
}

/// Our limit: bytes of a file that holds a pid.
pub const PID_BYTES: usize = 32;

/// What a file of text says: all but a byte order mark, which some editors write before it.
pub fn without_mark(file: &[u8]) -> &[u8] {
    file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file)
}

/// Opens a file to read it.
///
/// # Errors
///
/// The operating system's, or that it is no file.
pub fn open(path: &Path) -> io::Result<File> {
    check(fs::metadata(path)?.file_type())?;
    opened(OpenOptions::new().read(true), OFlags::NONBLOCK, path)
}

/// Opens a file as the options say, but through no link: that would lead to somebody else's.
///
/// # Errors
///
/// The operating system's, among them [that it is a link](is_link), or that it is no file.
pub fn open_itself(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_symlink() => check(found.file_type())?,
        // It says what is wrong with it, or it is made.
        _ => {}
    }
    opened(options, OFlags::NONBLOCK | OFlags::NOFOLLOW, path)
}

/// A file whose lock ends with it: a child process that is just being started may have its
/// descriptor, too, until it runs another program, and a lock ends with the last descriptor.
#[derive(Debug)]
pub struct Lockable(pub File);

impl Deref for Lockable {
    type Target = File;

    fn deref(&self) -> &File {
        &self.0
    }
}

impl DerefMut for Lockable {
    fn deref_mut(&mut self) -> &mut File {
        &mut self.0
    }
}

impl Drop for Lockable {
    fn drop(&mut self) {
        // If the system refuses, the lock ends with the descriptors.
        let _kept = self.0.unlock().is_err();
    }
}

/// Whether a file was not opened because there is a link in its place.
pub fn is_link(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::LOOP.raw_os_error())
}

/// Which file something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The file system.
    pub device: u64,
    /// Its number there.
    pub inode: u64,
    /// Whether any directory has it.
    pub is_linked: bool,
}

impl Identity {
    /// That of what was found.
    pub fn of(found: &Metadata) -> Self {
        Self {
            device: found.dev(),
            inode: found.ino(),
            is_linked: found.nlink() > 0,
        }
    }

    /// That of an open file, whatever it is called.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub fn of_file(file: &File) -> io::Result<Self> {
        Ok(Self::of(&file.metadata()?))
    }

    /// That of what a path leads to, nothing if there is none; a link at its end is not followed.
    ///
    /// # Errors
    ///
    /// The operating system's.
    pub fn at(path: &Path) -> io::Result<Option<Self>> {
        match fs::symlink_metadata(path) {
            Ok(found) => Ok(Some(Self::of(&found))),
            Err(error) => match error.kind() {
                ErrorKind::NotFound | ErrorKind::NotADirectory => Ok(None),
                _ => Err(error),
            },
        }
    }
}

/// Whether a path still leads to an open file.
///
/// # Errors
///
/// The operating system's.
pub fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    Ok(Identity::at(path)? == Some(Identity::of_file(file)?))
}

/// That it is a file.
///
/// # Errors
///
/// What it is else.
pub fn check(found: FileType) -> io::Result<()> {
    if found.is_file() {
        return Ok(());
    }
    let what = name(found);
    Err(io::Error::other(format!("it is {what}, not a file")))
}

/// The path as one word of a shell command.
pub fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+,:@%".contains(c);
    if text.chars().all(plain) && !text.starts_with('-') {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// An error in its words if it is due to what is no directory, in the place of one or above it.
pub fn no_directory(dir: &Path, error: io::Error) -> io::Error {
    let mut there = dir
        .ancestors()
        .filter_map(|path| Some((path, fs::metadata(path).ok()?.file_type())));
    match there.next() {
        Some((path, found)) if !found.is_dir() => {
            let what = name(found);
            let text = if path == dir {
                format!("it is {what}, not a directory")
            } else {
                format!("{} is {what}, not a directory", path.display())
            };
            io::Error::new(ErrorKind::NotADirectory, text)
        }
        _ => error,
    }
}

fn name(found: FileType) -> &'static str {
    if found.is_file() {
        "a file"
    } else if found.is_dir() {
        "a directory"
    } else if found.is_fifo() {
        "a named pipe"
    } else if found.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

/// What is in its place by now is looked at again.
fn opened(options: &mut OpenOptions, flags: OFlags, path: &Path) -> io::Result<File> {
    let flags = flags.bits().cast_signed();
    let file = options.custom_flags(flags).open(path)?;
    check(file.metadata()?.file_type())?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    /// A directory with a pipe, a socket, links to both, and a file.
    fn scratch() -> tempfile::TempDir {
        let scratch = tempfile::tempdir().unwrap();
        let path = |name: &str| scratch.path().join(name);
        let made = std::process::Command::new("mkfifo")
            .arg(path("pipe"))
            .status();
        assert!(made.unwrap().success());
        drop(UnixListener::bind(path("socket")).unwrap());
        fs::write(path("file"), "text").unwrap();
        for name in ["pipe", "socket", "file"] {
            symlink(path(name), path(&format!("to {name}"))).unwrap();
        }
        scratch
    }

    #[test]
    fn what_is_no_file_is_said_and_nobody_is_waited_for() {
        let scratch = scratch();
        let path = |name: &str| scratch.path().join(name);
        for (name, what) in [
            ("pipe", "it is a named pipe, not a file"),
            ("socket", "it is a socket, not a file"),
            ("", "it is a directory, not a file"),
            ("/dev/zero", "it is a device, not a file"),
        ] {
            let opens: [fn(&Path) -> io::Result<File>; 3] = [
                open,
                |path| open_itself(OpenOptions::new().read(true), path),
                |path| open_itself(OpenOptions::new().write(true).create(true), path),
            ];
            for open in opens {
                assert_eq!(open(&path(name)).unwrap_err().to_string(), what);
            }
        }
        let error = read(&path("to pipe"), 10).unwrap_err();
        assert_eq!(error.to_string(), "it is a named pipe, not a file");
    }

    #[test]
    fn links_are_followed_unless_it_must_be_the_file_itself() {
        let scratch = scratch();
        let path = |name: &str| scratch.path().join(name);
        assert_eq!(read(&path("to file"), 10).unwrap(), b"text");
        assert_eq!(
            read(&path("file"), 2).unwrap(),
            b"tex",
            "the excess is seen"
        );
        for name in ["to file", "to pipe", "to socket"] {
            let error = open_itself(OpenOptions::new().read(true), &path(name)).unwrap_err();
            assert!(is_link(&error), "{error}");
        }
        let missing = open(&path("missing")).unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        let mut options = OpenOptions::new();
        let made = open_itself(
            options.write(true).create(true).truncate(false),
            &path("missing"),
        );
        assert!(made.is_ok());
    }

    #[test]
    fn a_lock_ends_with_its_holder_whoever_else_has_the_descriptor() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("lock");
        let [held, other] = [(); 2].map(|()| Lockable(File::create(&path).unwrap()));
        held.try_lock().unwrap();
        let inherited = held.try_clone().unwrap();
        assert!(other.try_lock().is_err());
        drop(held);
        other.try_lock().unwrap();
        drop(inherited);
    }
}
