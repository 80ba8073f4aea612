//! Asks Apple's servers about the broadcast channels of a lane's app: on the thread of who asks,
//! one request at a time.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::Request;
use rustls::ClientConfig;
use ureq::Agent;

use super::credential::{Credential, Credentials, Trouble};
use crate::lane::Target;
use crate::moment::{self, Moment};
use crate::net::resolve::Resolver;
pub use crate::net::transport::RequestFate;
use crate::net::transport::{self, HttpConnector};
use crate::pasted;
use crate::provider::apns::{self, ChannelNews, ChannelOrder, ChannelRequest};
use crate::provider::{Answer, AnswerHead, Vendor as _, Verdict, Wait};
use crate::push::LaneId;

/// Manages the channels of one app in one environment.
pub struct ChannelManager {
    /// `https://host:port`; `None` where pushes lead elsewhere than to Apple, and it is not said
    /// where channels do.
    base: Option<String>,
    /// The app's bundle id.
    bundle: Option<Arc<str>>,
    tls: Arc<ClientConfig>,
    resolver: Arc<Resolver>,
    state: Mutex<ManagerState>,
    /// Rung when a request has come to its end.
    ended: Condvar,
}

#[derive(Default)]
struct ManagerState {
    /// Whether a request is under way.
    is_busy: bool,
    /// Requests that wait for it to end.
    waiting: usize,
    /// What the last one came to, and when, if the next would come to the same.
    failed: Option<(Instant, NoNews)>,
    /// What keeps a connection for a while, and when it was last used.
    kept: Option<(Agent, Instant)>,
}

/// Why a request about channels came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoNews {
    /// The lane has no bundle id.
    NoBundle,
    /// It is not said where channels are managed.
    NoEndpoint,
    /// There is no auth token to be had.
    NoCredential,
    /// Others of the lane are under way.
    Busy,
    /// So it was a moment ago, and Apple is not asked again so soon.
    Resting(Box<NoNews>),
    /// Apple has refused it.
    Refused(Box<Answer>),
    /// No answer came, for that reason, or none that Apple documents.
    Unanswered {
        /// Why.
        why: String,
        /// Whether none came in time.
        is_late: bool,
        /// How far the request got.
        fate: RequestFate,
    },
}

impl NoNews {
    /// Whether the next request would come to the same: the credential is refused, or there is
    /// nobody.
    fn lasts(&self) -> bool {
        match self {
            Self::Refused(answer) => answer.status == 403,
            Self::Unanswered { .. } => true,
            _ => false,
        }
    }
}

impl ChannelManager {
    /// The one at that address (`https://host:port`, if it is said), for the app of that bundle id.
    pub fn new(
        base: Option<String>,
        bundle: Option<Arc<str>>,
        tls: Arc<ClientConfig>,
        resolver: Arc<Resolver>,
    ) -> Self {
        Self {
            base,
            bundle,
            tls,
            resolver,
            state: Mutex::default(),
            ended: Condvar::new(),
        }
    }

    /// Asks, and waits for what comes of it; a second time where Apple wants another connection or
    /// another auth token.
    ///
    /// # Errors
    ///
    /// Why nothing came of it.
    pub fn ask(
        &self,
        order: ChannelOrder<'_>,
        lane: LaneId,
        credentials: &Credentials,
    ) -> Result<ChannelNews, NoNews> {
        let bundle = self.bundle.as_deref().ok_or(NoNews::NoBundle)?;
        let base = self.base.as_deref().ok_or(NoNews::NoEndpoint)?;
        let turn = self.turn().ok_or(NoNews::Busy)?;
        let now = moment::now();
        let is_fresh = |at: Instant| now.saturating_duration_since(at) < RESTS_FOR;
        let last = self.lock().failed.clone();
        if let Some((_, last)) = last.filter(|(at, _)| is_fresh(*at)) {
            return Err(NoNews::Resting(Box::new(last)));
        }
        let come = turn.ask((base, bundle), order, (lane, credentials));
        let failed = come.as_ref().err().filter(|no| no.lasts());
        self.lock().failed = failed.map(|no| (moment::now(), no.clone()));
        come
    }

    /// Tells the credential what was said of it. Whether another try may come to more.
    fn reported(
        answer: &Answer,
        (lane, credentials): (LaneId, &Credentials),
        used: &Credential,
    ) -> bool {
        let now = Moment::now();
        let target = Target::named(lane.name());
        if apns::Apns.was_renewed_too_soon(answer) {
            credentials.report(lane, (Trouble::RenewedTooSoon, target), used, now);
        }
        let Verdict::Retry(again) = answer.verdict else {
            return false;
        };
        if again.new_credential {
            credentials.report(lane, (Trouble::Refused, target), used, now);
        }
        again.wait == Wait::Now
    }

