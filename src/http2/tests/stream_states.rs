//! RFC 9113 §5.1: every frame in every state of a stream, in both roles.

use super::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Client,
    Server,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Above every number used.
    Idle,
    /// Of the number of a server's stream, which we never let exist.
    IdleEven,
    /// The peer's message has begun, neither is complete.
    Open,
    /// Ours is complete.
    HalfClosedLocal,
    /// The peer's is complete. A client has none: it resets what was answered early.
    HalfClosedRemote,
    /// Both are complete.
    ClosedByEnds,
    ClosedByOurReset,
    ClosedByTheirReset,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Data,
    DataEnd,
    /// A head of the peer's role: where one was before, a second one.
    Head,
    HeadEnd,
    Trailers,
    Priority,
    RstStream,
    Settings,
    PushPromise,
    Ping,
    GoAway,
    WindowUpdate,
    Continuation,
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Legal, or ignored as the RFC allows.
    Fine,
    Stream(ErrorCode),
    Connection(ErrorCode),
}

const STATES: [State; 8] = [
    State::Idle,
    State::IdleEven,
    State::Open,
    State::HalfClosedLocal,
    State::HalfClosedRemote,
    State::ClosedByEnds,
    State::ClosedByOurReset,
    State::ClosedByTheirReset,
];

const FRAMES: [What; 14] = [
    What::Data,
    What::DataEnd,
    What::Head,
    What::HeadEnd,
    What::Trailers,
    What::Priority,
    What::RstStream,
    What::Settings,
    What::PushPromise,
    What::Ping,
    What::GoAway,
    What::WindowUpdate,
    What::Continuation,
    What::Unknown,
];

/// What the RFC wants, and where it leaves a choice, ours.
#[expect(clippy::match_same_arms, reason = "a rule of the RFC each")]
fn expected(role: Role, state: State, what: What) -> Verdict {
    use State::{
        ClosedByEnds, ClosedByOurReset, ClosedByTheirReset, HalfClosedLocal, HalfClosedRemote,
        Idle, IdleEven, Open,
    };
    use Verdict::{Connection, Fine, Stream};
    let protocol = ErrorCode::PROTOCOL_ERROR;
    let closed = ErrorCode::STREAM_CLOSED;
    match (what, state) {
        // §6.3: in any state; §5.5: unknown types.
        (What::Priority | What::Unknown, _) => Fine,
        // §6.5, §6.7, §6.8: not on a stream. §6.6: push is disabled. §6.10: no block before it.
        (
            What::Settings | What::Ping | What::GoAway | What::PushPromise | What::Continuation,
            _,
        ) => Connection(protocol),
        // §5.1 idle: HEADERS and PRIORITY alone; a client's peer opens nothing, and even numbers
        // are nobody's. A block of trailers is a head without pseudo-headers there.
        (What::Head | What::HeadEnd, Idle) if role == Role::Server => Fine,
        (What::Trailers, Idle) if role == Role::Server => Stream(protocol),
        (_, Idle | IdleEven) => Connection(protocol),
        // §8.1: no second head; trailers end the message.
        (What::Head | What::HeadEnd, Open | HalfClosedLocal) => Stream(protocol),
        (_, Open | HalfClosedLocal) => Fine,
        // §5.1 half-closed (remote): WINDOW_UPDATE, PRIORITY, RST_STREAM.
        (What::RstStream | What::WindowUpdate, _) => Fine,
        (_, HalfClosedRemote) => Stream(closed),
        // §5.1 closed: what comes after our reset is ignored; a client ignores the rest, too.
        (_, ClosedByOurReset) => Fine,
        (_, ClosedByEnds | ClosedByTheirReset) if role == Role::Client => Fine,
        (What::Data | What::DataEnd, ClosedByEnds | ClosedByTheirReset) => Stream(closed),
        (_, ClosedByEnds | ClosedByTheirReset) => Connection(closed),
    }
}

/// An end with stream 1 in that state, and the number that the frame is for.
fn bring(role: Role, state: State) -> Option<(Side, StreamId)> {
    let (mut end, head) = match role {
        Role::Client => (Side::client(), OK_200),
        Role::Server => (Side::server(), POST),
    };
    let (ours_done, theirs_done) = match state {
        State::Idle => return Some((end, 1)),
        State::IdleEven => return Some((end, 2)),
        State::HalfClosedRemote if role == Role::Client => return None,
        State::Open | State::ClosedByOurReset | State::ClosedByTheirReset => (false, false),
        State::HalfClosedLocal => (true, false),
        State::HalfClosedRemote => (false, true),
        State::ClosedByEnds => (true, true),
    };
    let flags = END_HEADERS | if theirs_done { END_STREAM } else { 0 };
    if role == Role::Client {
        end.open("POST", ours_done);
        end.receive(&frame(HEADERS, flags, 1, head));
    } else {
        end.receive(&frame(HEADERS, flags, 1, head));
        let content = ours_done.then_some(&b""[..]);
        end.connection.send_response(1, 200, &[], content).unwrap();
    }
    match state {
        State::ClosedByOurReset => end.connection.reset(1, ErrorCode::CANCEL),
        State::ClosedByTheirReset => end.receive(&rst_stream(1, ErrorCode::CANCEL)),
        _ => {}
    }
    end.events();
    end.sent();
    Some((end, 1))
}

