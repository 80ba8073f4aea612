//! Failures by name: APNs' reasons, FCM's codes, the token endpoint's errors.

use std::str::FromStr;

use super::{Percent, listed, shares};
use crate::simulator::provider::Provider;
use crate::simulator::{apns, fcm, oauth};

/// One failure of one endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulator) enum Failure {
    /// APNs'.
    Apns(apns::Reason),
    /// FCM's.
    Fcm(fcm::Fault),
    /// The token endpoint's.
    OAuth(oauth::Trouble),
}

/// How many of 100 requests get which failure.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Failures(Vec<(Failure, f64)>);

/// Failures as they are asked for: of all, or by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fail {
    /// Of 100 pushes, how many get a 429, 500 or 503.
    pub percent: f64,
    /// Those that were named.
    pub named: Failures,
}

impl Failure {
    /// Whose it is.
    pub(in crate::simulator) const fn provider(self) -> Provider {
        match self {
            Self::Apns(_) => Provider::Apns,
            Self::Fcm(_) => Provider::Fcm,
            Self::OAuth(_) => Provider::OAuth,
        }
    }

    /// Whether that endpoint has it: Apple has the same reasons wherever it answers.
    pub(super) fn is_of(self, endpoint: Provider) -> bool {
        let is_apples = matches!(self, Self::Apns(_)) && endpoint == Provider::Channels;
        is_apples || self.provider() == endpoint
    }

    /// The name that it can be asked for by.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Apns(reason) => reason.word,
            Self::Fcm(fault) => named_as(&fcm::Fault::NAMES, &fault),
            Self::OAuth(trouble) => named_as(&oauth::Trouble::NAMES, &trouble),
        }
    }

    /// The reason of a judgement that it is answered with.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Fcm(fault) => fault.word(),
            Self::Apns(_) | Self::OAuth(_) => self.name(),
        }
    }

    /// Whether a judgement's reason is one of those that are mixed where none is named.
    pub(super) fn is_of_the_mix(reason: &str) -> bool {
        let mut apns = apns::Reason::FAILURES.iter();
        let mut fcm = fcm::FAILURES.iter();
        apns.any(|of_it| of_it.word == reason) || fcm.any(|of_it| of_it.word() == reason)
    }

    /// By the name that the endpoint has for it; the names of the three are disjoint.
    fn named(name: &str) -> Result<Self, String> {
        let apns = apns::Reason::ALL.iter().find(|reason| reason.word == name);
        let fcm = fcm::Fault::NAMES.iter().find(|(word, _)| *word == name);
        let oauth = oauth::Trouble::NAMES.iter().find(|(word, _)| *word == name);
        let found = apns.map(|reason| Self::Apns(*reason));
        let found = found.or(fcm.map(|(_, fault)| Self::Fcm(*fault)));
        let found = found.or(oauth.map(|(_, trouble)| Self::OAuth(*trouble)));
        found.ok_or_else(|| {
            format!(
                "there is no failure {name:?}; APNs has {}; FCM has {}; the token endpoint has {}",
                listed(apns::Reason::ALL.iter().map(|reason| reason.word)),
                listed(fcm::Fault::NAMES.iter().map(|(word, _)| *word)),
                listed(oauth::Trouble::NAMES.iter().map(|(word, _)| *word)),
            )
        })
    }
}

/// The name in a table of names.
fn named_as<T: PartialEq>(names: &[(&'static str, T)], wanted: &T) -> &'static str {
    let found = names.iter().find(|(_, known)| known == wanted);
    found.map_or("", |(name, _)| name)
}

impl Failures {
    pub(super) fn shares(&self) -> &[(Failure, f64)] {
        &self.0
    }
}

/// `ServiceUnavailable=2,TooManyRequests=3`.
impl FromStr for Failures {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // Each endpoint has a hundred percent of its own.
        let mut all = Vec::new();
        for part in text.split(',') {
            all.extend(shares(part, Failure::named)?);
        }
        for provider in [Provider::Apns, Provider::Fcm, Provider::OAuth] {
            let of_it = all
                .iter()
                .filter(|(failure, _)| failure.provider() == provider);
            let total: f64 = of_it.map(|(_, percent)| percent).sum();
            if total > 100.0 {
                return Err(format!(
                    "the percentages of {} make {total}, over 100",
                    provider.as_str()
                ));
            }
        }
        Ok(Self(all))
    }
}

/// The same, or a plain percentage.
impl FromStr for Fail {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains('=') {
            let named = text.parse()?;
            return Ok(Self {
                percent: 0.0,
                named,
            });
        }
        let Percent(percent) = text.parse()?;
        Ok(Self {
            percent,
            named: Failures::default(),
        })
    }
}
