//! What callers write and nobody uses: told in the answer, and now and then to the operator.
//!
//! Pure: no I/O; time is an argument.

use std::collections::{BTreeMap, BTreeSet};

use super::keyless::Keyless;
use super::request::{Asked, FIELDS, Text, Unknown, names as names_field};
use crate::count;
use crate::provider::Unused;
use crate::push::Provider;
use crate::texts::{self, nearest};

/// The ignored parts of a request: the first ones, and how many there are.
#[derive(Debug, Default)]
pub struct Ignored {
    listed: Vec<String>,
    /// What each of the listed ones is.
    listed_fields: Vec<IgnoredField>,
    /// What the listed ones take in an answer.
    bytes: usize,
    count: usize,
    fields: BTreeSet<IgnoredField>,
    /// Unknown fields of notifications that lack one which they need, by that one. For `token` it
    /// is any, that which was meant for it if one was; for others one that was meant for them.
    instead: BTreeMap<&'static str, Text>,
}

/// A field that is ignored wherever it stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum IgnoredField {
    /// None of ours.
    Unknown(Text),
    /// A part of an object that is a field: none of ours, or of no effect.
    Part(Box<str>),
    /// Of no effect for that provider.
    Unused(Provider, &'static str),
}

impl Ignored {
    /// Adds what is ignored beside the notifications.
    pub(super) fn beside(&mut self, unknown: &Unknown) {
        self.unknown(unknown, |path| format!("/{path}"));
    }

    /// Adds what is ignored of a notification.
    pub(super) fn of(&mut self, index: usize, asked: &Asked) {
        let at = |path: &str| format!("/notifications/{index}/{path}");
        self.unknown(&asked.unknown, at);
        self.unknown(&asked.extend.unknown, at);
        let names = || asked.unknown.paths.iter().map(|path| name_of(path));
        if asked.token.is_none() && asked.tokens.is_none() {
            let names = self.instead.remove(TOKEN).into_iter().chain(names());
            let name = names.min_by_key(|name| !matches!(meant(name), Some(TOKEN | TOKENS)));
            self.instead.extend(name.map(|name| (TOKEN, name)));
        }
        for (field, is_missing) in [
            (MESSAGE, asked.message.is_empty()),
            (PLATFORM, asked.platform.0 == 0),
        ] {
            if is_missing && !self.instead.contains_key(field) {
                let name = names().find(|name| meant(name) == Some(field));
                self.instead.extend(name.map(|name| (field, name)));
            }
        }
    }

    /// Adds what the notification's provider has no use for.
    pub(super) fn unused(&mut self, index: usize, provider: Provider, unused: &Unused) {
        for name in &unused.fields {
            let pointer = format!("/notifications/{index}/{name}");
            self.note(pointer, IgnoredField::Unused(provider, name));
        }
        for part in &unused.unknown {
            let pointer = format!("/notifications/{index}/{part}");
            self.note(pointer, IgnoredField::Part(part.clone()));
        }
        self.count = self.count.saturating_add(unused.omitted);
    }

    fn unknown(&mut self, unknown: &Unknown, at: impl Fn(&str) -> String) {
        for path in &unknown.paths {
            self.note(at(path), IgnoredField::Unknown(name_of(path)));
        }
        let unlisted = unknown.count.saturating_sub(unknown.paths.len());
        self.count = self.count.saturating_add(unlisted);
    }

    fn note(&mut self, pointer: String, field: IgnoredField) {
        if self.omitted() == 0 {
            let text = serde_json::to_string(&pointer);
            let bytes = text.map_or(LISTED_MAX, |text| text.len().saturating_add(1));
            self.bytes = self.bytes.saturating_add(bytes);
            if self.bytes <= LISTED_MAX {
                self.listed.push(pointer);
                self.listed_fields.push(field.clone());
            }
        }
        self.count = self.count.saturating_add(1);
        if self.fields.len() < FIELDS_MAX {
            self.fields.insert(field);
        }
    }

