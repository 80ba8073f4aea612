//! What a caller may do, and what each request needs the right for.
//!
//! Pure: no I/O, no clock.

use super::route::Route;

/// One thing that an API key may be good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Pushes are accepted.
    Push,
    /// What there is to see is shown: pushes, figures, the configuration.
    Read,
    /// Lanes are paused and resumed, pushes purged, limits set.
    Operate,
}

/// What an API key is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights([bool; Right::ALL.len()]);

impl Right {
    /// All of them, in the order of the documentation.
    pub const ALL: [Self; 3] = [Self::Push, Self::Read, Self::Operate];

    /// Its word in the file of API keys and in answers.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Read => "read",
            Self::Operate => "operate",
        }
    }

    /// The right that a request needs; `None` for what any key is good for, if one is asked for.
    pub fn needed(route: &Route, method: &str) -> Option<Self> {
        match route {
            Route::Push => Some(Self::Push),
            Route::PushState(_) if method == "DELETE" => Some(Self::Operate),
            Route::PushState(_)
            | Route::StatApp
            | Route::StatGo
            | Route::StatRuntime
            | Route::Config => Some(Self::Read),
            Route::Pushers | Route::Pushes | Route::Lane { .. } => Some(Self::Operate),
            Route::Health | Route::Redirect(_) | Route::Unknown | Route::Malformed => None,
        }
    }
}

impl Rights {
    /// All that there are.
    pub const ALL: Self = Self([true; Right::ALL.len()]);

    /// Those that a list of words names, with commas between them.
    ///
    /// # Errors
    ///
    /// What is wrong with it, without the words: one may be a key.
    pub fn parse(words: &str) -> Result<Self, String> {
        let mut rights = Self([false; Right::ALL.len()]);
        for word in words.split(',') {
            let Some(at) = Right::ALL.iter().position(|right| right.word() == word) else {
                let known = Right::ALL.map(Right::word).join(", ");
                return Err(format!(
                    "a word behind rights= is none of {known}; write them with commas between them \
                     and without blanks, as in rights=push,read"
                ));
            };
            // Each right has its place.
            if let Some(has) = rights.0.get_mut(at) {
                *has = true;
            }
        }
        Ok(rights)
    }

    /// Whether it is one of them.
    pub fn have(self, right: Right) -> bool {
        let mut all = Right::ALL.into_iter().zip(self.0);
        all.any(|(known, has)| known == right && has)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_needs_the_right_that_the_documents_say() {
        let (push, read, operate) = (Some(Right::Push), Some(Right::Read), Some(Right::Operate));
        for (method, target, right) in [
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
            ("GET", "/healthz", None),
            ("GET", "//push", None),
            ("GET", "/nowhere", None),
            ("GET", "*", None),
        ] {
            let (route, _) = Route::of(target);
            assert_eq!(Right::needed(&route, method), right, "{method} {target}");
        }
    }

    #[test]
    fn rights_are_those_that_are_named() {
        for (words, has) in [
            ("push", [true, false, false]),
            ("read", [false, true, false]),
            ("operate,push", [true, false, true]),
            ("push,read,operate", [true, true, true]),
            ("read,read", [false, true, false]),
        ] {
            let rights = Rights::parse(words).unwrap();
            assert_eq!(Right::ALL.map(|right| rights.have(right)), has, "{words}");
        }
        assert_eq!(Rights::parse("push,read,operate"), Ok(Rights::ALL));
        for wrong in [
            "",
            "hunter2",
            "push,",
            ",push",
            "Push",
            "push;read",
            "push,hunter2",
        ] {
            let error = Rights::parse(wrong).unwrap_err();
            let expected = "a word behind rights= is none of push, read, operate; ";
            assert!(error.starts_with(expected), "{wrong}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
