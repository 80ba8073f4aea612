//! Which lane: an app by way of a provider, in one of the provider's environments.
//!
//! The shell of this room: the names that the process has met stand in one table, behind a lock, so
//! that a name has one number from its first mention on, wherever it was read.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// Who brings pushes to the devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Provider {
    /// Apple, by way of APNs.
    Apns,
    /// Google, by way of FCM HTTP v1.
    Fcm,
}

impl Provider {
    /// All there are, in the order of their numbers on the wire.
    pub const ALL: [Self; 2] = [Self::Apns, Self::Fcm];

    /// The provider's word on the wire, in answers and in the push log.
    pub const fn platform(self) -> &'static str {
        match self {
            Self::Apns => "ios",
            Self::Fcm => "android",
        }
    }

    /// Whether it has [`ApnsEnvironment`]s.
    pub const fn has_environments(self) -> bool {
        matches!(self, Self::Apns)
    }

    /// The provider of that word, if there is one.
    pub fn of_platform(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.platform() == word)
    }
}

/// One of the two worlds that APNs has, in which a build of an app is at home.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ApnsEnvironment {
    /// Of apps that Apple hands out.
    Production,
    /// Of Xcode's builds.
    Sandbox,
}

impl ApnsEnvironment {
    /// Both, in the order in which messages list them.
    pub const ALL: [Self; 2] = [Self::Production, Self::Sandbox];

    /// The environment's word in the configuration, in requests and in the names of lanes.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Sandbox => "sandbox",
        }
    }

    /// The environment of that word, if there is one.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.word() == word)
    }
}

/// Which lane: its number, by which it is told from the others, its provider and its name. All of
/// that stays as long as the process, whatever becomes of the lane: its pushes and their log lines
/// outlive it.
///
/// The name is `ios` or `android` for whoever names no app, `APP/ios` or `APP/android` for others,
/// and has `/sandbox` or `/production` behind it where that is not the app's first environment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId {
    number: u16,
    provider: Provider,
    name: &'static str,
}

impl LaneId {
    /// The lane to Apple of whoever names no app.
    pub const IOS: Self = Self::new(1, Provider::Apns, "ios");
    /// The lane to Google of whoever names no app.
    pub const ANDROID: Self = Self::new(2, Provider::Fcm, "android");
    /// The lanes of whoever names no app and no environment, in the order of their numbers.
    pub const DEFAULT_APP: [Self; 2] = [Self::IOS, Self::ANDROID];

    /// The lane of that number, which no other one has.
    pub const fn new(number: u16, provider: Provider, name: &'static str) -> Self {
        Self {
            number,
            provider,
            name,
        }
    }

    /// The lane of an app, of the default one if that is empty, in its first environment or in the
    /// other one that is named.
    ///
    /// `None` if that is no name of an app, or if [`LANES_MAX`] other lanes have been named.
    pub fn of(app: &str, provider: Provider, environment: Option<ApnsEnvironment>) -> Option<Self> {
        let (gap, platform) = (if app.is_empty() { "" } else { "/" }, provider.platform());
        let environment = environment.map(|it| format!("/{}", it.word()));
        let environment = environment.unwrap_or_default();
        Self::named(&format!("{app}{gap}{platform}{environment}"))
    }

    /// The lane of a provider of whoever names no app and no environment.
    pub const fn of_default(provider: Provider) -> Self {
        match provider {
            Provider::Apns => Self::IOS,
            Provider::Fcm => Self::ANDROID,
        }
    }

    /// The lane of the `platform` of a request (1 = iOS, 2 = Android), if there is one.
    pub fn of_platform(number: i64) -> Option<Self> {
        let mut lanes = Self::DEFAULT_APP.into_iter();
        lanes.find(|lane| i64::from(lane.number) == number)
    }

    /// The lane of that name, whether there is one or not.
    ///
    /// `None` if no lane can be called so, or if [`LANES_MAX`] others have been named.
    pub fn named(name: &str) -> Option<Self> {
        let known = Self::DEFAULT_APP.into_iter().find(|lane| lane.name == name);
        known.or_else(|| met(name, Parts::of(name)?.provider))
    }

    /// The number by which the journal knows the lane, from 1.
    pub const fn number(self) -> u16 {
        self.number
    }

    /// Whom its pushes go to.
    pub const fn provider(self) -> Provider {
        self.provider
    }

    /// The lane's provider's word on the wire.
    pub const fn platform(self) -> &'static str {
        self.provider.platform()
    }

    /// What operators call the lane.
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// The name of its app; empty for the default one.
    pub fn app(self) -> &'static str {
        match self {
            Self::IOS | Self::ANDROID => "",
            other => Parts::of(other.name).map_or("", |parts| parts.app),
        }
    }

    /// The environment in its name: that of the provider, where it is not the app's first.
    pub fn environment(self) -> Option<ApnsEnvironment> {
        match self {
            Self::IOS | Self::ANDROID => None,
            other => Parts::of(other.name)?.environment,
        }
    }
}

