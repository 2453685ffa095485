//! Figures that many threads count and one reads from time to time: no lock, no allocation, a few nanoseconds each.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only rises.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `amount`.
    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// The number.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Upper bounds of the buckets of a [`Histogram`] in microseconds; what is longer falls into one more.
pub const BUCKETS_US: [u64; 16] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
    5_000_000, 30_000_000,
];

/// How long things took.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS_US.len() + 1],
    sum_ns: AtomicU64,
}

/// A histogram at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistogramSnapshot {
    /// For each bucket how many were not longer than its bound, and than those before it; the last counts all.
    pub cumulative: [u64; BUCKETS_US.len() + 1],
    /// Nanoseconds of all together.
    pub sum_ns: u64,
}

impl Histogram {
    /// Counts one that took so many nanoseconds.
    pub fn record_ns(&self, nanoseconds: u64) {
        let bucket = BUCKETS_US.partition_point(|bound| bound * 1_000 < nanoseconds);
        if let Some(bucket) = self.buckets.get(bucket) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_ns.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// Counts one that took so long.
    pub fn record(&self, duration: std::time::Duration) {
        self.record_ns(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }

    /// What was counted until now.
    pub fn snapshot(&self) -> HistogramSnapshot {
        let mut all = 0;
        let cumulative = std::array::from_fn(|index| {
            all += self.buckets.get(index).map_or(0, |bucket| bucket.load(Ordering::Relaxed));
            all
        });
        HistogramSnapshot { cumulative, sum_ns: self.sum_ns.load(Ordering::Relaxed) }
    }
}

impl HistogramSnapshot {
    /// How many there were.
    pub fn count(&self) -> u64 {
        self.cumulative.last().copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_counted_from_the_first_bucket_that_holds_it() {
        let histogram = Histogram::default();
        for microseconds in [50, 51, 2_000, u64::from(u32::MAX)] {
            histogram.record(std::time::Duration::from_micros(microseconds));
        }
        let snapshot = histogram.snapshot();
        assert_eq!(snapshot.count(), 4);
        assert_eq!(&snapshot.cumulative[..7], [1, 2, 2, 2, 2, 3, 3]);
        assert_eq!(snapshot.cumulative[BUCKETS_US.len() - 1..], [3, 4]);
        assert_eq!(snapshot.sum_ns, (50 + 51 + 2_000 + u64::from(u32::MAX)) * 1_000);
    }

    #[test]
    fn counts_of_many_threads_add_up() {
        let (counter, histogram) = (Counter::default(), Histogram::default());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for round in 0..1_000 {
                        counter.add(2);
                        histogram.record_ns(round);
                    }
                });
            }
        });
        assert_eq!((counter.get(), histogram.snapshot().count()), (8_000, 4_000));
    }
}
