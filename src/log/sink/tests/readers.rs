//! Readers that go, and that read nothing.

use super::super::state::Busy;
use super::*;

#[test]
fn a_closed_reader_does_not_stop_the_senders_and_what_it_misses_is_counted() {
    let (sink, reader) = gated();
    drop(reader);
    sink.write(b"nobody reads this\n");
    assert!(sink.flush(LONG));
    let told = |dropped: u64| {
        let counted = if dropped == 1 { "line" } else { "lines" };
        format!("cannot be written: nobody reads it any more; {dropped} {counted} dropped so far")
    };
    assert_eq!(sink.trouble(), Some(told(1)));
    for _ in 0..3 {
        assert_eq!(
            sink.write(&vec![b'\n'; CAPACITY]),
            0,
            "nobody waits for its end"
        );
    }
    assert!(!sink.offer(b"about the daemon\n"));
    assert!(sink.flush(LONG));
    let dropped = 1 + 3 * CAPACITY as u64;
    assert_eq!(sink.trouble(), Some(told(dropped + 1)));
    // What cannot be opened again stays as it is.
    sink.reopen();
    assert!(sink.flush(LONG));
    assert_eq!(sink.trouble(), Some(told(dropped + 1)));
    assert_eq!(sink.alarms(), 1);
    assert_eq!(sink.close(LONG), dropped);
    assert_eq!(sink.alarms(), 2, "no line says so");
}

#[test]
fn what_a_closed_reader_has_missed_is_told_where_the_log_goes_next() {
    let (sink, reader) = gated();
    drop(reader);
    sink.write(b"1\n2\n");
    assert!(sink.flush(LONG));
    sink.write(b"3\n");
    assert!(!sink.offer(b"about the daemon\n"));
    let directory = tempfile::tempdir().unwrap();
    let next = Destination::named(directory.path().join("access.log"));
    let file = next.open().unwrap().unwrap();
    sink.turn_to(next, file);
    assert!(sink.flush(LONG));
    // Until the line about the lost ones is there.
    while sink.trouble().is_some() {
        thread::yield_now();
    }
    assert!(sink.offer(b"{}\n"));
    assert_eq!(sink.close(LONG), 0);
    let content = content(&directory.path().join("access.log"));
    let (lost, rest) = content.split_once('\n').unwrap();
    let lost: serde_json::Value = serde_json::from_str(lost).unwrap();
    assert_eq!(
        (&lost["type"], &lost["lines"]),
        (&"lost-lines".into(), &3.into())
    );
    assert_eq!(rest, "{}\n");
}

#[test]
fn what_takes_nothing_for_a_while_is_told_once_however_few_lines_wait() {
    let (sink, reader) = gated();
    let line = [vec![b'x'; 1023], b"\n".to_vec()].concat();
    // One more byte than the pipe holds, in one piece.
    let lines = PIPE / 1024 + 1;
    assert!(sink.offer(&line.repeat(lines)));
    while sink.0.shared.lock().busy.is_none() {
        thread::yield_now();
    }
    sink.look();
    assert_eq!((sink.alarms(), sink.trouble()), (0, None), "not yet");
    let since = moment::now().checked_sub(TAKES_NOTHING_FOR).unwrap();
    let is_told = false;
    sink.0.shared.lock().busy = Some(Busy { since, is_told });
    sink.look();
    sink.look();
    assert_eq!(sink.alarms(), 1);
    assert_eq!(
        sink.trouble().unwrap(),
        format!("takes nothing; {lines} lines wait")
    );
    // The same once more when it has taken some since.
    let all = drain(reader);
    assert!(sink.flush(LONG));
    assert_eq!(sink.trouble(), None);
    assert!(sink.0.shared.lock().busy.is_none());
    assert_eq!(sink.close(LONG), 0);
    assert_eq!(all.join().unwrap().len(), lines * 1024);
}
