//! The time of a log line, read back.
//!
//! Pure: the time zone is an argument.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

/// When a line was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct When {
    /// For the order of lines; of a zone that is not known, as if it were UTC.
    pub(super) order: i64,
    /// Seconds since 1970, if the zone is known.
    pub(super) unix: Option<u64>,
}

/// Reads `2006/01/02 15:04:05 MST`, of which the abbreviation is all that is said of the zone.
///
/// An abbreviation stands for many zones (`CST`), so only UTC, plain numbers (`+03`) and what the
/// machine's own zone is called at that time are understood.
#[derive(Debug)]
pub struct TimeReader {
    zone: TimeZone,
    /// Most lines have the time of the one before.
    last: Option<(Box<str>, When)>,
}

impl TimeReader {
    /// For logs of a machine in that zone.
    pub fn in_zone(zone: TimeZone) -> Self {
        Self { zone, last: None }
    }

    /// The time that a text tells; `None` if it is none.
    pub(super) fn read(&mut self, text: &str) -> Option<When> {
        if let Some((known, when)) = &self.last
            && **known == *text
        {
            return Some(*when);
        }
        let when = self.parse(text)?;
        self.last = Some((text.into(), when));
        Some(when)
    }

    fn parse(&self, text: &str) -> Option<When> {
        let (civil, zone) = text.split_at_checked(CIVIL.len())?;
        let shaped = civil.bytes().zip(CIVIL.bytes());
        let is_so = |(byte, form): (u8, u8)| match form {
            b'0' => byte.is_ascii_digit(),
            other => byte == other,
        };
        if !shaped.into_iter().all(is_so) {
            return None;
        }
        let civil = DateTime::strptime("%Y/%m/%d %H:%M:%S", civil).ok()?;
        let zone = zone.strip_prefix(' ')?;
        let order = Offset::UTC.to_timestamp(civil).ok()?.as_second();
        let at = self.offset(civil, zone).and_then(|offset| {
            let at = offset.to_timestamp(civil).ok()?;
            Some(at.as_second())
        });
        Some(When {
            order: at.unwrap_or(order),
            unix: at.and_then(|at| u64::try_from(at).ok()),
        })
    }

    fn offset(&self, civil: DateTime, zone: &str) -> Option<Offset> {
        if matches!(zone, "UTC" | "GMT" | "Z") {
            return Some(Offset::UTC);
        }
        numeric(zone).or_else(|| {
            let (one, other) = match self.zone.to_ambiguous_timestamp(civil).offset() {
                AmbiguousOffset::Unambiguous { offset } => (offset, offset),
                AmbiguousOffset::Gap { before, after }
                | AmbiguousOffset::Fold { before, after } => (before, after),
            };
            let is_called_so = |offset: &Offset| {
                let at = offset.to_timestamp(civil).unwrap_or(Timestamp::UNIX_EPOCH);
                self.zone.to_offset_info(at).abbreviation() == zone
            };
            [one, other].into_iter().find(is_called_so)
        })
    }
}

/// The offset of `+03`, `-0330` and the like, which zones without a name of their own have.
fn numeric(zone: &str) -> Option<Offset> {
    let (sign, digits) = match zone.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let (hours, minutes) = digits.split_at_checked(2).filter(|_| is_number)?;
    let hours: i32 = hours.parse().ok()?;
    let minutes: i32 = match minutes.len() {
        0 => 0,
        2 => minutes.parse().ok()?,
        _ => return None,
    };
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
}

/// The form of the time without its zone.
const CIVIL: &str = "0000/00/00 00:00:00";
