//! Values as words: what a trace holds of configurations and of what shards tell for the API.
//!
//! A value is words between single spaces. Numbers are as they are, durations are microseconds,
//! text is in quotes and escaped, `-` is nothing, a list begins with its length, and a struct says
//! the name of each field before its value. A field that is new and not named in the tables below
//! does not compile.

use millstream_core::event::RefuseReason;
use millstream_core::name::{NameLimits, StreamName};
use std::collections::BTreeMap;
use std::iter::Peekable;
use std::net::SocketAddr;
use std::str::Split;
use std::sync::Arc;
use std::time::Duration;

/// Names in a trace were legal once: no limit refuses them now.
pub(super) const LIMITS: NameLimits =
    NameLimits { app_len_max: 1 << 16, stream_len_max: 1 << 16, tc_url_len_max: 1 << 16 };

/// What is left of a line.
#[derive(Debug)]
pub(super) struct Reader<'a>(Peekable<Split<'a, char>>);

/// What can be written as words and read again.
pub(super) trait Words: Sized {
    /// Appends its words, each after a space.
    fn write(&self, line: &mut String);

    /// Reads what `write` has written; `None` when it is not that.
    fn read(words: &mut Reader<'_>) -> Option<Self>;
}

/// The value that `text` is; `None` when it is not, or more.
pub(super) fn read_words<T: Words>(text: &str) -> Option<T> {
    let mut words = Reader(text.split(' ').peekable());
    let value = T::read(&mut words)?;
    words.0.next().is_none().then_some(value)
}

/// The words of a value.
pub(super) fn write_words<T: Words>(value: &T) -> String {
    let mut line = String::new();
    value.write(&mut line);
    line.split_off(1.min(line.len()))
}

impl<'a> Reader<'a> {
    pub(super) fn word(&mut self) -> Option<&'a str> {
        self.0.next()
    }

    /// Passes over a word, if it is this one.
    pub(super) fn expect(&mut self, word: &str) -> Option<()> {
        self.0.next_if(|next| *next == word).map(drop)
    }
}

pub(super) fn push(word: &str, line: &mut String) {
    line.push(' ');
    line.push_str(word);
}

/// Text as one word.
pub(super) fn quote(text: &str) -> String {
    let escaped: String = text.escape_default().collect();
    format!("\"{}\"", escaped.replace(' ', "\\u{20}"))
}

/// Text of one word.
pub(super) fn unquote(word: &str) -> Option<String> {
    unescape(word.strip_prefix('"')?.strip_suffix('"')?)
}

/// Text that `escape_default` has escaped.
pub(super) fn unescape(text: &str) -> Option<String> {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let kind = after.chars().next()?;
        rest = after.get(kind.len_utf8()..)?;
        plain.push(match kind {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            '\\' | '"' | '\'' => kind,
            'u' => {
                let (digits, after) = rest.strip_prefix('{')?.split_once('}')?;
                rest = after;
                char::from_u32(u32::from_str_radix(digits, 16).ok()?)?
            }
            _ => return None,
        });
    }
    plain.push_str(rest);
    Some(plain)
}

macro_rules! plain_words {
    ($($kind:ty),* $(,)?) => {$(
        impl Words for $kind {
            fn write(&self, line: &mut String) {
                push(&self.to_string(), line);
            }

            fn read(words: &mut Reader<'_>) -> Option<Self> {
                words.word()?.parse().ok()
            }
        }
    )*};
}

plain_words!(bool, u8, u16, u32, u64, usize, i32, SocketAddr);

impl Words for Duration {
    fn write(&self, line: &mut String) {
        push(&self.as_micros().to_string(), line);
    }

    fn read(words: &mut Reader<'_>) -> Option<Self> {
        Some(Self::from_micros(words.word()?.parse().ok()?))
    }
}

impl Words for Arc<str> {
    fn write(&self, line: &mut String) {
        push(&quote(self), line);
    }

    fn read(words: &mut Reader<'_>) -> Option<Self> {
        Some(unquote(words.word()?)?.into())
    }
}

/// The parts of a name, since a slash may be in two of them.
impl Words for StreamName {
    fn write(&self, line: &mut String) {
        for part in [self.vhost(), self.app(), self.stream()] {
            push(&quote(part), line);
        }
    }

    fn read(words: &mut Reader<'_>) -> Option<Self> {
        let mut part = || unquote(words.word()?);
        let (vhost, app, stream) = (part()?, part()?, part()?);
        Self::new(&vhost, &app, &stream, LIMITS).ok()
    }
}