    /// Closes a connection that has not been used for a while.
    pub(super) fn rest(&self, now: Instant) {
        let mut state = self.lock();
        let is_old =
            |(_, used): &(Agent, Instant)| now.saturating_duration_since(*used) >= KEPT_FOR;
        if state.kept.as_ref().is_some_and(is_old) {
            state.kept = None;
        }
    }

    /// The turn of one request, if none waits for it already and the one before ends in time.
    fn turn(&self) -> Option<ManagerTurn<'_>> {
        let mut state = self.lock();
        if state.is_busy {
            if state.waiting >= WAITING_MAX {
                return None;
            }
            state.waiting += 1;
            let is_busy = |state: &mut ManagerState| state.is_busy;
            state = moment::wait_while(&self.ended, state, ANSWERED_WITHIN, is_busy);
            state.waiting -= 1;
            if state.is_busy {
                return None;
            }
        }
        state.is_busy = true;
        Some(ManagerTurn { manager: self })
    }

    fn agent(&self) -> Agent {
        let mut state = self.lock();
        let now = moment::now();
        let kept = state.kept.take().map(|(agent, _)| agent);
        let agent = kept.unwrap_or_else(|| {
            let (tls, resolver) = (Arc::clone(&self.tls), Arc::clone(&self.resolver));
            let connector = HttpConnector::new(tls, resolver, ANSWERED_WITHIN);
            let config = transport::config()
                .max_idle_connections(1)
                .max_idle_age(KEPT_FOR)
                .build();
            transport::agent(connector, config)
        });
        state.kept = Some((agent.clone(), now));
        agent
    }

    /// What is behind the lock is whole between any two statements.
    fn lock(&self) -> MutexGuard<'_, ManagerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is under way, until it is dropped.
struct ManagerTurn<'a> {
    manager: &'a ChannelManager,
}

impl Drop for ManagerTurn<'_> {
    fn drop(&mut self) {
        self.manager.lock().is_busy = false;
        self.manager.ended.notify_one();
    }
}

/// What came back.
struct ManagerResponse {
    status: u16,
    channel: Option<Vec<u8>>,
    retry_after: Option<Vec<u8>>,
    /// Less the auth token.
    body: String,
}

impl ManagerResponse {
    fn refusal(&self) -> Answer {
        let head = AnswerHead {
            status: self.status,
            retry_after: self.retry_after.as_deref(),
            ..AnswerHead::default()
        };
        apns::answer(head, self.body.as_bytes(), Moment::now())
    }
}

impl ManagerTurn<'_> {
    fn forget_connection(&self) {
        self.manager.lock().kept = None;
    }

    /// Asks once, and a second time where that may come to more.
    fn ask(
        &self,
        (base, bundle): (&str, &str),
        order: ChannelOrder<'_>,
        (lane, credentials): (LaneId, &Credentials),
    ) -> Result<ChannelNews, NoNews> {
        let request = order.request(bundle);
        let url = format!("{base}{}", request.path);
        let mut is_last = false;
        loop {
            let used = credentials.current(lane, Moment::now());
            let used = used.ok_or(NoNews::NoCredential)?;
            match self.exchange((base, &url), &request, used.authorization()) {
                Err(NoNews::Unanswered {
                    fate: RequestFate::NotProcessed,
                    ..
                }) if !is_last => {}
                Err(no) => return Err(no),
                Ok(response) if (200..300).contains(&response.status) => {
                    let status = response.status;
                    let (channel, body) = (response.channel.as_deref(), response.body.as_bytes());
                    return order
                        .news(status, channel, body)
                        .ok_or_else(|| NoNews::Unanswered {
                            why: format!("{base} answered {status}, and not as Apple documents it"),
                            is_late: false,
                            fate: RequestFate::Unknown,
                        });
                }
                Ok(response) => {
                    let answer = response.refusal();
                    let again = ChannelManager::reported(&answer, (lane, credentials), &used);
                    if is_last || !again {
                        return Err(NoNews::Refused(Box::new(answer)));
                    }
                }
            }
            self.forget_connection();
            is_last = true;
        }
    }

    fn exchange(
        &self,
        (base, url): (&str, &str),
        asked: &ChannelRequest<'_>,
        authorization: Option<&str>,
    ) -> Result<ManagerResponse, NoNews> {
        let request = Request::builder().method(asked.method).uri(url);
        let fields = [
            ("authorization", authorization),
            ("apns-channel-id", asked.channel),
            (
                "content-type",
                asked.body.as_ref().map(|_| "application/json"),
            ),
        ];
        let request = fields
            .into_iter()
            .fold(request, |request, (name, value)| match value {
                Some(value) => request.header(name, value),
                None => request,
            });
        let agent = self.manager.agent();
        let unanswered = |error: ureq::Error| NoNews::Unanswered {
            is_late: matches!(error, ureq::Error::Timeout(_)),
            fate: transport::fate(&error),
            why: match error {
                ureq::Error::Timeout(_) => {
                    let secs = ANSWERED_WITHIN.as_secs();
                    format!("{base}: no answer within {secs} s")
                }
                ureq::Error::Io(error) => format!("{base}: {error}"),
                error => format!("{base}: {error}"),
            },
        };
        let unfit = |error: http::Error| NoNews::Unanswered {
            is_late: false,
            fate: RequestFate::NotConnected,
            why: format!("{base}: {error}"),
        };
        let sent = match &asked.body {
            Some(body) => agent.run(request.body(&**body).map_err(unfit)?),
            None => agent.run(request.body(()).map_err(unfit)?),
        };
        let mut response = sent.map_err(unanswered)?;
        let status = response.status().as_u16();
        let field = |name| {
            let value = response.headers().get(name);
            value.map(|value| value.as_bytes().to_vec())
        };
        let [channel, retry_after] = ["apns-channel-id", "retry-after"].map(field);
        let most = u64::try_from(CHANNELS_BODY_MAX).unwrap_or(u64::MAX);
        let body = response.body_mut().with_config().limit(most);
        let body = body.read_to_vec().map_err(unanswered)?;
        let secrets: Vec<&str> = authorization.map(pasted::token_of).into_iter().collect();
        Ok(ManagerResponse {
            status,
            channel,
            retry_after,
            body: pasted::without(&body, &secrets).into_owned(),
        })
    }
}

