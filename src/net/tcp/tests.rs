use std::net::TcpListener;

use super::*;

fn ample() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn listener(address: &str) -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(address).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// An address that refuses: its port was free a moment ago on an address that nobody else uses.
fn refusing() -> SocketAddr {
    listener("127.0.0.77:0").1
}

#[test]
fn connects_to_either_family() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let (_listener, address) = listener(address);
        let (_, reached) = connect(&[address], ample()).unwrap();
        assert_eq!(reached, address);
    }
}

#[test]
fn falls_back_to_the_next_address_at_once() {
    let (_listener, good) = listener("127.0.0.2:0");
    let started = Instant::now();
    let (_, reached) = connect(&[refusing(), refusing(), good], ample()).unwrap();
    assert_eq!(reached, good);
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[test]
fn an_address_that_keeps_silent_does_not_keep_the_others() {
    let (full, silent) = full_listener();
    let (_listener, good) = listener("127.0.0.3:0");
    let (_, reached) = connect(&[silent, good], ample()).unwrap();
    assert_eq!(reached, good);
    drop(full);
}

#[test]
fn silence_ends_at_the_deadline() {
    let (full, silent) = full_listener();
    let deadline = Instant::now() + Duration::from_millis(20);
    let error = connect(&[silent], deadline).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert_eq!(error.to_string(), format!("{silent}: no answer in time"));
    assert!(Instant::now() >= deadline);
    drop(full);
}

#[test]
fn failures_name_each_address() {
    let (first, second) = (refusing(), refusing());
    let error = connect(&[first, second], ample()).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    let text = error.to_string();
    assert!(
        text.contains(&format!("{first}: Connection refused")),
        "{text}"
    );
    assert!(
        text.contains(&format!("{second}: Connection refused")),
        "{text}"
    );
    let many: Vec<_> = (0..ADDRESSES_SHOWN + 3).map(|_| first).collect();
    let text = connect(&many, ample()).unwrap_err().to_string();
    assert!(text.ends_with("; and 3 more"), "{text}");
    let text = connect(&[], ample()).unwrap_err().to_string();
    assert_eq!(text, "no address to connect to");
}

#[test]
fn sockets_are_tuned() {
    let (_listener, address) = listener("127.0.0.1:0");
    let (stream, _) = connect(&[address], ample()).unwrap();
    tune(&stream, Duration::from_secs(7)).unwrap();
    assert!(sockopt::tcp_nodelay(&stream).unwrap());
    assert!(sockopt::socket_keepalive(&stream).unwrap());
    assert_eq!(sockopt::tcp_keepidle(&stream).unwrap(), KEEPALIVE_IDLE);
    assert_eq!(sockopt::tcp_user_timeout(&stream).unwrap(), 7_000);
}

/// A listener whose backlog is full: the kernel drops further SYNs, so a connect hears nothing.
fn full_listener() -> ((TcpListener, Vec<TcpStream>), SocketAddr) {
    let socket = rustix::net::socket(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::STREAM,
        None,
    )
    .unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    rustix::net::bind(&socket, &any).unwrap();
    rustix::net::listen(&socket, 0).unwrap();
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    // One fits into a backlog of 0; what does not fit any more does not connect.
    while let Ok((stream, _)) = connect(&[address], Instant::now() + Duration::from_millis(50)) {
        waiting.push(stream);
    }
    ((listener, waiting), address)
}
