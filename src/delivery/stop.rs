//! Which answers stop a lane as a whole, and which are about one push, however alike they look.
//!
//! Pure.

use crate::provider::{Answer, Verdict};
use crate::push::Push;

/// Whether an answer means, if others are given it too, that no push of the lane will be taken
/// until something is mended. `last` if a refusal that is given one more try has had it.
///
/// What is said of the configured topic is said of all its pushes. Of another topic, its caller's
/// own or that of its push type, it is said of that push, whoever else hears it.
pub fn stops_the_lane(answer: &Answer, last: bool) -> bool {
    match answer.verdict {
        Verdict::Succeeded | Verdict::Refused => false,
        Verdict::Retry(again) => again.once && last && !answer.of_other_topic,
        Verdict::Stopped => true,
    }
}

/// Takes the attempt back that met such an answer, as far as it says nothing of the push. That it
/// has used its second chance is taken back when that is known.
pub fn spare(push: &mut Push) {
    push.refusals = 0;
    // The hour in which it may be tried again begins with the next attempt.
    push.first_attempt = None;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moment::Moment;
    use crate::provider::{AnswerHead, Vendor as _, apns, fcm};
    use crate::push::{Envelope, LaneId};

    fn apns_answer(status: u16, reason: &str) -> Answer {
        let head = AnswerHead {
            status,
            ..AnswerHead::default()
        };
        let body = format!(r#"{{"reason":"{reason}"}}"#);
        apns::answer(head, body.as_bytes(), Moment::now())
    }

    #[test]
    fn apples_stopping_rows_stop_the_lane_at_once() {
        for (status, reason) in [
            (400, "BadTopic"),
            (400, "MissingTopic"),
            (400, "TopicDisallowed"),
            (403, "BadCertificate"),
            (403, "BadCertificateEnvironment"),
            (403, "MissingProviderToken"),
            (403, "BadEnvironmentKeyIdInToken"),
            (403, "BadEnvironmentKeyInToken"),
            (403, "Forbidden"),
        ] {
            let answer = apns_answer(status, reason);
            assert!(stops_the_lane(&answer, false), "{reason}");
        }
    }

    #[test]
    fn no_row_about_one_push_or_one_device_token_stops_the_lane() {
        let about_one = [
            (400, "BadDeviceToken"),
            (400, "DeviceTokenNotForTopic"),
            (400, "BadCollapseId"),
            (400, "PayloadEmpty"),
            (404, "BadPath"),
            (410, "Unregistered"),
            (410, "ExpiredToken"),
            (413, "PayloadTooLarge"),
            (429, "TooManyRequests"),
            (429, "TooManyProviderTokenUpdates"),
            (500, "InternalServerError"),
            (503, "Shutdown"),
            (400, "SomethingNew"),
            (403, "SomethingNew"),
        ];
        for (status, reason) in about_one {
            let answer = apns_answer(status, reason);
            assert!(!stops_the_lane(&answer, true), "{reason}");
        }
    }

    #[test]
    fn what_is_said_of_another_topic_stops_no_lane() {
        let own = Envelope {
            has_own_topic: true,
            ..Envelope::to(LaneId::IOS)
        };
        for (status, reason) in [(400, "TopicDisallowed"), (403, "InvalidProviderToken")] {
            let answer = apns_answer(status, reason);
            assert!(stops_the_lane(&answer, true), "{reason}");
            let answer = apns::Apns.about(&own, answer);
            assert!(!stops_the_lane(&answer, true), "{reason}");
        }
    }

    #[test]
    fn a_refused_auth_token_has_one_more_try_on_a_fresh_connection() {
        for reason in ["InvalidProviderToken", "ExpiredProviderToken"] {
            let answer = apns_answer(403, reason);
            assert!(!stops_the_lane(&answer, false));
            assert!(stops_the_lane(&answer, true));
            assert!(
                matches!(answer.verdict, Verdict::Retry(again) if again.close_connection),
                "{reason}"
            );
        }
    }

    /// FCM refines by the details, so the sheet's rows are written as whole answers.
    #[test]
    fn fcms_pausing_rows_stop_the_lane_and_no_other() {
        let judge = |status, kind: &str, key: &str, word: &str| {
            let kind = format!("type.googleapis.com/{kind}");
            let body =
                format!(r#"{{"error":{{"details":[{{"@type":"{kind}","{key}":"{word}"}}]}}}}"#);
            let head = AnswerHead {
                status,
                ..AnswerHead::default()
            };
            fcm::answer(head, body.as_bytes(), Moment::now())
        };
        let info = |status, word| judge(status, "google.rpc.ErrorInfo", "reason", word);
        let code = |status, word| {
            let kind = "google.firebase.fcm.v1.FcmError";
            judge(status, kind, "errorCode", word)
        };
        for answer in [
            info(401, "ACCESS_TOKEN_TYPE_UNSUPPORTED"),
            info(403, "IAM_PERMISSION_DENIED"),
            info(403, "SERVICE_DISABLED"),
            info(403, "ACCESS_TOKEN_SCOPE_INSUFFICIENT"),
            info(403, "CONSUMER_INVALID"),
            info(403, "BILLING_DISABLED"),
            info(403, "USER_PROJECT_DENIED"),
            info(404, ""),
        ] {
            let stops = stops_the_lane(&answer, false);
            assert!(stops, "{answer:?}");
        }
        for answer in [
            code(404, "UNREGISTERED"),
            code(400, "INVALID_ARGUMENT"),
            code(403, "SENDER_ID_MISMATCH"),
            code(429, "QUOTA_EXCEEDED"),
            code(503, "UNAVAILABLE"),
            code(500, "INTERNAL"),
            code(401, "THIRD_PARTY_AUTH_ERROR"),
        ] {
            let stops = stops_the_lane(&answer, true);
            assert!(!stops, "{answer:?}");
        }
        let expired = info(401, "ACCESS_TOKEN_EXPIRED");
        assert!(!stops_the_lane(&expired, false));
        assert!(stops_the_lane(&expired, true));
    }
}
