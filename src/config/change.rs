//! What a reload changes: the configuration that is in force against a new one.
//!
//! Pure.

use std::collections::BTreeMap;
use std::fmt;

use super::key::InForce;
use super::section::Section;
use super::{Bind, Config, Core, Key, LaneConfig, Metrics, Setting, Value, sections};
use crate::push::{LaneId, Provider};

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
    /// The old value stays in force until a reload finds nothing that waits by it.
    Waits,
}

/// One line: key, new and old value, what became of it.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, was, new, .. } = self;
        if let Some(section) = key.strip_suffix(".enabled") {
            match (was, new) {
                (Value::Absent, _) => return write!(f, "applied: [{section}] is there"),
                (_, Value::Absent) => return write!(f, "applied: [{section}] is gone"),
                _ => {}
            }
        }
        match (self.effect, was) {
            (Effect::Applied, Value::Secret(_)) => write!(f, "applied: {key} (not shown)"),
            (Effect::Applied, _) => write!(f, "applied: {key} = {new} (was {was})"),
            (Effect::NeedsRestart, _) => {
                write!(f, "needs a restart: {key} = {new} (still {was})")
            }
            (Effect::Waits, _) => write!(f, "stays: {key} = {was} (not yet {new})"),
        }
    }
}

impl Config {
    /// The configuration that a running daemon can go over to from this one, and what changes.
    /// Its lanes are `lanes`, whatever `new` says. The logs stay where they are unless
    /// `logs_can_turn`.
    ///
    /// # Errors
    ///
    /// Why it must not go there, although `new` is a valid configuration.
    pub fn reloaded(
        &self,
        new: Self,
        lanes: BTreeMap<LaneId, Option<LaneConfig>>,
        logs_can_turn: bool,
    ) -> Result<(Self, Vec<Change>), String> {
        let written = new.effective();
        self.core.check_open(&new.core)?;
        self.metrics.check_open(&new.core)?;
        let stays = |key: &Key| match key.in_force {
            InForce::AtReload => false,
            InForce::AtReloadOfLogs => !logs_can_turn,
            InForce::AtStart => true,
        };
        let in_force = Self {
            core: sections::CORE.reloaded(&self.core, new.core, &stays),
            lanes,
            journal: self.journal.clone(),
            feedback: match (&self.feedback, new.feedback) {
                (Some(was), Some(new)) => Some(sections::FEEDBACK.reloaded(was, new, &stays)),
                (was, _) => was.clone(),
            },
            log: sections::LOG.reloaded(&self.log, new.log, &stays),
            metrics: sections::METRICS.reloaded(&self.metrics, new.metrics, &stays),
        };
        let (before, after) = (self.effective(), in_force.effective());
        let values = |settings: &[Setting]| -> BTreeMap<String, Value> {
            let pairs = settings.iter().map(|it| (it.path(), it.value.clone()));
            pairs.collect()
        };
        let (was_in, new_in, written_in) = (values(&before), values(&after), values(&written));
        // A lane that is not in the file is not enabled there.
        let is_on = |values: &BTreeMap<String, Value>, section: &str| {
            values.get(&format!("{section}.enabled")) == Some(&Value::Flag(true))
        };
        // What a lane has besides comes and goes with it.
        let goes_along = |setting: &&Setting| {
            let section = setting.section();
            setting.key.name != "enabled" && is_on(&was_in, &section) != is_on(&new_in, &section)
        };
        let absent = |setting: &Setting| match setting.key.name {
            "enabled" => Value::Flag(false),
            _ => Value::Absent,
        };
        let mut changes = Vec::new();
        for setting in written.iter().filter(|it| !goes_along(it)) {
            let key = setting.path();
            let was = was_in.get(&key).cloned();
            let was = was.unwrap_or_else(|| absent(setting));
            let Some(now) = new_in.get(&key).filter(|_| was != setting.value) else {
                continue;
            };
            let is_there = setting.key.name != "enabled" || was_in.contains_key(&key);
            changes.push(Change {
                key,
                was: if is_there { was } else { Value::Absent },
                new: setting.value.clone(),
                effect: if *now == setting.value {
                    Effect::Applied
                } else if Provider::of_platform(setting.key.section).is_some() {
                    Effect::Waits
                } else {
                    Effect::NeedsRestart
                },
            });
        }
        // What the new one does not have at all: the other kind of credential, a whole app.
        for setting in before.iter().filter(|it| !goes_along(it)) {
            let key = setting.path();
            let is_gone = !written_in.contains_key(&key) && !new_in.contains_key(&key);
            let new = absent(setting);
            if is_gone && setting.value != new {
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

impl Metrics {
    /// Whether a daemon that answers here may go over to what is new.
    fn check_open(&self, new: &Core) -> Result<(), String> {
        match self.address {
            Some(address) if self.is_open_to_hosts() && new.api_key_path.is_none() => {
                let keys = sections::CORE.api_key_path.path();
                Err(format!(
                    "{keys}: cannot be left out while metrics.address is {address}, where other \
                     hosts could read without a key then; a new metrics.address needs a restart"
                ))
            }
            _ => Ok(()),
        }
    }
}
