//! What the tests of both providers need: notifications, times, keys.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use rcgen::KeyPair;

use crate::moment::Moment;
use crate::provider::{self, Built, Site, Unused};
use crate::push::{Extend, LaneId, Notification};

/// A notification with nothing but a message.
pub(super) fn notification(platform: LaneId, message: &str) -> Notification {
    Notification {
        message: message.into(),
        ..Notification::empty(platform)
    }
}

/// What is sent of a notification that comes at that time to a site with nothing to say.
pub(crate) fn built(notification: &mut Notification, at: Moment) -> Built {
    let vendor = provider::of(notification.lane.provider());
    let (site, mut unused) = (Site::default(), Unused::default());
    vendor.build(notification, &site, at, &mut unused).unwrap()
}

/// Extend keys in that order.
pub(super) fn extend(pairs: &[(&str, &str)]) -> Vec<Extend> {
    let extend = |&(key, value): &(&str, &str)| Extend {
        key: key.into(),
        value: value.into(),
    };
    pairs.iter().map(extend).collect()
}

/// 2026-09-21 14:13:20 UTC.
pub(crate) const UNIX: u64 = 1_790_000_000;

/// A moment from which both clocks run on together.
pub(super) fn start() -> Moment {
    Moment {
        stood: Duration::ZERO,
        monotonic: Instant::now(),
        unix: Duration::from_secs(UNIX),
    }
}

/// So many seconds later, by both clocks.
pub(super) fn later(start: Moment, secs: u64) -> Moment {
    Moment {
        stood: Duration::ZERO,
        monotonic: start.monotonic + Duration::from_secs(secs),
        unix: start.unix + Duration::from_secs(secs),
    }
}

/// A P-256 key pair, the same for the whole test run.
pub(crate) static EC: LazyLock<KeyPair> =
    LazyLock::new(|| KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap());

/// An RSA key pair, the same for the whole test run.
pub(crate) static RSA: LazyLock<KeyPair> =
    LazyLock::new(|| KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap());

/// PEM with lines of 64 characters and that line end.
pub(crate) fn pem(label: &str, der: &[u8], line_end: &str) -> String {
    let mut text = format!("-----BEGIN {label}-----{line_end}");
    for line in base64(der).as_bytes().chunks(64) {
        text.push_str(std::str::from_utf8(line).unwrap());
        text.push_str(line_end);
    }
    text + "-----END " + label + "-----" + line_end
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let mut bits = 0_usize;
        for at in 0..3 {
            bits = bits << 8 | usize::from(group.get(at).copied().unwrap_or(0));
        }
        for at in 0..4 {
            let digit = char::from(DIGITS[bits >> (18 - 6 * at) & 0x3f]);
            text.push(if at <= group.len() { digit } else { '=' });
        }
    }
    text
}
