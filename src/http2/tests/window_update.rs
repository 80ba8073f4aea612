//! RFC 9113 §6.9: `WINDOW_UPDATE`, and §6.9.2: changes of `INITIAL_WINDOW_SIZE`.

use super::*;

/// Bytes of DATA sent on a stream.
fn data_of(sent: &[Sent], stream: StreamId) -> usize {
    let data = sent.iter().filter(|f| f.kind == DATA && f.stream == stream);
    data.map(|frame| frame.payload.len()).sum()
}

#[test]
fn an_increment_of_zero_is_an_error_of_what_it_is_for() {
    let mut end = Side::client();
    let stream = end.sent_request();
    end.expect_stream_error(&window_update(stream, 0), stream, ErrorCode::PROTOCOL_ERROR);
    end.expect_connection_error(&window_update(0, 0), ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn a_window_beyond_the_maximum_is_an_error_of_what_it_is_for() {
    let mut end = Side::client();
    let stream = end.sent_request();
    let rest = 0x7fff_ffff - 0xffff;
    end.expect_ignored(&window_update(stream, rest));
    end.expect_stream_error(
        &window_update(stream, 1),
        stream,
        ErrorCode::FLOW_CONTROL_ERROR,
    );
    end.expect_ignored(&window_update(0, rest));
    end.expect_connection_error(&window_update(0, 1), ErrorCode::FLOW_CONTROL_ERROR);
}

#[test]
fn on_an_idle_stream_it_ends_the_connection() {
    let bytes = window_update(1, 1);
    Side::client().expect_connection_error(&bytes, ErrorCode::PROTOCOL_ERROR);
}

#[test]
fn on_a_closed_stream_it_is_ignored() {
    let mut end = Side::client();
    let stream = end.sent_request();
    end.receive(&frame(HEADERS, 0x5, stream, OK_200));
    end.events();
    end.expect_ignored(&window_update(stream, 5));
    end.expect_ignored(&window_update(stream, 0));
}

#[test]
fn the_reserved_bit_is_ignored() {
    let mut end = Side::client();
    end.receive(&window_update(0, 1 << 31 | 5));
    assert_eq!(end.connection.send_window(), 0xffff + 5);
}

#[test]
fn content_stops_at_the_streams_window_and_goes_on_with_an_update() {
    let mut end = Side::client_with(Options::default(), &[(4, 10)]);
    let stream = end.request(&[1; 25]);
    assert_eq!(data_of(&end.sent(), stream), 10);
    assert_eq!(end.connection.unsent(stream), 15);
    end.receive(&window_update(stream, 3));
    assert_eq!(data_of(&end.sent(), stream), 3);
    end.receive(&window_update(stream, 100));
    let sent = end.sent();
    assert_eq!((data_of(&sent, stream), sent[0].flags), (12, END_STREAM));
}

#[test]
fn a_changed_initial_window_moves_every_open_stream_and_may_make_it_negative() {
    let mut end = Side::client_with(Options::default(), &[(4, 1000)]);
    let stream = end.request(&[1; 2000]);
    assert_eq!(data_of(&end.sent(), stream), 1000);
    end.receive(&settings(&[(4, 400)]));
    // The window is -600.
    end.receive(&window_update(stream, 600));
    assert_eq!(data_of(&end.sent(), stream), 0);
    end.receive(&window_update(stream, 1));
    assert_eq!(data_of(&end.sent(), stream), 1);
    end.receive(&settings(&[(4, 500)]));
    assert_eq!(data_of(&end.sent(), stream), 100);
    // The connection's window knows nothing of it.
    assert_eq!(end.connection.send_window(), 0xffff - 1101);
}

#[test]
fn half_closed_streams_are_moved_too() {
    let mut end = Side::server_with(Options::default(), &[(4, 0)]);
    end.receive(&frame(HEADERS, 0x5, 1, GET));
    end.connection
        .send_response(1, 200, &[], Some(b"abc"))
        .unwrap();
    assert_eq!(data_of(&end.sent(), 1), 0);
    end.receive(&settings(&[(4, 3)]));
    assert_eq!(data_of(&end.sent(), 1), 3);
    assert_eq!(end.connection.open_streams(), 0);
}

#[test]
fn streams_opened_later_take_the_new_value() {
    let mut end = Side::client();
    end.receive(&settings(&[(4, 7)]));
    end.sent();
    let stream = end.request(&[0; 100]);
    assert_eq!(data_of(&end.sent(), stream), 7);
}

#[test]
fn a_changed_initial_window_that_overflows_a_stream_ends_the_connection() {
    let mut end = Side::client();
    let stream = end.sent_request();
    end.receive(&window_update(stream, 0x7fff_ffff - 0xffff));
    let bytes = settings(&[(4, 0x1_0000)]);
    end.expect_connection_error(&bytes, ErrorCode::FLOW_CONTROL_ERROR);
}
