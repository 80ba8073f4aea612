//! Gaurun's file made ours: what is kept, what is dropped, what is changed, and why.

use std::fmt::Write;
use std::path::Path;

use super::ConfigError;
use super::document::Document;
use super::key::{Allowed, Key, Migration};
use super::keys::{APPS, FCM_V1, GAURUN, SECTIONS};
use super::problem::Shown;
use super::sections::{self, all_keys};
use crate::pasted::IS_CONTENT;
use crate::texts::toml_string;

/// Writes a commented configuration that does what Gaurun's file `text` did, or says why not.
/// Secrets are not repeated, nor what is in the place of a file that `is_there` does not find and
/// may be one: where one is needed, a comment says where to copy it from.
///
/// # Errors
///
/// When the text is no TOML, or has none of Gaurun's sections.
pub fn migrate(file: &str, text: &str, is_there: fn(&Path) -> bool) -> Result<String, ConfigError> {
    let mut document = Document::parse(file, text, is_there, sections::all())?;
    if !document.has_section() {
        let known: Vec<&str> = gauruns().collect();
        let known = known.join(", ");
        let text =
            format!("has none of the sections {known} and {FCM_V1}; name Gaurun's configuration");
        return Err(ConfigError::whole(file, &text));
    }
    let mut out = String::new();
    comment(
        &mut out,
        &format!(
            "Made from Gaurun's {}. Check it with: sterna check -c FILE",
            Shown(file)
        ),
    );
    let mut carried = Vec::new();
    for section in gauruns().filter(|section| document.means(section)) {
        line(&mut out, &format!("\n[{section}]"));
        for key in all_keys().filter(|key| key.section == section) {
            match document.forked(key) {
                Some((fork, value)) => {
                    write_forked(&mut out, &fork, key, value);
                    carried.push(fork);
                }
                None => write_key(&mut out, &document, key),
            }
        }
    }
    let rest = document.rest_of(&carried);
    for app in document.apps() {
        document.enter(Some(app));
        for keys in sections::LANES {
            if document.has_section_of(&keys.enabled) {
                line(
                    &mut out,
                    &format!("\n[{}]", document.section(&keys.enabled)),
                );
                keys.own()
                    .for_each(|key| write_key(&mut out, &document, key));
            }
        }
    }
    document.enter(None);
    let (problems, warnings) = document.findings();
    let warnings = warnings.into_iter().map(|warning| warning.diagnostic);
    let left_out: Vec<String> = problems
        .into_iter()
        .chain(warnings)
        .map(|unknown| (unknown.text, unknown.help))
        .filter(|(text, _)| !carried.iter().any(|fork| is_about(text, fork)))
        .map(|(text, help)| match help {
            Some(help) => format!("{text}; {help}"),
            None => text,
        })
        .chain(
            rest.iter()
                .map(|path| format!("{}: {}", Shown(path), instead_of(path))),
        )
        .collect();
    if !left_out.is_empty() {
        line(&mut out, "");
        comment(&mut out, "Left out:");
        for text in left_out {
            comment(&mut out, &format!("- {text}"));
        }
    }
    Ok(out)
}

/// The sections that Gaurun's file has too.
fn gauruns() -> impl Iterator<Item = &'static str> {
    let sections = SECTIONS.iter().map(|(section, _)| *section);
    sections.filter(|section| *section != APPS)
}

fn write_key(out: &mut String, document: &Document<'_>, key: &'static Key) {
    let (name, path) = (key.name, document.path(key));
    let written = document.spelt(key);
    match (translation(document, key), written) {
        (Translation::Kept, Some(value)) => line(out, &format!("{name} = {value}")),
        (Translation::Dropped(why), Some(value)) => {
            comment(out, &format!("dropped: {name} = {value}: {why}"));
        }
        (Translation::ByDefault, Some(value)) => {
            let (was, is, why) = key
                .gaurun
                .as_ref()
                .map_or(("", "", ""), |it| (it.was, it.is, it.why));
            comment(
                out,
                &format!("changed: Gaurun: {was}. Sterna: {is}: {why}."),
            );
            comment(out, "Uncomment to keep the old value:");
            line(out, &format!("#{name} = {value}"));
        }
        (Translation::Secret(true), _) => {
            comment(
                out,
                &format!("kept, not shown: copy {path} from Gaurun's file:"),
            );
            line(out, &format!("#{name} = \"\""));
        }
        (Translation::Pasted, _) => {
            comment(out, &format!("not shown: {path}: {IS_CONTENT}:"));
            line(out, &format!("#{name} = \"\""));
        }
        (Translation::Added(value, why), _) => {
            comment(out, &format!("added: {why}"));
            line(out, &value);
        }
        (
            Translation::Kept
            | Translation::Dropped(_)
            | Translation::ByDefault
            | Translation::Secret(_),
            _,
        ) => {}
    }
}

/// Writes the value of a fork's key as that of ours.
fn write_forked(out: &mut String, fork: &str, key: &Key, value: Option<String>) {
    let (name, path) = (key.name, key.path());
    if let Some(value) = value {
        comment(out, &format!("kept: it was {fork}"));
        line(out, &format!("{name} = {value}"));
    } else {
        comment(
            out,
            &format!("not shown: {fork}, which is {path} here: {IS_CONTENT}:"),
        );
        line(out, &format!("#{name} = \"\""));
    }
}

