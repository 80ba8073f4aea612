use std::sync::Arc;
use std::time::Instant;

use super::*;
use crate::simulator::provider::Provider;

fn draws(faults: &Faults, connection: u64) -> Vec<Answering> {
    let mut dice = Dice::new(faults.seed, Provider::Apns, connection);
    (0..10_000).map(|_| dice.draw(faults).answering).collect()
}

#[test]
fn no_faults_asked_means_none_drawn() {
    assert!(
        draws(&Faults::default(), 0)
            .iter()
            .all(|draw| *draw == Answering::Fair)
    );
}

#[test]
fn a_hundred_percent_means_each_one() {
    let refusing = Faults {
        refuse_percent: 100.0,
        ..Faults::default()
    };
    assert!(
        draws(&refusing, 0)
            .iter()
            .all(|draw| *draw == Answering::Refuse)
    );
    let failing = Faults {
        fail_percent: 100.0,
        ..Faults::default()
    };
    assert!(
        draws(&failing, 0)
            .iter()
            .all(|draw| matches!(draw, Answering::Fail(_)))
    );
}

#[test]
fn percentages_are_met_within_a_tenth() {
    let faults = Faults {
        fail_percent: 20.0,
        refuse_percent: 10.0,
        ..Faults::default()
    };
    let drawn = draws(&faults, 3);
    let refused = drawn
        .iter()
        .filter(|draw| **draw == Answering::Refuse)
        .count();
    let failed = drawn
        .iter()
        .filter(|draw| matches!(draw, Answering::Fail(_)))
        .count();
    assert!((900..=1_100).contains(&refused), "{refused}");
    assert!(
        (1_600..=2_000).contains(&failed),
        "20 % of the 90 % not refused: {failed}"
    );
}

#[test]
fn draws_repeat_for_the_same_seed_and_connection_only() {
    let faults = Faults {
        fail_percent: 50.0,
        seed: 7,
        ..Faults::default()
    };
    assert_eq!(draws(&faults, 1), draws(&faults, 1));
    assert_ne!(draws(&faults, 1), draws(&faults, 2));
    assert_ne!(draws(&faults, 1), draws(&Faults { seed: 8, ..faults }, 1));
}

#[test]
fn latency_stays_within_its_spread() {
    let faults = Faults {
        latency: Duration::from_millis(20),
        latency_spread: Duration::from_millis(5),
        ..Faults::default()
    };
    let mut dice = Dice::new(0, Provider::Apns, 0);
    let drawn: Vec<_> = (0..1_000).map(|_| dice.latency(&faults)).collect();
    assert!(
        drawn
            .iter()
            .all(|held| (20..25).contains(&held.as_millis()))
    );
    assert!(
        drawn.windows(2).any(|pair| pair[0] > pair[1]),
        "never out of order"
    );
}

#[test]
fn named_failures_are_drawn_by_their_share_at_their_own_endpoint() {
    let faults = Faults {
        failures: "TooManyRequests=3,InternalServerError=2,UNAVAILABLE=100"
            .parse()
            .unwrap(),
        ..Faults::default()
    };
    let drawn = draws(&faults, 0);
    let count = |word: &str| {
        let named = |answering: &&Answering| match answering {
            Answering::Named(Failure::Apns(reason)) => reason.word == word,
            _ => false,
        };
        drawn.iter().filter(named).count()
    };
    let (many, internal) = (count("TooManyRequests"), count("InternalServerError"));
    assert!((250..=350).contains(&many), "{many}");
    assert!((150..=250).contains(&internal), "{internal}");
    let fair = drawn
        .iter()
        .filter(|drawn| **drawn == Answering::Fair)
        .count();
    assert_eq!(
        fair + many + internal,
        drawn.len(),
        "what is FCM's was drawn for APNs"
    );
}

