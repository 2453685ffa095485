//! Groups over stores in memory and on the simulated disk, with a clock that stands still unless it is turned.

use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use bytes::Bytes;
use highwater_coordinator::{CommitOffset, GroupState, Join, JoinAnswer, OffsetCommit, Protocol, Sync};
use highwater_disk::sim::SimDisk;
use highwater_disk::{Disk, Operation};
use highwater_store::MetaRecord;
use highwater_store_local::meta::RedbMetaStore;
use highwater_types::TopicIdPartition;

use super::*;
use crate::broker::Loaded;
use crate::config::Layers;
use crate::testing::{MemoryMeta, TestBroker, broker_with};
use crate::topic_changes::Plan;

const LONG: Duration = Duration::from_secs(60);
const TOPIC: TopicId = TopicId([7; 16]);
const AT_ONCE: &[(&str, &str)] = &[("group.initial.rebalance.delay.ms", "0")];

/// Lets everything run that can.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

fn join(group_id: &str, member_id: &str) -> Request {
    Request::Join(Join {
        group_id: group_id.into(),
        member_id: member_id.into(),
        instance_id: None,
        fresh_id: [1; 16],
        client_id: "c".into(),
        client_host: "/127.0.0.1".into(),
        protocol_type: "consumer".into(),
        protocols: vec![Protocol { name: "range".into(), metadata: Bytes::new() }],
        session_timeout_ms: 10_000,
        rebalance_timeout_ms: 60_000,
        id_required: false,
        can_skip_assignment: true,
        reason: None,
    })
}

fn commit(group_id: &str, topic: TopicId, offset: i64) -> Request {
    let partition = TopicIdPartition { topic_id: topic, partition: 0 };
    let (topic, metadata) = ("t".into(), "".into());
    Request::Commit(OffsetCommit {
        group_id: group_id.into(),
        member_id: "".into(),
        instance_id: None,
        generation: -1,
        retention_ms: None,
        offsets: vec![CommitOffset { partition, topic, offset, leader_epoch: -1, metadata }],
    })
}

fn offset_of(groups: &GroupCoordinator, group_id: &str, topic: TopicId) -> Option<i64> {
    let partition = TopicIdPartition { topic_id: topic, partition: 0 };
    groups.read(group_id, |groups| groups.fetch_offset(group_id, partition).map(|found| found.offset))
}

fn joined(answer: Result<Answer, ErrorCode>) -> JoinAnswer {
    let Ok(Answer::Join(answer)) = answer else { panic!("{answer:?}") };
    assert_eq!(answer.error, ErrorCode::None);
    answer
}

/// A stable group of one member of a coordinator that was started, whose id this is.
async fn stable(groups: &GroupCoordinator, group_id: &str) -> Arc<str> {
    let joined = joined(groups.call(group_id, join(group_id, "")).await);
    let sync = Request::Sync(Sync {
        group_id: group_id.into(),
        member_id: Arc::clone(&joined.member_id),
        instance_id: None,
        generation: joined.generation,
        protocol_type: None,
        protocol: None,
        assignments: vec![(Arc::clone(&joined.member_id), Bytes::from_static(b"all"))],
    });
    let Ok(Answer::Sync(answer)) = groups.call(group_id, sync).await else { panic!("no answer") };
    assert_eq!((answer.error, &answer.assignment[..]), (ErrorCode::None, &b"all"[..]));
    joined.member_id
}

async fn topic(test: &TestBroker, name: &str) -> TopicId {
    let plan = Plan { partitions: 1, ..Plan::default() };
    test.broker.changes.create(name.into(), Ok(plan), LONG).await.unwrap().id
}

fn offsets_in(meta: &dyn MetaStore) -> usize {
    meta.load().unwrap().iter().filter(|record| matches!(record, MetaRecord::Offset(_))).count()
}

/// A coordinator with one topic, as a start finds the store.
fn started(meta: &Arc<dyn MetaStore>, topics: &[TopicId]) -> Arc<GroupCoordinator> {
    let record = |id: &TopicId| highwater_store::meta::TopicRecord {
        id: id.0,
        name: format!("t{}", id.0[0]).into(),
        partitions: 1,
        configs: Default::default(),
    };
    let given = AT_ONCE.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let settings = Settings::new(Layers { given, ..Layers::default() });
    let loaded = Loaded::new(meta.load().unwrap());
    let topics = Arc::new(Topics::new(topics.iter().map(record)));
    let (groups, offsets) = (loaded.groups, loaded.offsets);
    let meta = Arc::clone(meta);
    Arc::new(GroupCoordinator::new(&settings, meta, &Clock::system(), &topics, groups, offsets))
}

