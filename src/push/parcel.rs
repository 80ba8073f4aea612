//! What is sent of a notification, what is told of it, and to whom it goes: in one buffer.
//!
//! Pure: no file, no clock, no thread.
//!
//! ```text
//! body    the provider's
//! head    names and values of the notification's own header fields
//! note    as in the journal; of a text that stands in the body, where
//! tokens  one after the other
//! ends    of each device token, unless all take equally many bytes as they lie packed
//! ```

use std::fmt;

use super::content::{self, Slots};
use super::tokens::place;
use super::{Content, DeviceTokens, Note, PackedToken};
use crate::encoding::Bytes;

/// Content, note and device tokens of a notification that was accepted, in one buffer: a push is a
/// place in it. Texts that stand in the body are not held a second time.
#[derive(Clone, PartialEq, Eq)]
pub struct Parcel {
    bytes: Box<[u8]>,
    slots: Slots,
    /// Where the header fields begin, and the body ends.
    head: u32,
    /// Where the note begins.
    note: u32,
    /// Where the device tokens begin.
    tokens: u32,
    count: u32,
    /// Bytes of each device token; 0 if they are of several lengths.
    stride: u32,
}

const _: () = assert!(size_of::<Parcel>() == 48);

impl Parcel {
    /// Packs all of a notification.
    pub fn new(content: &Content, note: &Note<'_>, tokens: &DeviceTokens) -> Self {
        let body = content.body();
        let mut told = Vec::with_capacity(NOTE_USUAL);
        note.put(&mut told, body);
        let stride = tokens.stride();
        let ends = if stride == 0 { tokens.len() } else { 0 };
        let head = content.packed_head();
        let packed = head.len() + told.len() + tokens.bytes.len();
        let mut bytes = Vec::with_capacity(body.len() + packed + ends * size_of::<u32>());
        bytes.extend_from_slice(body);
        let head_begins = place(&bytes);
        bytes.extend_from_slice(head);
        let note_begins = place(&bytes);
        bytes.extend_from_slice(&told);
        let begin = place(&bytes);
        bytes.extend_from_slice(&tokens.bytes);
        for end in tokens.ends().take(ends) {
            bytes.extend_from_slice(&end.to_le_bytes());
        }
        let packed = Self {
            bytes: bytes.into(),
            slots: content.slots(),
            head: head_begins,
            note: note_begins,
            tokens: begin,
            count: u32::try_from(tokens.len()).unwrap_or(u32::MAX),
            stride,
        };
        debug_assert!(packed.note() == *note, "a note that cannot be read");
        packed
    }

    /// The provider's body: all of it but what goes into its slots.
    pub fn body(&self) -> &[u8] {
        self.bytes.get(..self.head as usize).unwrap_or_default()
    }

    /// The slots of the body.
    pub(crate) fn slots(&self) -> Slots {
        self.slots
    }

    /// What stands in the body before its slots, between and behind them: see [`Content::parts`].
    pub fn parts(&self) -> [&[u8]; 3] {
        self.slots.parts(self.body())
    }

    /// Whether the body has a slot for the target; one that has none is sent as it is.
    pub fn takes_target(&self) -> bool {
        self.slots.target().is_some()
    }

    /// Whether the body has a slot for the time to live.
    pub fn takes_ttl(&self) -> bool {
        self.slots.ttl().is_some()
    }

    /// Names and values of the notification's own header fields: see [`Content::head`].
    pub fn head(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        content::fields(self.packed_head())
    }

    /// The header fields as they lie packed; empty if there are none.
    pub(crate) fn packed_head(&self) -> &[u8] {
        let head = self.head as usize..self.note as usize;
        self.bytes.get(head).unwrap_or_default()
    }

    /// What the push log shows.
    pub fn note(&self) -> Note<'_> {
        let note = self.note as usize..self.tokens as usize;
        let mut bytes = Bytes(self.bytes.get(note).unwrap_or_default());
        // A note was packed.
        Note::read(&mut bytes, self.body()).unwrap_or_default()
    }

    /// How many device tokens there are: valid ones, settled ones too, in the caller's order.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The device token of that place, if there is one.
    pub fn token(&self, index: u32) -> Option<PackedToken<'_>> {
        if index >= self.count {
            return None;
        }
        let (tokens, index) = (self.bytes.get(self.tokens as usize..)?, index as usize);
        if self.stride > 0 {
            let stride = self.stride as usize;
            return PackedToken::at(tokens.get(index * stride..)?.get(..stride)?);
        }
        let ends = tokens
            .len()
            .checked_sub(self.count as usize * size_of::<u32>())?;
        let (tokens, ends) = tokens.split_at_checked(ends)?;
        let (ends, _) = ends.as_chunks();
        let end = |index: usize| Some(u32::from_le_bytes(*ends.get(index)?) as usize);
        let begin = index.checked_sub(1).map_or(Some(0), end)?;
        PackedToken::at(tokens.get(begin..end(index)?)?)
    }

    /// The device tokens, in the caller's order.
    pub fn tokens(&self) -> impl Iterator<Item = PackedToken<'_>> {
        (0..self.count).filter_map(|index| self.token(index))
    }
}