#[test]
fn every_failure_has_a_name_of_its_own() {
    let names = crate::simulator::apns::Reason::ALL
        .iter()
        .map(|reason| reason.word);
    let names = names.chain(crate::simulator::fcm::Fault::NAMES.map(|(name, _)| name));
    let names = names.chain(crate::simulator::oauth::Trouble::NAMES.map(|(name, _)| name));
    let mut names: Vec<_> = names.collect();
    for name in &names {
        let failures = format!("{name}=1").parse::<Failures>();
        assert!(failures.is_ok(), "{failures:?}");
    }
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all);
}

#[test]
fn what_cannot_be_is_refused() {
    for (text, expected) in [
        ("", "\"\" has no =percent"),
        ("rst@processed", "\"rst@processed\" has no =percent"),
        ("rst=1", "\"rst\" does not have the form kind@point"),
        (
            "bang@data=1",
            "there is no kind of end \"bang\"; there are internal, cancel",
        ),
        (
            "rst@noon=1",
            "there is no point of a request \"noon\"; there are connect, preface",
        ),
        ("refused@processed=1", "refused cannot come at processed"),
        ("tls@connect=1", "tls cannot come at connect"),
        ("silence@answered=1", "silence cannot come at answered"),
        ("deaf@preface=1", "deaf cannot come at preface"),
        (
            "rst@data=60,fin@data=41",
            "the percentages make 101, over 100",
        ),
        ("rst@data=x", "\"x\" is not a percentage from 0 to 100"),
        ("rst@data=-1", "\"-1\" is not a percentage"),
        ("rst@data=NaN", "\"NaN\" is not a percentage"),
    ] {
        let error = text.parse::<Strikes>().unwrap_err();
        assert!(error.starts_with(expected), "{text}: {error}");
    }
}

#[test]
fn strikes_are_drawn_by_their_share_and_point() {
    let faults = Faults {
        strikes: "rst@processed=20,dead@connect=30".parse().unwrap(),
        ..Faults::default()
    };
    let mut dice = Dice::new(0, Provider::Fcm, 0);
    let (mut streams, mut starts) = (0, 0);
    for _ in 0..10_000 {
        if let Some(strike) = dice.draw(&faults).strike {
            assert_eq!((strike.kind, strike.point), (Kind::Rst, Point::Processed));
            streams += 1;
        }
        if let Some(strike) = dice.draw_start(&faults) {
            assert_eq!((strike.kind, strike.point), (Kind::Dead, Point::Connect));
            starts += 1;
        }
    }
    assert!((1_800..=2_200).contains(&streams), "{streams}");
    assert!((2_800..=3_200).contains(&starts), "{starts}");
}

