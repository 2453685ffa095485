//! JoinGroup v0–9. v1: rebalance timeout; v4: a new member first gets an id (KIP-394); v5: static members (KIP-345); v7: the
//! group's type in the answer; v8: a reason; v9: the leader may be told not to assign (KIP-814).

use std::sync::Arc;

use highwater_coordinator::{Answer, Join, JoinAnswer, Protocol, Request};
use highwater_wire::messages::join_group_request::JoinGroupRequest;
use highwater_wire::messages::join_group_response::{JoinGroupResponse, JoinGroupResponseMember};
use highwater_wire::{ErrorCode, Str};

use super::group::{check_member_of, client_host, client_id, copied, optional, owned, random_id, shared};
use crate::broker::Broker;
use crate::request::RequestContext;

/// Bytes of a client id or instance id that leave room for a uuid behind it in a member id, which is a string of the
/// protocol.
const NAME_SIZE_MAX: usize = 32_767 - 37;

/// Answers when the member has its place in a generation, or cannot have one.
pub(crate) async fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: JoinGroupRequest,
) -> JoinGroupResponse {
    let member_id = owned(&request.member_id);
    let answer = match join(broker, context, request).await {
        Ok(answer) => answer,
        Err(code) => JoinAnswer::failed(code, member_id),
    };
    response(context.version, answer)
}

async fn join(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: JoinGroupRequest,
) -> Result<JoinAnswer, ErrorCode> {
    check_member_of(context, &request.group_id)?;
    let version = context.version;
    let name = request.group_instance_id.as_ref().or(context.client_id.as_ref());
    if name.is_some_and(|name| name.len() > NAME_SIZE_MAX) {
        return Err(ErrorCode::InvalidRequest);
    }
    let given = request.protocols.iter().map(|given| given.name.len() + given.metadata.len());
    if given.sum::<usize>() as u64 > broker.settings.count("message.max.bytes") {
        // Kafka lets it join, and then cannot write the group.
        return Err(ErrorCode::UnknownServerError);
    }
    let protocols = request.protocols.into_iter();
    let join = Join {
        group_id: owned(&request.group_id),
        member_id: owned(&request.member_id),
        instance_id: optional(request.group_instance_id.as_ref()),
        fresh_id: random_id()?,
        client_id: client_id(context),
        client_host: client_host(context),
        protocol_type: owned(&request.protocol_type),
        protocols: protocols
            .map(|given| Protocol { name: owned(&given.name), metadata: copied(&given.metadata) })
            .collect(),
        session_timeout_ms: request.session_timeout_ms,
        rebalance_timeout_ms: if version == 0 {
            request.session_timeout_ms
        } else {
            request.rebalance_timeout_ms
        },
        id_required: version >= 4,
        can_skip_assignment: version >= 9,
        reason: optional(request.reason.as_ref()),
    };
    match broker.groups.call(&request.group_id, Request::Join(join)).await? {
        Answer::Join(answer) => Ok(answer),
        _ => Err(ErrorCode::UnknownServerError),
    }
}

fn response(version: i16, answer: JoinAnswer) -> JoinGroupResponse {
    // Before v7 there is no null.
    let protocol = answer.protocol.as_deref().map(Str::from);
    let members = answer.members.into_iter().map(|member| JoinGroupResponseMember {
        member_id: shared(&member.member_id),
        group_instance_id: member.instance_id.as_ref().map(shared),
        metadata: member.metadata,
    });
    JoinGroupResponse {
        error_code: answer.error.code(),
        generation_id: answer.generation,
        protocol_type: answer.protocol_type.as_ref().map(shared).filter(|_| version >= 7),
        protocol_name: if version >= 7 { protocol } else { Some(protocol.unwrap_or_default()) },
        leader: shared(&answer.leader),
        skip_assignment: answer.skip_assignment && version >= 9,
        member_id: shared(&answer.member_id),
        members: members.collect(),
        ..JoinGroupResponse::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{broker, context};
    use highwater_wire::ApiKey;
    use highwater_wire::messages::join_group_request::JoinGroupRequestProtocol;

    #[tokio::test]
    async fn a_subscription_that_could_not_be_stored_is_not_kept() {
        let test = broker();
        let protocol = JoinGroupRequestProtocol { name: "range".into(), metadata: vec![1; 2 << 20].into() };
        let request = JoinGroupRequest {
            group_id: "g".into(),
            session_timeout_ms: 10_000,
            protocols: vec![protocol],
            ..JoinGroupRequest::default()
        };
        let answer = handle(&test.broker, &context(ApiKey::JoinGroup, 3), request).await;
        assert_eq!(answer.error_code, ErrorCode::UnknownServerError.code());
        assert!(test.broker.groups.read("g", |groups| groups.describe("g")).is_none());
    }

    #[tokio::test]
    async fn a_refusal_names_the_member_and_before_v7_has_no_null() {
        let test = broker();
        for (version, protocol_name) in [(6, Some("")), (7, None)] {
            let request = JoinGroupRequest {
                group_id: "g".into(),
                member_id: "m".into(),
                session_timeout_ms: 1,
                ..JoinGroupRequest::default()
            };
            let answer = handle(&test.broker, &context(ApiKey::JoinGroup, version), request).await;
            assert_eq!(answer.error_code, ErrorCode::InvalidSessionTimeout.code());
            assert_eq!((answer.generation_id, answer.member_id.as_str()), (-1, "m"));
            assert_eq!(answer.protocol_name.as_deref(), protocol_name, "v{version}");
        }
    }
}
