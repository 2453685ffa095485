//! The conformance suite over the local store, with its threads, on a simulated disk that loses power at the end.

// Helpers of tests are not tests to clippy; a panic is how a test fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss
)]

mod common;

use std::path::Path;
use std::sync::Arc;

use common::open_threaded;
use highwater_disk::Disk;
use highwater_disk::sim::SimDisk;
use highwater_store::conformance::{LogFixture, log_store};
use highwater_store::{LogStore, NewPartition};
use highwater_store_local::LocalStore;

struct Fixture {
    disk: Arc<SimDisk>,
    store: Option<Arc<LocalStore>>,
}

impl LogFixture for Fixture {
    fn open(&mut self, partitions: &[NewPartition]) -> Arc<dyn LogStore> {
        let store =
            open_threaded(Arc::clone(&self.disk) as Arc<dyn Disk>, Path::new("/data"), partitions.to_vec());
        self.store = Some(Arc::clone(&store));
        store
    }

    fn end(&mut self, store: Arc<dyn LogStore>) {
        self.disk = self.disk.power_loss(1);
        drop((store, self.store.take()));
    }
}

#[test]
fn the_local_store_conforms() {
    log_store(|| Fixture { disk: SimDisk::new(1), store: None });
}
