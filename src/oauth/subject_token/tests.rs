use super::*;
use crate::oauth::fixture::TokenEndpoint;

fn json(field: &str) -> SubjectTokenForm {
    SubjectTokenForm::Json {
        field: field.to_owned(),
    }
}

fn in_file(path: &Path, form: SubjectTokenForm) -> SubjectSource {
    SubjectSource {
        place: SubjectPlace::File(path.to_owned()),
        form,
    }
}

#[test]
fn a_token_is_the_content_or_a_field_of_it() {
    let long = "x".repeat(SUBJECT_TOKEN_MAX);
    let longer = format!("{long}x");
    for (content, form, expected) in [
        ("a.b-_c", SubjectTokenForm::Text, Ok("a.b-_c")),
        (" a.b\r\n", SubjectTokenForm::Text, Ok("a.b")),
        (&*long, SubjectTokenForm::Text, Ok(&*long)),
        (&*longer, SubjectTokenForm::Text, Err("over 49152 bytes")),
        ("", SubjectTokenForm::Text, Err("no token in it")),
        ("\n", SubjectTokenForm::Text, Err("no token in it")),
        ("hunter2 x", SubjectTokenForm::Text, Err("no token has")),
        ("hunter2\nx", SubjectTokenForm::Text, Err("no token has")),
        ("hünter2", SubjectTokenForm::Text, Err("no token has")),
        (r#"{"id":"a.b\n"}"#, json("id"), Ok("a.b")),
        (
            r#"{"id":"hunter2"}"#,
            json("key"),
            Err("no JSON object with a text \"key\""),
        ),
        (r#"{"id":7}"#, json("id"), Err("no JSON object")),
        (r#"{"id":""}"#, json("id"), Err("no token in it")),
        ("hunter2", json("id"), Err("no JSON object")),
        (r#"["hunter2"]"#, json("id"), Err("no JSON object")),
    ] {
        match (token(content, &form), expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(what), Err(expected)) => {
                assert!(what.contains(expected), "{content}: {what}");
                assert!(!what.contains("hunter2"), "{what}");
            }
            (found, _) => panic!("{content}: {found:?}"),
        }
    }
}

#[test]
fn a_file_is_read_anew_each_time_and_what_is_wrong_with_it_may_pass() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    let source = in_file(&path, SubjectTokenForm::Text);
    let agent = ureq::Agent::new_with_defaults();
    let missing = read(&source, &agent).unwrap_err();
    assert_eq!(missing.class, crate::oauth::Class::Passing);
    let whence = format!("the subject token's file {}", path.display());
    assert!(
        missing
            .text
            .starts_with(&format!("{whence} cannot be read: ")),
        "{}",
        missing.text
    );
    assert_eq!(doubt(&source), Some(missing.text));
    for token in ["one", "two"] {
        std::fs::write(&path, format!("\u{feff}{token}\n")).unwrap();
        assert_eq!(read(&source, &agent).as_deref(), Ok(token));
        assert_eq!(doubt(&source), None);
    }
    std::fs::write(&path, "").unwrap();
    let empty = read(&source, &agent).unwrap_err();
    assert_eq!(empty.text, format!("{whence}: no token in it"));
    let pasted = in_file(
        Path::new("sk_live_4eC39HqLyjWDarjtT1zdp7dc"),
        SubjectTokenForm::Text,
    );
    let told = [
        read(&pasted, &agent).unwrap_err().text,
        doubt(&pasted).unwrap(),
        format!("{pasted:?}"),
    ];
    assert_eq!(
        told[0],
        format!("credential_source.file: {}", pasted::MAY_BE_KEY)
    );
    for text in told {
        assert!(!text.contains("4eC39"), "{text}");
    }
    let pipe = in_file(directory.path(), SubjectTokenForm::Text);
    assert!(read(&pipe, &agent).is_err(), "a directory");
}

#[test]
fn a_file_on_a_file_system_that_hangs_is_waited_for_as_one_that_is_not_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    std::fs::write(&path, "one").unwrap();
    let source = in_file(&path, SubjectTokenForm::Text);
    let agent = ureq::Agent::new_with_defaults();
    let stuck = READINGS.stuck(&path, EXCHANGE_TIMEOUT);
    let told = |secs: u64| {
        format!(
            "the subject token's file {} could not be read within {secs} s: the file system that \
             it is on may hang",
            path.display()
        )
    };
    assert_eq!(read(&source, &agent), Err(passing(told(10))));
    assert_eq!(doubt(&source), Some(told(1)));
    drop(stuck);
    assert_eq!(read(&source, &agent).as_deref(), Ok("one"));
}

#[test]
fn an_address_is_asked_with_the_files_header_fields_and_no_redirect_is_followed() {
    let (provider, other) = (TokenEndpoint::start(), TokenEndpoint::start());
    let source = SubjectSource {
        place: SubjectPlace::Url {
            url: provider.url("/identity?audience=x"),
            shown: "http://127.0.0.1/identity".to_owned(),
            fields: vec![("Metadata".to_owned(), "True".to_owned())],
        },
        form: json("access_token"),
    };
    let agent = ureq::Agent::new_with_defaults();
    provider.answer("200 OK", "", r#"{"access_token":"True.or.not"}"#);
    assert_eq!(read(&source, &agent).as_deref(), Ok("True.or.not"));
    let request = provider.request();
    assert!(
        request
            .head
            .starts_with("GET /identity?audience=x HTTP/1.1"),
        "{request:?}"
    );
    assert!(request.head.contains("metadata: true\r\n"), "{request:?}");
    let location = format!("location: {}\r\n", other.uri);
    for (status, fields) in [("302 Found", &*location), ("403 Forbidden", "")] {
        provider.answer(status, fields, "hunter2");
        let failure = read(&source, &agent).unwrap_err();
        let number = status.split_once(' ').unwrap().0;
        let expected = format!(
            "the subject token's address http://127.0.0.1/identity answered {number} and no token"
        );
        assert_eq!(failure.text, expected);
    }
    provider.answer("200 OK", "", "hunter2");
    let failure = read(&source, &agent).unwrap_err();
    assert!(failure.text.contains("no JSON object"), "{}", failure.text);
    assert!(!failure.text.contains("hunter2"), "{}", failure.text);
    assert!(
        other.requests.try_recv().is_err(),
        "the request went elsewhere"
    );
}
