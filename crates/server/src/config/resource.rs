//! The resources whose settings clients describe and change, with Kafka's numbers (`ConfigResource.Type`).

use highwater_wire::ErrorCode;

use crate::broker::Node;
use crate::error_code::Failure;

/// What has settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ConfigTarget<'a> {
    /// A topic, by name.
    Topic(&'a str),
    /// This broker.
    Broker,
    /// The cluster's defaults for all brokers.
    ClusterDefault,
}

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const BROKER_LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;

impl<'a> ConfigTarget<'a> {
    /// What a request means.
    ///
    /// # Errors
    /// INVALID_REQUEST for what is unknown, or not kept here.
    pub(crate) fn new(kind: i8, name: &'a str, node: &Node) -> Result<Self, Failure> {
        let invalid = |message: String| Failure::new(ErrorCode::InvalidRequest, message);
        match kind {
            TOPIC => Ok(Self::Topic(name)),
            BROKER if name.is_empty() => Ok(Self::ClusterDefault),
            BROKER => match name.parse::<i32>() {
                Ok(id) if id == node.node_id => Ok(Self::Broker),
                Ok(id) => Err(invalid(format!(
                    "Unexpected broker id, expected {} or empty string, but received {id}",
                    node.node_id
                ))),
                Err(_) => Err(invalid(format!("Broker id must be an integer, but it is: {name}"))),
            },
            BROKER_LOGGER => {
                Err(invalid("Log levels of single loggers cannot be described or changed".to_owned()))
            }
            CLIENT_METRICS => Err(invalid("Client metrics subscriptions are not supported".to_owned())),
            GROUP => Err(invalid("Group configurations are not supported".to_owned())),
            other => Err(invalid(format!("Unsupported resource type: {other}"))),
        }
    }
}
