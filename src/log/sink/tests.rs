use std::fs;
use std::io::{PipeReader, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Instant;

use super::*;

mod files;
mod readers;

const LONG: Duration = Duration::from_secs(30);

/// A sink whose destination is a pipe: it takes 64 KiB (Linux) and then nothing until it is read.
fn gated() -> (Sink, PipeReader) {
    let (reader, writer) = io::pipe().unwrap();
    let file = std::os::fd::OwnedFd::from(writer).into();
    (
        Sink::start(&Destination::Stdout, Some(file)).unwrap(),
        reader,
    )
}

fn in_directory() -> (tempfile::TempDir, PathBuf, Sink) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    let sink = Sink::open(&Destination::named(&path)).unwrap();
    (directory, path, sink)
}

fn content(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// Reads all of a pipe in the background.
fn drain(mut reader: PipeReader) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        all
    })
}

/// Fills the buffer with lines of `bytes` until there is no room for one more, and none comes
/// while nobody reads: the writer is in the middle of more than a pipe holds.
fn fill(sink: &Sink, bytes: usize) -> u64 {
    let line = [vec![b'x'; bytes - 1], b"\n".to_vec()].concat();
    // The writer has them at once, and with them what it never gets rid of.
    let mut lines = 2 * PIPE / bytes;
    assert!(sink.offer(&line.repeat(lines)));
    loop {
        let is_stuck = sink.0.shared.lock().writing > PIPE;
        while sink.offer(&line) {
            lines += 1;
        }
        if is_stuck {
            return lines as u64;
        }
        thread::yield_now();
    }
}

/// Bytes that a pipe holds, by pipe(7).
const PIPE: usize = 1 << 16;

#[test]
fn appends_to_what_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    fs::write(&path, "old\n").unwrap();
    let sink = Sink::open(&Destination::named(&path)).unwrap();
    sink.write(b"new\n");
    assert!(sink.flush(LONG));
    assert_eq!(content(&path), "old\nnew\n");
    assert_eq!(sink.alarms(), 0);
}

#[test]
fn a_line_arrives_without_a_flush() {
    let (sink, mut reader) = gated();
    sink.write(b"line\n");
    let mut line = [0; 5];
    reader.read_exact(&mut line).unwrap();
    assert_eq!(&line, b"line\n");
}

#[test]
fn lines_of_eight_threads_are_whole_and_in_each_threads_order() {
    let (_directory, path, sink) = in_directory();
    thread::scope(|scope| {
        for thread in 0..8 {
            let sink = sink.clone();
            scope.spawn(move || {
                for number in 0..5_000 {
                    let filler = "x".repeat(number % 300);
                    sink.write(format!("{thread} {number} {filler}\n").as_bytes());
                }
            });
        }
    });
    assert_eq!(sink.close(LONG), 0);
    let mut next = [0; 8];
    for line in content(&path).lines() {
        let mut words = line.split(' ');
        let mut number = || words.next().unwrap().parse::<usize>().unwrap();
        let (thread, number) = (number(), number());
        assert_eq!(next[thread], number);
        assert_eq!(words.next(), Some("x".repeat(number % 300).as_str()));
        next[thread] += 1;
    }
    assert_eq!(next, [5_000; 8]);
}

#[test]
fn senders_never_touch_the_destination() {
    // Nobody reads the pipe: a sender that wrote itself would hang here.
    let (sink, reader) = gated();
    let lines = b"line\n".repeat(2_000);
    for _ in 0..400 {
        sink.write(&lines);
    }
    assert!(!sink.flush(Duration::ZERO));
    let all = drain(reader);
    assert_eq!(sink.close(LONG), 0);
    assert_eq!(all.join().unwrap().len(), 400 * lines.len());
    assert_eq!(sink.alarms(), 0);
}

#[test]
fn a_full_buffer_makes_senders_wait_and_loses_nothing() {
    let (sink, reader) = gated();
    let filled = fill(&sink, 1 << 10);
    assert!(
        filled * 1024 >= CAPACITY as u64,
        "the bound is {CAPACITY} bytes"
    );
    assert!(sink.0.shared.lock().outstanding() <= CAPACITY);
    let (done, is_done) = mpsc::channel();
    let senders = [0, 1].map(|_| {
        let (sink, done) = (sink.clone(), done.clone());
        thread::spawn(move || {
            sink.write(&[&[b'y'; 2047][..], b"\n"].concat());
            done.send(()).unwrap();
        })
    });
    // Both wait: they say so under the lock, and neither has got through.
    while sink.0.shared.lock().waiting < 2 {
        thread::yield_now();
    }
    assert!(is_done.try_recv().is_err());
    assert_eq!(sink.alarms(), 1, "one alarm an episode");

    let all = drain(reader);
    for sender in senders {
        sender.join().unwrap();
    }
    assert_eq!(sink.close(LONG), 0);
    let all = all.join().unwrap();
    let count = |byte| {
        all.split(|&o| o == b'\n')
            .filter(|line| line.starts_with(&[byte]))
            .count()
    };
    assert_eq!((count(b'x') as u64, count(b'y')), (filled, 2));
}

