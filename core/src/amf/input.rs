//! The bytes of a message and the budget of values, as both decoders consume them.

use super::AmfError;
use bytes::Bytes;
use core::fmt;

/// A cursor over a message. It never moves back and never past the end.
pub(super) struct Input {
    message: Bytes,
    at: usize,
    nodes_left: u32,
}

impl Input {
    pub(super) fn new(message: Bytes, at: usize, nodes_max: u32) -> Self {
        Self { message, at, nodes_left: nodes_max }
    }

    pub(super) fn position(&self) -> usize {
        self.at
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }

    pub(super) fn rest(&self) -> &[u8] {
        self.message.get(self.at..).unwrap_or_default()
    }

    /// Takes one value from the budget, on behalf of the byte at `at`.
    pub(super) fn spend_node(&mut self, at: usize) -> Result<(), AmfError> {
        self.nodes_left =
            self.nodes_left.checked_sub(1).ok_or(AmfError::TooManyNodes { at: offset(at) })?;
        Ok(())
    }

    /// The next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], AmfError> {
        let array = *self.rest().first_chunk::<N>().ok_or(self.truncated())?;
        self.at = self.at.saturating_add(N);
        Ok(array)
    }

    pub(super) fn byte(&mut self) -> Result<u8, AmfError> {
        self.array().map(|[byte]| byte)
    }

    pub(super) fn double(&mut self) -> Result<f64, AmfError> {
        self.array().map(f64::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, AmfError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, AmfError> {
        self.array().map(u32::from_be_bytes)
    }

    /// The next `len` bytes, sharing the message's memory.
    ///
    /// The length is a peer's claim, so it is compared with what arrived before anything else.
    pub(super) fn bytes(&mut self, len: usize) -> Result<Bytes, AmfError> {
        let end = self.at.checked_add(len).filter(|end| *end <= self.message.len());
        let end = end.ok_or(self.truncated())?;
        let bytes = self.message.slice(self.at..end);
        self.at = end;
        Ok(bytes)
    }

    /// Skips `prefix` if the rest begins with it.
    pub(super) fn skip_if(&mut self, prefix: &[u8]) -> bool {
        let found = self.rest().starts_with(prefix);
        if found {
            self.at = self.at.saturating_add(prefix.len());
        }
        found
    }

    fn truncated(&self) -> AmfError {
        AmfError::Truncated { at: offset(self.at) }
    }
}

/// Tells where it is, but not what it reads: messages carry stream keys.
impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { message, at, nodes_left } = self;
        write!(f, "Input {{ at: {at} of {}, nodes_left: {nodes_left} }}", message.len())
    }
}

/// An offset as errors carry it. Messages of RTMP have at most 2^24 bytes.
pub(super) fn offset(at: usize) -> u32 {
    length(at)
}

/// A size of memory as the wire counts it; what is longer has to be cut.
pub(super) fn length(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// A length or count of the wire as a size of memory; it never wraps.
pub(super) fn size(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}
