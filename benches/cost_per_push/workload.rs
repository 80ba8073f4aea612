//! What is pushed: short notifications as a shop sends them, each to a device of its own.

use std::fmt;
use std::io::Write as _;

use sterna::push::{LaneId, Notification, Provider};

/// Notifications of one kind, so many to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) platform: LaneId,
    pub(crate) body: Body,
    pub(crate) batch: u32,
}

/// In whose fields a notification says the same: its provider gets one and the same request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// Gaurun's.
    Gaurun,
    /// The provider's own, beside the device token.
    Native,
    /// The provider's request as it is.
    Raw,
}

impl Shape {
    const fn new(platform: LaneId, body: Body, batch: u32) -> Self {
        Self {
            platform,
            body,
            batch,
        }
    }
}

/// What is measured, in this order.
pub(crate) const SHAPES: [Shape; 8] = [
    Shape::new(LaneId::IOS, Body::Gaurun, 100),
    Shape::new(LaneId::IOS, Body::Gaurun, 1),
    Shape::new(LaneId::IOS, Body::Native, 100),
    Shape::new(LaneId::IOS, Body::Raw, 100),
    Shape::new(LaneId::ANDROID, Body::Gaurun, 100),
    Shape::new(LaneId::ANDROID, Body::Gaurun, 1),
    Shape::new(LaneId::ANDROID, Body::Native, 100),
    Shape::new(LaneId::ANDROID, Body::Raw, 100),
];

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let provider = match self.platform.provider() {
            Provider::Apns => "APNs",
            Provider::Fcm => "FCM",
        };
        let body = match self.body {
            Body::Gaurun => "",
            Body::Native => " native",
            Body::Raw => " raw",
        };
        write!(f, "{provider}{body}, {} a request", self.batch)
    }
}

/// One notification, as the daemon has it after reading the request.
pub(crate) fn notification(platform: LaneId) -> Notification {
    let notification = Notification::empty(platform);
    match platform.provider() {
        Provider::Apns => Notification {
            message: MESSAGE.into(),
            title: TITLE.into(),
            sound: SOUND.into(),
            badge: Some(1),
            ..notification
        },
        Provider::Fcm => Notification {
            message: MESSAGE.into(),
            priority: PRIORITY.into(),
            ..notification
        },
    }
}

/// Writes the body of a request for so many pushes of Gaurun's fields; devices are numbered from
/// `first`.
pub(crate) fn write_request(platform: LaneId, first: u64, pushes: u32, out: &mut Vec<u8>) {
    write_request_of(Shape::new(platform, Body::Gaurun, pushes), first, out);
}

/// Writes the body of a request of that shape; devices are numbered from `first`.
pub(crate) fn write_request_of(shape: Shape, first: u64, out: &mut Vec<u8>) {
    let (platform, pushes) = (shape.platform, shape.batch);
    let number = match platform.provider() {
        Provider::Apns => 1,
        Provider::Fcm => 2,
    };
    let rest = fields(shape);
    out.clear();
    out.extend_from_slice(br#"{"notifications":["#);
    for serial in first..first + u64::from(pushes) {
        if serial > first {
            out.push(b',');
        }
        let token = device_token(platform, serial);
        // Writing to a vector cannot fail.
        let _written = write!(out, r#"{{"token":["{token}"],"platform":{number},{rest}}}"#);
    }
    out.extend_from_slice(b"]}");
}

/// What a notification of that shape says, but for device tokens and platform.
fn fields(shape: Shape) -> String {
    let shown = match shape.platform.provider() {
        Provider::Apns => format!(r#""sound":"{SOUND}","badge":1"#),
        Provider::Fcm => format!(r#""priority":"{PRIORITY}""#),
    };
    let native = match shape.platform.provider() {
        Provider::Apns => format!(r#""alert":{{"title":"{TITLE}","body":"{MESSAGE}"}},{shown}"#),
        Provider::Fcm => {
            format!(r#""notification":{{"body":"{MESSAGE}"}},"android":{{{shown}}}"#)
        }
    };
    match (shape.platform.provider(), shape.body) {
        (Provider::Apns, Body::Gaurun) => {
            format!(r#""message":"{MESSAGE}","title":"{TITLE}",{shown}"#)
        }
        (Provider::Fcm, Body::Gaurun) => format!(r#""message":"{MESSAGE}",{shown}"#),
        (_, Body::Native) => native,
        (Provider::Apns, Body::Raw) => format!(r#""apns":{{"payload":{{"aps":{{{native}}}}}}}"#),
        (Provider::Fcm, Body::Raw) => format!(r#""fcm":{{"message":{{{native}}}}}"#),
    }
}

/// A device token of that number, as long as the provider's are.
pub(crate) fn device_token(platform: LaneId, serial: u64) -> String {
    let mixed = serial.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    match platform.provider() {
        Provider::Apns => format!("5e57e12a{mixed:016x}{mixed:016x}5e57e12a{serial:016x}"),
        Provider::Fcm => {
            let instance = "fPh5T0QrR7mKz2sVxY8wLd:APA91b";
            let filler = "kX3sVb9QwT1uZ7yLr5NcE8dHm2JfGa4P";
            format!("{instance}{mixed:016x}{filler}{filler}-{serial:016x}_{mixed:016x}")
        }
    }
}

const MESSAGE: &str = "Your order has left our warehouse and arrives tomorrow.";
const TITLE: &str = "On its way";
const SOUND: &str = "default";
const PRIORITY: &str = "high";
