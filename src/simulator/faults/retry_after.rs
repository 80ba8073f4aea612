//! Values of `retry-after`, good and bad.

use std::borrow::Cow;
use std::str::FromStr;
use std::sync::Arc;

use crate::http1::http_date;

/// What `retry-after` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// The date so many seconds from now.
    Date(u64),
    /// This text: a number of seconds, or what no server should send.
    Text(Arc<str>),
}

impl RetryAfter {
    /// The field's value, at that time since the epoch.
    pub(in crate::simulator) fn value(&self, unix: u64) -> Cow<'static, str> {
        match self {
            Self::Date(seconds) => Cow::Owned(http_date(unix.saturating_add(*seconds))),
            Self::Text(text) => Cow::Owned((**text).to_owned()),
        }
    }
}

/// `120`, `date+120` for a date, or any other text to be sent as it is.
impl FromStr for RetryAfter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(seconds) = text.strip_prefix("date+") {
            let number = seconds.parse().map(Self::Date);
            return number.map_err(|_| format!("{seconds:?} is not a number of seconds"));
        }
        let visible = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
        if text.is_empty() || text.len() > MAX_TEXT || !text.bytes().all(visible) {
            return Err(format!(
                "{text:?} cannot stand in a field: 1 to {MAX_TEXT} visible characters can"
            ));
        }
        Ok(Self::Text(text.into()))
    }
}

/// Our limit: characters of the field's value.
const MAX_TEXT: usize = 100;
