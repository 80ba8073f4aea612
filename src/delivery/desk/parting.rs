//! How a connection thread parts with its connections, and what that says of the next ones.

use super::super::link::{Parting, REPLACED, Worth};
use super::super::transport::Transport;
use super::Desk;
use crate::count;
use crate::lane::{Lack, MaySend};
use crate::moment::Moment;

impl<T: Transport> Desk<T> {
    /// Parts with connections: one that retires drains beside its successor, one that has nothing
    /// left to do ends.
    pub(super) fn part(&mut self, now: Moment) {
        self.watch_window(now);
        if let Some(link) = &mut self.links.present {
            if link.is_retiring() || link.is_over() {
                self.trays.hand_back(&self.lane);
            }
            if link.newly_settled(now.monotonic) {
                self.lane.crew().dial().settled();
            }
        }
        self.judge_links(now);
        self.links.part(self.following.generation);
        let is_dialled = self.links.dialling.is_some_and(|it| it.is_candidate);
        let is_trying = is_dialled || self.links.candidate.is_some();
        if self.following.trying().is_some() && !is_trying && self.trays.to_try.is_none() {
            // Another thread may have what there is to send.
            self.let_candidate_go(REPLACED);
        }
        while let Some(parting) = self.links.end_one(now, &mut self.trays.ended) {
            self.part_with(parting, now);
        }
    }

    /// Takes note of whether a push that could be sent waits for the provider's window.
    fn watch_window(&mut self, now: Moment) {
        let stream_limit = self.lane.stream_limit();
        let is_stalled = self.links.present.as_mut().is_some_and(|link| {
            if link.has_content_waiting() {
                return true;
            }
            // Seldom so, and asked first: what follows locks what all threads of the lane share.
            link.is_stalled(stream_limit)
                && !self.lane.is_quiet()
                && !self.lane.pacing().waits_for_tickets()
                && self.lane.may_send(now.monotonic) != MaySend::No
                && (!self.trays.hand.is_empty() || self.lane.has_work_for(Some(link.id())))
        });
        self.shown.stalls(is_stalled, now, &self.lane);
    }

    /// Whether the next connection may follow at once those that take no more pushes.
    fn judge_links(&mut self, now: Moment) {
        for link in self.links.iter_mut().filter(|link| !link.is_candidate()) {
            let Some(worth) = link.judge(now.monotonic) else {
                continue;
            };
            let random = self.settler.random();
            let wait = match worth {
                Worth::Good => {
                    self.lane.crew().dial().proved();
                    None
                }
                Worth::Short => self.lane.crew().dial().short_lived(now.monotonic, random),
            };
            if let Some(wait) = wait {
                ::log::warn!(
                    "{}: the connection to {} ended soon, as others before it; next one in {:.1} s",
                    self.lane.id(),
                    link.peer(),
                    wait.as_secs_f32(),
                );
            }
        }
    }

    fn part_with(&mut self, parting: Parting, now: Moment) {
        let lane = self.lane.id();
        let Parting {
            peer,
            why,
            answered,
            failed,
            stood,
            only_target,
            was_silent,
            in_vain,
            candidate,
        } = parting;
        if in_vain {
            self.lane.crew().dial().took_over_in_vain();
        }
        if let Some(generation) = candidate {
            if self.following.is_trying(generation) && failed {
                self.learnt_nothing(&why, now);
            } else if self.following.is_trying(generation) {
                self.let_candidate_go(&why);
            }
            ::log::info!("{lane}: the connection to {peer} to try a credential by ended: {why}");
        } else if failed {
            if answered == 0 && !stood {
                self.lane.outage().cannot_reach(Lack::Answer, &why, now);
            }
            let random = self.settler.random();
            let mut dial = self.lane.crew().dial();
            let wait = dial.was_useless(only_target, was_silent, now.monotonic, random);
            drop(dial);
            // What an answer said of its push is told of that.
            let level = match answered {
                _ if stood => ::log::Level::Info,
                0 => ::log::Level::Error,
                _ => ::log::Level::Warn,
            };
            ::log::log!(
                level,
                "{lane}: the connection to {peer} was of no use: {why}; next try in {:.1} s",
                wait.as_secs_f32(),
            );
        } else {
            let answers = count::of(answered, "answer", "answers");
            ::log::info!("{lane}: connection to {peer} ended after {answers}: {why}");
        }
    }
}
