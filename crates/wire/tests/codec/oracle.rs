//! Random messages in every version: through ourselves, and through the crate `kafka-protocol` and back.

use bytes::BytesMut;
use highwater_wire::{Message, messages};
use kafka_protocol::protocol::{Decodable, Encodable};

use crate::random::{Random, Sample};
use crate::samples::each_message;
use crate::{decode, encode, versions};

const ROUNDS: u64 = 30;

/// Decodes and encodes by ourselves, and by `Theirs` where it knows the version; returns how many versions it knew.
fn compare<Ours, Theirs>(seed: u64) -> usize
where
    Ours: Message + Sample,
    Theirs: kafka_protocol::protocol::Message + Decodable + Encodable,
{
    let mut shared = 0;
    for version in versions::<Ours>() {
        let known = Theirs::VERSIONS.min <= version && version <= Theirs::VERSIONS.max;
        shared += usize::from(known);
        for round in 0..ROUNDS {
            let what = format!("{} v{version}, SEED={seed}, round {round}", Ours::NAME);
            let message = Ours::sample(&mut Random::new(seed.wrapping_add(round)), version);
            let bytes = encode(&message, version).unwrap();
            let (back, left) = decode::<Ours>(bytes.clone(), version).unwrap();
            assert_eq!((&back, left), (&message, 0), "{what}");
            if known {
                let mut rest = bytes.clone();
                let theirs = Theirs::decode(&mut rest, version).unwrap();
                assert!(rest.is_empty(), "{what}: they leave bytes over");
                let mut again = BytesMut::new();
                theirs.encode(&mut again, version).unwrap();
                assert_eq!(again, bytes, "{what}: {message:?}");
            }
        }
    }
    shared
}

#[test]
fn every_message_is_read_and_written_as_another_implementation_does() {
    let seed = Random::seed();
    macro_rules! compare {
        ($name:ident) => {
            let shared = compare::<messages::$name, kafka_protocol::messages::$name>(seed);
            assert!(shared > 0, "{} was never compared", stringify!($name));
        };
    }
    each_message!(compare);
}