#[tokio::test]
async fn commits_that_wait_together_share_one_durable_write() {
    const COMMITS: usize = 100;
    let disk = SimDisk::new(1);
    let store = RedbMetaStore::open(Arc::clone(&disk) as Arc<dyn Disk>, Path::new("meta.redb")).unwrap();
    let meta: Arc<dyn MetaStore> = store.clone();
    let groups = started(&meta, &[TOPIC]);
    disk.take_trace();
    let (let_through, gate) = mpsc::channel::<()>();
    let (began, begun) = mpsc::channel();
    disk.during_next(Operation::Sync, "meta.redb", move || {
        began.send(()).unwrap();
        // Ends when the test drops its side.
        let _ = gate.recv();
    });
    let mut calls = JoinSet::new();
    let mut call = |index: usize| {
        let groups = Arc::clone(&groups);
        calls.spawn(async move {
            let group_id = format!("g{index}");
            let answer = groups.call(&group_id, commit(&group_id, TOPIC, 5)).await;
            assert!(matches!(answer, Ok(Answer::Offsets(_))), "{answer:?}");
            assert_eq!(offset_of(&groups, &group_id, TOPIC), Some(5));
        });
    };
    call(0);
    settle().await;
    begun.recv().unwrap();
    (1..COMMITS).for_each(call);
    settle().await;
    assert_eq!(calls.len(), COMMITS, "nothing is answered before it is durable");
    drop(let_through);
    while let Some(done) = calls.join_next().await {
        done.unwrap();
    }
    let syncs = disk.take_trace().iter().filter(|line| line.contains("sync")).count();
    assert!((2..=4).contains(&syncs), "{syncs} syncs for {COMMITS} commits");
    assert_eq!(offsets_in(store.as_ref()), COMMITS);
    store.close();
}

#[tokio::test]
async fn a_commit_that_fails_is_retriable_and_not_seen() {
    let test = broker_with(AT_ONCE);
    let (groups, id) = (&test.broker.groups, topic(&test, "t").await);
    groups.call("g", commit("g", id, 5)).await.unwrap();
    test.meta.fail(true);
    let refused = groups.call("g", commit("g", id, 6)).await;
    assert_eq!(refused, Ok(Answer::Code(ErrorCode::CoordinatorNotAvailable)));
    assert!(ErrorCode::CoordinatorNotAvailable.is_retriable());
    assert_eq!(offset_of(groups, "g", id), Some(5));
    test.meta.fail(false);
    assert!(matches!(groups.call("g", commit("g", id, 6)).await, Ok(Answer::Offsets(_))));
    assert_eq!(offset_of(groups, "g", id), Some(6));
}

#[tokio::test]
async fn an_assignment_larger_than_a_record_is_refused_as_kafka_refuses_it() {
    let test = broker_with(&[("group.initial.rebalance.delay.ms", "0"), ("message.max.bytes", "1000")]);
    let groups = &test.broker.groups;
    groups.start();
    for (size, error) in [(500, ErrorCode::None), (1001, ErrorCode::UnknownServerError)] {
        let group_id = format!("g{size}");
        let joined = joined(groups.call(&group_id, join(&group_id, "")).await);
        let sync = Request::Sync(Sync {
            group_id: group_id.as_str().into(),
            member_id: Arc::clone(&joined.member_id),
            instance_id: None,
            generation: joined.generation,
            protocol_type: None,
            protocol: None,
            assignments: vec![(Arc::clone(&joined.member_id), vec![7; size].into())],
        });
        let Ok(Answer::Sync(answer)) = groups.call(&group_id, sync).await else { panic!("no answer") };
        assert_eq!(answer.error, error, "{size}");
    }
    groups.stop();
}

#[tokio::test]
async fn offsets_go_with_their_topic_and_none_come_after_it() {
    let test = broker_with(AT_ONCE);
    let (groups, kept, deleted) = (&test.broker.groups, topic(&test, "kept").await, topic(&test, "t").await);
    for group_id in ["a", "b", "c"] {
        groups.call(group_id, commit(group_id, kept, 1)).await.unwrap();
        groups.call(group_id, commit(group_id, deleted, 2)).await.unwrap();
    }
    assert_eq!(offsets_in(test.meta.as_ref()), 6);
    test.broker.changes.delete(deleted, LONG).await.unwrap();
    settle().await;
    assert_eq!(offsets_in(test.meta.as_ref()), 3);
    assert_eq!((offset_of(groups, "a", deleted), offset_of(groups, "a", kept)), (None, Some(1)));
    let late = groups.call("a", commit("a", deleted, 3)).await;
    assert_eq!(late, Ok(Answer::Code(ErrorCode::UnknownTopicOrPartition)));
    assert_eq!(offsets_in(test.meta.as_ref()), 3);
}

