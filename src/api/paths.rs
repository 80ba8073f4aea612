//! The paths of the API: what each may be asked, with which right, and with what statuses it
//! answers. Requests find their route here, and the document of the API is made from it.
//!
//! Pure: no I/O, no clock.

use super::rights::Right;
use crate::feed::FeedStream;
use crate::push::PushId;

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// `/push`.
    Push,
    /// `/api/push`, as gorush's callers post it.
    GorushPush,
    /// `/push/{id}`, if that is the number of a push.
    PushState(Option<PushId>),
    /// `/stat/app`.
    StatApp,
    /// `/stat/go`, under Gaurun's keys.
    StatGo,
    /// `/stat/runtime`, under proper keys.
    StatRuntime,
    /// `/metrics`.
    Metrics,
    /// `/config`.
    Config,
    /// `/config/pushers`.
    Pushers,
    /// `/pushes`.
    Pushes,
    /// `/channels`.
    Channels,
    /// `/channels/{channel}`, whatever stands there.
    Channel(Box<str>),
    /// `/lanes/{name}/pause` and `/lanes/{name}/resume`.
    Lane {
        /// What the lane is called.
        name: Box<str>,
        /// What it is told.
        order: Order,
    },
    /// `/settlements` and `/tokens/dead`.
    Feed(FeedStream),
    /// `/livez`.
    Livez,
    /// `/readyz`.
    Readyz,
    /// `/healthz`.
    Health,
    /// `/openapi.json`.
    OpenApi,
    /// An unclean path: the clean one to go to.
    Redirect(String),
    /// No such page.
    Unknown,
    /// A target that is no URL.
    Malformed,
}

/// What an operator tells a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Sends nothing more until told otherwise.
    Pause,
    /// Sends again.
    Resume,
}

/// A path of the API.
#[derive(Debug)]
pub struct PathItem {
    /// As it is written, with the name of what varies in braces, if something does.
    pub path: &'static str,
    /// What may be asked of it.
    pub operations: &'static [PathOperation],
    /// Whether it is for those without an API key, too.
    pub needs_no_key: bool,
    /// Whether it answers to any method, as Gaurun's pages did.
    pub takes_any_method: bool,
    /// Whether it is about the daemon as a whole, so that an API key for some apps is not good for
    /// it.
    pub is_of_all_apps: bool,
    /// The route to it, by what stands in the place of what varies.
    pub route: fn(&str) -> Route,
}

/// A method of a path.
#[derive(Debug)]
pub struct PathOperation {
    /// In upper case; `GET` is `HEAD`, too.
    pub method: &'static str,
    /// The rights of which it needs one; none for what any API key is good for, if one is asked
    /// for.
    pub rights: &'static [Right],
    /// What it does, in a line.
    pub summary: &'static str,
    /// The parameter of its query that it must have.
    pub query: Option<&'static str>,
    /// Whether its query may say of which app and environment it is.
    pub names_lane: bool,
    /// Whether its query may say after what, and how much.
    pub pages: bool,
    /// What it takes.
    pub takes: Option<PathBody>,
    /// What it answers with 200 or 201.
    pub answers: PathBody,
    /// Its statuses beside those of [`STATUSES_OF_ANY`].
    pub statuses: &'static [u16],
}

/// A body, by the name of its schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathBody {
    /// Notifications.
    PushRequest,
    /// One of them.
    Notification,
    /// Notifications as gorush's callers write them.
    GorushRequest,
    /// One of those.
    GorushNotification,
    /// What became of each part of a request for pushes.
    PushAnswer,
    /// The same, in gorush's words.
    GorushAnswer,
    /// Where a push is.
    PushState,
    /// What a broadcast channel is to be like.
    ChannelRequest,
    /// A broadcast channel, or all of them.
    ChannelAnswer,
    /// Records of a feed.
    FeedAnswer,
    /// A message, and what belongs to it.
    Message,
    /// Figures, or the configuration.
    Figures,
    /// Text.
    Text,
}

