//! A second account of the alarm at one refusal of device tokens: from the outcome lines.

use std::collections::BTreeMap;

use sterna::lane::{DECIDED, Lane};

/// How often each reason stood in an outcome line.
#[derive(Default)]
pub(crate) struct Reasons(BTreeMap<String, usize>);

impl Reasons {
    /// Outcome lines of failed pushes were written.
    pub(crate) fn read(&mut self, lines: &[u8]) {
        for line in String::from_utf8_lossy(lines).lines() {
            let reason = line.split_once(r#""reason":""#);
            if let Some((reason, _)) = reason.and_then(|(_, rest)| rest.split_once('"')) {
                *self.0.entry(reason.to_owned()).or_default() += 1;
            }
        }
    }

    /// What is wrong with the lane's alarm: it stands only while half of the last answers were
    /// that refusal.
    pub(crate) fn contradict(&self, lane: &Lane) -> Option<String> {
        let alarm = lane.prevailing()?;
        let written = self.0.get(alarm.refusal.reason).copied();
        let is_right = alarm.answers * 2 >= DECIDED && written >= Some(alarm.answers);
        (!is_right).then(|| format!("{alarm:?}, and {written:?} lines say so"))
    }
}
