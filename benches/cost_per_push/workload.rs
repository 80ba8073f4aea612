//! What is pushed: short notifications as a shop sends them, each to a device of its own.

use std::fmt;
use std::io::Write as _;

use sterna::push::{LaneId, Notification, Provider};

/// Notifications of one kind, so many to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) platform: LaneId,
    pub(crate) batch: u32,
}

/// What is measured, in this order.
pub(crate) const SHAPES: [Shape; 4] = [
    Shape {
        platform: LaneId::IOS,
        batch: 100,
    },
    Shape {
        platform: LaneId::IOS,
        batch: 1,
    },
    Shape {
        platform: LaneId::ANDROID,
        batch: 100,
    },
    Shape {
        platform: LaneId::ANDROID,
        batch: 1,
    },
];

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let provider = match self.platform.provider() {
            Provider::Apns => "APNs",
            Provider::Fcm => "FCM",
        };
        write!(f, "{provider}, {} a request", self.batch)
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

/// Writes the body of a request for so many pushes; devices are numbered from `first`.
pub(crate) fn write_request(platform: LaneId, first: u64, pushes: u32, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(br#"{"notifications":["#);
    for serial in first..first + u64::from(pushes) {
        if serial > first {
            out.push(b',');
        }
        let token = device_token(platform, serial);
        let number = match platform.provider() {
            Provider::Apns => 1,
            Provider::Fcm => 2,
        };
        let rest = match platform.provider() {
            Provider::Apns => format_args!(r#""title":"{TITLE}","sound":"{SOUND}","badge":1"#),
            Provider::Fcm => format_args!(r#""priority":"{PRIORITY}""#),
        };
        // Writing to a vector cannot fail.
        let _written = write!(
            out,
            r#"{{"token":["{token}"],"platform":{number},"message":"{MESSAGE}",{rest}}}"#
        );
    }
    out.extend_from_slice(b"]}");
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
