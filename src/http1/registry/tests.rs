use std::os::unix::net::UnixStream;

use super::*;

fn enter(registry: &Arc<Registry>) -> (Place, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    (registry.enter(ListeningSocket::Unix(ours)), theirs)
}

fn hears_no_more(place: &Place) -> bool {
    place.slot.is_evicted() && matches!(place.slot.socket.read_now(&mut [0; 1]), Ok(0))
}

/// Asks until there is room: nobody is closed in its first moments.
fn room(registry: &Registry, most: usize) {
    loop {
        match registry.make_room(most) {
            Room::Free => return,
            Room::Soon(_) | Room::Busy => std::thread::park_timeout(MOMENT),
        }
    }
}

#[test]
fn who_is_behind_goes_first_then_the_longest_idle_and_who_has_a_request_never() {
    let registry = Registry::new();
    let (busy, _busy_client) = enter(&registry);
    let (older, _older_client) = enter(&registry);
    let (newer, _newer_client) = enter(&registry);
    let (half, _half_client) = enter(&registry);
    busy.slot.begin();
    older.slot.fall_idle().unwrap();
    newer.slot.fall_idle().unwrap();
    half.slot.begin();
    half.slot.wait(Awaited::Head, 0).unwrap();
    assert_eq!(registry.make_room(5), Room::Free);
    for (most, place) in [(4, &half), (3, &older), (2, &newer)] {
        assert!(!place.slot.is_evicted());
        room(&registry, most);
        assert!(hears_no_more(place), "one of {most} too many");
    }
    assert_eq!(registry.make_room(1), Room::Busy);
    assert!(!busy.slot.is_evicted() && busy.parts());
    let tally = registry.take_closed();
    assert_eq!((tally.unfinished, tally.idle, tally.parting), (1, 2, 1));
    assert_eq!(registry.take_closed(), CrowdTally::default());
    busy.slot.fall_idle().unwrap();
    room(&registry, 1);
    assert!(hears_no_more(&busy));
    // Whose answer said that the connection ends has lost nothing.
    let (parting, _parting_client) = enter(&registry);
    registry.take_closed();
    parting.slot.wait(Awaited::Farewell, 0).unwrap();
    room(&registry, 1);
    assert!(parting.slot.is_evicted());
    assert_eq!(registry.take_closed(), CrowdTally::default());
}

#[test]
fn what_has_come_and_was_not_read_does_not_count_against_a_caller() {
    let registry = Registry::new();
    let (place, client) = enter(&registry);
    std::io::Write::write_all(&mut &client, b"G").unwrap();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(50) {
        assert!(matches!(registry.make_room(1), Room::Soon(_)));
    }
    assert_eq!(place.slot.socket.read_now(&mut [0; 1]).unwrap(), 1);
    room(&registry, 1);
}

#[test]
fn a_request_that_was_read_before_its_connection_was_closed_is_answered() {
    let registry = Registry::new();
    let (place, client) = enter(&registry);
    room(&registry, 1);
    assert_eq!(registry.lock().leaving, 1);
    place.slot.begin();
    place.work();
    assert_eq!(registry.lock().leaving, 0, "it stays for a while");
    place.slot.socket.write_now(b"x").unwrap();
    assert_eq!(std::io::Read::read(&mut &client, &mut [0; 9]).unwrap(), 1);
    assert_eq!(place.slot.wait(Awaited::Head, 0), Err(Evicted));
    assert_eq!(place.slot.fall_idle(), Err(Evicted));
}

