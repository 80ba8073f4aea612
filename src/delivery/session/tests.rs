mod allowances;
mod credentials;
mod ends;
mod heads;
mod liveness;
mod own_fields;
mod streams;

use std::sync::Arc;

use super::*;
use crate::http2::{Field, Fields, Indexing, Options};
use crate::oauth::AccessToken;
use crate::provider::fixture::built;
use crate::provider::{self, Addressing, apns, fcm};
use crate::push::{DeviceToken, LaneId, Notification, PushId};

const TIMEOUT: Duration = Duration::from_secs(10);

/// A session on a client core, joined in memory to a server core.
struct Wire {
    session: Session,
    client: Connection,
    server: Connection,
    now: Moment,
    ended: Vec<Ended>,
    heard: Vec<(StreamId, Fields, Vec<u8>)>,
}

impl Wire {
    fn new(address: Arc<dyn Addressing>, streams: u32) -> Self {
        let now = Moment {
            stood: Duration::ZERO,
            monotonic: Instant::now(),
            unix: Duration::from_secs(1_790_000_000),
        };
        let mut client = Connection::client(
            Options {
                streams_before_settings: 1,
                ..Options::default()
            },
            now.monotonic,
        );
        let options = Options {
            max_concurrent_streams: Some(streams),
            ..Options::default()
        };
        let server = Connection::server(options, now.monotonic);
        let mut session = Session::new(Requests::new(address), TIMEOUT, ConnectionId::new(1));
        session.set_credential(Some(Credential::Certificate), &mut client);
        let mut wire = Self {
            session,
            client,
            server,
            now,
            ended: vec![],
            heard: vec![],
        };
        wire.settle();
        wire
    }

    fn apns(streams: u32) -> Self {
        Self::new(apns(), streams)
    }

    /// Carries bytes both ways until nothing moves.
    fn settle(&mut self) {
        loop {
            let up = self.client.output().to_vec();
            self.client.advance_output(up.len());
            self.server.receive(&up, self.now.monotonic);
            while let Some(event) = self.server.poll_event() {
                match event {
                    Event::Head { stream, fields, .. } => {
                        self.heard.push((stream, fields, Vec::new()));
                    }
                    Event::Data { stream, data, .. } => {
                        self.server.release(stream, data.len());
                        let request = self.heard.iter_mut().find(|heard| heard.0 == stream);
                        request.unwrap().2.extend_from_slice(&data);
                    }
                    _ => {}
                }
            }
            let down = self.server.output().to_vec();
            self.server.advance_output(down.len());
            if up.is_empty() && down.is_empty() {
                return;
            }
            self.client.receive(&down, self.now.monotonic);
            self.events();
        }
    }

    fn events(&mut self) {
        while let Some(event) = self.client.poll_event() {
            self.session
                .handle_event(event, &mut self.client, self.now, &mut self.ended);
        }
    }

    /// The session's time-outs, as if it were `at`.
    fn time_out(&mut self, at: Instant) {
        let at = Moment {
            monotonic: at,
            ..self.now
        };
        self.session
            .handle_timeout(&mut self.client, at, &mut self.ended);
    }

    fn send(&mut self, push: Push) {
        self.session.send(push, &mut self.client, self.now).unwrap();
    }

    fn answer(&mut self, stream: StreamId, status: u16, body: &[u8]) {
        let field = Field {
            name: b"apns-id",
            value: b"73746572-6e61-8000-8000-000000000001",
            indexing: Indexing::Literal,
        };
        self.server
            .send_response(stream, status, &[field], Some(body))
            .unwrap();
        self.settle();
    }

    fn room(&self) -> usize {
        self.room_for(PushClass::Transactional, usize::MAX)
    }

    fn room_for(&self, class: PushClass, stream_limit: usize) -> usize {
        self.session.room(&self.client, stream_limit, class)
    }

    fn outcomes(&mut self) -> Vec<(u64, String)> {
        let mut outcomes: Vec<_> = self
            .ended
            .drain(..)
            .map(|ended| (ended.push.id().0, kind(&ended.outcome)))
            .collect();
        outcomes.sort();
        outcomes
    }
}

