//! Groups of the real binary: what survives a kill, and what a stop does with who waits.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, also in its helpers"
)]

mod support;

use highwater_wire::messages::*;
use support::{Broker, Client};

const COORDINATOR_NOT_AVAILABLE: i16 = 15;
const AT_ONCE: &[&str] = &["--set", "group.initial.rebalance.delay.ms=0"];

fn join(group_id: &str) -> JoinGroupRequest {
    let protocol =
        join_group_request::JoinGroupRequestProtocol { name: "range".into(), metadata: "metadata".into() };
    JoinGroupRequest {
        group_id: group_id.into(),
        session_timeout_ms: 60_000,
        rebalance_timeout_ms: 60_000,
        protocol_type: "consumer".into(),
        protocols: vec![protocol],
        ..JoinGroupRequest::default()
    }
}

fn heartbeat(group_id: &str, joined: &JoinGroupResponse) -> HeartbeatRequest {
    HeartbeatRequest {
        group_id: group_id.into(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        ..HeartbeatRequest::default()
    }
}

/// Joins alone and takes the assignment.
fn stable(client: &mut Client, group_id: &str) -> JoinGroupResponse {
    let joined = client.ask(3, &join(group_id));
    assert_eq!(joined.error_code, 0);
    let assignment = sync_group_request::SyncGroupRequestAssignment {
        member_id: joined.member_id.clone(),
        assignment: "all".into(),
    };
    let request = SyncGroupRequest {
        group_id: group_id.into(),
        generation_id: joined.generation_id,
        member_id: joined.member_id.clone(),
        assignments: vec![assignment],
        ..SyncGroupRequest::default()
    };
    assert_eq!(client.ask(3, &request).assignment, "all");
    joined
}

fn make_topic(client: &mut Client) {
    let topic = create_topics_request::CreatableTopic {
        name: "t".into(),
        num_partitions: 1,
        replication_factor: 1,
        ..Default::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 30_000, validate_only: false };
    assert_eq!(client.ask(5, &request).topics[0].error_code, 0);
}

fn commit(offset: i64, joined: &JoinGroupResponse) -> OffsetCommitRequest {
    let partition = offset_commit_request::OffsetCommitRequestPartition {
        partition_index: 0,
        committed_offset: offset,
        ..Default::default()
    };
    let topic = offset_commit_request::OffsetCommitRequestTopic {
        name: "t".into(),
        partitions: vec![partition],
        ..Default::default()
    };
    OffsetCommitRequest {
        group_id: "g".into(),
        generation_id_or_member_epoch: joined.generation_id,
        member_id: joined.member_id.clone(),
        topics: vec![topic],
        ..OffsetCommitRequest::default()
    }
}

fn committed(client: &mut Client) -> i64 {
    let topic =
        offset_fetch_request::OffsetFetchRequestTopic { name: "t".into(), partition_indexes: vec![0] };
    let request = OffsetFetchRequest {
        group_id: "g".into(),
        topics: Some(vec![topic]),
        ..OffsetFetchRequest::default()
    };
    client.ask(6, &request).topics[0].partitions[0].committed_offset
}

#[test]
fn a_member_goes_on_without_a_rebalance_after_a_kill_and_its_commits_are_there() {
    let directory = tempfile::tempdir().unwrap();
    let broker = Broker::start(directory.path(), AT_ONCE);
    let mut client = broker.connect();
    make_topic(&mut client);
    let joined = stable(&mut client, "g");
    for offset in 1..=20 {
        assert_eq!(client.ask(8, &commit(offset, &joined)).topics[0].partitions[0].error_code, 0);
    }
    broker.kill();
    let broker = Broker::start(directory.path(), AT_ONCE);
    let mut client = broker.connect();
    assert_eq!(client.ask(3, &heartbeat("g", &joined)).error_code, 0);
    assert_eq!(committed(&mut client), 20);
    assert_eq!(client.ask(8, &commit(21, &joined)).topics[0].partitions[0].error_code, 0);
    assert_eq!(committed(&mut client), 21);
    assert!(broker.stop().success());
}

#[test]
fn a_member_that_waits_for_others_does_not_hold_up_a_stop() {
    let directory = tempfile::tempdir().unwrap();
    let broker = Broker::start(directory.path(), &["--set", "group.initial.rebalance.delay.ms=600000"]);
    let mut waiting = broker.connect();
    waiting.send(3, &join("g"));
    // Its place in the group shows that it waits.
    let mut other = broker.connect();
    let describe = DescribeGroupsRequest { groups: vec!["g".into()], ..DescribeGroupsRequest::default() };
    while other.ask(4, &describe).groups[0].group_state.as_str() != "PreparingRebalance" {}
    assert!(broker.stop().success());
    let answer = waiting.receive::<JoinGroupRequest>(3).unwrap();
    assert_eq!(answer.error_code, COORDINATOR_NOT_AVAILABLE);
}

#[test]
fn clients_that_vanish_while_they_wait_give_their_descriptors_back() {
    let directory = tempfile::tempdir().unwrap();
    let broker = Broker::start(directory.path(), &["--set", "group.initial.rebalance.delay.ms=60000"]);
    let mut stays = broker.connect();
    stays.ask(0, &ApiVersionsRequest::default());
    let before = broker.descriptors();
    let mut joining: Vec<_> = (0..20).map(|_| broker.connect()).collect();
    joining.iter_mut().for_each(|client| client.send(3, &join("crowd")));
    // They wait when everybody is a member.
    let request = DescribeGroupsRequest { groups: vec!["crowd".into()], ..Default::default() };
    until(|| stays.ask(5, &request).groups[0].members.len() == joining.len());
    assert_eq!(broker.descriptors(), before + joining.len());
    drop(joining);
    until(|| broker.descriptors() == before);
    assert_eq!(
        stays.ask(5, &request).groups[0].members.len(),
        20,
        "they are members until their sessions end"
    );
}

#[test]
fn a_group_named_again_and_again_does_not_fill_the_memory() {
    let directory = tempfile::tempdir().unwrap();
    let broker = Broker::start(directory.path(), AT_ONCE);
    let mut client = broker.connect();
    let mut request = join("big");
    request.protocols[0].metadata = vec![7; 1_000_000].into();
    assert_eq!(client.ask(3, &request).error_code, 0);
    // Metadata is told of a stable group.
    let joined = client.ask(0, &DescribeGroupsRequest { groups: vec!["big".into()], ..Default::default() });
    let member_id = joined.groups[0].members[0].member_id.clone();
    let sync = SyncGroupRequest { group_id: "big".into(), generation_id: 1, member_id, ..Default::default() };
    assert_eq!(client.ask(3, &sync).error_code, 0);
    let request = DescribeGroupsRequest { groups: vec!["big".into(); 1000], ..Default::default() };
    let codes: Vec<_> = client.ask(0, &request).groups.iter().map(|group| group.error_code).collect();
    assert_eq!((codes[0], codes[999]), (0, -1));
    assert!(codes.iter().filter(|code| **code == 0).count() <= 67);
}

/// Waits until `check` is true.
fn until(mut check: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !check() {
        assert!(std::time::Instant::now() < deadline);
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
