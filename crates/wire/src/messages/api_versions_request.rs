//! `ApiVersionsRequest` v0–5, flexible from v3. Generated from Kafka's `ApiVersionsRequest.json` by
//! `cargo xtask codegen`; do not edit.

use crate::decode::DecodeError;
use crate::decode::Decoder;
use crate::encode::EncodeError;
use crate::encode::Encoder;
use crate::message::Message;
use crate::message::Request;
use crate::str::Str;

/// `ApiVersionsRequest`.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiVersionsRequest {
    /// The name of the client. (v3+)
    pub client_software_name: Str,
    /// The version of the client. (v3+)
    pub client_software_version: Str,
    /// The cluster ID the client intends to connect to. Provide both ClusterId and NodeId, if known. (v5+)
    pub cluster_id: Option<Str>,
    /// The node ID the client intends to connect to. Provide both ClusterId and NodeId, if known. (v5+)
    pub node_id: i32,
}

impl Default for ApiVersionsRequest {
    fn default() -> Self {
        Self {
            client_software_name: Str::default(),
            client_software_version: Str::default(),
            cluster_id: None,
            node_id: -1,
        }
    }
}

impl Message for ApiVersionsRequest {
    const NAME: &'static str = "ApiVersionsRequest";
    const API_KEY: Option<i16> = Some(18);
    const VERSIONS: (i16, i16) = (0, 5);
    const FLEXIBLE_FROM: i16 = 3;

    fn decode(input: &mut Decoder, version: i16) -> Result<Self, DecodeError> {
        input.check_version::<Self>(version)?;
        let flexible = version >= 3;
        let mut value = Self::default();
        if version >= 3 {
            value.client_software_name = input.string("clientSoftwareName", flexible)?;
        }
        if version >= 3 {
            value.client_software_version = input.string("clientSoftwareVersion", flexible)?;
        }
        if version >= 5 {
            value.cluster_id = input.nullable_string("clusterId", flexible)?;
        }
        if version >= 5 {
            value.node_id = input.i32("nodeId")?;
        }
        if flexible {
            input.skip_tagged_fields()?;
        }
        Ok(value)
    }

    fn encode(&self, output: &mut Encoder, version: i16) -> Result<(), EncodeError> {
        output.check_version::<Self>(version)?;
        let flexible = version >= 3;
        if version >= 3 {
            output.string("clientSoftwareName", &self.client_software_name, flexible)?;
        }
        if version >= 3 {
            output.string("clientSoftwareVersion", &self.client_software_version, flexible)?;
        }
        if version >= 5 {
            output.nullable_string("clusterId", self.cluster_id.as_ref(), flexible)?;
        }
        if version >= 5 {
            output.i32(self.node_id);
        }
        if flexible {
            output.no_tagged_fields();
        }
        Ok(())
    }
}

impl Request for ApiVersionsRequest {
    type Response = super::api_versions_response::ApiVersionsResponse;
}
