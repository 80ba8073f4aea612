//! The servers' threads: one accepts for all endpoints, and each connection has its own.

mod door;
mod ending;

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use mio::Token;
use rustls::pki_types::CertificateDer;
use rustls::server::{AcceptedAlert, Acceptor};
use rustls::{ServerConfig, ServerConnection};

pub(super) use self::door::Door;
use super::endpoint::LookAlike;
use super::faults::{Asked, Dice, Farewell, Faults, Kind, Point, Strike, TICK};
use super::listener::{Listener, PATIENCE};
use super::service::{Doom, HEADER_TABLE_INITIAL, Service, WINDOW_INITIAL};
use super::{Clock, apns, single, tls};
use crate::http2::{ErrorCode, Options};
use crate::moment;
use crate::net::connection::Connection;
use crate::net::readiness::{Bell, Waiter};

/// How often the accepting thread looks around without being woken.
const ROUND: Duration = Duration::from_secs(1);

/// What all threads share.
pub(super) struct Shared {
    pub(super) clock: Clock,
    /// The client certificate that APNs takes.
    pub(super) client_certificate: CertificateDer<'static>,
    max_connections: usize,
    stopping: AtomicBool,
    /// The sockets of live connections, by a number of their own.
    sockets: Mutex<HashMap<u64, TcpStream>>,
}

impl Shared {
    pub(super) fn new(
        clock: Clock,
        client_certificate: CertificateDer<'static>,
        max_connections: usize,
    ) -> Self {
        Self {
            clock,
            client_certificate,
            max_connections,
            stopping: AtomicBool::new(false),
            sockets: Mutex::default(),
        }
    }

    /// Cuts all connections, as a crash would.
    pub(super) fn sever(&self) {
        for socket in self.sockets().values() {
            // One that has just ended is none to cut.
            drop(socket.shutdown(Shutdown::Both));
        }
    }

    /// Makes the accepting thread end all others and itself.
    pub(super) fn stop(&self, bell: &Bell) {
        self.stopping.store(true, Ordering::Release);
        bell.ring();
    }

    /// All threads are to end.
    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    /// Live connections.
    pub(super) fn connections(&self) -> usize {
        self.sockets().len()
    }

    fn sockets(&self) -> MutexGuard<'_, HashMap<u64, TcpStream>> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Accepts connections until told to stop; `look_around` is called at each round.
pub(super) fn accept(
    mut waiter: Waiter,
    mut doors: Vec<Door>,
    shared: &Arc<Shared>,
    look_around: impl Fn(),
) -> io::Result<()> {
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    let mut place = 0;
    while !shared.stopping.load(Ordering::Acquire) {
        let mut next = moment::now() + ROUND;
        for (index, door) in doors.iter_mut().enumerate() {
            let now = moment::now();
            door.turn(waiter.registry(), Token(index), now)?;
            while let Some(socket) = door.accept() {
                threads.retain(|thread| !thread.is_finished());
                threads.extend(start(&door.listener, shared, socket, place));
                place += 1;
            }
            next = door
                .listener
                .around
                .stage
                .next_change()
                .map_or(next, |at| next.min(at));
        }
        look_around();
        waiter.wait(Some(next.saturating_duration_since(moment::now())))?;
    }
    drop(doors);
    shared.sever();
    for thread in threads {
        // A panic there has been told by the panic hook.
        drop(thread.join());
    }
    look_around();
    Ok(())
}

/// Starts a connection's thread. `None`, and the connection closed, if there is no room for it.
fn start(
    listener: &Arc<Listener>,
    shared: &Arc<Shared>,
    socket: TcpStream,
    place: u64,
) -> Option<JoinHandle<()>> {
    if shared.connections() >= shared.max_connections {
        return None;
    }
    let number = listener.accepted.fetch_add(1, Ordering::Relaxed);
    shared.sockets().insert(place, socket.try_clone().ok()?);
    let seat = Seat {
        shared: Arc::clone(shared),
        place,
    };
    let listener = Arc::clone(listener);
    let name = format!(
        "sim-{}-{number}",
        listener.around.endpoint.provider().as_str()
    );
    let serve = move || {
        // How a connection ends is the client's affair: its tests look at their own end.
        drop(serve(&listener, &seat.shared, socket, number));
    };
    thread::Builder::new().name(name).spawn(serve).ok()
}

/// A live connection's place among the sockets; leaves it when dropped.
struct Seat {
    shared: Arc<Shared>,
    place: u64,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.shared.sockets().remove(&self.place);
    }
}

