//! HTTP/2 behind ureq: one exchange at a time on a connection that ureq keeps in its pool.

use std::io;

use ureq::Error;
use ureq::unversioned::transport::{Buffers, NextTimeout, Transport};

use super::super::connection::Connection;
use super::super::socket::Socket;
use super::request::{OutgoingHead, Piece, RequestReader};
use super::response::{self, ResponseFraming};
use super::{CallWait, Limit, TextBuffers, UnprocessedRequest, ended, failed};
use crate::http2::{self, Cause, ErrorCode, Event, Fate, Field, Indexing, SendError, StreamId};
use crate::moment;

#[derive(Debug)]
pub(super) struct Http2Transport {
    connection: Connection,
    wait: CallWait,
    buffers: TextBuffers,
    request: RequestReader,
    exchange: Option<Exchange>,
}

/// A request and its response.
#[derive(Debug)]
struct Exchange {
    stream: StreamId,
    to_head: bool,
    upload: Upload,
    /// Known once the response head has come.
    framing: Option<ResponseFraming>,
    /// The response has come to its end.
    is_done: bool,
}

/// Where the content of a request stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Upload {
    /// ureq waits for a 100 before it sends any.
    Held,
    /// ureq sends it, or has sent it.
    Going,
    /// The server wants no more: what ureq still sends is dropped.
    Over,
}

impl Http2Transport {
    pub(super) fn new(socket: Socket, wait: CallWait, buffers: TextBuffers) -> Result<Self, Error> {
        let now = moment::now();
        let http2 = http2::Connection::client(OPTIONS, now);
        let connection = Connection::start(socket, http2, wait.waiter.registry(), now)
            .map_err(|end| ended(&end))?;
        Ok(Self {
            connection,
            wait,
            buffers,
            request: RequestReader::new(),
            exchange: None,
        })
    }

    /// Translates what ureq has written and hands it to the HTTP/2 side.
    fn send(&mut self, amount: usize) -> Result<(), Error> {
        let Self {
            connection,
            buffers,
            request,
            exchange,
            ..
        } = self;
        let mut bytes = buffers.written(amount);
        while let Some(piece) = request.next(&mut bytes)? {
            match (piece, &mut *exchange) {
                (Piece::Head(head), _) => *exchange = Some(Exchange::open(connection, &head)?),
                (Piece::Data { data, last }, Some(exchange)) if exchange.upload != Upload::Over => {
                    exchange.upload = Upload::Going;
                    let http2 = connection.http2();
                    if http2.send_data(exchange.stream, data, last).is_err() {
                        exchange.upload = Upload::Over;
                    }
                }
                (Piece::Data { .. }, _) => {}
            }
        }
        connection.flush(moment::now());
        Ok(())
    }

    /// Waits until the socket has something or is ready for something, and takes it.
    fn round(&mut self, limit: &Limit) -> Result<(), Error> {
        self.connection.flush(moment::now());
        if !self.connection.has_more() && !self.connection.is_closed() {
            self.wait.wait(limit, self.connection.next_timeout())?;
        }
        let now = moment::now();
        let readiness = self.wait.waiter.readiness(self.connection.token());
        self.connection.receive_ready(readiness, now);
        self.connection.handle_timeout(now);
        self.connection.flush(now);
        Ok(())
    }