#[tokio::test]
async fn a_restart_finds_groups_and_drops_offsets_of_topics_that_are_gone() {
    let other = TopicId([9; 16]);
    let meta: Arc<dyn MetaStore> = Arc::new(MemoryMeta::default());
    let before = started(&meta, &[TOPIC, other]);
    before.start();
    let member = stable(&before, "g").await;
    before.call("simple", commit("simple", TOPIC, 5)).await.unwrap();
    before.call("simple", commit("simple", other, 6)).await.unwrap();
    before.stop();
    let after = started(&meta, &[TOPIC]);
    assert_eq!(offset_of(&after, "simple", TOPIC), Some(5));
    assert_eq!(offset_of(&after, "simple", other), None);
    let group = after.read("g", |groups| groups.describe("g")).unwrap();
    assert_eq!((group.state, group.generation, &*group.protocol), (GroupState::Stable, 1, "range"));
    assert_eq!(group.members[0].member_id, member);
    assert_eq!(offsets_in(meta.as_ref()), 2);
    after.start();
    settle().await;
    assert_eq!(offsets_in(meta.as_ref()), 1, "the store forgets them as well");
    after.stop();
}

#[tokio::test(start_paused = true)]
async fn a_silent_member_goes_when_its_session_ends() {
    let test = broker_with(AT_ONCE);
    let groups = &test.broker.groups;
    groups.start();
    stable(groups, "g").await;
    let members = || groups.read("g", |groups| groups.describe("g")).map_or(0, |group| group.members.len());
    settle().await;
    tokio::time::advance(Duration::from_millis(9_990)).await;
    settle().await;
    assert_eq!(members(), 1);
    tokio::time::advance(Duration::from_millis(20)).await;
    settle().await;
    assert_eq!(members(), 0);
    groups.stop();
}

#[tokio::test(start_paused = true)]
async fn a_timer_that_is_earlier_than_all_others_is_not_slept_over() {
    let test = broker_with(&[("group.initial.rebalance.delay.ms", "1000")]);
    let groups = &test.broker.groups;
    groups.start();
    settle().await;
    let (first, waiting) = (Arc::clone(groups), Arc::clone(groups));
    let call = tokio::spawn(async move { first.call("g", join("g", "")).await });
    settle().await;
    assert!(!call.is_finished());
    tokio::time::advance(Duration::from_millis(1_010)).await;
    assert_eq!(joined(call.await.unwrap()).generation, 1);
    assert_eq!(waiting.shards.iter().map(|shard| shard.waiting()).sum::<usize>(), 0);
    groups.stop();
}

#[tokio::test]
async fn a_stop_answers_who_waits_for_others_and_takes_no_more_of_them() {
    let test = broker_with(&[("group.initial.rebalance.delay.ms", "60000")]);
    let groups = Arc::clone(&test.broker.groups);
    let id = topic(&test, "t").await;
    let waiting = Arc::clone(&groups);
    let call = tokio::spawn(async move { waiting.call("g", join("g", "")).await });
    settle().await;
    assert!(!call.is_finished());
    groups.stop();
    assert_eq!(call.await.unwrap(), Err(ErrorCode::CoordinatorNotAvailable));
    assert_eq!(groups.call("h", join("h", "")).await, Err(ErrorCode::CoordinatorNotAvailable));
    let commit = groups.call("simple", commit("simple", id, 5)).await;
    assert!(matches!(commit, Ok(Answer::Offsets(_))), "what waits for nobody else is still done");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_leaves_nothing_waiting() {
    let test = broker_with(&[("group.initial.rebalance.delay.ms", "1000")]);
    let groups = &test.broker.groups;
    groups.start();
    let gone = Arc::clone(groups);
    let call = tokio::spawn(async move { gone.call("g", join("g", "")).await });
    settle().await;
    call.abort();
    let waiting = || groups.shards.iter().map(|shard| shard.waiting()).sum::<usize>();
    assert_eq!(waiting(), 1);
    tokio::time::advance(Duration::from_millis(1_010)).await;
    settle().await;
    assert_eq!(waiting(), 0);
    groups.stop();
}
