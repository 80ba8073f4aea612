//! The buffers that ureq writes requests to and reads responses from.

use ureq::unversioned::transport::Buffers;

/// Grows with what a response needs: ureq bounds a head by its `max_response_header_size`, and
/// content is appended only when ureq has none left.
#[derive(Debug)]
pub(super) struct TextBuffers {
    input: Vec<u8>,
    /// Bytes of `input` that ureq has consumed.
    consumed: usize,
    /// ureq's last use of the input consumed something.
    progress: bool,
    /// What [`Buffers::input_append_buf`] lends.
    spare: Vec<u8>,
    output: Vec<u8>,
    output_size: usize,
    tmp: Vec<u8>,
}

impl TextBuffers {
    pub(super) fn new(output_size: usize) -> Self {
        Self {
            input: Vec::new(),
            consumed: 0,
            progress: false,
            spare: Vec::new(),
            output: Vec::new(),
            output_size: output_size.max(MIN_OUTPUT),
            tmp: Vec::new(),
        }
    }

    /// Where to append bytes for ureq.
    pub(super) fn input_mut(&mut self) -> &mut Vec<u8> {
        if self.consumed > 0 {
            self.input.drain(..self.consumed);
            self.consumed = 0;
        }
        &mut self.input
    }

    /// The first `amount` bytes that ureq has written.
    pub(super) fn written(&self, amount: usize) -> &[u8] {
        self.output.get(..amount).unwrap_or_default()
    }
}

impl Buffers for TextBuffers {
    fn output(&mut self) -> &mut [u8] {
        self.output.resize(self.output_size, 0);
        &mut self.output
    }

    fn input(&self) -> &[u8] {
        self.input.get(self.consumed..).unwrap_or_default()
    }

    fn input_append_buf(&mut self) -> &mut [u8] {
        self.spare.resize(SPARE, 0);
        &mut self.spare
    }

    fn input_appended(&mut self, amount: usize) {
        let spare = std::mem::take(&mut self.spare);
        let appended = spare.get(..amount).unwrap_or_default();
        self.input_mut().extend_from_slice(appended);
        self.spare = spare;
    }

    fn input_consume(&mut self, amount: usize) {
        self.progress = amount > 0;
        self.consumed = self.input.len().min(self.consumed.saturating_add(amount));
    }

    fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        self.output.resize(self.output_size, 0);
        self.tmp.resize(self.output_size, 0);
        (&mut self.tmp, &mut self.output)
    }

    fn can_use_input(&self) -> bool {
        self.progress && !self.input().is_empty()
    }
}

/// ureq panics or stalls with less: a chunk's framing and some content must fit.
const MIN_OUTPUT: usize = 1024;

/// Bytes lent at once to whoever fills the input through the trait.
const SPARE: usize = 4096;