    /// Shows no text that has an API key, or as much of that of the request as a cut name has.
    pub(super) fn hide(&mut self, keyless: &Keyless<'_>) {
        let has_key = |name: &str| has_key(name, keyless);
        for pointer in &mut self.listed {
            if has_key(&name_of(pointer)) {
                let (place, _) = pointer.rsplit_once('/').unwrap_or_default();
                *pointer = format!("{place}{HIDDEN}");
            }
        }
        self.fields.retain(|field| match field {
            IgnoredField::Unknown(name) | IgnoredField::Part(name) => !has_key(name),
            IgnoredField::Unused(..) => true,
        });
        for name in self.instead.values_mut() {
            if has_key(name) {
                *name = "…".into();
            }
        }
    }

    /// Whether nothing is ignored.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// JSON pointers (RFC 6901) to the first of them.
    pub fn listed(&self) -> &[String] {
        &self.listed
    }

    /// Its different fields, the first ones.
    pub(super) fn fields(&self) -> impl Iterator<Item = &IgnoredField> {
        self.fields.iter()
    }

    /// The listed ones, each with why it is ignored; less what [`Ignored::hide`] has hidden.
    pub(super) fn reasons(&self, endpoint: &str) -> Vec<String> {
        let fields = self.listed.iter().zip(&self.listed_fields);
        let reasons = fields.map(|(pointer, field)| match pointer.strip_suffix(HIDDEN) {
            Some(_) => pointer.clone(),
            None => format!("{pointer}: {}", field.what(endpoint)),
        });
        reasons.collect()
    }

    /// How many there are beyond the listed ones.
    pub fn omitted(&self) -> usize {
        self.count.saturating_sub(self.listed.len())
    }

    /// The name beside the notifications that may have been meant for theirs.
    pub(super) fn instead_of_notifications(&self) -> Option<Text> {
        let names = self.listed.iter().map(|pointer| name_of(pointer));
        let is_field = |name: &str| FIELDS.iter().any(|field| names_field(name, field));
        names.min_by_key(|name| {
            let is_near = nearest(name, ["notifications"].into_iter()).is_some();
            (!is_near, !is_field(name))
        })
    }

    /// The error of a notification that lacks a field, with the name that may have been meant for
    /// it.
    pub(super) fn with_meant(&self, error: &str, field: &str) -> Option<String> {
        let name = self.instead.get(field)?;
        Some(format!("{error}: {name:?} is no field, {field:?} is"))
    }
}

/// The name at the end of a JSON pointer.
fn name_of(path: &str) -> Text {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.replace("~1", "/").replace("~0", "~").into()
}

/// Whether a name has an API key, or as much of that of the request as a cut name has.
fn has_key(name: &str, keyless: &Keyless<'_>) -> bool {
    let begin = keyless.shown().map(|key| texts::first(key, KEY_BEGIN));
    begin.is_some_and(|begin| name.contains(begin)) || *keyless.text(name) != *name
}

/// What would be ignored of a notification, each with its pointer below it and what is wrong with
/// it: no text has an API key.
pub(super) fn faults(
    unknown: &[Unknown],
    provider: Provider,
    unused: &Unused,
    keyless: &Keyless<'_>,
    endpoint: &str,
) -> Vec<(String, String)> {
    let unlisted = unknown.iter();
    let unlisted = unlisted.map(|unknown| unknown.count.saturating_sub(unknown.paths.len()));
    let unlisted = unlisted.sum::<usize>().saturating_add(unused.omitted);
    let unknown = unknown.iter().flat_map(|unknown| &unknown.paths);
    let unknown = unknown.map(|path| {
        let name = name_of(path);
        if has_key(&name, keyless) {
            let place = path.rsplit_once('/').map_or("", |(place, _)| place);
            (place.to_owned(), "a name that is no field".to_owned())
        } else {
            (path.to_string(), IgnoredField::Unknown(name).what(endpoint))
        }
    });
    let more = (unlisted > 0).then(|| {
        let more = count::of(unlisted, "further name is", "further names are");
        (String::new(), format!("{more} no field"))
    });
    let fields = unused.fields.iter();
    let fields = fields.map(|name| {
        let what = IgnoredField::Unused(provider, name).what(endpoint);
        ((*name).to_owned(), what)
    });
    let parts = unused.unknown.iter().map(|part| {
        let name = name_of(part);
        if has_key(&name, keyless) {
            let place = part.rsplit_once('/').map_or("", |(place, _)| place);
            (place.to_owned(), "a name that is no field".to_owned())
        } else {
            (
                part.to_string(),
                IgnoredField::Part(part.clone()).what(endpoint),
            )
        }
    });
    unknown.chain(more).chain(fields).chain(parts).collect()
}