const fn operation(
    method: &'static str,
    rights: &'static [Right],
    answers: PathBody,
    statuses: &'static [u16],
    summary: &'static str,
) -> PathOperation {
    PathOperation {
        method,
        rights,
        summary,
        query: None,
        names_lane: false,
        pages: false,
        takes: None,
        answers,
        statuses,
    }
}

const fn item(
    path: &'static str,
    route: fn(&str) -> Route,
    operations: &'static [PathOperation],
) -> PathItem {
    PathItem {
        path,
        operations,
        needs_no_key: false,
        takes_any_method: false,
        is_of_all_apps: false,
        route,
    }
}

const NONE: &[Right] = &[];
const PUSH: &[Right] = &[Right::Push];
const READ: &[Right] = &[Right::Read];
const OPERATE: &[Right] = &[Right::Operate];
const CHANNELS: &[Right] = &[Right::Channels];
const FEED: &[Right] = &[Right::Feed];
const LOOK_AT_CHANNELS: &[Right] = &[Right::Read, Right::Channels];

/// Statuses of any request, whatever its path: what is wrong with its HTTP, with who asks, or with
/// the room that there is for it.
pub const STATUSES_OF_ANY: [u16; 9] = [400, 401, 403, 408, 413, 417, 431, 503, 505];

/// Statuses of a request for pushes.
const OF_PUSHES: &[u16] = &[200, 409, 415, 422, 500];

/// Statuses of a request about broadcast channels, but for one that makes one.
const OF_CHANNELS: &[u16] = &[200, 404, 409, 429, 502, 504];

/// Statuses of a request for records of a feed.
const OF_FEED: &[u16] = &[200, 404, 410];

