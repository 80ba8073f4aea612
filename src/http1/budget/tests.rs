use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use super::*;
use crate::http1::body::{Body, FREE, KEPT};
use crate::http1::fixture::{PATIENCE, until};
use crate::http1::registry::Registry;
use crate::http1::socket::ListeningSocket;
use crate::http1::standing::Awaited;

fn share<'a>(budget: &Arc<Budget>, place: &'a Place) -> BudgetShare<'a> {
    BudgetShare::new(Arc::clone(budget), place, PATIENCE)
}

/// Places in one registry; their callers stay.
fn places<const N: usize>() -> ([Place; N], Vec<UnixStream>) {
    let registry = Registry::new();
    let mut callers = Vec::new();
    let places = [(); N].map(|()| {
        let (ours, theirs) = UnixStream::pair().unwrap();
        callers.push(theirs);
        let place = registry.enter(ListeningSocket::Unix(ours));
        place.begin();
        place
    });
    (places, callers)
}

#[test]
fn small_bodies_are_free_and_large_ones_share_the_budget() {
    let budget = Budget::new(FREE, 0);
    let ([one, other], _callers) = places();
    let mut one = (Body::default(), share(&budget, &one));
    let mut other = (Body::default(), share(&budget, &other));
    let push = |(body, share): &mut (Body, BudgetShare<'_>), bytes: usize| {
        body.push(&vec![0; bytes], 2 * FREE, || share.raise(FREE))
    };
    assert_eq!(push(&mut one, FREE), Ok(()));
    assert_eq!(push(&mut other, FREE), Ok(()));
    assert_eq!(push(&mut one, 1), Ok(()));
    assert_eq!(push(&mut other, 1).unwrap_err().status, 503);
    one.0.clear();
    assert!(one.0.bytes.capacity() <= KEPT);
    one.1.lower(0);
    assert_eq!(push(&mut other, 1), Ok(()));
    drop(other);
    assert_eq!(budget.left(), FREE);
}

#[test]
fn answers_have_room_that_no_body_takes() {
    let budget = Budget::new(FREE, 0);
    let ([uploads, looks], _callers) = places();
    let (mut body, mut page) = (share(&budget, &uploads), share(&budget, &looks));
    assert_eq!(body.raise(FREE), Ok(()));
    assert!(page.raise_at_once(FOR_ANSWERS));
    assert!(!page.raise_at_once(1), "all of it is taken");
    body.lower(0);
    assert_eq!(body.raise(1), Err(NO_ROOM), "it is made of the same memory");
    page.lower(FREE - 1);
    assert_eq!(body.raise(1), Ok(()));
}

#[test]
fn a_budget_that_shrinks_below_what_is_taken_gives_nothing_until_enough_came_back() {
    let budget = Budget::new(4 * FREE, 0);
    let ([one, other], _callers) = places();
    let mut one = share(&budget, &one);
    let mut other = share(&budget, &other);
    assert_eq!(one.raise(4 * FREE), Ok(()));
    budget.resize(FREE, 0);
    assert_eq!(other.raise(1), Err(NO_ROOM));
    one.lower(FREE);
    assert_eq!(other.raise(1), Err(NO_ROOM));
    one.lower(FREE - 1);
    assert_eq!(other.raise(1), Ok(()));
    budget.resize(8 * FREE, 0);
    assert_eq!(one.raise(4 * FREE), Ok(()));
}

#[test]
fn who_lets_us_wait_gives_its_memory_to_who_does_not() {
    let budget = Budget::new(FREE, 8);
    let ([slow, fast], _callers) = places();
    let mut held = share(&budget, &slow);
    assert_eq!(held.raise(FREE), Ok(()));
    slow.wait(Awaited::Body, 0).unwrap();
    thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut share = share(&budget, &fast);
            share.raise(1)
        });
        until("it is told to leave", || slow.is_evicted());
        drop(held);
        assert_eq!(asking.join().unwrap(), Ok(()));
    });
    assert_eq!(budget.left(), FREE);
}

#[test]
fn who_has_waited_for_its_turn_owes_its_body_from_then_on() {
    let budget = Budget::new(FREE, 1);
    let ([holder, waiting], _callers) = places();
    let mut held = share(&budget, &holder);
    assert_eq!(held.raise(FREE), Ok(()));
    thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut share = share(&budget, &waiting);
            assert_eq!(share.raise(1), Ok(()));
            waiting.wait(Awaited::Body, 0).unwrap();
            waiting.since()
        });
        until("it waits", || budget.waiting() == 1);
        let given = moment::now();
        drop(held);
        assert!(asking.join().unwrap() >= given);
    });
}

#[test]
fn so_many_wait_for_room_as_may_each_for_its_turn() {
    let budget = Budget::new(FREE, 3);
    let ([holder, late, waiting @ ..], _callers) = places::<5>();
    let mut held = share(&budget, &holder);
    assert_eq!(held.raise(FREE), Ok(()));
    let order = Mutex::new(Vec::new());
    thread::scope(|scope| {
        // The first one would fit last.
        for (number, place) in waiting.iter().enumerate() {
            let (budget, order) = (&budget, &order);
            scope.spawn(move || {
                let mut share = share(budget, place);
                assert_eq!(share.raise(FREE - number), Ok(()));
                order.lock().unwrap().push(number);
            });
            until("it waits", || budget.waiting() == number + 1);
        }
        let asked = Instant::now();
        let mut late = share(&budget, &late);
        assert_eq!(late.raise(1), Err(NO_ROOM));
        held.lower(FREE / 2);
        assert_eq!(late.raise(1), Err(NO_ROOM), "others came before");
        assert!(asked.elapsed() < PATIENCE, "at once");
        drop(held);
    });
    assert_eq!(order.into_inner().unwrap(), [0, 1, 2]);
    assert_eq!(budget.waiting(), 0);
    assert_eq!(budget.left(), FREE);
}

#[test]
fn nobody_waits_for_more_while_it_holds_some() {
    let budget = Budget::new(4, 2);
    let ([one, other], _callers) = places();
    let shares = [&one, &other].map(|place| {
        let mut share = share(&budget, place);
        assert_eq!(share.raise(2), Ok(()));
        share
    });
    thread::scope(|scope| {
        for mut share in shares {
            scope.spawn(move || assert_eq!(share.raise(4), Ok(())));
        }
    });
    assert_eq!(budget.left(), 4);
}

#[test]
fn what_never_fits_is_refused_at_once() {
    let budget = Budget::new(FREE, 8);
    let ([place], _callers) = places();
    let asked = Instant::now();
    let mut share = share(&budget, &place);
    assert_eq!(share.raise(FREE + 1), Err(NO_ROOM));
    assert!(asked.elapsed() < PATIENCE);
}

#[test]
fn who_waits_for_more_than_there_is_any_more_lets_others_pass() {
    let budget = Budget::new(4, 2);
    let ([holder, large, small], _callers) = places();
    let mut held = share(&budget, &holder);
    assert_eq!(held.raise(4), Ok(()));
    thread::scope(|scope| {
        let large = scope.spawn(|| share(&budget, &large).raise(4));
        until("it waits", || budget.waiting() == 1);
        let small = scope.spawn(|| share(&budget, &small).raise(1));
        until("so does the other", || budget.waiting() == 2);
        budget.resize(3, 2);
        drop(held);
        assert_eq!(large.join().unwrap(), Err(NO_ROOM));
        assert_eq!(small.join().unwrap(), Ok(()));
    });
}
