//! Figures behind the choice of redb's way to commit. Not run by default: `cargo test --release -p
//! highwater-store-local measure -- --ignored --nocapture`.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use highwater_disk::{Disk, RealDisk};
use highwater_store::meta::ProducerIdsRecord;
use highwater_store::{MetaChange, MetaRecord};

use super::MetaCore;
use super::engine::EncodedChange;

const RECORDS: u64 = 1_000_000;
const COMMITS: u32 = 200;

fn timed<T>(call: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let value = call();
    (start.elapsed(), value)
}

/// A record of about the size of a committed offset.
fn record(index: u64) -> EncodedChange {
    let key = format!("\u{7f}consumer-group-{:05}/topic-{:03}/{index:08}", index % 1_000, index % 7);
    (key.into_bytes(), Some(index.to_be_bytes().repeat(4)))
}

#[test]
#[ignore = "takes a minute and prints figures"]
fn time_to_open_a_million_records_after_a_crash() {
    let directory = std::env::temp_dir().join(format!("highwater-meta-{}", std::process::id()));
    std::fs::create_dir(&directory).unwrap();
    let path = directory.join("meta.redb");
    let open = |path: &Path| MetaCore::open(Arc::new(RealDisk::default()) as Arc<dyn Disk>, path).unwrap();
    let mut core = open(&path);
    for chunk in (0..RECORDS).collect::<Vec<_>>().chunks(50_000) {
        core.commit_encoded(&[chunk.iter().map(|index| record(*index)).collect()]).unwrap();
    }
    let commit = |core: &mut MetaCore| {
        let change = MetaChange::Put(MetaRecord::ProducerIds(ProducerIdsRecord { next: 1 }));
        core.commit_many(&[vec![change]]).unwrap();
    };
    let (commits, ()) = timed(|| (0..COMMITS).for_each(|_| commit(&mut core)));
    let copy = directory.join("copy.redb");
    std::fs::copy(&path, &copy).unwrap();
    let (repaired, core_of_copy) = timed(|| open(&copy));
    drop(core_of_copy);
    let (closed, ()) = timed(|| drop(core));
    let (clean, core) = timed(|| open(&path));
    println!("file: {} MiB", std::fs::metadata(&path).unwrap().len() >> 20);
    println!("one small commit: {:?}", commits / COMMITS);
    println!("open after a crash: {repaired:?}; clean close: {closed:?}; open after it: {clean:?}");
    drop(core);
    std::fs::remove_dir_all(&directory).unwrap();
}
