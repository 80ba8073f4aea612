//! A small disk of a daemon's own: a `tmpfs` in a mount namespace, gone with the process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::daemon::Daemon;
use super::site::Site;

/// Mounts `$1` bytes at `$0`, read-only if `$2` says so, and goes on as the command that follows.
const MOUNTED: &str = r#"
size=$1; mode=$2; shift 2
mount -t tmpfs -o "size=$size,mode=0777" none "$0" || exit 99
if [ "$mode" = ro ]; then mount -o remount,ro "$0" || exit 99; fi
exec "$@"
"#;

/// Whether this machine lets us mount; says so if not.
pub(crate) fn can_mount() -> bool {
    let mut command = namespace(Path::new("/mnt"), 4096, "rw");
    command.arg("true").stderr(Stdio::null());
    let can = command.status().is_ok_and(|status| status.success());
    if !can {
        println!("skipped: no disk can be mounted here (unshare --user --mount)");
    }
    can
}

/// The command that serves a site, with a disk of so many bytes at one of its directories.
pub(crate) fn serve_on_disk(site: &Site, directory: &str, bytes: u64, mode: &str) -> Command {
    let mut command = on_disk(&site.command(&[]), &site.path(directory), bytes, mode);
    site.capture(&mut command);
    command
}

/// A command with a disk of so many bytes at that directory.
pub(crate) fn on_disk(inner: &Command, at: &Path, bytes: u64, mode: &str) -> Command {
    fs::create_dir_all(at).unwrap();
    let mut command = namespace(at, bytes, mode);
    command.arg(inner.get_program()).args(inner.get_args());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

fn namespace(at: &Path, bytes: u64, mode: &str) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", MOUNTED]);
    command.arg(at).arg(bytes.to_string()).arg(mode);
    command
}

/// A path as that daemon sees it.
pub(crate) fn seen_by(daemon: &Daemon, path: &Path) -> PathBuf {
    let root = PathBuf::from(format!("/proc/{}/root", daemon.pid()));
    root.join(path.strip_prefix("/").unwrap())
}

/// Takes so much of the disk under a path of that daemon that no more than `left` bytes are free.
pub(crate) fn fill(daemon: &Daemon, path: &Path, left: u64) -> PathBuf {
    let directory = seen_by(daemon, path);
    let found = rustix::fs::statvfs(&directory).unwrap();
    let free = found.f_bavail * found.f_frsize;
    let filler = directory.join("filler");
    let bytes = usize::try_from(free.saturating_sub(left)).unwrap();
    match fs::write(&filler, vec![0; bytes]) {
        // The daemon has written something meanwhile.
        Err(error) if left == 0 && error.kind() == std::io::ErrorKind::StorageFull => {}
        result => result.unwrap(),
    }
    filler
}
