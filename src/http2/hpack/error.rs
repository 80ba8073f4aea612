//! What is wrong with a block.

use super::super::ErrorCode;

/// The peer broke a rule with a block; the connection cannot go on. The text names the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The block is not HPACK: `COMPRESSION_ERROR`.
    Compression(&'static str),
    /// The block asks for too much: `ENHANCE_YOUR_CALM`.
    EnhanceYourCalm(&'static str),
}

impl DecodeError {
    /// The code to close the connection with.
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::Compression(_) => ErrorCode::COMPRESSION_ERROR,
            Self::EnhanceYourCalm(_) => ErrorCode::ENHANCE_YOUR_CALM,
        }
    }

    /// The rule that was broken.
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Compression(rule) | Self::EnhanceYourCalm(rule) => rule,
        }
    }
}
