//! The server: frames by hand, a thread for each connection.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use sterna::http2::hpack::Decoder;

use crate::foreign::Provider;
use crate::foreign::server::{addressee, identity};
use crate::join::Entry;

/// What the server does with each answer; as it comes it is plain.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent manners")]
pub(super) struct Manners {
    /// So many PINGs.
    pub(super) pings: usize,
    /// So many frames of a type that nobody knows.
    pub(super) unknown: usize,
    /// So many SETTINGS.
    pub(super) settings: usize,
    /// `HEADER_TABLE_SIZE` 0, and 4096 again.
    pub(super) churn: bool,
    /// PRIORITY.
    pub(super) priorities: bool,
    /// So many 103s.
    pub(super) interims: usize,
    /// The head in CONTINUATIONs of one byte.
    pub(super) crumbs: bool,
    /// Padding, also in frames that have nothing else.
    pub(super) padding: bool,
    /// Content in DATA of one byte, with empty ones in between.
    pub(super) pieces: bool,
    /// `RST_STREAM(NO_ERROR)` behind it.
    pub(super) resets_behind: bool,
    /// Windows are given back in such steps, and else at once.
    pub(super) step: Option<u32>,
    /// `MAX_HEADER_LIST_SIZE`.
    pub(super) list_size: Option<u32>,
    /// What comes behind the head of each third answer.
    pub(super) rest: Rest,
}

/// The rest of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Rest {
    #[default]
    Comes,
    /// 100 KiB of it.
    IsLong,
    /// `RST_STREAM(INTERNAL_ERROR)` in its place.
    IsReset,
}

