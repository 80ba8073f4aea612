//! What callers can rely on, made of the configuration: at the start and again at each reload.

use std::collections::{BTreeMap, BTreeSet};

use super::{StartError, StartErrorKind};
use crate::api::content::{check_device_token, content_of};
use crate::api::request::Trailing;
use crate::api::{Apps, Rules, Terms};
use crate::config::{self, Config, HideToken, LaneConfig, MessageStyle};
use crate::descriptors::{self, Share, Whose};
use crate::http1;
use crate::log::{Destination, Privacy, RATE_LIMITED, TokenShown};
use crate::named::{self, Finding};
use crate::provider::{AndroidStyle, Site};
use crate::push::LaneId;

/// What is accepted, and from whom.
pub(super) fn terms(config: &Config) -> Result<Terms, StartError> {
    // A file that cannot be used must not open the API to everyone.
    let keys = named::api_keys(config).map_err(|findings| {
        let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
        StartError::new(StartErrorKind::Config, lines.join("\n"))
    })?;
    for doubt in &keys.doubts {
        ::log::warn!("{doubt}");
    }
    Ok(Terms {
        rules: Rules {
            notification_max: config.core.notification_max.get(),
            allows_empty_message: config.core.allows_empty_message,
            bulk_from: config.core.bulk_from.get(),
            as_gaurun: config.core.is_like_gaurun,
            keeps_scheduled: config.journal.is_some(),
            apps: apps(config),
            check_token: check_device_token,
            content: Box::new(content_of(sites(config))),
        },
        keys: keys.value,
        hosts: config.core.hosts.clone(),
        trailing: if config.log.level >= ::log::LevelFilter::Debug {
            Trailing::Refused
        } else {
            Trailing::Ignored
        },
    })
}

/// How the notifications of each lane are built.
pub(super) fn sites(config: &Config) -> impl Fn(LaneId) -> Site + Send + Sync + 'static {
    let as_gaurun = config.core.is_like_gaurun;
    let style_of = |id| {
        let style = config.lane(id).and_then(LaneConfig::fcm)?.style?;
        Some((id, style))
    };
    let styles: BTreeMap<_, _> = config.known().filter_map(style_of).collect();
    let lacks_topic = |id: &LaneId| {
        let apns = config.lane(*id).and_then(LaneConfig::apns);
        apns.is_some_and(|apns| apns.topic.is_none())
    };
    let topicless: BTreeSet<_> = config.known().filter(lacks_topic).collect();
    move |lane| {
        let style = match styles.get(&lane) {
            Some(MessageStyle::Data) => AndroidStyle::Data,
            None if as_gaurun => AndroidStyle::Data,
            Some(MessageStyle::Notification) | None => AndroidStyle::Notification,
        };
        Site {
            as_gaurun,
            style,
            lacks_topic: topicless.contains(&lane),
        }
    }
}

/// The lanes that callers can name.
fn apps(config: &Config) -> Apps {
    Apps::of(config.known().map(|id| {
        let lane = config.lane(id);
        let environment = lane.and_then(|lane| Some(lane.apns()?.environment()));
        (id, lane.is_some(), environment)
    }))
}

/// The listener's bounds.
pub(super) fn settings(config: &Config) -> http1::Settings {
    let share = Share::of(config, descriptors::limit());
    http1::Settings {
        max_connections: share.connections,
        is_cut: share.is_cut(),
        max_body_bytes: config.core.max_body_bytes.get(),
        ..http1::Settings::default()
    }
}

/// What is to be said of `core.max_connections`, if the limit of open files leaves fewer.
pub(super) fn too_many_connections(config: &Config) -> Option<String> {
    let warning = Share::of(config, descriptors::limit()).warning(Whose::Own)?;
    let asked = config.core.max_connections;
    let asked = asked.map_or_else(String::new, |asked| format!(" = {asked}"));
    Some(format!("core.max_connections{asked}: {warning}"))
}

/// What the push log does not show.
pub(super) fn privacy(log: &config::Log) -> Result<Privacy, StartError> {
    let token = match &log.hide_token {
        HideToken::No => TokenShown::Plain,
        HideToken::Yes => TokenShown::Hidden,
        HideToken::Hash { .. } => {
            let key = named::hash_key(log).map_err(|error| unusable(&error))?;
            TokenShown::hashed(&key.unwrap_or_default())
        }
    };
    Ok(Privacy {
        token,
        hides_message: log.hide_message,
    })
}

/// Says what is to be said of where logs go, although they can.
pub(super) fn say_of_logs(log: &config::Log) {
    let [access, error, operator] = log
        .destinations()
        .map(|(key, name)| (key, name, Destination::named(name)));
    for (key, name, to) in [&access, &error, &operator] {
        if let Some(better) = to.better_named() {
            ::log::warn!("{key} = {name:?}: {better}");
        }
    }
    for (key, name, to) in [&access, &error] {
        if to.is_systemds_journal("self") {
            ::log::warn!("{key} = {name:?}: {RATE_LIMITED}");
        }
    }
}

fn unusable(finding: &Finding) -> StartError {
    StartError::new(StartErrorKind::Config, finding)
}
