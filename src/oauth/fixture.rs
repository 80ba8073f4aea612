//! A server on the way to an access token, as a test wants it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

/// Longer than any exchange here takes; a test that waits for this has failed.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// A server that answers each request from a script, on a port of its own.
pub(super) struct TokenEndpoint {
    /// Where it takes assertions.
    pub(super) uri: String,
    /// Its requests, in order.
    pub(super) requests: Receiver<ScriptedRequest>,
    /// What the next request is answered: the text after "HTTP/1.1 ".
    answers: Sender<String>,
}

/// A request that came.
#[derive(Debug)]
pub(super) struct ScriptedRequest {
    /// Its head, in small letters but for the first line.
    pub(super) head: String,
    /// Its content.
    pub(super) content: String,
}

impl TokenEndpoint {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let uri = format!("http://{}/token", listener.local_addr().unwrap());
        let (requests_in, requests) = channel();
        let (answers, answers_out) = channel::<String>();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                if requests_in.send(read(&stream)).is_err() {
                    return;
                }
                let Ok(answer) = answers_out.recv() else {
                    return;
                };
                let answer = format!("HTTP/1.1 {answer}");
                stream.write_all(answer.as_bytes()).unwrap_or(());
            }
        });
        Self {
            uri,
            requests,
            answers,
        }
    }

    /// Another URL of it.
    pub(super) fn url(&self, path: &str) -> String {
        self.uri.replace("/token", path)
    }

    pub(super) fn answer(&self, status: &str, fields: &str, body: &str) {
        let length = body.len();
        let answer = format!(
            "{status}\r\nconnection: close\r\ncontent-length: {length}\r\n{fields}\r\n{body}"
        );
        self.answers.send(answer).unwrap();
    }

    pub(super) fn grant(&self, token: &str) {
        let body =
            format!(r#"{{"access_token":"{token}","expires_in":3599,"token_type":"Bearer"}}"#);
        self.answer("200 OK", "", &body);
    }

    /// The next request.
    pub(super) fn request(&self) -> ScriptedRequest {
        self.requests.recv_timeout(PATIENCE).unwrap()
    }

    /// The form of the next request.
    pub(super) fn form(&self) -> String {
        self.request().content
    }
}

fn read(stream: &TcpStream) -> ScriptedRequest {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    reader.read_line(&mut head).unwrap();
    let (mut length, mut line) = (0, String::new());
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line).unwrap();
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        head.push_str(&lower);
    }
    let mut content = vec![0; length];
    reader.read_exact(&mut content).unwrap();
    ScriptedRequest {
        head,
        content: String::from_utf8(content).unwrap(),
    }
}
