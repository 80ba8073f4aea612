//! How much of what may wait for its `send_at` one app may have, where there are several.

use std::collections::BTreeSet;

use super::super::plan::Plan;
use super::Service;
use crate::backlog::ScheduledLoad;
use crate::delivery::running_lane::RunningLane;
use crate::http1::reply::{RETRY_AFTER_SECS, Reply};
use crate::lane::Lanes;
use crate::push::DEFAULT_APP_NAME;

impl Service {
    /// Refuses a plan of which more is to be sent later than may ever be, or than leaves room to
    /// other apps.
    pub(super) fn check_scheduled(
        &self,
        plan: &Plan,
        lanes: &Lanes<RunningLane>,
    ) -> Result<(), Reply> {
        let scheduled = plan.scheduled();
        let most = self.backlog.scheduled_max();
        let asked: u64 = scheduled.values().sum();
        if asked > most.pushes {
            let message = format!(
                "number of scheduled pushes({asked}) over what journal.scheduled_max lets in({})",
                most.pushes
            );
            return Err(Reply::message(413, &message));
        }
        let apps = || lanes.serving().map(|running| running.id().app());
        if scheduled.is_empty() || apps().collect::<BTreeSet<_>>().len() < 2 {
            return Ok(());
        }
        for (app, asked) in scheduled {
            let (own, others) = self.backlog.scheduled_load(|lane| lane.app() == app);
            check(app, asked, (own, others), most)?;
        }
        Ok(())
    }
}

/// Refuses so many pushes of an app, which has that scheduled by now as the others have, if they
/// were more than half of what those leave. Of what their records take no more is known than of
/// those that are there.
fn check(
    app: &str,
    asked: u64,
    (own, others): (ScheduledLoad, ScheduledLoad),
    most: ScheduledLoad,
) -> Result<(), Reply> {
    let half_left = |most: u64, others: u64| most.saturating_sub(others).div_ceil(2);
    let app = if app.is_empty() {
        DEFAULT_APP_NAME
    } else {
        app
    };
    if asked > half_left(most.pushes, 0) {
        let message = format!(
            "number of scheduled pushes({asked}) of app {app} over half of what \
             journal.scheduled_max lets in({})",
            most.pushes
        );
        return Err(Reply::message(413, &message));
    }
    let (pushes, bytes) = (own.pushes.saturating_add(asked), own.bytes);
    let rule = "beside other apps it may have half of what they leave of";
    let (most_pushes, most_bytes) = (
        half_left(most.pushes, others.pushes),
        half_left(most.bytes, others.bytes),
    );
    let why = if pushes > most_pushes {
        format!("{pushes} with these, and {rule} journal.scheduled_max, {most_pushes}")
    } else if bytes >= most_bytes {
        format!("{bytes} bytes by now, and {rule} journal.scheduled_bytes, {most_bytes}")
    } else {
        return Ok(());
    };
    let message = format!(
        "there is no room for more pushes of app {app} that are scheduled: {why}; raise it, or \
         cancel some"
    );
    Err(Reply::message(503, &message).with_retry_after(RETRY_AFTER_SECS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_apps_each_finds_room_whatever_the_others_have_scheduled() {
        let load = |pushes, bytes| ScheduledLoad { pushes, bytes };
        let most = load(100, 1000);
        let told = |asked, own, others| {
            let checked = check("shop", asked, (own, others), most);
            checked.err().map_or((200, String::new()), |reply| {
                (reply.status, String::from_utf8(reply.body).unwrap())
            })
        };
        let nothing = load(0, 0);
        for (asked, own, others, status, part) in [
            (50, nothing, nothing, 200, ""),
            (
                51,
                nothing,
                nothing,
                413,
                "pushes(51) of app shop over half",
            ),
            (20, load(30, 0), nothing, 200, ""),
            (21, load(30, 0), nothing, 503, "51 with these"),
            (25, nothing, load(50, 0), 200, ""),
            (26, nothing, load(50, 0), 503, "scheduled_max, 25;"),
            (1, nothing, load(99, 0), 200, ""),
            (1, load(1, 499), nothing, 200, ""),
            (1, load(1, 500), nothing, 503, "500 bytes by now"),
            (1, load(1, 200), load(1, 600), 503, "scheduled_bytes, 200;"),
        ] {
            let (got, text) = told(asked, own, others);
            assert_eq!(
                (got, text.contains(part)),
                (status, true),
                "{asked}: {text}"
            );
        }
    }
}
