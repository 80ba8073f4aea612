//! What FCM's codes come from and what to do about them. Pure data: one line for each row of the
//! answer table, which a test holds.

use crate::provider::{Advice, TokenAlarm};

/// Advice on every word of [`ROWS`](super::ROWS), in its order.
pub static ADVICE: &[Advice] = &[
    Advice::new(
        "UNREGISTERED",
        "The app was removed, its data was cleared, or it was not opened for 270 days.",
        "Drop the registration token.",
    ),
    Advice::new(
        "INVALID_ARGUMENT",
        "The registration token is malformed, or something in the message is: a reserved key, a \
         time to live, a size.",
        "Read what Google said in the log line. If other devices take the same message, drop the \
         token; if none does, mend the message.",
    ),
    Advice::new(
        "SENDER_ID_MISMATCH",
        "The registration token was made for another Firebase project.",
        "Check that android.service_account_path is of the project that the app was built with. \
         Do not drop tokens before that is certain.",
    ),
    Advice::new(
        "QUOTA_EXCEEDED",
        "More messages than the project may send in a minute (600,000 unless raised), or than one \
         device or topic may get.",
        "Nothing for a single push: it is sent later. If it lasts, send more slowly, or ask \
         Google for a higher quota.",
    ),
    Advice::new(
        "UNAVAILABLE",
        "FCM is overloaded or under repair.",
        "Nothing: the push is sent again. If it lasts, look at Firebase's status page.",
    ),
    Advice::new(
        "INTERNAL",
        "Something failed inside FCM.",
        "Nothing: the push is sent again. If it lasts, look at Firebase's status page.",
    ),
    Advice::new(
        "THIRD_PARTY_AUTH_ERROR",
        "The token is an iOS or Web one, and the APNs key or Web Push key in the Firebase \
         console is missing, wrong or expired.",
        "Mend the key in the Firebase console, under Cloud Messaging. Android is not affected.",
    ),
    Advice::new(
        "APNS_AUTH_ERROR",
        "The old name of THIRD_PARTY_AUTH_ERROR.",
        "Mend the APNs key in the Firebase console, under Cloud Messaging.",
    ),
    Advice::new(
        "UNSPECIFIED_ERROR",
        "FCM says that something is wrong and not what.",
        "Look at status and error of the log line: the HTTP status decides what Sterna does.",
    ),
    Advice::new(
        "ACCESS_TOKEN_EXPIRED",
        "Google calls the access token expired.",
        "Nothing if it is rare: a new one is fetched. If it repeats, this machine's clock is \
         wrong: correct it.",
    ),
    Advice::new(
        "CREDENTIALS_MISSING",
        "The request came without its access token: something between Sterna and Google takes it \
         away.",
        "Look at what android.endpoint leads to.",
    ),
    Advice::new(
        "ACCESS_TOKEN_TYPE_UNSUPPORTED",
        "The credential yields an id token or another kind that FCM does not take.",
        "Use a service-account key file from the Firebase console.",
    ),
    Advice::new(
        "IAM_PERMISSION_DENIED",
        "The service account may not send: it lacks cloudmessaging.messages.create, or has had \
         it for a few minutes only.",
        "Give it the role Firebase Cloud Messaging API Admin in the project that \
         android.project_id names, and wait a few minutes.",
    ),
    Advice::new(
        "SERVICE_DISABLED",
        "The Firebase Cloud Messaging API is switched off in the project.",
        "Enable fcm.googleapis.com in the Google Cloud console of the project.",
    ),
    Advice::new(
        "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
        "The access token is not for messaging: with android.metadata_server, the machine's access \
         scopes do not have it.",
        "Give the machine the access scope cloud-platform or firebase.messaging. With a credential \
         file, report this as a fault of Sterna.",
    ),
    Advice::new(
        "CONSUMER_INVALID",
        "There is no such project, or Google has blocked it.",
        "Check android.project_id and the state of the project in the Google Cloud console.",
    ),
    Advice::new(
        "BILLING_DISABLED",
        "The project's billing account is closed.",
        "Open billing again in the Google Cloud console.",
    ),
    Advice::new(
        "USER_PROJECT_DENIED",
        "The service account may not use the project that it names.",
        "Check android.project_id, and the account's role Service Usage Consumer.",
    ),
];

/// Advice on answers without a known word, by status: the word is Google's for the status, if it
/// has one.
pub static BY_STATUS_ADVICE: &[(u16, Advice)] = &[
    (
        401,
        Advice::new(
            "UNAUTHENTICATED",
            "Google does not accept the access token, and says no more.",
            "Nothing if it is rare: a new one is fetched. If it repeats, check this machine's \
             clock and the service account.",
        ),
    ),
    (
        403,
        Advice::new(
            "PERMISSION_DENIED",
            "The service account may not send for this project, and Google says no more.",
            "Check its role, the project that android.project_id names, and that the Firebase \
             Cloud Messaging API is enabled there.",
        ),
    ),
    (
        404,
        Advice::new(
            "NOT_FOUND",
            "Google knows no such project or address; if other pushes are taken, something that \
             this one names.",
            "If no push is taken, check android.project_id and android.endpoint, and do not drop \
             tokens. Else look at the registration token of this push.",
        ),
    ),
    (
        405,
        Advice::new(
            "405",
            "The request was no POST when it came to Google.",
            "Look at what android.endpoint leads to.",
        ),
    ),
    (
        411,
        Advice::new(
            "411",
            "The request had no length when it came to Google.",
            "Look at what android.endpoint leads to.",
        ),
    ),
    (
        413,
        Advice::new(
            "413",
            "The message is larger than Google's front end takes.",
            "Send less data. Sterna rejects messages over 4096 bytes before the 200, so report \
             this as a fault of Sterna too.",
        ),
    ),
    (
        429,
        Advice::new(
            "RESOURCE_EXHAUSTED",
            "A quota is used up, and Google does not say which.",
            "Nothing for a single push: it is sent later. If it lasts, send more slowly.",
        ),
    ),
];

/// What it points to if most answers are one of these: a line for each refusal of device tokens, in
/// the order of [`ROWS`](super::ROWS).
pub static TOKEN_ALARMS: &[TokenAlarm] = &[
    TokenAlarm::of_dead(
        "UNREGISTERED",
        "The list of registration tokens is out of date: nobody drops the dead ones, or it is an \
         old copy.",
        "Drop the registration tokens that the failed-push lines name.",
    ),
    TokenAlarm::of_setup(
        "INVALID_ARGUMENT",
        "What is sent to are no registration tokens: device tokens of Apple, or texts that were \
         cut on their way. Or something in each message is not as Google wants it.",
        "Read what Google said in the failed-push lines, compare a token there with what the app \
         got, and do not drop tokens before that is certain.",
    ),
    TokenAlarm::of_setup(
        "SENDER_ID_MISMATCH",
        "The registration tokens were made for another Firebase project than the one that is \
         sent for.",
        "Use the service account of the project that the app was built with, in \
         android.service_account_path, and do not drop tokens before that is certain.",
    ),
];
