//! The end of the push logs, read at a start: pushes whose lines are there, and whose settlements a
//! crash kept from the journal, have ended. They are settled, not sent again.
//!
//! Ids come from the clock, so a line may name a push of another journal: of a daemon that writes
//! to the same file, or that was started in the same second on the host whose journal is recovered
//! here. Only a line with the device token that the journal has settles anything.

use std::borrow::Cow;
use std::fs;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::Backlog;
use crate::delivery::reasons::EXPIRED;
use crate::journal::Outstanding;
use crate::log::{Destination, Privacy};
use crate::push::{self, End, PackedToken, PushId};
use crate::recover::whole_tail;
use crate::regular;

/// Our limit: bytes of a log's end that are read. The journal is behind the log by some
/// milliseconds, so that this is much; a line before that may have a second one.
const END_BYTES: u64 = 8 << 20;

/// Settles in the backlog what the ends of the push logs of these names say has ended; `privacy` is
/// how they show device tokens.
pub fn settle(logs: [&str; 2], privacy: &Privacy, backlog: &Backlog) {
    if backlog.outstanding() == 0 {
        return;
    }
    let mut told = Vec::new();
    let mut logs = logs.to_vec();
    logs.dedup();
    for path in logs {
        let Destination::File { path, .. } = Destination::named(path) else {
            continue;
        };
        match end_of(&path) {
            Ok(text) => told.extend(outcomes(&text)),
            Err(error) => ::log::warn!(
                "cannot read the end of {}: {error}; pushes whose lines are there may have a \
                 second one",
                path.display()
            ),
        }
    }
    told.retain(|told| backlog.lane_of(told.id).is_some());
    told.sort_unstable_by_key(|told| (told.id, told.end));
    let mut read = None;
    told.retain(|told| told.token == privacy.token.shown(&token(backlog, told.id, &mut read)));
    told.dedup_by_key(|told| told.id);
    if told.is_empty() {
        return;
    }
    let count = push::counted(told.len() as u64);
    match backlog.settle_at_once(told.iter().map(|told| (told.id, told.end))) {
        Ok(()) => ::log::info!("{count} had ended before the crash, as the logs say"),
        Err(refused) => ::log::warn!(
            "{count} had ended before the crash, which cannot be kept, so that they may be sent \
             again: {refused}"
        ),
    }
}

/// The device token of an outstanding push; as the line of a push whose record is damaged has it,
/// if its record is. `read` is the notification that was read last: many pushes may be of one.
fn token<'a>(backlog: &Backlog, id: PushId, read: &'a mut Option<Outstanding>) -> Cow<'a, str> {
    let index = |of: &Outstanding| u32::try_from(id.0.checked_sub(of.first_id.0)?).ok();
    let has = |of: &Outstanding| index(of).is_some_and(|index| index < of.parcel.count());
    if !read.as_ref().is_some_and(has) {
        *read = backlog.peek(id);
    }
    let found = read.as_ref();
    let token = found.and_then(|of| of.parcel.token(index(of)?));
    token.map(PackedToken::text).unwrap_or_default()
}

/// The last [`END_BYTES`] of a file; nothing of what is none.
fn end_of(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    if !fs::metadata(path)?.is_file() {
        return Ok(text);
    }
    let mut file = regular::open(path)?;
    let len = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(len.saturating_sub(END_BYTES)))?;
    file.take(END_BYTES).read_to_end(&mut text)?;
    Ok(text)
}

/// A line, as far as it matters here.
#[derive(Deserialize)]
struct RawOutcome<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    id: u64,
    #[serde(borrow, default)]
    token: Cow<'a, str>,
    #[serde(borrow, default)]
    reason: Cow<'a, str>,
    /// A push that was recovered from a log has its id from there.
    accepted: Option<IgnoredAny>,
}

/// What a line says of the end of a push.
#[derive(Debug, PartialEq, Eq)]
struct ToldEnd {
    id: PushId,
    end: End,
    /// As the log shows it.
    token: String,
}

/// The pushes whose ends are told in whole lines; a crash may have cut off the last newline.
fn outcomes(text: &[u8]) -> impl Iterator<Item = ToldEnd> {
    let lines = text.split(|byte| *byte == b'\n');
    lines.filter_map(|line| outcome(line).or_else(|| outcome(whole_tail(line)?)))
}

fn outcome(line: &[u8]) -> Option<ToldEnd> {
    let raw: RawOutcome<'_> = serde_json::from_slice(line).ok()?;
    let end = match &*raw.kind {
        "succeeded-push" => End::Succeeded,
        "failed-push" if raw.reason == EXPIRED => End::Expired,
        "failed-push" => End::Failed,
        _ => return None,
    };
    raw.accepted.is_none().then(|| ToldEnd {
        id: PushId(raw.id),
        end,
        token: raw.token.into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write as _;

    use super::*;

    fn told(id: u64, end: End, token: &str) -> ToldEnd {
        ToldEnd {
            id: PushId(id),
            end,
            token: token.to_owned(),
        }
    }

    #[test]
    fn whole_lines_that_tell_an_end_count() {
        let text = br#"a line that was cut off","type":"succeeded-push","id":1}
{"level":"info","id":2,"type":"accepted-push"}
{"level":"info","id":3,"type":"succeeded-push","ptime":0.1}
{"level":"error","id":4,"type":"failed-push","reason":"expired"}
{"level":"error","id":5,"type":"failed-push","reason":"Unregistered"}
{"level":"info","id":6,"type":"succeeded-push","accepted":"2026-11-22"}
{"level":"error","time":"x","message":"no push"}
{"level":"info","id":7,"tok{"level":"info","id":7,"token":"a\"b","type":"succeeded-push"}
{"level":"info","id":8,"type":"succeeded-push""#;
        let found: Vec<_> = outcomes(text).collect();
        let expected = [
            (3, End::Succeeded, ""),
            (4, End::Expired, ""),
            (5, End::Failed, ""),
            (7, End::Succeeded, "a\"b"),
        ];
        assert_eq!(found, expected.map(|(id, end, token)| told(id, end, token)));
    }

    #[test]
    fn no_more_than_the_end_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("access.log");
        let line = |id| format!("{{\"id\":{id},\"type\":\"succeeded-push\"}}\n");
        let mut file = File::create(&path).unwrap();
        file.write_all(line(1).as_bytes()).unwrap();
        let end = usize::try_from(END_BYTES).unwrap();
        let mut filling = vec![b'x'; end - line(2).len()];
        *filling.last_mut().unwrap() = b'\n';
        file.write_all(&filling).unwrap();
        file.write_all(line(2).as_bytes()).unwrap();
        let text = end_of(&path).unwrap();
        assert_eq!(text.len() as u64, END_BYTES);
        assert!(outcomes(&text).eq([told(2, End::Succeeded, "")]));
        // What has no end is not read.
        assert!(end_of(Path::new("/dev/zero")).unwrap().is_empty());
    }
}
