use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::PathBuf;
use std::time::Duration;

use rcgen::KeyPair;
use tempfile::TempDir;

use super::*;

const KEY_ID: &str = "ABCDE12345";

fn tokens(pem: &str, team_id: &str) -> AuthTokens {
    AuthTokens::new(SigningKey::from_pem(pem.as_bytes(), KEY_ID, team_id).unwrap())
}

fn key() -> String {
    KeyPair::generate().unwrap().serialize_pem()
}

fn start(pem: &str, directory: &TempDir) -> SharedTokens {
    let tokens = tokens(pem, "FGHIJ67890");
    shared(
        tokens,
        (LaneId::IOS, KEY_ID),
        Some(directory.path()),
        Moment::now(),
    )
}

fn sent(tokens: &SharedTokens) -> String {
    let token = tokens.current(Moment::now()).unwrap();
    token.authorization().to_owned()
}

#[test]
fn a_restart_sends_the_very_same_token() {
    let directory = tempfile::tempdir().unwrap();
    let pem = key();
    let first = sent(&start(&pem, &directory));
    let again = start(&pem, &directory);
    assert_eq!(sent(&again), first);
    assert_eq!(sent(&again), first);
    // Without the file it would not be the same: signatures differ.
    fs::remove_file(path_in(&directory)).unwrap();
    assert_ne!(sent(&start(&pem, &directory)), first);
}

#[test]
fn lanes_with_one_key_have_one_token_and_those_with_others_their_own() {
    let by_key = TokensByKey::default();
    let (pem, other) = (key(), key());
    let of = |pem: &str, team: &str| {
        let key = SigningKey::from_pem(pem.as_bytes(), KEY_ID, team).unwrap();
        by_key.of(key, (LaneId::IOS, KEY_ID), None, Moment::now())
    };
    let (first, second) = (of(&pem, "FGHIJ67890"), of(&pem, "FGHIJ67890"));
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!(sent(&first), sent(&second));
    // The file has another key now, or the key another owner.
    assert!(!Arc::ptr_eq(&first, &of(&other, "FGHIJ67890")));
    assert!(!Arc::ptr_eq(&first, &of(&pem, "OTHERTEAM1")));
    drop((first, second));
    assert_eq!(
        by_key
            .0
            .lock()
            .unwrap()
            .iter()
            .filter(|it| it.strong_count() > 0)
            .count(),
        0
    );
}

fn path_in(directory: &TempDir) -> PathBuf {
    directory.path().join(format!("apns-auth-token-{KEY_ID}"))
}

#[test]
fn the_file_is_its_owner_s_alone_and_the_only_one() {
    let directory = tempfile::tempdir().unwrap();
    // Somebody's loose one is replaced, not written into.
    let path = path_in(&directory);
    fs::write(&path, "loose").unwrap();
    sent(&start(&key(), &directory));
    let metadata = fs::metadata(&path).unwrap();
    assert_eq!(metadata.mode() & 0o777, 0o600);
    assert!(fs::read_to_string(&path).unwrap().len() < SEALED_MAX);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn it_is_of_no_use_with_another_key_or_team() {
    let directory = tempfile::tempdir().unwrap();
    let (pem, other) = (key(), key());
    let first = sent(&start(&pem, &directory));
    let text = fs::read(path_in(&directory)).unwrap();
    let team = tokens(&pem, "OTHERTEAM1");
    let team = shared(
        team,
        (LaneId::IOS, KEY_ID),
        Some(directory.path()),
        Moment::now(),
    );
    assert_ne!(sent(&team), first);
    fs::write(path_in(&directory), text).unwrap();
    assert_ne!(sent(&start(&other, &directory)), first);
}

#[test]
fn hostile_content_is_ignored() {
    let directory = tempfile::tempdir().unwrap();
    let pem = key();
    let first = sent(&start(&pem, &directory));
    let path = path_in(&directory);
    let good = fs::read(&path).unwrap();
    let mut bent = good.clone();
    bent[good.len() / 2] ^= 1;
    let long = vec![b'a'; 10 * SEALED_MAX];
    let hostile: [&[u8]; 7] = [
        b"",
        b"\0\0\0\0",
        b"\xff\xfe",
        b"bearer eyJhbGciOiJub25lIn0.e30.",
        b"eyJhbGciOiJub25lIn0.eyJrZXlfaWQiOiJBQkNERTEyMzQ1In0.",
        &bent,
        &long,
    ];
    for content in hostile {
        fs::write(&path, content).unwrap();
        let token = sent(&start(&pem, &directory));
        assert!(token.starts_with("bearer ") && token != first);
    }
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(sent(&start(&pem, &directory)).starts_with("bearer "));
    fs::remove_dir(&path).unwrap();
    symlink("/dev/zero", &path).unwrap();
    assert!(sent(&start(&pem, &directory)).starts_with("bearer "));
    assert!(fs::symlink_metadata(&path).unwrap().is_file(), "replaced");
}

#[test]
fn a_directory_that_cannot_be_written_costs_nothing_but_the_file() {
    let gone = tempfile::tempdir().unwrap();
    let path = gone.path().join("gone");
    let tokens = shared(
        tokens(&key(), "FGHIJ67890"),
        (LaneId::IOS, KEY_ID),
        Some(&path),
        Moment::now(),
    );
    assert!(sent(&tokens).starts_with("bearer "));
}

#[test]
fn a_token_that_is_over_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let pem = key();
    let first = sent(&start(&pem, &directory));
    let now = Moment::now();
    let hour = Duration::from_secs(3600);
    let later = Moment {
        stood: Duration::ZERO,
        monotonic: now.monotonic + hour,
        unix: now.unix + hour,
    };
    let tokens = shared(
        tokens(&pem, "FGHIJ67890"),
        (LaneId::IOS, KEY_ID),
        Some(directory.path()),
        later,
    );
    let token = tokens.current(later).unwrap();
    assert_ne!(token.authorization(), first);
}