/// The running server.
pub(super) struct Odd {
    address: SocketAddr,
    url: String,
    ca_path: String,
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

struct Shared {
    manners: Manners,
    tls: Arc<ServerConfig>,
    stop: AtomicBool,
    requests: AtomicU64,
    /// Answers whose rest did not come as usual.
    cut: AtomicU64,
    entries: Mutex<Vec<(&'static str, Entry)>>,
}

impl Odd {
    /// Starts it; `others` is a CA to be trusted beside its own.
    pub(super) fn start(manners: Manners, directory: &Path, others: &Path) -> Self {
        let (tls, ca) = identity();
        let ca_path = directory.join("both-ca.pem");
        fs::write(&ca_path, ca + &fs::read_to_string(others).unwrap()).unwrap();
        let shared = Arc::new(Shared {
            manners,
            tls,
            stop: AtomicBool::new(false),
            requests: AtomicU64::new(0),
            cut: AtomicU64::new(0),
            entries: Mutex::default(),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let served = Arc::clone(&shared);
        Self {
            address,
            url: format!("https://{address}"),
            ca_path: ca_path.to_str().unwrap().to_owned(),
            shared,
            thread: std::thread::spawn(move || accept(&listener, &served)),
        }
    }
}

impl Provider for Odd {
    fn url(&self) -> &str {
        &self.url
    }

    fn ca_path(&self) -> &str {
        &self.ca_path
    }

    fn stop(self) -> Vec<(&'static str, Entry)> {
        self.shared.stop.store(true, Ordering::SeqCst);
        // Wakes it.
        drop(TcpStream::connect(self.address));
        self.thread.join().unwrap();
        let cut = self.shared.cut.load(Ordering::Relaxed);
        assert_eq!(
            cut > 0,
            self.shared.manners.rest != Rest::Comes,
            "{cut} cut off"
        );
        std::mem::take(&mut *self.shared.entries.lock().unwrap())
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut threads = Vec::new();
    for number in 0.. {
        let (socket, _) = listener.accept().unwrap();
        if shared.stop.load(Ordering::SeqCst) {
            break;
        }
        socket.set_nodelay(true).unwrap();
        let shared = Arc::clone(shared);
        threads.push(std::thread::spawn(move || serve(socket, number, &shared)));
    }
    for thread in threads {
        thread.join().unwrap();
    }
}

/// Until the client closes.
fn serve(socket: TcpStream, number: u64, shared: &Shared) {
    let session = ServerConnection::new(Arc::clone(&shared.tls)).unwrap();
    let mut stream = StreamOwned::new(session, socket);
    let mut line = Line::new(number, shared);
    let mut bytes = vec![0; 0x4000];
    loop {
        if stream.write_all(&std::mem::take(&mut line.out)).is_err() {
            return;
        }
        let Ok(n @ 1..) = stream.read(&mut bytes) else {
            return;
        };
        line.receive(&bytes[..n]);
    }
}

/// A request that is not whole.
struct Request {
    path: String,
    id: String,
    content: Vec<u8>,
}

/// One connection's state.
struct Line<'a> {
    number: u64,
    shared: &'a Shared,
    input: Vec<u8>,
    preface: usize,
    out: Vec<u8>,
    decoder: Decoder,
    requests: BTreeMap<u32, Request>,
    /// What the client allows over all streams.
    window: u32,
    /// Contents that windows hold back: stream, its window, bytes left.
    waiting: VecDeque<(u32, u32, u32)>,
}

impl<'a> Line<'a> {
    fn new(number: u64, shared: &'a Shared) -> Self {
        let list_size = shared.manners.list_size.map(|size| (6, size));
        let entries: Vec<_> = [Some((3, 1000)), list_size].into_iter().flatten().collect();
        Self {
            number,
            shared,
            input: Vec::new(),
            preface: 24,
            out: settings(&entries),
            decoder: Decoder::new(4096, 0x4000),
            requests: BTreeMap::new(),
            window: 65_535,
            waiting: VecDeque::new(),
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        let preface = self.preface.min(bytes.len());
        self.preface -= preface;
        self.input.extend_from_slice(&bytes[preface..]);
        let mut input = std::mem::take(&mut self.input);
        let mut rest = &input[..];
        while let Some(head) = rest.first_chunk::<9>() {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let Some(payload) = rest.get(9..9 + length) else {
                break;
            };
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            self.take(head[3], head[4], stream, payload);
            rest = &rest[9 + length..];
        }
        let left = rest.len();
        input.drain(..input.len() - left);
        self.input = input;
        self.let_out();
    }

    fn take(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let ends = flags & END_STREAM != 0;
        match kind {
            HEADERS => {
                let fields = self.decoder.decode(payload).unwrap().fields;
                let text = |name: &[u8]| {
                    let value = fields.get(name).unwrap_or_default();
                    String::from_utf8(value.to_vec()).unwrap()
                };
                let request = Request {
                    path: text(b":path"),
                    id: text(b"apns-id"),
                    content: Vec::new(),
                };
                self.requests.insert(stream, request);
            }
            DATA => {
                let Some(request) = self.requests.get_mut(&stream) else {
                    return;
                };
                request.content.extend_from_slice(payload);
                self.give_back(stream, u32::try_from(payload.len()).unwrap());
            }
            RST_STREAM => {
                self.requests.remove(&stream);
                self.waiting.retain(|(waiting, ..)| *waiting != stream);
            }
            SETTINGS if flags & ACK == 0 => self.out.extend(frame(SETTINGS, ACK, 0, &[])),
            PING if flags & ACK == 0 => self.out.extend(frame(PING, ACK, 0, payload)),
            WINDOW_UPDATE => {
                let increment = u32::from_be_bytes(payload.try_into().unwrap());
                if stream == 0 {
                    self.window += increment;
                }
                for (_, window, _) in self.waiting.iter_mut().filter(|it| it.0 == stream) {
                    *window += increment;
                }
            }
            _ => {}
        }
        if matches!(kind, HEADERS | DATA) && ends {
            self.answer(stream);
        }
    }

    /// The whole window of what came, in steps.
    fn give_back(&mut self, stream: u32, mut bytes: u32) {
        let step = self.shared.manners.step.unwrap_or(bytes).max(1);
        while bytes > 0 {
            let step = step.min(bytes);
            bytes -= step;
            for id in [0, stream] {
                self.out
                    .extend(frame(WINDOW_UPDATE, 0, id, &step.to_be_bytes()));
            }
        }
    }

    fn answer(&mut self, stream: u32) {
        let request = self.requests.remove(&stream).unwrap();
        let number = self.shared.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let (provider, token) = addressee(&request.path, &request.content);
        let entry = Entry {
            connection: self.number,
            id: request.id,
            token,
            processed: true,
            status: 200,
            reason: String::new(),
            head: false,
            answered: Some(true),
        };
        self.shared.entries.lock().unwrap().push((provider, entry));
        self.gestures(stream);
        self.head(stream);
        match self.shared.manners.rest {
            Rest::IsLong if number.is_multiple_of(3) => {
                self.shared.cut.fetch_add(1, Ordering::Relaxed);
                self.waiting.push_back((stream, 65_535, 100 * 1024));
            }
            Rest::IsReset if number.is_multiple_of(3) => {
                self.shared.cut.fetch_add(1, Ordering::Relaxed);
                self.out
                    .extend(frame(RST_STREAM, 0, stream, &2_u32.to_be_bytes()));
            }
            _ => self.content(stream),
        }
    }

    /// What moves nothing.
    fn gestures(&mut self, stream: u32) {
        let manners = self.shared.manners;
        let out = &mut self.out;
        out.extend(frame(PING, 0, 0, &[7; 8]).repeat(manners.pings));
        out.extend(frame(0xfa, 0x55, stream, b"grease").repeat(manners.unknown));
        out.extend(settings(&[(3, 1000), (0xf0f0, 1)]).repeat(manners.settings));
        if manners.churn {
            out.extend([settings(&[(1, 0)]), settings(&[(1, 4096)])].concat());
        }
        if manners.priorities {
            out.extend(frame(PRIORITY, 0, stream, &[0, 0, 0, 0, 9]));
        }
        let early = [&[0x08, 3][..], b"103"].concat();
        out.extend(frame(HEADERS, END_HEADERS, stream, &early).repeat(manners.interims));
    }

    /// `:status: 200`, and a field that nobody knows.
    fn head(&mut self, stream: u32) {
        let block = b"\x88\x00\x05x-odd\x03yes";
        let manners = self.shared.manners;
        if manners.crumbs {
            self.out.extend(frame(HEADERS, 0, stream, &[]));
            for byte in block {
                self.out.extend(frame(CONTINUATION, 0, stream, &[*byte]));
            }
            self.out
                .extend(frame(CONTINUATION, END_HEADERS, stream, &[]));
        } else if manners.padding {
            let padded = [&[100][..], block, &[0; 100]].concat();
            self.out
                .extend(frame(HEADERS, END_HEADERS | PADDED, stream, &padded));
        } else {
            self.out.extend(frame(HEADERS, END_HEADERS, stream, block));
        }
    }

    fn content(&mut self, stream: u32) {
        let content = br#"{"name":"projects/sterna-simulated/messages/0:1"}"#;
        let manners = self.shared.manners;
        let size = if manners.pieces { 1 } else { content.len() };
        for piece in content.chunks(size) {
            self.out.extend(frame(DATA, 0, stream, piece));
            if manners.pieces {
                self.out.extend(frame(DATA, 0, stream, &[]));
            }
        }
        if manners.padding {
            self.out
                .extend(frame(DATA, PADDED, stream, &[&[9][..], &[0; 9]].concat()));
        }
        self.out.extend(frame(DATA, END_STREAM, stream, &[]));
        if manners.resets_behind {
            self.out.extend(frame(RST_STREAM, 0, stream, &[0; 4]));
        }
    }

    /// Long contents, as far as windows let them.
    fn let_out(&mut self) {
        for (stream, window, left) in &mut self.waiting {
            while *left > 0 {
                let n = 0x4000.min(*left).min(*window).min(self.window);
                if n == 0 {
                    break;
                }
                (*left, *window, self.window) = (*left - n, *window - n, self.window - n);
                let flags = if *left == 0 { END_STREAM } else { 0 };
                self.out
                    .extend(frame(DATA, flags, *stream, &vec![b' '; n as usize]));
            }
        }
        self.waiting.retain(|(_, _, left)| *left > 0);
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap();
    let mut bytes = length.to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

fn settings(entries: &[(u16, u32)]) -> Vec<u8> {
    let entries = entries
        .iter()
        .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()[..]].concat());
    frame(SETTINGS, 0, 0, &entries.collect::<Vec<_>>())
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const ACK: u8 = 0x1;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
