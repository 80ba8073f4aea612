//! The texts of notifications whose later pushes have lines without them.
//!
//! Pure: no file, no clock.

use std::collections::{HashMap, VecDeque};

use super::open_push::OpenPush;
use crate::push::Notification;

/// Our limit: bytes of texts that are remembered. The lines of one notification stand together,
/// but for those of requests that were answered beside it; what is forgotten by then holds its
/// pushes back.
const TEXTS_MAX: usize = 64 << 20;

/// Texts so short stand in every line, however short the device token.
const SHORT: usize = 192;

/// The texts of the last pushes whose lines have them.
#[derive(Debug, Default)]
pub(super) struct RememberedTexts {
    of: HashMap<u64, Notification>,
    oldest: VecDeque<u64>,
    bytes: usize,
}

impl RememberedTexts {
    /// Gives a push the texts that stand in another one's line, or remembers its own for others.
    pub(super) fn complete(&mut self, push: &mut OpenPush) {
        let Some(first) = push.texts_of else {
            return self.remember(push);
        };
        if let Some(found) = self.of.get(&first) {
            let texts = found.clone();
            let own = &mut push.notification;
            own.message = texts.message;
            own.identifier = texts.identifier;
            own.title = texts.title;
            own.subtitle = texts.subtitle;
            own.category = texts.category;
            own.sound = texts.sound;
            own.collapse_key = texts.collapse_key;
            push.texts_of = None;
        }
    }

    fn remember(&mut self, push: &OpenPush) {
        let bytes = push.notification.texts_len();
        // Gaurun's lines have theirs, of any length.
        if bytes <= SHORT || bytes > TEXTS_MAX || !push.is_sternas() {
            return;
        }
        let before = self.of.insert(push.id, push.notification.clone());
        match before {
            Some(before) => self.bytes = self.bytes.saturating_sub(before.texts_len()),
            None => self.oldest.push_back(push.id),
        }
        self.bytes = self.bytes.saturating_add(bytes);
        while self.bytes > TEXTS_MAX
            && let Some(oldest) = self.oldest.pop_front()
            && let Some(forgotten) = self.of.remove(&oldest)
        {
            self.bytes = self.bytes.saturating_sub(forgotten.texts_len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::push::{DeviceToken, LaneId, TargetKind};

    fn push(id: u64, message: &str, texts_of: Option<u64>) -> OpenPush {
        OpenPush {
            id: (1 << 50) + id,
            target: TargetKind::DeviceToken,
            token: DeviceToken::new("ab"),
            notification: Notification {
                message: message.into(),
                ..Notification::empty(LaneId::IOS)
            },
            texts_of: texts_of.map(|id| (1 << 50) + id),
            accepted: "".into(),
            at: None,
            send_at: None,
        }
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_oldest_goes() {
        let mut texts = RememberedTexts::default();
        let long = "m".repeat(TEXTS_MAX / 4);
        for id in 0..5 {
            texts.complete(&mut push(id, &long, None));
        }
        texts.complete(&mut push(5, "short", None));
        assert_eq!((texts.of.len(), texts.bytes), (4, TEXTS_MAX));
        for (first, found) in [(0, false), (1, true), (4, true), (5, false)] {
            let mut later = push(9, "", Some(first));
            texts.complete(&mut later);
            assert_eq!(later.texts_of.is_none(), found, "{first}");
            assert_eq!(later.notification.message.len() == long.len(), found);
        }
        // A copy of a log has the same lines again.
        texts.complete(&mut push(4, &long, None));
        assert_eq!((texts.of.len(), texts.bytes), (4, TEXTS_MAX));
    }
}
