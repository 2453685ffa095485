//! Names of topics and partitions.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A topic's identity (KIP-516): 16 bytes, shown as 22 characters of URL-safe base64 without padding, as Kafka does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TopicId(pub [u8; 16]);

impl TopicId {
    /// "No id": what requests by name carry.
    pub const ZERO: Self = Self([0; 16]);

    /// Makes a version 4 UUID of 16 random bytes. Kafka never hands out an id whose text begins with `-`; for such
    /// bytes this returns `None` and the caller draws again.
    pub fn from_random(mut bytes: [u8; 16]) -> Option<Self> {
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        let id = Self(bytes);
        (!id.to_string().starts_with('-')).then_some(id)
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = u128::from_be_bytes(self.0);
        // 128 bits are 21 groups of six and one group of two, which base64 pads with four zero bits.
        for index in 0..22u32 {
            let group = if index < 21 { value >> (122 - 6 * index) } else { value << 4 };
            let letter = ALPHABET.get((group & 63) as usize).copied().unwrap_or(b'A');
            fmt::Write::write_char(f, char::from(letter))?;
        }
        Ok(())
    }
}

impl fmt::Debug for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not 22 characters of URL-safe base64 that stand for 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParseTopicIdError;

impl fmt::Display for ParseTopicIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a topic id: expected 22 characters of URL-safe base64")
    }
}

impl std::error::Error for ParseTopicIdError {}

impl FromStr for TopicId {
    type Err = ParseTopicIdError;

    fn from_str(text: &str) -> Result<Self, ParseTopicIdError> {
        if text.len() != 22 {
            return Err(ParseTopicIdError);
        }
        let mut value: u128 = 0;
        for (index, letter) in text.bytes().enumerate() {
            let group = ALPHABET.iter().position(|&known| known == letter).ok_or(ParseTopicIdError)? as u128;
            if index < 21 {
                value = (value << 6) | group;
            } else if group & 15 == 0 {
                value = (value << 2) | (group >> 4);
            } else {
                return Err(ParseTopicIdError);
            }
        }
        Ok(Self(value.to_be_bytes()))
    }
}

/// A partition by topic id: the key of every table in the broker. A topic that is deleted and made again under its
/// old name is another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicIdPartition {
    /// The topic.
    pub topic_id: TopicId,
    /// 0-based index of the partition.
    pub partition: i32,
}

impl fmt::Display for TopicIdPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic_id, self.partition)
    }
}

/// A partition by topic name: what people read and directories are called.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: Arc<str>,
    /// 0-based index of the partition.
    pub partition: i32,
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.topic, self.partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_id_reads_back_what_it_prints() {
        for seed in 0..=255u8 {
            let mut bytes = [seed; 16];
            bytes[0] = seed.wrapping_mul(31);
            bytes[15] = !seed;
            let id = TopicId(bytes);
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        // What `org.apache.kafka.common.Uuid` prints for ONE_UUID's bytes.
        let mut one = [0; 16];
        one[15] = 1;
        assert_eq!(TopicId(one).to_string(), "AAAAAAAAAAAAAAAAAAAAAQ");
    }

    #[test]
    fn text_that_is_no_topic_id_is_refused() {
        for text in ["", "short", "AAAAAAAAAAAAAAAAAAAAAR", "AAAAAAAAAAAAAAAAAAAAA=", "ÄAAAAAAAAAAAAAAAAAAAA"]
        {
            assert_eq!(text.parse::<TopicId>(), Err(ParseTopicIdError), "{text}");
        }
    }

    #[test]
    fn a_random_id_is_version_four_and_never_starts_with_a_dash() {
        let id = TopicId::from_random([7; 16]).unwrap();
        assert_eq!((id.0[6] >> 4, id.0[8] >> 6), (4, 2));
        assert_eq!(TopicId::from_random([0xfb; 16]), None);
    }
}