/// Whether a finding about an unknown name is about a fork's key, or the section of one.
fn is_about(finding: &str, fork: &str) -> bool {
    let section = fork.split('.').next().unwrap_or_default();
    [fork, section].iter().any(|name| {
        let about = finding.strip_prefix(name);
        about.is_some_and(|about| about.starts_with(": unknown"))
    })
}

/// What is said of another key of the section that only a fork has.
fn instead_of(path: &str) -> &'static str {
    let name = path.split_once('.').map_or("", |(_, name)| name);
    if sections::ANDROID.own().any(|key| key.name == name) {
        "the key of that name below [android] holds for FCM HTTP v1 too"
    } else {
        "Sterna has no such key"
    }
}

/// What becomes of a key.
enum Translation {
    /// It means the same.
    Kept,
    /// It has no effect any more.
    Dropped(&'static str),
    /// Our default is better than what suited Gaurun.
    ByDefault,
    /// It holds a secret, if it is there.
    Secret(bool),
    /// It holds one by mistake.
    Pasted,
    /// Gaurun has no such key; the line, and why it is needed.
    Added(String, &'static str),
}

fn translation(document: &Document<'_>, key: &'static Key) -> Translation {
    let is_on = |enabled: &Key| document.bare_flag(enabled) != Some(false);
    match key.migration {
        Migration::Kept => {}
        Migration::Dropped(why) => return Translation::Dropped(why),
        Migration::ByDefault => return Translation::ByDefault,
    }
    match (key.section, key.name) {
        (_, name)
            if name == sections::ANDROID.service_account_path.name
                && is_on(&sections::ANDROID.enabled)
                && !document.has_text(key) =>
        {
            Translation::Added(
                format!("{} = {}", key.name, toml_string(ACCOUNT_PATH)),
                "FCM HTTP v1 needs a service account: Firebase console, project settings, service \
                 accounts, generate a key, and put the file there",
            )
        }
        ("core", "address") if !document.has_text(key) => Translation::Added(
            "#address = \"0.0.0.0\"\n#allow_unauthenticated = true".to_owned(),
            "Gaurun listens on all interfaces, Sterna on loopback. If callers are on other hosts, \
             uncomment both lines, or better address and api_key_path",
        ),
        ("core", "compatible_with") if !document.has(key) => Translation::Added(
            format!("{} = {GAURUN:?}", key.name),
            "callers get Gaurun's answers, and badge 0 where they give none. Remove it once they \
             look at what is answered",
        ),
        ("core", "max_body_bytes") if !document.has(key) => Translation::Added(
            format!("#{} = {FCM_BODY}", key.name),
            "Gaurun takes bodies of any size. 100 notifications of 1,000 device tokens are 7 MB for \
             APNs, which the default of 8 MiB takes, and 18 MB for FCM: uncomment it if callers \
             send so many. Bodies may take 30 times this of memory",
        ),
        ("log", "operator_log") if !document.has_text(key) && errors_go_to_stderr(document) => {
            Translation::Added(
                "#operator_log = \"/var/log/sterna/operator.log\"".to_owned(),
                "Sterna's own messages go to standard error, where error_log goes too: they are \
                 lines of JSON as its lines are, so that jq reads the stream. To have them apart, \
                 as plain text, uncomment",
            )
        }
        _ if matches!(key.allowed, Allowed::Secret) => Translation::Secret(document.has_text(key)),
        _ if document.hides(key) => Translation::Pasted,
        _ => Translation::Kept,
    }
}

/// Whether a push log goes where the operator log goes by default.
fn errors_go_to_stderr(document: &Document<'_>) -> bool {
    let goes = |key: &'static Key| match document.spelt(key) {
        Some(value) => ["\"stderr\"", "\"/dev/stderr\""].contains(&value.as_str()),
        None => key.default_text().as_deref() == Some("\"stderr\""),
    };
    goes(&sections::LOG.error_log) || goes(&sections::LOG.access_log)
}

fn line(out: &mut String, text: &str) {
    // Writing to a text cannot fail.
    let _written = writeln!(out, "{text}");
}

/// Writes a comment, in lines that fit a screen.
fn comment(out: &mut String, text: &str) {
    let mut width = 0_usize;
    for word in text.split(' ') {
        let next = width.saturating_add(word.chars().count()).saturating_add(1);
        if width == 0 || next > COMMENT_MAX {
            let gap = if width == 0 { "# " } else { "\n# " };
            out.push_str(gap);
            width = word.chars().count();
        } else {
            out.push(' ');
            width = next;
        }
        out.push_str(word);
    }
    out.push('\n');
}

/// Columns of a comment, about.
const COMMENT_MAX: usize = 90;
/// Bytes of a body that hold 100 notifications of 1,000 device tokens of FCM's length.
const FCM_BODY: usize = 32 << 20;
/// Where the service account is looked for, until somebody says otherwise.
const ACCOUNT_PATH: &str = "/etc/sterna/service-account.json";

#[cfg(test)]
mod tests;
