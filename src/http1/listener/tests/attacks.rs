//! What ill-behaved clients send, and what they get; others are served during and after it.

use super::*;

/// Sends bytes; checks the answers' statuses and that the connection ends after the last.
fn check(running: &Running, bystander: &mut Client, bytes: impl AsRef<[u8]>, statuses: &[u16]) {
    let bytes = bytes.as_ref();
    let name = String::from_utf8_lossy(bytes);
    let mut client = running.client();
    client.try_send(bytes);
    for &status in statuses {
        assert_eq!(client.answer().status, status, "{name:.300}");
    }
    assert_eq!(
        bystander.ask(get("/normal")).status,
        200,
        "during {name:.300}"
    );
    assert!(client.is_ended(), "{name:.300} {:?}", client.take_unread());
    drop(client);
    until("the attacker's connection ends", || {
        running.listener.connections() == 1
    });
    running.serves();
    until("only the bystander is left", || {
        running.listener.connections() == 1
    });
}

#[test]
fn lengths_that_are_absurd_ambiguous_or_no_lengths() {
    let running = running(patient());
    let mut bystander = running.client();
    let smuggled = get("/smuggled");
    for (fields, status) in [
        ("Content-Length: 70368744177664\r\n", 413),
        ("Content-Length: 18446744073709551615\r\n", 413),
        ("Content-Length: 18446744073709551616\r\n", 413),
        ("Content-Length: -1\r\n", 400),
        ("Content-Length: abc\r\n", 400),
        ("Content-Length: 3, 3\r\n", 400),
        ("Content-Length: +3\r\n", 400),
        ("Content-Length: 3\r\nContent-Length: 3\r\n", 400),
        ("Content-Length: 3\r\nContent-Length: 4\r\n", 400),
        ("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", 400),
        ("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", 400),
        ("Transfer-Encoding: identity\r\n", 400),
        ("Transfer-Encoding: xchunked\r\n", 400),
        ("Transfer-Encoding : chunked\r\n", 400),
        ("X: y\r\n Transfer-Encoding: chunked\r\n", 400),
        ("Host: b\r\n", 400),
        ("X: a\0b\r\n", 400),
    ] {
        check(
            &running,
            &mut bystander,
            post("/", fields, &smuggled),
            &[status],
        );
    }
    let begun = running.echo.begun.lock().unwrap();
    assert!(
        !begun.iter().any(|request| request.contains("smuggled")),
        "{begun:?}"
    );
}

#[test]
fn bodies_nobody_announced_are_the_next_request() {
    let running = running(patient());
    let mut bystander = running.client();
    check(
        &running,
        &mut bystander,
        post("/", "", "{\"a\":1}\r\n\r\n"),
        &[200, 400],
    );
}

#[test]
fn other_protocols() {
    let running = running(patient());
    let mut bystander = running.client();
    for (bytes, status) in [
        (&b"GET / HTTP/2.0\r\n\r\n"[..], 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"\x00\xff\x17\x80", 400),
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"HELO example.org\r\n\r\n", 400),
    ] {
        check(&running, &mut bystander, bytes, &[status]);
    }
}

#[test]
fn heads_that_do_not_end() {
    let running = running(patient());
    let mut bystander = running.client();
    let line = ["GET / HTTP/1.1\r\nHost: a\r\nX: ", &"x".repeat(MAX_HEAD)].concat();
    check(&running, &mut bystander, line, &[431]);
    let many = ["GET / HTTP/1.1\r\nHost: a\r\n", &"X:y\r\n".repeat(MAX_HEAD)].concat();
    check(&running, &mut bystander, many, &[431]);
    let fields = [
        "GET / HTTP/1.1\r\nHost: a\r\n",
        &"X:y\r\n".repeat(MAX_FIELDS),
        "\r\n",
    ]
    .concat();
    check(&running, &mut bystander, fields, &[431]);
    // Endless, as far as it is taken.
    let mut client = running.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nX: ");
    let junk = vec![b'x'; 1 << 20];
    let mut sent = 0;
    while sent < 300 && client.try_send(&junk) {
        sent += 1;
    }
    assert_eq!(bystander.ask(get("/normal")).status, 200);
}

#[test]
fn chunked_bodies_that_lie() {
    let running = running(patient());
    let mut bystander = running.client();
    for (body, status) in [
        ("x\r\n", 400),
        ("3\r\nabcd\r\n", 400),
        ("ffffffffffffffff\r\n", 413),
        ("fffffffffffffffff0\r\n", 413),
        ("900000\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n", 413),
        (&["0\r\n", &"x".repeat(5000)].concat(), 431),
        (&["1;", &"x".repeat(300)].concat(), 400),
    ] {
        let request = post("/", "Transfer-Encoding: chunked\r\n", body);
        check(&running, &mut bystander, request, &[status]);
    }
    let begun = running.echo.begun.lock().unwrap();
    assert!(
        !begun.iter().any(|request| request.contains("smuggled")),
        "{begun:?}"
    );
}

