//! The small files beside the segments, and the records of the metadata store. What decodes must encode and decode to the same.

use std::collections::BTreeMap;

use highwater_partition_log::*;
use highwater_store::meta::{
    BrokerConfigRecord, ClassicGroupRecord, ClassicMemberRecord, ClusterRecord, FeatureRecord, GroupRecord,
    GroupStateRecord, MetaKey, MetaRecord, OffsetRecord, ProducerIdsRecord, TombstoneRecord, TopicRecord,
};
use highwater_types::{LeaderEpoch, Offset, ProducerId};

use crate::memory::Budget;
use crate::mend;

/// Bytes before what the checksum of a snapshot covers: version and checksum.
const SNAPSHOT_COVERED: usize = 6;
/// The same of a window file, which has a magic in front.
const WINDOWS_COVERED: usize = 10;

/// Two bytes say how long the snapshot is; the window file is the rest.
fn split_snapshot(input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (size, rest) = input.split_first_chunk::<2>()?;
    Some(rest.split_at(usize::from(u16::from_be_bytes(*size)).min(rest.len())))
}

pub(crate) fn snapshot(input: &[u8]) {
    let Some((snapshot, windows)) = split_snapshot(input) else { return };
    let entries = decode_snapshot(snapshot);
    let windows = decode_windows(windows);
    if let Ok(windows) = &windows {
        assert!(windows.iter().all(|entry| !entry.batches().is_empty()), "a window without batches");
    }
    let Ok(entries) = entries else { return };
    let state = ProducerState::restore(entries, windows.unwrap_or_default());
    let again = ProducerState::restore(
        decode_snapshot(&encode_snapshot(&state)).expect("what was encoded decodes"),
        decode_windows(&encode_windows(&state)).expect("what was encoded decodes"),
    );
    assert_eq!(again, state, "the producers changed");
}

pub(crate) fn mend_snapshot(bytes: &mut [u8]) {
    let Some((size, rest)) = bytes.split_first_chunk_mut::<2>() else { return };
    let size = usize::from(u16::from_be_bytes(*size)).min(rest.len());
    let (snapshot, windows) = rest.split_at_mut(size);
    mend::crc_before(snapshot, SNAPSHOT_COVERED);
    mend::crc_before(windows, WINDOWS_COVERED);
}

pub(crate) fn snapshot_seeds() -> Vec<Vec<u8>> {
    let empty = ProducerState::default();
    let join = |snapshot: Vec<u8>, windows: Vec<u8>| {
        let size = u16::try_from(snapshot.len()).unwrap();
        [&size.to_be_bytes(), &snapshot[..], &windows[..]].concat()
    };
    let mut one = vec![0, 1, 0, 0, 0, 0, 0, 0, 0, 1];
    one.extend([0, 0, 0, 0, 0, 0, 0, 5, 0, 2, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 9]);
    one.extend([0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 3]);
    let mut window = b"HWPW\0\x01\0\0\0\0".to_vec();
    window.extend([0, 0, 0, 0, 0, 0, 0, 5, 0, 2, 1]);
    window.extend([0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 6]);
    let mut whole = join(one, window);
    mend_snapshot(&mut whole);
    vec![join(encode_snapshot(&empty), encode_windows(&empty)), whole]
}

pub(crate) fn txn_index(input: &[u8]) {
    let Ok(entries) = decode_index(input) else { return };
    let encoded: Vec<u8> = entries.iter().flat_map(AbortedTxn::encode).collect();
    assert_eq!(encoded, input, "the index is written differently");
    let bounds = [Offset::ZERO, Offset(1), Offset(i64::MAX - 1), Offset(i64::MAX)];
    for from in bounds {
        for to in bounds.into_iter().filter(|to| *to >= from) {
            let mut found = Vec::new();
            collect_aborted(&entries, from, to, &mut found);
            assert!(found.iter().all(|transaction| transaction.first_offset < to));
        }
    }
}

pub(crate) fn txn_index_seeds() -> Vec<Vec<u8>> {
    let entry = |first: i64| AbortedTxn {
        producer_id: ProducerId(5),
        first_offset: Offset(first),
        last_offset: Offset(first + 10),
        last_stable_offset: Offset(first + 11),
    };
    vec![[entry(3).encode(), entry(20).encode()].concat()]
}

