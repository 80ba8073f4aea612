//! The daemon's end of the control socket: a thread that takes one request after the other.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};

use super::message::{Answer, REQUEST_MAX, Request};
use crate::api::{BindError, Bound};
use crate::heartbeat::{Heartbeat, LONGEST_REST};
use crate::moment;

/// A request for a reload, and who is to hear of its end.
#[derive(Debug)]
pub struct Asked(Option<Sender<Answer>>);

impl Asked {
    /// Says what came of it, to whoever waits.
    pub fn answer(self, answer: Answer) {
        if let Some(sender) = self.0 {
            // Who asked may have gone.
            drop(sender.try_send(answer));
        }
    }
}

/// The socket and its thread. Dropping it ends both.
#[derive(Debug)]
pub struct Control {
    waker: Waker,
    thread: Option<JoinHandle<()>>,
    asked: Receiver<Asked>,
    heartbeat: Heartbeat,
}

impl Control {
    /// Binds the socket; a stale one is replaced, a live one is not.
    ///
    /// # Errors
    ///
    /// Why nobody can be listened to there.
    pub fn bind(path: &Path) -> Result<Bound, BindError> {
        Bound::unix(path, Some(MODE), None)
    }

    /// Begins to take requests.
    ///
    /// # Errors
    ///
    /// The system's, when it gives no thread or descriptor.
    pub fn start(bound: Bound) -> io::Result<Self> {
        let poll = Poll::new()?;
        poll.registry()
            .register(&mut SourceFd(&bound.raw_fd()), SOCKET, Interest::READABLE)?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let (sender, asked) = bounded(WAITING);
        let heartbeat = Heartbeat::new(moment::now());
        let its = heartbeat.clone();
        let thread = thread::Builder::new().name("control".to_owned());
        let thread = thread.spawn(move || {
            run(&bound, poll, &sender, &its);
            its.end();
        })?;
        Ok(Self {
            waker,
            thread: Some(thread),
            asked,
            heartbeat,
        })
    }

    /// The thread's sign of life.
    pub fn heartbeat(&self) -> Heartbeat {
        self.heartbeat.clone()
    }

    /// What is asked for.
    pub fn asked(&self) -> &Receiver<Asked> {
        &self.asked
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // Whoever waits for an answer hears that there will be none, once nobody can give it.
        self.asked = crossbeam_channel::never();
        if let (Some(thread), Ok(())) = (self.thread.take(), self.waker.wake())
            && thread.join().is_err()
        {
            ::log::error!("the control socket's thread panicked");
        }
    }
}

fn run(bound: &Bound, mut poll: Poll, asked: &Sender<Asked>, heartbeat: &Heartbeat) {
    let mut events = Events::with_capacity(2);
    loop {
        heartbeat.rest(moment::now() + LONGEST_REST);
        match poll.poll(&mut events, Some(LONGEST_REST)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return ::log::error!("the control socket is given up: {error}"),
        }
        if events.iter().any(|event| event.token() == WAKER) {
            return;
        }
        loop {
            match bound.accept_unix() {
                Ok(stream) => {
                    heartbeat.rest(moment::now() + READ_WITHIN + RELOAD_WITHIN + WRITE_WITHIN);
                    serve(&stream, asked);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    ::log::warn!("cannot take a request over the control socket: {error}");
                    thread::park_timeout(PAUSE);
                    break;
                }
            }
        }
    }
}

/// One request and its answer. A caller who is gone or too slow hears nothing.
fn serve(stream: &UnixStream, asked: &Sender<Asked>) {
    let answered = stream
        .set_nonblocking(false)
        .and_then(|()| read_line(stream, REQUEST_MAX, moment::now() + READ_WITHIN))
        .and_then(|line| {
            let answer = Request::parse(&line).map_or_else(
                |text| Answer::Malformed { text },
                |Request::Reload { wait }| reload(asked, wait),
            );
            stream.set_write_timeout(Some(WRITE_WITHIN))?;
            (&mut { stream }).write_all(&answer.line())
        });
    match answered {
        Ok(()) => {}
        // A daemon that starts looks so whether another one lives.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            ::log::debug!("somebody came to the control socket and asked for nothing");
        }
        Err(error) => {
            ::log::warn!("a request over the control socket came to nothing: {error}");
        }
    }
}

fn reload(asked: &Sender<Asked>, wait: bool) -> Answer {
    let busy = |text: &str| Answer::Busy {
        text: text.to_owned(),
    };
    let (sender, answer) = bounded(1);
    match asked.try_send(Asked(wait.then_some(sender))) {
        Ok(()) if !wait => return Answer::Asked,
        Ok(()) => {}
        Err(TrySendError::Full(_)) => return busy("other reloads wait already"),
        Err(TrySendError::Disconnected(_)) => return busy(ENDING),
    }
    match moment::receive_within(&answer, RELOAD_WITHIN) {
        Ok(answer) => answer,
        Err(RecvTimeoutError::Timeout) => busy("the reload takes too long; see the operator log"),
        Err(RecvTimeoutError::Disconnected) => busy(ENDING),
    }
}

/// Reads up to a newline, which is left out.
pub(super) fn read_line(
    mut stream: &UnixStream,
    most: usize,
    deadline: Instant,
) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let left = deadline.saturating_duration_since(moment::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(octets) => {
                let part = buffer.get(..octets).unwrap_or_default();
                let end = part.iter().position(|octet| *octet == b'\n');
                line.extend_from_slice(part.get(..end.unwrap_or(octets)).unwrap_or_default());
                if line.len() > most {
                    let text = format!("a line of more than {most} octets");
                    return Err(io::Error::new(io::ErrorKind::InvalidData, text));
                }
                if end.is_some() {
                    return Ok(line);
                }
            }
            Err(error) if is_pause(&error) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Linux says `WouldBlock` when a socket's time-out is over.
fn is_pause(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock
    )
}

/// Mode of the socket's file: who may reload may as well send signals.
const MODE: u32 = 0o600;

const SOCKET: Token = Token(0);
const WAKER: Token = Token(1);

const ENDING: &str = "the daemon is shutting down";

/// Our limit: reloads that wait for their turn.
pub(super) const WAITING: usize = 4;

/// Our limit: for a request's one line.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// Our limit: for taking the answer.
const WRITE_WITHIN: Duration = Duration::from_secs(5);

/// Our limit: for a reload and those before it; reading a few files takes milliseconds.
pub(super) const RELOAD_WITHIN: Duration = Duration::from_secs(60);

/// How long it waits when the system has no descriptor for a connection.
const PAUSE: Duration = Duration::from_millis(100);
