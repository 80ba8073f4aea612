//! What APNs' reasons come from and what to do about them. Pure data: one line for each row of
//! the answer table, which a test holds.

use crate::provider::{Advice, TokenAlarm};

/// Advice on every reason of [`ROWS`](super::ROWS), in its order.
pub static ADVICE: &[Advice] = &[
    Advice::new(
        "BadCollapseId",
        "Apple does not take the collapse id, though it has the at most 64 bytes that Sterna takes.",
        "Correct collapse_id in the notification, or apns-collapse-id under its apns.headers.",
    ),
    Advice::new(
        "BadDeviceToken",
        "The device token is malformed, or it belongs to the other environment: apps run from \
         Xcode have sandbox tokens, those of the App Store and TestFlight production ones.",
        "Compare ios.sandbox with the build that registered the token. If builds of both are \
         pushed to, name both in ios.environments, and the one in the notifications' \
         environment. If the environment is right, drop the token.",
    ),
    Advice::new(
        "BadExpirationDate",
        "The time in apns-expiration could not be read, or it is one for a broadcast channel that \
         stores nothing (message_storage_policy 0), which takes none.",
        "Look at ttl, expires_at or expiry of the notification, or at apns-expiration under its \
         apns.headers; leave them out for such a channel. If they are in order, report this as a \
         fault of Sterna.",
    ),
    Advice::new(
        "BadMessageId",
        "Apple does not take the id in apns-id, though it is a UUID: Sterna takes no other, and \
         makes one where none is given.",
        "If the notification has apns_id, or apns-id under its apns.headers, leave it out. Else \
         report it as a fault of Sterna, with the line of the push log.",
    ),
    Advice::new(
        "BadPriority",
        "The priority does not suit the push type: a background push must have 5, a Live Activity \
         10 or 5. Sterna rejects others before the 200.",
        "Correct priority in the notification, or apns-priority under its apns.headers. If it has \
         neither, report it as a fault of Sterna, with the line of the push log.",
    ),
    Advice::new(
        "InvalidPushType",
        "APNs does not know the push type, or not for this topic.",
        "Correct push_type in the notification, or apns-push-type under its apns.headers, and a \
         topic of its own: each push type has the topic that it goes to.",
    ),
    Advice::new(
        "DuplicateHeaders",
        "A field of the request came twice. Sterna sends each once, so something between Sterna \
         and Apple rewrites requests.",
        "Look at what ios.endpoint leads to.",
    ),
    Advice::new(
        "BadTopic",
        "The topic has a form that no bundle id has.",
        "Correct ios.topic: the app's bundle id, such as com.example.app. A push that names a topic \
         of its own fails alone: correct that.",
    ),
    Advice::new(
        "MissingTopic",
        "The credential is good for several apps, and the request named none.",
        "Set ios.topic to the app's bundle id.",
    ),
    Advice::new(
        "TopicDisallowed",
        "The key or certificate is of another team, or not for this app.",
        "Correct ios.topic, or use a key of the team that owns the app with push enabled. A push \
         of another topic, its own or that of its push type, fails alone: correct that.",
    ),
    Advice::new(
        "MissingDeviceToken",
        "The path of the request had no device token. Sterna rejects empty ones earlier.",
        "Report it as a fault of Sterna, with the line of the push log.",
    ),
    Advice::new(
        "PayloadEmpty",
        "The request had no payload. Sterna always sends one, so something between Sterna and \
         Apple drops content.",
        "Look at what ios.endpoint leads to.",
    ),
    Advice::new(
        "DeviceTokenNotForTopic",
        "The device token was registered by another app than the one that ios.topic names.",
        "If it hits many device tokens, correct ios.topic. If it hits few, drop these tokens for \
         this app.",
    ),
    Advice::new(
        "IdleTimeout",
        "APNs closed a connection that had nothing to do.",
        "Nothing: the push goes out on another connection.",
    ),
    Advice::new(
        "BadCertificate",
        "The client certificate is revoked, expired, or not one for pushes.",
        "Make a new certificate in Apple's developer account and put it in ios.pem_cert_path, or \
         use a .p8 key.",
    ),
    Advice::new(
        "BadCertificateEnvironment",
        "The client certificate is for the other environment.",
        "Correct ios.sandbox or ios.environments, or use a certificate for both environments.",
    ),
    Advice::new(
        "ExpiredProviderToken",
        "The auth token's time of issue is over an hour ago by Apple's clock.",
        "Nothing if it is rare: a new token is made. If it repeats, this machine's clock is \
         wrong: correct it.",
    ),
    Advice::new(
        "InvalidProviderToken",
        "Signature, key id, team id or topic do not belong together, the key was revoked, or this \
         machine's clock is wrong.",
        "Check ios.token_auth_key_path, token_auth_key_id, token_auth_team_id and topic against \
         Apple's developer account, and the clock with timedatectl.",
    ),
    Advice::new(
        "MissingProviderToken",
        "The connection has no client certificate, and the request no auth token.",
        "Configure the three ios.token_auth keys, or ios.pem_cert_path and pem_key_path.",
    ),
    Advice::new(
        "UnrelatedKeyIdInToken",
        "APNs tied the connection to another signing key than the one of this request.",
        "Nothing: the push goes out on another connection. If it repeats, no proxy must share \
         connections between keys.",
    ),
    Advice::new(
        "BadEnvironmentKeyIdInToken",
        "The signing key is limited to the other environment.",
        "Correct ios.sandbox or ios.environments, or use a key for this environment.",
    ),
    Advice::new(
        "BadEnvironmentKeyInToken",
        "The signing key is limited to the other environment.",
        "Correct ios.sandbox or ios.environments, or use a key for this environment.",
    ),
    Advice::new(
        "Forbidden",
        "Apple does not allow this credential to send this.",
        "Check in Apple's developer account that the key is enabled for pushes and the agreements \
         are signed.",
    ),
    Advice::new(
        "ChannelNotRegistered",
        "The channel was deleted, or it is another app's or the other environment's: each has its \
         own.",
        "Drop the channel id, or name its app and environment. GET /channels lists those that \
         there are.",
    ),
    Advice::new(
        "BadChannelId",
        "Apple does not take the id of the channel, though it has the form of one.",
        "Use an id that POST /channels or GET /channels has given, letter by letter.",
    ),
    Advice::new(
        "MissingChannelId",
        "The request named no channel. Sterna always names one, so something between Sterna and \
         Apple rewrites requests.",
        "Look at what ios.endpoint and ios.channels_endpoint lead to.",
    ),
    Advice::new(
        "FeatureNotEnabled",
        "The broadcast capability is switched off for the app. Switching it off has deleted every \
         channel that there was.",
        "Switch broadcasts on for the app's id in Apple's developer account, under Push \
         Notifications, and make new channels.",
    ),
    Advice::new(
        "CannotCreateChannelConfig",
        "Apple gives an app 10,000 channels in each environment, and they are all there.",
        "Delete channels that nobody pushes to any more: GET /channels, DELETE /channels/{id}.",
    ),
    Advice::new(
        "BadRequestParams",
        "Apple does not take a field of a request about a channel.",
        "Report it as a fault of Sterna, with the answer of the API or the line of the push log.",
    ),
    Advice::new(
        "BadRequestPayload",
        "Apple does not take the body of a request about a channel: a push to one updates or ends \
         Live Activities, and starts none.",
        "Correct live_activity of the notification, or payload under its apns. If they are in \
         order, report it as a fault of Sterna.",
    ),
    Advice::new(
        "MissingPushType",
        "A request about a channel had no push type. Sterna always sends one, so something \
         between Sterna and Apple rewrites requests.",
        "Look at what ios.endpoint and ios.channels_endpoint lead to.",
    ),
    Advice::new(
        "TopicMismatch",
        "The client certificate is for another app than the one that ios.topic names.",
        "Correct ios.topic, or use the certificate of that app, or a .p8 key.",
    ),
    Advice::new(
        "BadPath",
        "The path of the request is none that Apple knows: /3/device/ and a device token, or one \
         of broadcasts and channels.",
        "Look at what ios.endpoint leads to. If it is Apple, report it as a fault of Sterna.",
    ),
    Advice::new(
        "MethodNotAllowed",
        "The request was no POST. Sterna sends nothing else, so something between Sterna and \
         Apple rewrites requests.",
        "Look at what ios.endpoint leads to.",
    ),
    Advice::new(
        "Unregistered",
        "The app was removed from the device, or pushes were switched off for it.",
        "Drop the device token, unless the app has registered it again since the time in the \
         log line.",
    ),
    Advice::new(
        "ExpiredToken",
        "The device token is no longer valid.",
        "Drop the device token, unless the app has registered it again since.",
    ),
    Advice::new(
        "PayloadTooLarge",
        "The payload is over 4096 bytes, or 5120 of a voip push or a broadcast. Sterna rejects these before the \
         200.",
        "Send less. If Sterna took it with a 200, report that as a fault of Sterna.",
    ),
    Advice::new(
        "TooManyProviderTokenUpdates",
        "Auth tokens of one key changed more than once in 20 minutes: another program uses the \
         key too.",
        "Give each program a key of its own. Daemons of Sterna may share one.",
    ),
    Advice::new(
        "TooManyRequests",
        "Too many pushes to one device or broadcast channel in a row, or too many requests about \
         channels.",
        "Nothing for a single push: it is sent later. Send fewer to that device or channel.",
    ),
    Advice::new(
        "InternalServerError",
        "Something failed inside APNs.",
        "Nothing: the push is sent again. If it lasts, look at Apple's system status page.",
    ),
    Advice::new(
        "ServiceUnavailable",
        "APNs is overloaded or under repair.",
        "Nothing: the push is sent again. If it lasts, look at Apple's system status page.",
    ),
    Advice::new(
        "Shutdown",
        "The APNs server of this connection is being taken out of service.",
        "Nothing: the push goes out on another connection.",
    ),
];

