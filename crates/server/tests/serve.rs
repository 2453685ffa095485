//! How `highwater serve` starts, refuses to start, stops, and comes back.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, also in its helpers"
)]

mod support;

use std::io::Write;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use highwater_wire::Records;
use highwater_wire::messages::*;
use highwater_wire::record::{BatchBuilder, Record, batches};
use support::{Broker, Client, refused, serve};

fn create(client: &mut Client, name: &str, partitions: i32) -> i16 {
    let asked = create_topics_request::CreatableTopic {
        name: name.into(),
        num_partitions: partitions,
        replication_factor: 1,
        ..Default::default()
    };
    let request = CreateTopicsRequest { topics: vec![asked], timeout_ms: 30_000, validate_only: false };
    client.ask(7, &request).topics[0].error_code
}

/// Cluster id, and name, id and partitions of every topic.
fn cluster(client: &mut Client) -> (String, Vec<String>) {
    let answer = client.ask(12, &MetadataRequest { topics: None, ..Default::default() });
    let topics = answer.topics.iter().map(|topic| {
        let name = topic.name.clone().unwrap_or_default();
        format!("{name} {} {}", topic.topic_id, topic.partitions.len())
    });
    (answer.cluster_id.unwrap().to_string(), topics.collect())
}

#[test]
fn cluster_id_and_topics_survive_a_clean_stop_and_a_kill() {
    let directory = tempfile::tempdir().unwrap();
    let broker = Broker::start(directory.path(), &[]);
    assert_eq!((create(&mut broker.connect(), "a", 3), create(&mut broker.connect(), "b", 1)), (0, 0));
    let before = cluster(&mut broker.connect());
    assert_eq!(before.1.len(), 2);
    assert!(broker.stop().success());
    let broker = Broker::start(directory.path(), &[]);
    assert_eq!(cluster(&mut broker.connect()), before);
    broker.kill();
    let broker = Broker::start(directory.path(), &[]);
    assert_eq!(cluster(&mut broker.connect()), before);
    assert_eq!(create(&mut broker.connect(), "a", 3), 36);
}

#[test]
fn a_stop_answers_fetches_that_wait() {
    let directory = tempfile::tempdir().unwrap();
    let broker = Broker::start(directory.path(), &[]);
    let mut client = broker.connect();
    assert_eq!(create(&mut client, "t", 1), 0);
    let first = client.encode(0, &ApiVersionsRequest::default());
    let asked = fetch_request::FetchPartition { partition_max_bytes: 1, ..Default::default() };
    let topic =
        fetch_request::FetchTopic { topic: "t".into(), partitions: vec![asked], ..Default::default() };
    let wait =
        FetchRequest { max_wait_ms: i32::MAX, min_bytes: 1, topics: vec![topic], ..Default::default() };
    // The answer to the first comes when both were taken up.
    let both = [first, client.encode(11, &wait)].concat();
    client.write(&both);
    assert!(client.receive::<ApiVersionsRequest>(0).is_some());
    let began = Instant::now();
    let stopped = std::thread::spawn(|| broker.stop());
    assert_eq!(client.receive::<FetchRequest>(11).unwrap().error_code, 0);
    assert!(stopped.join().unwrap().success());
    assert!(began.elapsed() < Duration::from_secs(9), "less than shutdown.timeout.ms");
}

#[test]
fn what_cannot_start_says_why_in_one_line_and_touches_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let used = TcpListener::bind("127.0.0.1:0").unwrap();
    let used = used.local_addr().unwrap().to_string();
    let cases: [(&[&str], &str); 6] = [
        (&["--set", "no.such.setting=1"], "unknown setting no.such.setting"),
        (&["--set", "num.partitions=0"], "num.partitions: Value must be at least 1"),
        (&["--listen", "0.0.0.0:0"], "write --advertise"),
        (&["--listen", "SSL://127.0.0.1:0"], "not supported"),
        (&["--listen", &used], "in use"),
        (&["--config", "/nowhere/server.properties"], "/nowhere/server.properties"),
    ];
    for (arguments, expected) in cases {
        let message = refused(serve(&data, arguments));
        assert!(message.contains(expected) && message.lines().count() == 1, "{message}");
        assert!(!data.exists(), "{arguments:?}");
    }
}

#[test]
fn a_directory_is_used_by_one_process_and_belongs_to_one_node() {
    let directory = tempfile::tempdir().unwrap();
    let broker = Broker::start(directory.path(), &[]);
    let message = refused(serve(directory.path(), &["--listen", "127.0.0.1:0"]));
    assert_eq!(message.lines().count(), 1, "{message}");
    assert!(broker.stop().success());
    let other = ["--listen", "127.0.0.1:0", "--set", "node.id=7"];
    assert!(refused(serve(directory.path(), &other)).contains("belongs to node 1"));
    std::fs::write(directory.path().join("format"), "highwater 999\n").unwrap();
    assert_eq!(refused(serve(directory.path(), &["--listen", "127.0.0.1:0"])).lines().count(), 1);
}

