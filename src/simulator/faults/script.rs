//! Script files: phases, one after the other, each with faults of its own.
//!
//! ```toml
//! [[phase]]                       # a connection that is cut after the 100th push
//! endpoint = "apns"
//! requests = 99
//! [[phase]]
//! endpoint = "apns"
//! requests = 1
//! strike = "rst@processed=100"
//! ```

use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, Visitor};
use toml::Spanned;

use super::{Fail, Farewell, Faults, Percent, RetryAfter, Strikes};
use crate::pasted;
use crate::simulator::provider::Provider;

/// Our limit: bytes of a script.
pub const MAX_SCRIPT: usize = 65_536;
/// Our limit: phases of a script.
pub const MAX_PHASES: usize = 256;

/// What goes wrong when. The default has no phases.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Script {
    phases: Vec<(Option<Provider>, Phase)>,
    /// After the last phase comes the first.
    pub(super) repeats: bool,
}

/// One phase.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Phase {
    /// In force on this connection only, counted from 0.
    pub(super) on: Option<u64>,
    /// It ends with the first of these; without any, never.
    pub(super) requests: Option<NonZeroU64>,
    pub(super) connections: Option<NonZeroU64>,
    pub(super) lasts: Option<Duration>,
    pub(super) faults: Arc<Faults>,
}

impl Script {
    /// Reads a script. `seed`: of the random numbers.
    ///
    /// # Errors
    /// What is wrong, and in which line.
    pub fn read(text: &str, seed: u64) -> Result<Self, String> {
        if text.len() > MAX_SCRIPT {
            return Err(format!("1: the script is over {MAX_SCRIPT} bytes"));
        }
        let line = |at: usize| text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
        let file: File = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            format!("{}: {}", line(at), pasted::shown(error.message()))
        })?;
        if file.phase.len() > MAX_PHASES {
            return Err(format!("1: there are over {MAX_PHASES} phases"));
        }
        let mut script = Self {
            phases: Vec::new(),
            repeats: file.repeat,
        };
        for (index, spanned) in file.phase.into_iter().enumerate() {
            let at = line(spanned.span().start);
            let keys = spanned.into_inner();
            let endless =
                keys.requests.is_none() && keys.connections.is_none() && keys.seconds.is_none();
            if endless && file.repeat {
                let number = index + 1;
                return Err(format!(
                    "{at}: phase {number} has no end (requests, connections or seconds), and so \
                     cannot be repeated"
                ));
            }
            if keys.closed && keys.seconds.is_none() {
                return Err(format!(
                    "{at}: closed needs seconds: while nobody can connect nothing is counted"
                ));
            }
            script.phases.push(keys.phase(seed));
        }
        Ok(script)
    }

    /// The phases that an endpoint goes through. One that names none is for APNs and FCM.
    pub(super) fn phases_of(&self, provider: Provider) -> Vec<Phase> {
        let for_it = self.phases.iter().filter(|(endpoint, _)| match endpoint {
            Some(endpoint) => *endpoint == provider,
            None => provider.takes_pushes(),
        });
        for_it.map(|(_, phase)| phase.clone()).collect()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    repeat: bool,
    #[serde(default)]
    phase: Vec<Spanned<Keys>>,
}

/// The keys of a phase; faults are named as the flags are, `-` being `_`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct Keys {
    endpoint: Option<Read<Provider>>,
    connection: Option<u64>,
    requests: Option<NonZeroU64>,
    connections: Option<NonZeroU64>,
    seconds: Option<Seconds>,
    latency: u64,
    latency_spread: u64,
    fail: Option<Read<Fail>>,
    refuse: Option<Read<Percent>>,
    strike: Option<Read<Strikes>>,
    goaway: Option<Read<Farewell>>,
    goaway_after: Option<NonZeroU64>,
    retry_after: Option<Read<RetryAfter>>,
    penalty: bool,
    streams: Option<u32>,
    stream_window: Option<u32>,
    connection_window: Option<u32>,
    header_table: Option<u32>,
    slow: Option<NonZeroU32>,
    closed: bool,
}

impl Keys {
    fn phase(self, seed: u64) -> (Option<Provider>, Phase) {
        let fail = self.fail.map_or_else(Fail::default, |Read(fail)| fail);
        let Percent(refuse_percent) = self.refuse.map_or_else(Percent::default, |Read(it)| it);
        let faults = Faults {
            latency: Duration::from_millis(self.latency),
            latency_spread: Duration::from_millis(self.latency_spread),
            fail_percent: fail.percent,
            failures: fail.named,
            refuse_percent,
            strikes: self.strike.map_or_else(Strikes::default, |Read(it)| it),
            goaway_after: self.goaway_after,
            goaway: self.goaway.map_or_else(Farewell::default, |Read(it)| it),
            retry_after: self.retry_after.map(|Read(it)| it),
            penalty: self.penalty,
            streams: self.streams,
            stream_window: self.stream_window,
            connection_window: self.connection_window,
            header_table: self.header_table,
            slow: self.slow,
            closed: self.closed,
            seed,
        };
        let phase = Phase {
            on: self.connection,
            requests: self.requests,
            connections: self.connections,
            lasts: self.seconds.map(|Seconds(lasts)| lasts),
            faults: Arc::new(faults),
        };
        (self.endpoint.map(|Read(provider)| provider), phase)
    }
}

/// A time in seconds, which may have decimals, and is not zero.
struct Seconds(Duration);

impl<'de> Deserialize<'de> for Seconds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        let time = Duration::try_from_secs_f64(seconds).ok();
        time.filter(|time| !time.is_zero() && *time <= LONGEST_PHASE)
            .map(Self)
            .ok_or_else(|| D::Error::custom(format!("{seconds} is not a time of up to a day")))
    }
}

/// Our limit: how long a phase lasts.
const LONGEST_PHASE: Duration = Duration::from_secs(86_400);

/// A value that is read from text, or from a number in its place.
struct Read<T>(T);

impl<'de, T: FromStr<Err = String>> Deserialize<'de> for Read<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Text(text) = deserializer.deserialize_any(TextVisitor)?;
        text.parse().map(Self).map_err(D::Error::custom)
    }
}

struct Text(String);

struct TextVisitor;

impl Visitor<'_> for TextVisitor {
    type Value = Text;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a string or a number")
    }

    fn visit_str<E>(self, text: &str) -> Result<Text, E> {
        Ok(Text(text.to_owned()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Text, E> {
        Ok(Text(number.to_string()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Text, E> {
        Ok(Text(number.to_string()))
    }
}
