use std::io::Write as _;
use std::net::{TcpListener, TcpStream as StdTcpStream};
use std::sync::{Arc, mpsc};
use std::thread;

use rustls::{ClientConnection, ServerConnection, StreamOwned};

use super::*;
use crate::net::fixture::{AMPLE, Authority, ample};
use crate::net::tcp::adopt;

/// Both ends of a TCP connection.
fn pair() -> (StdTcpStream, StdTcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = StdTcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    (client, server)
}

fn plain(stream: StdTcpStream) -> Socket {
    let peer = stream.peer_addr().unwrap();
    Socket::new(adopt(stream).unwrap(), peer, None, AMPLE)
}

/// Reads until `wanted` bytes are there or the socket ends.
fn read(socket: &mut Socket, wanted: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let deadline = ample();
    while bytes.len() < wanted && socket.end().is_none() {
        socket.receive(Readiness::UNKNOWN, |chunk| bytes.extend_from_slice(chunk));
        assert!(Instant::now() < deadline);
    }
    bytes
}

#[test]
fn a_buffer_that_was_filled_says_that_there_is_more() {
    let (client, mut server) = pair();
    let peek = client.try_clone().unwrap();
    let mut socket = plain(client);
    let content: Vec<u8> = (0..=u8::MAX).cycle().take(READ_BUFFER + 1).collect();
    let sent = content.clone();
    let writer = thread::spawn(move || {
        server.write_all(&sent).unwrap();
        server
    });
    let (mut bytes, mut buffer) = (Vec::new(), vec![0; READ_BUFFER]);
    let deadline = ample();
    while peek.peek(&mut buffer).unwrap_or(0) < READ_BUFFER {
        assert!(Instant::now() < deadline);
    }
    let readable = Readiness {
        readable: true,
        closed: false,
    };
    let full = socket.receive(readable, |chunk| bytes.extend_from_slice(chunk));
    assert_eq!((full, socket.has_more()), (READ_BUFFER, true));
    let _server = writer.join().unwrap();
    while peek.peek(&mut buffer).unwrap_or(0) < 1 {
        assert!(Instant::now() < deadline);
    }
    let rest = socket.receive(Readiness::NOTHING, |chunk| bytes.extend_from_slice(chunk));
    assert_eq!((rest, socket.has_more()), (1, false));
    assert!(bytes == content);
    assert_eq!(socket.bytes_received(), content.len() as u64);
    assert_eq!(socket.receive(Readiness::NOTHING, |_| unreachable!()), 0);
}

#[test]
fn the_end_of_a_plain_socket_is_orderly() {
    let (client, server) = pair();
    let mut socket = plain(client);
    drop(server);
    read(&mut socket, 1);
    assert_eq!(socket.end(), Some(&SocketEnd::orderly()));
    assert_eq!(
        socket.send(b"x", Instant::now()),
        0,
        "nothing goes out any more"
    );
}

#[test]
fn what_a_peer_said_before_it_went_is_read_after_a_failed_write() {
    let (client, mut server) = pair();
    let mut socket = plain(client);
    // Bytes that the peer leaves unread make its kernel answer with a reset.
    assert_eq!(socket.send(b"unread", Instant::now()), 6);
    server.write_all(b"last words").unwrap();
    drop(server);
    let deadline = ample();
    while !socket.is_broken() {
        socket.send(b"x", Instant::now());
        assert!(Instant::now() < deadline);
    }
    assert_eq!(socket.end(), None);
    let mut bytes = Vec::new();
    socket.finish(|chunk| bytes.extend_from_slice(chunk));
    assert!(socket.end().is_some_and(|end| end.failure.is_some()));
    assert!(bytes == b"last words" || bytes.is_empty(), "{bytes:?}");
}

