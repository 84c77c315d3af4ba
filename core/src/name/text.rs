//! The characters of names, and of what is logged of peers.

use super::{NameError, Part, String};
use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::fmt::Write;

/// Text of a peer for a log line: control characters, quotes and non-UTF-8 escaped, at most `max`
/// bytes.
///
/// Bytes are escaped as `\x1b`, characters beyond ASCII that do not show or that reorder a line as
/// `\u{202e}`. An escape is never cut in two; text that was cut ends in `...` where `max` allows.
#[must_use]
pub fn escape(text: &[u8], max: usize) -> String {
    // Each byte gives at least one, so that what lies further behind cannot appear. The margin
    // keeps a character whole that starts before the cut.
    let text = text.get(..max.saturating_add(4)).unwrap_or(text);
    let mut out = String::with_capacity(text.len().min(max));
    let mut room_for_dots = 0;
    for chunk in text.utf8_chunks() {
        let valid = chunk.valid().chars().map(Piece::Character);
        for piece in valid.chain(chunk.invalid().iter().map(|byte| Piece::Byte(*byte))) {
            piece.write(&mut out);
            if out.len() > max {
                out.truncate(room_for_dots);
                out.push_str("...".get(..max.min(3)).unwrap_or_default());
                return out;
            }
            if out.len().saturating_add(3) <= max {
                room_for_dots = out.len();
            }
        }
    }
    out
}

enum Piece {
    Byte(u8),
    Character(char),
}

impl Piece {
    fn write(self, out: &mut String) {
        // Writing to a String cannot fail.
        let _ = match self {
            Self::Byte(byte) => write!(out, "\\x{byte:02x}"),
            Self::Character(c @ ('"' | '\'' | '\\')) => write!(out, "\\x{:02x}", u32::from(c)),
            Self::Character(c) if c.is_ascii_control() => write!(out, "\\x{:02x}", u32::from(c)),
            Self::Character(c) if c.is_control() || is_deceptive(c) => {
                write!(out, "\\u{{{:x}}}", u32::from(c))
            }
            Self::Character(c) => out.write_char(c),
        };
    }
}

/// An argument of a peer as text, without outer blanks.
pub(super) fn read(bytes: &[u8], part: Part, len_max: usize) -> Result<&str, NameError> {
    if bytes.len() > len_max {
        return Err(NameError::TooLong(part));
    }
    let text = core::str::from_utf8(bytes).map_err(|_| NameError::Forbidden(part))?;
    Ok(text.trim_matches(BLANKS))
}

/// An app or stream without outer slashes, and without blanks at its ends or spaces in it.
pub(super) fn fold(name: &str) -> Cow<'_, str> {
    let name = name.trim_matches(|c| c == '/' || BLANKS.contains(&c));
    if name.contains(' ') {
        name.chars().filter(|c| *c != ' ').collect::<String>().into()
    } else {
        name.into()
    }
}

/// Whether `name` may be an app or a stream.
pub(super) fn check_name(name: &str, part: Part, len_max: usize) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty(part));
    }
    if name.len() > len_max {
        return Err(NameError::TooLong(part));
    }
    let is_plain = |c: char| is_legal(c) && !c.is_whitespace() && c != '?';
    let is_legal_name = name.chars().all(is_plain)
        // A name that is a whole argument of a program must not be one of its options.
        && !name.starts_with('-')
        && name.split('/').all(|component| !component.is_empty() && !is_dots(component))
        && (!name.contains('%') || is_legal_when_decoded(name));
    if is_legal_name { Ok(()) } else { Err(NameError::Forbidden(part)) }
}

const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];

/// Whether `name` is harmless in the hands of someone who decodes its percent signs, even twice.
fn is_legal_when_decoded(name: &str) -> bool {
    let mut decoded = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        rest = behind;
        let Some((byte, behind)) = (first == b'%').then(|| hex_byte(behind)).flatten() else {
            decoded.push(first);
            continue;
        };
        if matches!(byte, b'/' | b'%') {
            return false;
        }
        decoded.push(byte);
        rest = behind;
    }
    core::str::from_utf8(&decoded)
        .is_ok_and(|name| name.chars().all(is_legal) && !name.split('/').any(is_dots))
}

/// The byte that two hexadecimal digits make, and what follows them.
fn hex_byte(text: &[u8]) -> Option<(u8, &[u8])> {
    let (&[high, low], rest) = text.split_first_chunk()?;
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some((digit(high)? << 4 | digit(low)?, rest))
}

fn is_dots(component: &str) -> bool {
    component == "." || component == ".."
}

fn is_legal(c: char) -> bool {
    !(c == '\\' || c.is_control() || is_deceptive(c))
}

/// Characters that reorder a line, break it, do not show, or look like a slash or backslash.
fn is_deceptive(c: char) -> bool {
    matches!(
        c,
        '\u{061C}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}'
            | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}'
            | '\u{E0000}'..='\u{E007F}'
            | '\u{2044}' | '\u{2215}' | '\u{2216}' | '\u{29F5}' | '\u{29F8}' | '\u{29F9}'
            | '\u{FE68}' | '\u{FF0F}' | '\u{FF3C}'
    )
}
