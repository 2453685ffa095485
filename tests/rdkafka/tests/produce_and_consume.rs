//! What a Rust program with the `rdkafka` crate relies on.

// Clippy takes helpers outside a test function for production code.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use highwater_test_rdkafka::Broker;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, Producer, ProducerContext};
use rdkafka::{ClientContext, Offset, TopicPartitionList};

const PATIENCE: Duration = Duration::from_secs(60);

/// Remembers the offset at which each key was acknowledged; a failed delivery fails the test.
#[derive(Clone, Default)]
struct Deliveries(Arc<Mutex<BTreeMap<Vec<u8>, i64>>>);

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        // A failure is found by its absence: a panic here would cross librdkafka.
        if let Ok(message) = result {
            self.0.lock().unwrap().insert(message.key().unwrap().to_vec(), message.offset());
        }
    }
}

fn config(broker: &Broker, settings: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", broker.address());
    for (key, value) in settings {
        config.set(*key, *value);
    }
    config
}

fn producer(broker: &Broker, settings: &[(&str, &str)]) -> (BaseProducer<Deliveries>, Deliveries) {
    let deliveries = Deliveries::default();
    (config(broker, settings).create_with_context(deliveries.clone()).unwrap(), deliveries)
}

/// A consumer that is only assigned to; librdkafka asks for a group's name all the same.
fn consumer(broker: &Broker, topic: &str, partition: i32, from: Offset) -> BaseConsumer {
    let settings = [
        ("group.id", "unused"),
        ("enable.auto.commit", "false"),
        ("auto.offset.reset", "error"),
        ("check.crcs", "true"),
    ];
    let consumer: BaseConsumer = config(broker, &settings).create().unwrap();
    let mut assignment = TopicPartitionList::new();
    assignment.add_partition_offset(topic, partition, from).unwrap();
    consumer.assign(&assignment).unwrap();
    consumer
}

/// The next `count` keys and offsets.
fn read(consumer: &BaseConsumer, count: usize) -> Vec<(Vec<u8>, i64)> {
    let next = || {
        let message = consumer.poll(PATIENCE).expect("a record in time").unwrap();
        (message.key().unwrap().to_vec(), message.offset())
    };
    std::iter::repeat_with(next).take(count).collect()
}

fn create_topic(broker: &Broker, name: &str, partitions: i32) {
    let admin: AdminClient<DefaultClientContext> = config(broker, &[]).create().unwrap();
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    let created = futures_executor::block_on(admin.create_topics([&topic], &AdminOptions::new())).unwrap();
    assert_eq!(created, [Ok(name.to_owned())]);
}

#[test]
fn every_codec_keeps_values_headers_and_times() {
    let broker = Broker::start().unwrap();
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        create_topic(&broker, codec, 1);
        let (producer, deliveries) = producer(&broker, &[("compression.codec", codec), ("linger.ms", "20")]);
        let value = codec.repeat(100);
        for i in 0..100_i64 {
            let headers = OwnedHeaders::new().insert(Header { key: "number", value: Some(&i.to_string()) });
            let key = format!("{i:03}");
            let record = BaseRecord::to(codec)
                .partition(0)
                .key(&key)
                .payload(&value)
                .headers(headers)
                .timestamp(1_700_000_000_000 + i);
            producer.send(record).unwrap();
        }
        producer.flush(PATIENCE).unwrap();
        assert_eq!(
            deliveries.0.lock().unwrap().values().copied().collect::<Vec<_>>(),
            (0..100).collect::<Vec<_>>()
        );

        let consumer = consumer(&broker, codec, 0, Offset::Beginning);
        for i in 0..100_i64 {
            let message = consumer.poll(PATIENCE).expect("a record in time").unwrap();
            assert_eq!(message.offset(), i);
            assert_eq!(message.key(), Some(format!("{i:03}").as_bytes()));
            assert_eq!(message.payload(), Some(value.as_bytes()));
            assert_eq!(message.timestamp().to_millis(), Some(1_700_000_000_000 + i));
            assert_eq!(message.headers().unwrap().get(0).value, Some(i.to_string().as_bytes()));
        }
    }
}

#[test]
fn consuming_starts_at_an_offset_or_at_the_end() {
    let broker = Broker::start().unwrap();
    create_topic(&broker, "positions", 2);
    let (producer, _) = producer(&broker, &[("acks", "all")]);
    let send = |i: i32| {
        producer.send(BaseRecord::<_, str>::to("positions").partition(1).key(&format!("{i:03}"))).unwrap()
    };
    (0..50).for_each(send);
    producer.flush(PATIENCE).unwrap();
    let middle = consumer(&broker, "positions", 1, Offset::Offset(47));
    assert_eq!(read(&middle, 3), [(b"047".to_vec(), 47), (b"048".to_vec(), 48), (b"049".to_vec(), 49)]);
    assert_eq!(middle.fetch_watermarks("positions", 1, PATIENCE).unwrap(), (0, 50));
    assert_eq!(middle.fetch_watermarks("positions", 0, PATIENCE).unwrap(), (0, 0));
    let end = consumer(&broker, "positions", 1, Offset::End);
    assert!(end.poll(Duration::from_millis(500)).is_none());
    send(50);
    producer.flush(PATIENCE).unwrap();
    assert_eq!(read(&end, 1), [(b"050".to_vec(), 50)]);
}

#[test]
fn acknowledged_records_outlive_a_kill_and_a_clean_stop_without_duplicates() {
    let mut broker = Broker::start().unwrap();
    create_topic(&broker, "restarts", 1);
    let (producer, deliveries) = producer(
        &broker,
        &[("enable.idempotence", "true"), ("batch.num.messages", "10"), ("linger.ms", "1")],
    );
    for i in 0..3000 {
        producer.send(BaseRecord::<_, str>::to("restarts").partition(0).key(&format!("{i:05}"))).unwrap();
        producer.poll(Duration::ZERO);
        // Requests are in flight at both moments; librdkafka sends them again.
        match i {
            1000 => broker.kill_and_restart().unwrap(),
            2000 => broker.restart().unwrap(),
            _ => {}
        }
    }
    producer.flush(PATIENCE).unwrap();
    assert_eq!(deliveries.0.lock().unwrap().len(), 3000);
    let expected: Vec<_> = (0..3000_i64).map(|i| (format!("{i:05}").into_bytes(), i)).collect();
    let consumer = consumer(&broker, "restarts", 0, Offset::Beginning);
    assert_eq!(read(&consumer, 3000), expected);
    assert_eq!(consumer.fetch_watermarks("restarts", 0, PATIENCE).unwrap(), (0, 3000));
}
