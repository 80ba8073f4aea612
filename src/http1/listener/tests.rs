use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::Instant;

use super::*;
use crate::http1::body::FREE;
use crate::http1::fixture::{Client, PATIENCE, loopback, until};
use crate::http1::handler::{Phase, Promise, Promiser, ReplyWhen};
use crate::http1::head::{Head, MAX_FIELDS, MAX_HEAD, Refusal};
use crate::http1::reply::Reply;
use crate::http1::settings::LARGE_BODIES;
use crate::http1::{More, Timeouts, while_waiting};

mod attacks;
mod promises;

/// Answers with the request's target and the length of its body.
#[derive(Default)]
struct Echo {
    /// Requests that have come to `/wait`.
    waiting: AtomicUsize,
    /// Those of them that may go on.
    released: AtomicUsize,
    begun: Mutex<Vec<String>>,
    answered: Mutex<Vec<u16>>,
    placeless: Mutex<Vec<u16>>,
    /// Made to requests to `/later`.
    promises: Mutex<Vec<Promise>>,
}

impl Handler for Echo {
    fn begin(&self, head: &mut Head, _peer: &dyn Fn() -> String) -> Result<(), Refusal> {
        self.begun
            .lock()
            .unwrap()
            .push(format!("{} {}", head.method, head.target));
        Ok(())
    }

    fn answer_bytes(&self, head: &Head, _most_body: usize) -> usize {
        if head.target.ends_with("large") {
            LARGE
        } else {
            0
        }
    }

    fn answer(
        self: Arc<Self>,
        head: &Head,
        body: &mut Vec<u8>,
        phase: Phase,
        _more: &mut More<'_>,
        promise: &mut Promiser<'_>,
    ) -> ReplyWhen {
        match &*head.target {
            "/wait" | "/wait-large" => {
                let number = self.waiting.fetch_add(1, Ordering::SeqCst);
                while_waiting(|| {
                    until("the release of /wait", || {
                        self.released.load(Ordering::SeqCst) > number
                    });
                });
            }
            "/later" => {
                self.promises.lock().unwrap().push(promise());
                return ReplyWhen::Later;
            }
            "/at-once" => {
                promise().keep(|_| Reply::message(200, "at once"));
                return ReplyWhen::Later;
            }
            "/large" => return ReplyWhen::Now(Reply::new(200, "text/plain", vec![b'x'; LARGE])),
            "/panic" => panic!("the handler panics"),
            _ => {}
        }
        let text = format!("{} {} {phase:?}", head.target, body.len());
        ReplyWhen::Now(Reply::message(200, &text))
    }

    fn answered(&self, _: Option<&Head>, reply: &Reply, _: Duration) {
        self.answered.lock().unwrap().push(reply.status);
    }

    fn had_no_place(&self, reply: &Reply) {
        self.placeless.lock().unwrap().push(reply.status);
    }
}

/// More than a loopback connection's buffers hold.
const LARGE: usize = 40 << 20;

struct Running {
    listener: Listener,
    echo: Arc<Echo>,
    address: SocketAddr,
}

fn running(settings: Settings) -> Running {
    running_with(settings, Hooks::default())
}

fn running_with(settings: Settings, hooks: Hooks) -> Running {
    let echo = Arc::<Echo>::default();
    let handler = Arc::clone(&echo) as Arc<dyn Handler>;
    let listener = Listener::start_with(loopback(), handler, settings, hooks).unwrap();
    let address = listener.local_addr().unwrap();
    Running {
        listener,
        echo,
        address,
    }
}

/// Time-outs that nothing here reaches, but for those a test sets.
fn patient() -> Settings {
    Settings {
        timeouts: Timeouts {
            head: PATIENCE,
            room: PATIENCE,
            body: PATIENCE,
            idle: PATIENCE,
            write: PATIENCE,
            linger: Duration::from_millis(50),
        },
        ..Settings::default()
    }
}

