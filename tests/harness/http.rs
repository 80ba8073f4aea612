//! A plain HTTP/1.1 client that can also say what no client should.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use serde_json::Value;
use sterna::api::paths::STATUSES_OF_ANY;
use sterna::api::route::Route;

use super::PATIENCE;
use super::daemon::Address;

/// One connection to the API.
pub(crate) struct Client {
    socket: Socket,
    /// Read and not yet part of a reply.
    unread: Vec<u8>,
}

enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) fn try_connect(address: &Address) -> io::Result<Self> {
        let socket = match address {
            Address::Tcp(address) => Socket::Tcp(TcpStream::connect(address)?),
            Address::Unix(path) => Socket::Unix(UnixStream::connect(path)?),
        };
        let client = Self {
            socket,
            unread: Vec::new(),
        };
        client.set_read_timeout(PATIENCE);
        Ok(client)
    }

    /// How long a read may wait.
    pub(crate) fn set_read_timeout(&self, timeout: Duration) {
        match &self.socket {
            Socket::Tcp(socket) => socket.set_read_timeout(Some(timeout)).unwrap(),
            Socket::Unix(socket) => socket.set_read_timeout(Some(timeout)).unwrap(),
        }
    }

    /// How long a write may wait.
    pub(crate) fn set_write_timeout(&self, timeout: Duration) {
        match &self.socket {
            Socket::Tcp(socket) => socket.set_write_timeout(Some(timeout)).unwrap(),
            Socket::Unix(socket) => socket.set_write_timeout(Some(timeout)).unwrap(),
        }
    }

    /// The TCP socket.
    pub(crate) fn tcp(&self) -> &TcpStream {
        match &self.socket {
            Socket::Tcp(socket) => socket,
            Socket::Unix(_) => panic!("this is a Unix socket"),
        }
    }

    /// Sends bytes as they are.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).unwrap();
    }

    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.socket {
            Socket::Tcp(socket) => socket.write_all(bytes),
            Socket::Unix(socket) => socket.write_all(bytes),
        }
    }

    /// Says that nothing more will be sent.
    pub(crate) fn finish(&self) {
        // The other side may have closed already.
        drop(match &self.socket {
            Socket::Tcp(socket) => socket.shutdown(Shutdown::Write),
            Socket::Unix(socket) => socket.shutdown(Shutdown::Write),
        });
    }

    /// Sends a request, with `Content-Length` if it has a body or a method for one, and waits for
    /// the answer.
    pub(crate) fn request(&mut self, method: &str, target: &str, body: &[u8]) -> Reply {
        self.send(&request(method, target, body));
        let reply = self.reply_to(method);
        check_documented(method, target, &reply);
        reply
    }

    /// The next answer.
    pub(crate) fn reply(&mut self) -> Reply {
        self.reply_to("GET")
    }

    /// The next answer, to a request of that method.
    pub(crate) fn reply_to(&mut self, method: &str) -> Reply {
        self.try_reply(method).unwrap()
    }

    /// The next answer; an error if the connection ends or is reset before.
    pub(crate) fn try_reply(&mut self, method: &str) -> io::Result<Reply> {
        let head = loop {
            match find(&self.unread, b"\r\n\r\n") {
                Some(at) => break self.take(at + 4),
                None => self.fill()?,
            }
        };
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.trim_end().split("\r\n");
        let status_line = lines.next().unwrap();
        let status = status_line.split(' ').nth(1).unwrap().parse().unwrap();
        let fields = lines.map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_owned(), value.to_owned())
        });
        let mut reply = Reply {
            status,
            fields: fields.collect(),
            body: Vec::new(),
        };
        if method != "HEAD" && status >= 200 {
            let length = reply.field("Content-Length").expect("every answer has one");
            let length = length.parse().unwrap();
            while self.unread.len() < length {
                self.fill()?;
            }
            reply.body = self.take(length);
        }
        Ok(reply)
    }

    /// Whether the connection ends here, without another byte.
    pub(crate) fn ends(&mut self) -> bool {
        match self.fill() {
            Ok(()) => false,
            Err(error) => matches!(
                error.kind(),
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset
            ),
        }
    }

    fn take(&mut self, bytes: usize) -> Vec<u8> {
        let rest = self.unread.split_off(bytes);
        std::mem::replace(&mut self.unread, rest)
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        let bytes = loop {
            let read = match &mut self.socket {
                Socket::Tcp(socket) => socket.read(&mut buffer),
                Socket::Unix(socket) => socket.read(&mut buffer),
            };
            match read {
                // Its time-out ends a read early when this process has been stopped meanwhile.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        if bytes == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.unread.extend_from_slice(&buffer[..bytes]);
        Ok(())
    }
}

/// No operation answers with a status that the document of the API does not have for it. What
/// stands in front of the daemon has statuses of its own.
fn check_documented(method: &str, target: &str, reply: &Reply) {
    let status = reply.status;
    let is_ours = reply
        .field("Server")
        .is_some_and(|server| server.starts_with("Sterna"));
    let (_, _, item) = Route::of(target);
    let operation = item.and_then(|item| item.operation(method));
    if let Some(operation) = operation.filter(|_| is_ours) {
        let known = operation.statuses.iter().chain(&STATUSES_OF_ANY);
        let is_known = known.into_iter().any(|known| *known == status);
        assert!(is_known, "{method} {target}: {status} is not documented");
    }
}

impl Reply {
    /// The value of a field, if the answer has it; its name is matched as the daemon spells it.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The `message` of the body.
    pub(crate) fn message(&self) -> String {
        self.json()["message"].as_str().unwrap().to_owned()
    }

    /// The ids of `accepted`, in their order.
    pub(crate) fn accepted_ids(&self) -> Vec<u64> {
        let json = self.json();
        let accepted = json["accepted"].as_array().unwrap().iter();
        accepted
            .flat_map(|entry| {
                let first = entry["first_id"].as_u64().unwrap();
                first..first + entry["count"].as_u64().unwrap()
            })
            .collect()
    }
}

/// The bytes of an ordinary request.
pub(crate) fn request(method: &str, target: &str, body: &[u8]) -> Vec<u8> {
    let mut request = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n");
    if !body.is_empty() || matches!(method, "POST" | "PUT") {
        write!(request, "Content-Length: {}\r\n", body.len()).unwrap();
    }
    request.push_str("\r\n");
    [request.as_bytes(), body].concat()
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|part| part == wanted)
}
