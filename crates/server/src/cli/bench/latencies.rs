//! How long requests took: counted in buckets that are less than 1 % wide, so that memory and the cost of counting do not depend on how
//! many there are, and the far percentiles are still true.
//!
//! (The histograms of the metrics page have few, wide buckets: they are for graphs of running brokers.)

use std::time::Duration;

use serde_json::{Value, json};

/// A power of two is divided into so many buckets.
const STEPS: u64 = 1 << STEPS_LOG;
const STEPS_LOG: u32 = 7;

/// Latencies of one thread, or of all.
#[derive(Debug, Default, Clone)]
pub(super) struct Latencies {
    /// By bucket; as many as were needed.
    counts: Vec<u64>,
    count: u64,
    sum: Duration,
    max: Duration,
}

impl Latencies {
    /// Counts one.
    pub(super) fn add(&mut self, latency: Duration) {
        let bucket = bucket(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
        if self.counts.len() <= bucket {
            self.counts.resize(bucket.saturating_add(1), 0);
        }
        if let Some(count) = self.counts.get_mut(bucket) {
            *count += 1;
        }
        self.count += 1;
        self.sum = self.sum.saturating_add(latency);
        self.max = self.max.max(latency);
    }

    /// Counts what another has counted.
    pub(super) fn merge(&mut self, other: &Self) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.count += other.count;
        self.sum = self.sum.saturating_add(other.sum);
        self.max = self.max.max(other.max);
    }

    /// How many.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The longest; zero when there was none.
    pub(super) fn max(&self) -> Duration {
        self.max
    }

    /// The latency that so many thousandths did not exceed (nearest rank), rounded up by less than 1 %; zero when there was none.
    pub(super) fn quantile(&self, thousandths: u64) -> Duration {
        let rank = self.count.saturating_mul(thousandths).div_ceil(1000).max(1);
        let mut before = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            before += count;
            if before >= rank {
                return Duration::from_nanos(upper_bound(bucket)).min(self.max);
            }
        }
        self.max
    }

    /// The mean; zero when there was none.
    pub(super) fn mean(&self) -> Duration {
        Duration::from_secs_f64(self.sum.as_secs_f64() / float(self.count.max(1)))
    }

    /// For programs.
    pub(super) fn fields(&self) -> Value {
        json!({
            "count": self.count,
            "mean_ms": ms(self.mean()),
            "p50_ms": ms(self.quantile(500)),
            "p90_ms": ms(self.quantile(900)),
            "p99_ms": ms(self.quantile(990)),
            "p999_ms": ms(self.quantile(999)),
            "max_ms": ms(self.max),
        })
    }

    /// As a line.
    pub(super) fn line(&self) -> String {
        format!(
            "p50 {:.3} ms, p90 {:.3} ms, p99 {:.3} ms, p99.9 {:.3} ms, max {:.3} ms",
            ms(self.quantile(500)),
            ms(self.quantile(900)),
            ms(self.quantile(990)),
            ms(self.quantile(999)),
            ms(self.max),
        )
    }
}

/// Milliseconds.
pub(super) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// A count in calculations with fractions, exact up to 2^53.
#[allow(clippy::cast_precision_loss, reason = "no count comes near 2^53")]
pub(super) fn float(count: u64) -> f64 {
    count as f64
}

/// The bucket of a value: values below [`STEPS`] have their own; above, the highest bits decide.
fn bucket(value: u64) -> usize {
    let shift = (u64::BITS - value.leading_zeros()).saturating_sub(STEPS_LOG + 1);
    let index = u64::from(shift) * STEPS + (value >> shift);
    usize::try_from(index).unwrap_or(usize::MAX)
}

/// The largest value of a bucket.
fn upper_bound(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    let shift = (bucket / STEPS).saturating_sub(1);
    let step = bucket - shift * STEPS;
    // In the last bucket of all the sum wraps to what is meant.
    (step + 1).checked_shl(u32::try_from(shift).unwrap_or(u32::MAX)).unwrap_or(0).wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_what_falls_into_it_and_is_narrow() {
        let mut values: Vec<u64> =
            (0..64).flat_map(|bit| [1 << bit, (1 << bit) - 1, 3 << bit >> 1]).collect();
        values.extend([0, 127, 128, 255, 256, 257, 1_000_003, u64::MAX]);
        for value in values {
            let bound = upper_bound(bucket(value));
            assert!(bound >= value && bound - value <= value / 128, "{value}: {bound}");
            assert_eq!(bucket(bound), bucket(value));
            assert!(bound == u64::MAX || bucket(bound + 1) == bucket(value) + 1, "{value}");
        }
    }

    #[test]
    fn percentiles_are_those_of_what_was_counted() {
        let (mut one, mut other) = (Latencies::default(), Latencies::default());
        for ms in 1..=1000u64 {
            if ms % 3 == 0 { &mut one } else { &mut other }.add(Duration::from_millis(ms));
        }
        one.merge(&other);
        assert_eq!((one.count(), one.max()), (1000, Duration::from_millis(1000)));
        assert_eq!(one.mean().as_micros(), 500_500);
        for (thousandths, expected) in [(500, 500.0), (990, 990.0), (999, 999.0), (1000, 1000.0)] {
            let found = ms(one.quantile(thousandths));
            assert!((expected..expected * 1.008).contains(&found), "{thousandths}: {found}");
        }
    }

    #[test]
    fn nothing_counted_is_zero() {
        let none = Latencies::default();
        assert_eq!((none.quantile(990), none.mean(), none.max()), Default::default());
    }
}
