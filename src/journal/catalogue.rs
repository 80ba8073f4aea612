//! The index and the files that its places are in.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Attempts;
use super::files::JournalFile;
use super::frame::{self, FRAME_HEAD, Look};
use super::index::{Index, Location, Rest};
use super::notification::RecordBody;
use super::outstanding::{Fed, Outstanding};
use super::record::kind;
use super::segment;
use super::unread::{Unread, UnreadPiece};
use crate::moment::Moment;
use crate::push::{LaneId, PushId};

/// The index and the files that its places are in.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    pub(super) index: Index,
    pub(super) segments: BTreeMap<u32, Arc<dyn JournalFile>>,
    /// What cannot be read just now.
    pub(super) unread: Unread,
}

/// The catalogue, shared between the flusher, which alone changes what is outstanding, and those
/// who read.
#[derive(Clone, Debug, Default)]
pub(super) struct SharedCatalogue(Arc<Mutex<Catalogue>>);

impl SharedCatalogue {
    pub(super) fn new(catalogue: Catalogue) -> Self {
        Self(Arc::new(Mutex::new(catalogue)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Catalogue> {
        // No code panics while it holds the lock; if it did, the content would still be sound.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the next pushes of a lane that are to be fed, transactional ones before others. One
    /// that the disk does not give comes later; one that is damaged is named.
    pub(super) fn feed(&self, lane: LaneId, max_pushes: usize, now: Instant) -> Fed {
        let next = |catalogue: &mut Catalogue, room| catalogue.next(lane, room, now);
        self.feed_by(lane, max_pushes, now, next)
    }

    /// Reads those of a lane next that are scheduled, and due by the wall clock.
    pub(super) fn feed_due(&self, lane: LaneId, max_pushes: usize, now: Moment) -> Fed {
        let second = second_of(now.unix);
        let next = |catalogue: &mut Catalogue, room| catalogue.next_due(lane, room, second);
        self.feed_by(lane, max_pushes, now.monotonic, next)
    }

    fn feed_by(
        &self,
        lane: LaneId,
        max_pushes: usize,
        now: Instant,
        next: impl Fn(&mut Catalogue, usize) -> Option<ToRead>,
    ) -> Fed {
        let mut fed = Fed::default();
        let mut room = max_pushes;
        while room > 0 {
            let mut catalogue = self.lock();
            let Some(next) = next(&mut catalogue, room) else {
                break;
            };
            // With its descriptor, a file can be read even if it is removed meanwhile.
            let file = catalogue.segments.get(&next.rest.place.segment).cloned();
            drop(catalogue);
            match read_from(file, |file| read_outstanding(file, &next.rest)) {
                Ok(read) => {
                    room = room.saturating_sub(next.rest.pushes.len());
                    match read {
                        Some(outstanding) => fed.notifications.push(outstanding),
                        None => fed.damaged.extend(ids(&next.rest)),
                    }
                    self.tell_of_success(&next);
                }
                Err(error) => {
                    self.pass_over(lane, &next, &error, now);
                    // Each may take the disk long. What failed before comes but once a second.
                    if !next.is_again {
                        break;
                    }
                }
            }
        }
        fed
    }

    /// Reads pushes of a lane from that id on without feeding them; also the id to go on from,
    /// unless there are no more. What cannot be read is passed over: it is told when it is fed.
    pub(super) fn look(
        &self,
        lane: LaneId,
        mut from: u64,
        max_pushes: usize,
    ) -> (Vec<Outstanding>, Option<u64>) {
        let mut seen = Vec::new();
        let mut room = max_pushes;
        while room > 0 {
            let catalogue = self.lock();
            let Some((rest, next)) = catalogue.index.look(lane, from, room) else {
                seen.iter_mut().for_each(Outstanding::begin);
                return (seen, None);
            };
            let file = catalogue.segments.get(&rest.place.segment).map(Arc::clone);
            drop(catalogue);
            from = next;
            room = room.saturating_sub(rest.pushes.len());
            seen.extend(file.and_then(|file| read_outstanding(&*file, &rest).ok().flatten()));
        }
        seen.iter_mut().for_each(Outstanding::begin);
        (seen, Some(from))
    }

    /// Reads the notification of a push with all of its pushes that are outstanding; nothing if
    /// there is none, or its record is damaged.
    pub(super) fn peek(&self, id: PushId) -> io::Result<Option<Outstanding>> {
        let catalogue = self.lock();
        let Some(rest) = catalogue.index.rest_with(id.0) else {
            return Ok(None);
        };
        let file = catalogue.segments.get(&rest.place.segment).map(Arc::clone);
        drop(catalogue);
        read_from(file, |file| read_outstanding(file, &rest))
    }

    /// Takes back what of a notification is scheduled, or that push of it alone, if what is read
    /// of it is meant. Nothing if that is not so, or none of it is scheduled.
    pub(super) fn withdraw(
        &self,
        (id, is_alone): (PushId, bool),
        is_meant: impl FnOnce(&Outstanding) -> bool,
    ) -> io::Result<Option<Outstanding>> {
        let Some(mut read) = self.peek(id)?.filter(is_meant) else {
            return Ok(None);
        };
        let index = &mut self.lock().index;
        let withdrawn = index.withdraw(read.first_id.0, is_alone.then_some(id.0));
        Ok(withdrawn.map(|rest| {
            read.pushes = rest.pushes;
            read
        }))
    }

    /// How many pushes of a lane are still to be fed.
    pub(super) fn unfed(&self, lane: LaneId) -> u64 {
        let catalogue = self.lock();
        let pieces = catalogue.unread.pieces(lane);
        let passed = pieces.filter_map(|piece| catalogue.rest_of(piece));
        let passed: u64 = passed.map(|rest| rest.pushes.len() as u64).sum();
        catalogue.index.unfed(lane).saturating_add(passed)
    }

    /// Transactional ones among those, but for what cannot be read just now.
    pub(super) fn transactional_unfed(&self, lane: LaneId) -> u64 {
        self.lock().index.transactional_unfed(lane)
    }

    fn pass_over(&self, lane: LaneId, next: &ToRead, error: &io::Error, now: Instant) {
        let Some(piece) = piece_of(&next.rest) else {
            return;
        };
        let mut catalogue = self.lock();
        let is_first = !next.is_again && !catalogue.unread.is_some();
        catalogue.unread.pass_over(lane, piece, now);
        drop(catalogue);
        // One line, however many there are: it is the disk that has to be looked at.
        if is_first {
            ::log::error!("{}", unreadable(next.rest.place, error));
        }
    }

    fn tell_of_success(&self, next: &ToRead) {
        if next.is_again && !self.lock().unread.is_some() {
            ::log::warn!("journal: what could not be read was read by now");
        }
    }
}

/// What is to be read next.
struct ToRead {
    rest: Rest,
    /// Whether it could not be read before.
    is_again: bool,
}

impl Catalogue {
    fn next(&mut self, lane: LaneId, room: usize, now: Instant) -> Option<ToRead> {
        while let Some(piece) = self.unread.take(lane, now) {
            let Some(mut rest) = self.rest_of(piece) else {
                continue;
            };
            let later = rest.pushes.split_off(room.min(rest.pushes.len()));
            if let Some((from, _)) = later.first() {
                let tokens = (*from, piece.tokens.1);
                self.unread.give_back(lane, UnreadPiece { tokens, ..piece });
            }
            let is_again = true;
            return Some(ToRead { rest, is_again });
        }
        if self.unread.is_full(lane) {
            return None;
        }
        let rest = self.index.feed(lane, room)?;
        let is_again = false;
        Some(ToRead { rest, is_again })
    }

    fn next_due(&mut self, lane: LaneId, room: usize, now: u32) -> Option<ToRead> {
        if self.unread.is_full(lane) {
            return None;
        }
        let rest = self.index.feed_due(lane, room, now)?;
        let is_again = false;
        Some(ToRead { rest, is_again })
    }

    /// What of a piece is outstanding, if anything is.
    fn rest_of(&self, piece: UnreadPiece) -> Option<Rest> {
        let (from, to) = piece.tokens;
        let mut rest = self.index.rest(piece.first_id, from)?;
        rest.pushes.retain(|(index, _)| *index <= to);
        (!rest.pushes.is_empty()).then_some(rest)
    }
}

/// The second of a time, by which what is scheduled is due.
pub(super) fn second_of(unix: Duration) -> u32 {
    u32::try_from(unix.as_secs()).unwrap_or(u32::MAX)
}

fn piece_of(rest: &Rest) -> Option<UnreadPiece> {
    let (first, last) = (rest.pushes.first()?.0, rest.pushes.last()?.0);
    Some(UnreadPiece {
        first_id: rest.first_id,
        tokens: (first, last),
    })
}

/// The line about a record that the disk does not give.
pub(super) fn unreadable(place: Location, error: &io::Error) -> String {
    format!(
        "journal: the record at offset {} of {} cannot be read: {error}; its pushes are kept and \
         the record is read again every second: look at the disk",
        place.offset,
        segment::name(place.segment),
    )
}

/// Reads from the file of a segment.
pub(super) fn read_from<T>(
    file: Option<Arc<dyn JournalFile>>,
    read: impl FnOnce(&dyn JournalFile) -> io::Result<T>,
) -> io::Result<T> {
    // All that the index names is in a segment that is held open; if it were not, nothing would
    // be known of the record.
    file.map_or_else(|| Err(ErrorKind::NotFound.into()), |file| read(&*file))
}

/// The ids of a notification's outstanding pushes.
pub(super) fn ids(rest: &Rest) -> impl Iterator<Item = PushId> {
    let pushes = rest.pushes.iter();
    pushes.map(|(index, _)| PushId(rest.first_id.saturating_add(u64::from(*index))))
}

/// Reads a notification back; nothing if its record is damaged.
pub(super) fn read_outstanding(
    file: &dyn JournalFile,
    rest: &Rest,
) -> io::Result<Option<Outstanding>> {
    let Some((kind::ACCEPTED, record)) = read_frame(file, rest.place)? else {
        return Ok(None);
    };
    let body = RecordBody::read(&record, rest.lane).filter(|body| body.first_id.0 == rest.first_id);
    Ok(body.map(|body| {
        let mut pushes = rest.pushes.clone();
        let was_scheduled = body.envelope.earliest.is_some();
        if was_scheduled && rest.in_doubt {
            // It is known which of them were handed out, and of no other that it was sent.
            for (_, begun) in &mut pushes {
                begun.maybe_sent |= *begun != Attempts::default();
            }
        }
        Outstanding {
            envelope: body.envelope,
            parcel: body.parcel,
            first_id: body.first_id,
            at: body.at,
            in_doubt: rest.in_doubt && !was_scheduled,
            pushes,
        }
    }))
}

/// Reads the frame at a place: its kind and its record. Nothing if it is damaged: the file was
/// read well, twice, and it is not there.
pub(super) fn read_frame(
    file: &dyn JournalFile,
    place: Location,
) -> io::Result<Option<(u8, Vec<u8>)>> {
    let read = read_frame_once(file, place)?;
    if read.is_some() {
        return Ok(read);
    }
    // What is wrong in memory need not be wrong on the disk.
    file.forget_cached();
    read_frame_once(file, place)
}

fn read_frame_once(file: &dyn JournalFile, place: Location) -> io::Result<Option<(u8, Vec<u8>)>> {
    let mut bytes = vec![0; place.len as usize];
    let read = file.read_at(&mut bytes, place.offset)?;
    bytes.truncate(read);
    let kind = match frame::look(&bytes, frame::salt(place.segment)) {
        Look::Frame(frame) if frame.len() == bytes.len() => frame.kind,
        _ => return Ok(None),
    };
    bytes.drain(..FRAME_HEAD);
    Ok(Some((kind, bytes)))
}
