//! What the push log shows of a notification.
//!
//! Pure: no file, no clock, no thread.

use super::Notification;
use crate::encoding::{Bytes, put_bytes, put_number, put_signed};

/// What the push log shows of a notification, and nothing else: what the provider is sent is its
/// content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Note<'a> {
    /// Its texts.
    pub texts: Texts<'a>,
    /// The name of the request that it came with.
    pub request_id: &'a str,
    /// Icon badge; 0 if nothing was said.
    pub badge: i64,
    /// The caller's `expiry`.
    pub expiry: i64,
    /// The caller's `time_to_live`.
    pub time_to_live: i64,
    /// The caller's `content_available`, or that it is to wake the app and has no message.
    pub content_available: bool,
    /// The caller's `mutable_content`.
    pub mutable_content: bool,
    /// The caller's `delay_while_idle`.
    pub delay_while_idle: bool,
}

/// The texts of a notification that log lines show, empty where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Texts<'a> {
    /// The message.
    pub message: &'a str,
    /// The caller's own name for it.
    pub identifier: &'a str,
    /// Alert title.
    pub title: &'a str,
    /// Alert subtitle.
    pub subtitle: &'a str,
    /// Action category.
    pub category: &'a str,
    /// Sound file name.
    pub sound: &'a str,
    /// FCM collapse key.
    pub collapse_key: &'a str,
}

impl<'a> Texts<'a> {
    /// The texts, one after the other.
    pub fn each(self) -> [&'a str; 7] {
        // Taken apart whole: a new text that is not among them does not compile.
        let Self {
            message,
            identifier,
            title,
            subtitle,
            category,
            sound,
            collapse_key,
        } = self;
        [
            message,
            identifier,
            title,
            subtitle,
            category,
            sound,
            collapse_key,
        ]
    }

    /// The texts in the order of [`Texts::each`].
    pub(crate) fn of(
        [
            message,
            identifier,
            title,
            subtitle,
            category,
            sound,
            collapse_key,
        ]: [&'a str; 7],
    ) -> Self {
        Self {
            message,
            identifier,
            title,
            subtitle,
            category,
            sound,
            collapse_key,
        }
    }
}

/// After the last field.
const END: u8 = 0;

/// The numbers of the texts, in the order of [`Texts::each`], and of the other fields.
const TEXTS: [u8; 7] = [1, 2, 3, 4, 5, 6, 7];
const IDENTIFIER: u8 = 2;
const REQUEST_ID: u8 = 8;
const EXPIRY: u8 = 9;
const BADGE: u8 = 10;
const TIME_TO_LIVE: u8 = 11;
const CONTENT_AVAILABLE: u8 = 12;
const MUTABLE_CONTENT: u8 = 13;
const DELAY_WHILE_IDLE: u8 = 14;

/// Added to the number of a text of which is said where it stands in the body.
const IN_BODY: u8 = 0x40;

impl<'a> Note<'a> {
    /// What is shown of this notification.
    pub fn of(notification: &'a Notification) -> Self {
        Self {
            texts: notification.texts(),
            request_id: &notification.request_id,
            badge: notification.badge.unwrap_or(0),
            expiry: notification.expiry,
            time_to_live: notification.time_to_live,
            content_available: notification.content_available,
            mutable_content: notification.mutable_content,
            delay_while_idle: notification.delay_while_idle,
        }
    }

    /// Appends the fields that say something, each with its number before it, and an end. A text
    /// that stands in `body` is not repeated; a record's note is to be read without any.
    pub(crate) fn put(&self, out: &mut Vec<u8>, body: &[u8]) {
        // Taken apart whole: a new field that is not kept does not compile.
        let Self {
            texts,
            request_id,
            badge,
            expiry,
            time_to_live,
            content_available,
            mutable_content,
            delay_while_idle,
        } = *self;
        let texts = TEXTS.into_iter().zip(texts.each());
        for (number, text) in texts.chain([(REQUEST_ID, request_id)]) {
            if text.is_empty() {
                continue;
            }
            // No provider is sent the others: where they stand is chance.
            let is_sent = !matches!(number, IDENTIFIER | REQUEST_ID);
            let at = is_sent.then(|| place_in(body, text)).flatten();
            if let Some(at) = at {
                out.push(number | IN_BODY);
                put_number(out, at as u64);
                put_number(out, text.len() as u64);
            } else {
                out.push(number);
                put_bytes(out, text.as_bytes());
            }
        }
        for (number, value) in [
            (BADGE, badge),
            (EXPIRY, expiry),
            (TIME_TO_LIVE, time_to_live),
        ] {
            if value != 0 {
                out.push(number);
                put_signed(out, value);
            }
        }
        for (number, is_set) in [
            (CONTENT_AVAILABLE, content_available),
            (MUTABLE_CONTENT, mutable_content),
            (DELAY_WHILE_IDLE, delay_while_idle),
        ] {
            if is_set {
                out.push(number);
            }
        }
        out.push(END);
    }

    /// Reads what [`Note::put`] has appended beside that body; nothing if it is something else.
    pub(crate) fn read(bytes: &mut Bytes<'a>, body: &'a [u8]) -> Option<Self> {
        let mut texts = [""; TEXTS.len()];
        let mut read = Self::default();
        loop {
            match bytes.byte()? {
                END => {
                    read.texts = Texts::of(texts);
                    return Some(read);
                }
                REQUEST_ID => read.request_id = bytes.text()?,
                BADGE => read.badge = bytes.signed()?,
                EXPIRY => read.expiry = bytes.signed()?,
                TIME_TO_LIVE => read.time_to_live = bytes.signed()?,
                CONTENT_AVAILABLE => read.content_available = true,
                MUTABLE_CONTENT => read.mutable_content = true,
                DELAY_WHILE_IDLE => read.delay_while_idle = true,
                number => {
                    let at = TEXTS.iter().position(|text| *text == number & !IN_BODY)?;
                    *texts.get_mut(at)? = if number & IN_BODY == 0 {
                        bytes.text()?
                    } else {
                        let (at, len) = (bytes.number32()?, bytes.number32()?);
                        let rest = body.get(at as usize..).filter(|rest| !rest.is_empty());
                        str::from_utf8(rest?.get(..len as usize)?).ok()?
                    };
                }
            }
        }
    }
}

/// Where a text stands in a body, behind one of its first quotation marks.
fn place_in(body: &[u8], text: &str) -> Option<usize> {
    let marks = (1..).zip(body).filter(|(_, byte)| **byte == b'"');
    let mut begins = marks.map(|(at, _)| at).take(MARKS);
    begins.find(|at| {
        body.get(*at..)
            .is_some_and(|rest| rest.starts_with(text.as_bytes()))
    })
}

/// Quotation marks of a body that a text may stand behind: a search through a body that was made
/// for that costs no more.
const MARKS: usize = 64;
