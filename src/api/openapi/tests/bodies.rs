//! Bodies that are drawn from the schemas of the document, and others that break them in one place.

use std::collections::BTreeMap;

use super::*;
use crate::api::Apps;
use crate::api::content::{check_device_token, content_of};
use crate::api::fixture::{Site, answered, site};
use crate::api::plan::reasons::REJECTION_REASONS;
use crate::api::request::TARGET_FIELDS;
use crate::http1::Phase;
use crate::http1::head::Head;
use crate::moment::Moment;
use crate::push::{ApnsEnvironment, LaneId};

/// Numbers that are the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    fn one_of<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        &among[self.below(among.len())]
    }
}

/// Seconds since the Unix epoch in an hour.
fn soon() -> u64 {
    Moment::now().unix.as_secs() + 3600
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

/// A value of that schema.
fn draw(dice: &mut Dice, schema: &Value) -> Value {
    if let Some(words) = schema["enum"].as_array() {
        return dice.one_of(words).clone();
    }
    match schema["type"].as_str() {
        Some("object") => draw_object(dice, schema),
        Some("array") => {
            let count = 1 + dice.below(2);
            (0..count).map(|_| draw(dice, &schema["items"])).collect()
        }
        Some("string") => match (schema["examples"].as_array(), schema["format"].as_str()) {
            (Some(examples), _) => dice.one_of(examples).clone(),
            (None, Some("date-time")) => {
                let at = i64::try_from(soon()).unwrap();
                jiff::Timestamp::from_second(at).unwrap().to_string().into()
            }
            (None, None) => {
                assert!(schema["pattern"].is_null(), "no example: {schema}");
                (*dice.one_of(&["ab12", "cd34"])).into()
            }
            (None, format) => panic!("{format:?}"),
        },
        Some("integer") if schema["format"] == "unix-time" => soon().into(),
        Some("integer") => {
            let least = schema["minimum"].as_i64().unwrap_or(-3);
            let most = schema["maximum"].as_i64().unwrap_or(least + 5000);
            let drawn = least + i64::try_from(dice.below(5000)).unwrap();
            (*dice.one_of(&[least, most, drawn.min(most)])).into()
        }
        Some("number") => (*dice.one_of(&[0.0, 0.5, 1.0])).into(),
        Some("boolean") => (dice.below(2) == 0).into(),
        Some(other) => panic!("{other}"),
        None if schema.get("anyOf").is_some() => {
            let among = list(&schema["anyOf"]);
            let drawn = dice.one_of(&among).clone();
            draw(dice, &drawn)
        }
        None => dice
            .one_of(&[json!("v"), json!(1), json!(true), json!({"x": [1]})])
            .clone(),
    }
}

fn draw_object(dice: &mut Dice, schema: &Value) -> Value {
    let Some(properties) = schema["properties"].as_object() else {
        return json!({"k1": "v", "k2": *dice.one_of(&["", "w"])});
    };
    let all: Vec<_> = properties.keys().cloned().collect();
    let mut picked = BTreeSet::new();
    for _ in 0..dice.below(4).min(all.len()) {
        picked.insert(dice.one_of(&all).clone());
    }
    let text = |name: &Value| name.as_str().unwrap().to_owned();
    picked.extend(list(&schema["required"]).iter().map(text));
    let alternatives = list(&schema["oneOf"]);
    if !alternatives.is_empty() {
        for alternative in &alternatives {
            picked.remove(&text(&alternative["required"][0]));
        }
        picked.insert(text(&dice.one_of(&alternatives)["required"][0]));
    }
    if let Some(with) = schema["dependentRequired"].as_object() {
        for (name, others) in with {
            if picked.contains(name) {
                picked.extend(list(others).iter().map(text));
            }
        }
    }
    let members = picked.into_iter().map(|name| {
        let value = draw(dice, &properties[&name]);
        (name, value)
    });
    Value::Object(members.collect())
}

/// A strict request of one notification, which has that field, and the field's platform.
fn draw_request(dice: &mut Dice, schema: &Value, field: &str) -> Value {
    let properties = schema["properties"].as_object().unwrap();
    let platform = dice
        .one_of(&list(&properties[field]["x-platforms"]))
        .clone();
    let is_for = |name: &&String| {
        let is_target = ["token", "tokens", "fid", "condition", "channel"].contains(&&***name);
        !is_target && list(&properties[*name]["x-platforms"]).contains(&platform)
    };
    let fitting: Vec<_> = properties.keys().filter(is_for).collect();
    let mut notification = json!({"platform": platform});
    for _ in 0..dice.below(3) {
        let name = dice.one_of(&fitting).as_str();
        if name != "platform" && name != "topic" {
            notification[name] = draw(dice, &properties[name]);
        }
    }
    // Beside a whole message others have no effect.
    if field != "fcm" && dice.below(4) > 0 {
        notification["message"] = "m".into();
    }
    if field == "channel" {
        // Nothing else is pushed there.
        notification["live_activity"] = json!({"event": "end"});
    }
    if field != "platform" {
        notification[field] = draw(dice, &properties[field]);
    }
    let is_own = ["tokens", "fid", "condition", "channel"].contains(&field);
    if !is_own && (field != "topic" || platform == "ios") && notification.get("token").is_none() {
        notification["token"] = json!(["ab12"]);
    }
    json!({"notifications": [notification], "strict": true})
}

/// Breaks a value in one place, which is told as a pointer behind `at`.
fn broken(dice: &mut Dice, schema: &Value, value: &Value, at: String) -> Option<(String, Value)> {
    let members = value
        .as_object()
        .filter(|_| schema["properties"].is_object());
    if let Some(members) = members.filter(|members| !members.is_empty() && dice.below(3) > 0) {
        let names: Vec<_> = members.keys().collect();
        let name = *dice.one_of(&names);
        let needed = list(&schema["required"]).contains(&json!(name));
        if needed && dice.below(3) == 0 {
            let mut rest = members.clone();
            rest.remove(name);
            return Some((at, rest.into()));
        }
        let inner = &schema["properties"][name];
        let (at, inner) = broken(dice, inner, &value[name], format!("{at}/{name}"))?;
        let mut all = value.clone();
        all[name] = inner;
        return Some((at, all));
    }
    if let Some(items) = value.as_array().filter(|items| !items.is_empty())
        && schema["items"].is_object()
        && dice.below(2) == 0
    {
        let place = dice.below(items.len());
        let at = format!("{at}/{place}");
        let (at, inner) = broken(dice, &schema["items"], &items[place], at)?;
        let mut all = value.clone();
        all[place] = inner;
        return Some((at, all));
    }
    if let Some(alternatives) = schema["anyOf"].as_array() {
        // That of the value, if it is an object or an array: what is there can be broken inside.
        let kind = match value {
            Value::Object(_) => "object",
            Value::Array(_) => "array",
            _ => return Some((at, json!(17.5))),
        };
        let own = alternatives.iter().find(|one| one["type"] == kind)?;
        return broken(dice, own, value, at);
    }
    let other = match schema["type"].as_str() {
        _ if schema.get("enum").is_some() => json!("none of these"),
        Some("string") if schema.get("minLength").is_some() => {
            dice.one_of(&[json!(""), json!(17)]).clone()
        }
        Some("string") if schema.get("pattern").is_some() => {
            let takes_nothing = schema["pattern"].as_str().unwrap().ends_with("*$");
            let other = if takes_nothing {
                json!("Ä!")
            } else {
                json!("")
            };
            dice.one_of(&[other, json!(17)]).clone()
        }
        Some("string" | "array" | "object") => json!(17),
        Some("integer") => {
            let mut others = vec![json!("x"), json!(1.5)];
            others.extend(schema["minimum"].as_i64().map(|least| json!(least - 1)));
            others.extend(schema["maximum"].as_i64().map(|most| json!(most + 1)));
            dice.one_of(&others).clone()
        }
        Some(_) => json!("x"),
        None => return None,
    };
    Some((at, other))
}

/// A site that builds what it takes as the daemon does.
fn building() -> Site {
    let site = site(Some(1_000_000), Some(1_000_000));
    // What is to be sent later is kept in a journal.
    drop(site.service.backlog.open_with_one_left());
    site.with(|terms| {
        terms.rules.content = Box::new(content_of(|_| crate::provider::Site::default()));
        terms.rules.check_token = check_device_token;
        terms.rules.apps = Apps::of([
            (LaneId::IOS, true, Some(ApnsEnvironment::Production)),
            (LaneId::ANDROID, true, None),
        ]);
    })
}

/// What a body is answered.
fn answer(site: &Site, target: &str, body: &Value) -> (u16, Value) {
    let text = format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n");
    let head = Head::parse(text.as_bytes()).unwrap();
    let mut body = body.to_string().into_bytes();
    let reply = answered(&site.service, &head, &mut body, Phase::Serving);
    (reply.status, serde_json::from_slice(&reply.body).unwrap())
}

/// Where the answer says that something is wrong, and what.
fn faults(answer: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let rejected = list(&answer["rejected"]);
    let rejected = rejected.iter();
    let mut faults: Vec<_> = rejected
        .map(|part| (text(&part["pointer"]), text(&part["error"])))
        .collect();
    if let Some((pointer, error)) = answer["error"].as_str().and_then(|it| it.split_once(": ")) {
        faults.push((pointer.to_owned(), error.to_owned()));
    }
    faults
}

/// Each is taken, or refused with a reason that is documented, at its place; and each field
/// is taken in some of them.
#[test]
fn bodies_of_the_schema_are_taken_or_refused_with_a_documented_error() {
    let document = read();
    let schema = &document["components"]["schemas"]["Notification"];
    let properties = schema["properties"].as_object().unwrap();
    let has_platforms = |name: &&String| !list(&properties[*name]["x-platforms"]).is_empty();
    let fields: Vec<_> = properties.keys().filter(has_platforms).collect();
    let (mut dice, site) = (Dice(0x5_EED), building());
    let mut taken: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut bodies, mut others) = (Vec::new(), Vec::new());
    for number in 0..500 {
        let field = fields[number % fields.len()];
        let body = draw_request(&mut dice, schema, field);
        bodies.push(body.clone());
        let (status, answered) = answer(&site, "/push", &body);
        assert!([200, 400].contains(&status), "{status}: {body}");
        let faults = faults(&answered);
        for (pointer, error) in &faults {
            assert!(
                pointer.starts_with("/notifications/0"),
                "{body}: {answered}"
            );
            assert!(is_documented(error), "{error:?} is not documented: {body}");
        }
        assert!(answered.get("ignored").is_none(), "{body}: {answered}");
        assert_eq!(status == 200, faults.is_empty(), "{body}: {answered}");
        if status != 200 {
            continue;
        }
        *taken.entry(field).or_default() += 1;
        let said = &body["notifications"][0];
        let Some((place, other)) = broken(&mut dice, schema, said, String::new()) else {
            continue;
        };
        let other = json!({"notifications": [other], "strict": true});
        let (status, answered) = answer(&site, "/push", &other);
        // What is wrong with one of several targets keeps none of the others.
        let mut targets = TARGET_FIELDS.iter();
        let is_target = targets.any(|field| place.starts_with(&format!("/{field}/")));
        let is_refused = status == 400 || status == 200 && is_target;
        assert!(is_refused, "{place} of {other}: {answered}");
        let found = self::faults(&answered);
        let place = format!("/notifications/0{place}");
        // Of a list it is told as a whole, of what is missing where it is missing.
        let is_told = found.iter().any(|(pointer, _)| {
            let is_whole = pointer.matches('/').count() < 3 && !place.ends_with("/platform");
            place.starts_with(pointer) && (!is_whole || *pointer == place)
        });
        assert!(is_told, "{place} of {other}: {answered}");
        others.push(other);
    }
    let never: Vec<_> = fields
        .iter()
        .filter(|field| !taken.contains_key(field.as_str()))
        .collect();
    assert!(never.is_empty(), "none of these was taken: {never:?}");
    assert!(others.len() > 150, "{} were taken", others.len());
    checked_by_others("PushRequest", &bodies, &others);
}