/// Device tokens reach the push log only, and texts nothing else, so `{:?}` hides them.
impl fmt::Debug for Parcel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Parcel({} device tokens, {} bytes)",
            self.count,
            self.bytes.len()
        )
    }
}

/// Bytes that most notes take.
const NOTE_USUAL: usize = 256;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Texts;
    use super::*;

    fn parcel(content: &Content, note: &Note<'_>, tokens: &[&str]) -> Parcel {
        Parcel::new(content, note, &tokens.iter().copied().collect())
    }

    #[test]
    fn a_text_that_stands_in_the_body_is_not_held_twice() {
        let (text, plain) = ("Your table is ready. ".repeat(20), Content::default());
        let note = Note {
            texts: Texts {
                message: &text,
                title: "\"",
                sound: "default",
                ..Texts::default()
            },
            ..Note::default()
        };
        let body = format!(r#"{{"aps":{{"alert":{{"title":"\"","body":"{text}"}}}}}}"#);
        let content = Content::whole(body.as_bytes());
        let packed = parcel(&content, &note, &["ab"]);
        assert_eq!(packed.note(), note);
        assert!(packed.bytes.len() < body.len() + 40, "{packed:?}");
        assert_eq!(parcel(&plain, &note, &["ab"]).note(), note);
        // Nor is one behind what was found by chance.
        let note = Note {
            texts: Texts {
                title: &text,
                message: ":\"",
                ..Texts::default()
            },
            ..Note::default()
        };
        let body = format!(r#"{{"aps":{{"alert":{{"title":"{text}","body":":\""}}}}}}"#);
        let packed = parcel(&Content::whole(body.as_bytes()), &note, &["ab"]);
        assert_eq!(packed.note(), note);
        assert!(packed.bytes.len() < body.len() + 40, "{packed:?}");
    }

    #[test]
    fn a_device_token_takes_its_bytes_and_one_more() {
        let tokens: Vec<_> = (0..1000).map(|number| format!("{number:064x}")).collect();
        let tokens: Vec<_> = tokens.iter().map(String::as_str).collect();
        let packed = |tokens: &[&str]| parcel(&Content::default(), &Note::default(), tokens);
        let taken = |tokens: &[&str]| packed(tokens).bytes.len() - packed(&[]).bytes.len();
        assert_eq!(taken(&tokens), 1000 * 33);
        assert_eq!(
            taken(&["c:abc", "c:d"]),
            6 + 4 + 2 * 4,
            "of several lengths"
        );
    }

    proptest! {
        #[test]
        fn all_that_is_packed_is_given_back(
            // Of few characters, so that any text may stand in the body.
            body in "[a-b\"ä]{0,16}",
            ttl: bool,
            head in prop::collection::vec(("[a-b]{0,3}", "[a-b\"]{0,3}"), 0..3),
            texts in prop::array::uniform9("[a-b\"ä]{0,4}"),
            tokens in prop::collection::vec("[0-9a-f]{2}|[0-9A-F]{4}|\\PC{0,3}", 0..20),
        ) {
            let [texts @ .., request_id, traceparent] = texts.each_ref().map(String::as_str);
            let note = Note {
                texts: Texts::of(texts),
                request_id,
                traceparent,
                badge: -1,
                ..Note::default()
            };
            let tokens: Vec<_> = tokens.iter().map(String::as_str).collect();
            let end = place(body.as_bytes());
            let content = if ttl {
                Content::with_slots(body.as_bytes(), end / 2, end)
            } else {
                Content::with_target(body.as_bytes(), end / 2)
            };
            let head = head.iter().map(|(name, value)| (&**name, &**value));
            let content = content.unwrap().with_head(&head.collect::<Vec<_>>());
            let packed = parcel(&content, &note, &tokens);
            prop_assert_eq!(packed.body(), body.as_bytes());
            prop_assert_eq!(packed.parts(), content.parts());
            prop_assert_eq!(packed.takes_ttl(), ttl);
            prop_assert!(packed.head().eq(content.head()));
            prop_assert_eq!(packed.note(), note);
            let given: Vec<_> = packed.tokens().map(PackedToken::text).collect();
            prop_assert_eq!(given, tokens);
            prop_assert_eq!(packed.token(packed.count()), None);
        }
    }
}
