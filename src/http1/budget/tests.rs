use std::os::unix::net::UnixStream;

use super::*;
use crate::http1::body::{Body, FREE};
use crate::http1::fixture::until;
use crate::http1::registry::Registry;
use crate::http1::socket::ListeningSocket;
use crate::http1::standing::Awaited;
use crate::moment;

/// A budget that calls nobody.
fn budget(bytes: usize, most_waiting: usize) -> Arc<Budget> {
    Budget::new(bytes, most_waiting, |_| {})
}

/// A budget, and the numbers of those whose turn was decided.
fn calling(bytes: usize, most_waiting: usize) -> (Arc<Budget>, Arc<Mutex<Vec<u64>>>) {
    let called = Arc::<Mutex<Vec<u64>>>::default();
    let calls = Arc::clone(&called);
    let budget = Budget::new(bytes, most_waiting, move |number| {
        calls.lock().unwrap().push(number);
    });
    (budget, called)
}

/// Places in one registry; their callers stay.
fn places<const N: usize>() -> ([Place; N], Vec<UnixStream>) {
    let registry = Registry::new();
    let mut callers = Vec::new();
    let places = [(); N].map(|()| {
        let (ours, theirs) = UnixStream::pair().unwrap();
        callers.push(theirs);
        let place = registry.enter(ListeningSocket::Unix(ours));
        place.slot.begin();
        place
    });
    (places, callers)
}

#[test]
fn large_bodies_share_the_budget() {
    let budget = budget(FREE, 0);
    let ([one, other], _callers) = places();
    let mut one = BudgetShare::new(&budget, &one);
    let mut other = BudgetShare::new(&budget, &other);
    assert_eq!(one.raise(FREE), Ok(Raised::Now));
    assert!(one.has(FREE) && !one.has(FREE + 1));
    assert_eq!(other.raise(1).unwrap_err().status, 503);
    one.lower(0);
    assert_eq!(other.raise(1), Ok(Raised::Now));
    drop(other);
    assert_eq!(budget.left(), FREE);
}

#[test]
fn a_body_has_its_whole_buffer_as_soon_as_it_is_a_large_one_and_none_afterwards() {
    let mut body = Body::default();
    body.push(&vec![0; FREE], 3 * FREE);
    assert_eq!(body.bytes.capacity(), FREE);
    body.push(&[0], 3 * FREE);
    assert_eq!(body.bytes.capacity(), 3 * FREE);
    body.clear();
    assert_eq!(body.bytes.capacity(), 0);
}

#[test]
fn answers_have_room_that_no_body_takes() {
    let budget = budget(FREE, 0);
    let ([uploads, looks], _callers) = places();
    let mut body = BudgetShare::new(&budget, &uploads);
    let mut page = BudgetShare::new(&budget, &looks);
    assert_eq!(body.raise(FREE), Ok(Raised::Now));
    assert!(page.raise_at_once(FOR_ANSWERS));
    assert!(!page.raise_at_once(1), "all of it is taken");
    body.lower(0);
    assert_eq!(body.raise(1), Err(NO_ROOM), "it is made of the same memory");
    page.lower(FREE - 1);
    assert_eq!(body.raise(1), Ok(Raised::Now));
}

#[test]
fn a_budget_that_shrinks_below_what_is_taken_gives_nothing_until_enough_came_back() {
    let budget = budget(4 * FREE, 0);
    let ([one, other], _callers) = places();
    let mut one = BudgetShare::new(&budget, &one);
    let mut other = BudgetShare::new(&budget, &other);
    assert_eq!(one.raise(4 * FREE), Ok(Raised::Now));
    budget.resize(FREE, 0);
    assert_eq!(other.raise(1), Err(NO_ROOM));
    one.lower(FREE);
    assert_eq!(other.raise(1), Err(NO_ROOM));
    one.lower(FREE - 1);
    assert_eq!(other.raise(1), Ok(Raised::Now));
    budget.resize(8 * FREE, 0);
    assert_eq!(one.raise(4 * FREE), Ok(Raised::Now));
}

#[test]
fn who_lets_us_wait_gives_its_memory_to_who_does_not() {
    let budget = budget(FREE, 8);
    let registry = Registry::new();
    let [(slow, _slow_caller), (fast, _fast_caller)] = [(); 2].map(|()| {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let place = registry.enter(ListeningSocket::Unix(ours));
        place.slot.begin();
        (place, theirs)
    });
    let mut held = BudgetShare::new(&budget, &slow);
    assert_eq!(held.raise(FREE), Ok(Raised::Now));
    slow.slot.wait(Awaited::Body, 0).unwrap();
    let press = || budget.press(|bytes| registry.free_memory(bytes));
    press();
    assert!(!budget.is_awaited());
    let mut share = BudgetShare::new(&budget, &fast);
    assert_eq!(share.raise(1), Ok(Raised::Later));
    assert!(budget.is_awaited());
    until("it is told to leave", || {
        press();
        slow.slot.is_evicted()
    });
    assert_eq!(share.turn(false), Turned::NotYet);
    drop(held);
    assert_eq!(share.turn(false), Turned::Granted);
    drop(share);
    assert_eq!(budget.left(), FREE);
}

