//! What an endpoint says to a request, and how the ledger is to count it.

use std::borrow::Cow;

use super::faults::RetryAfter;
use super::provider::Provider;

/// What becomes of a request.
#[derive(Debug)]
pub(super) struct Judgement<'a> {
    /// What goes on the wire.
    pub(super) reply: Reply,
    /// The provider's word for it; empty on success.
    pub(super) reason: &'static str,
    /// How the ledger counts it.
    pub(super) standing: Standing,
    /// What the ledger knows the push by.
    pub(super) key: Option<u64>,
    /// Whom it was for, as far as that was understood.
    pub(super) device_token: Cow<'a, str>,
}

/// What goes on the wire.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// A response.
    Respond(Response),
    /// `RST_STREAM` with `REFUSED_STREAM`: not processed.
    Refuse,
    /// `RST_STREAM` with `INTERNAL_ERROR`: the client cannot know whether it was processed.
    Reset,
    /// Nothing, ever.
    Silence,
}

impl Judgement<'_> {
    /// The request ends before it is processed, `why` being what ends it.
    pub(super) fn leave_unprocessed(&mut self, why: &'static str) {
        self.reply = Reply::Silence;
        self.reason = why;
        if self.standing != Standing::Apart {
            self.standing = Standing::TurnedAway;
        }
    }
}

impl Reply {
    /// Adds `retry-after` to what a provider says about its own load; true if it does.
    pub(super) fn retry_after(
        &mut self,
        text: Option<&RetryAfter>,
        of: Provider,
        unix: u64,
    ) -> bool {
        if let (Self::Respond(response), Some(text)) = (self, text)
            && of.takes_pushes()
            && matches!(response.status, 429 | 503)
        {
            response.retry_after = Some(text.value(unix));
            return true;
        }
        false
    }

    /// The status of a response; 0 when there is none.
    pub(super) const fn status(&self) -> u16 {
        match self {
            Self::Respond(response) => response.status,
            Self::Refuse | Self::Reset | Self::Silence => 0,
        }
    }
}

/// A response.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Response {
    /// `:status`.
    pub(super) status: u16,
    /// `apns-id`.
    pub(super) apns_id: Option<[u8; 36]>,
    /// `apns-request-id`.
    pub(super) request_id: Option<[u8; 36]>,
    /// `apns-channel-id`.
    pub(super) channel: Option<String>,
    /// `content-type`; empty for none.
    pub(super) content_type: &'static str,
    /// `retry-after`.
    pub(super) retry_after: Option<Cow<'static, str>>,
    /// It is the metadata server's: `metadata-flavor`.
    pub(super) is_metadata: bool,
    /// `date`, in seconds since the epoch.
    pub(super) date: Option<u64>,
    /// The content; empty for none.
    pub(super) content: Vec<u8>,
}

/// How the ledger counts an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Answered 200.
    Accepted,
    /// Refused for good: the same push will never be accepted.
    Refused,
    /// Not accepted now, for a reason that may pass.
    TurnedAway,
    /// Not a push: a trial run, a request for an access token or about a channel.
    Apart,
}
