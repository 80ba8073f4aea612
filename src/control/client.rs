//! The other end of the control socket: asks the daemon.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use super::message::{self, ANSWER_MAX, ControlAnswer, RELOAD_WITHIN, Request};
use crate::http1::is_pause;
use crate::moment;

/// Why there is no answer.
#[derive(Debug)]
pub enum AskError {
    /// No daemon takes requests there.
    NoDaemon(io::Error),
    /// One does, and does not answer as it should.
    NoAnswer(String),
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDaemon(error) => write!(f, "no daemon answers: {error}"),
            Self::NoAnswer(why) => write!(f, "the daemon does not answer: {why}"),
        }
    }
}

impl std::error::Error for AskError {}

/// Sends a request to the daemon whose socket is at `path`, and waits for the answer.
///
/// # Errors
///
/// When there is none.
pub fn ask(path: &Path, request: Request) -> Result<ControlAnswer, AskError> {
    let mut stream = UnixStream::connect(path).map_err(AskError::NoDaemon)?;
    let no_answer = |error: io::Error| AskError::NoAnswer(error.to_string());
    stream
        .set_write_timeout(Some(MARGIN))
        .and_then(|()| stream.write_all(&request.line()))
        .map_err(no_answer)?;
    let deadline = moment::now() + RELOAD_WITHIN + MARGIN;
    let line = read_line(&stream, ANSWER_MAX, deadline).map_err(no_answer)?;
    ControlAnswer::parse(&line).map_err(AskError::NoAnswer)
}

/// Reads up to a newline, which is left out.
fn read_line(mut stream: &UnixStream, most: usize, deadline: Instant) -> io::Result<Vec<u8>> {
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
            Ok(bytes) => {
                let part = buffer.get(..bytes).unwrap_or_default();
                if message::take(&mut line, part, most)? {
                    return Ok(line);
                }
            }
            Err(error) if is_pause(&error) => {}
            Err(error) => return Err(error),
        }
    }
}

/// What is left for the daemon to answer after the longest reload.
const MARGIN: Duration = Duration::from_secs(10);
