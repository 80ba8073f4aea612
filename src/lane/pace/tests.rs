use proptest::prelude::*;

use super::*;

/// The greatest rate that the configuration allows.
const RATE_MAX: u32 = 100_000;

fn pace(rate: u32, now: Instant) -> Pace {
    Pace::new(NonZeroU32::new(rate).unwrap(), now)
}

/// A pace whose ramp is over, with all the tickets that it keeps.
fn at_full_rate(rate: u32, now: Instant) -> (Pace, Instant) {
    let mut pace = pace(rate, now);
    assert_eq!(pace.take(now, 1), 1);
    // One more on the way, lest it should count as rested.
    let midway = now + RAMP / 2;
    pace.take(midway, 1);
    (pace, now + RAMP + Duration::from_secs(1))
}

/// Takes all there is whenever there is something, for so long; when, and how many.
fn drain(pace: &mut Pace, start: Instant, length: Duration) -> Vec<(Instant, usize)> {
    let mut now = start;
    let mut taken = Vec::new();
    while now < start + length {
        let tickets = pace.take(now, usize::MAX);
        if tickets > 0 {
            taken.push((now, tickets));
        } else {
            assert!(pace.not_before() > now, "no end of asking");
            now = pace.not_before();
        }
    }
    taken
}

fn total(taken: &[(Instant, usize)]) -> usize {
    taken.iter().map(|(_, tickets)| tickets).sum()
}

#[test]
fn the_full_rate_is_reached_and_kept() {
    for rate in [1, 7, 99, 200, 9_000, RATE_MAX] {
        let (mut pace, now) = at_full_rate(rate, Instant::now());
        let taken = total(&drain(&mut pace, now, Duration::from_secs(100)));
        let due = rate as usize * 100;
        let burst = (rate as usize / 20).max(1);
        assert!(
            taken >= due && taken <= due + burst + 1,
            "{taken} at {rate}/s in 100 s"
        );
    }
}

#[test]
fn no_moment_gets_more_than_its_share() {
    let (mut pace, now) = at_full_rate(9_000, Instant::now());
    let taken = drain(&mut pace, now, Duration::from_secs(10));
    let (first, others) = taken.split_first().unwrap();
    assert_eq!(first.1, 450, "what BURST brings");
    assert!(others.iter().all(|(_, tickets)| *tickets == 90), "GATHER");
    for pair in others.windows(2) {
        assert_eq!(pair[1].0 - pair[0].0, GATHER);
    }
}

#[test]
fn the_ramp_begins_at_a_tenth_and_takes_its_time() {
    let now = Instant::now();
    let mut pace = pace(1_000, now);
    // The time before the first push is not part of it.
    let start = now + Duration::from_secs(1000);
    let taken = drain(&mut pace, start, RAMP + Duration::from_secs(10));
    let within = |from: u64, to: u64| {
        let span = start + Duration::from_secs(from)..start + Duration::from_secs(to);
        let within = taken.iter().filter(|(at, _)| span.contains(at));
        within.map(|(_, tickets)| tickets).sum::<usize>()
    };
    for (second, due) in [(0, 107), (30, 557), (59, 992), (60, 1_000), (69, 1_000)] {
        let tickets = within(second, second + 1);
        assert!(tickets.abs_diff(due) <= 11, "{tickets} in second {second}");
    }
    let whole = within(0, 60);
    assert!(whole.abs_diff(33_000) <= 11, "{whole} on the ramp");
}

#[test]
fn a_pause_and_a_rest_start_the_ramp_over() {
    let now = Instant::now();
    let second = Duration::from_secs(1);
    let (mut paused, then) = at_full_rate(1_000, now);
    assert!(total(&drain(&mut paused, then, second)) >= 1_000);
    paused.restart();
    let taken = total(&drain(&mut paused, then + second, second));
    assert!(taken.abs_diff(107) <= 11, "{taken}");

    let (mut rested, then) = at_full_rate(1_000, now);
    assert!(total(&drain(&mut rested, then, second)) >= 1_000);
    let not_yet = then + Duration::from_millis(59_999);
    assert!(total(&drain(&mut rested, not_yet, second)) >= 1_000);
    let rest_over = not_yet + second + RAMP;
    let taken = total(&drain(&mut rested, rest_over, second));
    assert!(taken.abs_diff(107) <= 11, "{taken}");
}

#[test]
fn what_is_given_back_can_be_taken_again_and_no_more() {
    let (mut pace, now) = at_full_rate(1_000, Instant::now());
    assert_eq!(pace.take(now, 20), 20);
    pace.give_back(15);
    assert_eq!(pace.take(now, usize::MAX), 45);
    pace.give_back(1_000);
    assert_eq!(pace.take(now, usize::MAX), 50);
    assert_eq!(pace.take(now, 0), 0);
}

#[test]
fn a_clock_that_is_read_late_brings_nothing_twice() {
    let (mut pace, now) = at_full_rate(1_000, Instant::now());
    let later = now + Duration::from_millis(10);
    assert_eq!(pace.take(later, usize::MAX), 50);
    assert_eq!(pace.take(now, usize::MAX), 0);
    assert_eq!(pace.take(later + GATHER, usize::MAX), 10);
}

proptest! {
    /// Whoever asks whenever for however many, gives back what he likes, pauses and rests.
    #[test]
    fn in_any_window_no_more_goes_than_the_rate_and_the_burst(
        rate in prop_oneof![1_u32..50, 50_u32..2_000, Just(9_000), Just(RATE_MAX)],
        steps in prop::collection::vec(
            (
                prop_oneof![
                    0_u64..2_000_000, 0_u64..200_000_000, 0_u64..20_000_000_000,
                    Just(61_000_000_000),
                ],
                prop_oneof![1_usize..100, Just(usize::MAX)],
                0_usize..40,
                prop::bool::weighted(0.05),
            ),
            1..150,
        ),
    ) {
        let mut now = Instant::now();
        let mut pace = pace(rate, now);
        let mut gone: Vec<(Instant, usize)> = Vec::new();
        for (nanos, wanted, returned, pauses) in steps {
            now += Duration::from_nanos(nanos);
            if pauses {
                pace.restart();
            }
            let taken = pace.take(now, wanted);
            prop_assert!(taken <= wanted);
            prop_assert!(taken > 0 || pace.not_before() > now, "nothing, and no time to ask again");
            let returned = returned.min(taken);
            pace.give_back(returned);
            gone.push((now, taken - returned));
        }
        let rate = u128::from(rate);
        let burst = (rate * BURST.as_nanos()).max(TICKET);
        for (first, (begin, _)) in gone.iter().enumerate() {
            let mut tickets = 0;
            for (end, taken) in gone.iter().skip(first) {
                tickets += *taken as u128;
                let allowed = burst + rate * (*end - *begin).as_nanos();
                prop_assert!(tickets * TICKET <= allowed, "{tickets} in {:?}", *end - *begin);
            }
        }
    }
}

#[test]
fn who_finds_a_part_of_a_ticket_waits_for_the_rest_of_it() {
    let (mut pace, now) = at_full_rate(10, Instant::now());
    assert_eq!(pace.take(now, 1), 1);
    // One comes each 100 ms.
    assert_eq!(pace.take(now + Duration::from_millis(60), 1), 0);
    assert_eq!(pace.not_before() - now, Duration::from_millis(100));
    assert_eq!(pace.take(pace.not_before(), 1), 1);
}
