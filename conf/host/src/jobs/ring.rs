//! The last words of a program.

use millstream_core::job::LAST_WORDS_MAX;
use std::collections::VecDeque;
use std::sync::Arc;

/// The newest bytes of what was said.
#[derive(Debug, Default)]
pub(super) struct Ring {
    bytes: VecDeque<u8>,
    is_cut: bool,
}

impl Ring {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let newest = bytes.len().saturating_sub(LAST_WORDS_MAX);
        self.bytes.extend(bytes.get(newest..).unwrap_or_default());
        let excess = self.bytes.len().saturating_sub(LAST_WORDS_MAX);
        self.is_cut |= excess > 0 || newest > 0;
        self.bytes.drain(..excess);
    }

    /// As text, whole lines only where an earlier part is gone.
    pub(super) fn text(&self) -> Arc<str> {
        let bytes: Vec<u8> = self.bytes.iter().copied().collect();
        let mut text = String::from_utf8_lossy(&bytes).into_owned();
        // What replaces a broken character is longer than it was.
        while text.len() > LAST_WORDS_MAX {
            text.remove(0);
        }
        let line = if self.is_cut { text.find('\n').map(|at| at + 1) } else { None };
        text.get(line.unwrap_or(0)..).unwrap_or_default().trim_end().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;

    #[test]
    fn the_newest_lines_stay() {
        let mut ring = Ring::default();
        ring.push(b"one\ntwo\n");
        assert_eq!(&*ring.text(), "one\ntwo");
        for number in 0..10_000 {
            ring.push(format!("line {number}\n").as_bytes());
        }
        let text = ring.text();
        assert!(text.starts_with("line ") && text.ends_with("line 9999"), "{text}");
        assert!(text.len() <= LAST_WORDS_MAX);
        ring.push(&[0xFF; 3 * LAST_WORDS_MAX]);
        assert!(ring.text().len() <= LAST_WORDS_MAX);
    }
}
