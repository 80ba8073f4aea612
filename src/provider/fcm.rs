//! Google: message bodies, request fields and answers of FCM HTTP v1.
//!
//! Pure: no I/O, no clock. A request is `POST /v1/projects/<project>/messages:send`, one for each
//! registration token, with an OAuth access token that the room of Google's credentials obtains.

mod address;
mod advice;
mod answer;
mod build;
mod common;
mod fields;
mod given;
mod message;
mod past;
pub mod schema;
mod target;
mod text;

pub use address::{Address, ProjectPath};
pub use advice::{ADVICE, BY_STATUS_ADVICE, TOKEN_ALARMS};
pub use answer::{ROWS, answer, by_status_alone, refinements};
pub use common::{DATA_MAX, TIME_TO_LIVE_MAX};
pub use message::payload;
pub use target::{CONDITION_MAX, CONDITION_TOPICS_MAX, TOPIC_MAX, check_target};

use std::borrow::Cow;
use std::time::Duration;

use self::message::doubtful_key;
use crate::moment::Moment;
use crate::provider::said::SaidValue;
use crate::provider::shared::note_lifetime;
use crate::provider::{
    Advice, Answer, AnswerHead, Built, Fault, PastWord, Pings, Row, Site, Targets, Unused, Vendor,
};
use crate::push::{Envelope, Native, Notification, TargetKind};

/// Where FCM listens.
pub const HOST: &str = "fcm.googleapis.com";

/// Value of the `content-type` field.
pub const CONTENT_TYPE: &str = "application/json";

/// Longest registration token, in bytes. Google promises no length; today's have up to 200.
pub const DEVICE_TOKEN_MAX: usize = 4096;

/// Longest project id, in characters; Google's have up to 30, before them perhaps a domain.
pub const PROJECT_ID_MAX: usize = 64;

/// Says why a registration token cannot be sent to, if so.
pub fn check_device_token(token: &str) -> Result<(), &'static str> {
    if token.is_empty() {
        return Err("the registration token is empty");
    }
    if token.len() > DEVICE_TOKEN_MAX {
        return Err("the registration token is longer than 4096 bytes");
    }
    // Without an end before the last byte, many are looked at at a time.
    let is_plain = |byte: u8| byte.is_ascii_graphic();
    let plain = token.bytes().fold(true, |all, byte| all & is_plain(byte));
    if !plain && token.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("the registration token has a space or a control character");
    }
    Ok(())
}

/// Says why a text cannot be a project id or number, if so: it becomes part of a path.
pub fn check_project_id(project: &str) -> Result<(), &'static str> {
    if project.is_empty() {
        return Err("the project id is empty");
    }
    if project.len() > PROJECT_ID_MAX {
        return Err("the project id is longer than 64 characters");
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:_".contains(&byte);
    if !project.bytes().all(fits) {
        return Err("the project id has a character other than letters, digits and -.:_");
    }
    Ok(())
}

/// The `:path` of all pushes of a project.
pub fn path(project: &str) -> String {
    format!("/v1/projects/{project}/messages:send")
}

/// What is waited before another attempt beside the back-off: Google asks for ten seconds.
pub const LEAST_BACKOFF: Duration = Duration::from_secs(10);

/// Least time between two PINGs: FCM throws out who sends them more often, and counts those on an
/// idle connection twice, which gets none.
pub const PING_INTERVAL: Duration = Duration::from_secs(5 * 60);

/// What Google asks, answers and wants.
#[derive(Clone, Copy, Debug)]
pub struct Fcm;

