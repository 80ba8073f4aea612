//! Files of ours by which others find the daemon: the pid file and Unix sockets. The daemon does
//! without them; who looks for it does not. So it is told when they are removed or replaced.

use std::path::{Path, PathBuf};

use crate::config::{Bind, Core};
use crate::regular::Identity;

/// What is looked at.
#[derive(Debug, Default)]
pub(super) struct Underfoot(Vec<Ours>);

#[derive(Debug)]
struct Ours {
    /// What it is, and what does not work without it.
    what: &'static str,
    lacks: &'static str,
    path: PathBuf,
    identity: Identity,
    is_there: bool,
}

impl Underfoot {
    /// What the configuration names and this process has made. With an inherited socket that of
    /// the configuration is not ours.
    pub(super) fn of(core: &Core, is_inherited: bool) -> Self {
        let socket = match &core.bind {
            Bind::Unix(path) if !is_inherited => Some(path),
            _ => None,
        };
        let ours = [
            (
                "the pid file",
                "nobody finds this daemon by it, and another one may take it",
                core.pid.as_ref(),
            ),
            (
                "the control socket",
                "sterna reload does not reach this daemon, kill -HUP does",
                core.control_socket.as_ref(),
            ),
            ("the API's socket", "no caller reaches this daemon", socket),
        ];
        let ours = ours.into_iter().filter_map(|(what, lacks, path)| {
            let path = path?.clone();
            Some(Ours {
                what,
                lacks,
                identity: identity(&path)?,
                path,
                is_there: true,
            })
        });
        Self(ours.collect())
    }

    /// Tells what has been removed or replaced since the last time, and what is back.
    pub(super) fn look(&mut self) {
        for ours in &mut self.0 {
            let is_there = identity(&ours.path) == Some(ours.identity);
            if is_there == std::mem::replace(&mut ours.is_there, is_there) {
                continue;
            }
            let (what, path) = (ours.what, ours.path.display());
            if is_there {
                ::log::info!("{what} {path} is there again");
            } else {
                let lacks = ours.lacks;
                ::log::error!(
                    "{what} {path} was removed or replaced: {lacks}; restart the daemon to have it \
                     again"
                );
            }
        }
    }
}

fn identity(path: &Path) -> Option<Identity> {
    Identity::at(path).ok().flatten()
}
