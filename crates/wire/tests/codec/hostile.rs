//! Bytes that nobody should send: they are refused, and cost memory in proportion to how many came.

use bytes::Bytes;
use highwater_wire::{DecodeProblem, Message, messages};

use crate::random::{Random, Sample};
use crate::samples::each_message;
use crate::{decode, encode, versions};

/// Memory that decoding `size` bytes may take at once: the decoder's own limit, three times as a vector holds its old and
/// its new place while it grows by doubling.
fn memory_max(size: usize) -> u64 {
    3 * (16 * size as u64).max(64 << 10) + 1024
}

fn is_bounded<M: Message>(bytes: &[u8], version: i16, seed: u64) {
    let input = Bytes::copy_from_slice(bytes);
    let used = allocation_counter::measure(|| drop(decode::<M>(input, version)));
    let limit = memory_max(bytes.len());
    let what = format!("{} v{version}, SEED={seed}, {} bytes", M::NAME, bytes.len());
    assert!(used.bytes_max <= limit, "{what} took {} bytes of memory, {limit} are allowed", used.bytes_max);
}

fn truncate<M: Message + Sample>(seed: u64) {
    for version in versions::<M>() {
        let bytes = encode(&M::sample(&mut Random::new(seed), version), version).unwrap();
        for size in 0..bytes.len() {
            let cut = decode::<M>(bytes.slice(..size), version);
            assert!(cut.is_err(), "{} v{version}, SEED={seed}: {size} of {} bytes", M::NAME, bytes.len());
        }
    }
}

#[test]
fn a_message_that_ends_early_is_refused_wherever_it_ends() {
    let seed = Random::seed();
    macro_rules! truncate {
        ($name:ident) => {
            truncate::<messages::$name>(seed);
        };
    }
    each_message!(truncate);
}

fn damage<M: Message + Sample>(seed: u64) {
    let mut random = Random::new(seed);
    for version in versions::<M>() {
        for _ in 0..20 {
            let mut bytes = encode(&M::sample(&mut random, version), version).unwrap().to_vec();
            if bytes.is_empty() {
                continue;
            }
            let place = random.below(bytes.len());
            bytes[place] ^= 1 << random.below(8);
            is_bounded::<M>(&bytes, version, seed);
            // A count or length of two thousand million, plain and compact.
            for lie in [&[0x7f, 0xff, 0xff, 0xff][..], &[0xff, 0xff, 0xff, 0xff, 0x0f]] {
                let mut bytes = bytes.clone();
                let place = random.below(bytes.len());
                let end = bytes.len().min(place + lie.len());
                bytes.splice(place..end, lie.iter().copied());
                is_bounded::<M>(&bytes, version, seed);
            }
            let size = random.below(200);
            is_bounded::<M>(&random.bytes(size), version, seed);
        }
    }
}

#[test]
fn damaged_and_random_bytes_cost_no_more_memory_than_their_size_allows() {
    let seed = Random::seed();
    macro_rules! damage {
        ($name:ident) => {
            damage::<messages::$name>(seed);
        };
    }
    each_message!(damage);
}

fn flood<M: Message>() {
    for version in versions::<M>() {
        // Counts nearly as large as the bytes behind them, of elements as small as they can be.
        for filler in [0u8, 1] {
            let mut bytes = vec![filler; 20_000];
            for start in 0..30 {
                bytes[start..start + 4].copy_from_slice(&15_000u32.to_be_bytes());
                is_bounded::<M>(&bytes, version, 0);
                bytes[start..start + 4].fill(filler);
                bytes[start..start + 2].copy_from_slice(&[0x99, 0x75]);
                is_bounded::<M>(&bytes, version, 0);
                bytes[start..start + 4].fill(filler);
            }
        }
    }
}

#[test]
fn arrays_of_the_smallest_elements_cost_no_more_memory_than_their_size_allows() {
    macro_rules! flood {
        ($name:ident) => {
            flood::<messages::$name>();
        };
    }
    each_message!(flood);
}

#[test]
fn fifteen_bytes_that_announce_two_thousand_million_topics_cost_nothing() {
    // Produce v12: no transactional id, acks, timeout, then the count of topics.
    let bytes = Bytes::from_static(&[0, 0xff, 0xff, 0, 0, 5, 0xdc, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0, 0]);
    let mut problem = None;
    let used = allocation_counter::measure(|| {
        problem = decode::<messages::ProduceRequest>(bytes, 12).err().map(|error| error.problem);
    });
    assert_eq!(problem, Some(DecodeProblem::TooManyElements { count: 0xffff_fffe, remaining: 3 }));
    assert!(used.bytes_total < 100, "{used:?}");
}