/// Short enough for a test to wait for, long enough for a thread to be scheduled meanwhile.
const SHORT: Duration = Duration::from_millis(400);

impl Running {
    fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// An ordinary caller gets its answer.
    fn serves(&self) {
        let got = self.client().ask(get("/normal"));
        assert_eq!(
            (got.status, &*got.body),
            (200, "{\"message\":\"/normal 0 Serving\"}\n")
        );
    }

    /// Connections end when their clients do.
    fn is_left(&self) {
        until("all connections end", || self.listener.connections() == 0);
    }

    fn until_waiting(&self, requests: usize) {
        until("/wait is reached", || {
            self.echo.waiting.load(Ordering::SeqCst) == requests
        });
    }
}

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
}

fn post(target: &str, fields: &str, body: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}")
}

#[test]
fn the_defaults_are_the_documented_ones() {
    let settings = Settings::default();
    assert_eq!(settings.max_connections, 8192);
    assert_eq!(settings.max_body_bytes, 8 * 1024 * 1024);
    let secs = |timeout: Duration| timeout.as_secs();
    let timeouts = settings.timeouts;
    assert_eq!((secs(timeouts.head), secs(timeouts.body)), (10, 30));
    assert_eq!(secs(timeouts.room), 30);
    assert_eq!((secs(timeouts.idle), secs(timeouts.write)), (120, 10));
}

#[test]
fn a_connection_is_kept_for_many_requests() {
    let running = running(patient());
    let mut client = running.client();
    for number in 0..100 {
        let got = client.ask(post("/a", "Content-Length: 3\r\n", "abc"));
        assert_eq!(got.body, "{\"message\":\"/a 3 Serving\"}\n", "{number}");
    }
    assert_eq!(running.listener.connections(), 1);
    let got = client.ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!(got.field("connection"), Some("close"));
    assert!(client.is_ended());
    running.is_left();
}

