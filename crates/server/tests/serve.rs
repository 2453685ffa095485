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

use highwater_wire::messages::*;
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
