//! What a reload changes: the configuration that is in force against a new one.
//!
//! Pure.

use std::fmt;

use super::{Bind, Config, Core, Log, Value, keys};

/// A key whose value differs between two configurations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key with its section.
    pub key: String,
    /// What was in force.
    pub was: Value,
    /// What the new configuration says.
    pub new: Value,
    /// What becomes of it.
    pub effect: Effect,
}

/// What becomes of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It is in force.
    Applied,
    /// The old value stays in force until the daemon is restarted.
    NeedsRestart,
}

/// One line: key, new and old value, what became of it.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, was, new, .. } = self;
        match (self.effect, was) {
            (Effect::Applied, Value::Secret(_)) => write!(f, "applied: {key} (not shown)"),
            (Effect::Applied, _) => write!(f, "applied: {key} = {new} (was {was})"),
            (Effect::NeedsRestart, _) => {
                write!(f, "needs a restart: {key} = {new} (still {was})")
            }
        }
    }
}

impl Config {
    /// The configuration that a running daemon can go over to from this one, and what changes.
    /// The logs stay where they are unless `logs_can_turn`.
    ///
    /// # Errors
    ///
    /// Why it must not go there, although `new` is a valid configuration.
    pub fn reloaded(&self, new: Self, logs_can_turn: bool) -> Result<(Self, Vec<Change>), String> {
        let written = new.effective();
        let in_force = Self {
            core: self.core.reloaded(new.core)?,
            ios: new.ios,
            android: new.android,
            journal: self.journal.clone(),
            log: if logs_can_turn {
                new.log
            } else {
                self.log.where_they_are(new.log)
            },
        };
        let (before, after) = (self.effective(), in_force.effective());
        let value_in = |settings: &[super::Setting], path: &str| {
            let found = settings.iter().find(|known| known.key.path() == path);
            found.map(|setting| setting.value.clone())
        };
        // What a lane has besides comes and goes with it.
        let goes_along = |key: &super::Key| {
            let flag = format!("{}.enabled", key.section);
            key.name != "enabled" && value_in(&before, &flag) != value_in(&after, &flag)
        };
        let mut changes = Vec::new();
        for setting in written.iter().filter(|it| !goes_along(it.key)) {
            let key = setting.key.path();
            let was = value_in(&before, &key).unwrap_or(Value::Absent);
            let is_shown = value_in(&after, &key).is_some();
            if was == setting.value || !is_shown {
                continue;
            }
            let is_applied = value_in(&after, &key).as_ref() == Some(&setting.value);
            changes.push(Change {
                key,
                was,
                new: setting.value.clone(),
                effect: if is_applied {
                    Effect::Applied
                } else {
                    Effect::NeedsRestart
                },
            });
        }
        // What the new one does not have at all: the other kind of credential.
        for setting in before.iter().filter(|it| !goes_along(it.key)) {
            let key = setting.key.path();
            let is_gone = value_in(&written, &key).is_none() && value_in(&after, &key).is_none();
            if is_gone && setting.value != Value::Absent {
                changes.push(Change {
                    key,
                    was: setting.value.clone(),
                    new: Value::Absent,
                    effect: Effect::Applied,
                });
            }
        }
        Ok((in_force, changes))
    }
}

impl Core {
    /// The new section, with what stays as it is until a restart.
    fn reloaded(&self, new: Self) -> Result<Self, String> {
        let open = match &self.bind {
            Bind::Tcp(address) => !address.ip().to_canonical().is_loopback(),
            Bind::Unix(_) => false,
        };
        if open && new.api_key_path.is_none() && !new.allow_unauthenticated {
            let (keys, address) = (keys::CORE_API_KEY_PATH.path(), &self.bind);
            return Err(format!(
                "{keys}: cannot be left out while the daemon listens on {address}, where other \
                 hosts could push without credentials then; a new core.address needs a restart"
            ));
        }
        Ok(Self {
            bind: self.bind.clone(),
            socket_access: self.socket_access.clone(),
            workers: self.workers,
            pid: self.pid.clone(),
            control_socket: self.control_socket.clone(),
            node: self.node,
            ..new
        })
    }
}

impl Log {
    /// The new section, its logs where these are.
    fn where_they_are(&self, new: Self) -> Self {
        Self {
            access_log: self.access_log.clone(),
            error_log: self.error_log.clone(),
            operator_log: self.operator_log.clone(),
            ..new
        }
    }
}