fn serve(listener: &Listener, shared: &Shared, socket: TcpStream, number: u64) -> io::Result<()> {
    let around = &listener.around;
    let faults = around.stage.connection(number, moment::now());
    // Dice of its own: what befalls the start changes nothing about the requests.
    let mut dice = Dice::new(!faults.seed, around.endpoint.provider(), number);
    let strike = dice.draw_start(&faults);
    let tally = &around.stage.tally;
    if let Some(strike) = strike
        && strike.point == Point::Connect
    {
        tally.struck(Asked::Strike(strike));
        return ending::before_tls(strike.kind, &socket, shared);
    }
    if matches!(around.endpoint, LookAlike::OAuth(_)) && !begins_tls(&socket)? {
        return single::serve_plain(listener, &shared.clock, socket, number);
    }
    if faults.goaway == Farewell::First {
        tally.struck(Asked::GoAway(Farewell::First));
        return ending::goaway_first(&listener.tls, &around.endpoint, socket);
    }
    let tls = Arc::clone(&listener.tls);
    if around.endpoint.is_apples() {
        let tls = ServerConnection::new(tls).map_err(io::Error::other)?;
        return serve_http2(listener, shared, (socket, tls), number, faults, strike);
    }
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    let (tls, offers_h2) = greeted(&mut &socket, tls)?;
    if offers_h2 {
        serve_http2(listener, shared, (socket, tls), number, faults, strike)
    } else {
        single::serve(listener, &shared.clock, (socket, tls), number)
    }
}

fn serve_http2(
    listener: &Listener,
    shared: &Shared,
    (socket, tls): (TcpStream, ServerConnection),
    number: u64,
    faults: Arc<Faults>,
    strike: Option<Strike>,
) -> io::Result<()> {
    let mut waiter = Waiter::new()?;
    let around = &listener.around;
    let options = options(&around.endpoint, &faults);
    let raw = socket.try_clone()?;
    let accepted = Connection::accept(socket, tls, options, waiter.registry(), PATIENCE);
    let mut connection = accepted.map_err(|error| io::Error::other(error.to_string()))?;
    if let Some(strike) = strike {
        around.stage.tally.struck(Asked::Strike(strike));
        let kind = strike.kind;
        return ending::carry_out(kind, connection, &raw, &mut waiter, shared);
    }
    if let Some(bytes) = faults.connection_window {
        connection.http2().narrow_connection_window(bytes);
    }

    let certificate = connection.peer_certificates().first().cloned();
    let mut service = Service::new(Arc::clone(around), number, certificate.is_some(), faults);
    let now = moment::now();
    if certificate.as_ref() == Some(&shared.client_certificate) {
        service.trust(connection.http2(), now);
    } else if certificate.is_some() {
        let debug = apns::CERTIFICATE_REFUSED;
        service.dismiss(connection.http2(), ErrorCode::NO_ERROR, debug, now);
    }
    let doom = pump(&mut connection, &mut service, &mut waiter, &shared.clock)?;
    // What came with the end still counts.
    service.take_events(connection.http2(), moment::now(), (shared.clock)());
    service.end(moment::now());
    match doom {
        Some(Doom { kind, by }) => {
            around.stage.tally.struck(by);
            ending::carry_out(kind, connection, &raw, &mut waiter, shared)
        }
        None => Ok(()),
    }
}

