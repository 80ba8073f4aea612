//! Carrying what is outstanding into the segment in use.
//!
//! A record that the disk does not give is tried again, in every pass, until it is read or its
//! pushes are settled; until then the checkpoint is not complete, and no segment goes. Of a record
//! that is damaged its head is carried, so that its pushes end with a word, whenever they are fed.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::read_ahead::ReadAhead;
use super::{SegmentUse, Store, StoreTrouble};
use crate::journal::batch::{FrameSpan, WriteBatch};
use crate::journal::catalogue::{read_from, unreadable};
use crate::journal::index::{Index, Location, Rest};
use crate::journal::{PLACES_MAX, segment};

/// How far it has come.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::journal) struct Carry {
    /// Notifications with lower ids are done …
    from: u64,
    /// … but for this one and others, which could not be read in this pass.
    unread: Option<u64>,
    /// Notifications whose records are damaged.
    damaged: usize,
}

/// Our limit: notifications that are passed over under one lock.
pub(in crate::journal) const LOOKS: usize = 4096;

/// Our limit: a full disk is not made fuller by a new segment unless the old one is so long.
pub(in crate::journal) const WORTHWHILE: u64 = 64 << 10;

/// What a piece holds besides its frames.
#[derive(Debug, Default)]
struct CarriedPiece {
    batch: WriteBatch,
    notifications: Vec<(u64, Location, FrameSpan)>,
    /// None for one that is damaged.
    answers: Vec<(Location, Option<FrameSpan>)>,
    /// What ended the piece: a record that cannot be read.
    unread: Option<(Location, io::Error)>,
    /// What was read of older segments.
    ahead: ReadAhead,
}

impl Store {
    /// Whether something is to be carried.
    pub(in crate::journal) fn is_carrying(&self) -> bool {
        self.carry.is_some()
    }

    /// Bytes that are still to be carried, or less: what was written since is not told apart from
    /// what was carried.
    pub(in crate::journal) fn left_to_carry(&self) -> u64 {
        self.live_bytes().saturating_sub(self.len)
    }

    /// Whether the segment is so long that the next one should begin; on a full disk, as soon as
    /// that makes room.
    pub(in crate::journal) fn is_long(&self, is_full: bool) -> bool {
        let least = if is_full {
            WORTHWHILE
        } else {
            self.settings.segment_bytes
        };
        let limit = least.max(self.live_bytes().saturating_mul(2));
        self.carry.is_none() && self.len > limit
    }

    /// Carries about `bytes` forward, or completes the checkpoint.
    ///
    /// [`StoreTrouble::Unreadable`] is no reason to do anything but to come back later.
    pub(in crate::journal) fn carry(
        &mut self,
        bytes: usize,
        now: Duration,
    ) -> Result<(), StoreTrouble> {
        match self.stage {
            SegmentUse::Spoilt => self.begin_draft()?,
            SegmentUse::Older => self.leave_segment()?,
            SegmentUse::Open | SegmentUse::Draft => {}
        }
        let Some(mut carry) = self.carry else {
            return Ok(());
        };
        let mut piece = CarriedPiece {
            batch: self.batch(),
            ..CarriedPiece::default()
        };
        let empty = piece.batch.frames.len();
        self.gather_notifications(&mut piece, &mut carry, bytes);
        let is_last = carry.from == u64::MAX && carry.unread.is_none();
        if is_last {
            self.gather_answers(&mut piece, bytes, now);
        }
        let is_empty = piece.batch.frames.len() == empty;
        if !is_empty {
            self.write_frames(&mut piece.batch)?;
        }
        self.move_to(&piece);
        if carry.from == u64::MAX
            && let Some(unread) = carry.unread.take()
        {
            // The next pass has only those left that could not be read.
            carry.from = unread;
        }
        self.carry = Some(carry);
        if let Some((place, error)) = piece.unread {
            return Err(self.cannot_read(place, &error));
        }
        if is_last && is_empty {
            self.complete()?;
            self.tell_of_damage(carry);
        }
        Ok(())
    }

