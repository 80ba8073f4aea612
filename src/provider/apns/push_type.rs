//! Apple's push types: their words, and what each adds to the topic.

use crate::push::PushType;

/// Push type, its word, and what follows the bundle id in its topic. An MDM push goes to the topic
/// of its certificate, which is the one that is configured.
pub(super) const PUSH_TYPES: [(PushType, &str, &str); 11] = [
    (PushType::Alert, ALERT, ""),
    (PushType::Background, BACKGROUND, ""),
    (PushType::Voip, "voip", ".voip"),
    (PushType::Complication, "complication", ".complication"),
    (
        PushType::FileProvider,
        "fileprovider",
        ".pushkit.fileprovider",
    ),
    (PushType::Mdm, "mdm", ""),
    (PushType::Location, "location", ".location-query"),
    (
        PushType::LiveActivity,
        "liveactivity",
        ".push-type.liveactivity",
    ),
    (PushType::PushToTalk, "pushtotalk", ".voip-ptt"),
    (PushType::Widgets, "widgets", ".push-type.widgets"),
    (PushType::Controls, "controls", ".push-type.controls"),
];

/// The push type of what is shown, and of all that does not say otherwise.
pub const ALERT: &str = "alert";

/// The push type of what only wakes the app, as callers and Apple call it.
pub(super) const BACKGROUND: &str = "background";

/// The push type of that word, if it is known.
pub fn push_type_of(word: &str) -> Option<PushType> {
    let known = PUSH_TYPES.iter().find(|(_, known, _)| *known == word);
    known.map(|(push_type, ..)| *push_type)
}

/// The words of all that are known.
pub fn push_types() -> impl Iterator<Item = &'static str> {
    PUSH_TYPES.iter().map(|(_, word, _)| *word)
}

/// `apns-push-type`, and what the topic ends with; nothing of one that is not known.
pub(super) fn word_and_suffix(push_type: PushType) -> Option<(&'static str, &'static str)> {
    let known = PUSH_TYPES.iter().find(|(known, ..)| *known == push_type);
    known.map(|(_, word, suffix)| (*word, *suffix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::push::{Envelope, LaneId, TargetKind};

    #[test]
    fn a_topic_is_bare_if_nothing_is_added_to_the_configured_one() {
        for push_type in PushType::ALL {
            let bare = Envelope {
                push_type,
                ..Envelope::to(LaneId::IOS)
            };
            let suffix = word_and_suffix(push_type).map(|(_, suffix)| suffix);
            assert_eq!(bare.has_bare_topic(), suffix == Some(""), "{push_type:?}");
            let own = Envelope {
                has_own_topic: true,
                ..bare
            };
            let broadcast = Envelope {
                target: TargetKind::Channel,
                ..bare
            };
            assert!(!own.has_bare_topic() && !broadcast.has_bare_topic());
        }
    }
}