#[test]
fn the_next_episode_raises_the_next_alarm() {
    let (sink, mut reader) = gated();
    let (go, rounds) = mpsc::channel::<u64>();
    let reading = thread::spawn(move || {
        for bytes in rounds {
            io::copy(&mut (&mut reader).take(bytes), &mut io::sink()).unwrap();
        }
    });
    for round in 1..=2 {
        let filled = fill(&sink, 1 << 10) * 1024;
        thread::scope(|scope| {
            scope.spawn(|| sink.write(&[b'\n'; 4096]));
            while sink.0.shared.lock().waiting == 0 {
                thread::yield_now();
            }
            assert_eq!(sink.alarms(), round);
            go.send(filled + 4096).unwrap();
        });
        assert!(sink.flush(LONG));
        while sink.0.shared.lock().full {
            thread::yield_now();
        }
    }
    drop(go);
    reading.join().unwrap();
}

#[test]
fn a_line_longer_than_the_buffer_goes_through_alone() {
    let (_directory, path, sink) = in_directory();
    let mut line = vec![b'x'; CAPACITY + 1];
    line.push(b'\n');
    sink.write(b"before\n");
    sink.write(&line);
    sink.write(b"after\n");
    assert_eq!(sink.close(LONG), 0);
    let content = fs::read(&path).unwrap();
    assert_eq!(content.len(), line.len() + 13);
    assert!(content.starts_with(b"before\nx") && content.ends_with(b"x\nafter\n"));
}

#[test]
fn reopens_after_a_rotation() {
    let (_directory, path, sink) = in_directory();
    let rotated = path.with_extension("log.1");
    sink.write(b"1\n");
    assert!(sink.flush(LONG));
    fs::rename(&path, &rotated).unwrap();
    sink.write(b"2\n");
    assert!(sink.flush(LONG));
    assert_eq!(content(&rotated), "1\n2\n", "until it is told");
    sink.reopen();
    sink.write(b"3\n");
    assert!(sink.flush(LONG));
    assert_eq!(
        (content(&rotated), content(&path)),
        ("1\n2\n".into(), "3\n".into())
    );
}

#[test]
fn reopens_without_a_line_to_write() {
    let (_directory, path, sink) = in_directory();
    fs::remove_file(&path).unwrap();
    sink.reopen();
    assert!(sink.flush(LONG));
    assert_eq!(content(&path), "");
}

#[test]
fn a_failed_reopening_keeps_the_old_file() {
    let (directory, path, sink) = in_directory();
    let elsewhere = tempfile::tempdir().unwrap();
    let moved = elsewhere.path().join("logs");
    fs::rename(directory.path(), &moved).unwrap();
    sink.reopen();
    sink.write(b"kept\n");
    assert!(sink.flush(LONG));
    assert_eq!(content(&moved.join("access.log")), "kept\n");
    assert_eq!(sink.alarms(), 1);
    assert!(!path.exists());
    fs::create_dir(directory.path()).unwrap();
    sink.reopen();
    sink.write(b"anew\n");
    assert!(sink.flush(LONG));
    assert_eq!(content(&path), "anew\n");
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_keeps_the_lines_and_raises_one_alarm() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let sink = Sink::open(&Destination::named(&path)).unwrap();
    sink.write(b"one\n");
    while sink.alarms() == 0 {
        thread::yield_now();
    }
    sink.write(b"two\n");
    assert!(
        !sink.flush(Duration::from_millis(500)),
        "two more tries, in vain"
    );
    assert_eq!(sink.alarms(), 1);
    fs::remove_file(&path).unwrap();
    sink.reopen();
    assert!(sink.flush(LONG));
    assert_eq!(content(&path), "one\ntwo\n");
}

#[test]
#[cfg(target_os = "linux")]
fn closing_on_a_full_disk_ends_and_tells_what_is_lost() {
    let sink = Sink::open(&Destination::named("/dev/full")).unwrap();
    sink.write(b"one\ntwo\n");
    assert_eq!(sink.close(Duration::from_millis(100)), 2);
    assert_eq!(sink.close(LONG), 2, "however often it is asked");
    sink.write(&vec![b'\n'; CAPACITY]);
    sink.write(b"discarded, without waiting\n");
    assert!(!sink.offer(b"neither\n"));
}