/// Moves bytes and events until the connection is over, or something is to befall it.
fn pump(
    connection: &mut Connection,
    service: &mut Service,
    waiter: &mut Waiter,
    clock: &Clock,
) -> io::Result<Option<Doom>> {
    let mut next_bytes = moment::now();
    while !connection.is_closed() {
        let now = moment::now();
        let (deaf, mute) = match service.doom().map(|doom| doom.kind) {
            Some(Kind::Deaf) => (true, false),
            Some(Kind::Mute) => (false, true),
            _ => (false, false),
        };
        if !deaf && connection.http2().wants_input() {
            connection.receive(now);
        }
        service.take_events(connection.http2(), now, clock());
        service.release(connection.http2(), now);
        service.settle();
        let over = connection.http2().is_closed();
        match service.faults().slow {
            _ if mute => {}
            None => connection.flush(now),
            Some(bytes) if now >= next_bytes => {
                connection.flush_at_most(bytes.get() as usize, now);
                next_bytes = now + TICK;
                if !connection.http2().output().is_empty() {
                    service.struck(Asked::Slow);
                }
            }
            Some(_) => {}
        }
        if connection.is_closed() && !over {
            service.flushed(true);
        } else if !mute && connection.http2().output().is_empty() {
            service.flushed(false);
        }
        if let Some(doom) = service.doom().filter(|_| !deaf && !mute)
            && !matches!(doom.kind, Kind::Deaf | Kind::Mute)
        {
            return Ok(Some(doom));
        }
        // An end that was found just now is not announced again: waiting would be for ever.
        let more = !deaf && connection.has_more() && connection.http2().wants_input();
        if more || connection.is_closed() {
            continue;
        }
        let drips = service.faults().slow.is_some() && !connection.http2().output().is_empty();
        let next = service
            .next_release()
            .into_iter()
            .chain(connection.next_timeout())
            .chain(drips.then_some(next_bytes))
            .min();
        let timeout = next.map(|next| next.saturating_duration_since(moment::now()));
        waiter.wait(timeout)?;
        if (deaf || mute) && waiter.readiness(connection.token()).closed {
            break;
        }
        connection.handle_timeout(moment::now());
    }
    Ok(None)
}

/// The SETTINGS that were seen of the real ones.
fn options(endpoint: &LookAlike, faults: &Faults) -> Options {
    let apns = endpoint.is_apples();
    let narrow = apns || faults.connection_window.is_some();
    let streams = endpoint.first_streams();
    Options {
        max_content: usize::MAX,
        stream_window: faults.stream_window.unwrap_or(WINDOW_INITIAL),
        connection_window: if narrow { WINDOW_INITIAL } else { 1_048_576 },
        max_concurrent_streams: Some(faults.streams.map_or(streams, |cap| cap.min(streams))),
        header_table_size: faults.header_table.unwrap_or(HEADER_TABLE_INITIAL),
        max_header_list_size: if apns { 8_000 } else { 65_536 },
        ..Options::default()
    }
}

/// Whether the client's first byte, which stays where it is, begins a TLS handshake.
fn begins_tls(socket: &TcpStream) -> io::Result<bool> {
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut first = [0];
    socket.peek(&mut first)?;
    Ok(first == [TLS_HANDSHAKE] || first == [0])
}

/// Reads a client's `ClientHello`: the session that goes on from it, and whether it offers HTTP/2
/// by ALPN. Whoever sends one that is not fit hears why.
fn greeted(
    stream: &mut (impl Read + Write),
    tls: Arc<ServerConfig>,
) -> io::Result<(ServerConnection, bool)> {
    let deadline = moment::now() + PATIENCE;
    let mut acceptor = Acceptor::default();
    let mut hello = Read::take(&mut *stream, MAX_CLIENT_HELLO);
    let accepted = loop {
        if acceptor.read_tls(&mut hello)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match acceptor.accept() {
            Ok(Some(accepted)) => break accepted,
            Ok(None) if moment::now() >= deadline => return Err(io::ErrorKind::TimedOut.into()),
            Ok(None) => {}
            Err(unfit) => return Err(refused(stream, unfit)),
        }
    };
    let offered = accepted.client_hello().alpn();
    let offers_h2 = offered.is_some_and(|mut names| names.any(|name| name == tls::H2));
    match accepted.into_connection(tls) {
        Ok(session) => Ok((session, offers_h2)),
        Err(unfit) => Err(refused(stream, unfit)),
    }
}

