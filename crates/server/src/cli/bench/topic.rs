//! The topic of a measurement.

use std::time::{Duration, Instant};

use highwater_wire::messages::create_topics_request::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use highwater_wire::messages::delete_topics_request::{DeleteTopicState, DeleteTopicsRequest};

use crate::client::offsets::{LATEST, TopicPartition, log_offsets};
use crate::client::{ClientError, Cluster, refuse};

const TOPIC_TIMEOUT: Duration = Duration::from_secs(30);
const TOPIC_TIMEOUT_MS: i32 = 30_000;
const POLL: Duration = Duration::from_millis(50);

/// Makes it, with settings `NAME=VALUE`, and waits until each partition has its leader.
///
/// # Errors
/// What asking says; [`ClientError::NoLeader`] when that takes too long; [`ClientError::Usage`] for a setting without `=`.
pub(super) fn make(
    cluster: &mut Cluster,
    name: &str,
    partitions: usize,
    configs: &[String],
) -> Result<(), ClientError> {
    let config = |config: &String| {
        let (name, value) = config
            .split_once('=')
            .ok_or_else(|| ClientError::Usage(format!("--config {config}: expected NAME=VALUE")))?;
        Ok(CreatableTopicConfig { name: name.into(), value: Some(value.into()) })
    };
    let topic = CreatableTopic {
        name: name.into(),
        num_partitions: i32::try_from(partitions).unwrap_or(i32::MAX),
        replication_factor: -1,
        configs: configs.iter().map(config).collect::<Result<_, ClientError>>()?,
        ..CreatableTopic::default()
    };
    let request =
        CreateTopicsRequest { topics: vec![topic], timeout_ms: TOPIC_TIMEOUT_MS, ..Default::default() };
    for made in cluster.any.call(&request)?.topics {
        refuse(made.error_code, "CreateTopics", made.error_message.as_deref())?;
    }
    // Elsewhere a new topic is not there at once, and is in the metadata before its leaders know of it.
    let all: Vec<TopicPartition> =
        (0..).take(partitions).map(|partition| (name.to_owned(), partition)).collect();
    let began = Instant::now();
    while began.elapsed() < TOPIC_TIMEOUT {
        if log_offsets(cluster, &all, LATEST)?.len() == partitions {
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