/// A TLS client, and what a server does that has shaken hands.
fn tls<F>(serve: F) -> (Socket, thread::JoinHandle<()>)
where
    F: FnOnce(StreamOwned<ServerConnection, StdTcpStream>) + Send + 'static,
{
    let authority = Authority::new();
    let (client, server) = pair();
    let session = ServerConnection::new(authority.server("push.test", &[])).unwrap();
    let thread = thread::spawn(move || serve(StreamOwned::new(session, server)));
    let name = "push.test".try_into().unwrap();
    let session = ClientConnection::new(authority.client(&[]), name).unwrap();
    let peer = client.peer_addr().unwrap();
    let mut socket = Socket::new(adopt(client).unwrap(), peer, Some(session.into()), AMPLE);
    socket.handshake(ample()).unwrap();
    socket.send(b"", Instant::now());
    (socket, thread)
}

#[test]
fn bytes_on_the_heels_of_the_handshake_are_not_lost() {
    const LENGTH: usize = 300_000;
    let content: Arc<[u8]> = (0..=u8::MAX).cycle().take(LENGTH).collect();
    let sent = Arc::clone(&content);
    let (mut socket, thread) = tls(move |mut stream| {
        stream.write_all(&sent).unwrap();
        stream.conn.send_close_notify();
        stream.flush().unwrap();
    });
    assert!(read(&mut socket, LENGTH) == *content);
    thread.join().unwrap();
    read(&mut socket, 1);
    assert_eq!(socket.end(), Some(&SocketEnd::orderly()));
}

#[test]
fn an_end_without_close_notify_is_a_failure() {
    let (mut socket, thread) = tls(|mut stream| {
        stream.write_all(b"hello").unwrap();
        stream.flush().unwrap();
        let (_session, socket) = stream.into_parts();
        socket.shutdown(Shutdown::Both).unwrap();
    });
    assert_eq!(read(&mut socket, 6), b"hello");
    let end = socket.end().unwrap();
    assert_eq!(end.failure, Some(io::ErrorKind::UnexpectedEof));
    thread.join().unwrap();
}

#[test]
fn new_traffic_keys_go_unnoticed() {
    let (mut socket, thread) = tls(|mut stream| {
        stream.write_all(b"before").unwrap();
        stream.conn.refresh_traffic_keys().unwrap();
        stream.write_all(b"after").unwrap();
        stream.flush().unwrap();
        let mut answer = [0; 6];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"answer");
    });
    assert_eq!(read(&mut socket, 11), b"beforeafter");
    assert_eq!(socket.send(b"answer", Instant::now()), 6);
    thread.join().unwrap();
}

/// Takes that many bytes and then breaks.
struct Breaking(usize);

impl Write for Breaking {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = bytes.len().min(self.0);
        self.0 -= n;
        match n {
            0 => Err(io::ErrorKind::ConnectionReset.into()),
            n => Ok(n),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn bytes_of_which_the_kernel_took_something_are_not_unsent() {
    for (taken, counted) in [(0, 0), (1, 40_000), (20_000, 40_000)] {
        let (mut socket, thread) = tls(|mut stream| {
            stream.conn.complete_io(&mut stream.sock).unwrap();
        });
        let tls = socket.tls.as_mut().unwrap();
        let (n, written) = send_records(tls, &mut Breaking(taken), &vec![0; 40_000]);
        assert_eq!(n, counted, "{taken} taken");
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        thread.join().unwrap();
    }
}

#[test]
fn what_is_encrypted_ahead_of_a_peer_that_takes_nothing_is_bounded() {
    let (gone, is_gone) = mpsc::channel::<()>();
    let (mut socket, thread) = tls(move |mut stream| {
        stream.conn.complete_io(&mut stream.sock).unwrap();
        // Reads nothing from here on.
        is_gone.recv().ok();
    });
    let content = vec![0; 4 << 20];
    let mut sent = 0;
    while !socket.is_blocked() {
        sent += socket.send(&content, Instant::now());
    }
    let waits = sent;
    for _ in 0..8 {
        sent += socket.send(&content, Instant::now());
    }
    assert!(socket.is_blocked());
    assert!(sent - waits <= 8 * WRITE_BATCH, "{}", sent - waits);
    let since = socket.write_deadline().unwrap();
    socket.handle_timeout(since);
    assert_eq!(socket.end().unwrap().failure, Some(io::ErrorKind::TimedOut));
    drop(gone);
    thread.join().unwrap();
}
