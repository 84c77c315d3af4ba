//! Finite entropy: all choices of a run are drawn from one byte string.
//!
//! The string comes from a seed, from quickcheck or from a fuzzer. When it has run out, every
//! choice is the simplest one, so that shortening the string or setting its bytes to zero makes a
//! run simpler: that is what shrinking does.

use millstream_core::rng::Rng;
use std::ops::RangeInclusive;

/// A source of choices. The simplest choice is the first of a range, or `false`.
#[derive(Clone, Debug)]
pub struct Entropy(Source);

#[derive(Clone, Debug)]
enum Source {
    Bytes { bytes: Vec<u8>, at: usize },
    Seeded { rng: Rng, left: u64 },
}

impl Entropy {
    /// Draws from `bytes`.
    #[must_use]
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self(Source::Bytes { bytes, at: 0 })
    }

    /// Draws from `len` bytes that `seed` makes.
    #[must_use]
    pub const fn from_seed(seed: u64, len: u64) -> Self {
        Self(Source::Seeded { rng: Rng::new(seed), left: len })
    }

    /// Nothing: every choice is the simplest.
    #[must_use]
    pub const fn empty() -> Self {
        Self::new(Vec::new())
    }

    /// True when all is drawn.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Source::Bytes { bytes, at } => *at >= bytes.len(),
            Source::Seeded { left, .. } => *left == 0,
        }
    }

    /// A number of the range; its start is the simplest.
    pub fn range(&mut self, range: RangeInclusive<u64>) -> u64 {
        let span = range.end().saturating_sub(*range.start());
        let Some(count) = span.checked_add(1) else { return self.draw(8) };
        // As few bytes as the range needs: finite entropy is to last.
        let len = match span {
            0 => return *range.start(),
            1..=0xFF => 1,
            0x100..=0xFFFF => 2,
            0x1_0000..=0xFFFF_FFFF => 4,
            _ => 8,
        };
        range.start() + self.draw(len) % count
    }

    /// True once in `count` times; never when `count` is 0 or nothing is left.
    pub fn one_in(&mut self, count: u64) -> bool {
        count > 0 && self.range(0..=count - 1) == count - 1 && (count > 1 || !self.is_empty())
    }

    /// One of the choices; the first is the simplest.
    ///
    /// # Panics
    /// There are none.
    pub fn choose<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.range(0..=choices.len() as u64 - 1) as usize]
    }

    fn draw(&mut self, len: usize) -> u64 {
        match &mut self.0 {
            Source::Bytes { bytes, at } => {
                let mut value = 0;
                for _ in 0..len {
                    let byte = bytes.get(*at).copied().unwrap_or(0);
                    *at = at.saturating_add(1);
                    value = value << 8 | u64::from(byte);
                }
                value
            }
            Source::Seeded { rng, left } => {
                if *left < len as u64 {
                    *left = 0;
                    return 0;
                }
                *left -= len as u64;
                rng.next_u64() >> (64 - 8 * len as u32)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;
    use quickcheck::quickcheck;

    #[test]
    fn without_entropy_every_choice_is_the_simplest() {
        let mut entropy = Entropy::empty();
        assert_eq!(entropy.range(7..=900), 7);
        assert!(!entropy.one_in(1));
        assert!(!entropy.one_in(3));
        assert_eq!(entropy.choose(&["a", "b"]), "a");
    }

    #[test]
    fn the_same_seed_gives_the_same_choices_and_ends() {
        let draw = || {
            let mut entropy = Entropy::from_seed(3, 100);
            let values: Vec<u64> = (0..40).map(|_| entropy.range(0..=100_000)).collect();
            assert!(entropy.is_empty());
            values
        };
        assert_eq!(draw(), draw());
        assert_eq!(draw()[25..], [0; 15]);
        assert!(draw()[..25].iter().any(|value| *value != 0));
    }

    quickcheck! {
        fn choices_stay_in_range(bytes: Vec<u8>, from: u32, span: u32) -> bool {
            let mut entropy = Entropy::new(bytes);
            let range = u64::from(from)..=u64::from(from) + u64::from(span);
            (0..20).all(|_| range.contains(&entropy.range(range.clone())))
        }
    }
}
