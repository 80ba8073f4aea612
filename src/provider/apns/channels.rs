//! What is asked of Apple's servers that manage an app's broadcast channels, and what they answer.

use serde::Deserialize;
use serde_json::Value;

use crate::provider::Answer;

/// What is asked about the channels of an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelOrder<'a> {
    /// A new one, which stores the latest message for devices that are offline, or none.
    Create {
        /// Whether it does.
        stores: bool,
    },
    /// What the one of that id is like.
    Read(&'a str),
    /// That there be no such one any more.
    Delete(&'a str),
    /// Which there are.
    List,
}

/// What comes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelNews {
    /// There is a new one of that id.
    Created(String),
    /// There is such a one.
    Found {
        /// Whether it stores the latest message.
        stores: bool,
        /// What is pushed to it.
        push_type: String,
    },
    /// There is none any more.
    Deleted,
    /// The ids of all.
    Listed(Vec<String>),
}

/// A request to those servers, less what proves who we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelRequest<'a> {
    /// Its method.
    pub method: &'static str,
    /// Where it goes on the server.
    pub path: String,
    /// `apns-channel-id`.
    pub channel: Option<&'a str>,
    /// Its content, which is JSON.
    pub body: Option<String>,
}

/// Whose matter it is that a request about channels came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelFault {
    /// There is no such channel.
    NoChannel,
    /// What its caller has asked.
    Request,
    /// How things are with the app at Apple.
    App,
    /// Too many have come.
    Pace,
    /// Apple's servers, now.
    Service,
    /// What we are set up with, or we ourselves.
    Setup,
}

/// Where apps' channels are managed: host and port.
pub const fn channels_host(sandbox: bool) -> (&'static str, u16) {
    if sandbox {
        ("api-manage-broadcast.sandbox.push.apple.com", 2195)
    } else {
        ("api-manage-broadcast.push.apple.com", 2196)
    }
}

/// What Apple calls the only push type that there are channels for.
pub const CHANNEL_PUSH_TYPE: &str = "LiveActivity";

impl<'a> ChannelOrder<'a> {
    /// The request that asks for it, of the app with that bundle id.
    pub fn request(self, bundle: &str) -> ChannelRequest<'a> {
        let (method, channel) = match self {
            Self::Create { .. } => ("POST", None),
            Self::Read(id) => ("GET", Some(id)),
            Self::Delete(id) => ("DELETE", Some(id)),
            Self::List => ("GET", None),
        };
        let what = match self {
            Self::List => "all-channels",
            _ => "channels",
        };
        let body = match self {
            Self::Create { stores } => Some(format!(
                r#"{{"message-storage-policy":{},"push-type":"{CHANNEL_PUSH_TYPE}"}}"#,
                u8::from(stores)
            )),
            _ => None,
        };
        ChannelRequest {
            method,
            path: format!("/1/apps/{bundle}/{what}"),
            channel,
            body,
        }
    }

    /// What an answer of that status says, with that `apns-channel-id` and that content; `None` if
    /// it is none that Apple documents for what was asked, although it is no refusal.
    pub fn news(self, status: u16, channel: Option<&[u8]>, body: &[u8]) -> Option<ChannelNews> {
        match (self, status) {
            (Self::Create { .. }, 201) => {
                let id = str::from_utf8(channel?).ok()?;
                super::check_channel(id).ok()?;
                Some(ChannelNews::Created(id.to_owned()))
            }
            (Self::Read(_), 200) => {
                let read: ChannelRead = serde_json::from_slice(body).ok()?;
                // Kept within what a message may quote: whoever answers may be anybody.
                let push_type = read.push_type.filter(|word| word.len() <= PUSH_TYPE_MAX);
                Some(ChannelNews::Found {
                    stores: read.policy.as_u64()? == 1,
                    push_type: push_type.unwrap_or_default(),
                })
            }
            (Self::Delete(_), 204 | 200) => Some(ChannelNews::Deleted),
            (Self::List, 200) => {
                let list: ChannelList = serde_json::from_slice(body).ok()?;
                let are_ids = list
                    .channels
                    .iter()
                    .all(|id| super::check_channel(id).is_ok());
                are_ids.then_some(ChannelNews::Listed(list.channels))
            }
            _ => None,
        }
    }
}

