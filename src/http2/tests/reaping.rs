//! RFC 9113 §10.5: what a server keeps for a client that opens no windows.

use super::super::connection::{BLOCKED_MAX, BUFFERED_MAX};
use super::*;

/// A server to a client whose streams have no window, and requests on it.
fn server(requests: u32) -> Side {
    let mut end = Side::server_with(Options::default(), &[(4, 0)]);
    for number in 0..requests {
        end.receive(&frame(HEADERS, 0x5, 2 * number + 1, GET));
    }
    end.events();
    end
}

fn respond(end: &mut Side, stream: StreamId, bytes: usize) {
    end.connection
        .send_response(stream, 200, &[], Some(&vec![b'x'; bytes]))
        .unwrap();
}

#[test]
fn an_answer_that_no_window_lets_out_is_let_go_after_30_s() {
    let mut end = server(2);
    respond(&mut end, 1, 100);
    end.sent();
    let begun = end.now;
    assert_eq!(end.connection.next_timeout(), Some(begun + BLOCKED_MAX));
    end.pass(BLOCKED_MAX / 2);
    end.receive(&frame(PING, 0, 0, &[0; 8]));
    respond(&mut end, 3, 100);
    end.sent();
    end.pass(BLOCKED_MAX / 2);
    end.expect_reset(1, ErrorCode::ENHANCE_YOUR_CALM);
    assert_eq!(end.connection.open_streams(), 1);
    // The other one has its own time.
    end.pass(BLOCKED_MAX / 2);
    end.expect_reset(3, ErrorCode::ENHANCE_YOUR_CALM);
    assert_eq!(end.connection.open_streams(), 0);
    assert!(!end.connection.is_closed());
    assert_eq!(end.connection.next_timeout(), None);
}

#[test]
fn an_answer_that_goes_out_slowly_is_not() {
    let mut end = server(1);
    respond(&mut end, 1, 10);
    for _ in 0..9 {
        end.pass(BLOCKED_MAX / 2);
        end.receive(&window_update(1, 1));
        assert!(end.sent().iter().any(|frame| frame.kind == DATA));
    }
    assert_eq!(end.connection.unsent(1), 1);
    end.receive(&window_update(1, 1));
    assert_eq!(end.connection.open_streams(), 0);
}

#[test]
fn answers_over_the_limit_together_are_not_kept() {
    let mut end = server(20);
    let each = BUFFERED_MAX / 16;
    for number in 0..16 {
        respond(&mut end, 2 * number + 1, each);
    }
    assert_eq!(end.connection.open_streams(), 20);
    end.sent();
    respond(&mut end, 33, 1);
    end.expect_reset(33, ErrorCode::ENHANCE_YOUR_CALM);
    // What is let go, or goes out, makes room.
    end.receive(&rst_stream(1, ErrorCode::CANCEL));
    respond(&mut end, 35, each);
    end.receive(&window_update(0, each as u32));
    end.receive(&window_update(3, each as u32));
    end.receive(&window_update(5, each as u32));
    end.sent();
    respond(&mut end, 37, each);
    assert_eq!(end.connection.unsent(37), each);
    assert!(!end.connection.is_closed());
}

#[test]
fn a_client_keeps_its_requests_whatever_the_server_does() {
    let mut end = Side::client_with(Options::default(), &[(4, 0)]);
    let stream = end.request(&vec![0; 2 * BUFFERED_MAX]);
    end.pass(10 * BLOCKED_MAX);
    assert_eq!(end.connection.unsent(stream), 2 * BUFFERED_MAX);
}
