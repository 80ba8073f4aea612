//! What never happens at an end, whatever comes: an event after the end, a stream that ends twice
//! or never, more content than came, output beyond bounds.

use std::collections::{BTreeMap, BTreeSet};

use sterna::http2::{Connection, Event};

use crate::dice::Dice;
use crate::reader::Reader;

/// Bytes of output that may wait: what holds content and input back, what is taken at once, and
/// the heads that a caller adds meanwhile.
const OUTPUT_BOUND: usize = 0x1_0000 + 0x2_0000;

/// Watches one end.
pub(crate) struct Watch {
    is_client: bool,
    /// Streams that were opened; true for those that have ended.
    streams: BTreeMap<u32, bool>,
    reset: BTreeSet<u32>,
    /// Bytes that were fed, and bytes of content that were reported.
    fed: u64,
    content: u64,
    pub(crate) closed: bool,
    /// The connection opens no more streams.
    retiring: bool,
    reader: Reader,
    /// Of a thousand contents, so many are released.
    releases: u64,
}

impl Watch {
    pub(crate) fn new(is_client: bool, releases: u64) -> Self {
        Self {
            is_client,
            releases,
            streams: BTreeMap::new(),
            reset: BTreeSet::new(),
            fed: 0,
            content: 0,
            closed: false,
            retiring: false,
            reader: Reader::new(is_client),
        }
    }

    /// Streams that have not ended.
    pub(crate) fn open(&self) -> Vec<u32> {
        let open = self.streams.iter().filter(|(_, ended)| !**ended);
        open.map(|(stream, _)| *stream).collect()
    }

    pub(crate) fn opened(&mut self, stream: u32) {
        assert!(
            !self.retiring && !self.closed,
            "a stream on a connection that ends"
        );
        assert!(
            self.streams.insert(stream, false).is_none(),
            "{stream} twice"
        );
    }

    pub(crate) fn was_reset(&mut self, stream: u32) {
        if let Some(ended) = self.streams.get_mut(&stream) {
            *ended = true;
            self.reset.insert(stream);
        }
    }

    pub(crate) fn was_fed(&mut self, bytes: usize) {
        self.fed += bytes as u64;
    }

    /// Takes every event; gives them back, for whoever wants to know more.
    pub(crate) fn events(&mut self, end: &mut Connection, dice: &mut Dice) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = end.poll_event() {
            assert!(!self.closed, "{event:?} after the end");
            if let Some(stream) = event.stream() {
                self.of_stream(stream, &event);
            }
            match &event {
                Event::Data { stream, data, .. } => {
                    self.content += data.len() as u64;
                    if dice.chance(self.releases) {
                        end.release(*stream, data.len());
                    }
                }
                Event::Retiring { .. } => {
                    assert!(self.is_client && !self.retiring, "it retires twice");
                    self.retiring = true;
                }
                Event::Closed { .. } => {
                    self.closed = true;
                    let open = self.open();
                    assert!(open.is_empty(), "{open:?} are forgotten");
                }
                _ => {}
            }
            events.push(event);
        }
        assert!(self.content <= self.fed, "content out of nothing");
        assert_eq!(self.closed, end.is_closed());
        if self.retiring || self.closed {
            assert_eq!(end.available_streams(), 0);
        }
        if self.closed {
            assert_eq!((end.open_streams(), end.next_timeout()), (0, None));
        }
        let waiting = end.output().len();
        assert!(waiting <= OUTPUT_BOUND, "{waiting} bytes of output");
        events
    }

    fn of_stream(&mut self, stream: u32, event: &Event) {
        assert!(!self.reset.contains(&stream), "{event:?} after our reset");
        if !self.is_client {
            self.streams.entry(stream).or_insert(false);
        }
        let ended = self
            .streams
            .get_mut(&stream)
            .expect("a stream that was opened");
        assert!(!*ended, "{event:?} after the stream's end");
        *ended = match event {
            Event::Head { end_stream, .. } | Event::Data { end_stream, .. } => *end_stream,
            Event::Trailers { .. } | Event::StreamFailed { .. } => true,
            _ => false,
        };
    }

    /// Takes so much of the output, and reads it.
    pub(crate) fn take(&mut self, end: &mut Connection, most: usize) -> Vec<u8> {
        let n = end.output().len().min(most);
        let bytes = end.output()[..n].to_vec();
        end.advance_output(n);
        self.reader.read(&bytes);
        bytes
    }

    /// The transport ends: so does everything else.
    pub(crate) fn end(mut self, mut end: Connection, dice: &mut Dice) {
        end.transport_closed();
        self.events(&mut end, dice);
        assert!(self.closed, "no end");
        assert!(end.output().is_empty() || end.is_closed());
    }
}