#[test]
fn who_has_waited_for_its_turn_owes_its_body_from_then_on() {
    let budget = budget(FREE, 1);
    let ([holder, waiting], _callers) = places();
    let mut held = BudgetShare::new(&budget, &holder);
    assert_eq!(held.raise(FREE), Ok(Raised::Now));
    let mut share = BudgetShare::new(&budget, &waiting);
    assert_eq!(share.raise(1), Ok(Raised::Later));
    let given = moment::now();
    drop(held);
    assert_eq!(share.turn(false), Turned::Granted);
    waiting.slot.wait(Awaited::Body, 0).unwrap();
    assert!(waiting.slot.since() >= given);
}

#[test]
fn so_many_wait_for_room_as_may_each_for_its_turn() {
    let (budget, called) = calling(FREE, 3);
    let ([holder, late, waiting @ ..], _callers) = places::<5>();
    let mut held = BudgetShare::new(&budget, &holder);
    assert_eq!(held.raise(FREE), Ok(Raised::Now));
    // The first one would fit last.
    let mut shares: Vec<_> = (0..)
        .zip(&waiting)
        .map(|(number, place)| {
            let mut share = BudgetShare::new(&budget, place);
            assert_eq!(share.raise(FREE - number), Ok(Raised::Later));
            share
        })
        .collect();
    let mut late = BudgetShare::new(&budget, &late);
    assert_eq!(late.raise(1), Err(NO_ROOM));
    held.lower(FREE / 2);
    assert_eq!(late.raise(1), Err(NO_ROOM), "others came before");
    assert!(called.lock().unwrap().is_empty());
    drop(held);
    for (number, place) in waiting.iter().enumerate() {
        assert_eq!(called.lock().unwrap().last(), Some(&place.number()));
        let next = shares.get_mut(1);
        assert!(next.is_none_or(|share| share.turn(false) == Turned::NotYet));
        assert_eq!(shares[0].turn(false), Turned::Granted, "{number}");
        drop(shares.remove(0));
    }
    assert_eq!(called.lock().unwrap().len(), 3);
    assert_eq!((budget.waiting(), budget.left()), (0, FREE));
}

#[test]
fn nobody_waits_for_more_while_it_holds_some() {
    let budget = budget(4, 2);
    let ([one, other], _callers) = places();
    let [mut one, mut other] = [&one, &other].map(|place| {
        let mut share = BudgetShare::new(&budget, place);
        assert_eq!(share.raise(2), Ok(Raised::Now));
        share
    });
    assert_eq!(one.raise(4), Ok(Raised::Later));
    assert!(!one.has(1));
    assert_eq!(other.raise(4), Ok(Raised::Later));
    assert_eq!(one.turn(false), Turned::Granted);
    drop(one);
    assert_eq!(other.turn(false), Turned::Granted);
    drop(other);
    assert_eq!(budget.left(), 4);
}

#[test]
fn who_waits_in_vain_or_goes_lets_the_next_one_pass_and_leaves_nothing() {
    let (budget, called) = calling(4, 3);
    let ([holder, late, gone, next], _callers) = places();
    let mut held = BudgetShare::new(&budget, &holder);
    assert_eq!(held.raise(2), Ok(Raised::Now));
    let mut late = BudgetShare::new(&budget, &late);
    let mut gone = BudgetShare::new(&budget, &gone);
    let next_number = next.number();
    let mut next = BudgetShare::new(&budget, &next);
    for share in [&mut late, &mut gone] {
        assert_eq!(share.raise(3), Ok(Raised::Later));
    }
    assert_eq!(next.raise(2), Ok(Raised::Later));
    assert_eq!(late.turn(true), Turned::Denied);
    drop(gone);
    assert_eq!(*called.lock().unwrap(), [next_number]);
    // It was granted, and goes before it has heard of it.
    drop(next);
    assert_eq!((budget.left(), budget.waiting()), (2, 0));
}

#[test]
fn what_never_fits_is_refused_at_once() {
    let budget = budget(FREE, 8);
    let ([place], _callers) = places();
    let mut share = BudgetShare::new(&budget, &place);
    assert_eq!(share.raise(FREE + 1), Err(NO_ROOM));
}

#[test]
fn who_waits_for_more_than_there_is_any_more_lets_others_pass() {
    let (budget, called) = calling(4, 2);
    let ([holder, large, small], _callers) = places();
    let numbers = [large.number(), small.number()];
    let mut held = BudgetShare::new(&budget, &holder);
    assert_eq!(held.raise(4), Ok(Raised::Now));
    let mut large = BudgetShare::new(&budget, &large);
    assert_eq!(large.raise(4), Ok(Raised::Later));
    let mut small = BudgetShare::new(&budget, &small);
    assert_eq!(small.raise(1), Ok(Raised::Later));
    budget.resize(3, 2);
    assert_eq!(large.turn(false), Turned::Denied);
    assert_eq!(small.turn(false), Turned::NotYet);
    drop(held);
    assert_eq!(small.turn(false), Turned::Granted);
    assert_eq!(*called.lock().unwrap(), numbers);
}
