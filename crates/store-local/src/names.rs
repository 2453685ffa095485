//! Names of partition directories.
//!
//! | name | is |
//! |---|---|
//! | `<topic>-<partition>` | a partition |
//! | `<topic>-<partition>.<topic-id>-delete` | of a deleted topic, being removed |
//! | `<topic>-<partition>.<topic-id or number>-stray` | set aside: the metadata does not know it |
//!
//! A topic's name is cut where a suffix would make the file name longer than file systems allow.

use highwater_types::{TopicId, TopicIdPartition};

const NAME_SIZE_MAX: usize = 255;
const DELETE: &str = "-delete";
const STRAY: &str = "-stray";

/// What a name in the data directory says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Named {
    /// A partition's directory.
    Partition,
    /// A directory being removed, of this topic.
    Deleted(TopicId),
    /// Set aside earlier.
    Stray,
    /// Nothing of ours.
    Other,
}

/// The directory of a partition.
pub(crate) fn partition(topic: &str, partition: i32) -> String {
    format!("{topic}-{partition}")
}

/// What a directory is called while it is being removed.
pub(crate) fn deleted(name: &str, topic_id: TopicId) -> String {
    with_suffix(name, &format!(".{topic_id}{DELETE}"))
}

/// What a directory of a topic is called that the metadata does not know.
pub(crate) fn stray(name: &str, topic_id: TopicId) -> String {
    with_suffix(name, &format!(".{topic_id}{STRAY}"))
}

/// What a directory is called that the metadata does not know and that names no topic, or for which the other name is
/// taken.
pub(crate) fn numbered_stray(name: &str, number: u64) -> String {
    with_suffix(name, &format!(".{number}{STRAY}"))
}

/// The topic in the name of a directory that was set aside; `None` where it has a number.
pub(crate) fn topic_of_stray(name: &str) -> Option<TopicId> {
    name.strip_suffix(STRAY)?.rsplit_once('.')?.1.parse().ok()
}

/// Reads a name.
pub(crate) fn parse(name: &str) -> Named {
    if name.ends_with(STRAY) {
        return Named::Stray;
    }
    if let Some(rest) = name.strip_suffix(DELETE) {
        let id = rest.rsplit_once('.').and_then(|(_, id)| id.parse().ok());
        return id.map_or(Named::Other, Named::Deleted);
    }
    match name.rsplit_once('-') {
        Some((topic, number)) if !topic.is_empty() && is_partition_number(number) => Named::Partition,
        _ => Named::Other,
    }
}

fn is_partition_number(text: &str) -> bool {
    text.parse::<i32>().is_ok_and(|number| number >= 0 && number.to_string() == text)
}

fn with_suffix(name: &str, suffix: &str) -> String {
    let mut size = name.len().min(NAME_SIZE_MAX.saturating_sub(suffix.len()));
    while !name.is_char_boundary(size) {
        size -= 1;
    }
    format!("{}{suffix}", name.get(..size).unwrap_or_default())
}

/// What people read of a partition in logs.
pub(crate) fn readable(topic: &str, id: TopicIdPartition) -> String {
    format!("{topic}-{} ({})", id.partition, id.topic_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_as_what_they_are() {
        let id = TopicId([7; 16]);
        let name = partition("orders-eu", 12);
        assert_eq!(parse(&name), Named::Partition);
        assert_eq!(parse(&deleted(&name, id)), Named::Deleted(id));
        assert_eq!(parse(&stray(&name, id)), Named::Stray);
        assert_eq!(parse(&numbered_stray(&name, 3)), Named::Stray);
        assert_eq!(topic_of_stray(&stray(&name, id)), Some(id));
        assert_eq!(topic_of_stray(&numbered_stray(&name, 3)), None);
        for other in ["meta.redb", "lock", "checkpoint", "-3", "t-", "t-01", "t-99999999999", "x.y-delete"] {
            assert_eq!(parse(other), Named::Other, "{other}");
        }
    }

    #[test]
    fn no_name_is_longer_than_a_file_system_takes() {
        let name = partition(&"x".repeat(249), i32::MAX);
        assert_eq!(deleted(&name, TopicId([9; 16])).len(), NAME_SIZE_MAX);
        assert_eq!(parse(&deleted(&name, TopicId([9; 16]))), Named::Deleted(TopicId([9; 16])));
        assert!(numbered_stray(&"ä".repeat(200), 1).len() <= NAME_SIZE_MAX);
    }
}
