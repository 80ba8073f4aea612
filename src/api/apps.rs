//! Which lane a notification names, by its platform, its app and its environment.
//!
//! Pure: no I/O, no clock.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::push::{ApnsEnvironment, DEFAULT_APP_NAME, LaneId, Provider};

/// The lanes that callers can name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Apps {
    /// By app and provider, those of each in the order of the configuration.
    lanes: BTreeMap<(&'static str, Provider), Vec<OfApp>>,
    /// Whether a notification without an app goes nowhere, since the default one is not in use.
    needs_app: bool,
}

/// A lane of an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OfApp {
    lane: LaneId,
    /// `None` where the provider has no environments, or the lane is disabled.
    environment: Option<ApnsEnvironment>,
    is_enabled: bool,
}

impl Apps {
    /// Those lanes, each with whether it is enabled and with its environment if it has one. The
    /// first of an app to a provider comes before its others.
    pub fn of(lanes: impl IntoIterator<Item = (LaneId, bool, Option<ApnsEnvironment>)>) -> Self {
        let mut apps = Self::default();
        for (lane, is_enabled, environment) in lanes {
            let known = apps.lanes.entry((lane.app(), lane.provider()));
            known.or_default().push(OfApp {
                lane,
                environment,
                is_enabled,
            });
        }
        let is_used = |app: &str| {
            let mut lanes = apps.lanes.iter().filter(|((of, _), _)| *of == app);
            lanes.any(|(_, lanes)| lanes.iter().any(|lane| lane.is_enabled))
        };
        apps.needs_app = !is_used("") && apps.lanes.keys().any(|(app, _)| is_used(app));
        apps
    }

    /// The lane to that provider of an app, of the default one if none is named, in an
    /// environment, in the app's first if none is named.
    ///
    /// # Errors
    ///
    /// What is wrong, for the caller, and what there is instead; nothing of what was named.
    pub fn lane(
        &self,
        provider: Provider,
        app: Option<&str>,
        environment: Option<&str>,
    ) -> Result<LaneId, Cow<'static, str>> {
        let app = app.filter(|app| !app.is_empty());
        if app.is_none() && self.needs_app {
            return Err(format!("no app is named, and there are {}", self.names()).into());
        }
        if app.is_none() && environment.is_none() {
            return Ok(LaneId::of_default(provider));
        }
        let named = app
            .filter(|app| *app != DEFAULT_APP_NAME)
            .unwrap_or_default();
        let platform = provider.platform();
        let Some(lanes) = self.lanes.get(&(named, provider)) else {
            // Whoever gave no configuration has the default app.
            if named.is_empty() && environment.is_none() {
                return Ok(LaneId::of_default(provider));
            }
            let mut others = self.lanes.keys().filter(|(of, _)| *of == named);
            return Err(match others.next() {
                None => format!("no such app: there are {}", self.names()).into(),
                Some((_, other)) => {
                    let (app, other) = (shown(named), other.platform());
                    format!("app {app} has no {platform}: it has {other}").into()
                }
            });
        };
        // The first is the app's own.
        let first = lanes
            .first()
            .map_or(LaneId::of_default(provider), |it| it.lane);
        let Some(word) = environment else {
            return Ok(first);
        };
        let known: Vec<_> = lanes.iter().filter_map(|it| it.environment).collect();
        let found = lanes
            .iter()
            .find(|it| it.environment.is_some_and(|it| it.word() == word));
        match found {
            Some(found) => Ok(found.lane),
            // That it is disabled is what is wrong then.
            None if !lanes.iter().any(|it| it.is_enabled) => Ok(first),
            None if known.is_empty() => {
                Err(format!("{platform} has no environments: leave environment out").into())
            }
            None => {
                let app = shown(named);
                let known: Vec<_> = known.into_iter().map(ApnsEnvironment::word).collect();
                let known = known.join(" and ");
                Err(format!("app {app} has no such environment: it has {known}").into())
            }
        }
    }

    /// The apps that are in use, as a message lists them.
    fn names(&self) -> String {
        let used = self
            .lanes
            .iter()
            .filter(|(_, lanes)| lanes.iter().any(|it| it.is_enabled));
        let mut names: Vec<_> = used.map(|((app, _), _)| shown(app)).collect();
        names.dedup();
        listed(&names)
    }
}

