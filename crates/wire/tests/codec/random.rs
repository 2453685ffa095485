//! Random values, the same for the same seed.

use bytes::Bytes;
use highwater_types::TopicId;
use highwater_wire::{Records, Str};

/// SplitMix64.
pub(crate) struct Random(u64);

impl Random {
    /// The seed of a test: `SEED` from the environment, which replays a run, or the clock. Printed where a test fails.
    pub(crate) fn seed() -> u64 {
        let given = std::env::var("SEED").ok().and_then(|text| text.parse().ok());
        let now = || std::time::UNIX_EPOCH.elapsed().map_or(1, |elapsed| elapsed.as_secs());
        let seed = given.unwrap_or_else(now);
        println!("SEED={seed}");
        seed
    }

    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    pub(crate) fn bytes(&mut self, size: usize) -> Vec<u8> {
        (0..size).map(|_| self.next().to_le_bytes()[0]).collect()
    }
}

/// Something of which random values can be made.
pub(crate) trait Sample {
    /// A value that `version` of the message in question carries.
    fn sample(random: &mut Random, version: i16) -> Self;
}

macro_rules! integers {
    ($($type:ty),*) => {$(
        impl Sample for $type {
            fn sample(random: &mut Random, _version: i16) -> Self {
                match random.below(4) {
                    0 => 0,
                    1 => -1,
                    2 => <$type>::MAX,
                    _ => <$type>::from_le_bytes(*random.next().to_le_bytes().first_chunk().unwrap()),
                }
            }
        }
    )*};
}

integers!(i8, i16, i32, i64);

impl Sample for bool {
    fn sample(random: &mut Random, _version: i16) -> Self {
        random.below(2) == 1
    }
}

impl Sample for TopicId {
    fn sample(random: &mut Random, _version: i16) -> Self {
        if random.below(4) == 0 { Self::ZERO } else { Self(random.bytes(16).try_into().unwrap()) }
    }
}

impl Sample for Str {
    fn sample(random: &mut Random, _version: i16) -> Self {
        // Lengths on both sides of 127, where a compact one takes a second byte.
        let size = if random.below(8) == 0 { 120 + random.below(20) } else { random.below(12) };
        let letters = ['a', 'Z', '.', '-', '0', 'ß', '€', '🦀'];
        Self::from((0..size).map(|_| letters[random.below(letters.len())]).collect::<String>())
    }
}

impl Sample for Bytes {
    fn sample(random: &mut Random, _version: i16) -> Self {
        let size = random.below(300);
        Self::from(random.bytes(size))
    }
}

impl Sample for Records {
    fn sample(random: &mut Random, _version: i16) -> Self {
        let size = random.below(300);
        Self::from(Bytes::from(random.bytes(size)))
    }
}

impl<T: Sample> Sample for Option<T> {
    fn sample(random: &mut Random, version: i16) -> Self {
        (random.below(4) > 0).then(|| T::sample(random, version))
    }
}

impl<T: Sample> Sample for Vec<T> {
    fn sample(random: &mut Random, version: i16) -> Self {
        let count = random.below(4);
        (0..count).map(|_| T::sample(random, version)).collect()
    }
}