fn bytes(role: Role, what: What, stream: StreamId) -> Vec<u8> {
    let head = if role == Role::Client { OK_200 } else { GET };
    match what {
        What::Data => frame(DATA, 0, stream, b"x"),
        What::DataEnd => frame(DATA, END_STREAM, stream, b"x"),
        What::Head => frame(HEADERS, END_HEADERS, stream, head),
        What::HeadEnd => frame(HEADERS, END_HEADERS | END_STREAM, stream, head),
        What::Trailers => frame(
            HEADERS,
            END_HEADERS | END_STREAM,
            stream,
            &literal("a", "b"),
        ),
        What::Priority => frame(PRIORITY, 0, stream, &[0; 5]),
        What::RstStream => rst_stream(stream, ErrorCode::CANCEL),
        What::Settings => frame(SETTINGS, 0, stream, &[]),
        What::PushPromise => frame(
            PUSH_PROMISE,
            END_HEADERS,
            stream,
            &[&[0, 0, 0, 2], GET].concat(),
        ),
        What::Ping => frame(PING, 0, stream, &[0; 8]),
        What::GoAway => frame(GOAWAY, 0, stream, &[0; 8]),
        What::WindowUpdate => window_update(stream, 1),
        What::Continuation => frame(CONTINUATION, END_HEADERS, stream, head),
        What::Unknown => frame(0xbb, 0xff, stream, b"whatever"),
    }
}

/// What the end made of it.
fn verdict(end: &mut Side, stream: StreamId) -> Verdict {
    let closed = end.connection.is_closed();
    for sent in end.sent() {
        let code = |at: usize| {
            ErrorCode(u32::from_be_bytes(
                sent.payload[at..at + 4].try_into().unwrap(),
            ))
        };
        match sent.kind {
            GOAWAY if closed => return Verdict::Connection(code(4)),
            RST_STREAM => {
                assert_eq!(sent.stream, stream);
                if code(0) != ErrorCode::NO_ERROR {
                    return Verdict::Stream(code(0));
                }
            }
            _ => {}
        }
    }
    assert!(!closed);
    Verdict::Fine
}

#[test]
fn every_frame_in_every_state_has_the_rfcs_effect() {
    for role in [Role::Client, Role::Server] {
        for state in STATES {
            for what in FRAMES {
                let Some((mut end, stream)) = bring(role, state) else {
                    continue;
                };
                end.receive(&bytes(role, what, stream));
                let found = verdict(&mut end, stream);
                assert_eq!(
                    found,
                    expected(role, state, what),
                    "{role:?} {state:?} {what:?}"
                );
            }
        }
    }
}

#[test]
fn no_two_frames_in_any_state_end_a_stream_twice() {
    for role in [Role::Client, Role::Server] {
        for state in STATES {
            for first in FRAMES {
                for second in FRAMES {
                    let Some((mut end, stream)) = bring(role, state) else {
                        continue;
                    };
                    end.receive(&bytes(role, first, stream));
                    end.receive(&bytes(role, second, stream));
                    end.connection.transport_closed();
                    let events = end.events();
                    let ends = events.iter().filter(|event| ends_stream(event)).count();
                    let began = !matches!(
                        state,
                        State::ClosedByEnds
                            | State::ClosedByOurReset
                            | State::ClosedByTheirReset
                            | State::HalfClosedRemote
                    ) && end.connection.highest_stream() == 1;
                    let began = began
                        && (role == Role::Client || state != State::Idle || heads(&events) > 0);
                    assert_eq!(
                        ends,
                        usize::from(began),
                        "{role:?} {state:?} {first:?} {second:?}"
                    );
                    let closed = events
                        .iter()
                        .filter(|e| matches!(e, Event::Closed { .. }))
                        .count();
                    assert_eq!(closed, 1);
                    assert!(matches!(events.last(), Some(Event::Closed { .. })));
                }
            }
        }
    }
}

fn heads(events: &[Event]) -> usize {
    events
        .iter()
        .filter(|event| matches!(event, Event::Head { .. }))
        .count()
}

fn ends_stream(event: &Event) -> bool {
    match event {
        Event::Head { end_stream, .. } | Event::Data { end_stream, .. } => *end_stream,
        Event::Trailers { .. } | Event::StreamFailed { .. } => true,
        _ => false,
    }
}
