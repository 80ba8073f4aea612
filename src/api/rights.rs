//! What a caller may do, and what each request needs the right for.
//!
//! Pure: no I/O, no clock.

use std::sync::Arc;

use crate::push::{DEFAULT_APP_NAME, TargetKind};

/// One thing that an API key may be good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Pushes are accepted.
    Push,
    /// What there is to see is shown: pushes, figures, the configuration.
    Read,
    /// Lanes are paused and resumed, pushes purged, limits set.
    Operate,
    /// Pushes to topics, and to conditions of topics, are accepted: each reaches an unknown number
    /// of devices.
    Topics,
    /// Pushes to broadcast channels are accepted, and such channels made, looked at and deleted.
    Channels,
    /// What became of pushes is read in order, with the device tokens that are dead.
    Feed,
}

/// What an API key is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights {
    has: [bool; Right::ALL.len()],
    /// The apps that it is for, in the order of the alphabet, the default one without a name;
    /// `None` for all.
    apps: Option<Arc<[Box<str>]>>,
}

impl Right {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 6] = [
        Self::Push,
        Self::Read,
        Self::Operate,
        Self::Topics,
        Self::Channels,
        Self::Feed,
    ];

    /// Its word in the file of API keys and in answers.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Topics => "topics",
            Self::Channels => "channels",
            Self::Feed => "feed",
        }
    }

    /// The right that a push needs beside [`Right::Push`], by what its targets are.
    pub fn of_target(kind: TargetKind) -> Option<Self> {
        match kind {
            TargetKind::DeviceToken | TargetKind::Fid => None,
            TargetKind::Topic | TargetKind::Condition => Some(Self::Topics),
            TargetKind::Channel => Some(Self::Channels),
        }
    }

    /// What is told to who lacks it.
    pub fn lack(self) -> String {
        format!("this API key lacks the right {}", self.word())
    }
}

impl Rights {
    /// All that there are, for all apps.
    pub const ALL: Self = Self {
        has: [true; Right::ALL.len()],
        apps: None,
    };

    /// None, for no app.
    pub fn none() -> Self {
        Self {
            has: [false; Right::ALL.len()],
            apps: Some(Arc::default()),
        }
    }

    /// Those among them that a list of words names, with commas between them.
    ///
    /// # Errors
    ///
    /// What is wrong with it, without the words: one may be a key.
    pub fn only(self, words: &str) -> Result<Self, String> {
        let mut has = [false; Right::ALL.len()];
        for word in words.split(',') {
            let Some(at) = Right::ALL.iter().position(|right| right.word() == word) else {
                let known = Right::ALL.map(Right::word).join(", ");
                return Err(format!(
                    "a word behind rights= is none of {known}; write them with commas between them \
                     and without blanks, as in rights=push,read"
                ));
            };
            // Each right has its place.
            if let Some(has) = has.get_mut(at) {
                *has = true;
            }
        }
        Ok(Self { has, ..self })
    }

    /// The same, for the apps that a list of names has, with commas between them.
    ///
    /// # Errors
    ///
    /// What is wrong with it, without the names: one may be a key.
    pub fn of_apps(self, names: &str) -> Result<Self, String> {
        let read = |app: &str| match app {
            "" => Err(
                "an app behind app= has no name; write them with commas between them and \
                       without blanks, as in app=shop,news"
                    .to_owned(),
            ),
            DEFAULT_APP_NAME => Ok(Box::default()),
            app => Ok(Box::from(app)),
        };
        let apps = names.split(',').map(read);
        let mut apps = apps.collect::<Result<Vec<Box<str>>, _>>()?;
        apps.sort();
        apps.dedup();
        let apps = Some(apps.into());
        Ok(Self { apps, ..self })
    }

    /// Whether it is one of them.
    pub fn have(&self, right: Right) -> bool {
        let mut all = Right::ALL.into_iter().zip(self.has);
        all.any(|(known, has)| known == right && has)
    }

    /// Whether they are for that app, the default one having no name.
    pub fn reach(&self, app: &str) -> bool {
        let apps = self.apps.as_deref();
        apps.is_none_or(|apps| apps.iter().any(|known| **known == *app))
    }

