//! From a frame to a handler: reads header and body, checks that the version is served, and calls the handler of the API.
//!
//! What cannot be understood closes the connection after the replies that are due; only ApiVersions answers a version that is not
//! served (KIP-511). Handlers that change something are done before the connection's next request starts, and so are those of groups.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use highwater_wire::header::{RequestFrame, encode_response};
use highwater_wire::{ApiKey, DecodeError, Message};

use crate::api_table::served;
use crate::broker::Broker;
use crate::handlers::{
    alter_configs, api_versions, create_partitions, create_topics, delete_groups, delete_topics,
    describe_cluster, describe_configs, describe_groups, describe_topic_partitions, fetch, find_coordinator,
    heartbeat, incremental_alter_configs, init_producer_id, join_group, leave_group, list_groups,
    list_offsets, metadata, offset_commit, offset_delete, offset_fetch, offset_for_leader_epoch, produce,
    sync_group,
};
use crate::request::{ConnectionInfo, Reply, RequestContext};

/// What became of a frame.
pub(crate) struct Dispatched {
    /// The reply, or the promise of one.
    pub(crate) reply: Reply,
    /// How long nothing more is read from the connection.
    pub(crate) mute: Duration,
    /// The API, where it is one that is served.
    pub(crate) api: Option<ApiKey>,
}

/// Handles one frame (without its size).
pub(crate) async fn dispatch(
    broker: &Arc<Broker>,
    connection: &Arc<ConnectionInfo>,
    frame: Bytes,
) -> Dispatched {
    let request = match RequestFrame::decode(frame) {
        Ok(request) => request,
        Err(error) => return unread(format!("a request header cannot be read: {error}")),
    };
    let (api_key, version) = (request.api_key, request.version);
    let Some(api) = served(api_key, version) else {
        return not_served(&request);
    };
    let context = RequestContext {
        api: api.key,
        version,
        correlation_id: request.correlation_id,
        client_id: request.client_id.clone(),
        connection: Arc::clone(connection),
    };
    if let Some(metrics) = broker.metrics.api(api.key) {
        metrics.requests.increment();
    }
    match call(broker, &context, request).await {
        Ok(reply) => Dispatched { reply, mute: throttle(&context), api: Some(api.key) },
        Err(error) => unread(format!("a {} request v{version} cannot be read: {error}", api.key.name())),
    }
}

/// How long the client has to wait for using more than its share. There are no quotas yet.
fn throttle(_context: &RequestContext) -> Duration {
    Duration::ZERO
}

fn unread(reason: String) -> Dispatched {
    Dispatched { reply: Reply::Close(reason), mute: Duration::ZERO, api: None }
}

fn not_served(request: &RequestFrame) -> Dispatched {
    if request.api_key != ApiKey::ApiVersions.code() {
        return unread(format!("API {} v{} is not served", request.api_key, request.version));
    }
    let answer = api_versions::unsupported_version();
    match encode_response(&answer, ApiKey::ApiVersions, 0, request.correlation_id) {
        Ok(frame) => {
            Dispatched { reply: Reply::Now(frame), mute: Duration::ZERO, api: Some(ApiKey::ApiVersions) }
        }
        Err(error) => unread(format!("the answer to ApiVersions cannot be sent: {error}")),
    }
}

fn body<M: Message>(mut request: RequestFrame) -> Result<M, DecodeError> {
    M::decode(&mut request.body, request.version)
}

async fn call(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: RequestFrame,
) -> Result<Reply, DecodeError> {
    let reply = match context.api {
        ApiKey::Produce => {
            let request = body(request)?;
            produce::recovery::recovered(broker, context.version, &request).await;
            produce::room(broker, context.version, &request).await;
            produce::handle(broker, context, request)
        }
        ApiKey::Fetch => fetch::handle(broker, context, body(request)?),
        ApiKey::ListOffsets => {
            let (broker, owned, request) = (Arc::clone(broker), context.clone(), body(request)?);
            Reply::later(context, move || async move { list_offsets::handle(&broker, &owned, request).await })
        }
        ApiKey::InitProducerId => {
            let (broker, owned, request) = (Arc::clone(broker), context.clone(), body(request)?);
            Reply::later(
                context,
                move || async move { init_producer_id::handle(&broker, &owned, request).await },
            )
        }
        ApiKey::OffsetForLeaderEpoch => {
            Reply::now(context, &offset_for_leader_epoch::handle(broker, context, body(request)?))
        }
        ApiKey::FindCoordinator => {
            Reply::now(context, &find_coordinator::handle(broker, context, &body(request)?))
        }
        ApiKey::ApiVersions => Reply::now(context, &api_versions::handle(broker, context, &body(request)?)),
        // In a box of its own: every request would be as large as the largest of those.
        _ => return Box::pin(call_admin(broker, context, request)).await,
    };
    Ok(reply)
}

