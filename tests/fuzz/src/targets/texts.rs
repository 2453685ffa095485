//! Settings, the members' own protocol, and the data directory's checkpoint and synced ends.

use std::collections::{BTreeMap, BTreeSet};
use std::io::IoSlice;
use std::path::Path;

use highwater_disk::sim::SimDisk;
use highwater_disk::{Disk, OpenMode, write_all_at};
use highwater_partition_log::{LogCheckpoint, LogPoint};
use highwater_types::{LeaderEpoch, Offset, Position, ProducerId, Timestamp, TopicId, TopicIdPartition};
use highwater_wire::record::crc32c;

use crate::borrowed::client::consumer_protocol::{
    decode_assignment, decode_subscription, encode_assignment, encode_subscription,
};
use crate::borrowed::config::{Layers, StaticConfig, check_topic, log_config, properties};
use crate::borrowed::coordinator::subscription::add_topics;
use crate::borrowed::store_local::checkpoint::{self, Entries, Entry};
use crate::borrowed::store_local::synced_ends::{self, SyncedEnd, SyncedEnds, ToldJournal};
use crate::memory::Budget;

/// Each setting is kept by name with its value; a message of Kafka's names all that are allowed.
pub(crate) const SETTINGS: Budget = Budget { fixed: 64 << 10, factor: 64 };
/// The simulated disk keeps three images of the file.
pub(crate) const DISK: Budget = Budget { fixed: 4 << 20, factor: 64 };
/// Bytes of a slot of synced ends.
const SLOT: usize = 64;
/// When the journal that synced ends tell of was made.
const MADE: Timestamp = Timestamp(1_700_000_000_000);

/// A file of settings, taken for the broker's and for a topic's.
pub(crate) fn settings(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(entries) = properties::parse(text) else { return };
    assert_eq!(
        properties::parse(&written(&entries)).as_ref(),
        Ok(&entries),
        "written and read it is different"
    );
    let mut broker = StaticConfig::default();
    let mut topic = BTreeMap::new();
    let layers = Layers::default();
    for (name, value) in entries {
        if broker.set(&name, &value).is_err() {
            assert!(!broker.values.contains_key(&name) || broker.values[&name] != value, "refused, and kept");
        }
        let one = BTreeMap::from([(name.clone(), value.clone())]);
        if check_topic(&layers, &one).is_ok() {
            topic.insert(name, value);
        }
    }
    let layers = Layers { given: broker.values, ..Layers::default() };
    if check_topic(&layers, &topic).is_ok() {
        let _ = log_config(&layers, &topic);
    }
}

fn written(entries: &[(String, String)]) -> String {
    let escape = |text: &str| {
        text.chars().fold(String::new(), |mut escaped, letter| {
            match letter {
                '\n' => escaped.push_str("\\n"),
                '\r' => escaped.push_str("\\r"),
                letter => escaped
                    .extend(['\\', letter].into_iter().skip(usize::from(letter.is_ascii_alphanumeric()))),
            }
            escaped
        })
    };
    // A key that is empty, or text, does not begin a comment: it is escaped.
    entries.iter().map(|(name, value)| format!("{}={}\n", escape(name), escape(value))).collect()
}