pub(crate) fn epochs(input: &[u8]) {
    let Ok(epochs) = LeaderEpochs::decode(input) else { return };
    assert_eq!(LeaderEpochs::decode(epochs.encode().as_bytes()), Ok(epochs.clone()));
    for epoch in [-1, 0, 1, i32::MAX] {
        let _ = epochs.end_of(LeaderEpoch(epoch), Offset(i64::MAX));
    }
    let _ = (epochs.latest(), epochs.epoch_at(Offset::ZERO), epochs.epoch_at(Offset(i64::MAX)));
}

pub(crate) fn epochs_seeds() -> Vec<Vec<u8>> {
    vec![b"0\n2\n0 0\n3 1042\n".to_vec(), b"0\n0\n".to_vec()]
}

/// A group's member of 20 bytes is some 200 in memory, in a vector that doubles; the record is there twice, to be compared.
pub(crate) const RECORD: Budget = Budget { fixed: 64 << 10, factor: 128 };

/// A byte says how long the key is; the value is the rest.
pub(crate) fn metadata(input: &[u8]) {
    let Some((&size, rest)) = input.split_first() else { return };
    let Some((key, value)) = rest.split_at_checked(size.into()) else { return };
    let Ok(key_read) = MetaKey::decode(key) else { return };
    assert_eq!(key_read.encode(), key, "the key is written differently");
    let Ok(record) = MetaRecord::decode(&key_read, value) else { return };
    assert_eq!(record.key(), key_read);
    let encoded = record.encode().expect("what was decoded can be encoded");
    assert_eq!(MetaRecord::decode(&key_read, &encoded).expect("what was encoded decodes"), record);
    if let Some(last) = encoded.len().checked_sub(1) {
        assert!(MetaRecord::decode(&key_read, &encoded[..last]).is_err(), "decoded without its last byte");
    }
}

pub(crate) fn metadata_seeds() -> Vec<Vec<u8>> {
    let configs = BTreeMap::from([("retention.ms".to_owned(), "1000".to_owned())]);
    let member = ClassicMemberRecord {
        member_id: "m".into(),
        instance_id: Some("i".into()),
        client_id: "c".into(),
        client_host: "/127.0.0.1".into(),
        rebalance_timeout_ms: 300_000,
        session_timeout_ms: 45_000,
        protocols: vec![("range".into(), vec![0, 1, 0, 0, 0, 1, 0, 1, b't'])],
        assignment: vec![0, 1],
    };
    let group = ClassicGroupRecord {
        protocol_type: Some("consumer".into()),
        generation: 3,
        protocol: Some("range".into()),
        leader: Some("m".into()),
        since_ms: 1_700_000_000_000,
        members: vec![member],
    };
    let offset = OffsetRecord {
        group_id: "g".into(),
        topic_id: [7; 16],
        partition: 3,
        offset: 1000,
        leader_epoch: 2,
        metadata: "note".into(),
        commit_ms: 1_700_000_000_000,
        expire_ms: Some(5),
    };
    let records = [
        MetaRecord::Cluster(ClusterRecord { cluster_id: "AAAAAAAAAAAAAAAAAAAAAA".into(), node_id: 1 }),
        MetaRecord::Topic(TopicRecord {
            id: [7; 16],
            name: "t".into(),
            partitions: 3,
            configs: configs.clone(),
        }),
        MetaRecord::Tombstone(TombstoneRecord { id: [8; 16], name: "t".into(), partitions: 3 }),
        MetaRecord::ProducerIds(ProducerIdsRecord { next: 1000 }),
        MetaRecord::BrokerConfig(BrokerConfigRecord { broker: "1".into(), configs }),
        MetaRecord::Feature(FeatureRecord { name: "f".into(), level: 2 }),
        MetaRecord::Group(GroupRecord { group_id: "g".into(), state: GroupStateRecord::Classic(group) }),
        MetaRecord::Offset(offset),
    ];
    records.iter().map(metadata_input).collect()
}

fn metadata_input(record: &MetaRecord) -> Vec<u8> {
    let key = record.key().encode();
    [&[u8::try_from(key.len()).unwrap()], &key[..], &record.encode().unwrap()].concat()
}