#[test]
fn http_1_0_closes_unless_asked_to_stay() {
    let running = running(patient());
    let mut client = running.client();
    let got = client.ask("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_eq!(got.field("connection"), Some("keep-alive"));
    assert!(got.head.starts_with("HTTP/1.0 200 OK"));
    client.ask("GET / HTTP/1.0\r\n\r\n");
    assert!(client.is_ended());
}

#[test]
fn a_head_request_gets_no_body() {
    let running = running(patient());
    let mut client = running.client();
    client.send("HEAD /h HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer_to_head().field("content-length"), Some("27"));
    assert_eq!(client.ask(get("/normal")).status, 200);
}

#[test]
fn a_client_that_waits_for_a_continue_gets_it() {
    let running = running(patient());
    let mut client = running.client();
    let head = post("/e", "Content-Length: 3\r\nExpect: 100-continue\r\n", "");
    assert_eq!(client.ask(&head).status, 100);
    assert_eq!(client.ask("abc").body, "{\"message\":\"/e 3 Serving\"}\n");
    assert_eq!(
        client.ask(head + "abc").status,
        200,
        "no 100 where the body is there already"
    );
    let got = client.ask(post(
        "/e",
        "Content-Length: 9999999\r\nExpect: 100-continue\r\n",
        "",
    ));
    assert_eq!(got.status, 413, "instead of a 100");
}

#[test]
fn chunked_bodies_are_read_to_their_end() {
    let running = running(patient());
    let mut client = running.client();
    for _ in 0..2 {
        let body = "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: x\r\n\r\n";
        let got = client.ask(post("/c", "Transfer-Encoding: chunked\r\n", body));
        assert_eq!(got.body, "{\"message\":\"/c 5 Serving\"}\n");
    }
}

#[test]
fn a_body_of_the_greatest_size_is_taken_and_its_memory_given_back() {
    let running = running(patient());
    let mut client = running.client();
    let size = patient().max_body_bytes;
    let body = "x".repeat(size);
    for _ in 0..2 * LARGE_BODIES {
        let got = client.ask(post("/b", &format!("Content-Length: {size}\r\n"), &body));
        assert_eq!(got.body, format!("{{\"message\":\"/b {size} Serving\"}}\n"));
    }
    let got = client.ask(post("/b", &format!("Content-Length: {}\r\n", size + 1), ""));
    assert_eq!(got.status, 413);
    assert!(client.is_ended());
    assert_eq!(
        running.echo.begun.lock().unwrap().len(),
        2 * LARGE_BODIES + 1,
        "all are logged"
    );
}

/// Bodies that take all memory there is for large ones: for a handler that keeps them, or all but
/// their last bytes.
fn full_of_large_bodies(running: &Running, target: &str, bytes: usize) -> Vec<Client> {
    let budget = &running.listener.shared.budget;
    let request = post(target, "Content-Length: 1048576\r\n", &"x".repeat(bytes));
    let full = (1..=LARGE_BODIES).map(|number| {
        let mut client = running.client();
        client.send(&request);
        until("its body is in memory", || {
            budget.left() == (LARGE_BODIES << 20) - number * ((1 << 20) - FREE)
        });
        client
    });
    full.collect()
}

/// Settings under which a large request waits so long for its turn.
fn with_room(room: Duration, max_body_bytes: usize) -> Settings {
    let timeouts = Timeouts {
        room,
        ..patient().timeouts
    };
    Settings {
        max_body_bytes,
        timeouts,
        ..patient()
    }
}

#[test]
fn large_bodies_share_their_memory() {
    let running = running(with_room(SHORT, 1 << 20));
    let mut clients = full_of_large_bodies(&running, "/wait", 1 << 20);
    running.until_waiting(LARGE_BODIES);
    let request = post("/b", "Content-Length: 1048576\r\n", &"x".repeat(1 << 20));
    let mut late = running.client();
    late.try_send(&request);
    let got = late.answer();
    assert_eq!(
        got.body,
        "{\"message\":\"too many large requests at once\"}\n"
    );
    assert_eq!((got.status, got.field("retry-after")), (503, Some("1")));
    running.serves();
    running.echo.released.store(LARGE_BODIES, Ordering::SeqCst);
    for client in &mut clients {
        assert_eq!(client.answer().status, 200);
    }
    let budget = &running.listener.shared.budget;
    until("the memory is given back", || {
        budget.left() == LARGE_BODIES << 20
    });
    assert_eq!(running.client().ask(&request).status, 200);
}

#[test]
fn large_bodies_have_their_turns_and_that_time_does_not_count_against_them() {
    let settings = with_room(PATIENCE, 1 << 20);
    let running = running(Settings {
        timeouts: Timeouts {
            body: SHORT,
            ..settings.timeouts
        },
        ..settings
    });
    let mut first = full_of_large_bodies(&running, "/wait", 1 << 20);
    running.until_waiting(LARGE_BODIES);
    let bytes = "x".repeat(1 << 20);
    let whole = post("/b", "Content-Length: 1048576\r\n", &bytes);
    let chunked = post(
        "/c",
        "Transfer-Encoding: chunked\r\n",
        &format!("100000\r\n{bytes}\r\n0\r\n\r\n"),
    );
    thread::scope(|scope| {
        for number in 0..5 * LARGE_BODIES {
            let request = [&whole, &chunked][number % 2];
            let running = &running;
            scope.spawn(move || assert_eq!(running.client().ask(request).status, 200));
        }
        let budget = &running.listener.shared.budget;
        until("all wait", || budget.waiting() == 5 * LARGE_BODIES);
        let since = Instant::now();
        until("longer than a body may take", || since.elapsed() > SHORT);
        running.serves();
        running.echo.released.store(LARGE_BODIES, Ordering::SeqCst);
    });
    for client in &mut first {
        assert_eq!(client.answer().status, 200);
    }
}

#[test]
fn a_large_body_that_does_not_come_on_makes_room_for_one_that_does() {
    let settings = Settings {
        max_body_bytes: 1 << 20,
        ..patient()
    };
    let running = running(settings);
    let mut clients = full_of_large_bodies(&running, "/b", (1 << 20) - 1);
    let request = post("/b", "Content-Length: 1048576\r\n", &"x".repeat(1 << 20));
    assert_eq!(running.client().ask(&request).status, 200);
    let got = clients[0].answer();
    assert_eq!(
        (got.status, &*got.body),
        (
            408,
            "{\"message\":\"request came too slowly while others waited for a connection\"}\n"
        )
    );
    for client in &mut clients[1..] {
        assert_eq!(client.ask("x").status, 200, "one was enough");
    }
}

#[test]
fn who_wants_no_more_than_an_answer_takes_no_place_of_those_who_stay() {
    let timeouts = Timeouts {
        linger: PATIENCE,
        ..patient().timeouts
    };
    let running = running(Settings {
        max_connections: 8,
        timeouts,
        ..patient()
    });
    // Seven may stay.
    let leaving = [(); 7].map(|()| {
        let mut client = running.client();
        let got = client.ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert_eq!(got.field("connection"), Some("close"));
        client
    });
    let mut staying = running.client();
    for _ in 0..2 {
        assert_eq!(staying.ask(get("/")).field("connection"), None);
    }
    drop(leaving);
}

#[test]
fn an_answer_has_room_before_its_request_is_read() {
    let running = running(with_room(SHORT, LARGE / LARGE_BODIES));
    let budget = &running.listener.shared.budget;
    let head = |target: &str| post(target, "Content-Length: 3\r\n", "");
    let mut first = running.client();
    first.send(head("/large"));
    until("its answer has room", || budget.left() == FREE);
    let mut second = running.client();
    second.send(head("/wait-large"));
    assert_eq!(first.answer().status, 408, "it lets us wait");
    second.send("abc");
    running.until_waiting(1);
    let mut third = running.client();
    third.send(head("/large"));
    assert_eq!(third.answer().status, 503, "its body is not waited for");
    running.echo.released.store(1, Ordering::SeqCst);
    assert_eq!(second.answer().status, 200);
    until("the memory is given back", || budget.left() == LARGE);
}

#[test]
fn what_watches_the_answers_hears_of_those_that_go_out() {
    let running = running(with_room(SHORT, 1 << 20));
    let mut client = running.client();
    let got = client.ask(get("/large"));
    let none = "{\"message\":\"too many large answers at once\"}\n";
    assert_eq!((got.status, &*got.body), (503, none));
    assert_eq!(client.ask(get("/")).status, 200);
    assert_eq!(*running.echo.answered.lock().unwrap(), [503, 200]);
}

#[test]
fn a_unix_socket_serves_as_well() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("api.sock");
    let bound = Bound::unix(&path, None, None).unwrap();
    let mut listener = Listener::start(bound, Arc::<Echo>::default(), patient()).unwrap();
    let mut client = Client::connect_unix(&path);
    assert_eq!(
        client.ask(post("/u", "Content-Length: 2\r\n", "ab")).status,
        200
    );
    listener.drain();
    assert!(!path.exists());
    assert_eq!(
        client.ask(get("/u")).body,
        "{\"message\":\"/u 0 Draining\"}\n"
    );
    assert!(client.is_ended());
}

#[test]
fn one_connection_too_many_closes_the_longest_idle() {
    let settings = Settings {
        max_connections: 3,
        ..patient()
    };
    let running = running(settings);
    let mut clients: Vec<Client> = (0..3)
        .map(|number| {
            let client = running.client();
            until("it is accepted", || {
                running.listener.connections() == number + 1
            });
            client
        })
        .collect();
    running.serves();
    assert!(clients[0].is_ended(), "the first was idle longest");
    for client in &mut clients[1..] {
        assert_eq!(client.ask(get("/normal")).status, 200);
    }
}

#[test]
fn one_connection_too_many_is_refused_when_all_are_busy() {
    let settings = Settings {
        max_connections: 3,
        ..patient()
    };
    let running = running(settings);
    let mut busy: Vec<Client> = (0..3).map(|_| running.client()).collect();
    for client in &mut busy {
        client.send(get("/wait"));
    }
    running.until_waiting(3);
    let mut late = running.client();
    let got = late.answer();
    assert_eq!((got.status, got.field("retry-after")), (503, Some("1")));
    assert_eq!(got.body, "{\"message\":\"all connections are busy\"}\n");
    assert_eq!(*running.echo.placeless.lock().unwrap(), [503]);
    assert!(late.is_ended());
    running.echo.released.store(3, Ordering::SeqCst);
    for client in &mut busy {
        assert_eq!(client.answer().status, 200);
    }
    drop(busy);
    running.is_left();
    running.serves();
}

#[test]
fn draining_refuses_the_new_and_finishes_the_old() {
    let mut running = running(patient());
    let mut busy = running.client();
    let mut idle = running.client();
    assert_eq!(idle.ask(get("/normal")).status, 200);
    busy.send(get("/wait"));
    running.until_waiting(1);
    running.listener.drain();
    assert!(std::net::TcpStream::connect(running.address).is_err());
    let got = idle.ask(get("/late"));
    assert_eq!(got.body, "{\"message\":\"/late 0 Draining\"}\n");
    assert_eq!(got.field("connection"), Some("close"));
    assert!(idle.is_ended());
    running.echo.released.store(1, Ordering::SeqCst);
    let got = busy.answer();
    assert_eq!((got.status, got.field("connection")), (200, Some("close")));
    assert!(running.listener.stop(PATIENCE));
}

#[test]
fn stopping_ends_every_connection() {
    let mut running = running(patient());
    let mut idle = running.client();
    assert_eq!(idle.ask(get("/normal")).status, 200);
    let mut half = running.client();
    half.send("POST /half HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n");
    until("its head is read", || {
        running.echo.begun.lock().unwrap().len() == 2
    });
    let mut busy = running.client();
    busy.send(get("/wait"));
    running.until_waiting(1);
    running.echo.released.store(1, Ordering::SeqCst);
    assert_eq!(busy.answer().status, 200);
    assert!(
        running.listener.stop(SHORT),
        "the half request is cut off after the grace"
    );
    assert!(idle.is_ended() && half.is_ended() && busy.is_ended());
    assert_eq!(running.listener.connections(), 0);
    assert!(
        running.listener.stop(Duration::ZERO),
        "stopping twice is harmless"
    );
}

#[test]
fn a_request_in_progress_is_answered_within_the_grace() {
    let mut running = running(patient());
    let mut busy = running.client();
    busy.send(get("/wait"));
    running.until_waiting(1);
    let (done, stopped) = mpsc::channel();
    let echo = Arc::clone(&running.echo);
    let waiter = thread::spawn(move || {
        let in_time = running.listener.stop(PATIENCE);
        done.send(in_time).unwrap();
    });
    until("the listening socket closes", || {
        std::net::TcpStream::connect(running.address).is_err()
    });
    assert!(stopped.try_recv().is_err(), "it waits for the answer");
    echo.released.store(1, Ordering::SeqCst);
    assert_eq!(busy.answer().status, 200);
    assert_eq!(stopped.recv_timeout(PATIENCE), Ok(true));
    waiter.join().unwrap();
}

#[test]
fn a_panic_costs_its_connection_only() {
    let running = running(patient());
    let mut client = running.client();
    client.send(get("/panic"));
    assert!(client.is_ended());
    running.is_left();
    running.serves();
}
