//! Notifications that are posted together, and where they come from. Pure.

use std::collections::HashMap;

use super::template::FilledTemplate;
use crate::api::idempotency::BodyHash;

/// One request's worth of pushes.
#[derive(Clone, Debug, Default)]
pub(super) struct PushBatch {
    groups: Vec<BatchGroup>,
    /// The group of each rest that device tokens can be added to.
    by_rest: HashMap<Vec<u8>, usize>,
    /// Device tokens, or notifications that have their own.
    items: usize,
    bytes: usize,
}

/// A notification of a batch.
#[derive(Clone, Debug)]
struct BatchGroup {
    /// It, less the device tokens.
    rest: Vec<u8>,
    /// Where those are put, if it has none of its own.
    at: Option<usize>,
    /// They themselves, with a comma between two.
    device_tokens: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
    /// The line of each device token, or its own.
    lines: Vec<u64>,
}

impl PushBatch {
    /// Whether there is nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Device tokens, or notifications that have their own.
    pub(super) fn items(&self) -> usize {
        self.items
    }

    /// The line of each.
    pub(super) fn lines(&self) -> impl Iterator<Item = u64> {
        self.groups
            .iter()
            .flat_map(|group| group.lines.iter().copied())
    }

    /// The first and the last line that something in it comes from.
    pub(super) fn span(&self) -> (u64, u64) {
        let first = self.lines().min().unwrap_or_default();
        (first, self.lines().max().unwrap_or_default())
    }

    /// Whether a notification still fits, where there may be so many.
    pub(super) fn has_room_for(&self, filled: &FilledTemplate, most: usize) -> bool {
        let is_known = self.group_of(filled).is_some();
        let bytes = filled.rest.len() + filled.device_token.len();
        self.is_empty()
            || (self.items < ITEMS_MAX
                && self.bytes + bytes <= BYTES_MAX
                && (is_known || self.groups.len() < most))
    }

    /// Takes a notification that comes from that line.
    pub(super) fn add(&mut self, filled: &FilledTemplate, line: u64) {
        self.items += 1;
        if let Some(group) = self.group_of(filled).and_then(|at| self.groups.get_mut(at)) {
            group.device_tokens.push(b',');
            group.device_tokens.extend_from_slice(&filled.device_token);
            group.ends.push(group.device_tokens.len());
            group.lines.push(line);
            self.bytes += filled.device_token.len() + 1;
            return;
        }
        self.bytes += filled.rest.len() + filled.device_token.len() + 3;
        if filled.at.is_some() {
            self.by_rest.insert(filled.rest.clone(), self.groups.len());
        }
        self.groups.push(BatchGroup {
            rest: filled.rest.clone(),
            at: filled.at,
            device_tokens: filled.device_token.clone(),
            ends: vec![filled.device_token.len()],
            lines: vec![line],
        });
    }

    /// Where device tokens with that rest are.
    fn group_of(&self, filled: &FilledTemplate) -> Option<usize> {
        filled.at?;
        let last = self.groups.last();
        if last.is_some_and(|last| last.at.is_some() && last.rest == filled.rest) {
            return self.groups.len().checked_sub(1);
        }
        self.by_rest.get(&filled.rest).copied()
    }

    /// The body of its request.
    pub(super) fn body(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(self.bytes + BODY_HEAD.len() + 2);
        body.extend_from_slice(BODY_HEAD);
        for (number, group) in self.groups.iter().enumerate() {
            if number > 0 {
                body.push(b',');
            }
            match group.at {
                Some(at) => {
                    let (before, after) = group.rest.split_at_checked(at).unwrap_or_default();
                    body.extend_from_slice(before);
                    body.push(b'[');
                    body.extend_from_slice(&group.device_tokens);
                    body.push(b']');
                    body.extend_from_slice(after);
                }
                None => body.extend_from_slice(&group.rest),
            }
        }
        body.extend_from_slice(b"]}");
        body
    }

    /// The lines that a pointer of an answer is about: a device token's, or a notification's.
    pub(super) fn lines_of(&self, pointer: &str) -> &[u64] {
        let mut steps = pointer.split('/').skip(1);
        let group = match (steps.next(), steps.next()) {
            (Some("notifications"), Some(number)) => number.parse().ok(),
            _ => None,
        };
        let group: Option<&BatchGroup> = group.and_then(|at: usize| self.groups.get(at));
        let lines = group.map_or(&[][..], |group| &group.lines);
        let is_of_one = group.is_some_and(|group| group.at.is_some())
            && steps
                .next()
                .is_some_and(|step| step.eq_ignore_ascii_case("token") || step == "tokens");
        let place = steps.next().and_then(|step| step.parse::<usize>().ok());
        match place.filter(|_| is_of_one) {
            Some(at) => lines.get(at..=at).unwrap_or_default(),
            None => lines,
        }
    }

    /// It in two parts, for who takes no request as large; `None` if there is one item in it.
    pub(super) fn halves(mut self) -> Option<(Self, Self)> {
        let mut second = Self::default();
        if self.groups.len() > 1 {
            second.groups = self.groups.split_off(self.groups.len() / 2);
        } else {
            let group = self.groups.first_mut()?;
            second.groups.push(group.split_off(group.lines.len() / 2)?);
        }
        self.by_rest.clear();
        for half in [&mut self, &mut second] {
            half.items = half.groups.iter().map(|group| group.lines.len()).sum();
        }
        Some((self, second))
    }

    /// Takes out the notification that a pointer is about, and gives out its lines.
    pub(super) fn take_out(&mut self, pointer: &str) -> Vec<u64> {
        let mut steps = pointer.split('/').skip(1);
        let number = match (steps.next(), steps.next()) {
            (Some("notifications"), Some(number)) => number.parse::<usize>().ok(),
            _ => None,
        };
        match number.filter(|at| *at < self.groups.len()) {
            Some(at) => {
                let lines = self.groups.remove(at).lines;
                self.items -= lines.len();
                lines
            }
            None => Vec::new(),
        }
    }
}

impl BatchGroup {
    /// Takes the device tokens from that one on into another; `None` if nothing would be left.
    fn split_off(&mut self, at: usize) -> Option<Self> {
        let end = *self.ends.get(at.checked_sub(1)?)?;
        let begin = end + 1;
        let mut device_tokens = self.device_tokens.split_off(end);
        // The comma.
        device_tokens.remove(0);
        let ends = self.ends.split_off(at).into_iter();
        Some(Self {
            rest: self.rest.clone(),
            at: self.at,
            device_tokens,
            ends: ends.map(|end| end - begin).collect(),
            lines: self.lines.split_off(at),
        })
    }
}

/// The `Idempotency-Key` of a request with this body for the batch of that number: the same each
/// time that the same record is gone on with.
pub(super) fn key(run: &str, number: u64, body: &[u8]) -> String {
    let hash = BodyHash::of(body).0;
    let hash = hash.iter().take(16).fold(String::new(), |mut text, byte| {
        // Writing to a text cannot fail.
        let _written = std::fmt::Write::write_fmt(&mut text, format_args!("{byte:02x}"));
        text
    });
    format!("{run}-{number}-{hash}")
}

const BODY_HEAD: &[u8] = br#"{"notifications":["#;

/// Our limit: device tokens of a request. Its pushes are one batch of the journal, and what is in
/// doubt when its answer does not come.
pub(super) const ITEMS_MAX: usize = 1000;

/// Our limit: bytes of a request that has more than one notification; a daemon takes 8 MiB unless
/// it is told otherwise.
pub(super) const BYTES_MAX: usize = 1024 * 1024;
