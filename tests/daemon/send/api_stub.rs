//! An API that takes pushes and does with them what a test says: slower, deafer and more forgetful
//! than a daemon's, and a million times as fast to set up.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use serde_json::{Value, json};

/// What becomes of the request of that number, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Treatment {
    /// It is taken and answered.
    Answer,
    /// It is taken, and its connection ends without an answer.
    Drop,
    /// It is taken, and answered once [`ApiStub::go_on`] is called.
    Hold,
    /// It is not taken: the queue is full.
    Later,
}

/// What came.
#[derive(Default)]
pub(crate) struct Taken {
    /// How often each device token was taken.
    pub(crate) device_tokens: HashMap<String, u32>,
    /// The keys of requests, in their order.
    pub(crate) keys: Vec<String>,
    /// What each key was answered.
    answers: HashMap<String, String>,
    /// Requests that wait.
    held: Vec<thread::Thread>,
    may_go_on: bool,
}

/// A server that lives as long as the process.
pub(crate) struct ApiStub {
    pub(crate) url: String,
    taken: Arc<Mutex<Taken>>,
}

impl ApiStub {
    /// One that treats requests so.
    pub(crate) fn start(treat: impl Fn(usize) -> Treatment + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let taken = Arc::<Mutex<Taken>>::default();
        let (kept, treat) = (Arc::clone(&taken), Arc::new(treat));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (kept, treat) = (Arc::clone(&kept), Arc::clone(&treat));
                thread::spawn(move || serve(&stream.unwrap(), &kept, &*treat));
            }
        });
        Self { url, taken }
    }

    /// What came so far.
    pub(crate) fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap()
    }

    /// Lets the answers go that are held, and all that would be.
    pub(crate) fn go_on(&self) {
        let mut taken = self.taken();
        taken.may_go_on = true;
        taken.held.drain(..).for_each(|thread| thread.unpark());
    }
}

fn serve(stream: &TcpStream, taken: &Mutex<Taken>, treat: &dyn Fn(usize) -> Treatment) {
    let mut reader = BufReader::new(stream);
    while let Some((key, body)) = request(&mut reader) {
        if key.is_empty() {
            // It keeps no feed.
            let mut stream = stream;
            let none = b"HTTP/1.1 404 Word\r\nContent-Length: 0\r\n\r\n";
            if stream.write_all(none).is_err() {
                return;
            }
            continue;
        }
        let (treatment, answer) = {
            let mut taken = taken.lock().unwrap();
            let treatment = treat(taken.keys.len());
            taken.keys.push(key.clone());
            let answer = match taken.answers.get(&key) {
                Some(known) => known.clone(),
                None if treatment == Treatment::Later => FULL.to_owned(),
                None => taken.take(&key, &body),
            };
            if treatment == Treatment::Hold {
                taken.held.push(thread::current());
            }
            (treatment, answer)
        };
        match treatment {
            Treatment::Answer | Treatment::Later => {}
            Treatment::Drop => return,
            Treatment::Hold => {
                while !taken.lock().unwrap().may_go_on {
                    thread::park();
                }
            }
        }
        let status = if answer == FULL { 503 } else { 200 };
        let length = answer.len();
        let fields = format!("Retry-After: 1\r\nContent-Length: {length}");
        let head = format!("HTTP/1.1 {status} Word\r\n{fields}\r\n\r\n");
        let mut stream = stream;
        if stream.write_all((head + &answer).as_bytes()).is_err() {
            return;
        }
    }
}

/// What is said of a full queue.
const FULL: &str = r#"{"message":"ios queue is full: 5 pushes do not fit, it has room for 4"}"#;

/// The key and the body of the next request.
fn request(reader: &mut BufReader<&TcpStream>) -> Option<(String, Vec<u8>)> {
    let (mut key, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(": ") {
            match name.to_ascii_lowercase().as_str() {
                "idempotency-key" => value.clone_into(&mut key),
                "content-length" => length = value.parse().unwrap(),
                _ => {}
            }
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((key, body))
}

impl Taken {
    fn take(&mut self, key: &str, body: &[u8]) -> String {
        let body: Value = serde_json::from_slice(body).unwrap();
        let mut accepted = Vec::new();
        for (index, notification) in body["notifications"].as_array().unwrap().iter().enumerate() {
            let device_tokens = notification["token"].as_array().unwrap();
            for device_token in device_tokens {
                let device_token = device_token.as_str().unwrap().to_owned();
                *self.device_tokens.entry(device_token).or_default() += 1;
            }
            accepted.push(json!({"index": index, "first_id": 1, "count": device_tokens.len()}));
        }
        let answer = json!({"message": "ok", "accepted": accepted, "rejected": []}).to_string();
        self.answers.insert(key.to_owned(), answer.clone());
        answer
    }
}
