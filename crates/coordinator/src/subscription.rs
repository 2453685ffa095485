//! What a member of type `consumer` subscribes to, as far as the coordinator must know: the topics.
//!
//! | field of the subscription | bytes |
//! |---|---|
//! | version | 2; every version begins as version 0 does |
//! | count of topics | 4 |
//! | each topic | 2 of length, then UTF-8 |
//!
//! What follows (user data, owned partitions, generation, rack) is the members' own affair.

use std::collections::BTreeSet;
use std::sync::Arc;

/// Adds the topics of a subscription. `None` when the bytes are not one; then some topics may have been added.
pub(crate) fn add_topics(metadata: &[u8], topics: &mut BTreeSet<Arc<str>>) -> Option<()> {
    let (version, rest) = metadata.split_first_chunk()?;
    let (count, mut rest) = rest.split_first_chunk()?;
    if i16::from_be_bytes(*version) < 0 {
        return None;
    }
    for _ in 0..u32::try_from(i32::from_be_bytes(*count)).ok()? {
        let (size, behind) = rest.split_first_chunk()?;
        let size = usize::try_from(i16::from_be_bytes(*size)).ok()?;
        let (name, behind) = behind.split_at_checked(size)?;
        topics.insert(std::str::from_utf8(name).ok()?.into());
        rest = behind;
    }
    Some(())
}

#[cfg(test)]
pub(crate) fn subscription(topics: &[&str]) -> bytes::Bytes {
    let mut bytes = vec![0, 1];
    bytes.extend(u32::try_from(topics.len()).unwrap().to_be_bytes());
    for topic in topics {
        bytes.extend(u16::try_from(topic.len()).unwrap().to_be_bytes());
        bytes.extend(topic.as_bytes());
    }
    bytes.extend([255, 255, 255, 255, 0, 0, 0, 0]);
    bytes.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_read_whatever_follows_them() {
        let mut topics = BTreeSet::new();
        assert_eq!(add_topics(&subscription(&["b", "a"]), &mut topics), Some(()));
        assert_eq!(topics, BTreeSet::from(["a".into(), "b".into()]));
    }

    #[test]
    fn bytes_that_are_cut_or_lie_are_no_subscription() {
        let whole = subscription(&["some", "topics"]);
        let end_of_topics = whole.len() - 8;
        for size in 0..end_of_topics {
            assert_eq!(add_topics(&whole[..size], &mut BTreeSet::new()), None, "{size} bytes");
        }
        assert_eq!(add_topics(&[0, 0, 0x7f, 255, 255, 255, 0, 1, b'a'], &mut BTreeSet::new()), None);
        assert_eq!(add_topics(&[0, 0, 255, 255, 255, 255], &mut BTreeSet::new()), None);
        assert_eq!(add_topics(&[255, 255, 0, 0, 0, 0], &mut BTreeSet::new()), None);
        assert_eq!(add_topics(&[0, 0, 0, 0, 0, 1, 0, 1, 0xff], &mut BTreeSet::new()), None);
    }
}
