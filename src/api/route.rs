//! Which of the endpoints a request target names.
//!
//! Pure: no I/O, no clock. Paths are cleaned and redirected as Go's `ServeMux` does it.

pub use super::paths::{Order, Route};
use super::paths::{PathItem, find};
use crate::http1::query::{Plus, percent_decoded};

impl Route {
    /// The route of a request target, its query string, and what may be asked there.
    pub fn of(target: &str) -> (Self, &str, Option<&'static PathItem>) {
        let target = target.split('#').next().unwrap_or_default();
        let (path, query) = origin_form(target)
            .split_once('?')
            .unwrap_or((origin_form(target), ""));
        let Some(path) = percent_decoded(path, Plus::IsPlus).filter(|path| path.starts_with('/'))
        else {
            return (Self::Malformed, query, None);
        };
        // The id of a channel has slashes, of which two may follow one another.
        let channel = Some(&*path).filter(|path| path.starts_with("/channels/"));
        if let Some((route, item)) = channel.and_then(find) {
            return (route, query, Some(item));
        }
        let clean = cleaned(&path);
        if clean != path {
            let mut location = percent_encoded(&clean, b"-_.~$&+,/:;=@");
            if !query.is_empty() {
                location.push('?');
                location.push_str(&percent_encoded(query, b"!#$%&'()*+,-./:;=?@[]_~"));
            }
            return (Self::Redirect(location), query, None);
        }
        match find(&clean) {
            Some((route, item)) => (route, query, Some(item)),
            None => (Self::Unknown, query, None),
        }
    }
}

/// RFC 9112 §3.2: an absolute target, as sent to a proxy, less its scheme and authority.
fn origin_form(target: &str) -> &str {
    match without_scheme(target) {
        None => target,
        Some(rest) => rest
            .find(['/', '?'])
            .and_then(|at| rest.get(at..))
            .unwrap_or("/"),
    }
}

/// Whom an absolute target names.
pub(super) fn authority(target: &str) -> Option<&str> {
    without_scheme(target)?.split(['/', '?', '#']).next()
}

fn without_scheme(target: &str) -> Option<&str> {
    ["http://", "https://"]
        .iter()
        .find_map(|scheme| target.strip_prefix(scheme))
}

/// The path without empty, `.` and `..` elements; a slash at its end stays.
fn cleaned(path: &str) -> String {
    let mut elements: Vec<&str> = Vec::new();
    for element in path.split('/') {
        match element {
            "" | "." => {}
            ".." => drop(elements.pop()),
            element => elements.push(element),
        }
    }
    let mut clean = String::with_capacity(path.len() + 1);
    for element in &elements {
        clean.push('/');
        clean.push_str(element);
    }
    if clean.is_empty() || path.ends_with('/') {
        clean.push('/');
    }
    clean
}

/// A text as it may stand in `Location`; of what is no letter and no digit, `kept` stays.
fn percent_encoded(text: &str, kept: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || kept.contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}"); // memory takes it
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::FeedStream;
    use crate::push::PushId;

    fn told(name: &str, order: Order) -> Route {
        let name = name.into();
        Route::Lane { name, order }
    }

    #[test]
    fn targets_find_their_routes() {
        for (target, route) in [
            ("/push", Route::Push),
            ("/push?x=1", Route::Push),
            ("/api/push", Route::GorushPush),
            ("/api/push/", Route::Unknown),
            ("/%70ush", Route::Push),
            ("http://sterna.example:1056/push", Route::Push),
            ("/stat/app", Route::StatApp),
            ("/stat/go", Route::StatGo),
            ("/stat/runtime", Route::StatRuntime),
            ("/metrics", Route::Metrics),
            ("/config", Route::Config),
            ("/config/pushers?max=1", Route::Pushers),
            ("/livez?verbose", Route::Livez),
            ("/readyz", Route::Readyz),
            ("/healthz", Route::Health),
            ("/settlements?limit=1", Route::Feed(FeedStream::Settlements)),
            ("/tokens/dead", Route::Feed(FeedStream::DeadTokens)),
            ("/tokens", Route::Unknown),
            ("/openapi.json", Route::OpenApi),
            ("/pushes?identifier=a", Route::Pushes),
            ("/channels?app=shop", Route::Channels),
            ("/channels/", Route::Unknown),
            ("//channels", Route::Redirect("/channels".into())),
            (
                "/channels/a+b//c/d==?app=x",
                Route::Channel("a+b//c/d==".into()),
            ),
            (
                "/channels/a%2Bb%2f%2Fc%3D",
                Route::Channel("a+b//c=".into()),
            ),
            ("/channels/..", Route::Channel("..".into())),
            ("/lanes/ios/pause", told("ios", Order::Pause)),
            ("/lanes/android/resume?x", told("android", Order::Resume)),
            ("/lanes/IOS/pause", told("IOS", Order::Pause)),
            ("/lanes/shop/ios/pause", told("shop/ios", Order::Pause)),
            (
                "/lanes/shop%2Fios/sandbox/resume",
                told("shop/ios/sandbox", Order::Resume),
            ),
            ("/lanes//pause", Route::Redirect("/lanes/pause".into())),
            ("/lanes/ios", Route::Unknown),
            ("/lanes/ios/pause/", Route::Unknown),
            ("/lanes/ios/stop", Route::Unknown),
            ("/push/", Route::Unknown),
            ("/push/17", Route::PushState(Some(PushId(17)))),
            ("/push/17?x=1", Route::PushState(Some(PushId(17)))),
            (
                "/push/9007199254740991",
                Route::PushState(Some(PushId((1 << 53) - 1))),
            ),
            ("/push/9007199254740992", Route::PushState(None)),
            ("/push/99999999999999999999", Route::PushState(None)),
            ("/push/0", Route::PushState(None)),
            ("/push/+1", Route::PushState(None)),
            ("/push/-1", Route::PushState(None)),
            ("/push/0x11", Route::PushState(None)),
            ("/push/17/", Route::PushState(None)),
            ("/push/a", Route::PushState(None)),
            ("/", Route::Unknown),
            ("/Push", Route::Unknown),
            ("/config/app", Route::Unknown),
            ("http://sterna.example", Route::Unknown),
            ("/%zz", Route::Malformed),
            ("//push", Route::Redirect("/push".into())),
            ("/./push", Route::Redirect("/push".into())),
            ("/stat/../push?a=b", Route::Redirect("/push?a=b".into())),
            ("/../../push", Route::Redirect("/push".into())),
            ("//a%20b%0d%0a/", Route::Redirect("/a%20b%0D%0A/".into())),
            (
                "//push?ä=%zz&b='",
                Route::Redirect("/push?%C3%A4=%zz&b='".into()),
            ),
            ("*", Route::Malformed),
            ("sterna.example:443", Route::Malformed),
            ("", Route::Malformed),
        ] {
            assert_eq!(Route::of(target).0, route, "{target}");
        }
    }

    #[test]
    fn the_query_is_handed_on() {
        assert_eq!(Route::of("/config/pushers?max=1&a").1, "max=1&a");
        assert_eq!(Route::of("/push").1, "");
    }
}