#[test]
fn each_listener_is_answered_with_its_own_address() {
    let directory = tempfile::tempdir().unwrap();
    let arguments = ["--listen", "OUTSIDE://127.0.0.1:0", "--advertise", "OUTSIDE://outside.example:1"];
    let broker = Broker::start(directory.path(), &arguments);
    let answer = broker.connect().ask(9, &MetadataRequest::default());
    let node = &answer.brokers[0];
    assert_eq!((node.host.as_str(), node.port), ("127.0.0.1", i32::from(broker.address.port())));
}

#[test]
fn a_bad_request_closes_its_connection_alone_and_after_the_due_reply() {
    let directory = tempfile::tempdir().unwrap();
    let broker = Broker::start(directory.path(), &[]);
    let (mut bad, mut good) = (broker.connect(), broker.connect());
    bad.send(0, &ApiVersionsRequest::default());
    bad.stream.write_all(&[0, 0, 0, 8, 0x7f, 0xff, 0, 0, 0, 0, 0, 1]).unwrap();
    assert_eq!(bad.receive::<ApiVersionsRequest>(0).unwrap().error_code, 0);
    assert!(bad.receive::<ApiVersionsRequest>(0).is_none());
    assert_eq!(good.ask(0, &ApiVersionsRequest::default()).error_code, 0);
    good.stream.write_all(&i32::MAX.to_be_bytes()).unwrap();
    assert!(good.receive::<ApiVersionsRequest>(0).is_none());
    assert_eq!(broker.connect().ask(0, &ApiVersionsRequest::default()).error_code, 0);
}

/// A topic of small segments with `count` records, one batch each.
fn fill(client: &mut Client, topic: &str, count: i64) {
    let config = create_topics_request::CreatableTopicConfig {
        name: "internal.segment.bytes".into(),
        value: Some("2000".into()),
    };
    let asked = create_topics_request::CreatableTopic {
        name: topic.into(),
        num_partitions: 1,
        replication_factor: 1,
        configs: vec![config],
        ..Default::default()
    };
    let request = CreateTopicsRequest { topics: vec![asked], timeout_ms: 30_000, validate_only: false };
    assert_eq!(client.ask(7, &request).topics[0].error_code, 0);
    for offset in 0..count {
        let answer = client.ask(9, &one_record(topic));
        let answered = &answer.responses[0].partition_responses[0];
        assert_eq!((answered.error_code, answered.base_offset), (0, offset));
    }
}

/// A batch of one record for partition 0.
fn one_record(topic: &str) -> ProduceRequest {
    let mut batch = BatchBuilder::new();
    batch.push(&Record { value: Some(vec![7; 500].into()), ..Record::default() });
    let records = Some(Records::from(batch.build().unwrap()));
    let data = produce_request::PartitionProduceData { index: 0, records };
    let data = produce_request::TopicProduceData {
        name: topic.into(),
        partition_data: vec![data],
        ..Default::default()
    };
    ProduceRequest { acks: -1, timeout_ms: 30_000, topic_data: vec![data], ..Default::default() }
}

const NOT_LEADER_OR_FOLLOWER: i16 = 6;
const KAFKA_STORAGE_ERROR: i16 = 56;

/// The end of partition 0, or the error that is answered instead.
fn end_of(client: &mut Client, topic: &str) -> Result<i64, i16> {
    let asked = list_offsets_request::ListOffsetsPartition { timestamp: -1, ..Default::default() };
    let asked = list_offsets_request::ListOffsetsTopic { name: topic.into(), partitions: vec![asked] };
    let request = ListOffsetsRequest { replica_id: -1, topics: vec![asked], ..Default::default() };
    let answer = client.ask(7, &request);
    let found = &answer.topics[0].partitions[0];
    if found.error_code == 0 { Ok(found.offset) } else { Err(found.error_code) }
}

/// Waits until partition 0 is recovered; meanwhile only a retriable error is answered.
fn recovered_end(broker: &Broker, topic: &str) -> i64 {
    let mut client = broker.connect();
    loop {
        match end_of(&mut client, topic) {
            Ok(end) => return end,
            Err(code) => assert_eq!(code, NOT_LEADER_OR_FOLLOWER),
        }
    }
}

