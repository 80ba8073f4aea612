use super::*;
use crate::heartbeat::PATIENCE;
use crate::log::Destination;

const MOMENT: Duration = Duration::from_millis(1);

fn supervision() -> Supervision {
    Supervision::new(Supervisor::from_environment())
}

fn discarded() -> Logs {
    let discard = Destination::Discard;
    Logs::open(&discard, &discard, &discard).unwrap()
}

#[test]
fn any_class_that_is_stuck_starves_the_watchdog() {
    let (start, logs) = (Instant::now(), discarded());
    let classes = [
        "API accept",
        "ios connection",
        "android access token",
        LOG_WRITERS,
    ];
    for stuck in classes {
        let supervision = supervision();
        let beats = classes.map(|class| (class, Heartbeat::new(start)));
        for (class, beat) in &beats {
            supervision.watch(*class, beat.clone());
        }
        assert!(supervision.all_are_alive(start, &logs, &Lanes::default()));
        let later = start + PATIENCE + MOMENT;
        for (_, beat) in beats.iter().filter(|(class, _)| *class != stuck) {
            beat.busy(later);
        }
        assert!(
            !supervision.all_are_alive(later, &logs, &Lanes::default()),
            "{stuck}"
        );
        assert_eq!(*lock(&supervision.stuck), stuck);
        for (_, beat) in &beats {
            beat.busy(later);
        }
        assert!(
            supervision.all_are_alive(later, &logs, &Lanes::default()),
            "{stuck}"
        );
        assert_eq!(*lock(&supervision.stuck), "");
    }
}

#[test]
fn who_waits_for_a_full_log_is_as_alive_as_its_writer() {
    let full = Destination::named("/dev/full");
    let logs = Logs::open(&full, &full, &full).unwrap();
    let sink = logs.access.clone();
    let waiter = std::thread::spawn(move || {
        let line = [vec![b'x'; 64 * 1024 - 1], b"\n".to_vec()].concat();
        // Twice what a log holds.
        for _ in 0..256 {
            sink.write(&line);
        }
    });
    let start = Instant::now();
    while !logs.are_waited_for() {
        assert!(start.elapsed() < Duration::from_secs(30));
        std::thread::park_timeout(MOMENT);
    }
    let supervision = supervision();
    let (sender, writer) = (Heartbeat::new(start), Heartbeat::new(start));
    supervision.watch("ios connection", sender);
    supervision.watch(LOG_WRITERS, writer.clone());
    let later = start + PATIENCE + MOMENT;
    assert!(
        !supervision.all_are_alive(later, &logs, &Lanes::default()),
        "the writer is stuck"
    );
    writer.busy(later);
    assert!(supervision.all_are_alive(later, &logs, &Lanes::default()));
    assert!(logs.close(Duration::ZERO) > 0);
    waiter.join().unwrap();
}

#[test]
fn the_status_says_that_a_log_cannot_be_written() {
    let full = Destination::named("/dev/full");
    let logs = Logs::open(&full, &full, &Destination::Discard).unwrap();
    assert_eq!(
        Supervision::status("serving", &Lanes::default(), &logs),
        "serving"
    );
    logs.access.write(b"{}\n");
    let start = Instant::now();
    while logs.trouble().is_none() {
        assert!(start.elapsed() < Duration::from_secs(30));
        std::thread::park_timeout(MOMENT);
    }
    assert_eq!(
        Supervision::status("serving", &Lanes::default(), &logs),
        "serving; the push log cannot be written: No space left on device (os error 28)"
    );
    assert_eq!(logs.close(Duration::ZERO), 1);
}
