//! A crowd of hostile callers on one thread: each holds a connection as long as it can, and comes
//! again as soon as that is closed. The bench uses it, too.

#![allow(dead_code, reason = "the bench uses a part of it")]

use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mio::net::{TcpStream, UnixStream};
use mio::{Events, Interest, Poll, Token};
use rustix::net::sockopt::set_socket_recv_buffer_size;

/// Where the daemon listens.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// What each of a crowd does with its connection.
#[derive(Clone, Debug)]
pub(crate) struct Manners {
    pub(crate) name: &'static str,
    /// Sent first.
    pub(crate) opening: Vec<u8>,
    /// Sent again and again.
    pub(crate) drip: Vec<u8>,
    pub(crate) every: Duration,
    /// Whether answers are read.
    pub(crate) reads: bool,
    /// Whether they are always behind with something, so that no idle connection goes for them.
    pub(crate) owes: bool,
}

/// Callers who owe the rest of what they begin, and others who give and take little.
pub(crate) fn all_manners() -> Vec<Manners> {
    let tenth = Duration::from_millis(100);
    let manners = |name, opening: &str, drip: &str, every, owes| Manners {
        name,
        opening: opening.as_bytes().to_vec(),
        drip: drip.as_bytes().to_vec(),
        every,
        reads: true,
        owes,
    };
    let head = "POST /push HTTP/1.1\r\nHost: localhost\r\n";
    let with = |fields: &str, begin: &str| format!("{head}{fields}\r\n\r\n{begin}");
    let stat = "GET /stat/app HTTP/1.1\r\nHost: localhost\r\n\r\n";
    // An answer of tens of kilobytes, with hardly any work.
    let long = format!(
        "GET //{} HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "x".repeat(12_000)
    );
    vec![
        manners("who say nothing", "", "", tenth, true),
        manners("with half heads", head, "X: y\r\n", tenth * 10, true),
        manners(
            "with dripping bodies",
            &with("Content-Length: 100000", "{"),
            " ",
            tenth,
            true,
        ),
        manners(
            "with bodies that begin well",
            &with("Content-Length: 60000", &" ".repeat(30_000)),
            " ",
            tenth,
            false,
        ),
        manners(
            "with chunks of hardly anything",
            &with("Transfer-Encoding: chunked", ""),
            &format!("1;{}\r\n \r\n", "x".repeat(200)),
            tenth,
            true,
        ),
        manners(
            "who let us wait for what they made us expect",
            &with("Content-Length: 100000\r\nExpect: 100-continue", ""),
            "",
            tenth,
            true,
        ),
        manners("who read no answers", &long.repeat(4), "", tenth, false),
        manners("who ask for little", stat, stat, tenth * 10, true),
    ]
}

/// The running crowd. Dropping it ends it.
pub(crate) struct Crowd {
    ends: Arc<AtomicBool>,
    connected: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Crowd {
    /// Lets so many callers of these manners come.
    pub(crate) fn gather(place: &Place, callers: usize, manners: &Manners) -> io::Result<Self> {
        // Each of them takes a descriptor of this process, too.
        sterna::descriptors::raise()?;
        let ends = Arc::<AtomicBool>::default();
        let connected = Arc::<AtomicUsize>::default();
        let mut riot = Riot {
            poll: Poll::new()?,
            place: place.clone(),
            manners: manners.clone(),
            callers: (0..callers).map(|_| None).collect(),
            ends: Arc::clone(&ends),
            connected: Arc::clone(&connected),
        };
        let thread = std::thread::Builder::new().name("crowd".to_owned());
        let thread = Some(thread.spawn(move || riot.run())?);
        Ok(Self {
            ends,
            connected,
            thread,
        })
    }

    /// Connections that were opened so far.
    pub(crate) fn connected(&self) -> usize {
        self.connected.load(Ordering::Relaxed)
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Its panic is told by itself.
            drop(thread.join());
        }
    }
}

enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

struct Caller {
    socket: Socket,
    /// Bytes of the opening that were sent.
    sent: usize,
}

struct Riot {
    poll: Poll,
    place: Place,
    manners: Manners,
    callers: Vec<Option<Caller>>,
    ends: Arc<AtomicBool>,
    connected: Arc<AtomicUsize>,
}

impl Riot {
    fn run(&mut self) {
        let mut events = Events::with_capacity(1024);
        let mut next = 0;
        let begun = Instant::now();
        while !self.ends.load(Ordering::Relaxed) {
            // Each once in its time, spread evenly over it.
            let due = begun.elapsed().as_micros() * self.callers.len() as u128
                / self.manners.every.as_micros();
            while next < due {
                let number = usize::try_from(next).unwrap_or(0) % self.callers.len();
                self.act(number, true);
                next += 1;
            }
            for number in 0..self.callers.len() {
                if self.callers.get(number).is_some_and(Option::is_none) && !self.come(number) {
                    break;
                }
            }
            if let Err(error) = self.poll.poll(&mut events, Some(Duration::from_millis(1))) {
                assert_eq!(error.kind(), io::ErrorKind::Interrupted, "{error}");
            }
            for event in &events {
                self.act(event.token().0, false);
            }
        }
    }

    /// False if nobody can come just now.
    fn come(&mut self, number: usize) -> bool {
        let socket = match &self.place {
            Place::Tcp(address) => TcpStream::connect(*address).map(Socket::Tcp),
            Place::Unix(path) => UnixStream::connect(path).map(Socket::Unix),
        };
        // A full queue is tried again.
        let Ok(mut socket) = socket else {
            return false;
        };
        if let (Socket::Tcp(stream), false) = (&socket, self.manners.reads) {
            // What the kernel takes for them is little.
            let _set = set_socket_recv_buffer_size(stream, 4096);
        }
        let (token, interest) = (Token(number), Interest::READABLE | Interest::WRITABLE);
        let registered = match &mut socket {
            Socket::Tcp(stream) => self.poll.registry().register(stream, token, interest),
            Socket::Unix(stream) => self.poll.registry().register(stream, token, interest),
        };
        if registered.is_ok()
            && let Some(place) = self.callers.get_mut(number)
        {
            *place = Some(Caller { socket, sent: 0 });
            self.connected.fetch_add(1, Ordering::Relaxed);
            self.act(number, false);
        }
        true
    }

    /// Sends and reads what it can; leaves when the daemon has closed.
    fn act(&mut self, number: usize, drips: bool) {
        let manners = &self.manners;
        let Some(place) = self.callers.get_mut(number) else {
            return;
        };
        if let Some(caller) = place
            && caller.act(manners, drips).is_err()
        {
            *place = None;
        }
    }
}

impl Caller {
    fn act(&mut self, manners: &Manners, drips: bool) -> io::Result<()> {
        if let Some(rest) = manners.opening.get(self.sent..)
            && !rest.is_empty()
        {
            self.sent += self.write(rest)?;
        } else if drips && !manners.drip.is_empty() {
            self.write(&manners.drip)?;
        }
        if !manners.reads {
            return Ok(());
        }
        let mut bytes = [0; 4096];
        loop {
            let read = match &mut self.socket {
                Socket::Tcp(stream) => stream.read(&mut bytes),
                Socket::Unix(stream) => stream.read(&mut bytes),
            };
            match read {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if is_pause(&error) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match &mut self.socket {
            Socket::Tcp(stream) => stream.write(bytes),
            Socket::Unix(stream) => stream.write(bytes),
        };
        match written {
            Err(error) if is_pause(&error) => Ok(0),
            written => written,
        }
    }
}

fn is_pause(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted | io::ErrorKind::NotConnected
    )
}
