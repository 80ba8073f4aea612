//! How a connection thread comes by its next connection.

use std::fmt::Display;

use super::super::dialling::{Dialling, Failure};
use super::super::link::Link;
use super::{LONGEST_WAIT, Worker};
use crate::lane::Permit;
use crate::moment::Moment;
use crate::push;

impl Worker {
    /// Begins to open a connection if there is work for one and the lane permits.
    pub(super) fn connect(&mut self, now: Moment) {
        if self.links.present.is_some() || self.dialling.is_some() {
            return;
        }
        self.not_before = None;
        if !self.may_dial || !self.lane.has_work() {
            return;
        }
        if !self.route.can_send() {
            self.not_before = now.monotonic.checked_add(LONGEST_WAIT);
            return self.sweep(now);
        }
        let permit = self.lane.dial().ask(now.monotonic);
        match permit {
            Permit::Taken => {}
            Permit::Wait(at) => {
                self.not_before = Some(at);
                self.sweep(now);
            }
            Permit::Go => match Dialling::start(&self.route, &self.waiter) {
                Ok(dialling) => self.dialling = Some(dialling),
                Err(error) => self.cannot_connect(&format_args!("no thread: {error}"), now),
            },
        }
    }

    /// Takes over the connection that was opened.
    pub(super) fn adopt(&mut self, now: Moment) {
        let Some(opened) = self.dialling.as_ref().and_then(Dialling::result) else {
            return;
        };
        self.dialling = None;
        match opened {
            Ok(connection) => {
                self.lane.dial().succeeded();
                let link = Link::new(connection, &self.route, now.monotonic);
                let (platform, peer) = (self.lane.platform(), link.peer());
                ::log::debug!("{platform}: connected to {peer}");
                self.links.present = Some(link);
            }
            Err(Failure { text, panicked }) => {
                if panicked {
                    self.stats.lane(self.lane.platform()).panicked();
                }
                self.cannot_connect(&text, now);
            }
        }
    }

    fn cannot_connect(&mut self, why: &dyn Display, now: Moment) {
        let random = self.settler.random();
        let wait = self.lane.dial().failed(now.monotonic, random);
        ::log::error!(
            "{}: no connection: {why}; {} outstanding, next try in {:.1} s",
            self.lane.platform(),
            push::counted(self.lane.outstanding() as u64),
            wait.as_secs_f32(),
        );
    }
}