fn shown(app: &str) -> &str {
    if app.is_empty() {
        DEFAULT_APP_NAME
    } else {
        app
    }
}

/// Names in a message: the first of them, and how many more there are.
pub(super) fn listed(names: &[&str]) -> String {
    let first = names.iter().take(LISTED_MAX).copied().collect::<Vec<_>>();
    let more = names.len().saturating_sub(first.len());
    match (first.split_last(), more) {
        (None, _) => "none".to_owned(),
        (Some(_), 1..) => format!("{} and {more} more", first.join(", ")),
        (Some((last, [])), _) => (*last).to_owned(),
        (Some((last, others)), _) => format!("{} and {last}", others.join(", ")),
    }
}

/// Our limit: apps or lanes that a message to a caller names.
const LISTED_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    use ApnsEnvironment::{Production, Sandbox};

    fn apps() -> Apps {
        let lane = |name| LaneId::named(name).unwrap();
        Apps::of([
            (LaneId::IOS, true, Some(Sandbox)),
            (LaneId::ANDROID, true, None),
            (lane("news/android"), true, None),
            (lane("shop/ios"), true, Some(Production)),
            (lane("shop/ios/sandbox"), true, Some(Sandbox)),
            (lane("shop/android"), false, None),
        ])
    }

    fn check(apps: &Apps, asked: (Provider, Option<&str>, Option<&str>), expected: &str) {
        let (provider, app, environment) = asked;
        let found = apps.lane(provider, app, environment);
        let found = found.map_or_else(Cow::into_owned, |lane| lane.name().to_owned());
        assert_eq!(found, expected, "{asked:?}");
    }

    #[test]
    fn a_notification_goes_to_the_lane_that_it_names() {
        use Provider::{Apns, Fcm};
        for (asked, expected) in [
            ((Apns, None, None), "ios"),
            ((Fcm, None, None), "android"),
            ((Fcm, Some(""), None), "android"),
            ((Apns, Some("default"), None), "ios"),
            ((Apns, None, Some("sandbox")), "ios"),
            ((Apns, Some("shop"), None), "shop/ios"),
            ((Apns, Some("shop"), Some("production")), "shop/ios"),
            ((Apns, Some("shop"), Some("sandbox")), "shop/ios/sandbox"),
            ((Fcm, Some("news"), None), "news/android"),
            // Disabled, as its rejection says.
            ((Fcm, Some("shop"), None), "shop/android"),
            ((Fcm, Some("shop"), Some("sandbox")), "shop/android"),
            (
                (Apns, None, Some("production")),
                "app default has no such environment: it has sandbox",
            ),
            (
                (Apns, Some("shop"), Some("Sandbox")),
                "app shop has no such environment: it has production and sandbox",
            ),
            (
                (Fcm, Some("news"), Some("sandbox")),
                "android has no environments: leave environment out",
            ),
            (
                (Apns, Some("news"), None),
                "app news has no ios: it has android",
            ),
            (
                (Apns, Some("Shop"), None),
                "no such app: there are default, news and shop",
            ),
        ] {
            check(&apps(), asked, expected);
        }
    }

    #[test]
    fn without_a_default_app_one_has_to_be_named() {
        let shop = (LaneId::named("shop/ios").unwrap(), true, Some(Production));
        let unused = [LaneId::IOS, LaneId::ANDROID].map(|lane| (lane, false, None));
        let apps = Apps::of(unused.into_iter().chain([shop]));
        let expected = "no app is named, and there are shop";
        check(&apps, (Provider::Apns, None, None), expected);
        check(&apps, (Provider::Apns, Some("shop"), None), "shop/ios");
        check(&apps, (Provider::Apns, Some("default"), None), "ios");
        // Where nothing at all is enabled, that is what is said of the lane.
        check(&Apps::of(unused), (Provider::Apns, None, None), "ios");
        check(&Apps::default(), (Provider::Fcm, None, None), "android");
    }

    #[test]
    fn a_message_lists_the_first_names() {
        let names: Vec<String> = (10..40).map(|number| format!("a{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(listed(&names[..1]), "a10");
        assert_eq!(listed(&names[..3]), "a10, a11 and a12");
        assert!(listed(&names).ends_with(", a25 and 14 more"));
        assert_eq!(listed(&names[..17]).matches(", ").count(), 15);
    }
}
