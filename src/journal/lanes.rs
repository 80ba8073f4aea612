//! The lanes that a segment names, by the numbers that its records have for them.
//!
//! Pure: no file, no clock, no thread.
//!
//! Each batch of records names the lanes of its notifications before them, the first one of a
//! process again after them, so that damage to one such name leaves another, elsewhere. Within a
//! segment a number stands for one lane, wherever it is named: a process that has other numbers, or
//! cannot tell whether it has, writes another segment.

use std::collections::BTreeMap;

use crate::encoding::{Bytes, put_bytes, put_number};
use crate::push::LaneId;

/// What a segment has named so far, and the numbers that it has used without a name.
#[derive(Clone, Debug, Default)]
pub(super) struct SegmentLanes(BTreeMap<u16, Option<LaneId>>);

impl SegmentLanes {
    /// The lane of that number, which a record has.
    pub(super) fn get(&mut self, number: u16) -> Option<LaneId> {
        *self.0.entry(number).or_default()
    }

    /// Whether that number has a name.
    pub(super) fn has(&self, number: u16) -> bool {
        self.0.get(&number).is_some_and(Option::is_some)
    }

    /// Takes a record that names a lane; false if it names none that there is, or another one than
    /// before.
    pub(super) fn name(&mut self, record: &[u8]) -> bool {
        let mut bytes = Bytes(record);
        let named = bytes.number16().zip(bytes.text());
        let Some((number, lane)) =
            named.and_then(|(number, name)| Some((number, LaneId::named(name)?)))
        else {
            return false;
        };
        *self.0.entry(number).or_default().get_or_insert(lane) == lane
    }

    /// Whether this process has these numbers too, so that it may write here: a number without a
    /// name may be another lane's.
    pub(super) fn are_ours(&self) -> bool {
        let mut lanes = self.0.iter();
        lanes.all(|(number, lane)| lane.is_some_and(|lane| *number == lane.number()))
    }
}

/// Appends the name of a lane.
pub(super) fn put(out: &mut Vec<u8>, lane: LaneId) {
    put_number(out, lane.number().into());
    put_bytes(out, lane.name().as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_stands_for_one_lane_that_there_is() {
        let record = |number: u8, name: &str| {
            let length = u8::try_from(name.len()).unwrap();
            [&[number, length], name.as_bytes()].concat()
        };
        let mut lanes = SegmentLanes::default();
        let mut ours = Vec::new();
        put(&mut ours, LaneId::ANDROID);
        assert!(lanes.name(&ours) && lanes.are_ours());
        assert!(!lanes.name(&record(2, "ios")) && !lanes.name(&record(3, "nobody's")));
        assert!(!lanes.name(&[]) && !lanes.name(&[3, 9]));
        // Of an app too, whether it is configured or not.
        let shop = LaneId::named("shop/ios/sandbox").unwrap();
        assert!(lanes.name(&record(9, "shop/ios/sandbox")));
        assert_eq!(lanes.get(9), Some(shop));
        assert_eq!((lanes.get(2), lanes.get(3)), (Some(LaneId::ANDROID), None));
        assert!(!lanes.are_ours(), "3 may be anybody's");
        assert!(lanes.name(&record(3, "ios")) && !lanes.are_ours());
        assert_eq!(lanes.get(3), Some(LaneId::IOS));
    }
}
