//! FCM's refusals in Google's error form, and the registration tokens that ask for them.

use serde_json::{Value, json};

use super::message::Violation;
use crate::simulator::answer::{Response, Standing};

/// A refusal ready to be sent.
#[derive(Debug)]
pub(super) struct GoogleError {
    pub(super) response: Response,
    /// `FcmError.errorCode`, or failing that the nearest word.
    pub(super) word: &'static str,
    pub(super) standing: Standing,
}

/// What is wrong, by the word that the tables use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulator) enum Fault {
    Unregistered,
    InvalidToken,
    Disabled,
    SenderIdMismatch,
    QuotaExceeded,
    Internal,
    Unavailable,
    ThirdPartyAuth,
    PermissionDenied,
    /// 403 with this word of `ErrorInfo`.
    Denied(&'static str),
    AccessTokenExpired,
    AccessTokenKind,
    AccessTokenUnknown,
    CredentialsMissing,
    TooLarge,
    UnknownCode,
    NotFound,
    /// 404 without details, from behind the front end.
    NoSuchEntity,
    MethodNotAllowed,
    BodyTooLarge,
    BadGateway,
}

impl Fault {
    /// Those that can be asked for by name.
    pub(in crate::simulator) const NAMES: [(&str, Self); 21] = [
        ("UNREGISTERED", Self::Unregistered),
        ("INVALID_ARGUMENT", Self::InvalidToken),
        ("APNS_UNREGISTERED", Self::Disabled),
        ("SENDER_ID_MISMATCH", Self::SenderIdMismatch),
        ("QUOTA_EXCEEDED", Self::QuotaExceeded),
        ("INTERNAL", Self::Internal),
        ("UNAVAILABLE", Self::Unavailable),
        ("THIRD_PARTY_AUTH_ERROR", Self::ThirdPartyAuth),
        ("ACCESS_TOKEN_EXPIRED", Self::AccessTokenExpired),
        ("ACCESS_TOKEN_TYPE_UNSUPPORTED", Self::AccessTokenKind),
        ("CREDENTIALS_MISSING", Self::CredentialsMissing),
        ("UNAUTHENTICATED", Self::AccessTokenUnknown),
        ("IAM_PERMISSION_DENIED", Self::PermissionDenied),
        ("SERVICE_DISABLED", Self::Denied("SERVICE_DISABLED")),
        (SCOPE, Self::Denied(SCOPE)),
        ("CONSUMER_INVALID", Self::Denied("CONSUMER_INVALID")),
        ("BILLING_DISABLED", Self::Denied("BILLING_DISABLED")),
        ("USER_PROJECT_DENIED", Self::Denied("USER_PROJECT_DENIED")),
        ("NOT_FOUND", Self::NotFound),
        ("BAD_GATEWAY", Self::BadGateway),
        ("SOMETHING_NEW", Self::UnknownCode),
    ];

    /// The word that a refusal for it has.
    pub(in crate::simulator) fn word(self) -> &'static str {
        GoogleError::new(self, "").word
    }
}

/// What a registration token asks for by how it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// This refusal.
    Fault(Fault),
    /// `RST_STREAM` with `REFUSED_STREAM`.
    Refuse,
    /// `RST_STREAM` with `INTERNAL_ERROR`.
    Reset,
    /// No answer.
    Silence,
}

/// The registration tokens that ask for an answer, by how they begin.
///
/// With `once-` before it the token gets that answer only the first time that the simulator sees
/// the message.
const WISHES: [(&str, Wish); 16] = [
    ("unregistered-", Wish::Fault(Fault::Unregistered)),
    ("invalid-", Wish::Fault(Fault::InvalidToken)),
    ("disabled-", Wish::Fault(Fault::Disabled)),
    ("mismatch-", Wish::Fault(Fault::SenderIdMismatch)),
    ("quota-", Wish::Fault(Fault::QuotaExceeded)),
    ("internal-", Wish::Fault(Fault::Internal)),
    ("unavailable-", Wish::Fault(Fault::Unavailable)),
    ("third-party-", Wish::Fault(Fault::ThirdPartyAuth)),
    ("denied-", Wish::Fault(Fault::PermissionDenied)),
    ("expired-", Wish::Fault(Fault::AccessTokenExpired)),
    ("nowhere-", Wish::Fault(Fault::NoSuchEntity)),
    ("unknown-", Wish::Fault(Fault::UnknownCode)),
    ("html-", Wish::Fault(Fault::BadGateway)),
    ("refuse-", Wish::Refuse),
    ("reset-", Wish::Reset),
    ("silent-", Wish::Silence),
];

/// The answer that a registration token asks for, and whether only the first time.
pub(super) fn wish(token: &str) -> Option<(Wish, bool)> {
    let (once, token) = match token.strip_prefix("once-") {
        Some(token) => (true, token),
        None => (false, token),
    };
    let found = WISHES.iter().find(|(prefix, _)| token.starts_with(prefix));
    found.map(|(_, wish)| (*wish, once))
}

