//! The callers: posts to the daemon's API over a few keep-alive connections.
//!
//! A closed loop: each connection sends its next request when the last one is answered. A full
//! queue (503) is waited for as long as the daemon says.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::Failure;
use super::workload::{Shape, write_request_of};

/// How long an answer may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Bytes of an answer at most; a hundred notifications are answered in about 6,000.
const ANSWER_MAX: usize = 1 << 20;

/// Open connections to the API.
pub(crate) struct Callers {
    callers: Vec<Caller>,
}

impl Callers {
    /// Opens so many connections.
    pub(crate) fn connect(address: SocketAddr, number: u32) -> Result<Self, Failure> {
        let callers = (0..number).map(|_| Caller::connect(address));
        Ok(Self {
            callers: callers.collect::<Result<_, _>>()?,
        })
    }

    /// Posts so many pushes, to devices numbered from `first`; the connections stay open.
    pub(crate) fn post(&mut self, shape: Shape, first: u64, pushes: u32) -> Result<(), Failure> {
        let next = AtomicU64::new(first);
        let end = first + u64::from(pushes);
        std::thread::scope(|scope| {
            let next = &next;
            let threads: Vec<_> = (self.callers.iter_mut())
                .map(|caller| scope.spawn(move || caller.post_all(shape, next, end)))
                .collect();
            for thread in threads {
                thread.join().map_err(|_| "a caller panicked")??;
            }
            Ok(())
        })
    }
}

/// One connection.
pub(crate) struct Caller {
    stream: TcpStream,
    body: Vec<u8>,
    request: Vec<u8>,
    answer: Vec<u8>,
}

/// What the daemon said.
pub(crate) enum Answer {
    Accepted,
    ComeBackIn(Duration),
}

impl Caller {
    /// Opens it.
    pub(crate) fn connect(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        Ok(Self {
            stream,
            body: Vec::new(),
            request: Vec::new(),
            answer: Vec::new(),
        })
    }

    fn post_all(&mut self, shape: Shape, next: &AtomicU64, end: u64) -> Result<(), Failure> {
        loop {
            let first = next.fetch_add(u64::from(shape.batch), Ordering::Relaxed);
            if first >= end {
                return Ok(());
            }
            let left = u32::try_from(end - first).unwrap_or(u32::MAX);
            let batch = shape.batch.min(left);
            write_request_of(Shape { batch, ..shape }, first, &mut self.body);
            while let Answer::ComeBackIn(wait) = self.post()? {
                std::thread::sleep(wait);
            }
        }
    }

    /// Posts one body; what was said, and how long it took.
    pub(crate) fn ask(&mut self, body: &[u8]) -> Result<(Answer, Duration), Failure> {
        self.body.clear();
        self.body.extend_from_slice(body);
        let start = Instant::now();
        Ok((self.post()?, start.elapsed()))
    }

    /// Sends head and body in one write, as curl does, and reads the answer.
    fn post(&mut self) -> Result<Answer, Failure> {
        self.request.clear();
        write!(
            self.request,
            "POST /push HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            self.body.len()
        )?;
        self.request.extend_from_slice(&self.body);
        self.stream.write_all(&self.request)?;
        self.answer.clear();
        loop {
            if let Some(answer) = parse(&self.answer)? {
                return Ok(answer);
            }
            let mut bytes = [0; 16 * 1024];
            let read = self.stream.read(&mut bytes)?;
            if read == 0 {
                return Err("the daemon closed a caller's connection".into());
            }
            self.answer
                .extend_from_slice(bytes.get(..read).unwrap_or_default());
        }
    }
}

/// Reads an answer; `None` if it is not whole yet.
fn parse(bytes: &[u8]) -> Result<Option<Answer>, Failure> {
    let mut fields = [httparse::EMPTY_HEADER; 16];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(length) = head.parse(bytes)? else {
        return Ok(None);
    };
    let number = |name: &str| {
        let mut fields = head.headers.iter();
        let field = fields.find(|field| field.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(field.value).ok()?.parse::<u32>().ok()
    };
    let content = number("Content-Length").ok_or("an answer without Content-Length")?;
    let whole = length.saturating_add(usize::try_from(content)?);
    if whole > ANSWER_MAX {
        return Err(format!("an answer of {whole} bytes").into());
    }
    let Some(body) = bytes.get(length..whole) else {
        return Ok(None);
    };
    match head.code {
        Some(200) => Ok(Some(Answer::Accepted)),
        Some(503) => {
            let secs = number("Retry-After").unwrap_or(1);
            Ok(Some(Answer::ComeBackIn(Duration::from_secs(secs.into()))))
        }
        code => {
            let body = String::from_utf8_lossy(body);
            Err(format!("the daemon answered {code:?}: {body}").into())
        }
    }
}