fn kind(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Answered(answer) => format!("{} {}", answer.status, answer.reason),
        Outcome::NotSent => "not sent".to_owned(),
        Outcome::NotProcessed(_) => "not processed".to_owned(),
        Outcome::Unknown(_) | Outcome::Forgotten(_) => "unknown".to_owned(),
    }
}

fn pushes(count: usize, change: impl FnOnce(&mut Notification)) -> Vec<Push> {
    let mut notification = Notification::empty(LaneId::IOS);
    change(&mut notification);
    let now = Moment {
        stood: Duration::ZERO,
        monotonic: Instant::now(),
        unix: Duration::from_secs(1_790_000_000),
    };
    let built = built(&mut notification, now);
    let accepted = Arc::new(provider::accept(
        &notification,
        &built,
        (0..count)
            .map(|n| DeviceToken::new(format!("AB{n:02}")))
            .collect::<Box<_>>(),
        PushId(1),
        now,
    ));
    Push::all(&accepted).collect()
}

fn android(count: usize) -> Vec<Push> {
    pushes(count, |notification| {
        notification.lane = LaneId::ANDROID;
    })
}

fn apns() -> Arc<dyn Addressing> {
    Arc::new(apns::Address {
        authority: "api.push.apple.com".into(),
        topic: Some("com.example.app".into()),
        ids: Arc::default(),
        other: None,
    })
}

fn fcm() -> Arc<dyn Addressing> {
    Arc::new(fcm::Address {
        authority: "fcm.googleapis.com".into(),
        path: "/v1/projects/p/messages:send".into(),
    })
}

/// A frame's bytes.
fn frame(kind: u8, flags: u8, stream: StreamId, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [length[1], length[2], length[3], kind, flags];
    [&head[..], &stream.to_be_bytes(), payload].concat()
}

const WINDOW_UPDATE: u8 = 8;

/// A wire to Apple on which so many pushes are in flight.
fn in_flight(count: usize) -> Wire {
    let mut wire = Wire::apns(10);
    for push in pushes(count, |_| {}) {
        wire.send(push);
    }
    wire.settle();
    assert_eq!(wire.session.in_flight(), count);
    wire
}

fn field<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields
        .get(name.as_bytes())
        .map(|value| std::str::from_utf8(value).unwrap())
}