/// The failures that `Faults::fail_percent` mixes.
pub(in crate::simulator) const FAILURES: [Fault; 3] =
    [Fault::QuotaExceeded, Fault::Internal, Fault::Unavailable];

const FCM_ERROR: &str = "type.googleapis.com/google.firebase.fcm.v1.FcmError";
const APNS_ERROR: &str = "type.googleapis.com/google.firebase.fcm.v1.ApnsError";
const BAD_REQUEST: &str = "type.googleapis.com/google.rpc.BadRequest";
const ERROR_INFO: &str = "type.googleapis.com/google.rpc.ErrorInfo";
const QUOTA_FAILURE: &str = "type.googleapis.com/google.rpc.QuotaFailure";

impl GoogleError {
    /// The refusal for a fault.
    pub(super) fn new(fault: Fault, project: &str) -> Self {
        let fcm = |code: &str| json!({"@type": FCM_ERROR, "errorCode": code});
        let plain = |status, code, text| Self::json(status, code, text, vec![fcm(code)]);
        let with = |status, code, text, more| Self::json(status, code, text, vec![fcm(code), more]);
        let apns = |status: u16, reason: &str| {
            let kind = APNS_ERROR;
            json!({"@type": kind, "statusCode": status, "reason": reason})
        };
        match fault {
            Fault::Unregistered => plain(404, "UNREGISTERED", NOT_FOUND),
            Fault::InvalidToken => plain(400, INVALID, BAD_TOKEN),
            Fault::Disabled => with(400, INVALID, DISABLED, apns(410, "Unregistered")),
            Fault::SenderIdMismatch => plain(403, "SENDER_ID_MISMATCH", "SenderId mismatch"),
            Fault::QuotaExceeded => {
                let subject = format!("project:{project}");
                let violation = json!({"subject": subject, "description": "Message rate exceeded"});
                let quota = json!({"@type": QUOTA_FAILURE, "violations": [violation]});
                with(429, "QUOTA_EXCEEDED", "Quota exceeded.", quota)
            }
            Fault::Internal => plain(500, "INTERNAL", "Internal error encountered."),
            Fault::Unavailable => plain(503, "UNAVAILABLE", UNAVAILABLE),
            Fault::ThirdPartyAuth => {
                let apns = apns(403, "InvalidProviderToken");
                with(401, "THIRD_PARTY_AUTH_ERROR", THIRD_PARTY, apns)
            }
            Fault::PermissionDenied => Self::permission_denied(project),
            Fault::Denied(reason) => Self::denied(reason),
            Fault::AccessTokenExpired => Self::unauthenticated("ACCESS_TOKEN_EXPIRED"),
            Fault::AccessTokenKind => Self::unauthenticated("ACCESS_TOKEN_TYPE_UNSUPPORTED"),
            Fault::CredentialsMissing => Self::unauthenticated("CREDENTIALS_MISSING"),
            Fault::AccessTokenUnknown => Self::unauthenticated(""),
            Fault::TooLarge => Self::json(400, INVALID, INVALID_ARGUMENT, Vec::new()),
            Fault::UnknownCode => plain(400, "SOMETHING_NEW", INVALID_ARGUMENT),
            Fault::NotFound => Self::html(404, "not found"),
            Fault::NoSuchEntity => Self::json(404, "NOT_FOUND", NOT_FOUND, Vec::new()),
            Fault::MethodNotAllowed => Self::html(405, "method not allowed"),
            Fault::BodyTooLarge => Self::html(413, "too large"),
            Fault::BadGateway => Self::html(502, "bad gateway"),
        }
    }

    /// The refusal of a body.
    pub(super) fn violation(violation: Violation) -> Self {
        let bad_request = |field: &str, description: &str| {
            let violation = json!({"field": field, "description": description});
            json!({"@type": BAD_REQUEST, "fieldViolations": [violation]})
        };
        let (message, details) = match violation {
            Violation::Syntax(what) => {
                (format!("Invalid JSON payload received. {what}"), Vec::new())
            }
            Violation::Schema { field, description } => {
                let details = vec![bad_request(&field, &description)];
                (description, details)
            }
            Violation::Rule { field, description } => {
                let fcm = json!({"@type": FCM_ERROR, "errorCode": INVALID});
                let details = vec![fcm, bad_request(&field, &description)];
                (description, details)
            }
        };
        Self::json(400, INVALID, &message, details)
    }

    fn permission_denied(project: &str) -> Self {
        let permission = "cloudmessaging.messages.create";
        let message = format!(
            "Permission '{permission}' denied on resource \
             '//cloudresourcemanager.googleapis.com/projects/{project}' (or it may not exist)."
        );
        let info = json!({
            "@type": ERROR_INFO,
            "reason": "IAM_PERMISSION_DENIED",
            "domain": "cloudresourcemanager.googleapis.com",
            "metadata": {"permission": permission},
        });
        Self::json(403, "IAM_PERMISSION_DENIED", &message, vec![info])
    }