/// The field that was probably meant.
fn meant(name: &str) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    let is_said = lower.len() > 1;
    let begins =
        |field: &&&str| is_said && (field.starts_with(&lower) || lower.starts_with(**field));
    let near = nearest(name, FIELDS.iter().copied());
    near.or_else(|| FIELDS.iter().find(begins).copied())
}

impl IgnoredField {
    /// What is wrong with it.
    fn what(&self, endpoint: &str) -> String {
        match self {
            Self::Unknown(name) => format!("{name:?} is no field of {endpoint}{}", or(name)),
            Self::Part(path) => format!("{path:?} is no field, or has no effect"),
            Self::Unused(provider, name) => {
                format!(
                    "{name:?} has no effect in this notification for {}",
                    provider.platform()
                )
            }
        }
    }

    /// The line about it for the operator.
    pub(super) fn told(&self, endpoint: &str, requests: &str) -> String {
        match self {
            Self::Unknown(name) => {
                let meant = or(name);
                format!("{name:?} is no field of {endpoint} and was ignored in {requests}{meant}")
            }
            Self::Part(_) => format!("{}, and was ignored in {requests}", self.what(endpoint)),
            Self::Unused(..) => format!("{} and was ignored in {requests}", self.what(endpoint)),
        }
    }
}

/// The field that may have been meant instead, if there is one.
fn or(name: &str) -> String {
    let meant = meant(name).map(|meant| format!("; {meant:?} is one"));
    meant.unwrap_or_default()
}

pub(super) const TOKEN: &str = "token";
pub(super) const TOKENS: &str = "tokens";
pub(super) const MESSAGE: &str = "message";
pub(super) const PLATFORM: &str = "platform";

/// Where notifications come in.
pub(super) const PUSH: &str = "POST /push";

/// And that of gorush's callers.
pub(super) const GORUSH_PUSH: &str = "POST /api/push";

/// The end of a pointer whose name has an API key.
const HIDDEN: &str = "/…";

/// Characters by which an API key is found: fewer of one tell nothing.
const KEY_BEGIN: usize = 8;

/// Our limit: bytes of the entries of `ignored` in an answer.
pub(super) const LISTED_MAX: usize = 2048;

