//! ApiVersions v0–5. v3 is flexible and brings the client's software (KIP-511) and features (KIP-584); below v4 features of minimum 0
//! are left out (KAFKA-17011); v5 lets a client say which cluster and node it means (KIP-1242).
//!
//! A version that is not served is answered too, in the form of v0 and with the list, so that a newer client can step down.

use std::sync::Arc;

use highwater_wire::messages::api_versions_request::ApiVersionsRequest;
use highwater_wire::messages::api_versions_response::{
    ApiVersion, ApiVersionsResponse, FinalizedFeatureKey, SupportedFeatureKey,
};
use highwater_wire::{ErrorCode, Str};

use crate::api_table::SUPPORTED;
use crate::broker::{Broker, Node};
use crate::features::{FEATURES, FEATURES_EPOCH};
use crate::request::{ClientSoftware, RequestContext};

/// Lists what is served.
pub(crate) fn handle(
    broker: &Arc<Broker>,
    context: &RequestContext,
    request: &ApiVersionsRequest,
) -> ApiVersionsResponse {
    let version = context.version;
    if version >= 3 {
        let (name, text) = (request.client_software_name.as_str(), request.client_software_version.as_str());
        if !is_software_name(name) || !is_software_name(text) {
            return error(ErrorCode::InvalidRequest);
        }
        let software = ClientSoftware { name: name.to_owned(), version: text.to_owned() };
        *context.connection.software.lock() = Some(software);
    }
    if version >= 5 && !is_meant(&broker.node, request) {
        return error(ErrorCode::RebootstrapRequired);
    }
    listing(version)
}

fn listing(version: i16) -> ApiVersionsResponse {
    let mut response = ApiVersionsResponse { api_keys: api_keys(), ..ApiVersionsResponse::default() };
    if version >= 3 {
        let shown = FEATURES.iter().filter(|feature| version >= 4 || feature.min > 0);
        response.supported_features = shown
            .map(|feature| SupportedFeatureKey {
                name: Str::from(feature.name),
                min_version: feature.min,
                max_version: feature.max,
            })
            .collect();
        let finalized = FEATURES.iter().filter(|feature| feature.finalized > 0);
        response.finalized_features = finalized
            .map(|feature| FinalizedFeatureKey {
                name: Str::from(feature.name),
                max_version_level: feature.finalized,
                min_version_level: feature.finalized,
            })
            .collect();
        response.finalized_features_epoch = FEATURES_EPOCH;
    }
    response
}

/// The answer to a version that is not served; it is sent in the form of v0.
pub(crate) fn unsupported_version() -> ApiVersionsResponse {
    ApiVersionsResponse {
        error_code: ErrorCode::UnsupportedVersion.code(),
        api_keys: api_keys(),
        ..ApiVersionsResponse::default()
    }
}

fn error(code: ErrorCode) -> ApiVersionsResponse {
    ApiVersionsResponse { error_code: code.code(), ..ApiVersionsResponse::default() }
}

fn api_keys() -> Vec<ApiVersion> {
    let one = |api: &crate::api_table::Api| ApiVersion {
        api_key: api.key.code(),
        min_version: api.announced_min,
        max_version: api.max,
    };
    SUPPORTED.iter().map(one).collect()
}

/// Letters and digits, with `.` and `-` between them (`ApiVersionsRequest.SOFTWARE_NAME_VERSION_PATTERN`).
fn is_software_name(text: &str) -> bool {
    let is_edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    is_edge(text.bytes().next())
        && is_edge(text.bytes().next_back())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-')
}

/// Whether a client that says which cluster and node it means, means this one.
fn is_meant(node: &Node, request: &ApiVersionsRequest) -> bool {
    request.cluster_id.as_ref().is_none_or(|cluster| *cluster == node.cluster_id.as_str())
        && (request.node_id == -1 || request.node_id == node.node_id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{broker, context};
    use highwater_wire::ApiKey;

    fn named(name: &str, version: &str) -> ApiVersionsRequest {
        ApiVersionsRequest {
            client_software_name: name.into(),
            client_software_version: version.into(),
            ..ApiVersionsRequest::default()
        }
    }

    #[test]
    fn features_of_minimum_0_are_hidden_from_clients_below_v4() {
        let test = broker();
        let names = |version| {
            let answer = handle(&test.broker, &context(ApiKey::ApiVersions, version), &named("a", "1"));
            answer.supported_features.iter().map(|feature| feature.name.to_string()).collect::<Vec<_>>()
        };
        assert!(names(2).is_empty());
        assert_eq!(names(3), ["metadata.version"]);
        assert_eq!(names(4), ["kraft.version", "metadata.version"]);
    }

    #[test]
    fn software_names_are_checked_and_kept() {
        let test = broker();
        let context = context(ApiKey::ApiVersions, 3);
        for bad in ["", " ", "a/b", "-a", "a.", "ä"] {
            let code = handle(&test.broker, &context, &named(bad, "1")).error_code;
            assert_eq!(code, ErrorCode::InvalidRequest.code(), "{bad}");
        }
        assert_eq!(handle(&test.broker, &context, &named("apache-kafka-java", "4.3.1")).error_code, 0);
        assert_eq!(context.connection.software.lock().as_ref().unwrap().name, "apache-kafka-java");
    }

    #[test]
    fn a_client_that_means_another_cluster_is_told_to_start_over() {
        let test = broker();
        let answer = |cluster: Option<&str>, node_id| {
            let request =
                ApiVersionsRequest { cluster_id: cluster.map(Str::from), node_id, ..named("a", "1") };
            handle(&test.broker, &context(ApiKey::ApiVersions, 5), &request).error_code
        };
        assert_eq!(answer(None, -1), 0);
        assert_eq!(answer(Some("AAAAAAAAAAAAAAAAAAAAAQ"), 1), 0);
        assert_eq!(answer(Some("AAAAAAAAAAAAAAAAAAAAAg"), 1), ErrorCode::RebootstrapRequired.code());
        assert_eq!(answer(None, 2), ErrorCode::RebootstrapRequired.code());
    }

    #[test]
    fn produce_is_announced_from_0() {
        let keys = unsupported_version().api_keys;
        assert_eq!((keys[0].api_key, keys[0].min_version, keys[0].max_version), (0, 0, 13));
        assert_eq!(keys.len(), SUPPORTED.len());
    }
}
