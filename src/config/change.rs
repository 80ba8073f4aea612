//! What a reload changes: the configuration that is in force against a new one.
//!
//! Pure.

use std::fmt;

use super::key::InForce;
use super::section::Section;
use super::{Bind, Config, Core, Key, Value, sections};

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
    /// The new value is in force.
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
        self.core.check_open(&new.core)?;
        let stays = |key: &Key| match key.in_force {
            InForce::AtReload => false,
            InForce::AtReloadOfLogs => !logs_can_turn,
            InForce::AtStart => true,
        };
        let in_force = Self {
            core: sections::CORE.reloaded(&self.core, new.core, &stays),
            lanes: new.lanes,
            journal: self.journal.clone(),
            log: sections::LOG.reloaded(&self.log, new.log, &stays),
        };
        let (before, after) = (self.effective(), in_force.effective());
        let value_in = |settings: &[super::Setting], path: &str| {
            let found = settings.iter().find(|known| known.key.path() == path);
            found.map(|setting| setting.value.clone())
        };
        // What a lane has besides comes and goes with it.
        let goes_along = |key: &Key| {
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
    /// Whether a daemon that listens here may go over to what is new.
    fn check_open(&self, new: &Self) -> Result<(), String> {
        let open = match &self.bind {
            Bind::Tcp(address) => !address.ip().to_canonical().is_loopback(),
            Bind::Unix(_) => false,
        };
        if open && new.api_key_path.is_none() && !new.allow_unauthenticated {
            let (keys, address) = (sections::CORE.api_key_path.path(), &self.bind);
            return Err(format!(
                "{keys}: cannot be left out while the daemon listens on {address}, where other \
                 hosts could push without credentials then; a new core.address needs a restart"
            ));
        }
        Ok(())
    }
}
