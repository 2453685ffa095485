//! Hands out producer ids from durable blocks: a block is reserved before its first id is given away, so that no id is ever given
//! twice, whatever crashes.

use std::sync::Arc;

use highwater_store::{MetaChange, MetaRecord, MetaStore, meta::ProducerIdsRecord};
use highwater_types::ProducerId;
use highwater_wire::ErrorCode;

use crate::error_code;

/// Ids in a block (`ProducerIdsBlock.PRODUCER_ID_BLOCK_SIZE`).
const BLOCK_SIZE: i64 = 1000;

/// Gives every producer an id of its own.
pub(crate) struct ProducerIds {
    meta: Arc<dyn MetaStore>,
    block: tokio::sync::Mutex<Block>,
}

struct Block {
    next: i64,
    end: i64,
    /// Whether every partition was asked which ids it knows.
    complete: bool,
}

impl std::fmt::Debug for ProducerIds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ProducerIds")
    }
}

impl ProducerIds {
    /// Goes on after what was reserved before.
    pub(crate) fn new(meta: Arc<dyn MetaStore>, reserved: Option<&ProducerIdsRecord>) -> Self {
        let next = reserved.map_or(0, |record| record.next.max(0));
        Self { meta, block: tokio::sync::Mutex::new(Block { next, end: next, complete: false }) }
    }

    /// Told once, when every partition is recovered: ids are given from now on, above `seen`, the largest that a partition
    /// knows. A producer that got an id which a partition remembers would have its first records taken for repeats.
    pub(crate) async fn begin_above(&self, seen: ProducerId) {
        let mut block = self.block.lock().await;
        block.complete = true;
        if seen.0 >= block.next {
            block.next = seen.0.saturating_add(1);
        }
    }

    /// An id that was never given before.
    ///
    /// # Errors
    /// COORDINATOR_LOAD_IN_PROGRESS while partitions are being recovered; otherwise when a block cannot be reserved.
    pub(crate) async fn next(&self) -> Result<ProducerId, ErrorCode> {
        let mut block = self.block.lock().await;
        if !block.complete {
            return Err(ErrorCode::CoordinatorLoadInProgress);
        }
        if block.next >= block.end {
            let end = block.next.checked_add(BLOCK_SIZE).ok_or(ErrorCode::UnknownServerError)?;
            let record = MetaRecord::ProducerIds(ProducerIdsRecord { next: end });
            let committed = self.meta.commit(vec![MetaChange::Put(record)]).await;
            committed.map_err(|error| error_code::of_meta(&error))?;
            block.end = end;
        }
        let id = ProducerId(block.next);
        block.next += 1;
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::MemoryMeta;

    #[tokio::test]
    async fn no_id_is_given_twice_even_after_a_restart() {
        let meta = Arc::new(MemoryMeta::default());
        let ids = ProducerIds::new(meta.clone(), None);
        assert_eq!(ids.next().await, Err(ErrorCode::CoordinatorLoadInProgress));
        ids.begin_above(ProducerId::NONE).await;
        assert_eq!(ids.next().await, Ok(ProducerId(0)));
        assert_eq!(ids.next().await, Ok(ProducerId(1)));
        let reserved = meta.producer_ids().unwrap();
        assert_eq!(reserved.next, 1000);
        let again = ProducerIds::new(meta, Some(&reserved));
        again.begin_above(ProducerId(1)).await;
        assert_eq!(again.next().await, Ok(ProducerId(1000)));
    }

    #[tokio::test]
    async fn ids_are_above_those_that_partitions_know() {
        let meta = Arc::new(MemoryMeta::default());
        let ids = ProducerIds::new(meta.clone(), None);
        ids.begin_above(ProducerId(4711)).await;
        assert_eq!(ids.next().await, Ok(ProducerId(4712)));
        assert_eq!(meta.producer_ids().unwrap().next, 5712);
    }

    #[tokio::test]
    async fn no_id_is_given_that_was_not_reserved() {
        let meta = Arc::new(MemoryMeta::default());
        let ids = ProducerIds::new(meta.clone(), None);
        ids.begin_above(ProducerId::NONE).await;
        meta.fail(true);
        assert_eq!(ids.next().await, Err(ErrorCode::KafkaStorageError));
        meta.fail(false);
        assert_eq!(ids.next().await, Ok(ProducerId(0)));
    }
}
