//! Requests and responses of every API in every version. What decodes must encode, decode again to an equal value, and that to the
//! same bytes; and no message can be read from fewer bytes than it took.
//!
//! The bytes themselves may differ from the input: unknown tagged fields are dropped, a null may be written in several ways, and what
//! is no UTF-8 is replaced.

use std::collections::BTreeSet;

use bytes::{Buf, Bytes};
use highwater_wire::frame::FrameSize;
use highwater_wire::header::{RequestFrame, decode_response, encode_request, encode_response};
use highwater_wire::messages::*;
use highwater_wire::{ApiKey, DecodeProblem, Decoder, Encoder, Frame, Message, Request};

use crate::borrowed::wire::random::{Random, Sample};
use crate::borrowed::wire::samples::each_message;
use crate::memory::Budget;

/// The arrays of a message take 16 times its bytes, growing up to three times that for a moment; what is decoded is decoded twice.
pub(crate) const BUDGET: Budget = Budget { fixed: 512 << 10, factor: 16 * 3 * 2 };
/// `socket.request.max.bytes`.
const FRAME_LIMIT: usize = 1 << 20;

/// What is done with the messages of one API.
struct Api {
    key: i16,
    request: fn(Decoder, i16),
    response: fn(&Bytes, i16),
    request_seeds: fn(&mut Vec<Vec<u8>>),
    response_seeds: fn(&mut Vec<Vec<u8>>),
}

impl Api {
    const fn of<R: Request + Sample>() -> Self
    where
        R::Response: Sample,
    {
        Self {
            key: match R::API_KEY {
                Some(key) => key,
                None => -1,
            },
            request: check::<R>,
            response: check_response::<R>,
            request_seeds: request_seeds_of::<R>,
            response_seeds: response_seeds_of::<R>,
        }
    }
}

macro_rules! apis {
    ($($request:ident)*) => { &[$(Api::of::<$request>()),*] };
}

static APIS: &[Api] = apis!(
    ProduceRequest FetchRequest ListOffsetsRequest MetadataRequest OffsetCommitRequest OffsetFetchRequest
    FindCoordinatorRequest JoinGroupRequest HeartbeatRequest LeaveGroupRequest SyncGroupRequest DescribeGroupsRequest
    ListGroupsRequest ApiVersionsRequest CreateTopicsRequest DeleteTopicsRequest DeleteRecordsRequest
    InitProducerIdRequest OffsetForLeaderEpochRequest DescribeConfigsRequest AlterConfigsRequest
    CreatePartitionsRequest DeleteGroupsRequest IncrementalAlterConfigsRequest OffsetDeleteRequest
    DescribeClusterRequest DescribeTopicPartitionsRequest
);

fn api(key: i16) -> Option<&'static Api> {
    APIS.iter().find(|api| api.key == key)
}

pub(crate) fn requests(mut stream: &[u8]) {
    while let Ok(prefix) = stream.try_get_u32() {
        let Ok(FrameSize(size)) = FrameSize::check(prefix.to_be_bytes(), FRAME_LIMIT) else { return };
        let Some(frame) = stream.split_off(..size) else { return };
        let Ok(request) = RequestFrame::decode(Bytes::copy_from_slice(frame)) else { return };
        if let Some(api) = api(request.api_key) {
            (api.request)(request.body, request.version);
        }
    }
}

pub(crate) fn response(mut input: &[u8]) {
    let (Ok(key), Ok(version)) = (input.try_get_u8(), input.try_get_u8()) else { return };
    if let Some(api) = api(key.into()) {
        (api.response)(&Bytes::copy_from_slice(input), version.into());
    }
}

fn check_response<R: Request>(frame: &Bytes, version: i16) {
    if let Ok((correlation_id, body)) = decode_response::<R>(frame.clone(), version) {
        let api = R::API_KEY.and_then(ApiKey::from_code).expect("each request has an API");
        let encoded =
            encode_response(&body, api, version, correlation_id).expect("what was decoded can be encoded");
        match decode_response::<R>(body_of(&encoded), version) {
            Ok(again) => assert_eq!(again, (correlation_id, body)),
            Err(error) => assert!(is_memory(error.problem), "{error}"),
        }
    }
}

/// What must hold of a message.
fn check<M: Message>(body: Decoder, version: i16) {
    let mut input = body.clone();
    let Ok(message) = M::decode(&mut input, version) else { return };
    let encoded = encode(&message, version);
    let mut again = Decoder::new(encoded.clone());
    match M::decode(&mut again, version) {
        Ok(decoded) => {
            assert_eq!(again.remaining(), 0, "bytes are left over");
            assert_eq!(decoded, message, "another message was decoded");
            assert_eq!(encode(&decoded, version), encoded, "it was encoded differently");
        }
        Err(error) => assert!(is_memory(error.problem), "{error}: {message:?}"),
    }
    if let Some(last) = encoded.len().checked_sub(1) {
        let cut = M::decode(&mut Decoder::new(encoded.slice(..last)), version);
        assert!(cut.is_err(), "decoded without its last byte: {message:?}");
    }
}

/// What is encoded anew may be shorter than the input, and its arrays are allowed less memory.
fn is_memory(problem: DecodeProblem) -> bool {
    matches!(problem, DecodeProblem::TooMuchMemory { .. })
}

fn encode<M: Message>(message: &M, version: i16) -> Bytes {
    let mut output = Encoder::new();
    message.encode(&mut output, version).expect("what was decoded can be encoded");
    body_of(&output.finish().expect("a frame is small enough"))
}

/// A frame without its size.
fn body_of(frame: &Frame) -> Bytes {
    Bytes::from(frame.read().expect("it is in memory")).slice(FrameSize::PREFIX..)
}

/// Every message that there is, so that none is forgotten here.
fn check_table() {
    let mut keys = BTreeSet::new();
    macro_rules! note {
        ($message:ident) => {
            keys.extend(<highwater_wire::messages::$message>::API_KEY);
        };
    }
    each_message!(note);
    assert_eq!(keys, APIS.iter().map(|api| api.key).collect(), "an API is not in the table");
}

pub(crate) fn request_seeds() -> Vec<Vec<u8>> {
    check_table();
    let mut seeds = Vec::new();
    APIS.iter().for_each(|api| (api.request_seeds)(&mut seeds));
    seeds
}

pub(crate) fn response_seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    APIS.iter().for_each(|api| (api.response_seeds)(&mut seeds));
    seeds
}

fn request_seeds_of<R: Request + Sample>(seeds: &mut Vec<Vec<u8>>) {
    for version in R::VERSIONS.0..=R::VERSIONS.1 {
        let request = R::sample(&mut random(version), version);
        seeds.push(encode_request(&request, version, 7, "seed").unwrap().read().unwrap());
    }
}

fn response_seeds_of<R: Request>(seeds: &mut Vec<Vec<u8>>)
where
    R::Response: Sample,
{
    let key = R::API_KEY.unwrap();
    let api = ApiKey::from_code(key).unwrap();
    for version in R::Response::VERSIONS.0..=R::Response::VERSIONS.1 {
        let response = R::Response::sample(&mut random(version), version);
        let frame = encode_response(&response, api, version, 7).unwrap();
        let head = [key, version].map(|number| u8::try_from(number).unwrap());
        seeds.push([&head, &body_of(&frame)[..]].concat());
    }
}

fn random(version: i16) -> Random {
    Random::new(u64::from(version.unsigned_abs()) + 1)
}