pub(crate) fn settings_seeds() -> Vec<Vec<u8>> {
    [
        "# comment\nlog.retention.hours=1\nnum.partitions : 2\nlog.dirs=/x\nbroker.id 7\n",
        "cleanup.policy=compact,\\\n  delete\nretention.ms=-1\nsegment.bytes=1048576\ncompression.type=zstd\nflush.messages=1\n",
        "min.compaction.lag.ms=5\nmax.compaction.lag.ms=4\nmessage.timestamp.type=LogAppendTime\nunclean.leader.election.enable=false\n",
        "a\\ b\\:c=d\\u0041\\t\\q\nlisteners=PLAINTEXT://127.0.0.1:0,X://[::1]:9\nremote.storage.enable=true\n",
        "compression.gzip.level=9\ncompression.zstd.level=-5\nflush.ms=1\nflush.policy=interval\nretention.bytes=9223372036854775807\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

/// What members say to each other, as the coordinator and as our client read it.
pub(crate) fn members(input: &[u8]) {
    let mut topics = BTreeSet::new();
    let known = add_topics(input, &mut topics).is_some();
    match decode_subscription(input) {
        Some(list) => {
            let same: BTreeSet<_> = list.iter().map(|topic| topic.as_str().into()).collect();
            assert!(!known || topics == same, "coordinator and client read other topics");
            assert_eq!(decode_subscription(&encode_subscription(&list)), Some(list));
        }
        None => assert!(!known, "the coordinator reads what the client does not"),
    }
    if let Some(assignment) = decode_assignment(input) {
        assert_eq!(decode_assignment(&encode_assignment(&assignment)), Some(assignment));
    }
}

pub(crate) fn members_seeds() -> Vec<Vec<u8>> {
    let topics = ["a".to_owned(), "topic".to_owned()];
    let assignment = BTreeMap::from([("a".to_owned(), vec![0, 1, 2]), ("b".to_owned(), vec![7])]);
    vec![encode_subscription(&topics), encode_assignment(&assignment), Vec::new()]
}

pub(crate) fn checkpoint(input: &[u8]) {
    let Ok(entries) = checkpoint::decode(input) else { return };
    assert_eq!(checkpoint::decode(&checkpoint::encode(&entries)), Ok(entries));
    assert!(checkpoint::decode(&input[..input.len() - 1]).is_err(), "decoded without its last byte");
}

/// The checksum stands at the end, little-endian.
pub(crate) fn mend_checkpoint(bytes: &mut [u8]) {
    if let Some((body, checksum)) = bytes.split_last_chunk_mut::<4>() {
        *checksum = crc32c(body).to_le_bytes();
    }
}

pub(crate) fn checkpoint_seeds() -> Vec<Vec<u8>> {
    let log = LogCheckpoint {
        recovery_point: point(),
        log_start_offset: Offset(3),
        leader_epoch: LeaderEpoch(1),
        suspect: Some(point()),
        max_producer_id: ProducerId(9),
    };
    let entries: Entries =
        (0..2).map(|partition| (id(partition), Entry { log, clean: partition == 0 })).collect();
    vec![checkpoint::encode(&entries), checkpoint::encode(&Entries::new())]
}

fn point() -> LogPoint {
    LogPoint { offset: Offset(20), segment: Offset(10), position: Position(300) }
}

fn id(partition: i32) -> TopicIdPartition {
    TopicIdPartition { topic_id: TopicId([7; 16]), partition }
}

/// The file is opened, what it says is written into it again, that there is a journal, too, and it is opened once more.
pub(crate) fn synced_ends(input: &[u8]) {
    let disk = disk_with(input);
    let root = Path::new("/");
    let (open, found) = SyncedEnds::open(disk.as_ref(), root, |_| true).expect("any bytes can be opened");
    assert!(found.ends.len() <= input.len() / SLOT, "more than there are slots");
    let looked_at = synced_ends::read(disk.as_ref(), root).expect("any bytes can be read");
    assert_eq!(looked_at.ends, found.ends);
    for (id, end) in &found.ends {
        open.write(*id, end).expect("the disk works");
    }
    let new = SyncedEnd { end: point(), leader_epoch: LeaderEpoch(3), log_start_offset: Offset(1) };
    open.write(id(i32::MAX), &new).expect("the disk works");
    open.note_journal(disk.as_ref(), root, Some(MADE)).expect("the disk works");
    let (_, again) = SyncedEnds::open(disk.as_ref(), root, |_| true).expect("any bytes can be opened");
    let mut expected = found.ends;
    expected.insert(id(i32::MAX), new);
    assert_eq!(again.ends, expected);
    assert_eq!(again.journal, ToldJournal::There(MADE));
}

fn disk_with(bytes: &[u8]) -> std::sync::Arc<SimDisk> {
    let disk = SimDisk::new(1);
    disk.set_tracing(false);
    let file = disk.open(Path::new("/synced-ends"), OpenMode::CreateNew).unwrap();
    write_all_at(file.as_ref(), &mut [IoSlice::new(bytes)], 0).unwrap();
    disk
}

/// Each slot: magic, checksum of magic and body, body; little-endian.
pub(crate) fn mend_synced_ends(bytes: &mut [u8]) {
    for slot in bytes.as_chunks_mut::<SLOT>().0 {
        if !slot.starts_with(b"HWSJ") {
            slot[..4].copy_from_slice(b"HWS1");
        }
        let covered = [&slot[..4], &slot[8..]].concat();
        slot[4..8].copy_from_slice(&crc32c(&covered).to_le_bytes());
    }
}

pub(crate) fn synced_ends_seeds() -> Vec<Vec<u8>> {
    let disk = disk_with(&[]);
    let (open, _) = SyncedEnds::open(disk.as_ref(), Path::new("/"), |_| true).unwrap();
    for partition in 0..3 {
        let end = SyncedEnd { end: point(), leader_epoch: LeaderEpoch(3), log_start_offset: Offset(1) };
        open.write(id(partition), &end).unwrap();
    }
    open.note_journal(disk.as_ref(), Path::new("/"), Some(MADE)).unwrap();
    let file = disk.open(Path::new("/synced-ends"), OpenMode::Read).unwrap();
    let mut bytes = vec![0; 4 * SLOT];
    assert_eq!(file.read_at(&mut bytes, 0).unwrap(), bytes.len());
    vec![bytes]
}
