//! What a handler is given besides the request, and what it gives back.

use std::net::SocketAddr;
use std::sync::Arc;

use highwater_store::BoxFuture;
use highwater_wire::header::encode_response;
use highwater_wire::{ApiKey, ErrorCode, Frame, Message, Str};
use parking_lot::Mutex;

use crate::authorize::{Operation, Principal, Resource, authorize};
use crate::listener::Listener;

/// What a client says it is (ApiVersions v3+, KIP-511).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientSoftware {
    /// Such as `apache-kafka-java`.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
}

/// The connection a request came on.
#[derive(Debug)]
pub(crate) struct ConnectionInfo {
    /// The client's address.
    pub(crate) peer: SocketAddr,
    /// The listener it connected to.
    pub(crate) listener: Arc<Listener>,
    /// Who the client is.
    pub(crate) principal: Principal,
    /// What the client says it is, once it has said so.
    pub(crate) software: Mutex<Option<ClientSoftware>>,
}

/// A request's circumstances.
#[derive(Debug, Clone)]
pub(crate) struct RequestContext {
    /// The API.
    pub(crate) api: ApiKey,
    /// Its version, which is one of those served.
    pub(crate) version: i16,
    /// Given back in the answer.
    pub(crate) correlation_id: i32,
    /// What the client calls itself.
    pub(crate) client_id: Option<Str>,
    /// Where it came from.
    pub(crate) connection: Arc<ConnectionInfo>,
}

impl RequestContext {
    /// Asks whether the client may do that.
    ///
    /// # Errors
    /// The code to answer with when it may not.
    pub(crate) fn authorize(&self, operation: Operation, resource: Resource<'_>) -> Result<(), ErrorCode> {
        authorize(&self.connection.principal, operation, resource)
    }

    /// The listener that the request came on.
    pub(crate) fn listener(&self) -> &Listener {
        &self.connection.listener
    }
}

/// What becomes of a request.
pub(crate) enum Reply {
    /// Nothing is answered: acks=0.
    Nothing,
    /// The answer.
    Now(Frame),
    /// The answer comes; the connection's next request may start. Dropped when the connection ends.
    Later(BoxFuture<'static, Reply>),
    /// Replies already due are written, then the connection is closed, for this reason.
    Close(String),
}

impl Reply {
    /// Answers at once.
    pub(crate) fn now<M: Message>(context: &RequestContext, response: &M) -> Self {
        match encode_response(response, context.api, context.version, context.correlation_id) {
            Ok(frame) => Self::Now(frame),
            Err(error) => {
                Self::Close(format!("the answer to {} cannot be sent: {error}", context.api.name()))
            }
        }
    }

    /// Answers when the future that `begin` makes has the response. It is made where it stays: one that is handed over is kept
    /// twice by what awaits it.
    pub(crate) fn later<M: Message, F: Future<Output = M> + Send>(
        context: &RequestContext,
        begin: impl FnOnce() -> F + Send + 'static,
    ) -> Self {
        let context = context.clone();
        Self::Later(Box::pin(async move { Self::now(&context, &begin().await) }))
    }

    /// Closes the connection after what is due.
    pub(crate) fn close(reason: impl Into<String>) -> Self {
        Self::Close(reason.into())
    }
}