#[test]
fn requests_sent_ahead_are_answered_in_order() {
    const REQUESTS: usize = 20_000;
    let running = running(patient());
    let mut bystander = running.client();
    let mut client = running.client();
    let sender = Client::over(client.stream.try_clone().unwrap());
    let sending = thread::spawn(move || {
        let mut sender = sender;
        for number in 0..REQUESTS {
            sender.send(get(&format!("/{number}")));
        }
    });
    for number in 0..REQUESTS {
        let got = client.answer();
        assert_eq!(
            got.body,
            format!("{{\"message\":\"/{number} 0 Serving\"}}\n")
        );
        if number % 1000 == 0 {
            assert_eq!(bystander.ask(get("/normal")).status, 200, "nobody starves");
        }
    }
    sending.join().unwrap();
}

#[test]
fn clients_that_never_read_are_dropped_and_starve_nobody() {
    let mut settings = patient();
    settings.timeouts.write = SHORT;
    let running = running(settings);
    let mut bystander = running.client();
    let mut large = running.client();
    large.send(get("/large"));
    let pipelining = running.client();
    pipelining.stream.set_write_timeout(Some(SHORT)).unwrap();
    let mut pipelining = pipelining;
    let ahead = get("/ahead").repeat(1000);
    while pipelining.try_send(&ahead) {}
    for _ in 0..100 {
        assert_eq!(bystander.ask(get("/normal")).status, 200);
    }
    until("both are dropped", || running.listener.connections() == 1);
    running.serves();
}

/// Sends one byte whenever nothing has come back for a moment, until an answer comes.
fn drip(client: &mut Client, byte: &[u8]) -> u16 {
    loop {
        if let Some(got) = client.poll() {
            return got.status;
        }
        client.try_send(byte);
    }
}

#[test]
fn a_dripping_head_does_not_live_on() {
    let mut settings = patient();
    settings.timeouts.head = SHORT;
    let running = running(settings);
    let mut client = running.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nX: ");
    let started = Instant::now();
    assert_eq!(drip(&mut client, b"x"), 408);
    assert!(started.elapsed() >= SHORT / 2);
    assert!(client.is_ended());
    let mut silent = running.client();
    assert!(
        silent.is_ended(),
        "a connection without a request is closed, too"
    );
    running.serves();
}

#[test]
fn a_dripping_body_does_not_live_on() {
    let mut settings = patient();
    settings.timeouts.body = SHORT;
    let running = running(settings);
    for request in [
        post("/", "Content-Length: 1000000\r\n", ""),
        post("/", "Transfer-Encoding: chunked\r\n", "f4240\r\n"),
    ] {
        let mut client = running.client();
        client.send(request);
        assert_eq!(drip(&mut client, b"x"), 408);
        assert!(client.is_ended());
    }
    running.serves();
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    let mut settings = patient();
    settings.timeouts.idle = SHORT;
    let running = running(settings);
    let mut client = running.client();
    assert_eq!(client.ask(get("/normal")).status, 200);
    assert!(client.is_ended());
    let mut client = running.client();
    assert_eq!(client.ask([&get("/normal"), "GET"].concat()).status, 200);
    client.send([" /late HTTP/1.1\r\nHost: a\r\n\r\n"].concat());
    assert_eq!(
        client.answer().status,
        200,
        "a head begun in time has its own deadline"
    );
}

#[test]
fn connections_reset_before_and_after_they_are_accepted() {
    let running = running(patient());
    for number in 0..50 {
        let mut client = running.client();
        if number % 2 == 0 {
            client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
        }
        let no_time = Some(Duration::ZERO);
        rustix::net::sockopt::set_socket_linger(&client.stream, no_time).unwrap();
        drop(client);
    }
    running.is_left();
    running.serves();
}

#[test]
fn a_system_without_descriptors_is_waited_for() {
    const EMFILE: i32 = 24;
    let failures = Arc::new(AtomicUsize::new(5));
    let left = Arc::clone(&failures);
    let hooks = Hooks {
        before_accept: Box::new(move || {
            let fails = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
            match fails {
                Ok(_) => Err(io::Error::from_raw_os_error(EMFILE)),
                Err(_) => Ok(()),
            }
        }),
        ..Hooks::default()
    };
    let running = running_with(patient(), hooks);
    running.serves();
    assert_eq!(failures.load(Ordering::SeqCst), 0);
    running.is_left();
    let mut idle = running.client();
    until("it is accepted", || running.listener.connections() == 1);
    failures.store(usize::MAX, Ordering::SeqCst);
    let mut late = running.client();
    assert!(idle.is_ended(), "an idle connection's descriptor is freed");
    failures.store(0, Ordering::SeqCst);
    assert_eq!(late.ask(get("/normal")).status, 200);
}

