//! What tests of callers share: a raw client and its answers, and patience.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::Bound;

/// A port of the loopback interface.
pub(crate) fn loopback() -> Bound {
    Bound::tcp(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap()
}

/// Longer than anything here takes: reaching it is a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for a condition that other threads bring about.
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        std::thread::yield_now();
    }
}

/// A client that sends what it likes.
pub(crate) struct Client<S = TcpStream> {
    pub(crate) stream: S,
    unread: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Got {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self::over(stream)
    }

    /// The answer that is there within a few milliseconds, if there is one.
    pub(crate) fn poll(&mut self) -> Option<Got> {
        self.stream
            .set_read_timeout(Some(Duration::from_millis(5)))
            .unwrap();
        let got = self.read_answer(true);
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        match got {
            Ok(got) => Some(got),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) => panic!("no answer: {error}"),
        }
    }
}

impl Client<UnixStream> {
    pub(crate) fn connect_unix(path: &std::path::Path) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self::over(stream)
    }
}

impl<S> Client<S>
where
    for<'a> &'a S: io::Read + io::Write,
{
    pub(crate) fn over(stream: S) -> Self {
        Self {
            stream,
            unread: Vec::new(),
        }
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        (&self.stream).write_all(bytes.as_ref()).unwrap();
    }

    /// Sends as far as the other side takes it.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        (&self.stream).write_all(bytes.as_ref()).is_ok()
    }

    /// The next answer.
    pub(crate) fn answer(&mut self) -> Got {
        self.read_answer(true).unwrap()
    }

    /// The next answer, unless the connection ends before it.
    pub(crate) fn try_answer(&mut self) -> Option<Got> {
        self.read_answer(true).ok()
    }

    /// The next answer, to a HEAD request.
    pub(crate) fn answer_to_head(&mut self) -> Got {
        self.read_answer(false).unwrap()
    }

    pub(crate) fn ask(&mut self, request: impl AsRef<[u8]>) -> Got {
        self.send(request);
        self.answer()
    }

    /// Whether the other side ends the connection without another byte.
    pub(crate) fn is_ended(&mut self) -> bool {
        match (&self.stream).read(&mut [0; 1]) {
            Ok(bytes) => bytes == 0 && self.unread.is_empty(),
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }

    /// Bytes that were read behind the last answer.
    pub(crate) fn take_unread(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.unread)
    }

    fn read_answer(&mut self, has_body: bool) -> io::Result<Got> {
        loop {
            let text = String::from_utf8_lossy(&self.unread).into_owned();
            if let Some((head, rest)) = text.split_once("\r\n\r\n") {
                let mut got = Got {
                    status: head.split(' ').nth(1).unwrap().parse().unwrap(),
                    head: head.to_owned(),
                    body: String::new(),
                };
                let length = got
                    .field("content-length")
                    .map_or(0, |value| value.parse().unwrap());
                let length = if has_body { length } else { 0 };
                if let Some(body) = rest.get(..length) {
                    body.clone_into(&mut got.body);
                    drop(self.unread.drain(..head.len() + 4 + length));
                    return Ok(got);
                }
            }
            let mut more = [0; 16384];
            match (&self.stream).read(&mut more)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                bytes => self.unread.extend_from_slice(&more[..bytes]),
            }
        }
    }
}
