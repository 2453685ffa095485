//! What the handlers of the group APIs share.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use highwater_types::TopicId;
use highwater_wire::{ErrorCode, Str};

use crate::authorize::{Operation, Resource};
use crate::broker::Broker;
use crate::request::RequestContext;
use crate::topics::Topic;

/// A string of a request as one that outlives its frame.
pub(super) fn owned(text: &Str) -> Arc<str> {
    Arc::from(text.as_str())
}

/// The same for one that may be missing.
pub(super) fn optional(text: Option<&Str>) -> Option<Arc<str>> {
    text.map(owned)
}

/// A string of ours for an answer.
pub(super) fn shared(text: &Arc<str>) -> Str {
    Str::from(&**text)
}

/// Bytes that the answer to one request may carry of groups: a request can name the same group very often, and clients take
/// no more than about that in one answer.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// What is left of an answer's bytes.
#[derive(Debug)]
pub(super) struct Room {
    left: usize,
}

impl Room {
    /// That of a whole answer.
    pub(super) fn new() -> Self {
        Self { left: ANSWER_BYTES_MAX }
    }

    /// Takes so many bytes.
    ///
    /// # Errors
    /// UNKNOWN_SERVER_ERROR when there are not so many, as Kafka answers what it cannot hold; then there are none left.
    pub(super) fn take(&mut self, size: usize) -> Result<(), ErrorCode> {
        let left = self.left.checked_sub(size);
        self.left = left.unwrap_or(0);
        left.map(|_| ()).ok_or(ErrorCode::UnknownServerError)
    }
}

/// Whether a client may be a member of that group.
///
/// # Errors
/// INVALID_GROUP_ID when there is no name; what it may not do.
pub(super) fn check_member_of(context: &RequestContext, group_id: &Str) -> Result<(), ErrorCode> {
    if group_id.is_empty() {
        return Err(ErrorCode::InvalidGroupId);
    }
    context.authorize(Operation::Read, Resource::Group(group_id))
}

/// What the client calls itself; empty when it does not say.
pub(super) fn client_id(context: &RequestContext) -> Arc<str> {
    optional(context.client_id.as_ref()).unwrap_or_default()
}

/// Where the client is, as Kafka prints it.
pub(super) fn client_host(context: &RequestContext) -> Arc<str> {
    java_address(context.connection.peer.ip())
}

/// An address as Java prints one that was not looked up (`InetAddress.toString`): IPv6 without any shortening.
fn java_address(address: IpAddr) -> Arc<str> {
    match address.to_canonical() {
        IpAddr::V4(address) => format!("/{address}").into(),
        IpAddr::V6(address) => {
            let groups: Vec<_> = address.segments().iter().map(|group| format!("{group:x}")).collect();
            format!("/{}", groups.join(":")).into()
        }
    }
}

/// Bytes that outlive their request without keeping its frame.
pub(super) fn copied(bytes: &Bytes) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

/// Bytes for the id of a new member.
///
/// # Errors
/// UNKNOWN_SERVER_ERROR when the system has none.
pub(super) fn random_id() -> Result<[u8; 16], ErrorCode> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|_| ErrorCode::UnknownServerError)?;
    Ok(bytes)
}

/// The topic that a request names, by id from `by_id` on.
///
/// # Errors
/// UNKNOWN_TOPIC_ID, UNKNOWN_TOPIC_OR_PARTITION; what the client may not do.
pub(super) fn find_topic(
    broker: &Broker,
    context: &RequestContext,
    (name, id): (&Str, TopicId),
    by_id: bool,
) -> Result<Arc<Topic>, ErrorCode> {
    if by_id {
        let found = broker.topics.by_id(id).ok_or(ErrorCode::UnknownTopicId)?;
        context.authorize(Operation::Read, Resource::Topic(&found.name))?;
        return Ok(found);
    }
    context.authorize(Operation::Read, Resource::Topic(name))?;
    broker.topics.by_name(name).ok_or(ErrorCode::UnknownTopicOrPartition)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_so_much_room_and_then_none() {
        let mut room = Room::new();
        assert_eq!(room.take(ANSWER_BYTES_MAX - 5), Ok(()));
        assert_eq!(room.take(6), Err(ErrorCode::UnknownServerError));
        assert_eq!(room.take(1), Err(ErrorCode::UnknownServerError));
    }

    #[test]
    fn addresses_are_printed_as_java_does() {
        let shown = |text: &str| java_address(text.parse().unwrap());
        assert_eq!(&*shown("127.0.0.1"), "/127.0.0.1");
        assert_eq!(&*shown("::ffff:10.0.0.5"), "/10.0.0.5");
        assert_eq!(&*shown("::1"), "/0:0:0:0:0:0:0:1");
        assert_eq!(&*shown("2001:db8::a0"), "/2001:db8:0:0:0:0:0:a0");
    }
}
