//! Damage on the way: the bytes of a legal session, mutated.

use crate::entropy::Entropy;
use bytes::BytesMut;

/// Bytes kept to be sent again elsewhere.
const MEMORY_LEN: usize = 4 << 10;

#[derive(Debug)]
pub(super) struct Damage {
    memory: Vec<u8>,
    one_in: u64,
}

impl Damage {
    pub(super) const fn new(one_in: u64) -> Self {
        Self { memory: Vec::new(), one_in }
    }

    /// Damages what is about to be sent, once in a while.
    pub(super) fn apply(&mut self, bytes: &mut BytesMut, entropy: &mut Entropy) {
        if self.memory.len() < MEMORY_LEN {
            self.memory.extend(bytes.iter().take(MEMORY_LEN - self.memory.len()));
        }
        if bytes.is_empty() || !entropy.one_in(self.one_in) {
            return;
        }
        let at = entropy.range(0..=bytes.len() as u64 - 1) as usize;
        let len = entropy.range(0..=63) as usize + 1;
        match entropy.range(0..=4) {
            0 => bytes[at] ^= 1 << entropy.range(0..=7),
            1 => bytes.truncate(at),
            2 => {
                let again = bytes[at..].iter().copied().take(len).collect::<Vec<u8>>();
                insert(bytes, at, &again);
            }
            3 => {
                let from = entropy.range(0..=self.memory.len() as u64 - 1) as usize;
                let other = self.memory[from..].iter().copied().take(len).collect::<Vec<u8>>();
                insert(bytes, at, &other);
            }
            _ => {
                for byte in bytes[at..].iter_mut().take(len) {
                    *byte = entropy.range(0..=255) as u8;
                }
            }
        }
    }
}

fn insert(bytes: &mut BytesMut, at: usize, part: &[u8]) {
    let rest = bytes.split_off(at);
    bytes.extend_from_slice(part);
    bytes.extend_from_slice(&rest);
}
