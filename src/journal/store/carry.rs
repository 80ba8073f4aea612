//! Carrying what is outstanding into the segment in use.

use std::sync::Arc;
use std::time::Duration;

use super::{Store, Trouble};
use crate::journal::batch::{Batch, Span};
use crate::journal::catalogue::read_frame;
use crate::journal::index::{Index, Place};

/// How far it has come.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::journal) struct Carry {
    /// Notifications with lower ids are done.
    from: u64,
}

/// Our limit: notifications that are passed over under one lock.
const LOOKS: usize = 4096;

/// Our limit: a full disk is not made fuller by a new segment unless the old one is so long.
const WORTHWHILE: u64 = 64 << 10;

/// What a piece holds besides its frames.
#[derive(Debug, Default)]
struct Piece {
    batch: Batch,
    notifications: Vec<(u64, Place, Span)>,
    /// None for one that cannot be read.
    answers: Vec<(Place, Option<Span>)>,
}

impl Store {
    /// Whether something is to be carried.
    pub(in crate::journal) fn is_carrying(&self) -> bool {
        self.carry.is_some()
    }

    /// Whether the segment is so long that the next one should begin; on a full disk, as soon as
    /// that makes room.
    pub(in crate::journal) fn is_long(&self, is_full: bool) -> bool {
        let least = if is_full {
            WORTHWHILE
        } else {
            self.settings.segment_octets
        };
        let limit = least.max(self.live_octets().saturating_mul(2));
        self.carry.is_none() && self.len > limit
    }

    /// Carries about `octets` forward, or completes the checkpoint.
    pub(in crate::journal) fn carry(
        &mut self,
        octets: usize,
        now: Duration,
    ) -> Result<(), Trouble> {
        let Some(Carry { from }) = self.carry else {
            return Ok(());
        };
        let mut piece = Piece {
            batch: self.batch(),
            ..Piece::default()
        };
        let empty = piece.batch.frames.len();
        let next = self.gather_notifications(&mut piece, from, octets);
        if next == u64::MAX {
            self.gather_answers(&mut piece, octets, now);
        }
        if piece.batch.frames.len() == empty {
            let lost: Vec<_> = piece
                .answers
                .iter()
                .map(|(from, _)| (*from, None))
                .collect();
            self.catalogue.lock().index.answers_moved(&lost);
            self.carry = Some(Carry { from: next });
            return match next {
                u64::MAX => self.complete(),
                _ => Ok(()),
            };
        }
        self.write_frames(&mut piece.batch)?;
        let (active, offset) = (self.active, self.len - piece.batch.frames.len() as u64);
        let index = &mut self.catalogue.lock().index;
        for (first_id, from, span) in piece.notifications {
            index.moved(first_id, from, span.place(active, offset));
        }
        let moves = piece.answers.iter();
        let moves = moves.map(|(from, span)| (*from, span.map(|span| span.place(active, offset))));
        index.answers_moved(&moves.collect::<Vec<_>>());
        self.carry = Some(Carry { from: next });
        Ok(())
    }

    /// Returns where to go on; `u64::MAX` if nothing is left.
    fn gather_notifications(&self, piece: &mut Piece, mut from: u64, octets: usize) -> u64 {
        while from < u64::MAX && piece.batch.frames.len() < octets {
            let catalogue = self.catalogue.lock();
            let (found, next) = catalogue.index.elsewhere(self.active, from, LOOKS);
            from = next;
            let Some(rest) = found.and_then(|first_id| catalogue.index.rest(first_id, 0)) else {
                continue;
            };
            let file = catalogue.segments.get(&rest.place.segment).map(Arc::clone);
            drop(catalogue);
            from = rest.first_id.saturating_add(1);
            let read = file.map(|file| read_frame(&*file, rest.place));
            let copied = match &read {
                Some(Ok(Some((kind, record)))) => piece.batch.copy(*kind, record),
                _ => None,
            };
            let Some(span) = copied else {
                self.give_up(rest.first_id, rest.place, read.and_then(Result::err));
                continue;
            };
            piece.notifications.push((rest.first_id, rest.place, span));
            let settled = rest.settled.iter().map(|id| (*id, None)).collect();
            piece.batch.settle(settled);
            piece.batch.leave(Index::attempts_of(&rest));
        }
        from
    }

    fn give_up(&self, first_id: u64, place: Place, error: Option<std::io::Error>) {
        let ids = self.catalogue.lock().index.give_up(first_id);
        let why = error.map_or_else(
            || "its checksum is wrong".to_owned(),
            |error| error.to_string(),
        );
        ::log::error!(
            "journal: the record at offset {} of {} cannot be read: {why}; a crash from now on \
             loses {} pushes, the first with id {first_id}; look at the disk",
            place.offset,
            crate::journal::segment::name(place.segment),
            ids.len(),
        );
    }

    fn gather_answers(&self, piece: &mut Piece, octets: usize, now: Duration) {
        let mut catalogue = self.catalogue.lock();
        catalogue.index.prune_answers(now);
        let segments = catalogue.segments.clone();
        let old = catalogue.index.answers_elsewhere(self.active);
        drop(catalogue);
        for place in old {
            if piece.batch.frames.len() >= octets {
                break;
            }
            let file = segments.get(&place.segment);
            let span = match file.map(|file| read_frame(&**file, place)) {
                Some(Ok(Some((kind, record)))) => piece.batch.copy(kind, &record),
                // Its request may be taken twice if it is repeated; nothing worse.
                _ => None,
            };
            piece.answers.push((place, span));
        }
    }

    /// All is carried: once that is durable, and the word that it is, older segments can go.
    fn complete(&mut self) -> Result<(), Trouble> {
        self.sync()?;
        let mut batch = self.batch();
        batch.complete();
        self.write_frames(&mut batch)?;
        self.sync()?;
        self.carry = None;
        let active = self.active;
        let mut catalogue = self.catalogue.lock();
        catalogue.segments.retain(|number, _| *number == active);
        drop(catalogue);
        self.remove_unneeded();
        Ok(())
    }
}
