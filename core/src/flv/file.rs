//! FLV files: a reader that takes bytes as they come, and a writer.

use crate::frame::FrameKind;
use crate::time::Timestamp;
use alloc::vec::Vec;
use bytes::{BufMut, Bytes};

/// What the header of a file says about its tags (annex E.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FlvHeader {
    /// Audio tags are present.
    pub has_audio: bool,
    /// Video tags are present.
    pub has_video: bool,
}

impl FlvHeader {
    /// A header that promises both audio and video (flags 5), as live streams need: what they
    /// will carry is not known at their start, and players trust the flags.
    pub const AUDIO_VIDEO: Self = Self { has_audio: true, has_video: true };

    /// The bytes before the first tag: the header and the first, empty back pointer.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 13] {
        let flags = (self.has_audio as u8) << 2 | self.has_video as u8;
        [b'F', b'L', b'V', 1, flags, 0, 0, 0, 9, 0, 0, 0, 0]
    }
}

/// One audio, data or video tag.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FlvTag {
    /// Audio, data or video.
    pub kind: FrameKind,
    /// Decoding time in milliseconds, all 32 bits.
    pub timestamp: Timestamp,
    /// The tag body.
    pub payload: Bytes,
}

/// Why a file was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum FlvError {
    /// The header declares a size below its own 9 bytes.
    HeaderSize {
        /// The size declared.
        size: u32,
    },
    /// It does not begin with `FLV`.
    NotFlv,
    /// A tag body above the limit.
    TagTooLong {
        /// The length declared.
        len: u32,
    },
}

/// Reads the tags of one file from bytes as they come.
///
/// Wrong back pointers are tolerated; encrypted tags and tags of unknown type are skipped. After
/// an error it gives the same error for ever.
#[derive(Debug)]
pub struct FlvReader {
    state: State,
    header: Option<FlvHeader>,
    tag_len_max: u32,
    /// Bytes of a header, back pointer or body that is not complete yet.
    partial: Vec<u8>,
}

impl FlvReader {
    /// A reader that refuses tag bodies above `tag_len_max` bytes.
    #[must_use]
    pub const fn new(tag_len_max: u32) -> Self {
        Self { state: State::Header, header: None, tag_len_max, partial: Vec::new() }
    }

    /// The header of the file, once it was read.
    #[must_use]
    pub const fn header(&self) -> Option<FlvHeader> {
        self.header
    }

    /// The file may end here: no tag has begun. A last back pointer may be absent.
    #[must_use]
    pub fn is_between_tags(&self) -> bool {
        matches!(self.state, State::TagHeader) && matches!(self.partial.len(), 0 | 4)
    }

    /// Takes bytes from the front of `input` until a tag is complete; `None` when it needs more.
    ///
    /// # Errors
    /// The file is no FLV file, or a tag is over the limit.
    pub fn read(&mut self, input: &mut &[u8]) -> Result<Option<FlvTag>, FlvError> {
        loop {
            let tag = match self.state {
                State::Header => {
                    let Some(header) = self.take(input) else { return Ok(None) };
                    self.open(header)
                }
                State::TagHeader => {
                    let Some(header) = self.take(input) else { return Ok(None) };
                    self.open_tag(header)
                }
                State::Body { kind, timestamp, len } => {
                    let Some(payload) = self.take_body(len, input) else { return Ok(None) };
                    self.state = State::TagHeader;
                    return Ok(Some(FlvTag { kind, timestamp, payload }));
                }
                State::Skip { len } => {
                    let skipped = input.len().min(usize::try_from(len).unwrap_or(usize::MAX));
                    *input = input.get(skipped..).unwrap_or_default();
                    let left = len.saturating_sub(u32::try_from(skipped).unwrap_or(u32::MAX));
                    self.state = State::Skip { len: left };
                    if left > 0 {
                        return Ok(None);
                    }
                    Ok(State::TagHeader)
                }
                State::Failed(error) => Err(error),
            };
            match tag {
                Ok(state) => self.state = state,
                Err(error) => {
                    self.partial = Vec::new();
                    self.state = State::Failed(error);
                    return Err(error);
                }
            }
        }
    }

    fn open(&mut self, header: [u8; 9]) -> Result<State, FlvError> {
        let [b'F', b'L', b'V', _version, flags, offset @ ..] = header else {
            return Err(FlvError::NotFlv);
        };
        let size = u32::from_be_bytes(offset);
        let len = size.checked_sub(9).ok_or(FlvError::HeaderSize { size })?;
        self.header = Some(FlvHeader { has_audio: flags & 4 != 0, has_video: flags & 1 != 0 });
        Ok(State::Skip { len })
    }

