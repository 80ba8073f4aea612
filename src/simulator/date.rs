//! Points in time as HTTP writes them.

/// The form of `date` (RFC 9110 §5.6.7).
pub(super) fn http_date(unix: u64) -> String {
    let seconds = i64::try_from(unix).unwrap_or(0);
    let at = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let printer = jiff::fmt::rfc2822::DateTimePrinter::new();
    printer.timestamp_to_rfc9110_string(&at).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::http_date;

    #[test]
    fn dates_have_the_form_of_http() {
        assert_eq!(http_date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
