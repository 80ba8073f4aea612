//! What a journal holds, looked at without taking it over.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Weak;
use std::time::Duration;

use super::judge::Obstacle;
use super::lane_making::enabled;
use super::unreadable::Unreadable;
use crate::config::Config;
use crate::count;
use crate::delivery::policy::{self, Limits};
use crate::journal::{self, Damage, DiskFiles, Outstanding, Recovered};
use crate::moment::Moment;
use crate::push::LaneId;
use crate::recover::resume;

/// What a journal holds, by what is to become of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Pushes that the segments still name; those of segments that were removed are not among
    /// them.
    pub named: u64,
    /// Outstanding, and worth sending.
    pub to_send: u64,
    /// Outstanding, and past their time.
    pub expired: u64,
    /// Outstanding, and to stay so, by the reason.
    pub held: BTreeMap<Obstacle, u64>,
    /// Places that cannot be read.
    pub damaged: u64,
    /// What is wrong, for the operator: the first of those places, and a torn end.
    pub troubles: Vec<String>,
    /// All that was outstanding, and the records that were read.
    state: (u64, u64),
}

impl Survey {
    /// Reads a journal, whether its daemon runs or not, and changes nothing.
    ///
    /// # Errors
    ///
    /// When there is no journal, when it cannot be read, when nothing of it makes sense.
    pub fn of(config: &Config, dir: &Path, max_age: Duration) -> Result<Self, Unreadable> {
        let now = Moment::now();
        let reading = journal::read(&DiskFiles, dir, now)?;
        let recovered = reading.recovered();
        let shown = dir.display();
        if recovered.records == 0 {
            return Err(Unreadable {
                is_damage: true,
                text: if let Some(damage) = recovered.damage.first().filter(|it| it.bytes == 0) {
                    damage.to_string()
                } else if recovered.bytes == 0 {
                    format!("there is no journal in {shown}")
                } else {
                    let bytes = count::of(recovered.bytes, "byte", "bytes");
                    format!("nothing of the journal in {shown} can be read: {bytes}")
                },
            });
        }
        let mut survey = Self {
            named: recovered.pushes,
            damaged: recovered.damaged,
            state: (recovered.outstanding, recovered.records),
            ..Self::default()
        };
        survey.troubles = recovered.damage.iter().map(Damage::to_string).collect();
        if let Some(torn) = &recovered.torn {
            survey.troubles.push(torn.to_string());
        }
        let limits = enabled(config, max_age);
        for notification in reading {
            match notification {
                Ok(notification) => survey.count(&limits, notification, now),
                Err(damage) => {
                    survey.damaged += 1;
                    survey.troubles.push(damage.to_string());
                    survey.troubles.truncate(journal::PLACES_MAX);
                }
            }
        }
        Ok(survey)
    }

    /// Whether the journal is as it was looked at, by what its reading found.
    pub fn is_of(&self, recovered: &Recovered) -> bool {
        self.state == (recovered.outstanding, recovered.records)
    }

    fn count(&mut self, limits: &BTreeMap<LaneId, Limits>, outstanding: Outstanding, now: Moment) {
        let lane = outstanding.envelope.lane;
        let Some(limits) = limits.get(&lane).copied() else {
            let held = self.held.entry(Obstacle::Disabled(lane)).or_default();
            *held += outstanding.pushes.len() as u64;
            return;
        };
        if outstanding.is_scheduled(now) {
            let held = self.held.entry(Obstacle::Scheduled).or_default();
            *held += outstanding.pushes.len() as u64;
            return;
        }
        for (push, _) in resume(outstanding, &mut Weak::new(), now) {
            if policy::expired(&push, limits, now).is_some() {
                self.expired += 1;
            } else {
                self.to_send += 1;
            }
        }
    }
}
