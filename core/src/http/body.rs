//! Collects the body of a request: a known length, or chunks (RFC 9112, sections 6 and 7.1).

use super::target::hex_digit;
use super::{HttpError, HttpLimits};
use bytes::{Bytes, BytesMut};

/// Bytes of a line that tells the length of a chunk, its extensions included.
const CHUNK_LINE_LEN_MAX: usize = 256;

/// Hex digits of a chunk's length.
const CHUNK_DIGITS_MAX: u8 = 16;

/// How a body is delimited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum BodyLength {
    Chunked,
    Known(usize),
}

/// The body of one request, as far as it has come.
#[derive(Debug)]
pub(super) struct BodyReader {
    bytes: BytesMut,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// So many bytes of the body, or of a chunk of it, are to come.
    Data { left: usize, is_chunk: bool },
    /// The CR LF behind a chunk: the next byte of it.
    DataEnd(u8),
    /// The line that tells the length of a chunk.
    Length { digits: u8, len: u64, line_len: usize, part: LengthPart },
    /// The lines behind the last chunk: of the line in progress, and of all of them.
    Trailer { line_len: usize, total_len: usize, is_cr: bool },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum LengthPart {
    Digits,
    /// Blanks before the `;` of an extension, which some send.
    Blanks,
    Extension,
    LineFeed,
}

const LENGTH: State = State::Length { digits: 0, len: 0, line_len: 0, part: LengthPart::Digits };

impl BodyReader {
    pub(super) fn new(length: BodyLength) -> Self {
        let state = match length {
            BodyLength::Chunked => LENGTH,
            BodyLength::Known(left) => State::Data { left, is_chunk: false },
        };
        Self { bytes: BytesMut::new(), state }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Takes bytes of `input`; gives the body once it is whole, and leaves what follows it.
    pub(super) fn read(
        &mut self,
        limits: &HttpLimits,
        input: &mut &[u8],
    ) -> Result<Option<Bytes>, HttpError> {
        loop {
            if let State::Data { left, is_chunk } = self.state {
                let taken = left.min(input.len());
                let (piece, rest) = input.split_at_checked(taken).unwrap_or_default();
                self.bytes.extend_from_slice(piece);
                *input = rest;
                let left = left.saturating_sub(taken);
                self.state = match (left, is_chunk) {
                    (0, true) => State::DataEnd(b'\r'),
                    (0, false) => return Ok(Some(core::mem::take(&mut self.bytes).freeze())),
                    _ => State::Data { left, is_chunk },
                };
            }
            let Some((&byte, rest)) = input.split_first() else { return Ok(None) };
            *input = rest;
            if self.read_byte(limits, byte)? {
                return Ok(Some(core::mem::take(&mut self.bytes).freeze()));
            }
        }
    }

    /// Takes one byte between data; true behind the last one.
    fn read_byte(&mut self, limits: &HttpLimits, byte: u8) -> Result<bool, HttpError> {
        self.state = match (self.state, byte) {
            (State::DataEnd(b'\r'), b'\r') => State::DataEnd(b'\n'),
            (State::DataEnd(b'\n'), b'\n') => LENGTH,
            (State::Length { digits, len, line_len, part }, byte) => {
                if line_len >= CHUNK_LINE_LEN_MAX {
                    return Err(HttpError::Chunk);
                }
                let line_len = line_len.saturating_add(1);
                match (part, byte, hex_digit(byte)) {
                    (LengthPart::Digits, _, Some(digit)) if digits < CHUNK_DIGITS_MAX => {
                        let len = len << 4 | u64::from(digit);
                        State::Length { digits: digits.saturating_add(1), len, line_len, part }
                    }
                    (LengthPart::Digits | LengthPart::Blanks, b';', _) if digits > 0 => {
                        State::Length { digits, len, line_len, part: LengthPart::Extension }
                    }
                    (LengthPart::Digits | LengthPart::Blanks, b' ' | b'\t', _) if digits > 0 => {
                        State::Length { digits, len, line_len, part: LengthPart::Blanks }
                    }
                    (LengthPart::Digits | LengthPart::Extension, b'\r', _) if digits > 0 => {
                        State::Length { digits, len, line_len, part: LengthPart::LineFeed }
                    }
                    (LengthPart::Extension, _, _) if byte == b'\t' || byte >= b' ' => {
                        State::Length { digits, len, line_len, part }
                    }
                    (LengthPart::LineFeed, b'\n', _) => self.begin_chunk(limits, len)?,
                    _ => return Err(HttpError::Chunk),
                }
            }
            (State::Trailer { line_len, total_len, is_cr }, byte) => {
                let total_len = total_len.saturating_add(1);
                if total_len > limits.head_len_max {
                    return Err(HttpError::HeadTooLong);
                }
                match byte {
                    b'\n' if is_cr && line_len == 0 => return Ok(true),
                    b'\n' if is_cr => State::Trailer { line_len: 0, total_len, is_cr: false },
                    b'\n' => return Err(HttpError::Chunk),
                    _ if is_cr => return Err(HttpError::Chunk),
                    b'\r' => State::Trailer { line_len, total_len, is_cr: true },
                    _ => {
                        let line_len = line_len.saturating_add(1);
                        State::Trailer { line_len, total_len, is_cr }
                    }
                }
            }
            (State::DataEnd(_) | State::Data { .. }, _) => return Err(HttpError::Chunk),
        };
        Ok(false)
    }

    fn begin_chunk(&self, limits: &HttpLimits, len: u64) -> Result<State, HttpError> {
        if len == 0 {
            return Ok(State::Trailer { line_len: 0, total_len: 0, is_cr: false });
        }
        let room = limits.body_len_max.saturating_sub(self.bytes.len());
        match usize::try_from(len) {
            Ok(left) if left <= room => Ok(State::Data { left, is_chunk: true }),
            Ok(_) | Err(_) => Err(HttpError::BodyTooLong),
        }
    }
}