    fn denied(reason: &'static str) -> Self {
        let info = json!({"@type": ERROR_INFO, "reason": reason, "domain": "googleapis.com"});
        Self::json(
            403,
            reason,
            "The caller does not have permission",
            vec![info],
        )
    }

    fn unauthenticated(reason: &'static str) -> Self {
        let message = "Request had invalid authentication credentials. Expected OAuth 2 access \
            token, login cookie or other valid authentication credential.";
        let info = json!({"@type": ERROR_INFO, "reason": reason, "domain": "googleapis.com"});
        let known = !reason.is_empty();
        let word = if known { reason } else { "UNAUTHENTICATED" };
        Self::json(
            401,
            word,
            message,
            if known { vec![info] } else { Vec::new() },
        )
    }

    fn json(status: u16, word: &'static str, message: &str, details: Vec<Value>) -> Self {
        let mut error = json!({"code": status, "message": message, "status": status_word(status)});
        if !details.is_empty()
            && let Some(error) = error.as_object_mut()
        {
            error.insert("details".to_owned(), Value::Array(details));
        }
        let content = serde_json::to_vec_pretty(&json!({"error": error})).unwrap_or_default();
        let content_type = "application/json; charset=UTF-8";
        let response = Response {
            status,
            content_type,
            content,
            ..Response::default()
        };
        // 401 speaks of the credential, except when the credential is the app owner's at Apple.
        let passing =
            matches!(status, 429 | 500..) || status == 401 && word != "THIRD_PARTY_AUTH_ERROR";
        let of_the_project =
            status == 403 && word != "SENDER_ID_MISMATCH" || word == status_word(404);
        let standing = if passing || of_the_project {
            Standing::TurnedAway
        } else {
            Standing::Refused
        };
        Self {
            response,
            word,
            standing,
        }
    }

    /// The front end's own answers are HTML.
    fn html(status: u16, what: &'static str) -> Self {
        let content = format!(
            "<!DOCTYPE html>\n<html lang=en><title>Error {status} (!!1)</title>\
             <p>The request ended in an error: {what}.</html>\n"
        );
        let response = Response {
            status,
            content_type: "text/html; charset=UTF-8",
            content: content.into_bytes(),
            ..Response::default()
        };
        let standing = if status >= 500 {
            Standing::TurnedAway
        } else {
            Standing::Refused
        };
        Self {
            response,
            word: what,
            standing,
        }
    }
}

const fn status_word(status: u16) -> &'static str {
    match status {
        400 => INVALID,
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        503 => "UNAVAILABLE",
        _ => "INTERNAL",
    }
}

const SCOPE: &str = "ACCESS_TOKEN_SCOPE_INSUFFICIENT";
const INVALID: &str = "INVALID_ARGUMENT";
const INVALID_ARGUMENT: &str = "Request contains an invalid argument.";
const DISABLED: &str = "APNs device token is disabled.";
const UNAVAILABLE: &str = "The service is currently unavailable.";
const THIRD_PARTY: &str = "Auth error from APNS or Web Push Service";
const NOT_FOUND: &str = "Requested entity was not found.";
const BAD_TOKEN: &str = "The registration token is not a valid FCM registration token";

#[cfg(test)]
mod tests {
    use super::{Fault, GoogleError, Standing, Wish, wish};

    #[test]
    fn tokens_ask_for_answers_always_or_once() {
        let unregistered = Wish::Fault(Fault::Unregistered);
        assert_eq!(wish("unregistered-1"), Some((unregistered, false)));
        assert_eq!(wish("once-unregistered-1"), Some((unregistered, true)));
        for ordinary in ["", "once-", "unregistered", "cQk3:APA91b"] {
            assert_eq!(wish(ordinary), None, "{ordinary:?}");
        }
    }

    #[test]
    fn what_may_pass_is_turned_away_and_the_rest_refused() {
        for (fault, standing) in [
            (Fault::Unregistered, Standing::Refused),
            (Fault::TooLarge, Standing::Refused),
            (Fault::ThirdPartyAuth, Standing::Refused),
            (Fault::NotFound, Standing::Refused),
            (Fault::AccessTokenExpired, Standing::TurnedAway),
            (Fault::PermissionDenied, Standing::TurnedAway),
            (Fault::NoSuchEntity, Standing::TurnedAway),
            (Fault::QuotaExceeded, Standing::TurnedAway),
            (Fault::BadGateway, Standing::TurnedAway),
        ] {
            assert_eq!(GoogleError::new(fault, "p").standing, standing, "{fault:?}");
        }
    }
}