/// Else the field has an effect that the table does not know of.
#[test]
fn a_field_that_is_not_for_a_platform_is_told_to_have_no_effect_there() {
    let document = read();
    let schema = &document["components"]["schemas"]["Notification"];
    let (mut dice, site) = (Dice(0xF00), building());
    for (name, said) in schema["properties"].as_object().unwrap() {
        for platform in ["ios", "android"] {
            if list(&said["x-platforms"]).contains(&json!(platform)) {
                continue;
            }
            let mut value = draw(&mut dice, said);
            while [json!(false), json!(0), json!("")].contains(&value) {
                value = draw(&mut dice, said);
            }
            let body = json!({"strict": true, "notifications": [
                {"platform": platform, "token": ["ab12"], "message": "m", name: value},
            ]});
            let (status, answered) = answer(&site, "/push", &body);
            assert_eq!(status, 400, "{body}: {answered}");
            let pointer = format!("/notifications/0/{name}");
            let told = faults(&answered);
            // A target that nobody would be pushed to.
            let error_of = if name == "channel" {
                "is for APNs"
            } else {
                "no effect"
            };
            let is_told = told
                .iter()
                .any(|(at, error)| *at == pointer && error.contains(error_of));
            assert!(is_told, "{body}: {answered}");
        }
    }
}