/// As [`call`], for the APIs that tell of the cluster and its topics or change them.
async fn call_admin(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: RequestFrame,
) -> Result<Reply, DecodeError> {
    let reply = match context.api {
        ApiKey::Metadata => Reply::now(context, &metadata::handle(broker, context, body(request)?).await),
        ApiKey::CreateTopics => {
            Reply::now(context, &create_topics::handle(broker, context, body(request)?).await)
        }
        ApiKey::DeleteTopics => {
            Reply::now(context, &delete_topics::handle(broker, context, body(request)?).await)
        }
        ApiKey::CreatePartitions => {
            Reply::now(context, &create_partitions::handle(broker, context, body(request)?).await)
        }
        ApiKey::DescribeConfigs => {
            Reply::now(context, &describe_configs::handle(broker, context, &body(request)?))
        }
        ApiKey::AlterConfigs => {
            Reply::now(context, &alter_configs::handle(broker, context, body(request)?).await)
        }
        ApiKey::IncrementalAlterConfigs => {
            Reply::now(context, &incremental_alter_configs::handle(broker, context, body(request)?).await)
        }
        ApiKey::DescribeCluster => {
            Reply::now(context, &describe_cluster::handle(broker, context, &body(request)?))
        }
        ApiKey::DescribeTopicPartitions => {
            Reply::now(context, &describe_topic_partitions::handle(broker, context, &body(request)?))
        }
        _ => return call_group(broker, context, request).await,
    };
    Ok(reply)
}

/// As [`call`], for the APIs of groups. Each is answered before the connection's next request starts, as in Kafka: what a client
/// sends behind a commit sees it, and a heartbeat behind a JoinGroup belongs to the generation that this brings.
async fn call_group(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: RequestFrame,
) -> Result<Reply, DecodeError> {
    let reply = match context.api {
        ApiKey::JoinGroup => Reply::now(context, &join_group::handle(broker, context, body(request)?).await),
        ApiKey::SyncGroup => Reply::now(context, &sync_group::handle(broker, context, body(request)?).await),
        ApiKey::Heartbeat => Reply::now(context, &heartbeat::handle(broker, context, &body(request)?).await),
        ApiKey::LeaveGroup => {
            Reply::now(context, &leave_group::handle(broker, context, body(request)?).await)
        }
        ApiKey::OffsetCommit => {
            Reply::now(context, &offset_commit::handle(broker, context, body(request)?).await)
        }
        ApiKey::OffsetFetch => Reply::now(context, &offset_fetch::handle(broker, context, body(request)?)),
        ApiKey::DescribeGroups => {
            Reply::now(context, &describe_groups::handle(broker, context, &body(request)?))
        }
        ApiKey::ListGroups => Reply::now(context, &list_groups::handle(broker, context, &body(request)?)),
        ApiKey::DeleteGroups => {
            Reply::now(context, &delete_groups::handle(broker, context, &body(request)?).await)
        }
        ApiKey::OffsetDelete => {
            Reply::now(context, &offset_delete::handle(broker, context, &body(request)?).await)
        }
        other => Reply::close(format!("{} is not served", other.name())),
    };
    Ok(reply)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api_table::SUPPORTED;
    use crate::testing::{TestBroker, broker, context};
    use highwater_wire::header::{decode_response, encode_request};
    use highwater_wire::messages::api_versions_request::ApiVersionsRequest;
    use highwater_wire::messages::metadata_request::MetadataRequest;

    async fn send(test: &TestBroker, frame: Vec<u8>) -> Reply {
        let connection = context(ApiKey::Metadata, 0).connection;
        dispatch(&test.broker, &connection, Bytes::from(frame)).await.reply
    }

    fn header(api_key: i16, version: i16) -> Vec<u8> {
        let mut frame = Vec::new();
        frame.extend(api_key.to_be_bytes());
        frame.extend(version.to_be_bytes());
        frame.extend([0, 0, 0, 9, 0xff, 0xff, 0, 0, 0, 0, 0]);
        frame
    }

    #[tokio::test]
    async fn apis_and_versions_that_are_not_served_close_the_connection() {
        let test = broker();
        for (key, version) in [(0, 0), (0, 2), (0, 14), (1, 3), (4, 0), (21, 0), (1000, 0), (-1, 0), (3, -1)]
        {
            assert!(matches!(send(&test, header(key, version)).await, Reply::Close(_)), "{key} {version}");
        }
    }

    #[tokio::test]
    async fn api_versions_of_a_version_to_come_is_answered_as_v0() {
        let test = broker();
        let Reply::Now(frame) = send(&test, header(18, 99)).await else { panic!("no answer") };
        let bytes = Bytes::from(frame.read().unwrap()).slice(4..);
        let (correlation_id, answer) = decode_response::<ApiVersionsRequest>(bytes, 0).unwrap();
        assert_eq!((correlation_id, answer.error_code, answer.api_keys.len()), (9, 35, SUPPORTED.len()));
    }

    #[tokio::test]
    async fn a_request_cut_off_anywhere_closes_the_connection() {
        let test = broker();
        let request = MetadataRequest { topics: Some(vec![Default::default()]), ..Default::default() };
        let frame = encode_request(&request, 12, 9, "client").unwrap().read().unwrap()[4..].to_vec();
        assert!(matches!(send(&test, frame.clone()).await, Reply::Now(_)));
        for length in 0..frame.len() {
            assert!(matches!(send(&test, frame[..length].to_vec()).await, Reply::Close(_)), "{length}");
        }
    }
}