/// Our limit: different fields of a request of which the operator is told.
const FIELDS_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::content::content_of;
    use super::super::keys::ApiKeys;
    use super::super::plan::notification;
    use super::super::request::{Trailing, decode};
    use super::super::told::{TOLD_EVERY, Told};
    use super::*;
    use crate::http1::head::Head;
    use crate::moment::Moment;
    use crate::provider::Site;
    use crate::push::LaneId;

    fn ignored(body: &str) -> Ignored {
        let mut body = body.as_bytes().to_vec();
        let batch = decode(&mut body, 1000, Trailing::Ignored).unwrap();
        let mut ignored = Ignored::default();
        ignored.beside(&batch.unknown);
        for (index, asked) in batch.notifications.into_iter().enumerate() {
            ignored.of(index, &asked);
            if let Some(lane) = LaneId::of_platform(asked.platform.0) {
                let mut notification = notification(lane, asked);
                let mut unused = Unused::default();
                let content = content_of(|_| Site::default());
                let _built = content(&mut notification, Moment::now(), &mut unused);
                ignored.unused(index, lane.provider(), &unused);
            }
        }
        ignored
    }

    /// One notification with these members.
    fn of_one(members: &str) -> Ignored {
        ignored(&format!(r#"{{"notifications":[{{{members}}}]}}"#))
    }

    #[test]
    fn what_is_no_field_or_has_no_effect_is_listed_where_it_stands() {
        for (members, expected) in [
            (r#""platform":1,"Token":["a"],"MESSAGE":"m""#, &[][..]),
            (r#""sonud":{"a":[1]},"a/b~c":null"#, &["sonud", "a~1b~0c"]),
            (
                r#""extend":[{"key":"k"},{"value":"v"}]"#,
                &["extend/1/value"],
            ),
            (r#""retry":1,"seq_id":2"#, &["retry", "seq_id"]),
            (
                r#""platform":2,"subtitle":"t","mutable_content":true"#,
                &["subtitle", "mutable_content"],
            ),
            (
                r#""platform":2,"title":"","badge":0,"collapse_key":"k""#,
                &[],
            ),
            (
                r#""platform":2,"content_available":true,"push_type":"background""#,
                &[],
            ),
            (
                r#""platform":2,"message":"m","content_available":true,"push_type":"background""#,
                &["content_available", "push_type"],
            ),
            (r#""platform":2,"push_type":"alert""#, &["push_type"]),
            (
                r#""platform":1,"collapse_key":"k","time_to_live":9,"title":"t""#,
                &["collapse_key", "time_to_live"],
            ),
        ] {
            let expected: Vec<String> = expected
                .iter()
                .map(|path| format!("/notifications/0/{path}"))
                .collect();
            assert_eq!(of_one(members).listed(), expected, "{members}");
        }
        let beside = ignored(r#"{"to":1,"notifications":[{"x":1}],"y":2}"#);
        assert_eq!(beside.listed(), ["/to", "/y", "/notifications/0/x"]);
    }

    #[test]
    fn however_many_there_are_they_are_counted_and_few_are_listed() {
        let many: Vec<String> = (0..5000).map(|n| format!("\"x{n}\":1")).collect();
        let found = of_one(&many.join(","));
        assert_eq!(found.listed().len() + found.omitted(), 5000);
        let found = of_one(&format!("\"extend\":[{{{}}}]", many.join(",")));
        assert_eq!(found.listed().len() + found.omitted(), 5000);
        let one = r#"{"xxxxxxxx":1}"#;
        let found = ignored(&format!(
            r#"{{"notifications":[{}]}}"#,
            vec![one; 900].join(",")
        ));
        assert_eq!(found.listed().len() + found.omitted(), 900);
        let listed = serde_json::to_string(found.listed()).unwrap();
        assert!((1024..2048 + 2).contains(&listed.len()), "{listed}");
        let long = of_one(&format!("\"{}\":1", "n".repeat(10_000)));
        let expected = format!("/notifications/0/{}…", "n".repeat(64));
        assert_eq!(long.listed(), [expected]);
    }

    #[test]
    fn the_operator_hears_of_each_field_once_an_hour_and_of_so_many_alone() {
        let start = Instant::now();
        let mut told = Told::default();
        let one = of_one(r#""platform":2,"subtitle":"t","sonud":"s""#);
        let lines = told.tell(&one, (PUSH, "r-1"), start);
        assert_eq!(
            lines,
            [
                "\"sonud\" is no field of POST /push and was ignored in 1 request (the last: r-1); \"sound\" is one",
                "\"subtitle\" has no effect in this notification for android and was ignored in 1 request (the last: r-1)",
            ]
        );
        assert_eq!(
            told.tell(&one, (PUSH, "r-1"), start + TOLD_EVERY / 2),
            [""; 0]
        );
        let there = "POST /api/push";
        let later = told.tell(&one, (there, "r-1"), start + TOLD_EVERY);
        let begin = "\"sonud\" is no field of POST /api/push and";
        assert!(later[0].starts_with(begin), "{later:?}");
        assert!(later[0].contains("ignored in 2 requests"), "{later:?}");
        let lines = (0..1000).map(|n| {
            let one = of_one(&format!("\"x{n}\":1"));
            told.tell(&one, (PUSH, "r-1"), start).len()
        });
        assert_eq!(lines.sum::<usize>(), 99, "with the one before, a hundred");
        let unused = of_one(r#""platform":2,"sound":"s""#);
        assert_eq!(
            told.tell(&unused, (PUSH, "r-1"), start).len(),
            1,
            "these are few"
        );
        let many: Vec<String> = (0..40).map(|n| format!("{{\"y{n}\":1}}")).collect();
        let many = ignored(&format!("{{\"notifications\":[{}]}}", many.join(",")));
        assert_eq!(Told::default().tell(&many, (PUSH, "r-1"), start).len(), 16);
        let lines = Told::default().tell(&of_one("\"a\\nb\":1"), (PUSH, "r-1"), start);
        assert!(lines[0].starts_with("\"a\\nb\" is no field"), "{lines:?}");
    }

    /// An API key of another caller.
    const OTHER: &str = "fedcba9876543210/+==";

    #[test]
    fn no_api_key_is_repeated() {
        let (key, long) = ("secret/~1-and-more", "n".repeat(50));
        let mut found = of_one(&format!(
            "\"{key}\":1,\"{long}{key}\":1,\"{OTHER}\":2,\"x\":1"
        ));
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n\r\n");
        let head = Head::parse(head.as_bytes()).unwrap();
        let keys = ApiKeys::parse(OTHER).unwrap();
        found.hide(&Keyless::of(&head, Some(&keys)));
        let place = "/notifications/0";
        let listed = ["…", "…", "…", "x"].map(|name| format!("{place}/{name}"));
        assert_eq!(found.listed(), listed);
        let [a, b, c, x] = listed;
        let x = format!("{x}: \"x\" is no field of POST /push");
        assert_eq!(found.reasons(PUSH), [a, b, c, x]);
        let instead = found.with_meant("no token", TOKEN);
        let expected = "no token: \"…\" is no field, \"token\" is";
        assert_eq!(instead.as_deref(), Some(expected));
        let lines = Told::default().tell(&found, (PUSH, "r-1"), Instant::now());
        assert!(
            lines.len() == 1 && lines[0].starts_with("\"x\" "),
            "{lines:?}"
        );
    }

    #[test]
    fn what_was_meant_to_be_the_tokens_is_named() {
        for (members, said) in [
            ("\"tokenss\":[\"a\"]", Some("\"tokenss\"")),
            ("\"tokens\":[],\"to\":\"a\"", None),
            ("\"a\":1,\"to\":\"a\"", Some("\"to\"")),
            ("\"registration_ids\":[]", Some("\"registration_ids\"")),
            ("\"platform\":1", None),
            // Gaurun's own case, whatever else is there.
            ("\"token\":[],\"tokens\":[\"a\"]", None),
            ("\"token\":null,\"retry\":1", None),
            ("\"extend\":[{\"to\":1}]", None),
        ] {
            let said = said.map(|name| format!("no token: {name} is no field, \"token\" is"));
            assert_eq!(of_one(members).with_meant("no token", TOKEN), said);
        }
    }

    #[test]
    fn what_was_meant_to_be_the_message_or_the_platform_is_named() {
        let members = "\"token\":[\"a\"],\"retry\":1,\"messsage\":\"m\",\"platfrom\":1";
        let found = of_one(members);
        for (error, field, said) in [
            (
                "empty message",
                MESSAGE,
                Some("empty message: \"messsage\" is no field, \"message\" is"),
            ),
            (
                "invalid platform",
                PLATFORM,
                Some("invalid platform: \"platfrom\" is no field, \"platform\" is"),
            ),
            ("no token", TOKEN, None),
        ] {
            assert_eq!(found.with_meant(error, field).as_deref(), said);
        }
        let right = of_one("\"message\":\"m\",\"messsage\":\"m\",\"platform\":3,\"platfrom\":1");
        assert_eq!(right.with_meant("", MESSAGE), None);
        assert_eq!(right.with_meant("", PLATFORM), None);
    }
}
