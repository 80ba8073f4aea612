//! Which lane a notification names, by its platform, its app and its environment.
//!
//! Pure: no I/O, no clock.

use std::collections::{BTreeMap, BTreeSet};

use super::rights::Rights;
use crate::push::{ApnsEnvironment, DEFAULT_APP_NAME, LaneId, Native, Provider};

/// The lanes that callers can name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Apps {
    /// By app and provider, that of its first environment before the others.
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
    /// Those lanes, each with whether it is enabled and with its environment if it has one, in
    /// whatever order.
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
        // Lanes are numbered as they are first named, perhaps by an old journal; that of an app's
        // first environment has no environment in its name.
        for lanes in apps.lanes.values_mut() {
            lanes.sort_by_key(|it| it.lane.environment().is_some());
        }
        let is_used = |app: &str| {
            let mut lanes = apps.lanes.iter().filter(|((of, _), _)| *of == app);
            lanes.any(|(_, lanes)| lanes.iter().any(|lane| lane.is_enabled))
        };
        apps.needs_app = !is_used("") && apps.lanes.keys().any(|(app, _)| is_used(app));
        apps
    }

    /// Whether the configuration has a section for a lane, or there is no configuration.
    pub(super) fn has(&self, lane: LaneId) -> bool {
        let of_app = self.lanes.get(&(lane.app(), lane.provider()));
        of_app.map_or(self.lanes.is_empty(), |lanes| {
            lanes.iter().any(|it| it.lane == lane)
        })
    }

    /// Whether there are several, of which some may be disabled just now; the default one counts
    /// while it is in use.
    pub(super) fn are_several(&self) -> bool {
        let enabled = |lanes: &[OfApp]| lanes.iter().any(|it| it.is_enabled);
        let all = self.lanes.iter();
        let counted = all.filter(|((app, _), lanes)| !app.is_empty() || enabled(lanes));
        let apps: BTreeSet<_> = counted.map(|((app, _), _)| *app).collect();
        apps.len() > 1
    }

    /// The lane to that provider that a notification names by `app` and `environment`, which are
    /// taken from its fields: the default app's if it names none, in the app's first environment if
    /// it names none. Where `as_gaurun` there is no other lane to name, they are fields like any
    /// that Gaurun did not know, and stay where they are.
    ///
    /// # Errors
    ///
    /// What is wrong, for the caller, and what there is instead; nothing of what was named.
    pub(super) fn lane_of(
        &self,
        provider: Provider,
        native: &mut Native,
        rights: &Rights,
        as_gaurun: bool,
    ) -> Result<LaneId, NoLane> {
        let names_none = native.is_empty() || as_gaurun && self.is_gauruns();
        if names_none && !self.needs_app && rights.reach("") {
            return Ok(LaneId::of_default(provider));
        }
        let app = text(native, APP)?;
        let named = app.as_deref().filter(|app| *app != DEFAULT_APP_NAME);
        if !rights.reach(named.unwrap_or_default()) {
            // Whether there is such an app is none of the caller's affair.
            let field = if app.is_some() { APP } else { "" };
            let apps = rights.apps().unwrap_or_default().iter();
            let apps: Vec<_> = apps.map(|app| shown(app)).collect();
            let error = format!("this API key is for app {} alone", listed(&apps));
            return Err(NoLane { field, error });
        }
        // Whoever has no environments tells that it has no use for one.
        let environment = if provider.has_environments() {
            text(native, ENVIRONMENT)?
        } else {
            None
        };
        let lane = self.lane(provider, app.as_deref(), environment.as_deref())?;
        native.remove(APP);
        if provider.has_environments() {
            native.remove(ENVIRONMENT);
        }
        Ok(lane)
    }

    /// Whether there is one app, in one environment, as Gaurun had it.
    fn is_gauruns(&self) -> bool {
        let mut lanes = self.lanes.iter();
        lanes.all(|((app, _), lanes)| app.is_empty() && lanes.len() == 1)
    }

    fn lane(
        &self,
        provider: Provider,
        app: Option<&str>,
        environment: Option<&str>,
    ) -> Result<LaneId, NoLane> {
        let app = app.filter(|app| !app.is_empty());
        if app.is_none() && self.needs_app {
            let error = format!("no app is named, and there are {}", self.names());
            return Err(NoLane { field: "", error });
        }
        let named = app.filter(|app| *app != DEFAULT_APP_NAME);
        let named = named.unwrap_or_default();
        let lanes = self.lanes.get(&(named, provider)).map(Vec::as_slice);
        let Some([first, others @ ..]) = lanes else {
            return self.other_than(provider, named);
        };
        let is_meant = |it: &OfApp| it.environment.map(ApnsEnvironment::word) == environment;
        let mut all = std::iter::once(first).chain(others);
        // That it is disabled is what is wrong then.
        if environment.is_none() || !first.is_enabled {
            return Ok(first.lane);
        }
        all.clone().find(|it| is_meant(it)).map_or_else(
            || {
                let known = all.by_ref().filter_map(|it| it.environment);
                let known: Vec<_> = known.map(ApnsEnvironment::word).collect();
                let (app, known) = (shown(named), known.join(" and "));
                let error = format!("app {app} has no such environment: it has {known}");
                let field = ENVIRONMENT;
                Err(NoLane { field, error })
            },
            |found| Ok(found.lane),
        )
    }

    /// The lane of an app without sections for that provider, if there is no configuration at all.
    fn other_than(&self, provider: Provider, app: &str) -> Result<LaneId, NoLane> {
        let platform = provider.platform();
        let mut others = self.lanes.keys().filter(|(of, _)| *of == app);
        let error = match others.next() {
            None if app.is_empty() => return Ok(LaneId::of_default(provider)),
            None => format!("no such app: there are {}", self.names()),
            Some((_, other)) => {
                let other = other.platform();
                format!("app {} has no {platform}: it has {other}", shown(app))
            }
        };
        Err(NoLane { field: APP, error })
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

/// Why a notification goes nowhere.
#[derive(Debug)]
pub(super) struct NoLane {
    /// The field that is wrong; empty if it is one that is missing.
    pub(super) field: &'static str,
    pub(super) error: String,
}

const APP: &str = "app";
const ENVIRONMENT: &str = "environment";

/// The fields by which a notification names its lane, and a request about channels, too.
pub(super) const LANE_FIELDS: [&str; 2] = [APP, ENVIRONMENT];

/// A field that has to be a text, if it is there.
fn text(native: &Native, field: &'static str) -> Result<Option<String>, NoLane> {
    let Some(raw) = native.get(field) else {
        return Ok(None);
    };
    let text = serde_json::from_str(raw.get());
    text.map(Some).map_err(|_| NoLane {
        field,
        error: format!("{field} must be a string"),
    })
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
            // As an old journal may have named them.
            (lane("shop/ios/sandbox"), true, Some(Sandbox)),
            (lane("shop/ios"), true, Some(Production)),
            (lane("shop/android"), false, None),
        ])
    }

    fn check(apps: &Apps, asked: (Provider, Option<&str>, Option<&str>), expected: &str) {
        let (provider, app, environment) = asked;
        let found = apps.lane(provider, app, environment);
        let found = found.map_or_else(|no| no.error, |lane| lane.name().to_owned());
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
            (
                (Apns, None, Some("production")),
                "app default has no such environment: it has sandbox",
            ),
            (
                (Apns, Some("shop"), Some("Sandbox")),
                "app shop has no such environment: it has production and sandbox",
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
        assert!(!apps.are_several(), "there is one");
        check(&apps, (Provider::Apns, None, None), expected);
        check(&apps, (Provider::Apns, Some("shop"), None), "shop/ios");
        check(&apps, (Provider::Apns, Some("default"), None), "ios");
        // Where nothing at all is enabled, that is what is said of the lane.
        check(&Apps::of(unused), (Provider::Apns, None, None), "ios");
        check(&Apps::default(), (Provider::Fcm, None, None), "android");
    }

    #[test]
    fn apps_are_several_also_while_others_are_disabled() {
        let lanes = |is_enabled| {
            let shop = LaneId::named("shop/ios").unwrap();
            [(LaneId::IOS, true, None), (shop, is_enabled, None)]
        };
        assert!(
            [true, false]
                .map(lanes)
                .map(Apps::of)
                .iter()
                .all(Apps::are_several)
        );
        assert!(
            !Apps::of([(LaneId::IOS, true, None), (LaneId::ANDROID, true, None)]).are_several()
        );
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
