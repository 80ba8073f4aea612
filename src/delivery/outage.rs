//! What the operator is told of a provider that takes nothing, and what an attempt says of that.

use std::sync::Arc;

use super::outcome::Outcome;
use crate::lane::{Failing, Lane};
use crate::moment::Moment;
use crate::provider::{Answer, Verdict};
use crate::push;

/// Notes what an attempt says of the provider.
pub(super) fn note(lane: &Lane, outcome: &Outcome, now: Moment) {
    let why: &dyn Fn() -> Arc<str> = match outcome {
        Outcome::NotSent | Outcome::Forgotten(_) => return,
        Outcome::Answered(answer) => {
            lane.outage().answered();
            if !is_out_of_order(answer) {
                if let Some(ended) = lane.outage().note_well() {
                    tell_end(lane, &ended, now);
                }
                return;
            }
            &|| {
                let said = format!("{} {}: {}", answer.status, answer.reason, answer.error);
                said.into()
            }
        }
        Outcome::NotProcessed(text) | Outcome::Unknown(text) => &|| text.to_string().into(),
    };
    lane.outage().fail(why, now);
}

/// What is said of a device was said by a provider that is well.
fn is_out_of_order(answer: &Answer) -> bool {
    matches!(answer.verdict, Verdict::Retry(_)) && !answer.proves
}

/// Tells the operator of an outage that has lasted, or that ends because nothing waits any more.
pub(super) fn look(lane: &Lane, now: Moment) {
    let Some((failing, goes_on)) = lane.look_at_outage(now) else {
        return;
    };
    if !goes_on {
        return tell_end(lane, &failing, now);
    }
    let oldest = lane.oldest().map(|oldest| {
        let waits = now.since(oldest.at).as_secs();
        format!(", the oldest for {waits} s")
    });
    ::log::error!(
        "{lane}: nothing has been taken for {} s, whatever was tried; the last error: {}. {} \
         outstanding{}: they are kept, and sent once it is over. Look at the network of this \
         machine, and at the provider's status page",
        lasted(&failing, now),
        failing.why,
        push::counted(lane.room().outstanding() as u64),
        oldest.unwrap_or_default(),
    );
}

fn tell_end(lane: &Lane, ended: &Failing, now: Moment) {
    ::log::info!(
        "{}: the outage is over, after {} s; {} outstanding",
        lane.id(),
        lasted(ended, now),
        push::counted(lane.room().outstanding() as u64),
    );
}

fn lasted(failing: &Failing, now: Moment) -> u64 {
    let lasted = now
        .monotonic
        .saturating_duration_since(failing.since.monotonic);
    lasted.as_secs()
}
