//! How the write-ahead log sees a record batch: an entry of 61 header bytes that says its offsets, size, leader epoch
//! and largest timestamp, with a CRC-32C over the rest.

use highwater_wal::{EntryError, EntryFormat, EntryHeader};
use highwater_wire::record::{self, BatchError, BatchHeader, HEADER_SIZE};

/// The format of Kafka's segments.
#[derive(Debug, Clone, Copy)]
pub struct KafkaFormat;

impl EntryFormat for KafkaFormat {
    fn header_size(&self) -> usize {
        HEADER_SIZE
    }

    fn parse(&self, header: &[u8]) -> Result<EntryHeader, EntryError> {
        let head = header.get(..HEADER_SIZE).unwrap_or(header);
        if head.iter().all(|&byte| byte == 0) {
            return Err(EntryError::Zeros);
        }
        let batch = BatchHeader::parse(head).map_err(entry_error)?;
        Ok(EntryHeader {
            base_offset: batch.base_offset,
            last_offset: batch.last_offset(),
            size: batch.size(),
            leader_epoch: batch.leader_epoch,
            max_timestamp: batch.max_timestamp,
        })
    }

    fn verify(&self, entry: &[u8]) -> Result<(), EntryError> {
        record::verify(entry).map(|_| ()).map_err(entry_error)
    }
}

fn entry_error(error: BatchError) -> EntryError {
    match error {
        BatchError::Checksum { stored, computed } => EntryError::BadChecksum { stored, computed },
        BatchError::Length { length } => EntryError::BadLength { length: i64::from(length) },
        BatchError::Truncated { size, .. } => {
            EntryError::BadLength { length: i64::try_from(size).unwrap_or(i64::MAX) }
        }
        BatchError::OldMagic { .. } => EntryError::Malformed("message format older than 2"),
        BatchError::UnknownMagic { .. } => EntryError::Malformed("unknown magic"),
        BatchError::OffsetRange { .. } => EntryError::Malformed("impossible offset range"),
        _ => EntryError::Malformed("impossible batch header"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_and_garbage_are_told_apart() {
        assert!(matches!(KafkaFormat.parse(&[0; 61]), Err(EntryError::Zeros)));
        let mut old = [0u8; 61];
        old[16] = 1;
        assert!(matches!(KafkaFormat.parse(&old), Err(EntryError::Malformed(_))));
        assert!(KafkaFormat.parse(&[9; 61]).is_err());
        assert!(KafkaFormat.parse(&[9; 5]).is_err());
    }
}