impl<T: Words> Words for Option<T> {
    fn write(&self, line: &mut String) {
        match self {
            Some(value) => value.write(line),
            None => push("-", line),
        }
    }

    fn read(words: &mut Reader<'_>) -> Option<Self> {
        if words.expect("-").is_some() { Some(None) } else { T::read(words).map(Some) }
    }
}

impl<T: Words> Words for Vec<T> {
    fn write(&self, line: &mut String) {
        self.len().write(line);
        self.iter().for_each(|item| item.write(line));
    }

    fn read(words: &mut Reader<'_>) -> Option<Self> {
        let count = usize::read(words)?;
        (0..count).map(|_| T::read(words)).collect()
    }
}

impl<K: Words + Ord, V: Words> Words for BTreeMap<K, V> {
    fn write(&self, line: &mut String) {
        self.len().write(line);
        for (key, value) in self {
            key.write(line);
            value.write(line);
        }
    }

    fn read(words: &mut Reader<'_>) -> Option<Self> {
        let count = usize::read(words)?;
        (0..count).map(|_| Some((K::read(words)?, V::read(words)?))).collect()
    }
}

impl<A: Words, B: Words> Words for (A, B) {
    fn write(&self, line: &mut String) {
        self.0.write(line);
        self.1.write(line);
    }

    fn read(words: &mut Reader<'_>) -> Option<Self> {
        Some((A::read(words)?, B::read(words)?))
    }
}

impl<T: Words> Words for Arc<T> {
    fn write(&self, line: &mut String) {
        T::write(self, line);
    }

    fn read(words: &mut Reader<'_>) -> Option<Self> {
        T::read(words).map(Self::new)
    }
}

/// Structs: the name of each field and its value.
macro_rules! structs {
    ($($kind:ident { $($field:ident),* $(,)? })*) => {$(
        impl $crate::trace::words::Words for $kind {
            fn write(&self, line: &mut String) {
                let Self { $($field),* } = self;
                $(
                    $crate::trace::words::push(stringify!($field), line);
                    $crate::trace::words::Words::write($field, line);
                )*
            }

            fn read(words: &mut $crate::trace::words::Reader<'_>) -> Option<Self> {
                $(
                    words.expect(stringify!($field))?;
                    let $field = $crate::trace::words::Words::read(words)?;
                )*
                Some(Self { $($field),* })
            }
        }
    )*};
}

/// Values that a word stands for.
macro_rules! choices {
    ($($kind:ident { $($value:pat => $name:literal = $made:expr),* $(,)? })*) => {$(
        impl $crate::trace::words::Words for $kind {
            fn write(&self, line: &mut String) {
                $crate::trace::words::push(match self { $($value => $name),* }, line);
            }

            fn read(words: &mut $crate::trace::words::Reader<'_>) -> Option<Self> {
                match words.word()? {
                    $($name => Some($made),)*
                    _ => None,
                }
            }
        }
    )*};
}

pub(super) use {choices, structs};

pub(super) const REASONS: [RefuseReason; 11] = [
    RefuseReason::BadName,
    RefuseReason::Busy,
    RefuseReason::ConnectRate,
    RefuseReason::ConnectionsMax,
    RefuseReason::ConnectionsPerIp,
    RefuseReason::Loop,
    RefuseReason::Refer,
    RefuseReason::Shutdown,
    RefuseReason::SourcesMax,
    RefuseReason::StreamNotFound,
    RefuseReason::Vhost,
];

impl Words for RefuseReason {
    fn write(&self, line: &mut String) {
        push(self.as_str(), line);
    }

    fn read(words: &mut Reader<'_>) -> Option<Self> {
        let word = words.word()?;
        REASONS.into_iter().find(|reason| reason.as_str() == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;
    use quickcheck::quickcheck;

    quickcheck! {
        fn text_is_one_word_and_read_again(text: String) -> bool {
            let word = quote(&text);
            !word.contains([' ', '\n']) && unquote(&word) == Some(text)
        }
    }

    #[test]
    fn what_is_damaged_is_refused() {
        for word in ["", "\"", "a", "\"a", "\"\\\"", "\"\\x\"", "\"\\u{}\"", "\"\\u{110000}\""] {
            assert_eq!(unquote(word), None, "{word}");
        }
        assert_eq!(read_words::<Vec<u8>>("2 1"), None);
        assert_eq!(read_words::<Vec<u8>>("1 1 1"), None);
        assert_eq!(read_words::<Vec<u8>>("99999999999999999999"), None);
        assert_eq!(read_words::<Vec<u8>>("4294967296 1"), None, "nothing is set aside for it");
        assert_eq!(read_words::<Option<u8>>("-"), Some(None));
    }
}
