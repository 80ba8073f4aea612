//! What forks of Gaurun have in the place of our keys.

use super::Document;
use crate::config::excerpt;
use crate::config::key::{Allowed, Key};
use crate::config::keys::FCM_V1;
use crate::texts::toml_string;

impl Document<'_> {
    /// The fork's key that the file gives in the place of ours, and its value as the file would
    /// spell it here; `None` for a value that no message may show.
    pub(in super::super) fn forked(&self, key: &Key) -> Option<(String, Option<String>)> {
        let of = |section: &str, name: &str| {
            let section = self.table.get(section)?.as_ref().as_table()?;
            Some(section.get(name)?.as_ref())
        };
        if self.app.is_some() {
            // No fork has apps.
            return None;
        }
        if matches!(key.allowed, Allowed::Flag { .. }) {
            // In that fork, [android] is the API that is closed.
            let (section, name) = key.forks.first()?;
            let is_on = of(section, name)?.as_bool()?;
            let is_other = self.bare_flag(key) == Some(false);
            return (is_on && is_other)
                .then(|| (format!("{section}.{name}"), Some(is_on.to_string())));
        }
        if self.has_text(key) {
            return None;
        }
        key.forks.iter().find_map(|(section, name)| {
            let value = of(section, name)?;
            let text = value.as_str().filter(|text| !text.is_empty())?;
            let hides =
                excerpt::holds_key(value) || excerpt::is_no_file_of(key, text, self.is_there);
            Some((
                format!("{section}.{name}"),
                (!hides).then(|| toml_string(text)),
            ))
        })
    }

    /// The keys of sections that only forks have and that some of these keys are of, less these.
    pub(in super::super) fn rest_of(&self, carried: &[String]) -> Vec<String> {
        let of = |name: &str| format!("{FCM_V1}.{name}");
        let is_there = carried.iter().any(|path| path.starts_with(FCM_V1));
        let section = self.table.get(FCM_V1).and_then(|it| it.as_ref().as_table());
        let names = section.into_iter().flat_map(|section| section.keys());
        let paths = names.map(|name| of(name.as_ref()));
        paths
            .filter(|path| is_there && !carried.contains(path) && *path != of("enabled"))
            .collect()
    }
}
