//! A reading of a body that knows where it is: what a request looks like, and the first place that
//! does not.
//!
//! Pure: no I/O, no clock.

use serde::de::Deserialize as _;
use serde_json::value::RawValue;

use super::super::request::{NOTIFICATIONS, REQUEST_FIELDS, STRICT, is_json, names};
use crate::provider::ValueSchema;

/// What is expected somewhere. `null` is fine everywhere.
pub(super) struct ValueShape {
    /// In words.
    pub(super) expected: &'static str,
    pub(super) form: Form,
}

/// A type of JSON, as far as it matters.
pub(super) enum Form {
    /// What its members are, by their names; others are not looked at.
    Object(fn(&str) -> Option<&'static ValueShape>),
    Array(&'static ValueShape),
    Text,
    /// An array of strings, or one string.
    Texts,
    /// A string or an object.
    TextOrObject,
    Integer,
    /// A string or an integer.
    Word,
    /// An integer, or a platform's word.
    Platform,
    Flag,
}

/// The first fault of a body.
pub(super) struct Fault<'t> {
    /// The value that has it, or in which it is.
    pub(super) path: Vec<Step>,
    pub(super) what: What<'t>,
}

/// What is wrong.
pub(super) enum What<'t> {
    /// A value of another form.
    Value(&'static ValueShape, &'t str),
    /// It is no JSON from somewhere on.
    Syntax,
}

/// One step into a value.
pub(super) enum Step {
    Item(usize),
    /// A name that is expected.
    Field(String),
    /// Any other.
    Other(String),
}

/// Finds the first fault; `None` if there is none.
pub(super) fn find(text: &str) -> Option<Fault<'_>> {
    let mut reading = JsonWalk {
        rest: text,
        path: Vec::new(),
    };
    let what = reading.value(Some(&BODY)).err()?;
    let path = reading.path;
    Some(Fault { path, what })
}

/// The value at the begin of a text.
pub(super) fn value(text: &str) -> Option<&str> {
    let mut json = serde_json::Deserializer::from_str(text);
    let value = <&RawValue>::deserialize(&mut json);
    value.ok().map(RawValue::get)
}

struct JsonWalk<'t> {
    rest: &'t str,
    /// To the value that is being read. Where reading ends with a fault it stays.
    path: Vec<Step>,
}