#[test]
fn bodies_of_gorushs_schema_are_taken_or_refused_with_a_documented_error() {
    let document = read();
    let schema = &document["components"]["schemas"]["GorushNotification"];
    let own = crate::api::gorush::GORUSH_MEMBERS;
    let own: Vec<_> = own.iter().filter(|(_, schema)| schema.is_some()).collect();
    let (mut dice, site) = (Dice(0x60_5EED), building());
    let (mut bodies, mut taken) = (Vec::new(), 0);
    for number in 0..200 {
        let platform = 1 + number % 2;
        let mut notification = json!({"tokens": ["ab12"], "platform": platform, "message": "m"});
        for _ in 0..=dice.below(3) {
            let name = dice.one_of(&own).0;
            notification[name] = draw(&mut dice, &schema["properties"][name]);
        }
        let body = json!({"notifications": [notification]});
        bodies.push(body.clone());
        let (status, answered) = answer(&site, "/api/push", &body);
        if status == 200 {
            assert_eq!(answered["success"], "ok");
            taken += answered["counts"].as_u64().unwrap();
        } else {
            assert_eq!(
                (status, &answered["code"]),
                (400, &json!(400)),
                "{body}: {answered}"
            );
            assert!(
                is_documented(answered["message"].as_str().unwrap()),
                "{body}: {answered}"
            );
        }
    }
    assert!(taken > 50, "{taken} were taken");
    checked_by_others("GorushRequest", &bodies, &[]);
}

/// Whether such an error is among the reasons of rejections.
fn is_documented(error: &str) -> bool {
    REJECTION_REASONS
        .iter()
        .any(|reason| reason.is_told_as(error))
}