#[test]
fn an_alert_is_one_request_with_the_fields_apple_asks_for() {
    let mut wire = Wire::apns(10);
    let push = pushes(1, |notification| {
        notification.message = "hello".into();
        notification.expiry = 60;
    });
    wire.send(push.into_iter().next().unwrap());
    wire.settle();
    let (stream, fields, content) = wire.heard[0].clone();
    let names: Vec<_> = fields
        .iter()
        .map(|(name, _)| String::from_utf8_lossy(name).into_owned())
        .collect();
    assert_eq!(
        names,
        [
            ":method",
            ":scheme",
            ":authority",
            ":path",
            "apns-topic",
            "apns-push-type",
            "apns-id",
            "apns-expiration",
            "content-length",
        ]
    );
    assert_eq!(field(&fields, ":path"), Some("/3/device/ab00"));
    assert_eq!(field(&fields, "apns-push-type"), Some("alert"));
    assert_eq!(field(&fields, "apns-expiration"), Some("1790000060"));
    assert_eq!(
        field(&fields, "apns-id"),
        Some("73746572-6e61-8000-8000-000000000001")
    );
    assert_eq!(content, br#"{"aps":{"alert":"hello"}}"#);
    wire.answer(stream, 200, b"");
    assert_eq!(wire.outcomes(), [(1, "200 ".to_owned())]);
    assert_eq!(wire.session.in_flight(), 0);
}

#[test]
fn a_background_push_has_priority_5() {
    let mut wire = Wire::apns(10);
    let push = pushes(1, |notification| {
        notification.push_type = "background".into();
        notification.content_available = true;
    });
    wire.send(push.into_iter().next().unwrap());
    wire.settle();
    let fields = &wire.heard[0].1;
    assert_eq!(field(fields, "apns-push-type"), Some("background"));
    assert_eq!(field(fields, "apns-priority"), Some("5"));
}

#[test]
fn an_fcm_push_is_told_how_much_of_its_time_is_left() {
    let mut wire = Wire::new(fcm(), 10);
    let push = pushes(1, |notification| {
        notification.lane = LaneId::ANDROID;
        notification.message = "hello".into();
        notification.time_to_live = 100;
    });
    let push = push.into_iter().next().unwrap();
    wire.now.monotonic = push.accepted().at.monotonic + Duration::from_secs(40);
    wire.send(push);
    wire.settle();
    let content = std::str::from_utf8(&wire.heard[0].2).unwrap();
    assert!(content.contains(r#""token":"AB00""#), "{content}");
    assert!(content.contains(r#""ttl":"60s""#), "{content}");
}

#[test]
fn a_refusal_comes_back_with_reason_and_id() {
    let mut wire = Wire::apns(10);
    wire.send(pushes(1, |_| {}).remove(0));
    wire.settle();
    wire.answer(
        1,
        410,
        br#"{"reason":"Unregistered","timestamp":1577836800000}"#,
    );
    let Outcome::Answered(answer) = &wire.ended[0].outcome else {
        panic!("no answer")
    };
    assert_eq!((answer.status, &*answer.reason), (410, "Unregistered"));
    assert_eq!(answer.gone_since_ms, Some(1_577_836_800_000));
    assert_eq!(
        answer.apns_id.as_deref(),
        Some("73746572-6e61-8000-8000-000000000001")
    );
}

#[test]
fn room_follows_the_provider_s_limit_and_the_operator_s() {
    let mut wire = Wire::apns(1);
    assert_eq!(wire.room(), 1, "APNs: one stream until it says otherwise");
    let mut three = pushes(3, |_| {}).into_iter();
    wire.send(three.next().unwrap());
    assert_eq!(wire.room(), 0);
    let full = wire
        .session
        .send(three.next().unwrap(), &mut wire.client, wire.now);
    assert_eq!(full.unwrap_err().1, SendError::NoStream);
    wire.settle();
    wire.server
        .set_max_concurrent_streams(100, wire.now.monotonic);
    wire.settle();
    assert_eq!(wire.room(), 99);
    assert_eq!(
        wire.room_for(PushClass::Transactional, 2),
        1,
        "pusher_max holds too"
    );
}

#[test]
fn what_goaway_leaves_out_was_not_processed_and_the_rest_is_answered() {
    let mut wire = Wire::apns(10);
    for push in pushes(3, |_| {}) {
        wire.send(push);
    }
    wire.settle();
    wire.server
        .send_goaway(3, ErrorCode::NO_ERROR, br#"{"reason":"Shutdown"}"#);
    wire.settle();
    assert_eq!(wire.outcomes(), [(3, "not processed".to_owned())]);
    assert_eq!(wire.room(), 0);
    assert_eq!(
        wire.session.retiring(),
        Some(r#"GOAWAY NO_ERROR {"reason":"Shutdown"} (this APNs server is shutting down)"#)
    );
    assert_eq!(wire.session.take_goaway_reasons(), [("Shutdown", 1)].into());
    assert!(wire.session.take_goaway_reasons().is_empty(), "it was told");
    wire.answer(1, 200, b"");
    wire.answer(3, 200, b"");
    assert_eq!(
        wire.outcomes(),
        [(1, "200 ".to_owned()), (2, "200 ".to_owned())]
    );
}

#[test]
fn a_refused_stream_was_not_processed() {
    let mut wire = Wire::apns(10);
    wire.send(pushes(1, |_| {}).remove(0));
    wire.settle();
    wire.server.reset(1, ErrorCode::REFUSED_STREAM);
    wire.settle();
    assert_eq!(wire.outcomes(), [(1, "not processed".to_owned())]);
    assert!(wire.session.retiring().is_none());
}

#[test]
fn a_lost_connection_gives_every_push_back_once() {
    let mut wire = Wire::apns(10);
    let mut three = pushes(3, |_| {}).into_iter();
    wire.send(three.next().unwrap());
    wire.send(three.next().unwrap());
    wire.settle();
    wire.send(three.next().unwrap());
    wire.client.transport_closed();
    wire.events();
    wire.session.abandon("lost", wire.now, &mut wire.ended);
    let expected = [(1, "unknown"), (2, "unknown"), (3, "not sent")];
    assert_eq!(
        wire.outcomes(),
        expected.map(|(id, kind)| (id, kind.to_owned()))
    );
}

#[test]
fn a_push_without_an_answer_times_out_and_three_in_silence_retire_the_connection() {
    let mut wire = Wire::apns(10);
    for push in pushes(3, |_| {}) {
        wire.send(push);
    }
    wire.settle();
    assert_eq!(
        wire.session.next_timeout(),
        Some(wire.now.monotonic + TIMEOUT)
    );
    let at = wire.now.monotonic + TIMEOUT;
    wire.time_out(at);
    assert_eq!(wire.outcomes().len(), 3);
    assert_eq!(
        wire.session.retiring(),
        Some("3 requests in a row had no answer")
    );
}

#[test]
fn a_push_that_times_out_on_a_connection_that_was_refused_unheard_is_spared() {
    for answered in [false, true] {
        let mut wire = Wire::apns(10);
        for push in pushes(2, |_| {}) {
            wire.send(push);
        }
        wire.settle();
        if answered {
            wire.answer(1, 200, b"");
        } else {
            wire.server.reset(1, ErrorCode::CANCEL);
            wire.settle();
        }
        let why = br#"{"reason":"BadCertificate"}"#;
        wire.server.send_goaway(3, ErrorCode::NO_ERROR, why);
        wire.settle();
        let at = wire.now.monotonic + TIMEOUT;
        wire.time_out(at);
        let spared: Vec<bool> = wire.ended.iter().map(|it| it.is_spared).collect();
        assert_eq!(spared, [false, !answered], "the reset was of the one push");
    }
}

#[test]
fn time_outs_with_answers_in_between_do_not_retire_the_connection() {
    let mut wire = Wire::apns(10);
    assert!(!wire.session.is_silent(), "nothing was asked yet");
    for push in pushes(4, |_| {}) {
        wire.send(push.clone());
        wire.settle();
        wire.now.monotonic += TIMEOUT;
        wire.time_out(wire.now.monotonic);
        wire.send(push);
        wire.settle();
        let stream = wire.heard.last().unwrap().0;
        wire.answer(stream, 200, b"");
    }
    assert_eq!(wire.ended.len(), 8);
    assert!(wire.session.retiring().is_none());
    // They count from the last answer on.
    assert!(!wire.session.is_silent());
    for push in pushes(SILENT_TIMEOUTS as usize - 1, |_| {}) {
        wire.send(push);
    }
    wire.settle();
    wire.now.monotonic += TIMEOUT;
    wire.time_out(wire.now.monotonic);
    assert!(wire.session.is_silent() && wire.session.retiring().is_none());
}

#[test]
fn a_late_answer_to_a_push_that_timed_out_is_ignored() {
    let mut wire = Wire::apns(10);
    wire.send(pushes(1, |_| {}).remove(0));
    let up = wire.client.output().to_vec();
    wire.client.advance_output(up.len());
    let at = wire.now.monotonic + TIMEOUT;
    wire.time_out(at);
    wire.server.receive(&up, at);
    wire.server.send_response(1, 200, &[], Some(b"")).unwrap();
    wire.settle();
    assert_eq!(wire.outcomes(), [(1, "unknown".to_owned())]);
}

#[test]
fn a_push_that_is_cancelled_is_given_back_and_nothing_more_is_heard_of_it() {
    let mut wire = Wire::apns(10);
    for push in pushes(2, |_| {}) {
        wire.send(push);
    }
    wire.settle();
    let (http2, now, ended) = (&mut wire.client, wire.now, &mut wire.ended);
    let mut cancel = |id| wire.session.cancel(PushId(id), http2, now, ended);
    assert_eq!(cancel(2).map(|it| it.push.id()), Some(PushId(2)));
    assert!(cancel(2).is_none() && cancel(3).is_none());
    assert_eq!(wire.session.in_flight(), 1);
    // RST_STREAM of the third stream with CANCEL, and nothing else.
    let expected = [0, 0, 4, 3, 0, 0, 0, 0, 3, 0, 0, 0, 8];
    assert_eq!(wire.client.output(), expected);
    wire.answer(1, 200, b"");
    assert_eq!(wire.outcomes(), [(1, "200 ".to_owned())]);
}

#[test]
fn answers_that_close_the_connection_do_not_prove_its_use() {
    let mut wire = Wire::apns(10);
    for push in pushes(2, |_| {}) {
        wire.send(push);
    }
    wire.settle();
    wire.answer(1, 403, br#"{"reason":"ExpiredProviderToken"}"#);
    assert!(!wire.session.is_useful());
    wire.answer(3, 410, br#"{"reason":"Unregistered"}"#);
    assert!(wire.session.is_useful());
}

#[test]
fn without_a_credential_there_is_nothing_to_send_with() {
    let mut wire = Wire::apns(10);
    wire.session.set_credential(None, &mut wire.client);
    let token = Credential::AccessToken(AccessToken::for_tests("Bearer abc", 1));
    wire.session.set_credential(Some(token), &mut wire.client);
    wire.send(pushes(1, |_| {}).remove(0));
    wire.settle();
    assert_eq!(field(&wire.heard[0].1, "authorization"), Some("Bearer abc"));
}

#[test]
fn deadlines_do_not_pile_up_behind_one_that_is_not_answered() {
    let mut wire = Wire::apns(10);
    let first = pushes(1, |_| {}).remove(0);
    wire.send(first.clone());
    for _ in 0..2 * STALE_DEADLINES {
        wire.send(first.clone());
        wire.settle();
        let stream = wire.heard.last().unwrap().0;
        wire.answer(stream, 200, b"");
    }
    assert!(wire.session.deadlines.len() <= STALE_DEADLINES + 4);
    wire.answer(1, 200, b"");
    assert!(wire.session.deadlines.is_empty(), "nobody wakes for them");
}

/// Sends the push anew, so many seconds later, and returns fields and content of the request.
fn again(wire: &mut Wire, push: &Push, secs: u64) -> (Fields, String) {
    wire.now.monotonic = push.accepted().at.monotonic + Duration::from_secs(secs);
    wire.send(push.clone());
    wire.settle();
    let (stream, fields, content) = wire.heard.pop().unwrap();
    wire.answer(stream, 503, b"{}");
    (fields, String::from_utf8(content).unwrap())
}

#[test]
fn deadlines_count_from_acceptance_also_when_a_push_is_tried_again() {
    let mut wire = Wire::apns(10);
    let push = pushes(1, |notification| notification.expiry = 600).remove(0);
    let accepted_at = push.accepted().at.unix.as_secs();
    let expected = (accepted_at + 600).to_string();
    for secs in [1, 40, 599] {
        // The provider is told a point in time, and what the wall clock does is no matter.
        wire.now.unix = Duration::from_secs(accepted_at + secs * 3600);
        let (fields, _) = again(&mut wire, &push, secs);
        assert_eq!(field(&fields, "apns-expiration"), Some(expected.as_str()));
        let id = field(&fields, "apns-id");
        assert_eq!(id, Some("73746572-6e61-8000-8000-000000000001"), "the same");
    }

    let mut wire = Wire::new(fcm(), 10);
    let push = pushes(1, |notification| {
        notification.lane = LaneId::ANDROID;
        notification.time_to_live = 600;
    });
    for (secs, stood, left) in [
        (1, 0, "599s"),
        (40, 0, "560s"),
        (599, 0, "1s"),
        (40, 500_000, "60s"),
        // Whoever has some time left is not told "now or never".
        (599, 999, "1s"),
        (40, 500_001, "60s"),
    ] {
        wire.now.unix = Duration::from_secs(secs * 1_000_000);
        // The device's time goes on while the process stands still.
        wire.now.stood = Duration::from_millis(stood);
        let (_, content) = again(&mut wire, &push[0], secs);
        assert!(content.contains(&format!(r#""ttl":"{left}""#)), "{content}");
    }
}
