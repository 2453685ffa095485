//! What Apache Kafka 4.3 announces and this broker does not, each with its reason: the second half of `docs/protocol.md`.

use std::fmt::Write;

/// Why an API is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    /// Transactions.
    Transactions,
    /// Consumer groups of the new protocol (KIP-848).
    ConsumerProtocol,
    /// Administration beyond topics and settings.
    Administration,
    /// Authentication, authorization, delegation tokens.
    Security,
    /// Share groups (KIP-932).
    ShareGroups,
    /// Streams groups (KIP-1071).
    StreamsGroups,
    /// Changes of the controller quorum, which there is none of.
    Quorum,
}

impl Reason {
    fn text(self) -> &'static str {
        match self {
            Self::Transactions => "transactions are not served yet",
            Self::ConsumerProtocol => "KIP-848 groups are not served yet",
            Self::Administration => "not served yet",
            Self::Security => "security is not served yet",
            Self::ShareGroups => "share groups are not served yet",
            Self::StreamsGroups => "streams groups are not served yet",
            Self::Quorum => "there is no controller quorum to change",
        }
    }
}

/// An API as Apache Kafka 4.3.1 announces it on a broker's listener.
struct KafkaApi {
    key: i16,
    name: &'static str,
    versions: (i16, i16),
    reason: Reason,
}

const fn kafka(key: i16, name: &'static str, min: i16, max: i16, reason: Reason) -> KafkaApi {
    KafkaApi { key, name, versions: (min, max), reason }
}

/// The difference, sorted by key.
const NOT_SERVED: &[KafkaApi] = &[
    kafka(17, "SaslHandshake", 0, 1, Reason::Security),
    kafka(21, "DeleteRecords", 0, 2, Reason::Administration),
    kafka(24, "AddPartitionsToTxn", 0, 5, Reason::Transactions),
    kafka(25, "AddOffsetsToTxn", 0, 4, Reason::Transactions),
    kafka(26, "EndTxn", 0, 5, Reason::Transactions),
    kafka(27, "WriteTxnMarkers", 1, 2, Reason::Transactions),
    kafka(28, "TxnOffsetCommit", 0, 5, Reason::Transactions),
    kafka(29, "DescribeAcls", 1, 3, Reason::Security),
    kafka(30, "CreateAcls", 1, 3, Reason::Security),
    kafka(31, "DeleteAcls", 1, 3, Reason::Security),
    kafka(34, "AlterReplicaLogDirs", 1, 2, Reason::Administration),
    kafka(35, "DescribeLogDirs", 1, 5, Reason::Administration),
    kafka(36, "SaslAuthenticate", 0, 2, Reason::Security),
    kafka(38, "CreateDelegationToken", 1, 3, Reason::Security),
    kafka(39, "RenewDelegationToken", 1, 2, Reason::Security),
    kafka(40, "ExpireDelegationToken", 1, 2, Reason::Security),
    kafka(41, "DescribeDelegationToken", 1, 3, Reason::Security),
    kafka(43, "ElectLeaders", 0, 2, Reason::Administration),
    kafka(45, "AlterPartitionReassignments", 0, 1, Reason::Administration),
    kafka(46, "ListPartitionReassignments", 0, 0, Reason::Administration),
    kafka(48, "DescribeClientQuotas", 0, 1, Reason::Administration),
    kafka(49, "AlterClientQuotas", 0, 1, Reason::Administration),
    kafka(50, "DescribeUserScramCredentials", 0, 0, Reason::Security),
    kafka(51, "AlterUserScramCredentials", 0, 0, Reason::Security),
    kafka(55, "DescribeQuorum", 0, 2, Reason::Administration),
    kafka(57, "UpdateFeatures", 0, 2, Reason::Administration),
    kafka(61, "DescribeProducers", 0, 0, Reason::Transactions),
    kafka(64, "UnregisterBroker", 0, 0, Reason::Administration),
    kafka(65, "DescribeTransactions", 0, 0, Reason::Transactions),
    kafka(66, "ListTransactions", 0, 2, Reason::Transactions),
    kafka(68, "ConsumerGroupHeartbeat", 0, 1, Reason::ConsumerProtocol),
    kafka(69, "ConsumerGroupDescribe", 0, 1, Reason::ConsumerProtocol),
    kafka(74, "ListConfigResources", 0, 1, Reason::Administration),
    kafka(76, "ShareGroupHeartbeat", 1, 1, Reason::ShareGroups),
    kafka(77, "ShareGroupDescribe", 1, 1, Reason::ShareGroups),
    kafka(78, "ShareFetch", 1, 2, Reason::ShareGroups),
    kafka(79, "ShareAcknowledge", 1, 2, Reason::ShareGroups),
    kafka(80, "AddRaftVoter", 0, 1, Reason::Quorum),
    kafka(81, "RemoveRaftVoter", 0, 0, Reason::Quorum),
    kafka(83, "InitializeShareGroupState", 0, 0, Reason::ShareGroups),
    kafka(84, "ReadShareGroupState", 0, 0, Reason::ShareGroups),
    kafka(85, "WriteShareGroupState", 0, 1, Reason::ShareGroups),
    kafka(86, "DeleteShareGroupState", 0, 0, Reason::ShareGroups),
    kafka(87, "ReadShareGroupStateSummary", 0, 1, Reason::ShareGroups),
    kafka(88, "StreamsGroupHeartbeat", 0, 0, Reason::StreamsGroups),
    kafka(89, "StreamsGroupDescribe", 0, 0, Reason::StreamsGroups),
    kafka(90, "DescribeShareGroupOffsets", 0, 1, Reason::ShareGroups),
    kafka(91, "AlterShareGroupOffsets", 0, 0, Reason::ShareGroups),
    kafka(92, "DeleteShareGroupOffsets", 0, 0, Reason::ShareGroups),
];

/// The section of `docs/protocol.md`.
pub(crate) fn page() -> String {
    let mut page = String::from(
        "\n## What Apache Kafka 4.3 announces beyond that\n\n| key | API | versions | why not |\n|--:|---|---|---|\n",
    );
    for api in NOT_SERVED {
        let (min, max) = api.versions;
        // Writing to a String does not fail.
        let _ = writeln!(page, "| {} | {} | {min}–{max} | {} |", api.key, api.name, api.reason.text());
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api_table::SUPPORTED;

    /// How many APIs a broker of Apache Kafka 4.3.1 announces; the differential test compares each.
    const KAFKA_4_3_COUNT: usize = 75;

    #[test]
    fn every_api_of_kafka_is_served_or_has_a_reason() {
        assert!(NOT_SERVED.is_sorted_by(|left, right| left.key < right.key));
        let both =
            SUPPORTED.iter().find(|api| NOT_SERVED.iter().any(|missing| missing.key == api.key.code()));
        assert_eq!(both, None);
        assert_eq!(SUPPORTED.len() + NOT_SERVED.len(), KAFKA_4_3_COUNT);
        println!("{}", page());
    }
}
