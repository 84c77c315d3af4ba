//! The body of an answer: where it ends, and its bytes without what delimits them (RFC 9112, 6).

use crate::client::ClientError;

/// What is left of a body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Body {
    /// So many bytes.
    Len(u64),
    /// Chunks.
    Chunks(Part),
    /// All up to the end of the connection.
    Close,
}

/// What comes next of chunks (RFC 9112, section 7.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Part {
    /// The line with the length of a chunk.
    Size { len: u64, is_extension: bool },
    /// Bytes of a chunk.
    Data { left: u64 },
    /// The line end behind a chunk.
    DataEnd,
    /// What follows the last chunk, up to an empty line.
    Trailer { is_line_empty: bool },
    /// Nothing.
    Whole,
}

const SIZE: Part = Part::Size { len: 0, is_extension: false };

impl Body {
    pub(super) const fn chunks() -> Self {
        Self::Chunks(SIZE)
    }

    pub(super) const fn is_whole(self) -> bool {
        matches!(self, Self::Len(0) | Self::Chunks(Part::Whole))
    }

    /// Takes bytes from the front of `input` up to the end of a piece of the body; `None` when it
    /// needs more, or when the body is whole.
    pub(super) fn read<'a>(
        &mut self,
        input: &mut &'a [u8],
    ) -> Result<Option<&'a [u8]>, ClientError> {
        let part = match self {
            Self::Len(left) => return Ok(take(left, input)),
            Self::Close => return Ok(take(&mut { u64::MAX }, input)),
            Self::Chunks(part) => part,
        };
        loop {
            if let Part::Data { left } = part {
                let piece = take(left, input);
                if *left == 0 {
                    *part = Part::DataEnd;
                }
                if piece.is_some() || !matches!(part, Part::DataEnd) {
                    return Ok(piece);
                }
            }
            if *part == Part::Whole {
                return Ok(None);
            }
            let Some((&byte, rest)) = input.split_first() else { return Ok(None) };
            *input = rest;
            *part = part.after(byte).ok_or(ClientError::Unreadable("its chunks are none"))?;
        }
    }
}

impl Part {
    /// What follows a byte that is not one of the body.
    fn after(self, byte: u8) -> Option<Self> {
        Some(match (self, byte) {
            (Self::Size { len: 0, .. }, b'\n') => Self::Trailer { is_line_empty: true },
            (Self::Size { len, .. }, b'\n') => Self::Data { left: len },
            (Self::Size { .. } | Self::DataEnd, b'\r') => self,
            (Self::Size { len, .. }, b';') => Self::Size { len, is_extension: true },
            (Self::Size { is_extension: true, .. }, _) => self,
            (Self::Size { len, .. }, digit) => {
                let digit = char::from(digit).to_digit(16)?;
                let len = len.checked_mul(16)?.checked_add(digit.into())?;
                Self::Size { len, is_extension: false }
            }
            (Self::DataEnd, b'\n') => SIZE,
            (Self::Trailer { is_line_empty: true }, b'\n') => Self::Whole,
            (Self::Trailer { .. }, b'\n') => Self::Trailer { is_line_empty: true },
            (Self::Trailer { .. }, b'\r') => self,
            (Self::Trailer { .. }, _) => Self::Trailer { is_line_empty: false },
            (Self::Data { .. } | Self::DataEnd | Self::Whole, _) => return None,
        })
    }
}

/// As many of `left` bytes as there are.
fn take<'a>(left: &mut u64, input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
    let (piece, rest) = input.split_at_checked(len)?;
    *input = rest;
    *left -= len as u64;
    (len > 0).then_some(piece)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    /// What a body gives, however it is cut.
    fn check(body: Body, bytes: &[u8], expected: &[u8], is_whole: bool) {
        for cut in 1..=bytes.len() {
            let (mut body, mut given) = (body, Vec::new());
            for mut part in bytes.chunks(cut) {
                while let Some(piece) = body.read(&mut part).expect("legal") {
                    given.extend_from_slice(piece);
                }
            }
            assert_eq!((&given[..], body.is_whole()), (expected, is_whole), "cut {cut}");
        }
    }

    #[test]
    fn bodies_are_found_however_they_are_cut() {
        check(Body::Len(5), b"hello, world", b"hello", true);
        check(Body::Len(50), b"hello", b"hello", false);
        check(Body::Close, b"hello", b"hello", false);
        let chunks = b"5\r\nhello\r\n0A;x=\"y\"\r\n, 0123\r\n67\r\n0\r\nA: b\r\n\r\nnext";
        check(Body::chunks(), chunks, b"hello, 0123\r\n67", true);
        check(Body::chunks(), b"5\r\nhello\r\n", b"hello", false);
    }

    #[test]
    fn what_are_no_chunks_is_told() {
        for bytes in ["x\r\n", "1\r\nab\r\n", "fffffffffffffffff\r\n"] {
            let (mut body, mut input) = (Body::chunks(), bytes.as_bytes());
            let outcome = loop {
                match body.read(&mut input) {
                    Ok(Some(_)) => {}
                    other => break other,
                }
            };
            assert!(matches!(outcome, Err(ClientError::Unreadable(_))), "{bytes}");
        }
    }
}
