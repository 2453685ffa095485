//! Groups with the `rdkafka` crate: two members share a topic, commits outlive a kill of the broker.

// Clippy takes helpers outside a test function for production code.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use highwater_test_rdkafka::Broker;
use rdkafka::TopicPartitionList;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(50);
const TOPIC: &str = "shared";
const PARTITIONS: i32 = 4;

fn config(broker: &Broker) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker.address());
    config
}

fn create_topic(broker: &Broker) {
    let admin: AdminClient<DefaultClientContext> = config(broker).create().unwrap();
    let topic = NewTopic::new(TOPIC, PARTITIONS, TopicReplication::Fixed(1));
    let created = futures_executor::block_on(admin.create_topics([&topic], &AdminOptions::new())).unwrap();
    assert_eq!(created, [Ok(TOPIC.to_owned())]);
}

/// Adds ten records to each partition.
fn produce(broker: &Broker) {
    let producer: BaseProducer = config(broker).set("enable.idempotence", "true").create().unwrap();
    for i in 0..10 * PARTITIONS {
        producer.send(BaseRecord::<(), _>::to(TOPIC).partition(i % PARTITIONS).payload("value")).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
}

fn member(broker: &Broker) -> BaseConsumer {
    let mut config = config(broker);
    config.set("group.id", "group").set("auto.offset.reset", "earliest").set("enable.auto.commit", "false");
    let consumer: BaseConsumer = config.create().unwrap();
    consumer.subscribe(&[TOPIC]).unwrap();
    consumer
}

/// Polls every member until `done`, noting the partition and offset of each record.
fn poll_until(
    members: &[&BaseConsumer],
    read: &mut Vec<(i32, i64)>,
    what: &str,
    done: impl Fn(&[(i32, i64)]) -> bool,
) {
    let deadline = Instant::now() + PATIENCE;
    while !done(read) {
        assert!(Instant::now() < deadline, "waited for {what}; read {} records", read.len());
        for member in members {
            // An error is passing: the broker is away, or the group changes.
            if let Some(Ok(message)) = member.poll(POLL) {
                read.push((message.partition(), message.offset()));
            }
        }
    }
}

fn owned(member: &BaseConsumer) -> BTreeSet<i32> {
    member.assignment().unwrap().elements().iter().map(|element| element.partition()).collect()
}

fn all(offsets: std::ops::Range<i64>) -> BTreeSet<(i32, i64)> {
    (0..PARTITIONS).flat_map(|partition| offsets.clone().map(move |offset| (partition, offset))).collect()
}

#[test]
fn two_members_share_a_topic_and_commits_outlive_a_kill() {
    let mut broker = Broker::start().unwrap();
    create_topic(&broker);
    produce(&broker);
    let (first, second) = (member(&broker), member(&broker));
    let mut read = Vec::new();
    poll_until(
        &[&first, &second],
        &mut read,
        "two members with two partitions each, and every record",
        |read| {
            owned(&first).len() == 2
                && owned(&second).len() == 2
                && read.iter().copied().collect::<BTreeSet<_>>() == all(0..10)
        },
    );
    assert!(owned(&first).is_disjoint(&owned(&second)));
    first.commit_consumer_state(CommitMode::Sync).unwrap();
    second.commit_consumer_state(CommitMode::Sync).unwrap();

    broker.kill_and_restart().unwrap();
    let mut wanted = TopicPartitionList::new();
    wanted.add_partition_range(TOPIC, 0, PARTITIONS - 1);
    let kept = first.committed_offsets(wanted, PATIENCE).unwrap();
    assert!(kept.elements().iter().all(|element| element.offset().to_raw() == Some(10)), "{kept:?}");

    // The one that stays takes over what the other had, from the commit on.
    drop(second);
    produce(&broker);
    let mut after = Vec::new();
    poll_until(&[&first], &mut after, "every later record", |read| {
        all(10..20).is_subset(&read.iter().copied().collect())
    });
    assert_eq!(after.iter().copied().collect::<BTreeSet<_>>(), all(10..20));
}
