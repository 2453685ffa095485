//! The one place where outcomes of the layers below become Kafka's error codes.

use highwater_partition_log::Refusal;
use highwater_store::{AppendError, MetaError, PartitionProblem, ReadError, StoreError};
use highwater_wire::{ErrorCode, Str};

/// What a client is told of a request, topic or partition that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// Kafka's code.
    pub(crate) code: ErrorCode,
    /// What is wrong, in words; `None` where the code says it all.
    pub(crate) message: Option<String>,
    /// `(index in the batch, message)` of each bad record.
    pub(crate) records: Vec<(i32, String)>,
}

impl Failure {
    /// A code that says it all.
    pub(crate) fn of(code: ErrorCode) -> Self {
        Self { code, message: None, records: Vec::new() }
    }

    /// A code with words.
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: Some(message.into()), records: Vec::new() }
    }

    /// The words for an answer that wants some: those of the code when there are no better ones.
    pub(crate) fn text(&self) -> Option<Str> {
        Some(Str::from(self.message.as_deref().unwrap_or_else(|| self.code.message())))
    }
}

impl From<ErrorCode> for Failure {
    fn from(code: ErrorCode) -> Self {
        Self::of(code)
    }
}

impl From<AppendError> for Failure {
    fn from(error: AppendError) -> Self {
        let code = of_append(&error);
        let message = Some(error.to_string());
        let records = match error {
            AppendError::Refused(
                Refusal::InvalidRecord { records, .. } | Refusal::InvalidTimestamp { records, .. },
            ) => records,
            _ => Vec::new(),
        };
        Self { code, message, records }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::new(of_store(&error), error.to_string())
    }
}

impl From<MetaError> for Failure {
    fn from(error: MetaError) -> Self {
        Self::new(of_meta(&error), error.to_string())
    }
}

/// The code of an append that failed.
pub(crate) fn of_append(error: &AppendError) -> ErrorCode {
    match error {
        AppendError::Refused(refusal) => of_refusal(refusal),
        AppendError::Unavailable(problem) => of_problem(problem),
    }
}

fn of_refusal(refusal: &Refusal) -> ErrorCode {
    match refusal {
        Refusal::Corrupt(_) => ErrorCode::CorruptMessage,
        Refusal::InvalidRecord { .. } => ErrorCode::InvalidRecord,
        Refusal::InvalidTimestamp { .. } => ErrorCode::InvalidTimestamp,
        Refusal::TooLarge { .. } => ErrorCode::MessageTooLarge,
        Refusal::UnsupportedCompression(_) => ErrorCode::UnsupportedCompressionType,
        Refusal::OutOfOrderSequence(_) => ErrorCode::OutOfOrderSequenceNumber,
        Refusal::InvalidProducerEpoch(_) => ErrorCode::InvalidProducerEpoch,
        Refusal::InvalidTransactionState(_) => ErrorCode::InvalidTxnState,
        Refusal::CoordinatorFenced(_) => ErrorCode::TransactionCoordinatorFenced,
        Refusal::UnsupportedFormat(_) => ErrorCode::UnsupportedForMessageFormat,
        Refusal::Unavailable(_) => ErrorCode::KafkaStorageError,
    }
}

/// The code of a read that failed.
pub(crate) fn of_read(error: &ReadError) -> ErrorCode {
    match error {
        ReadError::OutOfRange { .. } => ErrorCode::OffsetOutOfRange,
        ReadError::Unavailable(problem) => of_problem(problem),
    }
}

/// The code of a partition that does not serve.
pub(crate) fn of_problem(problem: &PartitionProblem) -> ErrorCode {
    match problem {
        // The one code that every client answers to every request by asking for metadata and trying again.
        PartitionProblem::Recovering => ErrorCode::NotLeaderOrFollower,
        PartitionProblem::OutOfSpace | PartitionProblem::Storage(_) => ErrorCode::KafkaStorageError,
        PartitionProblem::Gone => ErrorCode::UnknownTopicOrPartition,
    }
}

/// The code of partitions that could not be made or deleted.
pub(crate) fn of_store(error: &StoreError) -> ErrorCode {
    match error {
        StoreError::Storage(_) | StoreError::OutOfSpace => ErrorCode::KafkaStorageError,
    }
}

/// The code of metadata that could not be committed.
pub(crate) fn of_meta(error: &MetaError) -> ErrorCode {
    match error {
        MetaError::Failed(_) | MetaError::OutOfSpace => ErrorCode::KafkaStorageError,
        MetaError::Busy => ErrorCode::RequestTimedOut,
        MetaError::Corrupt(_) => ErrorCode::UnknownServerError,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_that_recovers_is_asked_again_by_every_client() {
        assert!(of_problem(&PartitionProblem::Recovering).is_retriable());
        assert!(of_problem(&PartitionProblem::OutOfSpace).is_retriable());
    }

    #[test]
    fn bad_records_are_named_with_their_index() {
        let refusal = Refusal::InvalidRecord { message: "bad".into(), records: vec![(2, "no key".into())] };
        let failure = Failure::from(AppendError::Refused(refusal));
        assert_eq!(failure.code, ErrorCode::InvalidRecord);
        assert_eq!(failure.message.as_deref(), Some("bad"));
        assert_eq!(failure.records, [(2, "no key".to_owned())]);
    }
}
