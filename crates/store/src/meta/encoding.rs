//! Bytes of keys and values.
//!
//! | field of a key | bytes |
//! |---|---|
//! | topic id | its 16 bytes |
//! | number | 4 bytes, big endian, the sign bit turned over |
//! | string | UTF-8 with each `00` written as `00 ff`, then `00 00`: sorts as the text does, whatever follows |

use std::fmt::{self, Write};
use std::sync::Arc;

use highwater_types::{TopicId, TopicIdPartition};

use super::{BadBody, MetaKey, OffsetKey, RecordBody};
use crate::MetaError;

/// A field of a key. The bytes of two values sort as the values do, and none is the beginning of another.
pub(super) trait KeyField: Sized {
    fn write(&self, bytes: &mut Vec<u8>);
    /// Takes the field from the front of `bytes`.
    fn read(bytes: &mut &[u8]) -> Option<Self>;
}

impl KeyField for TopicId {
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.0);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let (id, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        Some(Self(*id))
    }
}

impl KeyField for String {
    fn write(&self, bytes: &mut Vec<u8>) {
        write_text(self, bytes);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        read_text(bytes)
    }
}

fn write_text(text: &str, bytes: &mut Vec<u8>) {
    for byte in text.bytes() {
        bytes.push(byte);
        if byte == 0 {
            bytes.push(0xff);
        }
    }
    bytes.extend_from_slice(&[0, 0]);
}

fn read_text(bytes: &mut &[u8]) -> Option<String> {
    let mut text = Vec::new();
    loop {
        match **bytes {
            [0, 0, ref rest @ ..] => {
                *bytes = rest;
                return String::from_utf8(text).ok();
            }
            [0, 0xff, ref rest @ ..] => {
                text.push(0);
                *bytes = rest;
            }
            [byte, ref rest @ ..] if byte != 0 => {
                text.push(byte);
                *bytes = rest;
            }
            _ => return None,
        }
    }
}

impl KeyField for Arc<str> {
    fn write(&self, bytes: &mut Vec<u8>) {
        write_text(self, bytes);
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        read_text(bytes).map(Self::from)
    }
}

impl KeyField for OffsetKey {
    fn write(&self, bytes: &mut Vec<u8>) {
        self.group_id.write(bytes);
        self.partition.topic_id.write(bytes);
        // With the sign bit turned over, numbers sort as unsigned bytes do.
        bytes.extend_from_slice(&(self.partition.partition ^ i32::MIN).to_be_bytes());
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let group_id = KeyField::read(bytes)?;
        let topic_id = TopicId::read(bytes)?;
        let (partition, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        let partition = i32::from_be_bytes(*partition) ^ i32::MIN;
        Some(Self { group_id, partition: TopicIdPartition { topic_id, partition } })
    }
}

/// The version and the body; `None` when postcard cannot write it.
pub(super) fn encode_body<T: RecordBody>(body: &T) -> Option<Vec<u8>> {
    postcard::to_extend(body, vec![T::VERSION]).ok()
}

pub(super) fn decode_body<T: RecordBody>(value: &[u8]) -> Result<T, BadBody> {
    let (version, body) = value.split_first().ok_or(BadBody::Empty)?;
    T::decode(*version, body)
}

pub(super) fn bad_key(bytes: &[u8]) -> MetaError {
    let mut message = String::from("metadata key ");
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(message, "{byte:02x}");
    }
    message.push_str(": not the key of a known type of record");
    MetaError::Corrupt(message)
}

pub(super) fn bad_body(key: &MetaKey, cause: impl fmt::Display) -> MetaError {
    MetaError::Corrupt(format!("metadata record {key:?}: {cause}"))
}

