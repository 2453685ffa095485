//! Counts and latencies of one kind of request.

use std::time::Duration;

use serde_json::{Value, json};

/// What one thread, or all together, saw.
#[derive(Debug, Default)]
pub(super) struct Tally {
    latencies_us: Vec<u32>,
    /// Answers other than success.
    pub(super) errors: u64,
    /// Members that had to join again.
    pub(super) rejoins: u64,
}

impl Tally {
    /// Counts an answer.
    pub(super) fn add(&mut self, latency: Duration) {
        self.latencies_us.push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
    }

    /// Counts what another saw.
    pub(super) fn merge(&mut self, other: Self) {
        self.latencies_us.extend(other.latencies_us);
        self.errors += other.errors;
        self.rejoins += other.rejoins;
    }

    /// The numbers of `during`.
    pub(super) fn summary(mut self, during: Duration) -> Summary {
        self.latencies_us.sort_unstable();
        // Nearest rank, as most tools define it.
        let at = |thousandths: usize| {
            let rank = (self.latencies_us.len() * thousandths).div_ceil(1000).max(1);
            Duration::from_micros(self.latencies_us.get(rank - 1).copied().unwrap_or_default().into())
        };
        let seconds = during.as_secs_f64().max(f64::MIN_POSITIVE);
        let count = self.latencies_us.len();
        let per_second = u32::try_from(count).map_or(f64::MAX, f64::from) / seconds;
        Summary {
            count,
            per_second,
            p50: at(500),
            p99: at(990),
            max: at(1000),
            errors: self.errors,
            rejoins: self.rejoins,
        }
    }
}

/// What is told of a tally.
#[derive(Debug)]
pub(super) struct Summary {
    count: usize,
    per_second: f64,
    p50: Duration,
    p99: Duration,
    max: Duration,
    errors: u64,
    rejoins: u64,
}

impl Summary {
    /// As a line; `name` says what was counted.
    pub(super) fn line(&self, name: &str) -> String {
        let ms = |duration: Duration| format!("{:.2} ms", duration.as_secs_f64() * 1000.0);
        format!(
            "{name}: {}, {:.0}/s, p50 {}, p99 {}, max {}, errors {}, joined again {}",
            self.count,
            self.per_second,
            ms(self.p50),
            ms(self.p99),
            ms(self.max),
            self.errors,
            self.rejoins,
        )
    }

    /// For programs.
    pub(super) fn fields(&self) -> Value {
        let ms = |duration: Duration| duration.as_secs_f64() * 1000.0;
        json!({
            "count": self.count,
            "per_s": self.per_second,
            "p50_ms": ms(self.p50),
            "p99_ms": ms(self.p99),
            "max_ms": ms(self.max),
            "errors": self.errors,
            "rejoins": self.rejoins,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_what_was_counted() {
        let mut tally = Tally::default();
        for ms in (1..=100).rev() {
            tally.add(Duration::from_millis(ms));
        }
        let mut other = Tally { errors: 2, ..Tally::default() };
        other.merge(tally);
        let summary = other.summary(Duration::from_secs(4));
        assert_eq!(
            (summary.p50.as_millis(), summary.p99.as_millis(), summary.max.as_millis()),
            (50, 99, 100)
        );
        assert_eq!((summary.count, summary.per_second, summary.errors), (100, 25.0, 2));
    }

    #[test]
    fn nothing_counted_is_zero() {
        let summary = Tally::default().summary(Duration::ZERO);
        assert_eq!((summary.count, summary.max), (0, Duration::ZERO));
    }
}