/// Why a handshake ends, once the client has been told.
fn refused(
    stream: &mut impl Write,
    (error, mut alert): (rustls::Error, AcceptedAlert),
) -> io::Error {
    let told = alert.write_all(stream);
    told.err().unwrap_or_else(|| io::Error::other(error))
}

/// The type of a TLS record with a handshake (RFC 8446 §5.1).
const TLS_HANDSHAKE: u8 = 22;

/// Our limit: bytes of a TLS record that holds a `ClientHello`.
const MAX_CLIENT_HELLO: u64 = 16_640;

#[cfg(test)]
mod tests {
    use rustls::ClientConnection;
    use rustls::pki_types::ServerName;

    use super::*;
    use crate::net::fixture::Authority;

    /// A client's bytes, which come so many at a time, and what it is answered.
    struct Dribble {
        bytes: io::Cursor<Vec<u8>>,
        at_a_time: usize,
        answered: Vec<u8>,
    }

    impl Dribble {
        fn of(bytes: Vec<u8>, at_a_time: usize) -> Self {
            let (bytes, answered) = (io::Cursor::new(bytes), Vec::new());
            Self {
                bytes,
                at_a_time,
                answered,
            }
        }
    }

    impl Read for Dribble {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let most = to.len().min(self.at_a_time);
            self.bytes.read(&mut to[..most])
        }
    }

    impl Write for Dribble {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.answered.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_client_hello_is_read_whole_however_it_comes_and_goes_on_from_there() {
        let authority = Authority::new();
        let server = || authority.server("localhost", &[tls::H2, b"http/1.1"]);
        for (alpn, expected) in [
            (&[tls::H2][..], true),
            (&[b"http/1.1"], false),
            (&[], false),
        ] {
            for at_a_time in [1, 100, 20_000] {
                let name = ServerName::try_from("localhost").unwrap();
                let mut client = ClientConnection::new(authority.client(alpn), name).unwrap();
                let mut hello = Vec::new();
                client.write_tls(&mut hello).unwrap();
                let mut stream = Dribble::of(hello, at_a_time);
                let (mut session, offers_h2) = greeted(&mut stream, server()).unwrap();
                assert_eq!(offers_h2, expected, "{at_a_time}");
                let mut answer = Vec::new();
                while session.wants_write() {
                    session.write_tls(&mut answer).unwrap();
                }
                client.read_tls(&mut &*answer).unwrap();
                client.process_new_packets().unwrap();
                assert!(!client.is_handshaking());
            }
        }
    }

    #[test]
    fn what_is_no_client_hello_is_told_so_and_what_never_ends_is_closed() {
        let authority = Authority::new();
        let server = || authority.server("localhost", &[tls::H2]);
        // Records of 16 KiB, the first of which begins a message that is longer.
        let mut record = vec![TLS_HANDSHAKE, 3, 1, 0x40, 0, 1, 0, 0xff, 0];
        record.resize(5 + 0x4000, 0);
        let long = record.repeat(3);
        let mut cases = [
            (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), true),
            (vec![TLS_HANDSHAKE, 3, 1, 0, 100, 1], false),
            (long, false),
        ]
        .map(|(bytes, is_told)| (Dribble::of(bytes, 1_000), is_told));
        for (stream, is_told) in &mut cases {
            let error = greeted(stream, server()).unwrap_err();
            // An alert (RFC 8446 §5.1).
            let alert = stream.answered.first() == Some(&21);
            assert_eq!(alert, *is_told, "{error}");
            let ended = error.kind() == io::ErrorKind::UnexpectedEof;
            assert_eq!(ended, !*is_told, "{error}");
            assert!(stream.bytes.position() <= MAX_CLIENT_HELLO);
        }
    }
}