#[test]
fn a_partition_that_is_being_recovered_never_says_that_it_is_empty() {
    let directory = tempfile::tempdir().unwrap();
    let broker = Broker::start(directory.path(), &[]);
    fill(&mut broker.connect(), "t", 20);
    broker.kill();
    for _ in 0..5 {
        let broker = Broker::start(directory.path(), &[]);
        assert_eq!(recovered_end(&broker, "t"), 20);
        broker.kill();
    }
}

#[test]
fn records_for_a_partition_that_is_being_recovered_wait_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let broker = Broker::start(directory.path(), &[]);
    let topics: Vec<_> = (0..20).map(|number| format!("t{number}")).collect();
    topics.iter().for_each(|topic| fill(&mut broker.connect(), topic, 5));
    broker.kill();
    for round in 0..3 {
        let broker = Broker::start(directory.path(), &[]);
        let mut clients: Vec<_> = topics.iter().map(|_| broker.connect()).collect();
        for (client, topic) in clients.iter_mut().zip(&topics).rev() {
            client.send(9, &one_record(topic));
        }
        for client in &mut clients {
            let answer = client.receive::<ProduceRequest>(9).unwrap();
            let answered = &answer.responses[0].partition_responses[0];
            assert_eq!((answered.error_code, answered.base_offset), (0, 5 + round));
        }
        broker.kill();
    }
}

#[test]
fn partitions_without_metadata_are_not_taken_for_an_empty_broker() {
    let directory = tempfile::tempdir().unwrap();
    let broker = Broker::start(directory.path(), &[]);
    fill(&mut broker.connect(), "t", 3);
    assert!(broker.stop().success());
    let (metadata, aside) = (directory.path().join("meta.redb"), directory.path().join("aside"));
    std::fs::rename(&metadata, &aside).unwrap();
    let message = refused(serve(directory.path(), &["--listen", "127.0.0.1:0"]));
    assert!(message.contains("meta.redb is missing") && message.lines().count() == 1, "{message}");
    std::fs::rename(&aside, &metadata).unwrap();
    assert_eq!(recovered_end(&Broker::start(directory.path(), &[]), "t"), 3);
}

#[test]
fn metadata_behind_a_link_that_leads_nowhere_is_missing_and_the_link_stays() {
    let directory = tempfile::tempdir().unwrap();
    let broker = Broker::start(directory.path(), &[]);
    fill(&mut broker.connect(), "t", 3);
    assert!(broker.stop().success());
    let elsewhere = tempfile::tempdir().unwrap();
    let (metadata, target) = (directory.path().join("meta.redb"), elsewhere.path().join("meta.redb"));
    let aside = elsewhere.path().join("aside");
    std::fs::copy(&metadata, &target).unwrap();
    std::fs::remove_file(&metadata).unwrap();
    std::os::unix::fs::symlink(&target, &metadata).unwrap();
    std::fs::rename(&target, &aside).unwrap();
    let message = refused(serve(directory.path(), &["--listen", "127.0.0.1:0"]));
    assert!(message.contains("meta.redb is missing") && message.lines().count() == 1, "{message}");
    std::fs::rename(&aside, &target).unwrap();
    assert_eq!(recovered_end(&Broker::start(directory.path(), &[]), "t"), 3);
    assert!(metadata.is_symlink());
}

#[test]
fn a_sealed_segment_that_is_gone_is_an_error_and_never_skipped() {
    let directory = tempfile::tempdir().unwrap();
    let broker = Broker::start(directory.path(), &[]);
    fill(&mut broker.connect(), "t", 20);
    assert!(broker.stop().success());
    // Three batches of 569 bytes fit a segment: the third segment holds offsets 6 to 8.
    std::fs::remove_file(directory.path().join("t-0/00000000000000000006.log")).unwrap();
    let broker = Broker::start(directory.path(), &[]);
    assert_eq!(recovered_end(&broker, "t"), 20);
    let mut client = broker.connect();
    let mut next = 0;
    let code = loop {
        let asked = fetch_request::FetchPartition {
            fetch_offset: next,
            partition_max_bytes: 1 << 20,
            ..Default::default()
        };
        let asked =
            fetch_request::FetchTopic { topic: "t".into(), partitions: vec![asked], ..Default::default() };
        let request = FetchRequest { max_bytes: 1 << 20, topics: vec![asked], ..Default::default() };
        let mut answer = client.ask(11, &request);
        let data = answer.responses.remove(0).partitions.remove(0);
        if data.error_code != 0 {
            break data.error_code;
        }
        for batch in batches(data.records.unwrap().into_bytes()) {
            let (header, _) = batch.unwrap();
            assert_eq!(header.base_offset.0, next);
            next = header.next_offset().0;
        }
    };
    assert_eq!((code, next <= 6), (KAFKA_STORAGE_ERROR, true));
}
