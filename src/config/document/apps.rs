//! The sections of the file that are an app's.

use toml::de::DeTable;

use super::Document;
use crate::config::key::Key;
use crate::config::keys::{APPS, APPS_MAX};
use crate::push::{Provider, is_app_name};

impl<'t> Document<'t> {
    /// The further apps that the file names, as many as there may be.
    pub(in super::super) fn apps(&self) -> Vec<String> {
        let apps = self
            .table
            .get(APPS)
            .and_then(|apps| apps.as_ref().as_table());
        let names = apps.into_iter().flat_map(|apps| apps.keys());
        let names = names.map(|name| name.as_ref().to_string());
        names
            .filter(|name| is_app_name(name))
            .take(APPS_MAX)
            .collect()
    }

    /// From now on the keys of a lane's section are those of this app; of the default one if it is
    /// `None`.
    pub(in super::super) fn enter(&mut self, app: Option<String>) {
        self.app = app;
    }

    /// The app that was entered.
    pub(in super::super) fn app(&self) -> Option<&str> {
        self.app.as_deref()
    }

    /// The section that a key stands in, without brackets.
    pub(in super::super) fn section(&self, key: &Key) -> String {
        key.section_in(self.app().unwrap_or_default())
    }

    /// A key with its section, as messages name it.
    pub(in super::super) fn path(&self, key: &Key) -> String {
        format!("{}.{}", self.section(key), key.name)
    }

    /// Whether the file has the section that a key stands in.
    pub(in super::super) fn has_section_of(&self, key: &Key) -> bool {
        self.section_table(key).is_some()
    }

    /// Whether a lane's section is in use, by its flag.
    pub(in super::super) fn is_enabled(&mut self, enabled: &'static Key) -> bool {
        let is_meant = self.app.is_some() || self.means(enabled.section);
        self.flag(enabled) && is_meant
    }

    /// Whether defaults hold for a section of the default app that the file need not have: beside
    /// sections of apps, those of a lane do not.
    pub(in super::super) fn means(&self, section: &str) -> bool {
        let is_lanes = Provider::of_platform(section).is_some();
        !is_lanes || self.table.contains_key(section) || self.apps().is_empty()
    }

    /// The section that a key stands in, of the app that was entered.
    pub(super) fn section_table(&self, key: &Key) -> Option<&DeTable<'t>> {
        let section = match &self.app {
            None => self.table.get(key.section)?,
            Some(app) => {
                let app = self.table.get(APPS)?.as_ref().as_table()?.get(&**app)?;
                app.as_ref().as_table()?.get(key.section)?
            }
        };
        section.as_ref().as_table()
    }
}