/// Whose matter a refusal is.
pub fn channel_fault(answer: &Answer) -> ChannelFault {
    match (&*answer.reason, answer.status) {
        ("ChannelNotRegistered", _) => ChannelFault::NoChannel,
        ("BadChannelId", _) => ChannelFault::Request,
        ("FeatureNotEnabled" | "CannotCreateChannelConfig", _) => ChannelFault::App,
        // The credential's pace, which is no caller's.
        ("TooManyProviderTokenUpdates", _) | (_, 500..) => ChannelFault::Service,
        (_, 429) => ChannelFault::Pace,
        _ => ChannelFault::Setup,
    }
}

/// What is told of a channel.
#[derive(Deserialize)]
struct ChannelRead {
    #[serde(rename = "message-storage-policy")]
    policy: Value,
    #[serde(rename = "push-type", default)]
    push_type: Option<String>,
}

/// What is told of all.
#[derive(Deserialize)]
struct ChannelList {
    channels: Vec<String>,
}

/// Our limit: bytes of a channel's push type.
const PUSH_TYPE_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moment::Moment;
    use crate::provider::AnswerHead;
    use crate::provider::apns::{ROWS, answer};

    #[test]
    fn each_order_is_a_request_of_apples() {
        let id = "dHN0LXNyY2gtY2hubA==";
        let body = r#"{"message-storage-policy":1,"push-type":"LiveActivity"}"#;
        for (order, method, path, channel, body) in [
            (
                ChannelOrder::Create { stores: true },
                "POST",
                "/1/apps/com.acme/channels",
                None,
                Some(body),
            ),
            (
                ChannelOrder::Read(id),
                "GET",
                "/1/apps/com.acme/channels",
                Some(id),
                None,
            ),
            (
                ChannelOrder::Delete(id),
                "DELETE",
                "/1/apps/com.acme/channels",
                Some(id),
                None,
            ),
            (
                ChannelOrder::List,
                "GET",
                "/1/apps/com.acme/all-channels",
                None,
                None,
            ),
        ] {
            let request = order.request("com.acme");
            assert_eq!((request.method, &*request.path), (method, path));
            assert_eq!((request.channel, request.body.as_deref()), (channel, body));
        }
    }

    #[test]
    fn each_environment_has_its_host_and_port() {
        let production = ("api-manage-broadcast.push.apple.com", 2196);
        let sandbox = ("api-manage-broadcast.sandbox.push.apple.com", 2195);
        assert_eq!([false, true].map(channels_host), [production, sandbox]);
    }

    #[test]
    fn what_apple_does_not_document_is_no_news() {
        let (create, read) = (
            ChannelOrder::Create { stores: true },
            ChannelOrder::Read("ab"),
        );
        let delete = ChannelOrder::Delete("ab");
        for (order, status, channel, body, is_news) in [
            (create, 201, Some("ab"), "", true),
            (create, 201, None, "", false),
            (create, 201, Some("a b"), "", false),
            (create, 200, Some("ab"), "", false),
            (read, 200, None, r#"{"message-storage-policy":0}"#, true),
            (read, 200, None, r#"{"push-type":"LiveActivity"}"#, false),
            (read, 200, None, "<html>", false),
            (delete, 204, None, "", true),
            (delete, 202, None, "", false),
            (
                ChannelOrder::List,
                200,
                None,
                r#"{"channels":["ab"]}"#,
                true,
            ),
            (
                ChannelOrder::List,
                200,
                None,
                r#"{"channels":["a b"]}"#,
                false,
            ),
            (ChannelOrder::List, 200, None, r#"{"channels":"ab"}"#, false),
            (ChannelOrder::List, 204, None, "", false),
        ] {
            let news = order.news(status, channel.map(str::as_bytes), body.as_bytes());
            assert_eq!(
                news.is_some(),
                is_news,
                "{order:?} {status} {channel:?} {body}"
            );
        }
    }

    #[test]
    fn each_refusal_is_somebodys_matter() {
        use ChannelFault::{App, NoChannel, Pace, Request, Service, Setup};
        for row in ROWS {
            let head = AnswerHead {
                status: row.status,
                ..AnswerHead::default()
            };
            let body = format!(r#"{{"reason":"{}"}}"#, row.reason);
            let answer = answer(head, body.as_bytes(), Moment::now());
            let expected = match row.reason {
                "ChannelNotRegistered" => NoChannel,
                "BadChannelId" => Request,
                "FeatureNotEnabled" | "CannotCreateChannelConfig" => App,
                "TooManyRequests" => Pace,
                "TooManyProviderTokenUpdates" => Service,
                _ if row.status >= 500 => Service,
                _ => Setup,
            };
            assert_eq!(channel_fault(&answer), expected, "{}", row.reason);
        }
    }
}
