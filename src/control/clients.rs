//! Those who have come to the control socket, each as far as it is.

use std::io::{self, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, TryRecvError};
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use super::desk::{Desk, ENDING, busy};
use super::message::{self, ControlAnswer, RELOAD_WITHIN, REQUEST_MAX, Request};
use crate::count::{self, Seldom};

/// All of them, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Clients {
    all: Vec<Client>,
    /// Those of whom nothing came.
    failed: Seldom,
}

#[derive(Debug)]
struct Client {
    stream: UnixStream,
    stage: ClientStage,
    /// When this stage is over.
    due: Instant,
}

#[derive(Debug)]
enum ClientStage {
    /// Its line so far.
    Asks(Vec<u8>),
    /// Where the answer will come from.
    Waits(Receiver<ControlAnswer>),
    /// What it has not taken yet.
    Hears(Vec<u8>),
}

impl Clients {
    /// Takes one more. If there are too many, the one that has been silent longest goes.
    pub(super) fn come(
        &mut self,
        stream: UnixStream,
        registry: &Registry,
        desk: &Desk,
        now: Instant,
    ) {
        let interest = Interest::READABLE | Interest::WRITABLE;
        let ready = stream
            .set_nonblocking(true)
            .and_then(|()| registry.register(&mut SourceFd(&stream.as_raw_fd()), CLIENT, interest));
        if let Err(error) = ready {
            return self.failed(&error, now);
        }
        let mut client = Client {
            stream,
            stage: ClientStage::Asks(Vec::new()),
            due: now + READ_WITHIN,
        };
        // What it asks for is mostly there already.
        match client.go_on(desk, now) {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => return self.failed(&error, now),
        }
        self.all.push(client);
        if self.all.len() > CLIENTS_MAX {
            self.go_on(desk, now);
        }
        if self.all.len() > CLIENTS_MAX {
            let is_silent = |client: &Client| matches!(client.stage, ClientStage::Asks(_));
            let silent = self.all.iter().position(is_silent);
            let deaf = |client: &Client| matches!(client.stage, ClientStage::Hears(_));
            let goes = silent.or_else(|| self.all.iter().position(deaf));
            // Few can wait for reloads: there is always one of the others.
            drop(self.all.remove(goes.unwrap_or(CLIENTS_MAX)));
            let error = io::Error::other("others came, and it was silent");
            self.failed(&error, now);
        }
    }

    /// Does for each what can be done; when the next one is due.
    pub(super) fn go_on(&mut self, desk: &Desk, now: Instant) -> Option<Instant> {
        let mut left = Vec::with_capacity(self.all.len());
        for mut client in std::mem::take(&mut self.all) {
            match client.go_on(desk, now) {
                Ok(true) => left.push(client),
                Ok(false) => {}
                Err(error) => self.failed(&error, now),
            }
        }
        self.all = left;
        self.all.iter().map(|client| client.due).min()
    }

    /// Tells those who wait that there will be no other answer.
    pub(super) fn end(&mut self) {
        for client in &mut self.all {
            if let ClientStage::Waits(answer) = &client.stage {
                let answer = answer.try_recv().unwrap_or_else(|_| busy(ENDING));
                // Nobody waits for who does not take it at once.
                drop(client.stream.write(&answer.line()));
            }
        }
    }

    /// Nothing came of a client.
    fn failed(&mut self, error: &io::Error, now: Instant) {
        // A daemon that starts looks so whether another one lives.
        if error.kind() == io::ErrorKind::UnexpectedEof {
            ::log::debug!("somebody came to the control socket and asked for nothing");
        } else if let Some(times) = self.failed.note(now) {
            ::log::warn!(
                "{} over the control socket came to nothing since this was last said: {error}",
                count::of(times, "request", "requests")
            );
        }
    }
}

impl Client {
    /// Does what can be done now; false when it has its answer.
    fn go_on(&mut self, desk: &Desk, now: Instant) -> io::Result<bool> {
        loop {
            let next = match &mut self.stage {
                ClientStage::Asks(line) => {
                    let is_whole = read_on(&self.stream, line)?;
                    is_whole.then(|| answer_to(line, desk))
                }
                ClientStage::Waits(answer) => match answer.try_recv() {
                    Ok(answer) => Some(ClientStage::Hears(answer.line())),
                    Err(TryRecvError::Disconnected) => {
                        Some(ClientStage::Hears(busy(ENDING).line()))
                    }
                    Err(TryRecvError::Empty) if now < self.due => None,
                    Err(TryRecvError::Empty) => Some(ClientStage::Hears(busy(TOO_LONG).line())),
                },
                ClientStage::Hears(rest) => {
                    write_on(&self.stream, rest)?;
                    if rest.is_empty() {
                        return Ok(false);
                    }
                    None
                }
            };
            let Some(next) = next else {
                return if now < self.due {
                    Ok(true)
                } else {
                    Err(io::ErrorKind::TimedOut.into())
                };
            };
            self.due = now + next.within();
            self.stage = next;
        }
    }
}

impl ClientStage {
    fn within(&self) -> Duration {
        match self {
            Self::Asks(_) => READ_WITHIN,
            Self::Waits(_) => RELOAD_WITHIN,
            Self::Hears(_) => WRITE_WITHIN,
        }
    }
}

/// What follows a line.
fn answer_to(line: &[u8], desk: &Desk) -> ClientStage {
    let answer = match Request::parse(line) {
        Err(text) => ControlAnswer::Malformed { text },
        Ok(Request::Reload { wait }) => match desk.ask(wait) {
            Ok(Some(answer)) => return ClientStage::Waits(answer),
            Ok(None) => ControlAnswer::Asked,
            Err(busy) => busy,
        },
    };
    ClientStage::Hears(answer.line())
}

/// Reads what is there; whether the line is whole, and then without its newline.
fn read_on(mut stream: &UnixStream, line: &mut Vec<u8>) -> io::Result<bool> {
    let mut buffer = [0; REQUEST_MAX + 1];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(bytes) => {
                let part = buffer.get(..bytes).unwrap_or_default();
                if message::take(line, part, REQUEST_MAX)? {
                    return Ok(true);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}

/// Writes what is taken; that is left out of `rest` then.
fn write_on(mut stream: &UnixStream, rest: &mut Vec<u8>) -> io::Result<()> {
    while !rest.is_empty() {
        match stream.write(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(bytes) => drop(rest.drain(..bytes)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What it says of a reload that is not over by then.
const TOO_LONG: &str = "the reload takes too long; see the operator log";

/// All clients are looked at when one of them can go on: there are few.
const CLIENT: Token = Token(2);

/// Our limit: for a request's one line.
pub(super) const READ_WITHIN: Duration = Duration::from_secs(5);

/// Our limit: for taking the answer.
pub(super) const WRITE_WITHIN: Duration = Duration::from_secs(5);

/// Our limit: clients at once; the one that has been silent longest goes for a further one.
pub(super) const CLIENTS_MAX: usize = 16;
