//! Callers that are refused before they have a place: each hears why, and has a moment to read it.
//!
//! Nothing here waits. A socket that is closed with unread input resets its connection, and the
//! answer may be lost with it: so what such a caller sends is read and thrown away meanwhile.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use super::socket::ListeningSocket;

/// Those that were refused and have not gone yet.
#[derive(Debug, Default)]
pub(super) struct Doorstep {
    /// Each with the time at which it is left, in that order.
    refused: VecDeque<(Instant, ListeningSocket)>,
}

impl Doorstep {
    /// Gives the answer to a caller and stays for `linger` at most, while it reads it.
    pub(super) fn refuse(
        &mut self,
        socket: ListeningSocket,
        answer: &[u8],
        linger: Duration,
        now: Instant,
    ) {
        // Who does not even take this much hears nothing.
        drop(socket.write_now(answer));
        socket.finish();
        self.refused.push_back((now + linger, socket));
        if self.refused.len() > REFUSED_MAX {
            drop(self.refused.pop_front());
        }
    }

    /// Leaves those that have gone, or had their time.
    pub(super) fn sweep(&mut self, now: Instant) {
        self.refused
            .retain(|(until, socket)| now < *until && is_there(socket));
    }

    /// Whether nobody is there.
    pub(super) fn is_empty(&self) -> bool {
        self.refused.is_empty()
    }
}

/// Throws away what a caller has sent; false if it has gone.
fn is_there(socket: &ListeningSocket) -> bool {
    let mut bytes = [0; 16 * 1024];
    for _ in 0..READS {
        match socket.read_now(&mut bytes) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
        }
    }
    true
}

/// Our limit: refused callers that have a moment to read why; the next one takes the place of the
/// first.
pub(super) const REFUSED_MAX: usize = 64;

/// How often it is looked whether they have gone.
pub(super) const SWEEP_EVERY: Duration = Duration::from_millis(20);

/// Reads of one caller in one look.
const READS: usize = 16;

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::Shutdown;
    use std::os::unix::net::UnixStream;

    use super::*;

    const LINGER: Duration = Duration::from_secs(1);

    fn refuse(doorstep: &mut Doorstep, now: Instant) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().unwrap();
        doorstep.refuse(ListeningSocket::Unix(ours), b"no", LINGER, now);
        theirs
    }

    #[test]
    fn who_is_refused_hears_why_and_is_left_when_it_goes_or_has_had_its_time() {
        let now = Instant::now();
        let mut doorstep = Doorstep::default();
        let mut patient = refuse(&mut doorstep, now);
        let mut going = refuse(&mut doorstep, now);
        for client in [&mut patient, &mut going] {
            client.write_all(&vec![0; 100_000]).unwrap();
            let mut heard = String::new();
            client.read_to_string(&mut heard).unwrap();
            assert_eq!(heard, "no");
        }
        going.shutdown(Shutdown::Both).unwrap();
        doorstep.sweep(now);
        assert_eq!(doorstep.refused.len(), 1, "one has gone");
        patient.write_all(b"more").unwrap();
        doorstep.sweep(now + LINGER);
        assert!(doorstep.is_empty());
        assert!(patient.write_all(b"more").is_err());
    }

    #[test]
    fn the_first_makes_room_for_one_too_many() {
        let now = Instant::now();
        let mut doorstep = Doorstep::default();
        let mut clients: Vec<UnixStream> = (0..=REFUSED_MAX)
            .map(|_| refuse(&mut doorstep, now))
            .collect();
        doorstep.sweep(now);
        assert_eq!(doorstep.refused.len(), REFUSED_MAX);
        assert!(clients[0].write_all(b"more").is_err());
        assert!(clients[1].write_all(b"more").is_ok());
    }
}