#[test]
fn as_many_stay_as_leave_places_for_others() {
    let registry = Registry::new();
    let places: Vec<_> = (0..16).map(|_| enter(&registry)).collect();
    let parting = || places.iter().filter(|(place, _)| place.parts()).count();
    assert_eq!(registry.make_room(18), Room::Free);
    assert_eq!(parting(), 0, "two places are spare");
    assert_eq!(registry.make_room(17), Room::Free);
    assert_eq!(parting(), 1);
    // Those that were never answered take nobody's place.
    let silent: Vec<_> = (0..9).map(|_| enter(&registry)).collect();
    assert_eq!(registry.make_room(26), Room::Free);
    assert_eq!(parting(), 0);
    drop((places, silent));
    // Where there are few places, one parts for one that waits.
    let places: Vec<_> = (0..2).map(|_| enter(&registry)).collect();
    let parting = || places.iter().filter(|(place, _)| place.parts()).count();
    for (place, _) in &places {
        place.slot.begin();
    }
    assert_eq!(registry.make_room(3), Room::Free);
    assert_eq!(parting(), 0);
    assert_eq!(registry.make_room(2), Room::Busy);
    assert_eq!(parting(), 1);
    assert_eq!(registry.take_closed().parting, 2);
    drop(places);
    assert_eq!(registry.lock().staying, 0);
}

#[test]
fn those_that_leave_are_few() {
    let registry = Registry::new();
    let mut places: Vec<_> = (0..=LEAVING_MAX).map(|_| enter(&registry)).collect();
    room(&registry, 2);
    assert_eq!(registry.lock().leaving, LEAVING_MAX);
    places.push(enter(&registry));
    assert_eq!(registry.make_room(2), Room::Soon(MOMENT));
    let leaves = places.iter().position(|(place, _)| place.slot.is_evicted());
    drop(places.remove(leaves.unwrap()));
    room(&registry, 2);
}

#[test]
fn memory_is_freed_by_who_holds_it_and_lets_us_wait() {
    let registry = Registry::new();
    let (behind, _behind_client) = enter(&registry);
    let (free, _free_client) = enter(&registry);
    let (busy, _busy_client) = enter(&registry);
    for place in [&behind, &free] {
        place.slot.begin();
        place.slot.wait(Awaited::Body, 0).unwrap();
    }
    busy.slot.begin();
    behind.slot.hold(10);
    busy.slot.hold(10);
    while !behind.slot.is_evicted() {
        registry.free_memory(1);
        std::thread::yield_now();
    }
    let (other, _other_client) = enter(&registry);
    other.slot.begin();
    other.slot.hold(1);
    other.slot.wait(Awaited::Body, 0).unwrap();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(50) {
        registry.free_memory(10);
    }
    assert!(!other.slot.is_evicted(), "enough is coming");
    drop(behind);
    while !other.slot.is_evicted() {
        registry.free_memory(10);
        std::thread::yield_now();
    }
    assert!(!free.slot.is_evicted() && !busy.slot.is_evicted());
}

#[test]
fn at_the_end_who_has_just_come_is_spared_for_a_while() {
    let registry = Registry::new();
    let (place, _client) = enter(&registry);
    registry.evict_all_idle_for(Duration::from_secs(3600));
    assert!(!place.slot.is_evicted());
    registry.evict_all_idle_for(Duration::ZERO);
    assert!(hears_no_more(&place));
}

#[test]
fn a_request_that_waits_is_no_sign_that_all_are_busy_as_long_as_others_are_taken_up() {
    let registry = Registry::new();
    let (place, _client) = enter(&registry);
    place.slot.begin();
    place.queue();
    assert_eq!(registry.make_room(1), Room::Busy);
    place.take_up();
    assert_eq!(registry.make_room(1), Room::Busy, "it is answered");
    place.queue();
    assert_eq!(registry.make_room(1), Room::Soon(MOMENT));
    while registry.make_room(1) != Room::Busy {
        std::thread::yield_now();
    }
}

#[test]
fn leaving_makes_room() {
    let registry = Registry::new();
    let (place, _client) = enter(&registry);
    assert_eq!(registry.len(), 1);
    assert!(!registry.wait_below(1, Duration::ZERO));
    drop(place);
    assert!(registry.wait_below(1, Duration::ZERO));
}