impl<'t> JsonWalk<'t> {
    fn value(&mut self, shape: Option<&'static ValueShape>) -> Result<(), What<'t>> {
        let Some(shape) = shape else {
            return self.skip().map(drop);
        };
        let first = self.peek();
        let begin = self.rest;
        let fits = match (&shape.form, first) {
            (Form::Object(fields), Some('{')) => return self.object(*fields),
            (Form::Array(item), Some('[')) => return self.array(item),
            (Form::Texts, Some('[')) => return self.array(&TEXT),
            (Form::TextOrObject, Some('{')) => self.skip().map(|_| true)?,
            (_, Some('{' | '[')) => false,
            (Form::Texts, Some('"')) => {
                let text: Option<String> = serde_json::from_str(self.skip()?).ok();
                !text.is_some_and(|text| is_json(&text))
            }
            (Form::Text | Form::TextOrObject | Form::Word, Some('"'))
            | (Form::Flag, Some('t' | 'f'))
            | (_, Some('n')) => {
                self.skip()?;
                true
            }
            (Form::Platform, Some('"')) => PLATFORMS.contains(&self.skip()?),
            (Form::Integer | Form::Word | Form::Platform, _) => self.skip()?.parse::<i64>().is_ok(),
            _ => {
                self.skip()?;
                false
            }
        };
        if fits {
            Ok(())
        } else {
            Err(What::Value(shape, begin))
        }
    }

    fn object(&mut self, fields: fn(&str) -> Option<&'static ValueShape>) -> Result<(), What<'t>> {
        self.take('{')?;
        if self.take('}').is_ok() {
            return Ok(());
        }
        loop {
            let Some('"') = self.peek() else {
                return Err(What::Syntax);
            };
            let name = self.skip()?;
            let name: String = serde_json::from_str(name).map_err(|_| What::Syntax)?;
            let shape = fields(&name);
            self.path.push(match shape {
                Some(_) => Step::Field(name),
                None => Step::Other(name),
            });
            self.take(':')?;
            self.value(shape)?;
            self.path.pop();
            if self.take('}').is_ok() {
                return Ok(());
            }
            self.take(',')?;
        }
    }

    fn array(&mut self, item: &'static ValueShape) -> Result<(), What<'t>> {
        self.take('[')?;
        if self.take(']').is_ok() {
            return Ok(());
        }
        for place in 0.. {
            self.path.push(Step::Item(place));
            self.value(Some(item))?;
            self.path.pop();
            if self.take(']').is_ok() {
                break;
            }
            self.take(',')?;
        }
        Ok(())
    }

    /// The next character that is none of a blank.
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
        self.rest.chars().next()
    }

    fn take(&mut self, character: char) -> Result<(), What<'t>> {
        self.peek();
        self.rest = self.rest.strip_prefix(character).ok_or(What::Syntax)?;
        Ok(())
    }

    /// Goes over a value.
    fn skip(&mut self) -> Result<&'t str, What<'t>> {
        self.peek();
        let value = value(self.rest).ok_or(What::Syntax)?;
        self.rest = self.rest.get(value.len()..).unwrap_or_default();
        Ok(value)
    }
}

/// The body of a `POST /push`.
pub(super) const BODY: ValueShape = ValueShape {
    expected: "an object {\"notifications\":[…]}",
    form: Form::Object(|name| {
        let is_flag = names(name, STRICT);
        (is_flag || names(name, NOTIFICATIONS)).then_some(if is_flag { &FLAG } else { &LIST })
    }),
};

const LIST: ValueShape = ValueShape {
    expected: "an array of notifications",
    form: Form::Array(&ValueShape {
        expected: "an object",
        form: Form::Object(of_field),
    }),
};

/// What is expected of a field that is read with the body.
fn of_field(name: &str) -> Option<&'static ValueShape> {
    let mut read = REQUEST_FIELDS.iter().filter(|field| field.is_read_at_once);
    let field = read.find(|field| names(name, field.name))?;
    Some(match field.value {
        ValueSchema::Targets => &TOKENS,
        ValueSchema::Platform => &PLATFORM,
        ValueSchema::Priority => &WORD,
        ValueSchema::Integer(..) => &INTEGER,
        ValueSchema::Flag => &FLAG,
        ValueSchema::Pairs => &EXTEND,
        ValueSchema::Either(..) => &SOUND,
        _ => &TEXT,
    })
}

const TOKENS: ValueShape = ValueShape {
    expected: "an array of strings",
    form: Form::Texts,
};

const PLATFORM: ValueShape = ValueShape {
    expected: "1, 2, \"ios\" or \"android\"",
    form: Form::Platform,
};

/// As they are written.
const PLATFORMS: [&str; 2] = ["\"ios\"", "\"android\""];

const SOUND: ValueShape = ValueShape {
    expected: "a string or an object",
    form: Form::TextOrObject,
};

const WORD: ValueShape = ValueShape {
    expected: "a string or an integer",
    form: Form::Word,
};

const EXTEND: ValueShape = ValueShape {
    expected: "an array of {\"key\":…,\"val\":…}",
    form: Form::Array(&ValueShape {
        expected: "an object {\"key\":…,\"val\":…}",
        form: Form::Object(|name| names(name, "key").then_some(&TEXT)),
    }),
};

const TEXT: ValueShape = ValueShape {
    expected: "a string",
    form: Form::Text,
};

const INTEGER: ValueShape = ValueShape {
    expected: "an integer",
    form: Form::Integer,
};

const FLAG: ValueShape = ValueShape {
    expected: "true or false",
    form: Form::Flag,
};
