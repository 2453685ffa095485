//! `partition.metadata`: whose directory this is. Written once, when the partition is made; never overwritten.
//!
//! ```text
//! version: 0
//! topic_id: <22 characters of URL-safe base64>
//! ```

use std::path::Path;

use highwater_disk::{Disk, DiskError, Operation};
use highwater_types::TopicId;

use crate::{LogError, files};

const NAME: &str = "partition.metadata";
const SIZE_MAX: u64 = 1024;

/// Writes the file of a new partition and makes it durable with its name.
pub(crate) fn create(disk: &dyn Disk, directory: &Path, topic_id: TopicId) -> Result<(), LogError> {
    let path = directory.join(NAME);
    if files::read(disk, &path, SIZE_MAX)?.is_some() {
        return check(disk, directory, topic_id);
    }
    files::replace(disk, &path, format!("version: 0\ntopic_id: {topic_id}\n").as_bytes())?;
    disk.sync_directory(directory).map_err(DiskError::at(Operation::SyncDirectory, directory))?;
    Ok(())
}

/// Checks that the directory is that of `topic_id`.
pub(crate) fn check(disk: &dyn Disk, directory: &Path, topic_id: TopicId) -> Result<(), LogError> {
    let path = directory.join(NAME);
    let bytes = files::read(disk, &path, SIZE_MAX)?;
    match bytes.as_deref().and_then(parse) {
        None => Err(LogError::BadMetadata { path }),
        Some(found) if found != topic_id => Err(LogError::OtherTopic { path, expected: topic_id, found }),
        Some(_) => Ok(()),
    }
}

fn parse(bytes: &[u8]) -> Option<TopicId> {
    let mut lines = std::str::from_utf8(bytes).ok()?.lines();
    if lines.next()?.trim() != "version: 0" {
        return None;
    }
    lines.next()?.strip_prefix("topic_id:")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topic_id_is_read_with_and_without_a_last_line_feed() {
        let id = TopicId([7; 16]);
        let text = format!("version: 0\ntopic_id: {id}");
        assert_eq!(parse(text.as_bytes()), Some(id));
        assert_eq!(parse(format!("{text}\n").as_bytes()), Some(id));
        for bad in
            ["", "version: 1\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ", "version: 0\n", "version: 0\ntopic_id: x"]
        {
            assert_eq!(parse(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