    /// Moves the next event that means something to ureq into its input. `false`: there is none.
    fn take_event(&mut self) -> Result<bool, Error> {
        while let Some(event) = self.connection.http2().poll_event() {
            let Some(exchange) = &mut self.exchange else {
                continue;
            };
            let input = self.buffers.input_mut();
            let before = input.len();
            match event {
                Event::Head {
                    stream,
                    fields,
                    end_stream,
                } if stream == exchange.stream => {
                    let written =
                        response::write_head(input, &fields, exchange.to_head, end_stream);
                    match written {
                        Ok(framing) => exchange.framing = Some(framing),
                        Err(what) => return Err(exchange.refuse(&mut self.connection, what)),
                    }
                    exchange.is_done = end_stream;
                }
                Event::Data {
                    stream,
                    data,
                    end_stream,
                } if stream == exchange.stream => {
                    exchange.write(input, &data, end_stream);
                    // ureq has asked for content, so it takes this.
                    self.connection.http2().release(stream, data.len());
                }
                Event::Trailers { stream, .. } if stream == exchange.stream => {
                    exchange.write(input, &[], true);
                }
                // An answer that was complete stays one.
                Event::StreamFailed {
                    stream,
                    fate,
                    cause,
                } if stream == exchange.stream && !exchange.is_done => {
                    return Err(self.failure(fate, cause));
                }
                _ => {}
            }
            if input.len() > before {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn failure(&self, fate: Fate, cause: Cause) -> Error {
        let what = match cause {
            Cause::ResetByPeer(code) => format!("the server reset the stream: {code}"),
            Cause::OurLimit(limit) => limit.to_owned(),
            Cause::GoAway(code) => format!("the server takes no further requests: {code}"),
            Cause::StreamError(code, text) => format!("bad response: {text} ({code})"),
            Cause::ConnectionError(code, text) => format!("bad HTTP/2: {text} ({code})"),
            Cause::TransportClosed | Cause::ClosedByUs => {
                let why = self.connection.why_closed();
                why.unwrap_or("the connection was closed").to_owned()
            }
        };
        let said = match fate {
            Fate::NotSent => "; the request was not sent",
            Fate::NotProcessed => "; the request was not processed",
            Fate::Unknown => "",
        };
        let text = format!("{}: {what}{said}", self.connection.peer_addr());
        let kind = io::ErrorKind::ConnectionAborted;
        match fate {
            Fate::Unknown => failed(kind, text),
            Fate::NotSent | Fate::NotProcessed => failed(kind, UnprocessedRequest(text)),
        }
    }

    fn is_done(&self) -> bool {
        self.exchange
            .as_ref()
            .is_none_or(|exchange| exchange.is_done)
    }

    /// The server is behind: content waits for its windows, or bytes for its socket.
    fn is_behind(&mut self) -> bool {
        let going = |exchange: &&Exchange| exchange.upload != Upload::Over;
        let stream = self
            .exchange
            .as_ref()
            .filter(going)
            .map(|exchange| exchange.stream);
        let unsent = stream.map_or(0, |stream| self.connection.http2().unsent(stream));
        self.connection.is_write_blocked() || unsent > MAX_UNSENT
    }
}

impl Exchange {
    fn open(connection: &mut Connection, head: &OutgoingHead) -> Result<Self, Error> {
        let literal = |name, value| Field {
            name,
            value,
            indexing: Indexing::Literal,
        };
        let mut fields = vec![
            literal(b":method", head.method.as_slice()),
            literal(b":scheme", b"https"),
            literal(b":authority", &head.authority),
            literal(b":path", &head.path),
        ];
        fields.extend(head.fields.iter().map(|(name, value)| Field {
            name,
            value,
            indexing: match name.as_slice() {
                b"authorization" | b"cookie" => Indexing::NeverIndexed,
                _ => Indexing::Literal,
            },
        }));
        let stream = connection
            .http2()
            .open_request(&fields, head.is_last, moment::now())
            .map_err(|error| {
                let (kind, text) = match error {
                    SendError::BadHead => (
                        io::ErrorKind::InvalidInput,
                        "the request's fields are not fit for HTTP/2",
                    ),
                    SendError::NoStream | SendError::StreamClosed => (
                        io::ErrorKind::ConnectionAborted,
                        "the server takes no further requests on this connection",
                    ),
                };
                failed(kind, UnprocessedRequest(text.to_owned()))
            })?;
        Ok(Self {
            stream,
            to_head: head.method == b"HEAD",
            upload: if head.expects_continue {
                Upload::Held
            } else {
                Upload::Going
            },
            framing: None,
            is_done: false,
        })
    }

    fn write(&mut self, input: &mut Vec<u8>, data: &[u8], end_stream: bool) {
        let framing = self.framing.unwrap_or(ResponseFraming::Empty);
        response::write_data(input, framing, data);
        if end_stream {
            response::write_end(input, framing);
            self.is_done = true;
        }
    }

    fn refuse(&mut self, connection: &mut Connection, what: &str) -> Error {
        connection
            .http2()
            .reset(self.stream, ErrorCode::PROTOCOL_ERROR);
        let text = format!("{}: bad {what} in the response", connection.peer_addr());
        Error::Io(io::Error::new(io::ErrorKind::InvalidData, text))
    }
}

impl Transport for Http2Transport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let limit = self.wait.limit(timeout.for_write());
        self.send(amount)?;
        while self.is_behind() {
            self.round(&limit)?;
            while self.buffers.input().len() < MAX_EARLY && self.take_event()? {}
            if let Some(exchange) = &mut self.exchange
                && exchange.is_done
                && exchange.upload != Upload::Over
            {
                exchange.upload = Upload::Over;
                // RFC 9113 §8.1: the answer is complete, the rest of the content is of no use.
                let http2 = self.connection.http2();
                http2.reset(exchange.stream, ErrorCode::NO_ERROR);
            }
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let limit = self.wait.limit(timeout.for_read());
        if let Some(exchange) = &mut self.exchange
            && exchange.upload == Upload::Held
        {
            exchange.upload = Upload::Going;
            // HTTP/2 has flow control to hold content back; the server need not be asked.
            let input = self.buffers.input_mut();
            input.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
            return Ok(true);
        }
        loop {
            if self.take_event()? {
                return Ok(true);
            }
            if self.is_done() {
                return Ok(false);
            }
            let now = moment::now();
            if let Err(over) = limit.left(now) {
                if !self.wait.looks_once_more() {
                    return Err(over);
                }
                self.connection.receive(now);
                continue;
            }
            self.round(&limit)?;
        }
    }

    fn is_open(&mut self) -> bool {
        if !self.is_done() || !self.request.is_idle() {
            return false;
        }
        self.exchange = None;
        self.wait.begin();
        let now = moment::now();
        self.connection.receive(now);
        self.connection.handle_timeout(now);
        self.connection.flush(now);
        // Without an exchange, events are dropped.
        let quiet = matches!(self.take_event(), Ok(false));
        quiet && !self.connection.is_closed() && self.connection.http2().available_streams() > 0
    }

    fn is_tls(&self) -> bool {
        true
    }
}

impl Drop for Http2Transport {
    fn drop(&mut self) {
        self.connection.http2().close(ErrorCode::NO_ERROR);
        self.connection.flush(moment::now());
    }
}

/// One exchange at a time, answers as long as ureq is willing to read them.
const OPTIONS: http2::Options = http2::Options {
    streams_before_settings: 1,
    max_content: usize::MAX,
    stream_window: 256 * 1024,
    connection_window: 256 * 1024,
    max_concurrent_streams: None,
    header_table_size: 4096,
    max_header_list_size: 64 * 1024,
};

/// Bytes of content that may wait for the server's windows before ureq is held up.
const MAX_UNSENT: usize = 64 * 1024;

/// Bytes of a response taken while the request is still being sent.
const MAX_EARLY: usize = 64 * 1024;