    /// The apps that they are for; `None` for all.
    pub fn apps(&self) -> Option<&[Box<str>]> {
        self.apps.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::super::route::Route;
    use super::*;

    #[test]
    fn each_request_needs_the_right_that_the_documents_say() {
        let (push, read, operate) = (
            &[Right::Push][..],
            &[Right::Read][..],
            &[Right::Operate][..],
        );
        let channels = &[Right::Channels][..];
        let look = &[Right::Read, Right::Channels][..];
        for (method, target, rights) in [
            ("POST", "/push", push),
            ("GET", "/push", push),
            ("GET", "/push/1", read),
            ("HEAD", "/push/1", read),
            ("DELETE", "/push/1", operate),
            ("DELETE", "/push/x", operate),
            ("POST", "/push/1", read),
            ("GET", "/stat/app", read),
            ("POST", "/stat/go", read),
            ("GET", "/stat/runtime", read),
            ("GET", "/config", read),
            ("PUT", "/config/pushers?max=1", operate),
            ("DELETE", "/pushes?identifier=a", operate),
            ("PUT", "/lanes/ios/pause", operate),
            ("PUT", "/lanes/nowhere/resume", operate),
            ("POST", "/channels", channels),
            ("GET", "/channels?app=shop", look),
            ("HEAD", "/channels/ab", look),
            ("DELETE", "/channels/ab", channels),
            ("PUT", "/channels", channels),
            ("GET", "/settlements?after=a", &[Right::Feed]),
            ("HEAD", "/tokens/dead", &[Right::Feed]),
            ("GET", "/healthz", &[]),
            ("GET", "/openapi.json", &[]),
            ("GET", "//push", &[]),
            ("GET", "/nowhere", &[]),
            ("GET", "*", &[]),
        ] {
            let item = Route::of(target).2;
            let needed = item.map_or(&[][..], |item| item.rights(method));
            assert_eq!(needed, rights, "{method} {target}");
        }
    }

    #[test]
    fn rights_are_those_that_are_named() {
        for (words, has) in [
            ("push", [true, false, false, false, false, false]),
            ("read", [false, true, false, false, false, false]),
            ("operate,push", [true, false, true, false, false, false]),
            ("push,topics", [true, false, false, true, false, false]),
            ("feed", [false, false, false, false, false, true]),
            ("push,read,operate,topics,channels,feed", [true; 6]),
            ("read,read", [false, true, false, false, false, false]),
        ] {
            let rights = Rights::ALL.only(words).unwrap();
            assert_eq!(Right::ALL.map(|right| rights.have(right)), has, "{words}");
        }
        let all = Right::ALL.map(Right::word).join(",");
        assert_eq!(Rights::ALL.only(&all), Ok(Rights::ALL));
        for wrong in [
            "",
            "hunter2",
            "push,",
            ",push",
            "Push",
            "push;read",
            "push,hunter2",
        ] {
            let error = Rights::ALL.only(wrong).unwrap_err();
            let expected =
                "a word behind rights= is none of push, read, operate, topics, channels, feed; ";
            assert!(error.starts_with(expected), "{wrong}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn rights_reach_the_apps_that_are_named() {
        for (names, reached, apps) in [
            ("shop", [false, true, false], &["shop"][..]),
            ("shop,news,shop", [false, true, true], &["news", "shop"]),
            ("default,shop", [true, true, false], &["", "shop"]),
        ] {
            let rights = Rights::ALL.of_apps(names).unwrap();
            assert_eq!(["", "shop", "news"].map(|app| rights.reach(app)), reached);
            let named: Vec<&str> = rights.apps().unwrap().iter().map(|app| &**app).collect();
            assert_eq!(named, apps);
        }
        assert_eq!(["", "shop"].map(|app| Rights::ALL.reach(app)), [true; 2]);
        assert_eq!(
            ["", "shop"].map(|app| Rights::none().reach(app)),
            [false; 2]
        );
        for wrong in ["", ",shop", "shop,,news"] {
            let error = Rights::ALL.of_apps(wrong).unwrap_err();
            assert!(
                error.starts_with("an app behind app= has no name"),
                "{error}"
            );
        }
    }
}
