//! The published schema of `messages:send`, as tables.

/// What a value has to be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// A string.
    Text,
    /// A string of at most 50 characters of a small alphabet.
    Label,
    /// A string that begins with `https://`.
    Https,
    /// `#rrggbb`.
    Color,
    /// A Duration such as `"3.5s"`.
    Duration,
    /// The Duration that the message lives for.
    Ttl,
    /// An RFC 3339 timestamp.
    Timestamp,
    /// A boolean.
    Bool,
    /// The boolean that makes the whole a trial run.
    ValidateOnly,
    /// An int32.
    Int32,
    /// An int32 from 0.
    Count,
    /// A number from 0 to 1.
    Fraction,
    /// One of these words, in any case; the first member is the type's name.
    Enum(&'static str, &'static [&'static str]),
    /// A map of strings.
    TextMap,
    /// The map of strings that reaches the app; metered, and some keys are reserved.
    Data(Meter),
    /// Any JSON object.
    Object,
    /// A list.
    List(&'static Kind),
    /// An object of these fields.
    Message(&'static [Rule]),
    /// An object of these fields, whose keys and strings are metered.
    Notification(&'static [Rule]),
    /// An object of these fields, all of which must be there.
    Complete(&'static [Rule]),
    /// One way to say whom the message is for.
    Target(Target),
}

/// What counts against the limit on a message's size, each on its own.
#[derive(Clone, Copy, Debug)]
pub(super) enum Meter {
    Notification,
    Data,
    AndroidData,
}

/// Whom a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Token,
    Fid,
    Topic,
    Condition,
}

/// A field: its name in snake case, and what it holds.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
}

const fn rule(name: &'static str, kind: Kind) -> Rule {
    Rule { name, kind }
}

impl Kind {
    /// The type's name in the words of the refusal.
    pub(super) const fn type_name(self) -> &'static str {
        match self {
            Self::Duration | Self::Ttl => "type.googleapis.com/google.protobuf.Duration",
            Self::Timestamp => "type.googleapis.com/google.protobuf.Timestamp",
            Self::Object => "type.googleapis.com/google.protobuf.Struct",
            Self::Bool | Self::ValidateOnly => "TYPE_BOOL",
            Self::Count | Self::Int32 => "TYPE_INT32",
            Self::Fraction => "TYPE_FLOAT",
            Self::Enum(name, _) => name,
            Self::Message(_) | Self::Notification(_) | Self::Complete(_) => "TYPE_MESSAGE",
            _ => "TYPE_STRING",
        }
    }
}

impl Rule {
    /// Whether a key names this field, in snake case or camel case.
    pub(super) fn is_named(&self, key: &str) -> bool {
        if self.name == key {
            return true;
        }
        let mut key = key.bytes();
        let mut raise = false;
        for byte in self.name.bytes() {
            if byte == b'_' {
                raise = true;
                continue;
            }
            let wanted = if raise {
                byte.to_ascii_uppercase()
            } else {
                byte
            };
            raise = false;
            if key.next() != Some(wanted) {
                return false;
            }
        }
        key.next().is_none()
    }
}

/// The whole request.
pub(super) const REQUEST: &[Rule] = &[
    rule("message", Kind::Message(MESSAGE)),
    rule("validate_only", Kind::ValidateOnly),
];

const MESSAGE: &[Rule] = &[
    rule("token", Kind::Target(Target::Token)),
    rule("data", Kind::Data(Meter::Data)),
    rule("notification", Kind::Notification(NOTIFICATION)),
    rule("android", Kind::Message(ANDROID)),
    rule("apns", Kind::Message(APNS)),
    rule("webpush", Kind::Message(WEBPUSH)),
    rule("fcm_options", Kind::Message(FCM_OPTIONS)),
    rule("name", Kind::Text),
    rule("fid", Kind::Target(Target::Fid)),
    rule("topic", Kind::Target(Target::Topic)),
    rule("condition", Kind::Target(Target::Condition)),
    rule("android_v2", Kind::Message(ANDROID_V2)),
];

const NOTIFICATION: &[Rule] = &[
    rule("title", Kind::Text),
    rule("body", Kind::Text),
    rule("image", Kind::Text),
];

const FCM_OPTIONS: &[Rule] = &[rule("analytics_label", Kind::Label)];

const ANDROID: &[Rule] = &[
    rule("collapse_key", Kind::Text),
    rule(
        "priority",
        Kind::Enum(
            "type.googleapis.com/google.firebase.fcm.v1.AndroidConfig.AndroidMessagePriority",
            &["NORMAL", "HIGH"],
        ),
    ),
    rule("ttl", Kind::Ttl),
    rule("restricted_package_name", Kind::Text),
    rule("data", Kind::Data(Meter::AndroidData)),
    rule("notification", Kind::Notification(ANDROID_NOTIFICATION)),
    rule("fcm_options", Kind::Message(FCM_OPTIONS)),
    rule("direct_boot_ok", Kind::Bool),
    rule("bandwidth_constrained_ok", Kind::Bool),
    rule("restricted_satellite_ok", Kind::Bool),
];

const ANDROID_V2: &[Rule] = &[
    rule("collapse_key", Kind::Text),
    rule("ttl", Kind::Ttl),
    rule("restricted_package_name", Kind::Text),
    rule("data", Kind::Data(Meter::AndroidData)),
    rule("fcm_options", Kind::Message(FCM_OPTIONS)),
    rule("direct_boot_ok", Kind::Bool),
    rule("bandwidth_constrained_ok", Kind::Bool),
    rule("restricted_satellite_ok", Kind::Bool),
    rule("remote_notification", Kind::Message(REMOTE_NOTIFICATION)),
    rule("background_sync", Kind::Message(&[])),
];

const REMOTE_NOTIFICATION: &[Rule] = &[
    rule("notification", Kind::Notification(ANDROID_NOTIFICATION_V2)),
    rule("mutable_content", Kind::Bool),
    rule("use_as_v1_data_message", Kind::Bool),
];

/// All but the `id`, which is the second's.
const ANDROID_NOTIFICATION: &[Rule] = BOTH_NOTIFICATIONS.split_at(1).1;

/// All but the two of the proxy, which are the first's.
const ANDROID_NOTIFICATION_V2: &[Rule] =
    BOTH_NOTIFICATIONS.split_at(BOTH_NOTIFICATIONS.len() - 2).0;

const BOTH_NOTIFICATIONS: &[Rule] = &[
    rule("id", Kind::Int32),
    rule("title", Kind::Text),
    rule("body", Kind::Text),
    rule("image", Kind::Text),
    rule("icon", Kind::Text),
    rule("color", Kind::Color),
    rule("sound", Kind::Text),
    rule("tag", Kind::Text),
    rule("click_action", Kind::Text),
    rule("title_loc_key", Kind::Text),
    rule("body_loc_key", Kind::Text),
    rule("title_loc_args", Kind::List(&Kind::Text)),
    rule("body_loc_args", Kind::List(&Kind::Text)),
    rule("channel_id", Kind::Text),
    rule("ticker", Kind::Text),
    rule("sticky", Kind::Bool),
    rule("event_time", Kind::Timestamp),
    rule("local_only", Kind::Bool),
    rule(
        "notification_priority",
        Kind::Enum(
            "type.googleapis.com/google.firebase.fcm.v1.AndroidNotification.NotificationPriority",
            &[
                "PRIORITY_UNSPECIFIED",
                "PRIORITY_MIN",
                "PRIORITY_LOW",
                "PRIORITY_DEFAULT",
                "PRIORITY_HIGH",
                "PRIORITY_MAX",
            ],
        ),
    ),
    rule("default_sound", Kind::Bool),
    rule("default_vibrate_timings", Kind::Bool),
    rule("default_light_settings", Kind::Bool),
    rule("vibrate_timings", Kind::List(&Kind::Duration)),
    rule("light_settings", Kind::Complete(LIGHT_SETTINGS)),
    rule(
        "visibility",
        Kind::Enum(
            "type.googleapis.com/google.firebase.fcm.v1.AndroidNotification.Visibility",
            &["VISIBILITY_UNSPECIFIED", "PRIVATE", "PUBLIC", "SECRET"],
        ),
    ),
    rule("notification_count", Kind::Count),
    rule(
        "proxy",
        Kind::Enum(
            "type.googleapis.com/google.firebase.fcm.v1.AndroidNotification.Proxy",
            &["PROXY_UNSPECIFIED", "ALLOW", "DENY", "IF_PRIORITY_LOWERED"],
        ),
    ),
    rule("bypass_proxy_notification", Kind::Bool),
];

const LIGHT_SETTINGS: &[Rule] = &[
    rule("color", Kind::Message(LIGHT_COLOR)),
    rule("light_on_duration", Kind::Duration),
    rule("light_off_duration", Kind::Duration),
];

const LIGHT_COLOR: &[Rule] = &[
    rule("red", Kind::Fraction),
    rule("green", Kind::Fraction),
    rule("blue", Kind::Fraction),
    rule("alpha", Kind::Fraction),
];

const APNS: &[Rule] = &[
    rule("headers", Kind::TextMap),
    rule("payload", Kind::Object),
    rule("fcm_options", Kind::Message(APNS_OPTIONS)),
    rule("live_activity_token", Kind::Text),
];

const APNS_OPTIONS: &[Rule] = &[
    rule("analytics_label", Kind::Label),
    rule("image", Kind::Text),
];

const WEBPUSH: &[Rule] = &[
    rule("headers", Kind::TextMap),
    rule("data", Kind::TextMap),
    rule("notification", Kind::Object),
    rule("fcm_options", Kind::Message(WEBPUSH_OPTIONS)),
];

const WEBPUSH_OPTIONS: &[Rule] = &[
    rule("link", Kind::Https),
    rule("analytics_label", Kind::Label),
];

#[cfg(test)]
mod tests {
    use super::{Kind, rule};

    #[test]
    fn fields_are_named_in_snake_or_camel_case() {
        let rule = rule("click_action", Kind::Text);
        assert!(rule.is_named("click_action") && rule.is_named("clickAction"));
        for other in [
            "clickaction",
            "click_Action",
            "clickActions",
            "clickActio",
            "",
            "Click_action",
        ] {
            assert!(!rule.is_named(other), "{other:?}");
        }
    }
}
