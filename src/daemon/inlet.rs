//! Where callers come in: a socket that the daemon inherits, or the one that the configuration
//! names.

use super::{StartError, StartErrorKind};
use crate::api::Bound;
use crate::config::{Bind, Core};
use crate::count;
use crate::supervisor::{Inherited, InheritedSocket};

/// Where the API listens, and what that is called.
pub(super) fn bound(
    inherited: Option<Inherited>,
    core: &Core,
) -> Result<(Bound, String), StartError> {
    if let Some(inherited) = inherited {
        return bound_by(inherited, core);
    }
    let access = &core.socket_access;
    let bound = match &core.bind {
        Bind::Tcp(address) => Bound::tcp(*address),
        Bind::Unix(path) => Bound::unix(path, access.mode, access.group.as_deref()),
    };
    let bound = bound.map_err(|error| {
        let kind = if error.is_denied() {
            StartErrorKind::NoPermission
        } else {
            StartErrorKind::CannotListen
        };
        StartError::new(kind, error)
    })?;
    Ok((bound, core.bind.to_string()))
}

/// Takes an inherited socket, under the rule that holds for `core.address`.
fn bound_by(inherited: Inherited, core: &Core) -> Result<(Bound, String), StartError> {
    let (place, passed_by, others) = (inherited.place(), inherited.passed_by, inherited.others);
    if inherited.is_open_to_hosts() && core.api_key_path.is_none() && !core.allow_unauthenticated {
        return Err(StartError::new(
            StartErrorKind::Config,
            format_args!(
                "{passed_by}: the inherited socket {place} is one that other hosts can reach, and \
                 they could push without credentials; set core.api_key_path, or \
                 core.allow_unauthenticated = true if they may"
            ),
        ));
    }
    ::log::info!(
        "the listening socket is inherited ({passed_by}); core.port and core.address are not used"
    );
    if others > 0 {
        ::log::warn!(
            "{passed_by}: inherited and not served: {}; whoever connects there waits in vain",
            count::of(others, "further socket", "further sockets")
        );
    }
    let bound = match inherited.socket {
        InheritedSocket::Tcp(socket) => Bound::inherited_tcp(socket),
        InheritedSocket::Unix(socket) => Bound::inherited_unix(socket),
    };
    let bound = bound.map_err(|error| {
        StartError::new(
            StartErrorKind::CannotListen,
            format_args!("{passed_by}: {place}: {error}"),
        )
    })?;
    Ok((bound, place))
}
