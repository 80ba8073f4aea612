mod bodies;

use std::collections::BTreeSet;
use std::process::Command;

use super::*;
use crate::api::request::{FIELDS, REQUEST_FIELDS};
use crate::api::route::Route;
use crate::provider::fcm::schema::{FieldKind, MESSAGE, MessageField};

fn read() -> Value {
    serde_json::from_slice(document()).unwrap()
}

/// The names of an object's members.
fn names(object: &Value) -> BTreeSet<&str> {
    object
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

#[test]
fn each_route_and_method_of_the_router_is_in_the_document_and_the_other_way_round() {
    let document = read();
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), PATHS.len());
    for item in PATHS {
        let target = item
            .path
            .replace("{id}", "7")
            .replace("{lane}", "shop%2Fios");
        let (route, _, found) = Route::of(&target);
        // What all of these are, no other target is.
        assert!(
            !matches!(
                route,
                Route::Unknown | Route::Malformed | Route::Redirect(_)
            ),
            "{target}"
        );
        assert!(std::ptr::eq(found.unwrap(), item), "{target}");
        for method in ["get", "put", "post", "delete", "patch", "options"] {
            let is_said = paths[item.path].get(method).is_some();
            let upper = method.to_ascii_uppercase();
            assert_eq!(
                is_said,
                item.operation(&upper).is_some(),
                "{method} {target}"
            );
            let is_taken = is_said || item.takes_any_method;
            assert_eq!(
                is_taken,
                item.refused_method(&upper).is_none(),
                "{method} {target}"
            );
        }
    }
    let ids = paths
        .values()
        .flat_map(|path| path.as_object().unwrap().values());
    let ids: Vec<_> = ids.map(|operation| &operation["operationId"]).collect();
    let apart: BTreeSet<_> = ids.iter().map(|id| id.as_str().unwrap()).collect();
    assert_eq!(apart.len(), ids.len(), "{ids:?}");
}

/// Each of Google's fields is where it is in the table.
fn check(fields: &[MessageField], schema: &Value) {
    let known = fields.iter().map(|field| field.name);
    assert_eq!(names(&schema["properties"]), known.collect());
    for field in fields {
        if let FieldKind::MessageFields(inner) = field.kind {
            check(inner, &schema["properties"][field.name]);
        }
    }
}

#[test]
fn each_field_that_is_read_is_in_the_document_and_the_other_way_round() {
    let document = read();
    let schemas = &document["components"]["schemas"];
    let properties = &schemas["Notification"]["properties"];
    assert_eq!(names(properties), FIELDS.iter().copied().collect());
    for field in REQUEST_FIELDS {
        assert!(!field.meaning.is_empty(), "{}", field.name);
        let body = format!(r#"{{"notifications":[{{"{}":[[0]]}}]}}"#, field.name);
        let read = crate::api::request::decode(
            &mut body.into_bytes(),
            1,
            crate::api::request::Trailing::Ignored,
        );
        assert_eq!(read.is_err(), field.is_read_at_once, "{}", field.name);
    }
    for field in MESSAGE {
        let said = &properties[field.name];
        let said = said["anyOf"].get(1).unwrap_or(said);
        if let FieldKind::MessageFields(inner) = field.kind {
            check(inner, said);
        }
    }
    let gorush = names(&schemas["GorushNotification"]["properties"]);
    for (name, _) in crate::api::gorush::GORUSH_MEMBERS {
        assert!(gorush.contains(name), "{name}");
    }
}

#[test]
fn each_right_is_told_as_the_router_asks_for_it() {
    let document = read();
    for item in PATHS {
        for operation in item.operations {
            let said = &document["paths"][item.path][operation.method.to_ascii_lowercase()];
            let needed = said["description"].as_str().unwrap_or_default();
            for right in operation.rights {
                assert!(needed.starts_with("needs the right ") && needed.contains(right.word()));
                assert_eq!(needed.ends_with(", without app="), item.is_of_all_apps);
            }
            if operation.rights.is_empty() {
                assert_eq!(said["security"] == json!([]), item.needs_no_key);
            }
        }
    }
}

/// What another implementation says of the document and of bodies by its schemas, if it is
/// installed: `valid` have to be so, and `invalid` not.
fn checked_by_others(name: &str, valid: &[Value], invalid: &[Value]) {
    const SCRIPT: &str = "
import json, sys
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
said = json.load(open(sys.argv[1]))
document = said['document']
validate(document)
schema = dict(document, **{'$ref': '#/components/schemas/' + said['name']})
validator = Draft202012Validator(schema)
for body in said['valid']:
    for error in validator.iter_errors(body):
        sys.exit(f'{error.message} in {body}')
for body in said['invalid']:
    if validator.is_valid(body):
        sys.exit(f'should not be valid: {body}')
";
    let python = |script: &str| {
        let mut python = Command::new("python3");
        python.args(["-c", script]);
        python
    };
    let is_there = python("import jsonschema, openapi_spec_validator").output();
    if !is_there.is_ok_and(|there| there.status.success()) {
        return;
    }
    let said = json!({"document": read(), "name": name, "valid": valid, "invalid": invalid});
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("said.json");
    std::fs::write(&path, said.to_string()).unwrap();
    let output = python(SCRIPT).arg(path).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
}
