//! The values of a request's fields, and how each is read.
//!
//! Pure: no I/O, no clock.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error as _, IntoDeserializer as _, MapAccess,
    SeqAccess, Unexpected, Visitor,
};
use serde_json::value::RawValue;

use crate::push::ExtendValue;

/// A string; `null` is the empty one.
pub type Text = Box<str>;

/// A string, or an integer, which is as good as its digits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WordOrNumber(pub Text);

/// The number of a platform, as which `"ios"` is 1 and `"android"` 2; 0 if nothing was said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Platform(pub i64);

/// Device tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    /// In the caller's order.
    pub list: Vec<Text>,
    /// Whether there is one, which does not stand in an array.
    pub is_single: bool,
}

/// A sound: the name of a file, or a dictionary.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sound(pub ExtendValue);

/// A value that is read into a place; `null` leaves the place as it is.
pub(super) trait Fill<'de>: Sized {
    fn fill<A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error>;
}

impl<'de> Fill<'de> for Text {
    fn fill<A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        if let Some(text) = map.next_value()? {
            *self = text;
        }
        Ok(())
    }
}

impl<'de> Fill<'de> for bool {
    fn fill<A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        if let Some(value) = map.next_value()? {
            *self = value;
        }
        Ok(())
    }
}

impl<'de> Fill<'de> for Option<i64> {
    /// Through the number's text, since `serde_json` takes `-0` for a float.
    fn fill<A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        if let Some(raw) = map.next_value::<Option<&'de RawValue>>()? {
            let number = raw.get().parse();
            *self = Some(number.map_err(|_| A::Error::custom("not an integer of 64 bits"))?);
        }
        Ok(())
    }
}

impl<'de> Fill<'de> for WordOrNumber {
    fn fill<A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        match map
            .next_value::<Option<&'de RawValue>>()?
            .map(RawValue::get)
        {
            None => {}
            Some(text) if text.starts_with('"') => self.0 = of_json(text)?,
            Some(number) => {
                let number = number.parse::<i64>();
                let number = number.map_err(|_| A::Error::custom("neither a word nor an integer"));
                self.0 = number?.to_string().into();
            }
        }
        Ok(())
    }
}

impl<'de> Fill<'de> for Platform {
    fn fill<A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        self.0 = match map
            .next_value::<Option<&'de RawValue>>()?
            .map(RawValue::get)
        {
            None => return Ok(()),
            Some("\"ios\"") => 1,
            Some("\"android\"") => 2,
            Some(number) => {
                let number = number.parse();
                number.map_err(|_| A::Error::custom("neither a platform nor an integer"))?
            }
        };
        Ok(())
    }
}

impl<'de> Fill<'de> for Sound {
    fn fill<A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        match map.next_value::<Option<&'de RawValue>>()? {
            None => {}
            Some(raw) if raw.get().starts_with('{') => self.0 = ExtendValue::Json(raw.to_owned()),
            Some(raw) => self.0 = ExtendValue::Text(of_json(raw.get())?),
        }
        Ok(())
    }
}

impl<'de> Fill<'de> for ExtendValue {
    fn fill<A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        match map.next_value::<Option<&'de RawValue>>()? {
            None => {}
            Some(raw) if raw.get().starts_with('"') => *self = Self::Text(of_json(raw.get())?),
            Some(raw) => *self = Self::Json(raw.to_owned()),
        }
        Ok(())
    }
}

/// Whether a text is an array or an object that was encoded twice, and no device token.
pub(in super::super) fn is_json(text: &str) -> bool {
    text.starts_with(['[', '{'])
}

/// The string that JSON is, which was read once already: most have nothing that is escaped, and
/// are not read again.
fn of_json<E: serde::de::Error>(json: &str) -> Result<Text, E> {
    let inside = json.strip_prefix('"');
    let inside = inside.and_then(|inside| inside.strip_suffix('"'));
    match inside.filter(|inside| !inside.contains('\\')) {
        Some(text) => Ok(text.into()),
        None => serde_json::from_str(json).map_err(E::custom),
    }
}

impl<'de> Fill<'de> for i64 {
    fn fill<A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        let mut number = Some(*self);
        number.fill(map)?;
        *self = number.unwrap_or_default();
        Ok(())
    }
}

impl<'de> Fill<'de> for Option<Tokens> {
    /// Here alone `null` means none, and for `extend`.
    fn fill<A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<(), A::Error> {
        let tokens = self.insert(Tokens::default());
        let (list, is_single) = (&mut tokens.list, &mut tokens.is_single);
        let each = Each {
            is_single: Some(is_single),
            ..Each::of(|token| list.push(token))
        };
        map.next_value_seed(each)
    }
}

/// An array, each item of which is handed on; a `null` item is the default one.
pub(super) struct Each<'a, T, F> {
    take: F,
    /// Is set where a string stands in the place of the array and of its only item; none if it may
    /// not.
    is_single: Option<&'a mut bool>,
    item: PhantomData<T>,
}

impl<T, F: FnMut(T)> Each<'_, T, F> {
    pub(super) const fn of(take: F) -> Self {
        Self {
            take,
            is_single: None,
            item: PhantomData,
        }
    }
}

impl<'de, T: Deserialize<'de> + Default, F: FnMut(T)> DeserializeSeed<'de> for Each<'_, T, F> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de, T: Deserialize<'de> + Default, F: FnMut(T)> Visitor<'de> for Each<'_, T, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.is_single.is_some() {
            deserializer.deserialize_any(self)
        } else {
            deserializer.deserialize_seq(self)
        }
    }

    fn visit_str<E: serde::de::Error>(mut self, text: &str) -> Result<(), E> {
        let is_single = self.is_single.filter(|_| !is_json(text));
        let is_single =
            is_single.ok_or_else(|| E::invalid_type(Unexpected::Str(text), &"an array"))?;
        *is_single = true;
        let item = T::deserialize(text.into_deserializer())?;
        (self.take)(item);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        while let Some(item) = seq.next_element::<Option<T>>()? {
            (self.take)(item.unwrap_or_default());
        }
        Ok(())
    }
}
