//! What members of a consumer group tell each other through the coordinator, which does not look into it: the topics that a
//! member wants (*subscription*) and the partitions that it gets (*assignment*).
//!
//! ```text
//! subscription   version: i16, topics: [string], user data: nullable bytes, v1+: owned partitions, v2+: generation, v3+: rack
//! assignment     version: i16, [topic: string, partitions: [i32]], user data: nullable bytes
//! ```
//!
//! The bytes come from other members, who may be anybody: reading never panics, takes memory only for what was read, and
//! leaves alone what follows the fields it needs, as newer versions only append. Written is version 0, which everybody reads.

use std::collections::BTreeMap;

use bytes::{Buf, BufMut};

/// The protocol type of consumer groups.
pub(crate) const PROTOCOL_TYPE: &str = "consumer";

/// Partitions by topic.
pub(crate) type Assignment = BTreeMap<String, Vec<i32>>;

const VERSION: i16 = 0;
/// No user data.
const NULL_BYTES: i32 = -1;

/// The bytes that say: I want these topics.
pub(crate) fn encode_subscription(topics: &[String]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.put_i16(VERSION);
    bytes.put_i32(count(topics.len()));
    for topic in topics {
        put_string(&mut bytes, topic);
    }
    bytes.put_i32(NULL_BYTES);
    bytes
}

/// The topics of a subscription of any version; `None` when the bytes are none.
pub(crate) fn decode_subscription(mut bytes: &[u8]) -> Option<Vec<String>> {
    version(&mut bytes)?;
    array(&mut bytes, string)
}

/// The bytes that say: these partitions are yours.
pub(crate) fn encode_assignment(assignment: &Assignment) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.put_i16(VERSION);
    bytes.put_i32(count(assignment.len()));
    for (topic, partitions) in assignment {
        put_string(&mut bytes, topic);
        bytes.put_i32(count(partitions.len()));
        for partition in partitions {
            bytes.put_i32(*partition);
        }
    }
    bytes.put_i32(NULL_BYTES);
    bytes
}

/// The partitions of an assignment of any version, sorted; none for no bytes at all, which is what a member gets that was
/// assigned nothing. `None` when the bytes are no assignment.
pub(crate) fn decode_assignment(mut bytes: &[u8]) -> Option<Assignment> {
    if bytes.is_empty() {
        return Some(Assignment::new());
    }
    version(&mut bytes)?;
    let topics =
        array(&mut bytes, |bytes| Some((string(bytes)?, array(bytes, |bytes| bytes.try_get_i32().ok())?)))?;
    let mut assignment = Assignment::new();
    for (topic, partitions) in topics {
        assignment.entry(topic).or_default().extend(partitions);
    }
    for partitions in assignment.values_mut() {
        partitions.sort_unstable();
        partitions.dedup();
    }
    Some(assignment)
}

fn version(bytes: &mut &[u8]) -> Option<i16> {
    bytes.try_get_i16().ok().filter(|version| *version >= 0)
}

/// Reads as many elements as are announced; what is kept grows with what was read.
fn array<T>(bytes: &mut &[u8], mut element: impl FnMut(&mut &[u8]) -> Option<T>) -> Option<Vec<T>> {
    let count = bytes.try_get_i32().ok().filter(|count| *count >= 0)?;
    let mut elements = Vec::new();
    for _ in 0..count {
        elements.push(element(bytes)?);
    }
    Some(elements)
}

fn string(bytes: &mut &[u8]) -> Option<String> {
    let size = usize::try_from(bytes.try_get_i16().ok()?).ok()?;
    let (text, rest) = bytes.split_at_checked(size)?;
    *bytes = rest;
    Some(String::from_utf8_lossy(text).into_owned())
}

/// Names are the broker's own, at most 249 bytes; a longer one would be cut, and then be no topic.
fn put_string(bytes: &mut Vec<u8>, text: &str) {
    let size = i16::try_from(text.len()).unwrap_or(i16::MAX);
    bytes.put_i16(size);
    bytes.extend(text.bytes().take(usize::try_from(size).unwrap_or_default()));
}

fn count(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assignment() -> Assignment {
        Assignment::from([("orders".to_owned(), vec![0, 3, 9]), ("é".to_owned(), vec![])])
    }

    /// Version 3 as the Java client writes it: topic `t`, no user data, one owned partition, generation 5, no rack.
    const JAVA_SUBSCRIPTION: &[u8] =
        b"\0\x03\0\0\0\x01\0\x01t\xff\xff\xff\xff\0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\0\0\0\0\x05\xff\xff";

    #[test]
    fn what_was_written_is_read() {
        let topics = vec!["orders".to_owned(), String::new(), "é".to_owned()];
        assert_eq!(decode_subscription(&encode_subscription(&topics)), Some(topics));
        assert_eq!(decode_assignment(&encode_assignment(&assignment())), Some(assignment()));
    }

    #[test]
    fn subscription_is_written_as_kafka_writes_version_0() {
        let bytes = encode_subscription(&["t".to_owned()]);
        assert_eq!(bytes, b"\0\0\0\0\0\x01\0\x01t\xff\xff\xff\xff");
    }

    #[test]
    fn newer_versions_are_read_as_far_as_needed() {
        assert_eq!(decode_subscription(JAVA_SUBSCRIPTION), Some(vec!["t".to_owned()]));
    }

    #[test]
    fn no_bytes_are_an_assignment_of_nothing_but_no_subscription() {
        assert_eq!(decode_assignment(b""), Some(Assignment::new()));
        assert_eq!(decode_subscription(b""), None);
    }

    #[test]
    fn topics_named_twice_are_one_and_partitions_are_sorted() {
        let bytes =
            b"\0\0\0\0\0\x02\0\x01t\0\0\0\x02\0\0\0\x07\0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\x01\xff\xff\xff\xff";
        assert_eq!(decode_assignment(bytes), Some(Assignment::from([("t".to_owned(), vec![1, 7])])));
    }

    #[test]
    fn bytes_that_end_too_early_are_refused_or_were_not_needed() {
        let whole = encode_assignment(&assignment());
        let needed = whole.len() - 4;
        for end in 1..whole.len() {
            let decoded = decode_assignment(&whole[..end]);
            assert_eq!(decoded.is_some(), end >= needed, "{end} bytes of {}", whole.len());
        }
        for end in 0..JAVA_SUBSCRIPTION.len() {
            decode_subscription(&JAVA_SUBSCRIPTION[..end]);
        }
    }

    #[test]
    fn stated_sizes_beyond_the_bytes_are_refused_without_taking_memory() {
        assert_eq!(decode_subscription(b"\0\0\x7f\xff\xff\xff"), None);
        assert_eq!(decode_subscription(b"\0\0\0\0\0\x01\x7f\xff"), None);
        assert_eq!(decode_subscription(b"\0\0\xff\xff\xff\xff"), None);
        assert_eq!(decode_subscription(b"\0\0\0\0\0\x01\xff\xff"), None);
        assert_eq!(decode_assignment(b"\0\0\0\0\0\x01\0\x01t\x7f\xff\xff\xff\0\0\0\0"), None);
        assert_eq!(decode_assignment(b"\xff\xff\0\0\0\0"), None);
    }

    #[test]
    fn no_byte_changed_at_random_makes_it_panic() {
        let whole = encode_assignment(&assignment());
        for position in 0..whole.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[position] = value;
                decode_assignment(&bytes);
                decode_subscription(&bytes);
            }
        }
    }
}
