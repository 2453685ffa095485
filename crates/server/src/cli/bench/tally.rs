//! Counts and latencies of one kind of request.

use std::time::Duration;

use serde_json::{Value, json};

use super::latencies::{Latencies, float, ms};

/// What one thread, or all together, saw.
#[derive(Debug, Default)]
pub(super) struct Tally {
    latencies: Latencies,
    /// Answers other than success.
    pub(super) errors: u64,
    /// Members that had to join again.
    pub(super) rejoins: u64,
}

impl Tally {
    /// Counts an answer.
    pub(super) fn add(&mut self, latency: Duration) {
        self.latencies.add(latency);
    }

    /// Counts what another saw.
    pub(super) fn merge(&mut self, other: &Self) {
        self.latencies.merge(&other.latencies);
        self.errors += other.errors;
        self.rejoins += other.rejoins;
    }

    /// The numbers of `during`.
    pub(super) fn summary(self, during: Duration) -> Summary {
        let seconds = during.as_secs_f64().max(f64::MIN_POSITIVE);
        Summary {
            per_second: float(self.latencies.count()) / seconds,
            latencies: self.latencies,
            errors: self.errors,
            rejoins: self.rejoins,
        }
    }
}

/// What is told of a tally.
#[derive(Debug)]
pub(super) struct Summary {
    latencies: Latencies,
    per_second: f64,
    errors: u64,
    rejoins: u64,
}

impl Summary {
    /// As a line; `name` says what was counted.
    pub(super) fn line(&self, name: &str) -> String {
        format!(
            "{name}: {}, {:.0}/s, p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms, errors {}, joined again {}",
            self.latencies.count(),
            self.per_second,
            ms(self.latencies.quantile(500)),
            ms(self.latencies.quantile(990)),
            ms(self.latencies.max()),
            self.errors,
            self.rejoins,
        )
    }

    /// For programs.
    pub(super) fn fields(&self) -> Value {
        json!({
            "count": self.latencies.count(),
            "per_s": self.per_second,
            "p50_ms": ms(self.latencies.quantile(500)),
            "p99_ms": ms(self.latencies.quantile(990)),
            "max_ms": ms(self.latencies.max()),
            "errors": self.errors,
            "rejoins": self.rejoins,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_threads_saw_adds_up() {
        let mut tally = Tally::default();
        for ms in (1..=100).rev() {
            tally.add(Duration::from_millis(ms));
        }
        let mut other = Tally { errors: 2, ..Tally::default() };
        other.merge(&tally);
        let summary = other.summary(Duration::from_secs(4));
        assert_eq!((summary.latencies.count(), summary.per_second, summary.errors), (100, 25.0, 2));
        assert_eq!(summary.fields()["max_ms"], 100.0);
    }
}
