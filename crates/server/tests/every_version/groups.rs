//! The APIs of groups: each version on a group of its own.

use bytes::Bytes;
use highwater_types::TopicId;
use highwater_wire::messages::*;
use highwater_wire::{ApiKey, Str};

use super::Topic;
use super::support::Client;

const MEMBER_ID_REQUIRED: i16 = 79;
const GROUP_ID_NOT_FOUND: i16 = 69;

/// Asks one API in one version and checks that the answer is a success with the right content.
pub(super) fn check(client: &mut Client, key: ApiKey, version: i16, topic: &Topic) {
    let group = format!("{}-{version}", key.name());
    match key {
        ApiKey::JoinGroup => {
            let (member_id, generation) = join(client, version, &group);
            assert!(member_id.as_str().starts_with("test-") && generation == 1, "v{version}: {member_id}");
        }
        ApiKey::SyncGroup => {
            let (member_id, generation) = join(client, 9, &group);
            assert_eq!(sync(client, version, &group, &member_id, generation), "assigned", "v{version}");
        }
        ApiKey::Heartbeat => {
            let (member_id, generation_id) = stable(client, &group);
            let group_id = group.as_str().into();
            let request = HeartbeatRequest { group_id, generation_id, member_id, ..Default::default() };
            assert_eq!(client.ask(version, &request).error_code, 0, "v{version}");
        }
        ApiKey::LeaveGroup => leave(client, version, &group),
        ApiKey::OffsetCommit => commit(client, version, &group, topic),
        ApiKey::OffsetFetch => fetch(client, version, &group, topic),
        ApiKey::DescribeGroups => describe(client, version, &group),
        ApiKey::ListGroups => {
            stable(client, &group);
            let answer = client.ask(version, &ListGroupsRequest::default());
            let listed = answer.groups.iter().find(|listed| listed.group_id.as_str() == group).unwrap();
            assert_eq!(listed.protocol_type.as_str(), "consumer");
            assert_eq!(listed.group_state.as_str(), if version >= 4 { "Stable" } else { "" }, "v{version}");
            assert_eq!(listed.group_type.as_str(), if version >= 5 { "classic" } else { "" }, "v{version}");
        }
        ApiKey::DeleteGroups => {
            commit(client, 9, &group, topic);
            let request = DeleteGroupsRequest { groups_names: vec![group.as_str().into(), "none".into()] };
            let results = client.ask(version, &request).results;
            let codes: Vec<_> = results.iter().map(|result| result.error_code).collect();
            assert_eq!(codes, [0, GROUP_ID_NOT_FOUND], "v{version}");
        }
        _ => delete_offsets(client, version, &group, topic),
    }
}

/// Joins as the only member; its id and the generation.
fn join(client: &mut Client, version: i16, group: &str) -> (Str, i32) {
    let protocol = join_group_request::JoinGroupRequestProtocol {
        name: "range".into(),
        metadata: Bytes::from_static(b"metadata"),
    };
    let mut request = JoinGroupRequest {
        group_id: group.into(),
        session_timeout_ms: 30_000,
        rebalance_timeout_ms: 30_000,
        protocol_type: "consumer".into(),
        protocols: vec![protocol],
        ..Default::default()
    };
    let mut answer = client.ask(version, &request);
    if version >= 4 {
        assert_eq!(answer.error_code, MEMBER_ID_REQUIRED, "v{version}");
        request.member_id = answer.member_id;
        answer = client.ask(version, &request);
    }
    assert_eq!((answer.error_code, answer.members.len()), (0, 1), "v{version}");
    assert_eq!((&answer.leader, answer.protocol_name.as_deref()), (&answer.member_id, Some("range")));
    (answer.member_id, answer.generation_id)
}

fn sync(client: &mut Client, version: i16, group: &str, member_id: &Str, generation_id: i32) -> Bytes {
    let assignment = sync_group_request::SyncGroupRequestAssignment {
        member_id: member_id.clone(),
        assignment: Bytes::from_static(b"assigned"),
    };
    let named = |name: &str| (version >= 5).then(|| name.into());
    let request = SyncGroupRequest {
        group_id: group.into(),
        generation_id,
        member_id: member_id.clone(),
        protocol_type: named("consumer"),
        protocol_name: named("range"),
        assignments: vec![assignment],
        ..Default::default()
    };
    let answer = client.ask(version, &request);
    assert_eq!(answer.error_code, 0, "v{version}");
    assert_eq!(answer.protocol_name.as_deref(), (version >= 5).then_some("range"), "v{version}");
    answer.assignment
}

