//! The endpoints behind one interface: a request comes in, a judgement comes out.

use std::sync::Arc;

use super::answer::Judgement;
use super::arrival::Arrival;
use super::ledger::Ledger;
use super::provider::Provider;
use super::{apns, fcm, oauth};

/// What the connections to one endpoint share.
#[derive(Clone)]
pub(super) enum LookAlike {
    Apns(Arc<apns::Apns>),
    Fcm(Arc<fcm::Fcm>),
    OAuth(Arc<oauth::OAuth>),
    Channels(Arc<apns::Apns>),
}

impl LookAlike {
    pub(super) const fn provider(&self) -> Provider {
        match self {
            Self::Apns(_) => Provider::Apns,
            Self::Fcm(_) => Provider::Fcm,
            Self::OAuth(_) => Provider::OAuth,
            Self::Channels(_) => Provider::Channels,
        }
    }

    /// Whether it is one of Apple's, which speak nothing but HTTP/2.
    pub(super) const fn is_apples(&self) -> bool {
        matches!(self, Self::Apns(_) | Self::Channels(_))
    }

    /// Streams that a new connection may open.
    pub(super) const fn first_streams(&self) -> u32 {
        match self {
            Self::Apns(_) | Self::Channels(_) => apns::FIRST_STREAMS,
            Self::Fcm(_) | Self::OAuth(_) => fcm::STREAMS,
        }
    }

    /// Streams that a connection may open once it is trusted.
    pub(super) const fn streams(&self) -> u32 {
        match self {
            Self::Apns(_) | Self::Channels(_) => apns::STREAMS,
            Self::Fcm(_) | Self::OAuth(_) => fcm::STREAMS,
        }
    }

    /// Bytes of content worth keeping: the largest legal request.
    pub(super) const fn max_body(&self) -> usize {
        match self {
            Self::Apns(_) | Self::Channels(_) => apns::MAX_VOIP_PAYLOAD,
            Self::Fcm(_) => fcm::MAX_BODY,
            Self::OAuth(_) => oauth::MAX_BODY,
        }
    }

    /// The debug data of the GOAWAY of a server that goes away.
    pub(super) const fn going_away(&self) -> &'static [u8] {
        match self {
            Self::Apns(_) | Self::Channels(_) => apns::GOING_AWAY,
            Self::Fcm(_) | Self::OAuth(_) => fcm::GOING_AWAY,
        }
    }

    /// The debug data of the GOAWAY that answers more streams than allowed.
    pub(super) const fn streams_violated(&self) -> &'static [u8] {
        match self {
            Self::Apns(_) | Self::Channels(_) => apns::STREAMS_VIOLATED,
            Self::Fcm(_) | Self::OAuth(_) => fcm::STREAMS_VIOLATED,
        }
    }

    /// A fresh connection's session. `certificate`: the client has shown ours.
    pub(super) fn session(&self, certificate: bool) -> Session {
        match self {
            Self::Apns(apns) => Session::Apns(apns::Session::new(Arc::clone(apns), certificate)),
            Self::Channels(apns) => {
                let session = apns::Session::new(Arc::clone(apns), certificate);
                Session::Apns(session.managing())
            }
            Self::Fcm(fcm) => Session::Fcm(fcm::Session::new(Arc::clone(fcm))),
            Self::OAuth(oauth) => Session::OAuth(Arc::clone(oauth)),
        }
    }
}

/// What one connection has shown.
pub(super) enum Session {
    Apns(apns::Session),
    Fcm(fcm::Session),
    OAuth(Arc<oauth::OAuth>),
}

impl Session {
    /// Judges one request.
    pub(super) fn judge<'a>(&mut self, arrival: &Arrival<'a>, ledger: &Ledger) -> Judgement<'a> {
        match self {
            Self::Apns(session) => session.judge(arrival),
            Self::Fcm(session) => session.judge(arrival),
            Self::OAuth(oauth) => {
                let judgement = oauth.judge(arrival);
                if judgement.reply.status() == 200 && judgement.reason.is_empty() {
                    ledger.issued();
                }
                judgement
            }
        }
    }
}
