use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Instant;

use super::*;
use crate::api::fixture::until;
use crate::api::registry::Registry;
use crate::api::socket::Socket;
use crate::api::standing::Awaited;

/// Places in one registry; their callers stay.
fn places<const N: usize>() -> ([Place; N], Vec<UnixStream>) {
    let registry = Registry::new();
    let mut callers = Vec::new();
    let places = [(); N].map(|()| {
        let (ours, theirs) = UnixStream::pair().unwrap();
        callers.push(theirs);
        let place = registry.enter(Socket::Unix(ours));
        place.begin(true);
        place
    });
    (places, callers)
}

#[test]
fn small_bodies_are_free_and_large_ones_share_the_budget() {
    let budget = Budget::new(FREE);
    let ([one, other], _callers) = places();
    let mut one = (Body::default(), Share::new(Arc::clone(&budget), &one));
    let mut other = (Body::default(), Share::new(Arc::clone(&budget), &other));
    let push = |(body, share): &mut (Body, Share<'_>), octets: usize| {
        body.push(&vec![0; octets], share, 0)
    };
    assert_eq!(push(&mut one, FREE), Ok(()));
    assert_eq!(push(&mut other, FREE), Ok(()));
    assert_eq!(push(&mut one, 1), Ok(()));
    assert_eq!(push(&mut other, 1).unwrap_err().status, 503);
    one.0.clear();
    assert!(one.0.octets.capacity() <= KEPT);
    one.1.lower(0);
    assert_eq!(push(&mut other, 1), Ok(()));
    drop(other);
    assert_eq!(budget.left(), FREE);
}

#[test]
fn a_budget_that_shrinks_below_what_is_taken_gives_nothing_until_enough_came_back() {
    let budget = Budget::new(4 * FREE);
    let ([one, other], _callers) = places();
    let mut one = Share::new(Arc::clone(&budget), &one);
    let mut other = Share::new(Arc::clone(&budget), &other);
    assert_eq!(one.raise(4 * FREE), Ok(()));
    budget.resize(FREE);
    assert_eq!(other.raise(1), Err(NO_ROOM));
    one.lower(FREE);
    assert_eq!(other.raise(1), Err(NO_ROOM));
    one.lower(FREE - 1);
    assert_eq!(other.raise(1), Ok(()));
    budget.resize(8 * FREE);
    assert_eq!(one.raise(4 * FREE), Ok(()));
}

#[test]
fn who_lets_us_wait_gives_its_memory_to_who_does_not() {
    let budget = Budget::new(FREE);
    let ([slow, fast], _callers) = places();
    let mut held = Share::new(Arc::clone(&budget), &slow);
    assert_eq!(held.raise(FREE), Ok(()));
    slow.wait(Awaited::Body, 0).unwrap();
    thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut share = Share::new(Arc::clone(&budget), &fast);
            share.raise(1)
        });
        until("it is told to leave", || slow.is_evicted());
        drop(held);
        assert_eq!(asking.join().unwrap(), Ok(()));
    });
    assert_eq!(budget.left(), FREE);
}

#[test]
fn few_wait_for_room() {
    let budget = Budget::new(FREE);
    let ([holder, late, waiting @ ..], _callers) = places::<{ LARGE_BODIES + 2 }>();
    let mut held = Share::new(Arc::clone(&budget), &holder);
    assert_eq!(held.raise(FREE), Ok(()));
    thread::scope(|scope| {
        for place in &waiting {
            let budget = Arc::clone(&budget);
            scope.spawn(move || Share::new(budget, place).raise(1));
        }
        until("as many wait as may", || {
            budget.lock().waiting == LARGE_BODIES
        });
        let asked = Instant::now();
        let mut late = Share::new(Arc::clone(&budget), &late);
        assert_eq!(late.raise(1), Err(NO_ROOM));
        assert!(asked.elapsed() < ROOM_WITHIN, "at once");
        drop(held);
    });
    assert_eq!(budget.lock().waiting, 0);
}

#[test]
fn what_never_fits_is_refused_at_once() {
    let budget = Budget::new(FREE);
    let ([place], _callers) = places();
    let asked = Instant::now();
    let mut share = Share::new(Arc::clone(&budget), &place);
    assert_eq!(share.raise(FREE + 1), Err(NO_ROOM));
    assert!(asked.elapsed() < ROOM_WITHIN);
}
