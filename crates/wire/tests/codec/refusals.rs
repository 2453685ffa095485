//! What a version cannot say is refused, not dropped; and what stands around the body.

use bytes::Bytes;
use highwater_wire::header::{RequestFrame, decode_response, encode_request, encode_response};
use highwater_wire::messages::fetch_response::{FetchResponse, NodeEndpoint};
use highwater_wire::messages::metadata_request::{MetadataRequest, MetadataRequestTopic};
use highwater_wire::messages::{
    ApiVersionsRequest, ApiVersionsResponse, FetchRequest, InitProducerIdRequest,
};
use highwater_wire::{ApiKey, DecodeError, DecodeProblem, EncodeError, Frame, Message, Str};

use crate::{decode, encode};

#[test]
fn a_value_that_the_version_does_not_carry_is_refused_unless_it_may_be_ignored() {
    let response = FetchResponse { session_id: 7, ..FetchResponse::default() };
    let field = "sessionId";
    assert_eq!(encode(&response, 6), Err(EncodeError::NotInVersion { field, version: 6 }));
    assert!(encode(&response, 7).is_ok());

    let response =
        FetchResponse { node_endpoints: vec![NodeEndpoint::default()], ..FetchResponse::default() };
    let field = "nodeEndpoints";
    assert_eq!(encode(&response, 15), Err(EncodeError::NotInVersion { field, version: 15 }));
    assert!(encode(&response, 16).is_ok());

    let ignorable = FetchResponse { error_code: 7, ..FetchResponse::default() };
    assert!(encode(&ignorable, 6).is_ok());
}

#[test]
fn null_is_refused_in_versions_without_it_both_ways() {
    let request = MetadataRequest { topics: None, ..MetadataRequest::default() };
    assert_eq!(encode(&request, 0), Err(EncodeError::Null { field: "topics" }));
    assert!(encode(&request, 1).is_ok());
    let by_id = MetadataRequestTopic { name: None, ..MetadataRequestTopic::default() };
    let request = MetadataRequest { topics: Some(vec![by_id]), ..MetadataRequest::default() };
    assert_eq!(encode(&request, 9), Err(EncodeError::Null { field: "name" }));

    let null = Bytes::from_static(&[0xff; 4]);
    let error = DecodeError { field: "topics", position: 4, problem: DecodeProblem::Null };
    assert_eq!(decode::<MetadataRequest>(null, 0), Err(error));
}

#[test]
fn versions_outside_the_schema_or_not_stable_do_not_exist() {
    let error = decode::<FetchRequest>(Bytes::new(), 3).unwrap_err();
    assert_eq!(error.problem, DecodeProblem::BadVersion { version: 3 });
    let refused = EncodeError::BadVersion { message: "FetchRequest", version: 19 };
    assert_eq!(encode(&FetchRequest::default(), 19), Err(refused));
    assert_eq!(InitProducerIdRequest::VERSIONS, (0, 5));
}

#[test]
fn bytes_behind_the_body_are_left_alone() {
    let bytes = Bytes::from_static(&[0, 0, 0, 0, 7, 7]);
    assert_eq!(decode::<MetadataRequest>(bytes, 0).unwrap().1, 2);
}

fn without_size(frame: &Frame) -> Bytes {
    Bytes::from(frame.read().unwrap()).slice(4..)
}

#[test]
fn a_request_header_has_tagged_fields_where_the_body_is_flexible_and_a_plain_client_id_always() {
    let request = ApiVersionsRequest::default();
    let frame = without_size(&encode_request(&request, 3, 9, "me").unwrap());
    assert_eq!(frame[..], [0, 18, 0, 3, 0, 0, 0, 9, 0, 2, b'm', b'e', 0, 1, 1, 0]);
    let mut read = RequestFrame::decode(frame).unwrap();
    assert_eq!((read.api_key, read.version, read.correlation_id), (18, 3, 9));
    assert_eq!(read.client_id, Some(Str::from("me")));
    assert_eq!(ApiVersionsRequest::decode(&mut read.body, 3), Ok(request));

    let frame = without_size(&encode_request(&ApiVersionsRequest::default(), 0, 9, "me").unwrap());
    assert_eq!(frame[..], [0, 18, 0, 0, 0, 0, 0, 9, 0, 2, b'm', b'e']);
}

#[test]
fn of_an_unknown_api_or_version_the_header_is_still_read() {
    let unknown = RequestFrame::decode(Bytes::from_static(&[3, 0xe7, 0, 1, 0, 0, 0, 9])).unwrap();
    assert_eq!((unknown.api_key, unknown.version, unknown.correlation_id), (999, 1, 9));
    let newer = RequestFrame::decode(Bytes::from_static(&[0, 18, 0, 99, 0, 0, 0, 9, 0xff, 0xff, 0])).unwrap();
    assert_eq!((newer.api_key, newer.version, newer.client_id), (18, 99, None));
    assert!(RequestFrame::decode(Bytes::new()).is_err());
}

#[test]
fn the_answer_to_api_versions_never_has_tagged_fields_in_its_header() {
    let response = ApiVersionsResponse::default();
    let frame = without_size(&encode_response(&response, ApiKey::ApiVersions, 3, 9).unwrap());
    assert_eq!(frame[..], [0, 0, 0, 9, 0, 0, 1, 0, 0, 0, 0, 0]);
    assert_eq!(decode_response::<ApiVersionsRequest>(frame, 3), Ok((9, response)));

    let response = FetchResponse::default();
    let frame = without_size(&encode_response(&response, ApiKey::Fetch, 12, 9).unwrap());
    assert_eq!(frame[..5], [0, 0, 0, 9, 0]);
    assert_eq!(decode_response::<FetchRequest>(frame, 12), Ok((9, response)));
}
