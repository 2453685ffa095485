//! What the server counts, and the table of everything that `/metrics` shows.
//!
//! Counting on the way of a request is a few atomic additions. Everything else is read from where it lies when somebody
//! asks ([`crate::status`]).

mod page;
mod process;
mod table;

use std::sync::OnceLock;
use std::time::Duration;

use highwater_types::{Counter, Histogram};
use highwater_wire::{ApiKey, ErrorCode};

use crate::api_table::SUPPORTED;
use crate::connection::budget::Budget;

pub(crate) use page::page;
pub(crate) use process::Process;
pub(crate) use table::metrics_page;

/// What is counted of one API.
#[derive(Debug)]
pub(crate) struct ApiMetrics {
    /// Which one.
    pub(crate) api: ApiKey,
    /// From when a request is taken up until its answer is handed to the system.
    pub(crate) latency: Histogram,
    /// Requests taken up.
    pub(crate) requests: Counter,
    /// Error codes answered, by the order of [`ErrorCode::ALL`].
    errors: Vec<Counter>,
}

/// The server's own counters.
#[derive(Debug)]
pub(crate) struct Metrics {
    apis: Vec<ApiMetrics>,
    /// Bytes of requests.
    pub(crate) received_bytes: Counter,
    /// Bytes of answers.
    pub(crate) sent_bytes: Counter,
    /// Connections accepted.
    pub(crate) connections_accepted: Counter,
    /// Connections refused for a limit.
    pub(crate) connections_refused: Counter,
    /// Connections that ended.
    pub(crate) connections_closed: Counter,
    /// Connections closed because of what the client sent.
    pub(crate) connections_faulty: Counter,
    /// Milliseconds that connections were told to wait for using too much.
    pub(crate) throttled_ms: Counter,
    budget: OnceLock<Budget>,
}

impl Metrics {
    /// All at 0.
    pub(crate) fn new() -> Self {
        let api = |api: &crate::api_table::Api| ApiMetrics {
            api: api.key,
            latency: Histogram::default(),
            requests: Counter::default(),
            errors: ErrorCode::ALL.iter().map(|_| Counter::default()).collect(),
        };
        Self {
            apis: SUPPORTED.iter().map(api).collect(),
            received_bytes: Counter::default(),
            sent_bytes: Counter::default(),
            connections_accepted: Counter::default(),
            connections_refused: Counter::default(),
            connections_closed: Counter::default(),
            connections_faulty: Counter::default(),
            throttled_ms: Counter::default(),
            budget: OnceLock::new(),
        }
    }

    /// Every API that is served.
    pub(crate) fn apis(&self) -> &[ApiMetrics] {
        &self.apis
    }

    /// The counters of one.
    pub(crate) fn api(&self, api: ApiKey) -> Option<&ApiMetrics> {
        self.apis.iter().find(|metrics| metrics.api == api)
    }

    /// Tells where bytes of requests are counted.
    pub(crate) fn watch_budget(&self, budget: Budget) {
        // There is one server in a process.
        let _ = self.budget.set(budget);
    }

    /// Bytes of requests in memory, and how many there may be; `None` without a bound.
    pub(crate) fn request_bytes(&self) -> Option<(u64, u64)> {
        self.budget.get()?.used()
    }

    /// Connections that are open.
    pub(crate) fn connections(&self) -> u64 {
        self.connections_accepted.get().saturating_sub(self.connections_closed.get())
    }
}

impl ApiMetrics {
    /// Counts an answer: how long it took and which errors it told.
    pub(crate) fn answered(&self, took: Duration, errors: &[i16]) {
        self.latency.record(took);
        for error in errors {
            let index = ErrorCode::ALL.iter().position(|known| known.code() == *error);
            if let Some(counter) = index.and_then(|index| self.errors.get(index)) {
                counter.increment();
            }
        }
    }

    /// Errors that were answered, and how often.
    pub(crate) fn errors(&self) -> impl Iterator<Item = (ErrorCode, u64)> {
        let counted = ErrorCode::ALL.iter().zip(&self.errors).map(|(code, counter)| (*code, counter.get()));
        counted.filter(|(_, count)| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_counted_by_api_and_code() {
        let metrics = Metrics::new();
        let api = metrics.api(ApiKey::Fetch).unwrap();
        api.answered(Duration::from_millis(3), &[1, 3, 3, 9_999]);
        let errors: Vec<_> = api.errors().map(|(code, count)| (code.name(), count)).collect();
        assert_eq!(errors, [("OFFSET_OUT_OF_RANGE", 1), ("UNKNOWN_TOPIC_OR_PARTITION", 2)]);
        assert_eq!(api.latency.snapshot().count(), 1);
        assert_eq!(metrics.api(ApiKey::Produce).unwrap().errors().count(), 0);
    }

    #[test]
    fn every_api_that_is_served_has_counters() {
        let metrics = Metrics::new();
        assert!(SUPPORTED.iter().all(|api| metrics.api(api.key).is_some()));
    }
}
