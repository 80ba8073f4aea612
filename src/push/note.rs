//! What the push log shows of a notification.
//!
//! Pure: no file, no clock, no thread.

use std::sync::Arc;

use super::Notification;

/// What the push log shows of a notification, and nothing else: what the provider is sent is its
/// content. The texts lie in one buffer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    texts: Box<str>,
    /// Where each of them ends.
    ends: [u32; 7],
    /// The name of the request that it came with.
    pub request_id: Arc<str>,
    /// Icon badge; 0 if nothing was said.
    pub badge: i64,
    /// The caller's `expiry`.
    pub expiry: i64,
    /// The caller's `time_to_live`.
    pub time_to_live: i64,
    /// The caller's `content_available`, or that it is to wake the app and has no message.
    pub content_available: bool,
    /// The caller's `mutable_content`.
    pub mutable_content: bool,
    /// The caller's `delay_while_idle`.
    pub delay_while_idle: bool,
}

/// The texts of a notification that log lines show, empty where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Texts<'a> {
    /// The message.
    pub message: &'a str,
    /// The caller's own name for it.
    pub identifier: &'a str,
    /// Alert title.
    pub title: &'a str,
    /// Alert subtitle.
    pub subtitle: &'a str,
    /// Action category.
    pub category: &'a str,
    /// Sound file name.
    pub sound: &'a str,
    /// FCM collapse key.
    pub collapse_key: &'a str,
}

impl<'a> Texts<'a> {
    /// The texts, one after the other.
    pub fn each(self) -> [&'a str; 7] {
        // Taken apart whole: a new text that is not among them does not compile.
        let Self {
            message,
            identifier,
            title,
            subtitle,
            category,
            sound,
            collapse_key,
        } = self;
        [
            message,
            identifier,
            title,
            subtitle,
            category,
            sound,
            collapse_key,
        ]
    }

    /// The texts in the order of [`Texts::each`].
    pub(crate) fn of(
        [
            message,
            identifier,
            title,
            subtitle,
            category,
            sound,
            collapse_key,
        ]: [&'a str; 7],
    ) -> Self {
        Self {
            message,
            identifier,
            title,
            subtitle,
            category,
            sound,
            collapse_key,
        }
    }
}

impl Note {
    /// What is shown of this notification.
    pub fn of(notification: &Notification) -> Self {
        let mut note = Self {
            request_id: Arc::clone(&notification.request_id),
            badge: notification.badge.unwrap_or(0),
            expiry: notification.expiry,
            time_to_live: notification.time_to_live,
            content_available: notification.content_available,
            mutable_content: notification.mutable_content,
            delay_while_idle: notification.delay_while_idle,
            ..Self::default()
        };
        note.set_texts(notification.texts());
        note
    }

    /// Gives it these texts.
    pub fn set_texts(&mut self, texts: Texts<'_>) {
        let mut len = 0_usize;
        self.ends = texts.each().map(|text| {
            len += text.len();
            u32::try_from(len).unwrap_or(u32::MAX)
        });
        self.texts = texts.each().concat().into();
    }

    /// The texts.
    pub fn texts(&self) -> Texts<'_> {
        let mut start = 0;
        Texts::of(self.ends.map(|end| {
            let text = self.texts.get(start..end as usize);
            start = end as usize;
            text.unwrap_or_default()
        }))
    }
}
