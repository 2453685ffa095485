//! Who may do what. There is no authorizer yet: everything is allowed, but every handler asks, so that one can be put in here.

use highwater_wire::ErrorCode;

/// What is asked for, with Kafka's numbers (`AclOperation`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Fetching records, offsets of a group.
    Read = 3,
    /// Producing.
    Write = 4,
    /// Making topics.
    Create = 5,
    /// Deleting topics or records.
    Delete = 6,
    /// Adding partitions.
    Alter = 7,
    /// Metadata.
    Describe = 8,
    /// Acting as a broker.
    ClusterAction = 9,
    /// Reading settings.
    DescribeConfigs = 10,
    /// Changing settings.
    AlterConfigs = 11,
    /// Getting a producer id.
    IdempotentWrite = 12,
}

/// What it is asked of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resource<'a> {
    /// A topic.
    Topic(&'a str),
    /// A group.
    Group(&'a str),
    /// The cluster.
    Cluster,
}

impl Resource<'_> {
    /// What is answered when it is denied.
    fn denial(self) -> ErrorCode {
        match self {
            Self::Topic(_) => ErrorCode::TopicAuthorizationFailed,
            Self::Group(_) => ErrorCode::GroupAuthorizationFailed,
            Self::Cluster => ErrorCode::ClusterAuthorizationFailed,
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Principal {
    /// A client that did not say who it is: `User:ANONYMOUS`.
    Anonymous,
}

/// Whether `principal` may do that.
///
/// # Errors
/// The code that Kafka answers with when it is denied.
pub(crate) fn authorize(
    principal: &Principal,
    operation: Operation,
    resource: Resource<'_>,
) -> Result<(), ErrorCode> {
    let allowed = match (principal, operation) {
        (Principal::Anonymous, _) => true,
    };
    if allowed { Ok(()) } else { Err(resource.denial()) }
}

/// Set of operations as answers carry it: bit n stands for operation n.
const fn bits(operations: &[Operation]) -> i32 {
    let mut set = 0;
    let mut rest = operations;
    while let [first, others @ ..] = rest {
        set |= 1 << (*first as i32);
        rest = others;
    }
    set
}

/// What answers say where authorized operations were not asked for.
pub(crate) const OPERATIONS_NOT_ASKED: i32 = i32::MIN;

/// All operations of a topic: what a client may do as long as there is no authorizer.
pub(crate) const TOPIC_OPERATIONS: i32 = bits(&[
    Operation::Read,
    Operation::Write,
    Operation::Create,
    Operation::Delete,
    Operation::Alter,
    Operation::Describe,
    Operation::DescribeConfigs,
    Operation::AlterConfigs,
]);

/// All operations of a group.
pub(crate) const GROUP_OPERATIONS: i32 = bits(&[
    Operation::Read,
    Operation::Delete,
    Operation::Describe,
    Operation::DescribeConfigs,
    Operation::AlterConfigs,
]);

/// All operations of the cluster.
pub(crate) const CLUSTER_OPERATIONS: i32 = bits(&[
    Operation::Create,
    Operation::Alter,
    Operation::Describe,
    Operation::ClusterAction,
    Operation::DescribeConfigs,
    Operation::AlterConfigs,
    Operation::IdempotentWrite,
]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sets_of_operations_are_those_that_kafka_answers_without_an_authorizer() {
        assert_eq!((TOPIC_OPERATIONS, CLUSTER_OPERATIONS, GROUP_OPERATIONS), (3576, 8096, 3400));
    }
}
