//! What is more than may ever be scheduled, of a request and of each app where there are several.

use super::super::apps::Apps;
use super::super::plan::Plan;
use super::Service;
use crate::http1::reply::Reply;
use crate::push::DEFAULT_APP_NAME;

impl Service {
    /// Refuses a plan of which more is to be sent later than may ever be, of all apps or of one
    /// among several. Whether there is room now the journal knows, which counts one request after
    /// the other; it is told here whether the room is shared.
    pub(super) fn check_scheduled(&self, plan: &Plan, apps: &Apps) -> Result<(), Reply> {
        let scheduled = plan.scheduled();
        if scheduled.is_empty() {
            return Ok(());
        }
        let most = self.backlog.scheduled_max();
        let asked: u64 = scheduled.values().sum();
        if asked > most {
            let message = format!(
                "number of scheduled pushes({asked}) over what journal.scheduled_max lets \
                 in({most})"
            );
            return Err(Reply::message(413, &message));
        }
        let are_several = apps.are_several();
        self.backlog.share_scheduled(are_several);
        let mut each = scheduled.into_iter().filter(|_| are_several);
        let beyond = each.find(|(_, asked)| *asked > most.div_ceil(2));
        beyond.map_or(Ok(()), |(app, asked)| {
            let app = if app.is_empty() {
                DEFAULT_APP_NAME
            } else {
                app
            };
            let message = format!(
                "number of scheduled pushes({asked}) of app {app} over half of what \
                 journal.scheduled_max lets in({most})"
            );
            Err(Reply::message(413, &message))
        })
    }
}
