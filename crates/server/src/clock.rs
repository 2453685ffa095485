//! The two clocks of the server. Tests may turn them by hand.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use highwater_types::{Instant, Timestamp};

/// Reads the time.
#[derive(Clone)]
pub(crate) struct Clock {
    instant: Arc<dyn Fn() -> Instant + Send + Sync>,
    timestamp: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

impl Clock {
    /// The clocks of this machine.
    pub(crate) fn system() -> Self {
        // Tokio's clock, which tests can stop and turn.
        let start = tokio::time::Instant::now();
        Self {
            instant: Arc::new(move || Instant(u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX))),
            timestamp: Arc::new(|| {
                let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
            }),
        }
    }

    /// The clock that never goes back.
    pub(crate) fn instant(&self) -> Instant {
        (self.instant)()
    }

    /// The wall clock.
    pub(crate) fn timestamp(&self) -> Timestamp {
        (self.timestamp)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
