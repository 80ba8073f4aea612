//! The time of a log line.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::moment::Moment;

/// Local time as `2006/01/02 15:04:05 MST`, formatted once a second. One per thread.
///
/// The time zone is read when it is made; a change of the machine's zone is seen at the next start.
#[derive(Clone, Debug)]
pub struct TimeText {
    zone: TimeZone,
    second: Option<u64>,
    text: String,
}

impl TimeText {
    /// In the machine's time zone, or UTC if it has none.
    pub fn new() -> Self {
        Self::in_zone(TimeZone::try_system().unwrap_or(TimeZone::UTC))
    }

    /// In a given time zone.
    pub fn in_zone(zone: TimeZone) -> Self {
        Self {
            zone,
            second: None,
            text: String::new(),
        }
    }

    /// The text for `now`.
    pub fn at(&mut self, now: Moment) -> &str {
        let second = now.unix_secs();
        if self.second != Some(second) {
            self.text = format(&self.zone, second);
            self.second = Some(second);
        }
        &self.text
    }
}

impl Default for TimeText {
    fn default() -> Self {
        Self::new()
    }
}

fn format(zone: &TimeZone, second: u64) -> String {
    // Beyond the year 9999 the clock is not worth more than its limit.
    let timestamp = i64::try_from(second)
        .ok()
        .and_then(|second| Timestamp::from_second(second).ok())
        .unwrap_or(Timestamp::MAX);
    let info = zone.to_offset_info(timestamp);
    let time = info.offset().to_datetime(timestamp);
    format!(
        "{:04}/{:02}/{:02} {:02}:{:02}:{:02} {}",
        time.year(),
        time.month(),
        time.day(),
        time.hour(),
        time.minute(),
        time.second(),
        info.abbreviation(),
    )
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn check(zone: &str, unix: Duration, expected: &str) {
        let zone = if zone == "UTC" {
            TimeZone::UTC
        } else {
            TimeZone::posix(zone).unwrap()
        };
        let now = Moment {
            stood: Duration::ZERO,
            monotonic: Instant::now(),
            unix,
        };
        assert_eq!(TimeText::in_zone(zone).at(now), expected);
    }

    #[test]
    fn local_time_with_its_abbreviation() {
        let time = Duration::new(1_795_324_512, 999_999_999);
        check("UTC", time, "2026/11/22 05:15:12 UTC");
        check("JST-9", time, "2026/11/22 14:15:12 JST");
        check(
            "CET-1CEST,M3.5.0,M10.5.0/3",
            time,
            "2026/11/22 06:15:12 CET",
        );
        check("<-03>3", time, "2026/11/22 02:15:12 -03");
    }

    #[test]
    fn summer_time_begins_within_one_text() {
        let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let mut text = TimeText::in_zone(zone);
        let mut at = |secs| {
            let unix = Duration::from_secs(secs);
            text.at(Moment {
                stood: Duration::ZERO,
                monotonic: Instant::now(),
                unix,
            })
            .to_owned()
        };
        assert_eq!(at(1_774_745_999), "2026/03/29 01:59:59 CET");
        assert_eq!(at(1_774_746_000), "2026/03/29 03:00:00 CEST");
        // Backwards, when the clock is set.
        assert_eq!(at(0), "1970/01/01 01:00:00 CET");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_machines_zone_as_date_tells_it() {
        let now = Moment::now();
        let date = std::process::Command::new("date")
            .arg(format!("--date=@{}", now.unix_secs()))
            .arg("+%Y/%m/%d %H:%M:%S %Z")
            .output()
            .unwrap();
        let expected = String::from_utf8(date.stdout).unwrap();
        assert_eq!(TimeText::new().at(now), expected.trim_end());
    }

    #[test]
    fn a_senseless_clock_is_no_panic() {
        check("UTC", Duration::MAX, "9999/12/30 22:00:00 UTC");
    }
}
