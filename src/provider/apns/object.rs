//! A JSON object that is being written, its members in their order.

use serde::Serialize;

/// A JSON object that is being written.
#[derive(Debug)]
pub(super) struct Object(Vec<u8>);

impl Object {
    /// One without members.
    pub(super) fn new() -> Self {
        Self(b"{".to_vec())
    }

    /// Adds a member.
    pub(super) fn add(&mut self, name: &str, value: &(impl Serialize + ?Sized)) {
        self.name(name);
        // Neither writing to a vector fails, nor has any value here a map whose keys are no texts.
        let _written = serde_json::to_writer(&mut self.0, value);
    }

    /// Adds a member whose value is JSON.
    pub(super) fn add_json(&mut self, name: &str, json: &[u8]) {
        self.name(name);
        self.0.extend_from_slice(json);
    }

    /// Adds a member whose value is an object.
    pub(super) fn add_object(&mut self, name: &str, object: Self) {
        self.add_json(name, &object.end());
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

    fn name(&mut self, name: &str) {
        if !self.is_empty() {
            self.0.push(b',');
        }
        let _written = serde_json::to_writer(&mut self.0, name);
        self.0.push(b':');
    }
}
