//! HTTP/1.1: ureq's bytes as they are, over TLS or plain TCP.

use mio::Token;
use ureq::Error;
use ureq::unversioned::transport::{Buffers, NextTimeout, Transport};

use super::super::readiness::Readiness;
use super::super::socket::Socket;
use super::{CallWait, TextBuffers, ended};

use crate::moment;

#[derive(Debug)]
pub(super) struct Http1Transport {
    socket: Socket,
    wait: CallWait,
    buffers: TextBuffers,
}

impl Http1Transport {
    pub(super) fn new(
        mut socket: Socket,
        wait: CallWait,
        buffers: TextBuffers,
    ) -> Result<Self, Error> {
        socket.register(wait.waiter.registry(), SOCKET)?;
        Ok(Self {
            socket,
            wait,
            buffers,
        })
    }

    /// Appends what the socket has to ureq's input; says whether there was something.
    fn receive(&mut self, readiness: Readiness) -> bool {
        let input = self.buffers.input_mut();
        let before = input.len();
        self.socket
            .receive(readiness, |bytes| input.extend_from_slice(bytes));
        input.len() > before
    }
}

impl Transport for Http1Transport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let limit = self.wait.limit(timeout.for_write());
        let mut sent = 0;
        loop {
            let now = moment::now();
            let bytes = self.buffers.written(amount);
            sent += self.socket.send(bytes.get(sent..).unwrap_or_default(), now);
            if self.socket.is_broken() && self.socket.end().is_none() {
                let input = self.buffers.input_mut();
                self.socket.finish(|bytes| input.extend_from_slice(bytes));
            }
            if let Some(end) = self.socket.end() {
                return Err(ended(end));
            }
            if sent == amount && !self.socket.is_blocked() {
                return Ok(());
            }
            self.wait.wait(&limit, self.socket.write_deadline())?;
            self.socket.handle_timeout(moment::now());
        }
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let limit = self.wait.limit(timeout.for_read());
        let mut readiness = Readiness::UNKNOWN;
        loop {
            if self.receive(readiness) {
                return Ok(true);
            }
            match self.socket.end() {
                Some(end) if end.failure.is_some() => return Err(ended(end)),
                Some(_) => return Ok(false),
                None => {}
            }
            if !self.socket.has_more() {
                self.wait.wait(&limit, None)?;
            }
            readiness = self.wait.waiter.readiness(SOCKET);
        }
    }

    fn is_open(&mut self) -> bool {
        self.wait.begin();
        // Bytes that nobody asked for are not the start of the next response.
        !self.receive(Readiness::UNKNOWN) && !self.socket.is_broken()
    }

    fn is_tls(&self) -> bool {
        self.socket.is_tls()
    }
}

impl Drop for Http1Transport {
    fn drop(&mut self) {
        self.socket.close(moment::now());
    }
}

/// The only socket of its waiter.
const SOCKET: Token = Token(0);