/// What it points to if most answers are one of these: a line for each refusal of device tokens, in
/// the order of [`ROWS`](super::ROWS).
pub static TOKEN_ALARMS: &[TokenAlarm] = &[
    TokenAlarm::of_setup(
        "BadDeviceToken",
        "The device tokens are of the other environment, unless they were cut or altered on their \
         way: those of apps run from Xcode are for the sandbox, which is the default, those of the \
         App Store and TestFlight are not.",
        "Set ios.sandbox as the builds need it, true for Xcode's and false for the others, or \
         name both in ios.environments, and do not drop tokens before that is certain.",
    ),
    TokenAlarm::of_setup(
        "DeviceTokenNotForTopic",
        "The device tokens were registered by another app than the one that ios.topic names.",
        "Set ios.topic to the bundle id of the app that registered them, and do not drop tokens \
         before that is certain.",
    ),
    TokenAlarm::of_dead(
        "Unregistered",
        "The list of device tokens is out of date: nobody drops the dead ones, or it is an old \
         copy.",
        "Drop the device tokens that the failed-push lines name. If the apps are still there, \
         compare ios.topic and ios.sandbox with their builds.",
    ),
    TokenAlarm::of_dead(
        "ExpiredToken",
        "The list of device tokens is out of date: nobody drops the dead ones, or it is an old \
         copy.",
        "Drop the device tokens that the failed-push lines name.",
    ),
];

