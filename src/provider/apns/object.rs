//! A JSON object that is being written, its members in their order.

use serde::Serialize;

/// A JSON object that is being written.
#[derive(Debug)]
pub(super) struct Object(Vec<u8>);

/// Bytes that most have room in.
const USUAL: usize = 256;

impl Object {
    /// One without members.
    pub(super) fn new() -> Self {
        let mut json = Vec::with_capacity(USUAL);
        json.push(b'{');
        Self(json)
    }

    /// Adds a member.
    pub(super) fn add(&mut self, name: &'static str, value: &(impl Serialize + ?Sized)) {
        self.name(name);
        self.value(value);
    }

    /// Adds a member that has a caller's name.
    pub(super) fn add_named(&mut self, name: &str, value: &(impl Serialize + ?Sized)) {
        self.separate();
        self.value(name);
        self.0.push(b':');
        self.value(value);
    }

    /// Adds a member whose value is JSON.
    pub(super) fn add_json(&mut self, name: &'static str, json: &[u8]) {
        self.name(name);
        self.0.extend_from_slice(json);
    }

    /// Begins a member that is an object, to which members are added until that is closed.
    pub(super) fn open(&mut self, name: &'static str) {
        self.name(name);
        self.0.push(b'{');
    }

    /// Ends the member that was begun.
    pub(super) fn close(&mut self) {
        self.0.push(b'}');
    }

    /// Whether it has no members.
    pub(super) fn is_empty(&self) -> bool {
        self.0.len() == 1
    }

    /// All of it.
    pub(super) fn end(mut self) -> Vec<u8> {
        self.0.push(b'}');
        self.0
    }

    /// Begins a member by one of Apple's names, in which there is nothing to escape.
    fn name(&mut self, name: &'static str) {
        self.separate();
        for part in ["\"", name, "\":"] {
            self.0.extend_from_slice(part.as_bytes());
        }
    }

    fn separate(&mut self) {
        // No value ends so.
        if self.0.last() != Some(&b'{') {
            self.0.push(b',');
        }
    }

    fn value(&mut self, value: &(impl Serialize + ?Sized)) {
        // Neither writing to a vector fails, nor has any value here a map whose keys are no texts.
        let _written = serde_json::to_writer(&mut self.0, value);
    }
}