impl Vendor for Fcm {
    fn name(&self) -> &'static str {
        "FCM"
    }

    fn check_device_token(&self, token: &str) -> Result<(), &'static str> {
        check_device_token(token)
    }

    fn folded_token<'a>(&self, token: &'a str) -> Cow<'a, str> {
        Cow::Borrowed(token)
    }

    fn check_target(&self, kind: TargetKind, text: &str) -> Result<(), Cow<'static, str>> {
        check_target(kind, text)
    }

    fn build(
        &self,
        notification: &mut Notification,
        site: &Site,
        now: Moment,
        unused: &mut Unused,
    ) -> Result<Built, Fault> {
        let built = build::build(notification, *site, now, unused)?;
        note_lifetime(&mut notification.time_to_live, built.envelope.lifetime, now);
        Ok(built)
    }

    /// Data are something to send.
    fn needs_message(&self, _push_type: &str, native: &Native) -> bool {
        native.get("data").is_none()
    }

    fn targets(&self, native: &Native, as_gaurun: bool) -> Result<Option<Targets>, Fault> {
        let channel = SaidValue::of(native, "channel").filter(|_| !as_gaurun);
        if let Some(channel) = channel {
            return Err(channel.fault("is for APNs: FCM has topic and condition"));
        }
        target::named(native)
    }

    fn target_fields(&self) -> &'static str {
        "token, tokens, fid, topic or condition"
    }

    fn doubt(&self, notification: &Notification) -> Option<String> {
        doubtful_key(notification)
    }

    fn lifetime_rule(&self) -> &'static str {
        "its time_to_live"
    }

    fn answer(&self, head: AnswerHead<'_>, body: &[u8], now: Moment) -> Answer {
        answer(head, body, now)
    }

    fn about(&self, envelope: &Envelope, answer: Answer) -> Answer {
        match envelope.target {
            TargetKind::DeviceToken | TargetKind::Fid => answer,
            TargetKind::Topic | TargetKind::Condition | TargetKind::Channel => answer.of_no_token(),
        }
    }

    fn past_word(&self, reason: &str, error: &str) -> Option<PastWord> {
        past::past_word(reason, error)
    }

    fn goaway(&self, _: &[u8]) -> Option<&'static Row> {
        None
    }

    fn advice(&self) -> &'static [Advice] {
        ADVICE
    }

    fn least_backoff(&self) -> Duration {
        LEAST_BACKOFF
    }

    fn renewed(&self) -> &'static str {
        "access token"
    }

    fn was_renewed_too_soon(&self, _: &Answer) -> bool {
        false
    }

    /// A trial asks only whether it would be taken.
    fn passes_trial(&self, answer: &Answer) -> bool {
        answer.status == 200
    }

    fn pings(&self) -> Pings {
        Pings {
            idle: None,
            interval: PING_INTERVAL,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registration_tokens_are_opaque_but_printable() {
        assert_eq!(check_device_token("cQk3-_aB:APA91bF\"\\"), Ok(()));
        assert_eq!(check_device_token("ünïcode"), Ok(()));
        assert_eq!(check_device_token(&"a".repeat(DEVICE_TOKEN_MAX)), Ok(()));
        for bad in ["", " ", "a b", "a\n", "\u{7f}", "a\u{a0}b", "\u{85}"] {
            assert!(check_device_token(bad).is_err(), "{bad:?}");
        }
        let error = check_device_token(&"a".repeat(DEVICE_TOKEN_MAX + 1)).unwrap_err();
        assert!(error.contains(&DEVICE_TOKEN_MAX.to_string()));
    }

    #[test]
    fn a_project_id_cannot_change_the_path() {
        for good in ["my-app-1a2b3", "123456789", "example.com:app"] {
            assert_eq!(check_project_id(good), Ok(()));
        }
        for bad in ["", "a/b", "a?b", "a b", "a%2f", "ä"] {
            assert!(check_project_id(bad).is_err(), "{bad:?}");
        }
        let error = check_project_id(&"a".repeat(PROJECT_ID_MAX + 1)).unwrap_err();
        assert!(error.contains(&PROJECT_ID_MAX.to_string()));
        assert_eq!(path("my-app"), "/v1/projects/my-app/messages:send");
        let learnt = ProjectPath::default();
        assert!(learnt.learn("a/b").is_err() && !learnt.is_known());
        assert_eq!(learnt.text(), "");
        for project in ["my-app", "another"] {
            assert_eq!(learnt.learn(project), Ok(()));
            assert_eq!(learnt.text(), "/v1/projects/my-app/messages:send");
        }
    }
}