#[test]
fn a_system_without_threads_is_served_by_those_that_there_are() {
    let left = Arc::new(AtomicUsize::new(1));
    let hooks = || {
        let (left, spawn) = (Arc::clone(&left), Hooks::default().spawn);
        let spawn = move |job| match left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1))
        {
            Ok(_) => spawn(job),
            Err(_) => Err(io::ErrorKind::WouldBlock.into()),
        };
        Hooks {
            spawn: Box::new(spawn),
            ..Hooks::default()
        }
    };
    let settings = Settings {
        threads: Some(1),
        ..patient()
    };
    let running = running_with(settings, hooks());
    let mut busy = running.client();
    busy.send(get("/wait"));
    running.until_waiting(1);
    let mut others: Vec<Client> = (0..8).map(|_| running.client()).collect();
    for other in &mut others {
        other.send(get("/normal"));
    }
    until("all are there", || running.listener.connections() == 9);
    running.echo.released.store(1, Ordering::SeqCst);
    for client in others.iter_mut().chain([&mut busy]) {
        assert_eq!(client.answer().status, 200);
    }
    // Without any there is no listener.
    let echo = Arc::<Echo>::default();
    let none = Listener::start_with(loopback(), echo, settings, hooks());
    assert_eq!(none.err().unwrap().kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn thousands_that_let_us_wait_cost_no_thread_and_keep_nobody_waiting() {
    const EACH: usize = 200;
    let threads = Arc::new(AtomicUsize::new(0));
    let (count, spawn) = (Arc::clone(&threads), Hooks::default().spawn);
    let hooks = Hooks {
        spawn: Box::new(move |job| {
            count.fetch_add(1, Ordering::SeqCst);
            spawn(job)
        }),
        ..Hooks::default()
    };
    let mut settings = patient();
    settings.threads = Some(4);
    settings.timeouts.linger = PATIENCE;
    let mut running = running_with(settings, hooks);
    let mut quick = running.client();
    assert_eq!(quick.ask(get("/normal")).status, 200);
    let manners = [
        String::new(),
        "GET /slow".to_owned(),
        post("/slow", "Content-Length: 9\r\n", "ab"),
        post("/slow", "Content-Length: 100000\r\n", "ab"),
        post("/slow", "Transfer-Encoding: chunked\r\n", "3\r\na"),
        // Idle, and slow to take notice of the end.
        get("/normal"),
        post("/normal", "Connection: close\r\n", ""),
    ];
    let mut crowd = Vec::new();
    for bytes in &manners {
        let is_whole = bytes.contains("/normal");
        for number in 0..EACH {
            let mut client = running.client();
            client.send(bytes);
            if is_whole {
                assert_eq!(client.answer().status, 200);
            }
            crowd.push(client);
            if number % 50 == 0 {
                assert_eq!(quick.ask(get("/normal")).status, 200);
            }
        }
    }
    // Those whose heads were read.
    let heads = 4 * EACH + crowd.len() / 50;
    until("all have come", || {
        running.echo.begun.lock().unwrap().len() > heads
            && running.listener.connections() == crowd.len() + 1
    });
    // Who takes no answer, either.
    let deaf: Vec<Client> = (0..4)
        .map(|_| {
            let mut client = running.client();
            client.send(get("/large"));
            client
        })
        .collect();
    for _ in 0..100 {
        assert_eq!(quick.ask(get("/normal")).status, 200);
        running.serves();
    }
    let threads = threads.load(Ordering::SeqCst);
    assert_eq!(threads, 4);
    drop((crowd, deaf, quick));
    assert!(running.listener.stop(PATIENCE));
}

#[test]
fn an_ended_half_request_leaves_nothing_behind() {
    let running = running(patient());
    for bytes in [
        "",
        "GET",
        "GET / HTTP/1.1\r\nHost: a\r\n",
        &post("/", "Content-Length: 3\r\n", "ab"),
    ] {
        let mut client = running.client();
        client.send(bytes);
        client.stream.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(client.is_ended(), "{bytes}");
    }
    let mut client = running.client();
    client.send(get("/normal"));
    client.stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(client.answer().status, 200, "a whole one is answered");
    assert!(client.is_ended());
    running.is_left();
    running.serves();
}

#[test]
fn who_waits_for_a_disk_keeps_no_other_request_from_being_answered() {
    const WAITING: usize = 40;
    let settings = Settings {
        threads: Some(2),
        ..patient()
    };
    let running = running(settings);
    let mut waiting: Vec<Client> = (0..WAITING).map(|_| running.client()).collect();
    for client in &mut waiting {
        client.send(get("/wait"));
    }
    running.until_waiting(WAITING);
    running.serves();
    running.echo.released.store(WAITING, Ordering::SeqCst);
    for client in &mut waiting {
        assert_eq!(client.answer().status, 200);
    }
}