    /// Gathers up to the first record that cannot be read.
    fn gather_notifications(&mut self, piece: &mut CarriedPiece, carry: &mut Carry, bytes: usize) {
        while carry.from < u64::MAX && piece.batch.frames.len() < bytes && piece.unread.is_none() {
            let catalogue = self.catalogue.lock();
            let (found, next) = catalogue.index.elsewhere(self.active, carry.from, LOOKS);
            carry.from = next;
            let Some(rest) = found.and_then(|first_id| catalogue.index.rest(first_id, 0)) else {
                continue;
            };
            let file = catalogue.segments.get(&rest.place.segment).map(Arc::clone);
            drop(catalogue);
            carry.from = rest.first_id.saturating_add(1);
            let ahead = &mut piece.ahead;
            let span = match read_from(file, |file| ahead.frame(file, rest.place)) {
                Ok(Some((kind, record))) => piece.batch.copy_notification(kind, &record, rest.lane),
                Ok(None) => None,
                Err(error) => {
                    carry.unread.get_or_insert(rest.first_id);
                    piece.unread = Some((rest.place, error));
                    continue;
                }
            };
            let Some(span) = span.or_else(|| self.lose(piece, carry, &rest)) else {
                continue;
            };
            piece.notifications.push((rest.first_id, rest.place, span));
            let settled = rest.settled.iter().map(|id| (*id, None)).collect();
            piece.batch.settle(settled);
            piece.batch.leave(Index::attempts_of(&rest));
        }
    }

    /// Carries what is known of a notification whose record is damaged.
    fn lose(
        &mut self,
        piece: &mut CarriedPiece,
        carry: &mut Carry,
        rest: &Rest,
    ) -> Option<FrameSpan> {
        let head = self.catalogue.lock().index.head(rest.first_id)?;
        let place = rest.place;
        self.damaged.insert(place.segment);
        carry.damaged += 1;
        if carry.damaged <= PLACES_MAX {
            ::log::error!(
                "journal: the record at offset {} of {} is damaged: {} with ids from {} on fail \
                 with reason journal_damaged, unless this process has them in memory; look at the \
                 disk",
                place.offset,
                segment::name(place.segment),
                crate::push::counted(rest.pushes.len() as u64),
                rest.first_id,
            );
        }
        Some(piece.batch.lose(&head))
    }

    fn gather_answers(&self, piece: &mut CarriedPiece, bytes: usize, now: Duration) {
        let mut catalogue = self.catalogue.lock();
        catalogue.index.prune_answers(now);
        let segments = catalogue.segments.clone();
        let old = catalogue.index.answers_elsewhere(self.active);
        drop(catalogue);
        for place in old {
            if piece.batch.frames.len() >= bytes {
                break;
            }
            let file = segments.get(&place.segment).map(Arc::clone);
            let ahead = &mut piece.ahead;
            let span = match read_from(file, |file| ahead.frame(file, place)) {
                Ok(Some((kind, record))) => piece.batch.copy(kind, &record),
                // Its request may be taken twice if it is repeated; nothing worse.
                Ok(None) => None,
                Err(error) => {
                    piece.unread = Some((place, error));
                    break;
                }
            };
            piece.answers.push((place, span));
        }
    }

    /// Tells the index where the records of a piece are, which is written.
    fn move_to(&self, piece: &CarriedPiece) {
        let (active, offset) = (self.active, self.len - piece.batch.frames.len() as u64);
        let index = &mut self.catalogue.lock().index;
        for (first_id, from, span) in &piece.notifications {
            index.moved(*first_id, *from, span.place(active, offset));
        }
        let moves = piece.answers.iter();
        let moves = moves.map(|(from, span)| (*from, span.map(|span| span.place(active, offset))));
        index.answers_moved(&moves.collect::<Vec<_>>());
    }

    fn cannot_read(&self, place: Location, error: &io::Error) -> StoreTrouble {
        let why = unreadable(place, error);
        if self.catalogue.lock().unread.note_carry(true) {
            ::log::error!("{why}; until then no older segment is removed");
        }
        StoreTrouble::Unreadable(why)
    }

    fn tell_of_damage(&self, carry: Carry) {
        if self.catalogue.lock().unread.note_carry(false) {
            ::log::warn!("journal: all that is outstanding could be read by now");
        }
        if carry.damaged > PLACES_MAX {
            let more = carry.damaged - PLACES_MAX;
            ::log::error!("journal: {more} more records were damaged");
        }
    }

    /// All is carried: once that is durable, and the word that it is, older segments can go.
    fn complete(&mut self) -> Result<(), StoreTrouble> {
        self.sync()?;
        if self.stage != SegmentUse::Draft {
            // Before the last word, after which nobody would look at them again.
            self.set_damaged_aside()?;
        }
        let mut batch = self.batch();
        batch.complete();
        self.write_frames(&mut batch)?;
        self.sync()?;
        if self.stage == SegmentUse::Draft {
            self.adopt_draft()?;
            self.set_damaged_aside()?;
        }
        self.carry = None;
        let active = self.active;
        let mut catalogue = self.catalogue.lock();
        catalogue.segments.retain(|number, _| *number == active);
        drop(catalogue);
        self.remove_unneeded();
        Ok(())
    }
}
