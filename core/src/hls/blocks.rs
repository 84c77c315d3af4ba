//! The bytes of a segment, in blocks that are never copied to grow.
//!
//! The tables are rendered last: only at its end is it known which tracks a segment has.

use crate::ts::stream::TABLES_INTERVAL_MS;
use crate::ts::tables::{Programme, Tables};
use alloc::vec::Vec;
use bytes::{Bytes, BytesMut};

/// A segment in the making.
#[derive(Debug)]
pub(super) struct Blocks {
    done: Vec<Block>,
    done_len: usize,
    current: BytesMut,
    tables_ms: i64,
}

#[derive(Debug)]
enum Block {
    Media(Bytes),
    Tables(Tables),
}

/// A block of this length takes no further frame.
const BLOCK_LEN: usize = 64 << 10;

impl Blocks {
    pub(super) fn new(start_ms: i64) -> Self {
        Self { done: Vec::new(), done_len: 0, current: BytesMut::new(), tables_ms: start_ms }
    }

    /// Bytes so far, without tables.
    pub(super) fn len(&self) -> usize {
        self.done_len.saturating_add(self.current.len())
    }

    /// Where media are appended.
    pub(super) const fn current(&mut self) -> &mut BytesMut {
        &mut self.current
    }

    /// Whether the tables are due again before a frame at `at_ms`.
    pub(super) const fn wants_tables(&self, at_ms: i64) -> bool {
        at_ms.saturating_sub(self.tables_ms) >= TABLES_INTERVAL_MS
    }

    /// Puts the tables behind what was appended.
    pub(super) fn put_tables(&mut self, tables: Tables) {
        self.end_block();
        self.done.push(Block::Tables(tables));
    }

    pub(super) const fn set_tables_ms(&mut self, at_ms: i64) {
        self.tables_ms = at_ms;
    }

    /// Ends the current block if it is long.
    pub(super) fn seal(&mut self) {
        if self.current.len() >= BLOCK_LEN {
            self.end_block();
        }
    }

    /// All bytes, whose tables tell of `programme`.
    pub(super) fn finish(mut self, programme: &Programme, version: u8) -> Vec<Bytes> {
        self.end_block();
        let block = |block| match block {
            Block::Media(bytes) => bytes,
            Block::Tables(tables) => {
                Bytes::copy_from_slice(&Tables { version, ..tables }.render(programme))
            }
        };
        self.done.into_iter().map(block).collect()
    }

    fn end_block(&mut self) {
        if !self.current.is_empty() {
            self.done_len = self.done_len.saturating_add(self.current.len());
            self.done.push(Block::Media(core::mem::take(&mut self.current).freeze()));
        }
    }
}
