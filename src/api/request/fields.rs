//! The fields of a notification: what each holds, for whom it is and what it says. The reader's
//! shapes, the document of the API and the tables of its manual page are made from it.
//!
//! Pure: no I/O, no clock.

use crate::provider::apns::{
    ALERT_SCHEMA, INTERRUPTION_LEVELS, LIVE_ACTIVITY_MEMBERS, SOUND_MEMBERS,
};
use crate::provider::fcm::TIME_TO_LIVE_MAX;
use crate::provider::{SchemaMember, ValueSchema};
use crate::push::Provider;

/// A field of a notification.
#[derive(Debug)]
pub struct RequestField {
    /// Its name on the wire.
    pub name: &'static str,
    /// What it holds.
    pub value: ValueSchema,
    /// For whom it is.
    pub providers: &'static [Provider],
    /// Whether it is read with the body, all of which is malformed where it is of another type; the
    /// others are read by the providers.
    pub is_read_at_once: bool,
    /// What it says, in a line of the manual page.
    pub meaning: &'static str,
}

const fn gauruns(
    name: &'static str,
    value: ValueSchema,
    providers: &'static [Provider],
    meaning: &'static str,
) -> RequestField {
    RequestField {
        name,
        value,
        providers,
        is_read_at_once: true,
        meaning,
    }
}

const fn native(
    name: &'static str,
    value: ValueSchema,
    providers: &'static [Provider],
    meaning: &'static str,
) -> RequestField {
    RequestField {
        is_read_at_once: false,
        ..gauruns(name, value, providers, meaning)
    }
}

const BOTH: &[Provider] = &[Provider::Apns, Provider::Fcm];
const APNS: &[Provider] = &[Provider::Apns];
const FCM: &[Provider] = &[Provider::Fcm];

const TEXT: ValueSchema = ValueSchema::Text;
const WORD: ValueSchema = ValueSchema::Word;
const FLAG: ValueSchema = ValueSchema::Flag;
const INTEGER: ValueSchema = ValueSchema::Integer(None, None);
const NATURAL: ValueSchema = ValueSchema::Integer(Some(0), None);
const TIME: ValueSchema = ValueSchema::Time;

/// The fields by which a notification says to whom it goes: it has one of them.
pub const TARGET_FIELDS: [&str; 6] = ["token", "tokens", "fid", "topic", "condition", "channel"];

