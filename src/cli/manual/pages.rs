//! The pages of the manual, as `etc/doc` has them.

use super::{markdown, roff};

/// A page.
pub(super) struct Page {
    /// Its name, as man(1) takes it.
    pub(super) name: &'static str,
    /// Its section of the manual.
    pub(super) number: u8,
    /// Its Markdown.
    pub(super) text: &'static str,
}

impl Page {
    /// The page of this name.
    pub(super) fn of(name: &str) -> Option<&'static Self> {
        PAGES.iter().find(|page| page.name == name)
    }

    /// What `sterna help` calls it.
    pub(super) fn topic(&self) -> &'static str {
        let name = self.name.strip_prefix("sterna");
        let topic = name.map_or(self.name, |rest| rest.trim_start_matches(['-', '.']));
        if topic.is_empty() { self.name } else { topic }
    }

    /// The file that man(1) looks for.
    pub(super) fn file(&self) -> String {
        format!("{}.{}", self.name, self.number)
    }

    /// Whether somebody who says this means it.
    pub(super) fn is(&self, topic: &str) -> bool {
        let Self { name, number, .. } = self;
        let cited = format!("{name}({number})");
        [self.topic(), name, &self.file(), &cited].contains(&topic)
    }

    /// What it is about, from its first line.
    pub(super) fn about(&self) -> &'static str {
        let title = self.text.lines().next().unwrap_or_default();
        title.split_once(": ").map_or(title, |(_, about)| about)
    }

    /// The section under this head.
    pub(super) fn section(&self, head: &str) -> Option<&'static str> {
        let mut sections = self.text.split("\n## ");
        sections.find_map(|section| section.strip_prefix(head)?.strip_prefix('\n'))
    }

    /// It for man(1).
    pub(super) fn roff(&self) -> String {
        roff::page(self.name, self.number, &markdown::blocks(self.text))
    }
}

macro_rules! pages {
    ($($name:literal $number:literal),* $(,)?) => {
        [$(Page {
            name: $name,
            number: $number,
            text: include_str!(concat!("../../../etc/doc/", $name, ".", $number, ".md")),
        }),*]
    };
}

/// Every page: the commands in the order of their help, then the others.
pub(super) static PAGES: [Page; 22] = pages![
    "sterna" 1,
    "sterna-serve" 1,
    "sterna-simulate" 1,
    "sterna-demo" 1,
    "sterna-reload" 1,
    "sterna-recover" 1,
    "sterna-tokens" 1,
    "sterna-send" 1,
    "sterna-stat" 1,
    "sterna-check" 1,
    "sterna-explain" 1,
    "sterna-help" 1,
    "sterna-man" 1,
    "sterna-completions" 1,
    "sterna.toml" 5,
    "sterna-api" 7,
    "sterna-delivery" 7,
    "sterna-gaurun" 7,
    "sterna-limits" 7,
    "sterna-logs" 7,
    "sterna-metrics" 7,
    "sterna-service" 7,
];