/// The paths, in the order of the documentation.
pub static PATHS: &[PathItem] = &[
    item(
        "/push",
        |_| Route::Push,
        &[PathOperation {
            takes: Some(PathBody::PushRequest),
            ..operation(
                "POST",
                PUSH,
                PathBody::PushAnswer,
                OF_PUSHES,
                "Takes notifications, each for any number of devices.",
            )
        }],
    ),
    item(
        "/api/push",
        |_| Route::GorushPush,
        &[PathOperation {
            takes: Some(PathBody::GorushRequest),
            ..operation(
                "POST",
                PUSH,
                PathBody::GorushAnswer,
                OF_PUSHES,
                "Takes notifications as gorush's callers post them.",
            )
        }],
    ),
    item(
        "/push/{id}",
        |id| Route::PushState(push_id(id)),
        &[
            operation(
                "GET",
                READ,
                PathBody::PushState,
                &[200, 404],
                "Tells where a push is, or how it ended.",
            ),
            operation(
                "DELETE",
                OPERATE,
                PathBody::Message,
                &[200, 404, 409, 500],
                "Settles one push as failed, wherever it is.",
            ),
        ],
    ),
    PathItem {
        takes_any_method: true,
        ..item(
            "/stat/app",
            |_| Route::StatApp,
            &[operation(
                "GET",
                READ,
                PathBody::Figures,
                &[200],
                "Tells what is queued, in flight and settled, by lane.",
            )],
        )
    },
    PathItem {
        takes_any_method: true,
        is_of_all_apps: true,
        ..item(
            "/stat/runtime",
            |_| Route::StatRuntime,
            &[operation(
                "GET",
                READ,
                PathBody::Figures,
                &[200],
                "Tells figures of the process.",
            )],
        )
    },
    PathItem {
        takes_any_method: true,
        is_of_all_apps: true,
        ..item(
            "/stat/go",
            |_| Route::StatGo,
            &[operation(
                "GET",
                READ,
                PathBody::Figures,
                &[200],
                "Tells the same under Gaurun's keys.",
            )],
        )
    },
    PathItem {
        is_of_all_apps: true,
        ..item(
            "/metrics",
            |_| Route::Metrics,
            &[operation(
                "GET",
                READ,
                PathBody::Text,
                &[200, 404],
                "Tells what Prometheus scrapes: its text format, or OpenMetrics; 404 where it has an \
                 address of its own.",
            )],
        )
    },
    PathItem {
        is_of_all_apps: true,
        ..item(
            "/config",
            |_| Route::Config,
            &[operation(
                "GET",
                READ,
                PathBody::Figures,
                &[200],
                "Shows the configuration in force, without secrets.",
            )],
        )
    },
    PathItem {
        is_of_all_apps: true,
        ..item(
            "/config/pushers",
            |_| Route::Pushers,
            &[PathOperation {
                query: Some("max"),
                ..operation(
                    "PUT",
                    OPERATE,
                    PathBody::Message,
                    &[200],
                    "Changes the streams in flight per connection.",
                )
            }],
        )
    },
    item(
        "/lanes/{lane}/pause",
        |name| told(name, Order::Pause),
        &[operation(
            "PUT",
            OPERATE,
            PathBody::Message,
            &[200, 404],
            "Stops sending: what is accepted waits.",
        )],
    ),
    item(
        "/lanes/{lane}/resume",
        |name| told(name, Order::Resume),
        &[operation(
            "PUT",
            OPERATE,
            PathBody::Message,
            &[200, 404],
            "Starts sending again.",
        )],
    ),
    item(
        "/pushes",
        |_| Route::Pushes,
        &[PathOperation {
            query: Some("identifier"),
            ..operation(
                "DELETE",
                OPERATE,
                PathBody::Message,
                &[200, 500],
                "Settles the waiting pushes of that identifier as failed.",
            )
        }],
    ),
    item(
        "/channels",
        |_| Route::Channels,
        &[
            PathOperation {
                takes: Some(PathBody::ChannelRequest),
                names_lane: true,
                ..operation(
                    "POST",
                    CHANNELS,
                    PathBody::ChannelAnswer,
                    &[201, 404, 409, 429, 502, 504],
                    "Makes a broadcast channel at Apple.",
                )
            },
            PathOperation {
                names_lane: true,
                ..operation(
                    "GET",
                    LOOK_AT_CHANNELS,
                    PathBody::ChannelAnswer,
                    OF_CHANNELS,
                    "Lists the broadcast channels of an app.",
                )
            },
        ],
    ),
    item(
        "/channels/{channel}",
        |id| Route::Channel(id.into()),
        &[
            PathOperation {
                names_lane: true,
                ..operation(
                    "GET",
                    LOOK_AT_CHANNELS,
                    PathBody::ChannelAnswer,
                    OF_CHANNELS,
                    "Tells what a broadcast channel is like.",
                )
            },
            PathOperation {
                names_lane: true,
                ..operation(
                    "DELETE",
                    CHANNELS,
                    PathBody::ChannelAnswer,
                    OF_CHANNELS,
                    "Deletes a broadcast channel, for good.",
                )
            },
        ],
    ),
    item(
        "/settlements",
        |_| Route::Feed(FeedStream::Settlements),
        &[PathOperation {
            pages: true,
            ..operation(
                "GET",
                FEED,
                PathBody::FeedAnswer,
                OF_FEED,
                "Tells how pushes ended, in order, after a cursor.",
            )
        }],
    ),
    item(
        "/tokens/dead",
        |_| Route::Feed(FeedStream::DeadTokens),
        &[PathOperation {
            pages: true,
            ..operation(
                "GET",
                FEED,
                PathBody::FeedAnswer,
                OF_FEED,
                "Tells which device tokens are dead, in order, after a cursor.",
            )
        }],
    ),
    PathItem {
        needs_no_key: true,
        ..item(
            "/livez",
            |_| Route::Livez,
            &[operation(
                "GET",
                NONE,
                PathBody::Text,
                &[200],
                "Tells whether all threads have been heard of; needs no API key.",
            )],
        )
    },
    PathItem {
        needs_no_key: true,
        ..item(
            "/readyz",
            |_| Route::Readyz,
            &[operation(
                "GET",
                NONE,
                PathBody::Text,
                &[200],
                "Tells whether pushes are taken; needs no API key. verbose: each part in words.",
            )],
        )
    },
    PathItem {
        needs_no_key: true,
        takes_any_method: true,
        ..item(
            "/healthz",
            |_| Route::Health,
            &[operation(
                "GET",
                NONE,
                PathBody::Message,
                &[200],
                "Tells whether the daemon takes pushes; needs no API key.",
            )],
        )
    },
    item(
        "/openapi.json",
        |_| Route::OpenApi,
        &[operation(
            "GET",
            NONE,
            PathBody::Figures,
            &[200],
            "Shows this document; any API key is good for it.",
        )],
    ),
];

