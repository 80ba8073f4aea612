//! Why there is no route.

use std::fmt;

use crate::named::Finding;

/// What in the configuration cannot be used: a line for each reason.
#[derive(Debug)]
pub(super) struct RouteError(pub(super) String);

impl RouteError {
    pub(super) fn of(findings: &[Finding]) -> Self {
        let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
        Self(lines.join("\n"))
    }
}

impl fmt::Display for RouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RouteError {}
