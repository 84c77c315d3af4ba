//! A histogram with buckets that grow with their values: any number of samples in a fixed size.

/// Buckets for each doubling: values are known to 1/64 of themselves.
const STEPS: u64 = 64;
const STEP_BITS: u32 = STEPS.ilog2();

/// Counts of samples by size.
#[derive(Clone, Debug, Default)]
pub(crate) struct Histogram {
    buckets: Vec<u64>,
    count: u64,
    min: u64,
    max: u64,
}

impl Histogram {
    /// Counts one sample.
    pub(crate) fn record(&mut self, value: u64) {
        let index = bucket_of(value);
        if self.buckets.len() <= index {
            self.buckets.resize(index + 1, 0);
        }
        if let Some(bucket) = self.buckets.get_mut(index) {
            *bucket += 1;
        }
        self.min = if self.count == 0 { value } else { self.min.min(value) };
        self.max = self.max.max(value);
        self.count += 1;
    }

    /// Adds the samples of `other`.
    pub(crate) fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        if self.buckets.len() < other.buckets.len() {
            self.buckets.resize(other.buckets.len(), 0);
        }
        for (bucket, more) in self.buckets.iter_mut().zip(&other.buckets) {
            *bucket += more;
        }
        self.min = if self.count == 0 { other.min } else { self.min.min(other.min) };
        self.max = self.max.max(other.max);
        self.count += other.count;
    }

    /// How many samples.
    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    /// The value that `part` (0 to 1) of the samples do not exceed; `None` without samples.
    pub(crate) fn quantile(&self, part: f64) -> Option<u64> {
        if self.count == 0 {
            return None;
        }
        let rank = ((self.count as f64 * part).ceil() as u64).clamp(1, self.count);
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Some(upper_of(index).clamp(self.min, self.max));
            }
        }
        Some(self.max)
    }

    /// The smallest sample.
    pub(crate) fn min(&self) -> Option<u64> {
        (self.count > 0).then_some(self.min)
    }

    /// The largest sample.
    pub(crate) fn max(&self) -> Option<u64> {
        (self.count > 0).then_some(self.max)
    }
}

/// Small values have a bucket each; then each doubling has `STEPS`.
fn bucket_of(value: u64) -> usize {
    let index = if value < STEPS * 2 {
        value
    } else {
        let shift = value.ilog2() - STEP_BITS;
        u64::from(shift) * STEPS + (value >> shift)
    };
    usize::try_from(index).unwrap_or(usize::MAX)
}

/// The largest value of a bucket.
fn upper_of(index: usize) -> u64 {
    let index = index as u64;
    if index < STEPS * 2 {
        return index;
    }
    let shift = index / STEPS - 1;
    let step = index % STEPS + STEPS;
    ((step + 1) << shift).wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pretty_assertions::assert_eq;
    use quickcheck::quickcheck;

    fn histogram(values: &[u64]) -> Histogram {
        let mut histogram = Histogram::default();
        for value in values {
            histogram.record(*value);
        }
        histogram
    }

    quickcheck! {
        fn quantiles_are_those_of_the_sorted_values(values: Vec<u64>, percent: u8) -> bool {
            let part = f64::from(percent % 101) / 100.0;
            let mut sorted = values.clone();
            sorted.sort_unstable();
            let rank = ((values.len() as f64 * part).ceil() as usize).clamp(1, values.len().max(1));
            let expected = sorted.get(rank - 1).copied();
            match (histogram(&values).quantile(part), expected) {
                (Some(found), Some(exact)) => found >= exact && found - exact <= exact / STEPS,
                (found, exact) => found == exact,
            }
        }

        fn merging_is_recording_all(one: Vec<u64>, other: Vec<u64>) -> bool {
            let mut merged = histogram(&one);
            merged.merge(&histogram(&other));
            let all = histogram(&[one, other].concat());
            (0..=10).all(|tenth| {
                let part = f64::from(tenth) / 10.0;
                merged.quantile(part) == all.quantile(part)
            }) && merged.count() == all.count()
                && merged.min() == all.min()
                && merged.max() == all.max()
        }
    }

    #[test]
    fn each_value_is_in_its_bucket() {
        for shift in 0..64 {
            for near in [0_u64, 1, 2, 63, 64, 65] {
                for value in
                    [(1_u64 << shift).wrapping_add(near), (1_u64 << shift).wrapping_sub(near)]
                {
                    let index = bucket_of(value);
                    assert!(value <= upper_of(index), "{value}");
                    assert!(index == 0 || value > upper_of(index - 1), "{value}");
                }
            }
        }
        assert_eq!(upper_of(bucket_of(u64::MAX)), u64::MAX);
    }
}
