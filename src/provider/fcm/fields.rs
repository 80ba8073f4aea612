//! An object that is being put together from what a caller says in several places.

use std::borrow::Cow;

use super::text::write_escaped;

/// A value that goes into a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum MessageValue<'a> {
    /// A text.
    Text(Cow<'a, str>),
    /// JSON that is written as it is.
    Json(Cow<'a, str>),
    /// An object of texts.
    Texts(Vec<(String, Cow<'a, str>)>),
    /// An object.
    Object(MessageFields<'a>),
}

/// The fields of an object, in the order in which they were said first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct MessageFields<'a>(Vec<(&'static str, MessageValue<'a>)>);

impl<'a> MessageFields<'a> {
    /// Whether it has that field.
    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Whether there is nothing in it but objects in which there is nothing.
    pub(super) fn is_hollow(&self) -> bool {
        let is_hollow =
            |it: &MessageValue<'_>| matches!(it, MessageValue::Object(it) if it.is_hollow());
        self.iter().all(|(_, value)| is_hollow(value))
    }

    /// Whether it has no fields.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value of a field, if it has it.
    pub(super) fn get(&self, name: &str) -> Option<&MessageValue<'a>> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        found.map(|(_, node)| node)
    }

    /// The value of a field that is an object, if it has it.
    pub(super) fn object(&self, name: &str) -> Option<&Self> {
        match self.get(name) {
            Some(MessageValue::Object(fields)) => Some(fields),
            _ => None,
        }
    }

    /// Its fields.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &MessageValue<'a>)> {
        self.0.iter().map(|(name, node)| (*name, node))
    }

    /// Adds a field that it does not have.
    pub(super) fn set(&mut self, name: &'static str, node: MessageValue<'a>) {
        self.0.push((name, node));
    }

    /// Removes a field.
    pub(super) fn take(&mut self, name: &str) -> Option<MessageValue<'a>> {
        let at = self.0.iter().position(|(known, _)| *known == name)?;
        Some(self.0.remove(at).1)
    }

    /// Removes a field that is an object; an empty one if there is none.
    pub(super) fn take_object(&mut self, name: &str) -> Self {
        match self.take(name) {
            Some(MessageValue::Object(fields)) => fields,
            _ => Self::default(),
        }
    }

    /// Appends it as JSON, still open at its end.
    pub(super) fn write_open(&self, out: &mut Vec<u8>) {
        out.push(b'{');
        for (name, node) in &self.0 {
            if !out.ends_with(b"{") {
                out.push(b',');
            }
            out.push(b'"');
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b"\":");
            node.write(out);
        }
    }

    /// Bytes of its keys and of the texts in it.
    pub(super) fn texts_len(&self) -> usize {
        let fields = self.0.iter();
        fields
            .map(|(name, node)| name.len() + node.texts_len())
            .sum()
    }
}

impl MessageValue<'_> {
    /// Appends it as JSON.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => write_text(text, out),
            Self::Json(json) => out.extend_from_slice(json.as_bytes()),
            Self::Texts(texts) => {
                write_texts(texts.iter().map(|(key, text)| (&**key, &**text)), out);
            }
            Self::Object(fields) => {
                fields.write_open(out);
                out.push(b'}');
            }
        }
    }

    /// The text that it is, if it is one.
    pub(super) fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Json(json) => serde_json::from_str::<String>(json).ok().map(Cow::Owned),
            Self::Texts(_) | Self::Object(_) => None,
        }
    }

    /// Bytes of the texts in it, and of the keys: at least, where it is other JSON.
    pub(super) fn texts_len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Json(json) if json.starts_with('"') => self.text().map_or(0, |text| text.len()),
            Self::Json(_) => 0,
            Self::Texts(texts) => texts.iter().map(|(key, text)| key.len() + text.len()).sum(),
            Self::Object(fields) => fields.texts_len(),
        }
    }
}

/// Appends an object of texts.
pub(super) fn write_texts<'t>(texts: impl Iterator<Item = (&'t str, &'t str)>, out: &mut Vec<u8>) {
    out.push(b'{');
    for (key, text) in texts {
        if !out.ends_with(b"{") {
            out.push(b',');
        }
        write_text(key, out);
        out.push(b':');
        write_text(text, out);
    }
    out.push(b'}');
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    write_escaped(text, out);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_written_in_its_order_with_its_texts_counted() {
        let mut inner = MessageFields::default();
        inner.set("a", MessageValue::Json("[1]".into()));
        let mut fields = MessageFields::default();
        assert!(fields.is_empty());
        fields.set("title", MessageValue::Text("\"{".into()));
        fields.set("body", MessageValue::Json(r#""\u00e4""#.into()));
        fields.set("in", MessageValue::Object(inner));
        fields.set(
            "data",
            MessageValue::Texts(vec![("k".to_owned(), "v".into())]),
        );
        let mut out = Vec::new();
        fields.write_open(&mut out);
        let expected = r#"{"title":"\"{","body":"\u00e4","in":{"a":[1]},"data":{"k":"v"}"#;
        assert_eq!(str::from_utf8(&out), Ok(expected));
        assert_eq!(fields.texts_len(), 5 + 2 + 4 + 2 + 2 + 1 + 4 + 2);
        assert_eq!(fields.take_object("in").texts_len(), 1);
        assert!(!fields.has("in") && fields.take("in").is_none());
    }
}
