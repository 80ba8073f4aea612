//! SETTINGS taking effect on the streams, the peer's and ours (RFC 9113 §6.5, §6.9.2).

use std::time::Instant;

use super::super::error::Violation;
use super::super::frame::{self, FrameHeader};
use super::super::settings::OurSettings;
use super::super::window::WINDOW_MAX;
use super::super::{ErrorCode, Event};
use super::{Connection, Role};

impl Connection {
    /// Changes `MAX_CONCURRENT_STREAMS` by a further SETTINGS; enforced at once when raised, from
    /// the ACK on when lowered (surplus refused with `REFUSED_STREAM`).
    pub fn set_max_concurrent_streams(&mut self, limit: u32, now: Instant) {
        if self.closed || self.role == Role::Client {
            return;
        }
        let settings = OurSettings {
            max_concurrent_streams: Some(limit),
            ..OurSettings::default()
        };
        self.send_settings(settings, now);
        self.stream_limit = self.stream_limit.map(|old| old.max(limit));
    }

    /// Changes `HEADER_TABLE_SIZE` and `INITIAL_WINDOW_SIZE` by further SETTINGS; both bind the
    /// client from the ACK on. Server role.
    pub fn change_settings(&mut self, header_table_size: u32, stream_window: u32, now: Instant) {
        if self.closed || self.role == Role::Client {
            return;
        }
        let stream_window = stream_window.min(WINDOW_MAX);
        self.options.stream_window = stream_window;
        let settings = OurSettings {
            header_table_size: Some(header_table_size),
            initial_window_size: Some(stream_window),
            ..OurSettings::default()
        };
        self.send_settings(settings, now);
    }

    /// Lets the client have no more than `bytes` of content under way on the connection, by
    /// keeping back the credit of what comes first: HTTP/2 begins with 65,535. Server role, before
    /// anything was received.
    pub fn narrow_connection_window(&mut self, bytes: u32) {
        if self.role == Role::Server {
            self.receive_window.narrow(bytes);
        }
    }

    /// Whether the peer has used up what it may send on the connection, as far as it knows.
    pub fn has_used_window(&self) -> bool {
        self.receive_window.is_used_up()
    }

    pub(super) fn send_settings(&mut self, settings: OurSettings, now: Instant) {
        settings.put(self.output.bytes());
        self.unacknowledged.sent(settings, now);
    }

    /// RFC 9113 §6.5.
    pub(super) fn on_settings(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
    ) -> Result<(), Violation> {
        if header.has(frame::ACK) {
            return self.on_settings_acknowledged();
        }
        let old_window = self.peer.initial_window_size;
        let encoder = &mut self.encoder;
        let from_server = self.role == Role::Client;
        self.peer.apply(payload, from_server, |size| {
            encoder.set_peer_table_size(size);
        })?;
        let is_first = !std::mem::replace(&mut self.settings_received, true);
        // RFC 9113 §6.9.2: every stream, and never the connection's window.
        let new_window = self.peer.initial_window_size;
        if new_window != old_window {
            let difference = i64::from(new_window).saturating_sub(i64::from(old_window));
            for (id, stream) in &mut self.streams {
                stream
                    .send_window
                    .shift(difference)
                    .ok_or(Violation::flow_control(
                        "INITIAL_WINDOW_SIZE overflows a window",
                    ))?;
                Self::join_round(&mut self.round, *id, stream);
            }
        }
        frame::put_settings_ack(self.output.bytes());
        self.events.push_back(Event::SettingsReceived);
        self.let_out_content();
        if is_first {
            return Ok(());
        }
        self.count_glitch()
    }

    /// Our SETTINGS were not acknowledged in time. What is under way on a server that answers is
    /// awaited all the same; a peer of which nothing came is given up.
    pub(super) fn miss_acknowledgement(&mut self) {
        const RULE: &str = "SETTINGS not acknowledged within 10 s";
        if self.role == Role::Client && self.has_answered {
            self.unacknowledged.give_up();
            self.retire(RULE);
            self.close_if_done();
        } else {
            self.punish(Violation::Connection(ErrorCode::SETTINGS_TIMEOUT, RULE));
        }
    }

    /// The values of our oldest SETTINGS bind the peer from here on.
    fn on_settings_acknowledged(&mut self) -> Result<(), Violation> {
        let settings = self
            .unacknowledged
            .acknowledged()
            .ok_or(Violation::protocol("acknowledgement of no SETTINGS"))?;
        if let Some(size) = settings.header_table_size {
            self.decoder.set_max_table_size(size);
        }
        if let Some(window) = settings.initial_window_size {
            let difference = i64::from(window).saturating_sub(i64::from(self.stream_window));
            self.stream_window = window;
            for stream in self.streams.values_mut() {
                stream.receive_window.shift(difference);
            }
        }
        if settings.max_concurrent_streams.is_some() {
            let later = self.unacknowledged.max_concurrent_streams();
            self.stream_limit = settings.max_concurrent_streams.max(later);
        }
        self.events.push_back(Event::SettingsAcknowledged);
        Ok(())
    }
}
