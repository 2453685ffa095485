//! What is sent to a partition that is still being recovered waits for it, during the first seconds after the start.
//!
//! A producer has several requests in flight. Refused at once, the first would find the partition closed and the next one find it
//! open, with a gap in its sequence numbers: librdkafka answers that by a new producer epoch, under which it sends again what it
//! was not answered before the broker died, and what of it is in the log already is there twice.
//!
//! A recovery that takes longer does refuse (NOT_LEADER_OR_FOLLOWER): the connection's other partitions must go on.

use std::sync::Arc;
use std::time::Duration;

use highwater_store::{Partition, PartitionProblem, Watch, WatchSet};
use highwater_wire::messages::ProduceRequest;
use tokio::time::timeout;

use crate::broker::Broker;

use super::partitions;

/// How long after the start of the broker requests wait for partitions: less than clients wait for an answer (30 s).
const PATIENCE: Duration = Duration::from_secs(25);

/// Resolves when no partition of `request` is being recovered, or when its time or [`PATIENCE`] is over.
pub(crate) async fn recovered(broker: &Broker, version: i16, request: &ProduceRequest) {
    let left = PATIENCE.saturating_sub(Duration::from_nanos(broker.clock.instant().0));
    if left.is_zero() {
        return;
    }
    let recovering: Vec<_> =
        partitions(broker, version, request).filter(|one| is_recovering(one.as_ref())).collect();
    if recovering.is_empty() {
        return;
    }
    let asked = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
    // When the time is over the request finds out for itself what it may.
    let _ = timeout(left.min(asked), all_recovered(&recovering)).await;
}

async fn all_recovered(recovering: &[Arc<dyn Partition>]) {
    let set = WatchSet::new();
    let _watches: Vec<Watch> = recovering.iter().map(|one| Arc::clone(one).watch(&set, 0)).collect();
    while recovering.iter().any(|one| is_recovering(one.as_ref())) {
        set.changed().await;
    }
}

fn is_recovering(partition: &dyn Partition) -> bool {
    partition.append_problem() == Some(PartitionProblem::Recovering)
}
