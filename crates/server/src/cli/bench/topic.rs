//! The topic of a measurement.

use std::time::{Duration, Instant};

use highwater_wire::messages::create_topics_request::{CreatableTopic, CreateTopicsRequest};
use highwater_wire::messages::delete_topics_request::{DeleteTopicState, DeleteTopicsRequest};

use crate::client::{ClientError, Cluster, refuse};

const TOPIC_TIMEOUT: Duration = Duration::from_secs(30);
const TOPIC_TIMEOUT_MS: i32 = 30_000;
const POLL: Duration = Duration::from_millis(50);

/// Makes it and waits until each partition has its leader.
///
/// # Errors
/// What asking says; [`ClientError::NoLeader`] when that takes too long.
pub(super) fn make(cluster: &mut Cluster, name: &str, partitions: usize) -> Result<(), ClientError> {
    let topic = CreatableTopic {
        name: name.into(),
        num_partitions: i32::try_from(partitions).unwrap_or(i32::MAX),
        replication_factor: -1,
        ..CreatableTopic::default()
    };
    let request =
        CreateTopicsRequest { topics: vec![topic], timeout_ms: TOPIC_TIMEOUT_MS, ..Default::default() };
    for made in cluster.any.call(&request)?.topics {
        refuse(made.error_code, "CreateTopics", made.error_message.as_deref())?;
    }
    // Elsewhere a new topic is not there at once.
    let began = Instant::now();
    while began.elapsed() < TOPIC_TIMEOUT {
        let known = cluster.metadata(Some(&[name]))?.topics;
        let led =
            known.iter().flat_map(|topic| &topic.partitions).filter(|partition| partition.error_code == 0);
        if led.count() >= partitions {
            return Ok(());
        }
        std::thread::sleep(POLL);
    }
    Err(ClientError::NoLeader { topic: name.to_owned(), partition: 0 })
}

/// Deletes it.
///
/// # Errors
/// What asking says.
pub(super) fn delete(cluster: &mut Cluster, name: &str) -> Result<(), ClientError> {
    let topics = vec![DeleteTopicState { name: Some(name.into()), ..DeleteTopicState::default() }];
    let request =
        DeleteTopicsRequest { topics, timeout_ms: TOPIC_TIMEOUT_MS, ..DeleteTopicsRequest::default() };
    for gone in cluster.any.call(&request)?.responses {
        refuse(gone.error_code, "DeleteTopics", gone.error_message.as_deref())?;
    }
    Ok(())
}
