//! Where callers come in: a socket that the daemon inherits, or the one that the configuration
//! names.

use super::{StartError, StartErrorKind};
use crate::config::{Bind, Core};
use crate::count;
use crate::http1::Bound;
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

/// An inherited socket that other hosts can reach: the configuration does not name it, and does not
/// stay the same, so that the rule is asked at the start and at each reload.
pub(super) struct OpenPlace {
    place: String,
    passed_by: &'static str,
}

impl OpenPlace {
    /// `None` if other hosts cannot reach it.
    pub(super) fn of(inherited: &Inherited) -> Option<Self> {
        inherited.is_open_to_hosts().then(|| Self {
            place: inherited.place(),
            passed_by: inherited.passed_by,
        })
    }

    /// The rule that holds for `core.address`.
    ///
    /// # Errors
    ///
    /// Why nobody may be served there.
    pub(super) fn check(&self, core: &Core) -> Result<(), String> {
        if core.api_key_path.is_some() || core.allow_unauthenticated {
            return Ok(());
        }
        let Self { place, passed_by } = self;
        Err(format!(
            "{passed_by}: the inherited socket {place} is one that other hosts can reach, and \
             they could push without credentials; set core.api_key_path, or \
             core.allow_unauthenticated = true if they may"
        ))
    }
}

/// Takes an inherited socket, under the rule that holds for `core.address`.
fn bound_by(inherited: Inherited, core: &Core) -> Result<(Bound, String), StartError> {
    let (place, passed_by, others) = (inherited.place(), inherited.passed_by, inherited.others);
    if let Some(open) = OpenPlace::of(&inherited) {
        open.check(core)
            .map_err(|text| StartError::new(StartErrorKind::Config, text))?;
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