    /// Takes the back pointer of the tag before, which is ignored, and the header of a tag.
    fn open_tag(&self, header: [u8; 15]) -> Result<State, FlvError> {
        let [_, _, _, _, flags, l2, l1, l0, t2, t1, t0, t3, ..] = header;
        let len = u32::from_be_bytes([0, l2, l1, l0]);
        let timestamp = Timestamp(u32::from_be_bytes([t3, t2, t1, t0]));
        let is_encrypted = flags & 0x20 != 0;
        let kind = match flags & 0x1f {
            _ if is_encrypted => return Ok(State::Skip { len }),
            8 => FrameKind::Audio,
            9 => FrameKind::Video,
            18 => FrameKind::Data,
            _ => return Ok(State::Skip { len }),
        };
        if len > self.tag_len_max {
            return Err(FlvError::TagTooLong { len });
        }
        Ok(State::Body { kind, timestamp, len })
    }

    fn take<const N: usize>(&mut self, input: &mut &[u8]) -> Option<[u8; N]> {
        if self.partial.is_empty()
            && let Some((taken, rest)) = input.split_first_chunk()
        {
            *input = rest;
            return Some(*taken);
        }
        self.fill(N, input);
        let taken = *self.partial.first_chunk()?;
        self.partial.clear();
        Some(taken)
    }

    fn take_body(&mut self, len: u32, input: &mut &[u8]) -> Option<Bytes> {
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        if self.partial.is_empty()
            && let Some((body, rest)) = input.split_at_checked(len)
        {
            *input = rest;
            return Some(Bytes::copy_from_slice(body));
        }
        self.fill(len, input);
        if self.partial.len() < len {
            return None;
        }
        Some(Bytes::from(core::mem::take(&mut self.partial)))
    }

    /// Moves bytes into `partial` until it holds `len`. The space grows with the bytes that
    /// arrived, by doubling, and never past `len`.
    fn fill(&mut self, len: usize, input: &mut &[u8]) {
        let missing = len.saturating_sub(self.partial.len());
        let (taken, rest) = input.split_at_checked(missing).unwrap_or((input, &[]));
        let spare = self.partial.capacity().saturating_sub(self.partial.len());
        if spare < taken.len() {
            self.partial.reserve_exact(missing.min(taken.len().max(self.partial.len())));
        }
        self.partial.extend_from_slice(taken);
        *input = rest;
    }
}

/// What the next bytes are.
#[derive(Clone, Copy, Debug)]
enum State {
    Header,
    /// Not wanted: the rest of a long header, or a tag of no use.
    Skip {
        len: u32,
    },
    /// A back pointer and a tag header.
    TagHeader,
    Body {
        kind: FrameKind,
        timestamp: Timestamp,
        len: u32,
    },
    Failed(FlvError),
}

/// Why a tag was not written; nothing of it was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum FlvWriteError {
    /// The buffer cannot grow enough.
    NoRoom,
    /// The body is above the 2^24 - 1 bytes that a tag can have.
    TagTooLong,
}

/// Bytes of a tag besides its body: its header and the back pointer after it.
pub const TAG_OVERHEAD: usize = 15;

/// The 11 bytes before a tag body (annex E.4.1); `None` above 2^24 - 1 bytes.
#[must_use]
pub fn tag_header(kind: FrameKind, timestamp: Timestamp, len: usize) -> Option<[u8; 11]> {
    let [0, l2, l1, l0] = u32::try_from(len).ok()?.to_be_bytes() else { return None };
    let [t3, t2, t1, t0] = timestamp.0.to_be_bytes();
    let tag_type = match kind {
        FrameKind::Audio => 8,
        FrameKind::Data => 18,
        FrameKind::Video => 9,
    };
    Some([tag_type, l2, l1, l0, t2, t1, t0, t3, 0, 0, 0])
}

/// Writes one file into a buffer.
#[derive(Debug)]
pub struct FlvWriter<B> {
    out: B,
}

impl<B: BufMut> FlvWriter<B> {
    /// Writes the header of a file.
    ///
    /// # Errors
    /// There is no room.
    pub fn new(mut out: B, header: FlvHeader) -> Result<Self, FlvWriteError> {
        let header = header.to_bytes();
        if out.remaining_mut() < header.len() {
            return Err(FlvWriteError::NoRoom);
        }
        out.put_slice(&header);
        Ok(Self { out })
    }

    /// Writes one tag and the back pointer to it.
    ///
    /// # Errors
    /// There is no room, or the body is too long.
    pub fn write(
        &mut self,
        kind: FrameKind,
        timestamp: Timestamp,
        payload: &[u8],
    ) -> Result<(), FlvWriteError> {
        let header = tag_header(kind, timestamp, payload.len()).ok_or(FlvWriteError::TagTooLong)?;
        if self.out.remaining_mut() < payload.len().saturating_add(TAG_OVERHEAD) {
            return Err(FlvWriteError::NoRoom);
        }
        let tag_len = payload.len().saturating_add(header.len());
        let back_pointer = u32::try_from(tag_len).map_err(|_| FlvWriteError::TagTooLong)?;
        self.out.put_slice(&header);
        self.out.put_slice(payload);
        self.out.put_u32(back_pointer);
        Ok(())
    }

    /// The buffer, to take what was written.
    pub const fn out_mut(&mut self) -> &mut B {
        &mut self.out
    }

    /// The buffer.
    #[must_use]
    pub fn into_inner(self) -> B {
        self.out
    }
}

#[cfg(test)]
mod tests;