impl fmt::Debug for ChannelManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelManager")
            .field("base", &self.base)
            .field("bundle", &self.bundle)
            .finish_non_exhaustive()
    }
}

/// Our limit: for a request about channels to be answered, its connection included; and before, for
/// those of the same lane that are under way.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);

/// Our limit: for how long a connection is kept for the next request about channels. Apple takes it
/// ill if connections come and go.
const KEPT_FOR: Duration = Duration::from_secs(30);

/// Our limit: bytes of an answer about channels. An app has 10,000 channels at most, whose ids have
/// 24 characters today.
const CHANNELS_BODY_MAX: usize = 1024 * 1024;

/// Our limit: how long Apple is not asked about a lane's channels after it has refused the
/// credential, or nobody was there: it blocks who connects again and again.
const RESTS_FOR: Duration = Duration::from_secs(10);

/// Our limit: requests about the channels of one lane that wait for the one under way, so that one
/// lane whose Apple is slow leaves room to others.
const WAITING_MAX: usize = 1;

#[cfg(test)]
mod tests {
    use super::super::fixture::idle_route;
    use super::*;

    fn manager(base: &str) -> ChannelManager {
        let (bundle, resolver) = (Some("com.acme".into()), Arc::new(Resolver::system()));
        let tls = idle_route().endpoint.tls;
        ChannelManager::new(Some(base.to_owned()), bundle, tls, resolver)
    }

    #[test]
    fn a_connection_is_kept_for_a_while() {
        let manager = manager("https://127.0.0.1:1");
        manager.rest(moment::now());
        let agent = manager.agent();
        assert_eq!(agent.config().max_idle_age(), KEPT_FOR);
        let kept = || manager.lock().kept.is_some();
        let used = moment::now();
        manager.rest(used);
        assert!(kept());
        manager.rest(used + KEPT_FOR);
        assert!(!kept());
    }

    #[test]
    fn a_lane_has_one_request_under_way() {
        let manager = manager("https://127.0.0.1:1");
        let turn = manager.turn().unwrap();
        assert!(manager.lock().is_busy);
        drop(turn);
        assert!(manager.turn().is_some());
    }

    #[test]
    fn nobody_is_asked_about_the_channels_of_no_app() {
        let without = ChannelManager {
            bundle: None,
            ..manager("https://127.0.0.1:1")
        };
        let ask = |manager: &ChannelManager| {
            manager.ask(
                ChannelOrder::List,
                LaneId::IOS,
                &Credentials::Certificate(None),
            )
        };
        assert_eq!(ask(&without), Err(NoNews::NoBundle));
        let nowhere = ChannelManager {
            base: None,
            ..manager("")
        };
        assert_eq!(ask(&nowhere), Err(NoNews::NoEndpoint));
    }

    /// Who asks again and again does not make us connect as often.
    #[test]
    fn what_would_come_to_the_same_is_not_asked_again_at_once() {
        let manager = manager("https://127.0.0.1:1");
        let ask = || {
            manager.ask(
                ChannelOrder::List,
                LaneId::IOS,
                &Credentials::Certificate(None),
            )
        };
        let first = ask().unwrap_err();
        let NoNews::Unanswered { fate, .. } = &first else {
            panic!("{first:?}");
        };
        assert_eq!(*fate, RequestFate::NotConnected);
        assert_eq!(ask(), Err(NoNews::Resting(Box::new(first.clone()))));
        if let Some((at, _)) = &mut manager.lock().failed {
            *at = at.checked_sub(RESTS_FOR).unwrap();
        }
        assert_eq!(ask(), Err(first));
    }
}
