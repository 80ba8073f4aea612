//! RFC 9113 §6.6: `PUSH_PROMISE`, which we forbid.

use super::*;

#[test]
fn it_ends_the_connection_in_both_roles() {
    let mut client = Side::client();
    let stream = client.sent_request();
    let bytes = frame(PUSH_PROMISE, 0x4, stream, &[&[0, 0, 0, 2], GET].concat());
    client.expect_connection_error(&bytes, ErrorCode::PROTOCOL_ERROR);
    let mut server = Side::server();
    server.receive(&frame(HEADERS, 0x4, 1, POST));
    server.expect_connection_error(&bytes, ErrorCode::PROTOCOL_ERROR);
}