impl fmt::Display for BadBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(f, "version {version} is not known to this program"),
            Self::Empty => f.write_str("it is empty"),
            Self::Malformed => f.write_str("its bytes are malformed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use highwater_disk::sim::Random;

    use super::super::*;

    fn text(random: &mut Random) -> String {
        let letters = ['a', 'b', '\0', 'ÿ', '\u{1}', '-'];
        (0..random.index(6)).map(|_| letters[random.index(letters.len())]).collect()
    }

    fn configs(random: &mut Random) -> BTreeMap<String, String> {
        (0..random.index(4)).map(|_| (text(random), text(random))).collect()
    }

    fn id(random: &mut Random) -> [u8; 16] {
        let mut id = [0; 16];
        random.fill(&mut id);
        id
    }

    fn record(random: &mut Random) -> MetaRecord {
        let number = random.number().cast_signed();
        let small = i32::try_from(number >> 33).unwrap();
        match random.below(8) {
            0 => MetaRecord::Cluster(ClusterRecord { cluster_id: text(random), node_id: small }),
            1 => MetaRecord::Topic(TopicRecord {
                id: id(random),
                name: text(random).into(),
                partitions: small,
                configs: configs(random),
            }),
            2 => MetaRecord::Tombstone(TombstoneRecord {
                id: id(random),
                name: text(random).into(),
                partitions: small,
            }),
            3 => MetaRecord::ProducerIds(ProducerIdsRecord { next: number }),
            4 => MetaRecord::BrokerConfig(BrokerConfigRecord {
                broker: text(random),
                configs: configs(random),
            }),
            5 => MetaRecord::Group(group(random)),
            6 => MetaRecord::Offset(OffsetRecord {
                group_id: text(random).into(),
                topic_id: id(random),
                partition: small,
                offset: number,
                leader_epoch: small,
                metadata: text(random).into(),
                commit_ms: number,
                expire_ms: (small > 0).then_some(number),
            }),
            _ => MetaRecord::Feature(FeatureRecord {
                name: text(random),
                level: i16::try_from(small >> 16).unwrap(),
            }),
        }
    }

    fn group(random: &mut Random) -> GroupRecord {
        let maybe = |random: &mut Random| (random.below(2) == 0).then(|| text(random).into());
        let member = |random: &mut Random| ClassicMemberRecord {
            member_id: text(random).into(),
            instance_id: maybe(random),
            client_id: text(random).into(),
            client_host: text(random).into(),
            rebalance_timeout_ms: 1,
            session_timeout_ms: 2,
            protocols: vec![(text(random).into(), id(random).to_vec())],
            assignment: id(random).to_vec(),
        };
        let group = ClassicGroupRecord {
            protocol_type: maybe(random),
            generation: 3,
            protocol: maybe(random),
            leader: maybe(random),
            since_ms: 4,
            members: (0..random.index(3)).map(|_| member(random)).collect(),
        };
        GroupRecord { group_id: text(random).into(), state: GroupStateRecord::Classic(group) }
    }

    fn records(seed: u64) -> Vec<MetaRecord> {
        let mut random = Random::new(seed);
        (0..500).map(|_| record(&mut random)).collect()
    }

    #[test]
    fn a_record_reads_back_what_it_wrote() {
        for record in records(1) {
            let key = MetaKey::decode(&record.key().encode()).unwrap();
            assert_eq!(key, record.key());
            assert_eq!(MetaRecord::decode(&key, &record.encode().unwrap()).unwrap(), record);
        }
    }

    #[test]
    fn keys_sort_by_type_and_then_by_field() {
        let mut keys: Vec<MetaKey> = records(2).iter().map(MetaRecord::key).collect();
        keys.sort_by_key(MetaKey::encode);
        assert!(keys.is_sorted(), "{keys:?}");
    }

    #[test]
    fn every_truncation_is_refused_with_the_records_name() {
        for record in records(3) {
            let (key, value) = (record.key(), record.encode().unwrap());
            let bytes = key.encode();
            for size in 0..bytes.len() {
                assert!(MetaKey::decode(&bytes[..size]).is_err(), "{key:?} cut to {size}");
            }
            for size in 0..value.len() {
                let error = MetaRecord::decode(&key, &value[..size]).unwrap_err().to_string();
                assert!(error.starts_with(&format!("metadata record {key:?}: ")), "{error}");
            }
            let longer = [value.as_slice(), &[0]].concat();
            assert!(MetaRecord::decode(&key, &longer).is_err(), "{key:?} with a byte behind it");
        }
    }

    #[test]
    fn random_bytes_are_refused_or_read_as_what_they_say() {
        let mut random = Random::new(4);
        for record in records(5) {
            let mut bytes = vec![0; random.index(40)];
            random.fill(&mut bytes);
            if let Some(first) = bytes.first_mut() {
                *first = 1;
            }
            if let Ok(decoded) = MetaRecord::decode(&record.key(), &bytes) {
                assert_eq!(decoded.key(), record.key());
            }
            if let Ok(key) = MetaKey::decode(&bytes) {
                assert_eq!(key.encode(), bytes);
            }
            // One changed byte of a good value.
            let mut value = record.encode().unwrap();
            let index = random.index(value.len());
            value[index] = value[index].wrapping_add(1);
            if let Ok(decoded) = MetaRecord::decode(&record.key(), &value) {
                assert_eq!(decoded.key(), record.key());
            }
        }
    }

    #[test]
    fn a_newer_version_and_an_unknown_type_are_named() {
        let record = MetaRecord::ProducerIds(ProducerIdsRecord { next: 7 });
        let mut value = record.encode().unwrap();
        assert_eq!(value, [1, 14]);
        value[0] = 9;
        let error = MetaRecord::decode(&record.key(), &value).unwrap_err().to_string();
        assert_eq!(error, "metadata record ProducerIds: version 9 is not known to this program");
        let error = MetaKey::decode(&[0xee, 1]).unwrap_err().to_string();
        assert_eq!(error, "metadata key ee01: not the key of a known type of record");
    }

    #[test]
    fn a_body_under_another_key_is_refused() {
        let record = MetaRecord::Feature(FeatureRecord { name: "a".into(), level: 1 });
        let other = MetaKey::Feature("b".into());
        let error = MetaRecord::decode(&other, &record.encode().unwrap()).unwrap_err().to_string();
        assert!(error.contains(r#"it says that it is Feature("a")"#), "{error}");
    }
}
