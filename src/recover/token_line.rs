//! One line of a push log, as far as it says something of a device token.
//!
//! Pure: no file, no clock.

use std::borrow::Cow;

use serde::Deserialize;

use super::entry::{Damaged, is_foreign};
use super::when::TimeReader;
use crate::provider::{self, PastWord, TokenEffect};
use crate::push::{LaneId, Provider, TargetKind};

/// What a line says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TokenLine<'a> {
    /// Something of a device token.
    Said(SaidOfToken<'a>),
    /// That a device token was refused, and the token is hidden.
    Hidden,
    /// The same, in a time that cannot be understood.
    UnknownZone(&'a str),
    /// So many lines are missing here.
    Lost(u64),
    /// Nothing of a device token.
    Other,
}

/// Something of a device token.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SaidOfToken<'a> {
    /// When, in seconds since the Unix epoch.
    pub(super) at: u64,
    /// Of which app and platform; of any environment.
    pub(super) lane: LaneId,
    /// Of which token, as the caller spelled it.
    pub(super) token: &'a str,
    /// What it is.
    pub(super) what: TokenWord<'a>,
}

/// What is said of a device token.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TokenWord<'a> {
    /// A push to it succeeded.
    Alive,
    /// The provider refused it.
    Refused {
        /// Whether it is certainly dead.
        is_dead: bool,
        /// The provider's word.
        reason: Cow<'a, str>,
        /// Since when, in milliseconds since the Unix epoch, by the provider.
        gone_since: Option<u64>,
    },
}

/// The line as JSON. Names of later versions are passed over.
#[derive(Deserialize)]
struct RawTokenLine<'a> {
    #[serde(borrow, default)]
    time: Cow<'a, str>,
    #[serde(borrow, default, rename = "type")]
    kind: Cow<'a, str>,
    id: Option<u64>,
    #[serde(default)]
    lines: u64,
    #[serde(borrow, default)]
    platform: Cow<'a, str>,
    #[serde(borrow, default)]
    token: Cow<'a, str>,
    #[serde(borrow, default)]
    error: Cow<'a, str>,
    #[serde(borrow, default)]
    reason: Cow<'a, str>,
    #[serde(borrow, default)]
    token_is: Cow<'a, str>,
    gone_since: Option<u64>,
    #[serde(borrow, default)]
    app: Cow<'a, str>,
    #[serde(borrow)]
    target: Option<Cow<'a, str>>,
}

/// Reads a line, and has `note` make something of what it says.
pub(super) fn read<T>(
    line: &[u8],
    times: &mut TimeReader,
    note: impl FnOnce(TokenLine<'_>) -> T,
) -> Result<T, Damaged> {
    let raw: RawTokenLine<'_> = serde_json::from_slice(line).map_err(|_| Damaged)?;
    let at = times.read(&raw.time);
    if is_foreign(&raw.kind, at) {
        return Err(Damaged);
    }
    let has_failed = match &*raw.kind {
        "failed-push" => true,
        "succeeded-push" => false,
        "lost-lines" => return Ok(note(TokenLine::Lost(raw.lines))),
        _ => return Ok(note(TokenLine::Other)),
    };
    let provider = Provider::of_platform(&raw.platform).ok_or(Damaged)?;
    let (at, _) = at.zip(raw.id).ok_or(Damaged)?;
    let target = TargetKind::of_word(raw.target.as_deref());
    let is_device = matches!(target, Some(TargetKind::DeviceToken | TargetKind::Fid));
    let what = if has_failed {
        refused(provider, &raw)
    } else {
        Some(TokenWord::Alive)
    };
    let Some(what) = what.filter(|_| is_device) else {
        return Ok(note(TokenLine::Other));
    };
    if raw.token.is_empty() {
        let said = if has_failed {
            TokenLine::Hidden
        } else {
            TokenLine::Other
        };
        return Ok(note(said));
    }
    let Some(at) = at.unix else {
        return Ok(note(TokenLine::UnknownZone(&raw.time)));
    };
    let of_app = LaneId::of(&raw.app, provider, None).ok_or(Damaged)?;
    Ok(note(TokenLine::Said(SaidOfToken {
        at,
        lane: of_app,
        token: &raw.token,
        what,
    })))
}

/// What a failed push's line says of its device token, if anything.
fn refused<'a>(provider: Provider, raw: &'a RawTokenLine<'_>) -> Option<TokenWord<'a>> {
    let said = |token: TokenEffect| token.word() == Some(&*raw.token_is);
    if said(TokenEffect::Dead) || said(TokenEffect::Suspect) {
        let is_dead = said(TokenEffect::Dead);
        return Some(TokenWord::Refused {
            is_dead,
            reason: Cow::Borrowed(&raw.reason),
            gone_since: raw.gone_since.filter(|_| is_dead),
        });
    }
    let past = provider::of(provider).past_word(&raw.reason, &raw.error);
    past.map(
        |PastWord {
             reason,
             token,
             gone_since_ms,
         }| TokenWord::Refused {
            is_dead: token == TokenEffect::Dead,
            reason: Cow::Borrowed(reason),
            gone_since: gone_since_ms,
        },
    )
}