fn stable(client: &mut Client, group: &str) -> (Str, i32) {
    let (member_id, generation) = join(client, 9, group);
    sync(client, 5, group, &member_id, generation);
    (member_id, generation)
}

fn leave(client: &mut Client, version: i16, group: &str) {
    let (member_id, _) = stable(client, group);
    let mut request = LeaveGroupRequest { group_id: group.into(), ..Default::default() };
    if version < 3 {
        request.member_id = member_id;
    } else {
        request.members = vec![leave_group_request::MemberIdentity { member_id, ..Default::default() }];
    }
    let answer = client.ask(version, &request);
    assert_eq!((answer.error_code, answer.members.len()), (0, usize::from(version >= 3)), "v{version}");
    assert!(answer.members.iter().all(|left| left.error_code == 0), "v{version}");
}

/// As a client that is no member.
fn commit(client: &mut Client, version: i16, group: &str, topic: &Topic) {
    let partition = offset_commit_request::OffsetCommitRequestPartition {
        partition_index: 1,
        committed_offset: 42,
        committed_metadata: Some("noted".into()),
        ..Default::default()
    };
    let asked = offset_commit_request::OffsetCommitRequestTopic {
        name: if version < 10 { topic.name.into() } else { Str::default() },
        topic_id: if version < 10 { TopicId::ZERO } else { topic.id },
        partitions: vec![partition],
    };
    let request = OffsetCommitRequest {
        group_id: group.into(),
        generation_id_or_member_epoch: -1,
        topics: vec![asked],
        ..Default::default()
    };
    let answer = client.ask(version, &request);
    assert_eq!(answer.topics[0].partitions[0].error_code, 0, "v{version}");
}

fn fetch(client: &mut Client, version: i16, group: &str, topic: &Topic) {
    commit(client, 9, group, topic);
    let (offset, metadata) = if version < 8 {
        let asked = offset_fetch_request::OffsetFetchRequestTopic {
            name: topic.name.into(),
            partition_indexes: vec![0, 1],
        };
        let group_id = group.into();
        let request = OffsetFetchRequest { group_id, topics: Some(vec![asked]), ..Default::default() };
        let answer = client.ask(version, &request);
        assert_eq!(answer.topics[0].partitions[0].committed_offset, -1, "v{version}");
        let found = &answer.topics[0].partitions[1];
        (found.committed_offset, found.metadata.clone())
    } else {
        let asked = offset_fetch_request::OffsetFetchRequestTopics {
            name: if version < 10 { topic.name.into() } else { Str::default() },
            topic_id: if version < 10 { TopicId::ZERO } else { topic.id },
            partition_indexes: vec![1],
        };
        let group = offset_fetch_request::OffsetFetchRequestGroup {
            group_id: group.into(),
            topics: Some(vec![asked]),
            ..Default::default()
        };
        let answer = client.ask(version, &OffsetFetchRequest { groups: vec![group], ..Default::default() });
        let found = &answer.groups[0].topics[0].partitions[0];
        (found.committed_offset, found.metadata.clone())
    };
    assert_eq!((offset, metadata.as_deref()), (42, Some("noted")), "v{version}");
}

fn describe(client: &mut Client, version: i16, group: &str) {
    stable(client, group);
    let request = DescribeGroupsRequest { groups: vec![group.into(), "none".into()], ..Default::default() };
    let answer = client.ask(version, &request);
    let [known, unknown] = &answer.groups[..] else { panic!("v{version}: {answer:?}") };
    assert_eq!((known.error_code, known.group_state.as_str()), (0, "Stable"), "v{version}");
    assert_eq!(known.members[0].member_assignment, "assigned", "v{version}");
    assert_eq!(known.members[0].client_host.as_str(), "/127.0.0.1", "v{version}");
    let expected = if version < 6 { 0 } else { GROUP_ID_NOT_FOUND };
    assert_eq!((unknown.error_code, unknown.group_state.as_str()), (expected, "Dead"), "v{version}");
}

fn delete_offsets(client: &mut Client, version: i16, group: &str, topic: &Topic) {
    commit(client, 9, group, topic);
    let partitions = [1, 99]
        .map(|partition_index| offset_delete_request::OffsetDeleteRequestPartition { partition_index });
    let asked = offset_delete_request::OffsetDeleteRequestTopic {
        name: topic.name.into(),
        partitions: partitions.to_vec(),
    };
    let answer = client.ask(version, &OffsetDeleteRequest { group_id: group.into(), topics: vec![asked] });
    let codes: Vec<_> = answer.topics[0].partitions.iter().map(|deleted| deleted.error_code).collect();
    assert_eq!((answer.error_code, codes), (0, vec![0, 3]));
}
