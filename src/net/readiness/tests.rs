use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Instant;

use mio::Interest;

use super::*;

/// Long enough never to pass in a test that works.
const AMPLE: Duration = Duration::from_secs(60);

#[test]
fn a_bell_ends_the_wait_whether_it_rings_before_or_during_it() {
    let mut waiter = Waiter::new().unwrap();
    let bell = waiter.bell();
    bell.ring();
    let before = Instant::now();
    waiter.wait(Some(AMPLE)).unwrap();
    let ringer = thread::spawn(move || bell.ring());
    waiter.wait(Some(AMPLE)).unwrap();
    ringer.join().unwrap();
    assert!(before.elapsed() < AMPLE, "a ring was lost");
}

#[test]
fn a_socket_that_can_be_read_or_was_closed_is_named_by_its_token() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    server.set_nonblocking(true).unwrap();
    let mut server = mio::net::TcpStream::from_std(server);
    let mut waiter = Waiter::new().unwrap();
    let token = Token(7);
    waiter
        .registry()
        .register(&mut server, token, Interest::READABLE)
        .unwrap();
    client.write_all(b"x").unwrap();
    let started = Instant::now();
    while !waiter.readiness(token).readable {
        waiter.wait(Some(AMPLE)).unwrap();
        assert!(started.elapsed() < AMPLE);
    }
    assert!(!waiter.readiness(token).closed);
    assert_eq!(waiter.readiness(Token(8)), Readiness::NOTHING);
    drop(client);
    waiter.wait(Some(AMPLE)).unwrap();
    assert!(waiter.readiness(token).closed);
}

#[test]
fn a_wait_ends_at_its_timeout() {
    let mut waiter = Waiter::new().unwrap();
    let timeout = Duration::from_millis(20);
    let before = Instant::now();
    while before.elapsed() < timeout {
        waiter.wait(Some(timeout)).unwrap();
    }
    assert!(before.elapsed() < AMPLE);
}
