//! What the values of a request are, as far as it can be said of each by itself.

/// What a value of a notification is.
#[derive(Clone, Copy, Debug)]
pub enum ValueSchema {
    /// Any JSON.
    Any,
    /// A string.
    Text,
    /// A string that is not empty.
    Word,
    /// A string of that form (a regular expression), as this one is.
    Like(&'static str, &'static str),
    /// One of these strings.
    OneOf(&'static [&'static str]),
    /// One of Apple's push types.
    PushType,
    /// `true` or `false`.
    Flag,
    /// An integer, from this one on and up to that one.
    Integer(Option<i64>, Option<i64>),
    /// A number, from 0 to 1 if so said.
    Number {
        /// Whether it is from 0 to 1.
        is_fraction: bool,
    },
    /// Seconds since the Unix epoch, or a time of RFC 3339.
    Time,
    /// 1 or `"ios"`, 2 or `"android"`.
    Platform,
    /// `high` or `normal`, or Apple's 10, 5 and 1.
    Priority,
    /// Strings that are not empty, one at least; or one such string.
    Targets,
    /// An array of strings.
    Texts,
    /// An array of `{"key":…,"val":…}`.
    Pairs,
    /// An object of any members.
    Object,
    /// An object of these members.
    Members(&'static [SchemaMember]),
    /// The object that Google's messages have by that name.
    Google(&'static str),
    /// This or that.
    Either(&'static ValueSchema, &'static ValueSchema),
}

/// A member of an object, and whether it has to be there.
#[derive(Clone, Copy, Debug)]
pub struct SchemaMember {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: ValueSchema,
    /// Whether the object is none without it.
    pub is_needed: bool,
}

impl SchemaMember {
    /// A member that may be left out.
    pub(crate) const fn of(name: &'static str, value: ValueSchema) -> Self {
        Self {
            name,
            value,
            is_needed: false,
        }
    }

    /// A member that has to be there.
    pub(crate) const fn needed(name: &'static str, value: ValueSchema) -> Self {
        Self {
            is_needed: true,
            ..Self::of(name, value)
        }
    }
}