/// What it points to if most answers are one of these, said to pushes of other topics than the
/// configured one: those then fail one by one, and nothing holds the lane.
pub(super) static TOPIC_ALARMS: &[TokenAlarm] = &[
    TokenAlarm::of_setup(
        "BadTopic",
        "The topics that callers name, or ios.topic with what a push type adds, are malformed.",
        "Look at the topic of the requests and at ios.topic. Such pushes fail for good.",
    ),
    TokenAlarm::of_setup(
        "MissingTopic",
        "The topics that callers name, or ios.topic with what a push type adds, do not arrive.",
        "Look at what stands between here and APNs. Such pushes fail for good.",
    ),
    TokenAlarm::of_setup(
        "TopicDisallowed",
        "The key or certificate is not for the topics that callers name, or not for ios.topic \
         with what a push type adds (.voip, .push-type.liveactivity): it is of another team, or \
         lacks them.",
        "Use one that may push to those topics, or correct what the requests name. Such pushes \
         fail for good.",
    ),
    TokenAlarm::of_setup(
        "InvalidProviderToken",
        "The signing key is not for the topics that callers name, or it is revoked, or key id and \
         team id are not its own.",
        "Compare ios.token_auth_key_id and ios.token_auth_team_id with Apple's portal, and the \
         topics of the requests with those of the key. Such pushes fail for good.",
    ),
];
