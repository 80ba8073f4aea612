//! What `--help` says beside the arguments, as the pages have it.

use std::fmt::Write as _;

use super::pages::Page;
use super::{markdown, plain};

/// What `--help` of a command says before its usage: the examples of its page.
pub(in crate::cli) fn examples(name: &str) -> String {
    let mut text = "Examples:".to_owned();
    let examples = Page::of(name).and_then(|page| page.section("EXAMPLES"));
    let examples = examples.and_then(|section| section.split("```").nth(1));
    for line in examples.unwrap_or_default().lines().skip(1) {
        let _written = write!(text, "\n  {line}");
    }
    text
}

/// What `--help` of a command says after its options: the exit codes of its page, and where it is.
pub(in crate::cli) fn ending(name: &str) -> String {
    let mut text = "Exit codes:\n".to_owned();
    let blocks = Page::of(name)
        .and_then(|page| page.section("EXIT STATUS"))
        .map(markdown::blocks);
    for block in blocks.unwrap_or_default() {
        if let markdown::Block::Paragraph {
            mark: markdown::Mark::Term(code),
            text: meaning,
            ..
        } = block
        {
            let lead = format!("  {}", plain::plain(&code));
            text += &plain::wrapped(&lead, 6, &plain::plain(&meaning));
        }
    }
    let topic = name.strip_prefix("sterna-").unwrap_or(name);
    let _written = write!(text, "\nMore: sterna help {topic}");
    text
}
