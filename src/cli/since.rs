//! A time in the past, as it is written on the command line.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use crate::moment::Moment;

/// Reads an age (`90m`, `36h`, `7d`), a day, or a time with or without its zone; in seconds since
/// the Unix epoch.
pub(super) fn parse_since(text: &str) -> Result<u64, String> {
    let zone = TimeZone::try_system().unwrap_or(TimeZone::UTC);
    since(text, Moment::now().unix.as_secs(), &zone).ok_or_else(|| {
        "must be an age such as 36h or 7d, or a day or a time in the past".to_owned()
    })
}

fn since(text: &str, now: u64, zone: &TimeZone) -> Option<u64> {
    if let Some(age) = age(text) {
        return Some(now.saturating_sub(age));
    }
    let of_zone = |at: DateTime| zone.to_timestamp(at).ok();
    let day = || text.parse::<Date>().ok().filter(|_| text.len() == DAY_LEN);
    let at = match text.parse::<Timestamp>() {
        Ok(at) => at,
        Err(_) => day()
            .map(|day| day.at(0, 0, 0, 0))
            .or_else(|| text.parse().ok())
            .and_then(of_zone)?,
    };
    // Of a time to come no log has anything: that no token is dead would only be a slip of the pen.
    u64::try_from(at.as_second()).ok().filter(|at| *at <= now)
}

/// Seconds of so many seconds, minutes, hours or days.
fn age(text: &str) -> Option<u64> {
    let unit = match text.chars().next_back()? {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    let number = text.get(..text.len() - 1)?;
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = number.parse().ok().filter(|_| is_number)?;
    number.checked_mul(unit)
}

/// Characters of `2026-11-22`.
const DAY_LEN: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_days_and_times_are_understood() {
        let zone = TimeZone::fixed(jiff::tz::offset(9));
        let now = 1_795_336_102;
        for (text, expected) in [
            ("90s", Some(now - 90)),
            ("15m", Some(now - 900)),
            ("36h", Some(now - 129_600)),
            ("7d", Some(now - 604_800)),
            ("99999999999d", Some(0)),
            ("2026-11-22", Some(1_795_273_200)),
            ("2026-11-22T01:00", Some(1_795_276_800)),
            ("2026-11-22T01:00:00Z", Some(1_795_309_200)),
            ("2026-11-22T01:00Z", Some(1_795_309_200)),
            ("2026-11-22T01:00:00+09:00", Some(1_795_276_800)),
            ("", None),
            ("d", None),
            ("7", None),
            ("-7d", None),
            ("+7d", None),
            ("7w", None),
            ("99999999999999999999d", None),
            ("yesterday", None),
            ("1960-01-01", None),
            ("2026-11-23", None),
            ("2027-01-01T08:00Z", None),
            ("2026-13-01", None),
            ("é", None),
        ] {
            assert_eq!(since(text, now, &zone), expected, "{text}");
        }
    }
}