#[test]
fn closing_lets_waiting_senders_go() {
    let (sink, _reader) = gated();
    fill(&sink, 1 << 10);
    thread::scope(|scope| {
        scope.spawn(|| sink.write(&[b'\n'; 4096]));
        while sink.0.shared.lock().waiting == 0 {
            thread::yield_now();
        }
        assert!(sink.close(Duration::ZERO) > 0);
    });
}

#[test]
fn in_a_hurry_a_writer_that_gets_nothing_done_is_given_up() {
    let (sink, _reader) = gated();
    let filled = fill(&sink, 1 << 10);
    let alarms = sink.alarms();
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| sink.write(&[b'\n'; 4096]));
        }
        while sink.0.shared.lock().waiting < 3 {
            thread::yield_now();
        }
        sink.hurry(Duration::from_millis(10));
    });
    assert_eq!(sink.alarms(), alarms + 2, "full, given up");
    sink.write(b"late\n");
    let lost = sink.close(LONG);
    assert_eq!(lost, filled + 3 * 4096 + 1, "nobody waits for it again");
}

#[test]
fn in_a_hurry_a_slow_writer_is_waited_for() {
    let (sink, reader) = gated();
    let filled = fill(&sink, 1 << 10) * 1024;
    sink.hurry(LONG);
    let all = drain(reader);
    sink.write(&[b'\n'; 4096]);
    assert_eq!(sink.close(LONG), 0);
    assert_eq!(all.join().unwrap().len() as u64, filled + 4096);
}

#[test]
fn closing_takes_along_the_lines_of_waiting_senders() {
    let (sink, reader) = gated();
    let filled = fill(&sink, 1 << 10) * 1024;
    let senders: Vec<_> = (0..8)
        .map(|_| {
            let sink = sink.clone();
            thread::spawn(move || sink.write(&[b'\n'; 4096]))
        })
        .collect();
    while sink.0.shared.lock().waiting < 8 {
        thread::yield_now();
    }
    let closing = sink.clone();
    let closing = thread::spawn(move || closing.close(LONG));
    while sink.0.shared.lock().life == Life::Open {
        thread::yield_now();
    }
    let all = drain(reader);
    assert_eq!(closing.join().unwrap(), 0);
    for sender in senders {
        sender.join().unwrap();
    }
    assert_eq!(all.join().unwrap().len() as u64, filled + 8 * 4096);
}

#[test]
fn discard_takes_everything() {
    let sink = Sink::open(&Destination::Discard).unwrap();
    sink.write(&vec![b'\n'; 2 * CAPACITY]);
    assert!(sink.discards() && sink.offer(b"x\n") && sink.flush(Duration::ZERO));
    assert_eq!(sink.close(Duration::ZERO), 0);
}

#[test]
fn a_fifo_without_a_reader_does_not_hold_up_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fifo");
    let made = std::process::Command::new("mkfifo")
        .arg(&path)
        .status()
        .unwrap();
    assert!(made.success());
    let sink = Sink::open(&Destination::named(&path)).unwrap();
    sink.write(b"line\n");
    assert!(sink.flush(LONG));
    let mut line = [0; 5];
    File::open(&path).unwrap().read_exact(&mut line).unwrap();
    assert_eq!(&line, b"line\n");
}

#[test]
fn a_dropped_sink_still_writes_its_lines() {
    let (sink, mut reader) = gated();
    sink.write(b"last words\n");
    drop(sink);
    let mut all = String::new();
    // Ends because the writer ends.
    reader.read_to_string(&mut all).unwrap();
    assert_eq!(all, "last words\n");
}

#[test]
fn standard_output_and_error_can_be_opened() {
    for destination in [Destination::Stdout, Destination::Stderr] {
        let sink = Sink::open(&destination).unwrap();
        sink.reopen();
        assert!(sink.flush(LONG));
        assert!(!sink.discards());
    }
}

#[test]
fn two_names_of_one_file_are_one_sink() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("both");
    let one = Sink::open(&Destination::named(&path)).unwrap();
    let other = directory.path().join("other");
    fs::hard_link(&path, &other).unwrap();
    let same = Sink::open_or_share(&Destination::named(&other), &[&one]).unwrap();
    assert!(one.is_same(&same));
}

#[test]
fn a_non_blocking_destination_is_no_failure() {
    let (mut reader, writer) = std::os::unix::net::UnixStream::pair().unwrap();
    writer.set_nonblocking(true).unwrap();
    let file = std::os::fd::OwnedFd::from(writer).into();
    let sink = Sink::start(&Destination::Stdout, Some(file)).unwrap();
    let lines = b"line\n".repeat(CAPACITY / 10);
    sink.write(&lines);
    let reading = thread::spawn(move || {
        let mut all = Vec::new();
        reader.read_to_end(&mut all).unwrap();
        all
    });
    assert_eq!(sink.close(LONG), 0);
    assert!(reading.join().unwrap() == lines);
    assert_eq!(sink.alarms(), 0);
}

