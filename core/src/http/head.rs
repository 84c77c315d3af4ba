//! Collects the head of a request, line by line: each ends with CR LF, and the head with an empty one.

use super::{HttpError, HttpLimits};
use bytes::{Bytes, BytesMut};

/// Empty lines that may stand before a request (RFC 9112, section 2.2).
const EMPTY_LINES_MAX: u8 = 2;

/// The method, the version and spaces of a request line, beside its target.
const LINE_REST_LEN: usize = 32;

/// The head of one request, as far as it has come. Owns no memory before its first byte.
#[derive(Debug, Default)]
pub(super) struct HeadReader {
    bytes: BytesMut,
    empty_lines: u8,
    is_first_line: bool,
    /// Bytes of the line in progress.
    line_len: usize,
}

impl HeadReader {
    pub(super) fn new() -> Self {
        Self { is_first_line: true, ..Self::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Takes lines from `input`; gives the head once it is whole, and leaves what follows it.
    pub(super) fn read(
        &mut self,
        limits: &HttpLimits,
        input: &mut &[u8],
    ) -> Result<Option<Bytes>, HttpError> {
        while !input.is_empty() {
            let end = input.iter().position(|&byte| byte == b'\n');
            let taken = end.map_or(input.len(), |end| end.saturating_add(1));
            let (piece, rest) = input.split_at_checked(taken).unwrap_or((input, &[]));
            self.check(limits, piece)?;
            self.bytes.extend_from_slice(piece);
            self.line_len = self.line_len.saturating_add(piece.len());
            *input = rest;
            if end.is_none() {
                return Ok(None);
            }
            if !self.bytes.ends_with(b"\r\n") {
                return Err(HttpError::LineEnd);
            }
            let is_empty = self.line_len == 2;
            self.line_len = 0;
            if !is_empty {
                self.is_first_line = false;
            } else if self.is_first_line {
                self.empty_lines = self.empty_lines.saturating_add(1);
                self.bytes.clear();
                if self.empty_lines > EMPTY_LINES_MAX {
                    return Err(HttpError::RequestLine);
                }
            } else {
                let head = core::mem::take(&mut self.bytes).freeze();
                *self = Self::new();
                return Ok(Some(head));
            }
        }
        Ok(None)
    }

    /// Holds the head to its limits before more of it is kept.
    fn check(&self, limits: &HttpLimits, piece: &[u8]) -> Result<(), HttpError> {
        if self.bytes.is_empty()
            && piece.first().is_some_and(|first| !first.is_ascii_alphabetic() && *first != b'\r')
        {
            // No use to wait for the end of a line: this is another protocol.
            let is_line_end = piece.first() == Some(&b'\n');
            return Err(if is_line_end { HttpError::LineEnd } else { HttpError::RequestLine });
        }
        let line_len = self.line_len.saturating_add(piece.len());
        if self.is_first_line && line_len > limits.target_len_max.saturating_add(LINE_REST_LEN) {
            return Err(HttpError::TargetTooLong);
        }
        if self.bytes.len().saturating_add(piece.len()) > limits.head_len_max {
            return Err(HttpError::HeadTooLong);
        }
        Ok(())
    }
}
