//! What the push log shows of a notification.
//!
//! Pure: no file, no clock, no thread.

use std::iter;

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
    /// The `traceparent` of that request; empty if it had none.
    pub traceparent: &'a str,
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
const TRACEPARENT: u8 = 15;

/// Added to the number of a text of which is said where it stands in the body.
const IN_BODY: u8 = 0x40;

impl<'a> Note<'a> {
    /// What is shown of this notification.
    pub fn of(notification: &'a Notification) -> Self {
        Self {
            texts: notification.texts(),
            request_id: &notification.request_id,
            traceparent: notification.traceparent.as_deref().unwrap_or_default(),
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
            traceparent,
            badge,
            expiry,
            time_to_live,
            content_available,
            mutable_content,
            delay_while_idle,
        } = *self;
        let texts = texts.each();
        let places = places_in(body, texts);
        for ((number, text), place) in TEXTS.into_iter().zip(texts).zip(places) {
            if let Some(at) = place {
                out.push(number | IN_BODY);
                put_number(out, at as u64);
                put_number(out, text.len() as u64);
            } else {
                put_text(out, number, text);
            }
        }
        put_text(out, REQUEST_ID, request_id);
        put_text(out, TRACEPARENT, traceparent);
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
                TRACEPARENT => read.traceparent = bytes.text()?,
                BADGE => read.badge = bytes.signed()?,
                EXPIRY => read.expiry = bytes.signed()?,
                TIME_TO_LIVE => read.time_to_live = bytes.signed()?,
                CONTENT_AVAILABLE => read.content_available = true,
                MUTABLE_CONTENT => read.mutable_content = true,
                DELAY_WHILE_IDLE => read.delay_while_idle = true,
                number => {
                    // They are numbered from 1 on.
                    let at = usize::from(number & !IN_BODY).checked_sub(1)?;
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

/// Appends a text with its number before it, if there is one.
fn put_text(out: &mut Vec<u8>, number: u8, text: &str) {
    if !text.is_empty() {
        out.push(number);
        put_bytes(out, text.as_bytes());
    }
}

/// Where texts stand in a body, each behind one of its first quotation marks: all are looked for on
/// one way through it.
fn places_in(body: &[u8], texts: [&str; TEXTS.len()]) -> [Option<usize>; TEXTS.len()] {
    let mut places = [None; TEXTS.len()];
    if body.is_empty() {
        return places;
    }
    // Those that are not found yet, in front, each with the place of its place.
    let mut sought = [(0, ""); TEXTS.len()];
    let mut left = 0;
    // A bit for what each begins with: few marks have one of these behind them.
    let mut begins = 0_u64;
    let bit = |byte: &u8| 1_u64 << (byte & 63);
    for (index, (number, text)) in TEXTS.into_iter().zip(texts).enumerate() {
        // No provider is sent the identifier: where it stands is chance.
        if let Some(first) = text.as_bytes().first().filter(|_| number != IDENTIFIER)
            && let Some(next) = sought.get_mut(left)
        {
            *next = (index, text);
            left += 1;
            begins |= bit(first);
        }
    }
    let may_be_one = |mark: &usize| {
        let next = body.get(mark + 1);
        next.is_some_and(|next| begins & bit(next) != 0)
    };
    // A loop inside the iterator, which takes half of what one around it does.
    marks_in(body).take(MARKS).filter(may_be_one).any(|mark| {
        let rest = body.get(mark + 1..).unwrap_or_default();
        let mut next = 0;
        while let Some((index, text)) = sought.get(..left).and_then(|left| left.get(next)) {
            if rest.starts_with(text.as_bytes()) {
                if let Some(place) = places.get_mut(*index) {
                    *place = Some(mark + 1);
                }
                left -= 1;
                sought.swap(next, left);
            } else {
                next += 1;
            }
        }
        left == 0
    });
    places
}

/// Where the quotation marks of a body are. Eight bytes are looked at together.
fn marks_in(body: &[u8]) -> impl Iterator<Item = usize> {
    let (words, rest) = body.as_chunks();
    let in_words = words.iter().enumerate().flat_map(|(index, word)| {
        let mut marks = marks_of(u64::from_le_bytes(*word));
        iter::from_fn(move || {
            let at = marks.trailing_zeros() as usize / 8;
            let is_one = marks != 0;
            marks &= marks.wrapping_sub(1);
            is_one.then_some(index * 8 + at)
        })
    });
    let begin = body.len() - rest.len();
    let in_rest = rest.iter().enumerate().filter(|(_, byte)| **byte == b'"');
    in_words.chain(in_rest.map(move |(at, _)| begin + at))
}

/// The highest bit of each byte of a word that is a quotation mark, and no other.
fn marks_of(word: u64) -> u64 {
    const LOW: u64 = u64::from_le_bytes([0x7f; 8]);
    // Only a byte of 0 has no bit in any of the three; no sum carries into the next byte.
    let less = word ^ u64::from_le_bytes([b'"'; 8]);
    !(((less & LOW) + LOW) | less | LOW)
}

/// Quotation marks of a body that a text may stand behind: a search through a body that was made
/// for that costs no more.
const MARKS: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn all_quotation_marks_are_found_and_nothing_else(
            // Some that differ from a mark in one bit, and what a carry could come from.
            body in prop::collection::vec(
                prop::sample::select(&b"\"\"!# \xa2\0\xff\x80a"[..]),
                0..40,
            ),
        ) {
            let expected = body.iter().enumerate().filter(|(_, byte)| **byte == b'"');
            let expected: Vec<_> = expected.map(|(at, _)| at).collect();
            prop_assert_eq!(marks_in(&body).collect::<Vec<_>>(), expected);
        }
    }
}
