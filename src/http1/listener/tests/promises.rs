//! Requests that are answered later.

use super::*;

#[test]
fn a_request_that_waits_for_a_promise_is_a_value_and_holds_no_thread() {
    const WAITING: usize = 300;
    let settings = Settings {
        threads: Some(2),
        ..patient()
    };
    let hired = Arc::new(AtomicUsize::new(0));
    let (count, spawn) = (Arc::clone(&hired), Hooks::default().spawn);
    let spawn = move |job| {
        count.fetch_add(1, Ordering::SeqCst);
        spawn(job)
    };
    let hooks = Hooks {
        spawn: Box::new(spawn),
        ..Hooks::default()
    };
    let mut running = running_with(settings, hooks);
    let mut clients: Vec<Client> = (0..WAITING).map(|_| running.client()).collect();
    for client in &mut clients {
        // What is sent ahead waits behind it.
        client.send(post("/later", "Content-Length: 2\r\n", "ab") + &get("/normal"));
    }
    let echo = Arc::clone(&running.echo);
    until("all wait", || {
        echo.promises.lock().unwrap().len() == WAITING
    });
    running.serves();
    // All at once, as by a sync that all have waited for; some are lost, and one panics.
    for (number, promise) in echo.promises.lock().unwrap().drain(..).enumerate() {
        match number {
            0 => promise.keep(|_| panic!("the rest panics")),
            1 => drop(promise),
            _ => promise.keep(|head| Reply::message(200, &format!("kept {}", head.target))),
        }
    }
    let mut given = [0; 3];
    for client in &mut clients {
        match client.try_answer() {
            None => given[0] += 1,
            Some(got) if got.status == 500 => {
                assert!(client.is_ended());
                given[1] += 1;
            }
            Some(got) => {
                assert_eq!(got.body, "{\"message\":\"kept /later\"}\n");
                assert_eq!(
                    client.answer().body,
                    "{\"message\":\"/normal 0 Serving\"}\n"
                );
                given[2] += 1;
            }
        }
    }
    assert_eq!(given, [1, 1, WAITING - 2]);
    assert_eq!(hired.load(Ordering::SeqCst), 2);
    assert_eq!(clients.last_mut().unwrap().ask(get("/at-once")).status, 200);
    // Who has gone meanwhile, and the end of all.
    let mut left = running.client();
    left.send(get("/later"));
    let mut last = running.client();
    last.send(get("/later"));
    until("both wait", || echo.promises.lock().unwrap().len() == 2);
    drop((left, clients));
    assert!(
        !running.listener.stop(Duration::ZERO),
        "two are not answered"
    );
    for promise in echo.promises.lock().unwrap().drain(..) {
        promise.keep(|_| Reply::message(200, "too late"));
    }
    running.is_left();
}

#[test]
fn a_promise_is_kept_though_all_who_answer_wait_for_something_else() {
    let settings = Settings {
        threads: Some(1),
        ..patient()
    };
    let running = running(settings);
    let mut promised = running.client();
    promised.send(get("/later"));
    until("it waits", || {
        running.echo.promises.lock().unwrap().len() == 1
    });
    let mut busy = running.client();
    busy.send(get("/wait"));
    running.until_waiting(1);
    let promise = running.echo.promises.lock().unwrap().pop().unwrap();
    promise.keep(|_| Reply::message(200, "kept"));
    // Less than the watching thread rests when it is not called.
    let soon = Some(crate::heartbeat::LONGEST_REST / 2);
    promised.stream.set_read_timeout(soon).unwrap();
    assert_eq!(promised.answer().status, 200);
    running.echo.released.store(1, Ordering::SeqCst);
    assert_eq!(busy.answer().status, 200);
}