#[test]
fn retry_after_is_a_number_a_date_or_anything() {
    let value = |text: &str| text.parse::<RetryAfter>().unwrap().value(784_111_717);
    assert_eq!(value("120"), "120");
    assert_eq!(value("date+60"), "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(value("99999999999999999999"), "99999999999999999999");
    assert_eq!(value("soon"), "soon");
    for text in ["", "date+soon", "a\nb", &"x".repeat(101)] {
        assert!(text.parse::<RetryAfter>().is_err(), "{text:?}");
    }
}

const SCRIPT: &str = r#"
# A calm start, then a bad day for APNs, then FCM slows down.
[[phase]]
requests = 2

[[phase]]
endpoint = "apns"
connections = 2
fail = "ServiceUnavailable=50"
retry_after = 7
strike = "silence@data=1"

[[phase]]
endpoint = "fcm"
seconds = 1.5
fail = 5
slow = 100

[[phase]]
endpoint = "apns"
connection = 1
seconds = 2
closed = true
"#;

fn stage(text: &str, provider: Provider, now: Instant) -> Stage {
    let script = Script::read(text, 9).unwrap();
    Stage::new(&Arc::default(), &script, provider, now)
}

#[test]
fn each_endpoint_goes_through_its_own_phases() {
    let start = Instant::now();
    let after = |millis| start + Duration::from_millis(millis);
    let apns = stage(SCRIPT, Provider::Apns, start);
    assert_eq!(
        *apns.connection(0, start),
        Faults {
            seed: 9,
            ..Faults::default()
        }
    );
    for _ in 0..2 {
        assert_eq!(apns.request(0, start).failures, Failures::default());
    }
    let bad = apns.request(0, start);
    assert_eq!(bad.retry_after, Some("7".parse().unwrap()));
    assert_eq!(bad.failures, "ServiceUnavailable=50".parse().unwrap());
    // A phase of two connections lasts until the third comes.
    for number in 1..3 {
        assert_eq!(apns.connection(number, start), bad);
        assert_eq!(apns.request(number, after(1_000)), bad);
    }
    assert!(apns.next_change().is_none());
    assert_eq!(*apns.connection(3, after(1_000)), Faults::default());
    assert!(apns.faults(1, after(1_000)).closed, "on connection 1 alone");
    assert_eq!(apns.next_change(), Some(after(3_000)));
    assert!(apns.faults(1, after(2_999)).closed);
    assert!(!apns.faults(1, after(3_000)).closed);

    let fcm = stage(SCRIPT, Provider::Fcm, start);
    for _ in 0..2 {
        fcm.request(5, start);
    }
    let slow = fcm.faults(5, after(100));
    assert_eq!((slow.slow, slow.fail_percent), (NonZeroU32::new(100), 5.0));
    assert_eq!(*fcm.faults(5, after(1_600)), Faults::default());
    assert!(!stage(SCRIPT, Provider::OAuth, start).is_scripted());
}

#[test]
fn a_script_that_repeats_begins_again() {
    let start = Instant::now();
    let text = "repeat = true\n[[phase]]\nseconds = 1\n[[phase]]\nseconds = 2\nstreams = 0\n";
    let stage = stage(text, Provider::Apns, start);
    for (second, streams) in [
        (0, None),
        (1, Some(0)),
        (2, Some(0)),
        (3, None),
        (4, Some(0)),
    ] {
        let now = start + Duration::from_secs(second);
        assert_eq!(stage.faults(0, now).streams, streams, "in second {second}");
    }
    assert_eq!(
        stage.faults(0, start + Duration::from_secs(3_003)).streams,
        None
    );
}

#[test]
fn a_script_that_is_wrong_is_refused_with_the_line() {
    let many = "[[phase]]\n".repeat(MAX_PHASES + 1);
    let long = "#".repeat(MAX_SCRIPT + 1);
    for (text, expected) in [
        ("[[phase]]\nfial = 5\n", "2: unknown field `fial`"),
        (
            "[[phase]]\n\nfail = 101\n",
            "3: \"101\" is not a percentage from 0 to 100",
        ),
        ("[[phase]]\nrequests = 0\n", "2: invalid value"),
        (
            "[[phase]]\nstrike = \"rst@noon=1\"\n",
            "2: there is no point of a request",
        ),
        (
            "[[phase]]\nendpoint = \"gcm\"\n",
            "2: there is no endpoint \"gcm\"",
        ),
        (
            "[[phase]]\nseconds = -1\n",
            "2: -1 is not a time of up to a day",
        ),
        (
            "[[phase]]\nseconds = 86400.5\n",
            "2: 86400.5 is not a time of up to a day",
        ),
        ("phase = 1\n", "1: invalid type"),
        ("[[phase]\n", "1: "),
        (
            "repeat = true\n[[phase]]\nfail = 1\n",
            "2: phase 1 has no end",
        ),
        (
            "\n[[phase]]\nrequests = 1\nclosed = true\n",
            "2: closed needs seconds",
        ),
        (&many, "1: there are over 256 phases"),
        (&long, "1: the script is over 65536 bytes"),
    ] {
        let error = Script::read(text, 0).unwrap_err();
        let shown = text.get(..40).unwrap_or(text);
        assert!(error.starts_with(expected), "{shown:?}: {error}");
    }
}