impl fmt::Display for LaneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// What the name of a lane says.
struct Parts<'n> {
    app: &'n str,
    provider: Provider,
    environment: Option<ApnsEnvironment>,
}

impl<'n> Parts<'n> {
    fn of(name: &'n str) -> Option<Self> {
        let (app, rest) = match name.split_once('/') {
            Some((app, rest)) if is_app_name(app) => (app, rest),
            _ => ("", name),
        };
        let (platform, environment) = match rest.split_once('/') {
            Some((platform, word)) => (platform, Some(ApnsEnvironment::of_word(word)?)),
            None => (rest, None),
        };
        let provider = Provider::of_platform(platform)?;
        let has_it = environment.is_none() || provider.has_environments();
        has_it.then_some(Self {
            app,
            provider,
            environment,
        })
    }
}

/// Whether an app may be called so: some lower-case letters, digits, hyphens and underscores, of
/// which the first is a letter or a digit, and none of the words that have a meaning in its place.
pub fn is_app_name(name: &str) -> bool {
    let is_begun = name.starts_with(|at: char| at.is_ascii_lowercase() || at.is_ascii_digit());
    let may_stand = |at: u8| at.is_ascii_lowercase() || at.is_ascii_digit() || b"-_".contains(&at);
    is_begun
        && name.len() <= APP_NAME_MAX
        && name.bytes().all(may_stand)
        && !RESERVED.contains(&name)
}

/// What the app without a name is called where it needs one.
pub const DEFAULT_APP_NAME: &str = "default";

/// Names that no app has: the first is that of `[ios]` and `[android]`, whose lanes the others are.
const RESERVED: [&str; 3] = [DEFAULT_APP_NAME, "ios", "android"];

/// Our limit: characters of an app's name.
pub const APP_NAME_MAX: usize = 32;

/// Our limit: lanes that one process hears of, by its configurations, its journal and its logs:
/// each name is kept, since log lines may need it. So many are those of 200 apps, renamed 25 times.
pub const LANES_MAX: usize = 16_384;

/// The names that were met, and what they stand for.
static MET: Mutex<BTreeMap<&'static str, LaneId>> = Mutex::new(BTreeMap::new());

/// The lane of a name that is not the default app's.
fn met(name: &str, provider: Provider) -> Option<LaneId> {
    // A panic in here leaves a whole table.
    let mut met = MET.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = met.get(name) {
        return Some(*known);
    }
    let place = Some(met.len()).filter(|place| *place < LANES_MAX)?;
    let number = u16::try_from(place.checked_add(FIRST_NUMBER)?).ok()?;
    // Kept as long as the process: lanes come from files that an operator writes, and are bounded.
    let name: &'static str = Box::leak(name.into());
    let lane = LaneId::new(number, provider, name);
    met.insert(name, lane);
    Some(lane)
}

/// The number of the first lane that is not the default app's.
const FIRST_NUMBER: usize = LaneId::DEFAULT_APP.len() + 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_app_provider_and_environment_and_stands_for_one_lane() {
        let sandbox = Some(ApnsEnvironment::Sandbox);
        for (name, app, provider, environment) in [
            ("ios", "", Provider::Apns, None),
            ("android", "", Provider::Fcm, None),
            ("ios/sandbox", "", Provider::Apns, sandbox),
            ("shop/ios", "shop", Provider::Apns, None),
            ("shop/android", "shop", Provider::Fcm, None),
            ("shop/ios/sandbox", "shop", Provider::Apns, sandbox),
            (
                "8-a_b/ios/production",
                "8-a_b",
                Provider::Apns,
                Some(ApnsEnvironment::Production),
            ),
        ] {
            let lane = LaneId::named(name).unwrap();
            assert_eq!((lane.name(), lane.provider()), (name, provider));
            assert_eq!((lane.app(), lane.environment()), (app, environment));
            assert_eq!(LaneId::of(app, provider, environment), Some(lane));
            assert_eq!(LaneId::named(name).unwrap().number(), lane.number());
        }
        let numbers = ["ios", "android", "a/ios", "b/ios", "a/android"];
        let numbers = numbers.map(|name| LaneId::named(name).unwrap().number());
        assert_eq!(numbers[..2], [1, 2]);
        let apart: std::collections::BTreeSet<u16> = numbers.into_iter().collect();
        assert_eq!(apart.len(), numbers.len());
    }

    #[test]
    fn what_no_lane_is_called_is_none() {
        let longest = format!("{}/ios", "a".repeat(APP_NAME_MAX));
        let long = format!("a{longest}");
        for name in [
            "",
            "/",
            "ios/",
            "/ios",
            "shop",
            "shop/",
            "shop/web",
            "shop/ios/",
            "shop/ios/x",
            "shop/android/sandbox",
            "android/sandbox",
            "Shop/ios",
            "-a/ios",
            "a.b/ios",
            "default/ios",
            "ios/ios",
            "android/ios/sandbox",
            "a/b/ios",
            "shop/ios/sandbox/sandbox",
            &long,
        ] {
            assert_eq!(LaneId::named(name), None, "{name}");
        }
        assert!(LaneId::named(&longest).is_some());
    }
}
