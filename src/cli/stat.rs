//! `sterna stat`: what a daemon does, a line at a time, by what its API says.

mod figures;
mod table;

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::api_client::ApiClient;
use super::args::Stat;
use super::{ExitCode, report};
use crate::moment::{self, Moment};
use figures::AppFigures;
use table::Table;

/// Asks and prints until there is nobody to print for.
pub(super) fn run(asked: &Stat) -> ExitCode {
    let client = match ApiClient::new(&asked.remote, ANSWERED_WITHIN) {
        Ok(client) => client,
        Err(code) => return code,
    };
    match watch(asked, &client) {
        Ok(code) => code,
        // Who read it has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::Ok,
        Err(error) => {
            report(format_args!("standard output cannot be written: {error}"));
            ExitCode::Io
        }
    }
}

fn watch(asked: &Stat, client: &ApiClient) -> io::Result<ExitCode> {
    let url = &client.url;
    let mut table = Table::on_stdout();
    let mut seen: Option<AppFigures> = None;
    let mut is_away = false;
    let mut due = moment::now();
    let mut rounds = 0;
    loop {
        match look(client) {
            Ok(counted) => {
                if std::mem::take(&mut is_away) {
                    report(format_args!("{url}: the daemon answers again"));
                }
                if let Some(seen) = &mut seen {
                    let look = seen.follow(counted);
                    if look.is_restarted {
                        report(format_args!(
                            "{url}: the daemon has restarted; the next line counts from there"
                        ));
                    }
                    table.line(Moment::now(), &look)?;
                } else {
                    table.head()?;
                    seen = Some(counted);
                }
            }
            Err(Unseen::Refused(text, code)) => {
                report(text);
                return Ok(code);
            }
            Err(Unseen::Away(text)) => {
                if !std::mem::replace(&mut is_away, true) {
                    report(format_args!("{text}; asked again until it answers"));
                }
            }
        }
        if asked.count.is_some_and(|count| count.get() == rounds) {
            return Ok(if is_away {
                ExitCode::Unavailable
            } else {
                ExitCode::Ok
            });
        }
        rounds += 1;
        // One that answers slowly is asked at the times at which it would have been.
        due = (due + asked.interval).max(moment::now());
        wait_until(due);
    }
}

/// Why there is nothing to see.
enum Unseen {
    /// Nothing will change that but who called.
    Refused(String, ExitCode),
    /// It may pass.
    Away(String),
}

fn look(client: &ApiClient) -> Result<AppFigures, Unseen> {
    let url = &client.url;
    let answer = client
        .get("/stat/app")
        .map_err(|error| Unseen::Away(error.text))?;
    let message = || answer.message();
    match answer.status {
        200 => AppFigures::read(&answer.body).ok_or_else(|| {
            let text = format!("{url}: what answers there is no Sterna; --url names another place");
            Unseen::Refused(text, ExitCode::Unavailable)
        }),
        401 | 403 => {
            let text = format!(
                "{url}: {}; --api-key-path names a file whose first key has the right read",
                message()
            );
            Err(Unseen::Refused(text, ExitCode::NoPermission))
        }
        status @ (429 | 500..) => Err(Unseen::Away(format!("{url}: {status}: {}", message()))),
        status => {
            let text = format!("{url}: {status} to GET /stat/app; is that a Sterna's API?");
            Err(Unseen::Refused(text, ExitCode::Unavailable))
        }
    }
}

fn wait_until(due: Instant) {
    loop {
        let left = due.saturating_duration_since(moment::now());
        if left.is_zero() {
            return;
        }
        thread::park_timeout(left);
    }
}

/// Our limit: how long an answer may take; the daemon has its figures at hand.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);
