//! RFC 9113 §5.1.1: stream numbers.

use super::super::connection::LAST_REQUEST_STREAM;
use super::*;

#[test]
fn a_client_uses_odd_numbers_in_order() {
    let mut end = Side::client();
    assert_eq!([(); 4].map(|()| end.request(&[])), [1, 3, 5, 7]);
    assert_eq!(end.connection.highest_stream(), 7);
}

#[test]
fn a_request_of_an_even_number_ends_the_connection() {
    let mut end = Side::server();
    end.expect_connection_error(&frame(HEADERS, 0x5, 2, GET), ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn opening_a_stream_closes_all_below_it() {
    let mut end = Side::server();
    end.receive(&frame(HEADERS, 0x5, 5, GET));
    assert_eq!(end.connection.highest_stream(), 5);
    end.events();
    end.expect_connection_error(&frame(HEADERS, 0x5, 3, GET), ErrorCode::STREAM_CLOSED);
}

#[test]
fn a_number_is_not_used_twice() {
    let mut end = Side::server();
    end.receive(&frame(HEADERS, 0x5, 1, GET));
    end.connection.send_response(1, 204, &[], None).unwrap();
    end.events();
    end.expect_connection_error(&frame(HEADERS, 0x5, 1, GET), ErrorCode::STREAM_CLOSED);
}

#[test]
fn after_the_last_number_the_connection_drains_and_closes() {
    let mut end = Side::client();
    end.connection.highest = LAST_REQUEST_STREAM - 4;
    assert_eq!(end.connection.available_streams(), 2);
    let streams = [end.request(&[]), end.request(&[])];
    assert_eq!(streams, [LAST_REQUEST_STREAM - 2, LAST_REQUEST_STREAM]);
    assert_eq!(end.connection.available_streams(), 0);
    let refused =
        end.connection
            .send_request(end.template, &[field(":path", "/")], &[], b"", end.now);
    assert_eq!(refused, Err(SendError::NoStream));
    for stream in streams {
        assert!(!end.connection.is_closed());
        end.receive(&frame(HEADERS, 0x5, stream, OK_200));
    }
    assert!(matches!(
        end.events().last(),
        Some(Event::Closed {
            cause: Cause::ClosedByUs
        })
    ));
}
