//! `POST /push` and `POST /api/push`: from a body to what is to be kept of it.

use std::borrow::Cow;
use std::mem;
use std::sync::Arc;

use super::super::answer::PushReply;
use super::super::gorush;
use super::super::idempotency::{BodyHash, Keyed, Seen};
use super::super::keyless::Keyless;
use super::super::mistake::Mistake;
use super::super::plan::{UNSENT_LOGGED_MAX, Unplanned};
use super::commit::RequestNames;
use super::ticket::{Ticket, keys_full};
use super::{Service, is_gorush};
use crate::crash_point;
use crate::http1::head::Head;
use crate::http1::reply::{self, RETRY_AFTER_SECS, Reply};
use crate::http1::{More, Promiser, ReplyWhen};
use crate::moment;

impl Service {
    /// `POST /push`, its checks in Gaurun's order.
    pub(super) fn push(
        self: &Arc<Self>,
        head: &Head,
        body: &mut Vec<u8>,
        more: &mut More<'_>,
        promise: &mut Promiser<'_>,
    ) -> ReplyWhen {
        if head.content_length() == 0 {
            let terms = self.terms.get();
            let keyless = Keyless::of(head, terms.keys.as_ref());
            let (empty, mistake) = ("request body is empty", Mistake::no_body());
            self.tell_mistake(&mistake, &keyless, head);
            return ReplyWhen::Now(Reply::explained(400, empty, Some(&mistake.answer)));
        }
        if let Some(why) = self.backlog.is_not_ready() {
            let reply = Reply::message(503, why);
            return ReplyWhen::Now(reply.with_retry_after(RETRY_AFTER_SECS));
        }
        crash_point::pass("read");
        let Some(key) = &head.idempotency_key else {
            return self.take(head, body, None, more, promise);
        };
        let terms = self.terms.get();
        let keys = terms.keys.as_ref().filter(|keys| keys.are_several());
        // What was answered to one app's callers is no other app's affair.
        let rights = self.rights(head);
        let key = match rights.apps() {
            None => Cow::Borrowed(&**key),
            Some(apps) => Cow::Owned(format!("{} {key}", apps.join(","))),
        };
        let keyed = Keyed {
            key: &key,
            body: BodyHash::of(body),
            owner: keys.and_then(|keys| keys.admit(head.authorization.as_deref())),
        };
        let seen = self.repeats().ask(keyed, moment::now());
        let busy = |status, text| Reply::message(status, text).with_retry_after(RETRY_AFTER_SECS);
        ReplyWhen::Now(match seen {
            Seen::New => {
                let ticket = Ticket {
                    service: Arc::clone(self),
                    body: keyed.body,
                    owner: keyed.owner,
                    key: key.into_owned(),
                };
                // Few rejected parts are listed in what is kept.
                return self.take(head, body, Some(ticket), &mut |_| false, promise);
            }
            Seen::Answered(answer) => Reply::new(200, reply::JSON, answer),
            Seen::OtherBody => Reply::message(422, OTHER_BODY),
            Seen::InProgress => busy(409, IN_PROGRESS),
            Seen::Full(full) => keys_full(full),
        })
    }

    /// `POST /api/push`: the same, in gorush's words.
    pub(super) fn gorush_push(
        self: &Arc<Self>,
        head: &Head,
        body: &mut Vec<u8>,
        promise: &mut Promiser<'_>,
    ) -> ReplyWhen {
        let terms = self.terms.get();
        let keyless = Keyless::of(head, terms.keys.as_ref());
        if head.content_length() > 0 {
            let _turn = self.turnstile.enter(body.len());
            match gorush::translated(body, terms.rules.notification_max) {
                // In its place: there is room for one.
                Ok(translated) => *body = translated,
                Err(error) => {
                    let mistake = Mistake::in_body(body, &error, &keyless);
                    self.tell_mistake(&mistake, &keyless, head);
                    return ReplyWhen::Now(gorush::malformed(&mistake.answer));
                }
            }
        }
        // Few rejected parts are listed, each with more beside it.
        match self.push(head, body, &mut |_| false, promise) {
            ReplyWhen::Now(reply) => ReplyWhen::Now(gorush::answer(reply, body, &keyless)),
            ReplyWhen::Later => ReplyWhen::Later,
        }
    }

    /// Takes what is fine of a body.
    fn take(
        self: &Arc<Self>,
        head: &Head,
        body: &mut Vec<u8>,
        ticket: Option<Ticket>,
        more: &mut More<'_>,
        promise: &mut Promiser<'_>,
    ) -> ReplyWhen {
        let terms = self.terms.get();
        let keyless = Keyless::of(head, terms.keys.as_ref());
        let lanes = self.lanes.get();
        let mut plan = match self.plan((&terms, &lanes), head, body, &keyless, more) {
            Ok(plan) => plan,
            Err(Unplanned { message, mistake }) => {
                let log = mistake.as_ref().map_or("", |mistake| &mistake.log);
                self.lines.error(&message, &keyless.text(log), head.id());
                if let Some(mistake) = &mistake {
                    self.tell_mistake(mistake, &keyless, head);
                }
                let error = mistake.as_ref().map(|mistake| &*mistake.answer);
                return ReplyWhen::Now(Reply::explained(400, &message, error));
            }
        };
        self.log_rejected(&plan, &keyless, head.id());
        self.tell_ignored(&plan.ignored, &keyless, head);
        let names = RequestNames::of(head);
        let malformed = mem::take(&mut plan.malformed);
        let malformed = malformed.first(UNSENT_LOGGED_MAX.saturating_sub(plan.disabled()));
        let refusal = plan.refusal().filter(|_| !terms.rules.as_gaurun);
        if let Some(message) = refusal {
            let reply = PushReply::new(&message, &plan.rejected, &plan.ignored, Vec::new());
            self.log_malformed(malformed, &names);
            return ReplyWhen::Now(reply.reply(400));
        }
        let fits = self.check_scheduled(&plan, &terms.rules.apps);
        let ready = fits.and_then(|()| self.prepare(plan, lanes, (names, malformed), ticket));
        match ready {
            Ok(ready) if ready.has_nothing_to_keep() => ReplyWhen::Now(ready.finish(Ok(()), head)),
            Ok(ready) => {
                let translated = is_gorush(head).then(|| mem::take(body));
                ready.keep(promise(), translated);
                ReplyWhen::Later
            }
            // Nothing of it is taken, and all of it may come again.
            Err(refused) => ReplyWhen::Now(refused),
        }
    }
}

const OTHER_BODY: &str = "this Idempotency-Key came with another body before";
const IN_PROGRESS: &str = "a request with this Idempotency-Key is in progress";