#[test]
fn the_writer_says_how_far_it_has_got() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let sink = Sink::open(&Destination::named(&path)).unwrap();
    let (told, news) = mpsc::channel();
    sink.on_written(Box::new(move |at| {
        let _nobody_listens = told.send(at).is_err();
    }));
    assert_eq!(sink.write(b"one\n"), 4);
    assert_eq!(sink.write(b"two\nthree\n"), 14);
    let patience = Duration::from_secs(30);
    let mut last = 0;
    while last < 14 {
        let at = news.recv_timeout(patience).unwrap();
        assert!(at >= last, "{at} after {last}");
        last = at;
        let written = fs::metadata(&path).unwrap().len();
        assert!(written >= at, "{written} bytes are there, {at} were told");
    }
    let discarding = Sink::open(&Destination::Discard).unwrap();
    assert_eq!(discarding.write(b"one\n"), 0, "nobody has to wait for it");
}

/// A line of 1 KiB.
fn kibibyte() -> Vec<u8> {
    [vec![b'y'; 1023], b"\n".to_vec()].concat()
}

#[test]
fn beside_a_journal_nobody_waits_for_a_full_disk_and_what_is_lost_is_told_in_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access.log");
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let sink = Sink::open(&Destination::named(&path)).unwrap();
    assert_eq!(sink.trouble(), None);
    sink.shed();
    let filled = fill(&sink, 1 << 10);
    while sink.trouble().is_none() {
        thread::yield_now();
    }
    assert_eq!(
        sink.trouble().unwrap(),
        "cannot be written: No space left on device (os error 28)"
    );
    let begun = Instant::now();
    for _ in 0..3 {
        assert_eq!(
            sink.write(&kibibyte().repeat(1000)),
            0,
            "nobody waits for its end"
        );
    }
    assert!(begun.elapsed() < STUCK_AFTER, "{:?}", begun.elapsed());
    assert!(
        sink.trouble()
            .unwrap()
            .ends_with("; 3000 lines dropped so far")
    );
    // Not even what would fit: a gap in the file has two ends.
    assert_eq!(sink.write(b"short\n"), 0);

    fs::remove_file(&path).unwrap();
    sink.reopen();
    assert!(sink.flush(LONG));
    while sink.trouble().is_some() {
        thread::yield_now();
    }
    assert!(sink.write(b"{}\n") > 0);
    assert_eq!(sink.close(LONG), 0);
    let content = content(&path);
    let lines: Vec<&str> = content.lines().collect();
    assert_eq!(lines.len() as u64, filled + 2);
    let told: serde_json::Value = serde_json::from_str(lines[lines.len() - 2]).unwrap();
    assert_eq!(
        (&told["type"], &told["lines"]),
        (&"lost-lines".into(), &3001.into())
    );
    assert_eq!(*lines.last().unwrap(), "{}");
}

#[test]
fn beside_a_journal_a_log_that_takes_nothing_is_waited_for_a_second_once() {
    let (sink, reader) = gated();
    sink.shed();
    let filled = fill(&sink, 1 << 10);
    let begun = Instant::now();
    assert_eq!(sink.write(&kibibyte()), 0);
    assert!(begun.elapsed() >= STUCK_AFTER);
    let again = Instant::now();
    assert_eq!(sink.write(&kibibyte()), 0);
    assert!(again.elapsed() < STUCK_AFTER);
    assert_eq!(
        sink.trouble().unwrap(),
        "takes nothing; 2 lines dropped so far"
    );
    let all = drain(reader);
    assert_eq!(sink.close(LONG), 0);
    let all = String::from_utf8(all.join().unwrap()).unwrap();
    assert_eq!(all.lines().count() as u64, filled + 1);
    assert!(all.ends_with("\"type\":\"lost-lines\",\"lines\":2}\n"));
}

#[test]
fn beside_a_journal_a_slow_log_is_waited_for_and_loses_nothing() {
    let (sink, reader) = gated();
    sink.shed();
    let filled = fill(&sink, 1 << 10);
    let all = drain(reader);
    for _ in 0..2 * filled {
        assert!(sink.write(&kibibyte()) > 0);
    }
    assert_eq!(sink.close(LONG), 0);
    assert_eq!(all.join().unwrap().len() as u64, 3 * filled * 1024);
}

#[test]
fn a_gap_that_no_line_tells_of_is_an_alarm() {
    let sink = Sink::open(&Destination::named("/dev/full")).unwrap();
    sink.shed();
    fill(&sink, 1 << 10);
    sink.write(&kibibyte());
    let alarms = sink.alarms();
    assert!(sink.close(Duration::ZERO) > 0);
    assert_eq!(sink.alarms(), alarms + 1);
    assert_eq!(
        sink.trouble().unwrap(),
        "cannot be written: No space left on device (os error 28)"
    );
}
