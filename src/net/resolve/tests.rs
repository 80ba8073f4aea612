use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use super::*;

/// Long enough never to pass in a test that is to end before.
const AMPLE: Duration = Duration::from_secs(60);

fn soon() -> Instant {
    Instant::now() + Duration::from_millis(30)
}

fn ample() -> Instant {
    Instant::now() + AMPLE
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn resolver_of(addresses: &[&str]) -> Resolver {
    let addresses: Vec<IpAddr> = addresses.iter().map(|text| ip(text)).collect();
    Resolver::with_lookup(move |_| Ok(addresses.clone()))
}

fn resolve(resolver: &Resolver, host: &str, deadline: Instant) -> Result<Vec<String>, String> {
    let found = resolver.resolve(host, 443, deadline);
    found
        .map(|found| found.iter().map(SocketAddr::to_string).collect())
        .map_err(|error| error.to_string())
}

#[test]
fn addresses_need_no_lookup() {
    let resolver = Resolver::with_lookup(|_| Err(io::Error::other("must not be asked")));
    for (host, expected) in [
        ("127.0.0.1", "127.0.0.1:443"),
        ("::1", "[::1]:443"),
        ("[::1]", "[::1]:443"),
    ] {
        let found = resolve(&resolver, host, soon());
        assert_eq!(found, Ok(vec![expected.to_owned()]), "{host}");
    }
}

#[test]
fn localhost_is_known_to_the_system() {
    let found = Resolver::system()
        .resolve("localhost", 80, ample())
        .unwrap();
    assert!(found.iter().all(|address| address.ip().is_loopback()));
}

#[test]
fn families_alternate_and_duplicates_go() {
    let resolver = resolver_of(&["127.0.0.1", "127.0.0.2", "127.0.0.1", "::1", "127.0.0.3"]);
    let found = resolver.resolve("name", 443, ample()).unwrap();
    let expected = ["::1", "127.0.0.1", "127.0.0.2", "127.0.0.3"].map(ip);
    let found: Vec<IpAddr> = found.iter().map(SocketAddr::ip).collect();
    assert_eq!(found, expected);
}

#[test]
fn successive_calls_begin_at_successive_addresses() {
    let resolver = resolver_of(&["127.0.0.1", "127.0.0.2", "127.0.0.3"]);
    let firsts: Vec<String> = (0..4)
        .map(|_| resolve(&resolver, "name", ample()).unwrap().swap_remove(0))
        .collect();
    let expected = [1, 2, 3, 1].map(|last| format!("127.0.0.{last}:443"));
    assert_eq!(firsts, expected);
}

#[test]
fn every_call_asks_anew() {
    let calls = AtomicUsize::new(0);
    let resolver = Resolver::with_lookup(move |_| {
        let last = calls.fetch_add(1, Ordering::Relaxed) + 1;
        Ok(vec![ip(&format!("127.0.0.{last}"))])
    });
    for expected in ["127.0.0.1:443", "127.0.0.2:443"] {
        let found = resolve(&resolver, "name", ample());
        assert_eq!(found, Ok(vec![expected.to_owned()]));
    }
}

#[test]
fn a_lookup_that_hangs_costs_no_more_than_the_deadline() {
    let (release, hang) = mpsc::channel::<()>();
    let hang = Mutex::new(hang);
    let resolver = Resolver::with_lookup(move |_| {
        hang.lock().unwrap().recv().ok();
        Ok(vec![ip("127.0.0.1")])
    });
    let before = Instant::now();
    let found = resolver.resolve("name", 443, soon());
    assert_eq!(found, Err(ResolveError::TimedOut));
    assert!(before.elapsed() < AMPLE / 2);
    drop(release);
    let found = resolve(&resolver, "name", ample());
    assert_eq!(found, Ok(vec!["127.0.0.1:443".to_owned()]));
}

#[test]
fn the_last_good_addresses_outlive_a_resolver_that_fails_or_hangs() {
    let (release, hang) = mpsc::channel::<()>();
    let hang = Mutex::new(hang);
    let calls = AtomicUsize::new(0);
    let resolver = Resolver::with_lookup(move |_| match calls.fetch_add(1, Ordering::Relaxed) {
        0 => Ok(vec![ip("127.0.0.1"), ip("127.0.0.2")]),
        1 => Err(io::Error::other("server failure")),
        2 => Ok(Vec::new()),
        _ => {
            hang.lock().unwrap().recv().ok();
            Ok(vec![ip("127.0.0.9")])
        }
    });
    for (what, deadline) in [
        ("good", ample()),
        ("failed", ample()),
        ("empty", ample()),
        ("hanging", soon()),
    ] {
        let mut found = resolve(&resolver, "name", deadline).unwrap();
        found.sort();
        assert_eq!(found, ["127.0.0.1:443", "127.0.0.2:443"], "{what}");
    }
    drop(release);
}

#[test]
fn a_name_that_never_resolved_says_why() {
    let resolver = Resolver::with_lookup(|_| Err(io::Error::other("no such host")));
    let found = resolve(&resolver, "name", ample());
    assert_eq!(found, Err("name lookup failed: no such host".to_owned()));
    let found = resolve(&resolver_of(&[]), "name", ample());
    assert_eq!(
        found,
        Err("name lookup failed: the name has no address".to_owned())
    );
}

#[test]
fn helper_threads_are_bounded_and_shared_by_name() {
    let (release, hang) = mpsc::channel::<()>();
    let hang = Mutex::new(hang);
    let running = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&running);
    let resolver = Resolver::with_lookup(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        hang.lock().unwrap().recv().ok();
        Ok(vec![ip("127.0.0.1")])
    });
    for i in 0..MAX_LOOKUPS * 2 {
        for _ in 0..2 {
            let found = resolver.resolve(&format!("name{i}"), 443, Instant::now());
            assert_eq!(found, Err(ResolveError::TimedOut));
        }
    }
    assert_eq!(resolver.shared.lock().running, MAX_LOOKUPS);
    drop(release);
    let found = resolver.resolve("another", 443, ample());
    assert!(found.is_ok(), "threads are free again: {found:?}");
    assert!(running.load(Ordering::SeqCst) <= MAX_LOOKUPS * 2 + 1);
}

#[test]
fn names_and_addresses_remembered_are_bounded() {
    let many: Vec<IpAddr> = (0..200).map(|i| ip(&format!("127.0.1.{i}"))).collect();
    let resolver = Resolver::with_lookup(move |_| Ok(many.clone()));
    for i in 0..MAX_NAMES * 2 {
        let found = resolver.resolve(&format!("name{i}"), 443, ample()).unwrap();
        assert_eq!(found.len(), MAX_ADDRESSES);
    }
    assert!(resolver.shared.lock().by_name.len() <= MAX_NAMES);
}
