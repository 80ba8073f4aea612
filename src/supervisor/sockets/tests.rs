use std::net::UdpSocket;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;

use super::*;

#[test]
fn the_first_socket_of_server_starter_is_taken() {
    for (text, number, others) in [
        ("1056=3", 3, 0),
        ("127.0.0.1:1056=4", 4, 0),
        ("[::1]:1056=12;/run/a=b.sock=5", 12, 1),
        ("/run/a=b.sock=5;1056=6;1057=7", 5, 2),
        (" 0.0.0.0:80=3 ; ", 3, 0),
    ] {
        assert_eq!(first_number(text), Ok((number, others)), "{text}");
    }
}

#[test]
fn what_is_no_list_of_sockets_is_refused() {
    for text in [
        ";",
        "1056",
        "1056=",
        "=3",
        "1056=-3",
        "1056=+3",
        "1056=x",
        "a=99999999999",
    ] {
        assert!(first_number(text).is_err(), "{text}");
    }
}

#[test]
fn a_socket_is_found_by_its_number() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let found = by_number(tcp.as_raw_fd()).unwrap();
    let inherited = Inherited::new(found, SERVER_STARTER, 0).unwrap();
    assert_eq!(inherited.place(), tcp.local_addr().unwrap().to_string());
    assert!(!inherited.is_open_to_hosts());

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let unix = UnixListener::bind(&path).unwrap();
    let found = by_number(unix.as_raw_fd()).unwrap();
    let inherited = Inherited::new(found, SERVER_STARTER, 0).unwrap();
    assert_eq!(inherited.place(), format!("unix:{}", path.display()));
    assert!(!inherited.is_open_to_hosts());
    // It is another descriptor: both can go.
    drop(inherited);
    assert!(unix.local_addr().is_ok());
}

#[test]
fn a_socket_that_other_hosts_reach_is_known() {
    let tcp = TcpListener::bind("0.0.0.0:0").unwrap();
    let found = by_number(tcp.as_raw_fd()).unwrap();
    assert!(
        Inherited::new(found, SERVER_STARTER, 0)
            .unwrap()
            .is_open_to_hosts()
    );
}

#[test]
fn what_is_no_listening_stream_socket_is_refused() {
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    let error = by_number(datagrams.as_raw_fd()).unwrap_err();
    assert!(
        error.ends_with("it is neither a TCP nor a Unix stream socket"),
        "{error}"
    );

    let file = tempfile::tempfile().unwrap();
    let error = by_number(file.as_raw_fd()).unwrap_err();
    assert!(error.contains("non-socket"), "{error}");

    let error = by_number(1_000_000).unwrap_err();
    assert!(error.starts_with("file descriptor 1000000: "), "{error}");

    let (connection, _other) = UnixStream::pair().unwrap();
    let found = by_number(connection.as_raw_fd()).unwrap();
    let error = Inherited::new(found, SERVER_STARTER, 0).unwrap_err();
    assert!(error.to_string().contains("it does not listen"), "{error}");
}
