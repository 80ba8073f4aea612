//! Asks the providers, with the real credentials, for what cannot reach a device.
//!
//! APNs gets a push to a device token that is none: `BadDeviceToken` comes after everything else
//! was found good. FCM gets a message that it shall only validate. Where the feed is posted to gets
//! a batch without records.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use ureq::Agent;

use super::has_error;
use crate::config::{ApnsConfig, Config, Diagnostic, FeedbackHook, FileText, LaneConfig};
use crate::config::{ProviderConfig, ProviderUrl, Severity};
use crate::moment::server_clock::ServerClock;
use crate::moment::{Moment, http_date};
use crate::named::{self, Apns, ApnsIdentity, Fcm, Finding};
use crate::net::resolve::Resolver;
use crate::net::tls::SystemRoots;
use crate::net::transport::{self, HttpConnector};
use crate::oauth::{self, EXCHANGE_TIMEOUT};
use crate::pasted;
use crate::provider::apns::{self, AuthTokens};
use crate::provider::{self, ANSWER_BODY_MAX, Advice, Answer, AnswerHead, Vendor, fcm};
use crate::webhook::HookTarget;

/// What no device token can be.
const NO_DEVICE_TOKEN: &str = "sterna-check";
/// A message that is validated, to nobody.
const TRIAL: &str = r#"{"validate_only":true,"message":{"topic":"sterna-check"}}"#;
/// A push like any other.
const PAYLOAD: &str = r#"{"aps":{"alert":"sterna check"}}"#;

/// Opens each enabled provider and tells what it answered. One whose credentials cannot be used is
/// not asked, which is all that is said of it if `told` has the error.
pub fn online(config: &Config, source: &FileText<'_>, told: &[Diagnostic]) -> Vec<Diagnostic> {
    let (clock, system) = (Arc::<ServerClock>::default(), SystemRoots::load());
    let mut lanes: Vec<_> = config.enabled().collect();
    // The token endpoint tells the time, and APNs does not.
    lanes.sort_by_key(|(_, lane)| lane.apns().is_some());
    // Each lane as it is, and as it was with the signing key before.
    let old = |id, lane: &LaneConfig| Some((id, lane.with_old_key()?));
    let old: Vec<_> = lanes
        .iter()
        .filter_map(|(id, lane)| old(*id, lane))
        .collect();
    let old = old.iter().map(|(id, lane)| (*id, lane, true));
    let lanes = lanes
        .into_iter()
        .map(|(id, lane)| (id, lane, false))
        .chain(old);
    let asked = lanes.map(|(id, lane, is_old)| {
        let now = Moment::now();
        let asked = match &lane.provider {
            ProviderConfig::Apns(own) => named::apns(lane, own, &system, now)
                .map(|found| ask_apns((lane, own), found.value, &clock)),
            ProviderConfig::Fcm(own) => {
                named::fcm(lane, own, &system, now).map(|found| ask_fcm(lane, found.value, &clock))
            }
        };
        let key = if is_old {
            "token_auth_old_key_id"
        } else {
            "enabled"
        };
        (id, is_old, format!("{}.{key}", lane.section), asked)
    });
    let mut asked: Vec<_> = asked.collect();
    asked.sort_by_key(|(id, is_old, ..)| (*id, *is_old));
    let apart = clock.apart(Moment::now());
    let mut findings = Vec::new();
    for (id, is_old, key, asked) in asked {
        let (key, apart) = (&*key, apart.as_deref());
        let name = provider::of(id.provider()).name();
        // Of several lanes to one provider each is named.
        let of_lane = format!("{name} of {id}");
        let is_default = id.app().is_empty() && id.environment().is_none();
        let name = if is_default { name } else { &of_lane };
        if is_old {
            // What cannot be read is told without a network too.
            findings.extend(
                asked
                    .ok()
                    .map(|found| report_old(source, (key, name), found)),
            );
            continue;
        }
        findings.push(match asked {
            Ok(found) => {
                let of_app = |cure| provider::told_of(id, cure);
                report(source, (key, name), found, (apart, of_app))
            }
            Err(_) if has_error(told) => {
                let text = format!("{name} was not asked, since what it needs cannot be used");
                source.whole(Severity::Note, text + "; mend the errors first")
            }
            Err(errors) => source.about(Severity::Error, key, format!("{name}: {}", all(&errors))),
        });
    }
    findings.extend(apart.map(|text| source.whole(Severity::Warning, text)));
    findings.extend(hook(config, source, &system));
    findings
}

