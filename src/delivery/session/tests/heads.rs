//! Answers whose head came and whose rest did not.

use super::*;
use crate::http2::ErrorCode;
use crate::provider::{Again, LaneEffect};

/// What keeps the rest of an answer away: on streams of the daemon's, on a settled connection.
type Fault = fn(&mut Wire, StreamId);

const FATES: &[(&str, Fault)] = &[
    ("more content than we take", |wire, stream| {
        for _ in 0..5 {
            // Nothing, once the stream was reset.
            let _sent = wire.server.send_data(stream, &[b' '; 0x4000], false);
            wire.settle();
        }
    }),
    ("no end of it within its time", |wire, _| {
        wire.time_out(wire.now.monotonic + TIMEOUT);
        wire.settle();
    }),
    ("reset", |wire, stream| {
        wire.server.reset(stream, ErrorCode::INTERNAL_ERROR);
        wire.settle();
    }),
    ("refused", |wire, stream| {
        wire.server.reset(stream, ErrorCode::REFUSED_STREAM);
        wire.settle();
    }),
    ("content of another length", |wire, stream| {
        // The head said 70,000.
        wire.server.send_data(stream, b"{}", true).unwrap();
        wire.settle();
    }),
    ("GOAWAY below it", |wire, _| {
        wire.server.send_goaway(0, ErrorCode::NO_ERROR, b"");
        wire.settle();
    }),
    ("the end of the connection", |wire, _| {
        wire.client.transport_closed();
        wire.events();
    }),
    ("our own end", |wire, _| {
        wire.client.close(ErrorCode::NO_ERROR);
        wire.events();
    }),
    ("a purge of its push", |wire, _| {
        let (session, http2) = (&mut wire.session, &mut wire.client);
        let back = session.cancel(PushId(1), http2, wire.now, &mut wire.ended);
        assert!(back.is_none(), "it ends by its answer");
    }),
    ("a broken connection", |wire, _| {
        wire.client.receive(&[0xff; 9], wire.now.monotonic);
        wire.events();
    }),
];

/// The head of an answer to a push has come, and what it says of its content is not yet true.
fn answered(address: Arc<dyn Addressing>, status: u16, fields: &[Field<'_>]) -> Wire {
    let is_fcm = address.provider().name() == "FCM";
    let mut wire = Wire::new(address, 10);
    wire.send(
        if is_fcm {
            android(1)
        } else {
            pushes(1, |_| {})
        }
        .remove(0),
    );
    wire.settle();
    wire.server.send_response(1, status, fields, None).unwrap();
    wire.settle();
    assert!(wire.ended.is_empty(), "the rest is awaited");
    wire
}

fn literal<'a>(name: &'a str, value: &'a str) -> Field<'a> {
    Field {
        name: name.as_bytes(),
        value: value.as_bytes(),
        indexing: Indexing::Literal,
    }
}

/// What became of the one push; it ended once.
fn only(wire: &mut Wire) -> Ended {
    assert_eq!(wire.ended.len(), 1);
    wire.ended.remove(0)
}

#[test]
fn a_200_is_believed_whatever_becomes_of_its_rest() {
    for (what, befall) in FATES {
        for address in [apns(), fcm()] {
            let mut wire = answered(address, 200, &[literal("content-length", "70000")]);
            befall(&mut wire, 1);
            wire.session.abandon("lost", wire.now, &mut wire.ended);
            let outcome = only(&mut wire).outcome;
            let Outcome::Answered(answer) = outcome else {
                panic!("{what}: {outcome:?}")
            };
            assert_eq!(answer.verdict, Verdict::Succeeded, "{what}");
            assert_eq!(wire.session.answered(), 1, "{what}");
        }
    }
}

#[test]
fn a_200_that_ends_its_stream_is_believed_whatever_length_it_names() {
    for address in [apns(), fcm()] {
        let is_fcm = address.provider().name() == "FCM";
        let mut wire = Wire::new(address, 10);
        let mut one = if is_fcm {
            android(1)
        } else {
            pushes(1, |_| {})
        };
        wire.send(one.remove(0));
        wire.settle();
        let fields = [literal("content-length", "70000")];
        wire.server
            .send_response(1, 200, &fields, Some(b""))
            .unwrap();
        wire.settle();
        let Outcome::Answered(answer) = only(&mut wire).outcome else {
            panic!("no answer")
        };
        assert_eq!(answer.verdict, Verdict::Succeeded);
    }
}

#[test]
fn a_connection_lost_without_its_events_loses_no_200() {
    let mut wire = answered(apns(), 200, &[]);
    wire.session.abandon("lost", wire.now, &mut wire.ended);
    assert_eq!(wire.outcomes(), [(1, "200 ".to_owned())]);
    let mut wire = answered(apns(), 400, &[]);
    wire.session.abandon("lost", wire.now, &mut wire.ended);
    assert_eq!(wire.outcomes(), [(1, "unknown".to_owned())]);
}

/// Nobody knows whom such a refusal is about: by its status alone, each of these would end the push
/// or hold the lane.
#[test]
fn a_refusal_whose_reason_did_not_come_is_asked_for_again() {
    for (what, befall) in FATES
        .iter()
        .filter(|(what, _)| !what.starts_with("more content"))
    {
        for (address, status) in [
            (apns(), 400),
            (apns(), 403),
            (apns(), 410),
            (fcm(), 401),
            (fcm(), 403),
            (fcm(), 404),
        ] {
            let mut wire = answered(address, status, &[literal("content-length", "70000")]);
            befall(&mut wire, 1);
            let ended = only(&mut wire);
            let Outcome::Answered(answer) = ended.outcome else {
                panic!("{what}: {:?}", ended.outcome);
            };
            assert_eq!(
                answer.verdict,
                Verdict::Retry(Again::BACKOFF),
                "{what}, {status}"
            );
            assert_eq!((answer.status, answer.lane), (status, LaneEffect::None));
            assert!(!answer.proves, "it opens no held lane");
            let beginning = format!("answered {status}, and the reason did not come: ");
            assert!(answer.error.starts_with(&beginning), "{}", answer.error);
            assert_eq!(wire.session.take_troubles(), []);
        }
    }
}

#[test]
fn trouble_at_the_provider_needs_no_reason() {
    for (address, status) in [(apns(), 503), (fcm(), 429), (fcm(), 503)] {
        let fields = [literal("retry-after", "7")];
        let mut wire = answered(address, status, &fields);
        wire.server.reset(1, ErrorCode::INTERNAL_ERROR);
        wire.settle();
        let Outcome::Answered(answer) = only(&mut wire).outcome else {
            panic!("no answer")
        };
        assert!(matches!(answer.verdict, Verdict::Retry(_)), "{answer:?}");
        assert_eq!(answer.retry_after, Some(Duration::from_secs(7)));
    }
}

#[test]
fn a_refusal_longer_than_we_read_is_judged_by_its_status() {
    let mut wire = answered(apns(), 400, &[]);
    let (_, more_than_we_take) = FATES[0];
    more_than_we_take(&mut wire, 1);
    let Outcome::Answered(answer) = only(&mut wire).outcome else {
        panic!("no answer")
    };
    assert_eq!((answer.status, answer.verdict), (400, Verdict::Refused));
}
