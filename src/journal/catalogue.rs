//! The index and the files that its places are in.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::files::JournalFile;
use super::frame::{self, FRAME_HEAD, Look};
use super::index::{Index, Place, Rest};
use super::notification::Body;
use super::outstanding::{Fed, Outstanding};
use super::record::kind;
use crate::push::{Platform, PushId};

/// The index and the files that its places are in.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    pub(super) index: Index,
    pub(super) segments: BTreeMap<u32, Arc<dyn JournalFile>>,
}

/// The catalogue, shared between the flusher, which alone changes what is outstanding, and those
/// who read.
#[derive(Clone, Debug, Default)]
pub(super) struct Shared(Arc<Mutex<Catalogue>>);

impl Shared {
    pub(super) fn new(catalogue: Catalogue) -> Self {
        Self(Arc::new(Mutex::new(catalogue)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Catalogue> {
        // No code panics while it holds the lock; if it did, the content would still be sound.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the next pushes of a platform that are to be fed.
    pub(super) fn feed(&self, platform: Platform, max_pushes: usize) -> Fed {
        let mut fed = Fed::default();
        let mut room = max_pushes;
        while room > 0 {
            let mut catalogue = self.lock();
            let Some(rest) = catalogue.index.feed(platform, room) else {
                break;
            };
            // With its descriptor, a file can be read even if it is removed meanwhile.
            let file = catalogue.segments.get(&rest.place.segment).map(Arc::clone);
            drop(catalogue);
            room = room.saturating_sub(rest.pushes.len());
            match file.and_then(|file| read_outstanding(&*file, &rest).ok().flatten()) {
                Some(outstanding) => fed.notifications.push(outstanding),
                None => fed.damaged.extend(ids(&rest)),
            }
        }
        fed
    }
}

/// The ids of a notification's outstanding pushes.
pub(super) fn ids(rest: &Rest) -> impl Iterator<Item = PushId> {
    let pushes = rest.pushes.iter();
    pushes.map(|(index, _)| PushId(rest.first_id.saturating_add(u64::from(*index))))
}

/// Reads a notification back; nothing if its record is not whole.
pub(super) fn read_outstanding(
    file: &dyn JournalFile,
    rest: &Rest,
) -> io::Result<Option<Outstanding>> {
    let Some((kind::ACCEPTED, record)) = read_frame(file, rest.place)? else {
        return Ok(None);
    };
    let body = Body::read(&record).filter(|body| body.first_id.0 == rest.first_id);
    Ok(body.map(|body| Outstanding {
        notification: body.notification,
        tokens: body.tokens,
        first_id: body.first_id,
        at: body.at,
        pushes: rest.pushes.clone(),
    }))
}

/// Reads the frame at a place: its kind and its record, if it is whole.
pub(super) fn read_frame(
    file: &dyn JournalFile,
    place: Place,
) -> io::Result<Option<(u8, Vec<u8>)>> {
    let mut octets = vec![0; place.len as usize];
    let read = file.read_at(&mut octets, place.offset)?;
    octets.truncate(read);
    let kind = match frame::look(&octets, frame::salt(place.segment)) {
        Look::Frame(frame) if frame.len() == octets.len() => frame.kind,
        _ => return Ok(None),
    };
    octets.drain(..FRAME_HEAD);
    Ok(Some((kind, octets)))
}