/// Posts a batch without records, and tells whether it was taken. What is wrong with the files that
/// this needs was told with the others.
fn hook(config: &Config, source: &FileText<'_>, system: &SystemRoots) -> Option<Diagnostic> {
    let found = HookTarget::read(config.hook()?, system, Moment::now()).ok()?;
    let place = found.value.shown();
    Some(match found.value.try_out() {
        Ok(()) => {
            let text = format!("the webhook at {place} takes a batch without records");
            source.whole(Severity::Note, text)
        }
        Err(why) => {
            let why = why.replace("; ", ", ");
            let text = format!("the webhook at {place} takes no batch: {why}");
            source.about(Severity::Error, FeedbackHook::URL, text)
        }
    })
}

/// What a provider answered.
struct Trial {
    host: String,
    /// What of it was no success.
    answer: Answer,
    is_good: bool,
    cure: Option<&'static str>,
}

/// What came of a question; `apart` says how far this machine's clock is from the right one.
fn report(
    source: &FileText<'_>,
    (key, name): (&str, &str),
    found: Result<Trial, String>,
    (apart, of_app): (Option<&str>, impl Fn(&'static str) -> Cow<'static, str>),
) -> Diagnostic {
    let (text, cure) = match found {
        Err(text) => (format!("{name}: {text}"), None),
        Ok(told) => {
            let (host, status) = (&told.host, told.answer.status);
            let reason = &told.answer.reason;
            if told.is_good {
                let text = format!(
                    "{name} at {host} takes the credentials: it answered {status} {reason}"
                );
                return source.whole(Severity::Note, text.trim_end());
            }
            let error = told.answer.error.replace("; ", ", ");
            let text = format!("{name} at {host} answered {status} {reason}: {error}");
            (text, told.cure.map(of_app))
        }
    };
    // What is signed by a wrong clock is taken nowhere.
    let apart = apart.filter(|apart| !text.contains(apart));
    let apart = apart
        .map(|apart| format!(", and {apart}"))
        .unwrap_or_default();
    let cure = cure.map(|cure| format!("; {cure}")).unwrap_or_default();
    source.about(Severity::Error, key, format!("{text}{apart}{cure}"))
}

/// What came of a question with the signing key before: that it is refused keeps nobody from the
/// present one.
fn report_old(
    source: &FileText<'_>,
    (key, name): (&str, &str),
    found: Result<Trial, String>,
) -> Diagnostic {
    match found {
        Ok(told) if told.is_good => {
            let text = format!("{name} at {} takes the old signing key too", told.host);
            source.whole(Severity::Note, text)
        }
        Ok(Trial { host, answer, .. }) => {
            let (status, reason) = (answer.status, &answer.reason);
            let text = format!(
                "{name} at {host} refuses the old signing key: {status} {reason}; if it is no longer \
                 needed, remove the two token_auth_old_ keys"
            );
            source.about(Severity::Warning, key, text)
        }
        Err(text) => source.about(Severity::Warning, key, format!("{name}: {text}")),
    }
}

fn ask_apns(
    (lane, own): (&LaneConfig, &ApnsConfig),
    found: Apns,
    clock: &ServerClock,
) -> Result<Trial, String> {
    let Apns { identity, tls, .. } = found;
    let authorization = match identity {
        ApnsIdentity::Certificate(_) => None,
        ApnsIdentity::Key(key) => {
            // The daemon's own tokens: another would count as an update.
            let token = AuthTokens::new(key).current(Moment::now())?;
            Some(token.authorization().to_owned())
        }
    };
    let base = base(lane.endpoint.as_ref(), apns::host(own.sandbox));
    let mut fields = vec![("apns-push-type", apns::ALERT.to_owned())];
    fields.extend(authorization.map(|value| ("authorization", value)));
    fields.extend(own.topic.clone().map(|topic| ("apns-topic", topic)));
    let agent = agent(tls, lane.timeout);
    let url = format!("{base}/3/device/{NO_DEVICE_TOKEN}");
    let response = post(&agent, &url, &fields, PAYLOAD, clock)?;
    let head = AnswerHead {
        status: response.status,
        ..AnswerHead::default()
    };
    let answer = apns::answer(head, response.body.as_bytes(), Moment::now());
    let reason = answer.reason.clone();
    Ok(Trial {
        host: base,
        is_good: apns::Apns.passes_trial(&answer),
        cure: cure(apns::ADVICE, &reason),
        answer,
    })
}

fn ask_fcm(lane: &LaneConfig, found: Fcm, clock: &Arc<ServerClock>) -> Result<Trial, String> {
    let Fcm {
        credential,
        path,
        web_tls: tls,
        ..
    } = found;
    let account = credential.account(Arc::clone(clock));
    let token = oauth::exchange_once(&account, &agent(Arc::clone(&tls), EXCHANGE_TIMEOUT))?;
    let base = base(lane.endpoint.as_ref(), fcm::HOST);
    let url = format!("{base}{}", path.text());
    let fields = [
        ("authorization", token.authorization().to_owned()),
        ("content-type", fcm::CONTENT_TYPE.to_owned()),
    ];
    let agent = agent(tls, lane.timeout);
    let response = post(&agent, &url, &fields, TRIAL, clock)?;
    let head = AnswerHead {
        status: response.status,
        ..AnswerHead::default()
    };
    let answer = fcm::answer(head, response.body.as_bytes(), Moment::now());
    Ok(Trial {
        host: base,
        is_good: fcm::Fcm.passes_trial(&answer),
        cure: cure(fcm::ADVICE, &answer.reason),
        answer,
    })
}

fn all(errors: &[Finding]) -> String {
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    texts.join(", ")
}

fn cure(advice: &'static [Advice], reason: &str) -> Option<&'static str> {
    advice
        .iter()
        .find(|it| it.reason == reason)
        .map(|it| it.cure)
}

fn base(configured: Option<&ProviderUrl>, own: &str) -> String {
    configured.map_or_else(|| format!("https://{own}"), ProviderUrl::to_string)
}

/// An agent whose requests may take so long.
fn agent(tls: Arc<ClientConfig>, within: Duration) -> Agent {
    let connector = HttpConnector::new(tls, Arc::new(Resolver::system()), within);
    transport::agent(connector, transport::config().build())
}

/// What came back.
struct Response {
    status: u16,
    body: String,
}

fn post(
    agent: &Agent,
    url: &str,
    fields: &[(&'static str, String)],
    body: &str,
    clock: &ServerClock,
) -> Result<Response, String> {
    let cannot = |error| format!("{url}: {error}");
    let mut request = agent.post(url);
    for (name, value) in fields {
        request = request.header(*name, value);
    }
    let mut response = request.send(body).map_err(cannot)?;
    let date = response.headers().get("date");
    let date = date
        .and_then(|value| value.to_str().ok())
        .and_then(http_date);
    if let Some(date) = date {
        clock.note(date, Moment::now());
    }
    let limit = u64::try_from(ANSWER_BODY_MAX).unwrap_or(u64::MAX);
    let body = response.body_mut().with_config().limit(limit);
    let body = body.read_to_vec().map_err(cannot)?;
    let secrets = fields.iter().filter(|(name, _)| *name == "authorization");
    let secrets: Vec<&str> = secrets.map(|(_, value)| pasted::token_of(value)).collect();
    Ok(Response {
        status: response.status().as_u16(),
        body: pasted::without(&body, &secrets).into_owned(),
    })
}