impl PathItem {
    /// What stands before and behind what varies in it, and whether something does.
    fn parts(&self) -> (&'static str, &'static str, bool) {
        let varying = self.path.split_once('{');
        let parts = varying.and_then(|(before, rest)| Some((before, rest.split_once('}')?.1)));
        parts.map_or((self.path, "", false), |(before, behind)| {
            (before, behind, true)
        })
    }

    /// The name of what varies in it, if something does.
    pub fn parameter(&self) -> Option<&'static str> {
        let (_, rest) = self.path.split_once('{')?;
        Some(rest.split_once('}')?.0)
    }

    /// The route of a path, if it is one of these.
    fn route_of(&self, path: &str) -> Option<Route> {
        let (before, behind, varies) = self.parts();
        let varying = path.strip_prefix(before)?.strip_suffix(behind)?;
        (varying.is_empty() != varies).then(|| (self.route)(varying))
    }

    /// The rights of which a method needs one; of a method that is not known here, those of the
    /// first.
    pub fn rights(&self, method: &str) -> &'static [Right] {
        let operation = self.operation(method).or(self.operations.first());
        operation.map_or(NONE, |operation| operation.rights)
    }

    /// The operation of a method, if it is one of these.
    pub fn operation(&self, method: &str) -> Option<&'static PathOperation> {
        let method = if method == "HEAD" { "GET" } else { method };
        let mut all = self.operations.iter();
        all.find(|operation| operation.method == method)
    }

    /// Why a method is none of these, if so.
    pub fn refused_method(&self, method: &str) -> Option<String> {
        if self.takes_any_method || self.operation(method).is_some() {
            return None;
        }
        let known = self.operations.iter().map(|operation| operation.method);
        let known = known.collect::<Vec<_>>().join(" or ");
        Some(format!("method must be {known}"))
    }
}

/// The route to a clean path, and what may be asked there.
pub(super) fn find(path: &str) -> Option<(Route, &'static PathItem)> {
    let mut all = PATHS.iter();
    all.find_map(|item| Some((item.route_of(path)?, item)))
}

/// The route of what an operator tells a lane; the name of an app's lane has slashes.
fn told(name: &str, order: Order) -> Route {
    let name = name.into();
    Route::Lane { name, order }
}

/// Digits only, of a number that an id can be.
fn push_id(text: &str) -> Option<PushId> {
    let number = text.parse().ok().map(PushId);
    let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit());
    number.filter(|id| is_decimal && (1..1 << 53).contains(&id.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::REQUESTS_MAX;

    #[test]
    fn each_path_with_each_of_its_statuses_is_counted_apart() {
        let of_its_own = PATHS.iter().flat_map(|item| item.operations);
        let of_its_own: usize = of_its_own.map(|operation| operation.statuses.len()).sum();
        // Beside the paths there are what could not be read, and what is no path.
        let of_any = (PATHS.len() + 2) * (STATUSES_OF_ANY.len() + 1);
        assert!(of_its_own + of_any < REQUESTS_MAX, "{of_its_own} {of_any}");
    }
}