/// The fields, in the order of the documentation.
pub static REQUEST_FIELDS: &[RequestField] = &[
    gauruns(
        "token",
        ValueSchema::Targets,
        BOTH,
        "device tokens (hexadecimal), or FCM registration tokens; at least one, or another target",
    ),
    gauruns(
        "tokens",
        ValueSchema::Targets,
        BOTH,
        "`token` by another name",
    ),
    gauruns(
        "platform",
        ValueSchema::Platform,
        BOTH,
        "1 or `\"ios\"`, 2 or `\"android\"`",
    ),
    gauruns(
        "message",
        TEXT,
        BOTH,
        "alert text; on Android what the style makes of it. Not empty, unless \
         `core.allows_empty_message`, the push only wakes the app, see below, or other fields say \
         what is shown or done",
    ),
    gauruns("title", TEXT, BOTH, "of the alert, or of the notification"),
    gauruns("subtitle", TEXT, APNS, "of the alert"),
    gauruns(
        "badge",
        NATURAL,
        BOTH,
        "number on the icon, 0 or more; absent: unchanged; on Android `notification_count`, where \
         0 says nothing",
    ),
    gauruns(
        "category",
        TEXT,
        BOTH,
        "as in `aps`; on Android `click_action`, if there is none",
    ),
    gauruns(
        "sound",
        ValueSchema::Either(&TEXT, &ValueSchema::Members(SOUND_MEMBERS)),
        BOTH,
        "as in `aps`; on Android the name",
    ),
    gauruns("content_available", FLAG, APNS, "as in `aps`"),
    gauruns("mutable_content", FLAG, APNS, "as in `aps`"),
    gauruns(
        "push_type",
        ValueSchema::PushType,
        APNS,
        "one of Apple's eleven, see below; `alert` is the default",
    ),
    gauruns(
        "expiry",
        INTEGER,
        APNS,
        "seconds from acceptance until the push is worthless; 0 or less: not said",
    ),
    gauruns("collapse_key", TEXT, FCM, "`android.collapse_key`"),
    gauruns(
        "priority",
        ValueSchema::Priority,
        BOTH,
        "`high` or `normal`, or Apple's 10, 5 and 1; absent: the provider's default. With \
         `core.compatible_with` the words are for Android only",
    ),
    gauruns(
        "time_to_live",
        ValueSchema::Integer(Some(0), Some(TIME_TO_LIVE_MAX)),
        FCM,
        "seconds from acceptance until the push is worthless, up to 2,419,200; 0: not said",
    ),
    gauruns(
        "delay_while_idle",
        FLAG,
        &[],
        "ignored: HTTP v1 has no such thing",
    ),
    gauruns(
        "extend",
        ValueSchema::Pairs,
        BOTH,
        "further keys beside `aps`, or in `data`; of equal keys the last counts. `val` is a \
         string, or any JSON value: as it is for iOS, as text for Android; `null` is the empty \
         string, as for Gaurun",
    ),
    gauruns(
        "identifier",
        TEXT,
        BOTH,
        "the caller's own name for it; in the logs only",
    ),
    native(
        "app",
        ValueSchema::Like("^[a-z0-9_-]*$", "default"),
        BOTH,
        "the app, as `[apps.NAME.ios]` and `[apps.NAME.android]` name it; absent or `default`: \
         that of `[ios]` and `[android]`",
    ),
    native(
        "environment",
        ValueSchema::OneOf(&["production", "sandbox"]),
        APNS,
        "where the app's `environments` name both; absent: the first of them",
    ),
    native(
        "class",
        ValueSchema::OneOf(&["transactional", "bulk"]),
        BOTH,
        "`transactional` goes before others, `bulk` lets them go first, see below; absent: `bulk` \
         where the request names `core.bulk_from` targets or more, 10 by default, and else \
         `transactional`",
    ),
    native(
        "ttl",
        NATURAL,
        BOTH,
        "seconds from acceptance until the push is worthless; 0: the provider tries once and keeps \
         nothing, and the push waits a minute here at most",
    ),
    native(
        "expires_at",
        TIME,
        BOTH,
        "when it is worthless: Unix seconds, or a time as `2026-11-30T09:00:00Z`",
    ),
    native(
        "send_at",
        TIME,
        BOTH,
        "when it is sent, see below: Unix seconds, or a time as `2026-11-30T09:00:00Z`, at most 30 \
         days ahead; a time that has come: at once",
    ),
    native(
        "collapse_id",
        WORD,
        BOTH,
        "`apns-collapse-id`, up to 64 bytes, or `android.collapse_key`: a later push with the same \
         one replaces it",
    ),
    native(
        "data",
        ValueSchema::Object,
        BOTH,
        "further keys beside `aps`, of any JSON; on Android `data`, where numbers, flags and \
         nested values become texts",
    ),
    native(
        "image",
        ValueSchema::Like("^https://", "https://example.com/a.png"),
        BOTH,
        "a picture's address, on Android of `https`; on iOS the key `image` beside `aps`, and \
         `mutable-content`, by which the app's notification service extension is run to fetch it",
    ),
    native("thread_id", WORD, APNS, "as in `aps`, with a hyphen"),
    native("target_content_id", WORD, APNS, "as in `aps`, with hyphens"),
    native(
        "interruption_level",
        ValueSchema::OneOf(&INTERRUPTION_LEVELS),
        APNS,
        "as in `aps`, with a hyphen",
    ),
    native(
        "relevance_score",
        ValueSchema::Number { is_fraction: false },
        APNS,
        "as in `aps`, with a hyphen: from 0 to 1, but for a Live Activity",
    ),
    native("filter_criteria", WORD, APNS, "as in `aps`, with a hyphen"),
    native(
        "url_args",
        ValueSchema::Texts,
        APNS,
        "as in `aps`, with a hyphen",
    ),
    native(
        "click_action",
        TEXT,
        BOTH,
        "`category` by the name that it has on Android",
    ),
    native("tag", TEXT, FCM, "of Android's notification"),
    native("channel_id", TEXT, FCM, "of Android's notification"),
    native(
        "notification",
        ValueSchema::Either(&FLAG, &ValueSchema::Google("notification")),
        FCM,
        "`true`: a notification, whatever the style; `false`: data; an object: FCM's own, with \
         `title`, `body`, `image`",
    ),
    native(
        "android",
        ValueSchema::Google("android"),
        FCM,
        "FCM's own object, see below",
    ),
    native(
        "android_v2",
        ValueSchema::Google("android_v2"),
        FCM,
        "FCM's own object, see below",
    ),
    native(
        "webpush",
        ValueSchema::Google("webpush"),
        FCM,
        "FCM's own object, see below",
    ),
    native(
        "fcm_options",
        ValueSchema::Google("fcm_options"),
        FCM,
        "FCM's own object, see below",
    ),
    native(
        "fid",
        ValueSchema::Targets,
        FCM,
        "in the place of device tokens: an installation id, or an array of them",
    ),
    native(
        "topic",
        ValueSchema::Like("^(/topics/)?[a-zA-Z0-9_.~%-]+$", "org.example"),
        BOTH,
        "FCM: in the place of device tokens, a topic (also with `/topics/` before it). APNs: \
         `apns-topic` as it is; absent: `ios.topic`, and what belongs behind it for the push type",
    ),
    native(
        "condition",
        ValueSchema::Like("in +topics", "'a' in topics || 'b' in topics"),
        FCM,
        "in the place of device tokens: a condition of up to 5 topics",
    ),
    native(
        "validate_only",
        FLAG,
        FCM,
        "a trial: Google checks it and pushes nothing",
    ),
    native(
        "fcm",
        ValueSchema::Members(&[
            SchemaMember::needed("message", ValueSchema::Object),
            SchemaMember::of("validate_only", FLAG),
        ]),
        FCM,
        "`message`, which is sent as it is given, and `validate_only`",
    ),
    native(
        "alert",
        ALERT_SCHEMA,
        APNS,
        "as in `aps`: an object of Apple's names, with hyphens or underscores; `title`, `subtitle` \
         and `message` stand in it too",
    ),
    native(
        "live_activity",
        ValueSchema::Members(LIVE_ACTIVITY_MEMBERS),
        APNS,
        "a Live Activity's `event`, `content_state`, `timestamp` (default: now), `stale_date`, \
         `dismissal_date`, `relevance_score`, `attributes_type`, `attributes`, `input_push_token`, \
         `input_push_channel`, `alert`: by these names, or Apple's; dates as `expires_at`",
    ),
    native(
        "content_changed",
        FLAG,
        APNS,
        "as in `aps`; a push of the type `widgets` or `controls` has it anyway",
    ),
    native(
        "channel",
        ValueSchema::Targets,
        APNS,
        "in the place of device tokens: a broadcast channel, or an array of them, see below",
    ),
    native(
        "apns_id",
        ValueSchema::Like(
            "^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$",
            "0b6c3a52-4a6f-4a0e-9d55-2f6a5a0f0c11",
        ),
        APNS,
        "a UUID as `apns-id`, for a notification to one device token",
    ),
    native(
        "apns",
        ValueSchema::Google("apns"),
        BOTH,
        "APNs: `headers` and `payload`, which are sent as they are given, see below. FCM: its own \
         object",
    ),
];

/// The field of that name.
pub fn field(name: &str) -> Option<&'static RequestField> {
    REQUEST_FIELDS.iter().find(|field| field.name == name)
}
