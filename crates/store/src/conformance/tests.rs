//! The suite over a store in memory, right and wrong: a suite that passes everything proves nothing.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use super::{MetaFixture, block_on, meta_store};
use crate::{BoxFuture, MetaChange, MetaError, MetaKey, MetaRecord, MetaStore};

/// What is wrong with the store.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Defect {
    None,
    ForgetsAtCrash,
    AppliesBackwards,
    IgnoresRemovals,
    AppliesWhenAwaited,
}

type Records = Arc<Mutex<BTreeMap<MetaKey, MetaRecord>>>;

struct Memory {
    records: Records,
    defect: Defect,
}

fn apply(records: &Records, changes: Vec<MetaChange>, defect: Defect) {
    let mut records = records.lock().unwrap();
    for change in changes {
        match change {
            MetaChange::Put(record) => drop(records.insert(record.key(), record)),
            MetaChange::Remove(_) if defect == Defect::IgnoresRemovals => {}
            MetaChange::Remove(key) => drop(records.remove(&key)),
        }
    }
}

impl MetaStore for Memory {
    fn load(&self) -> Result<Vec<MetaRecord>, MetaError> {
        Ok(self.records.lock().unwrap().values().cloned().collect())
    }

    fn commit(&self, mut changes: Vec<MetaChange>) -> BoxFuture<'static, Result<(), MetaError>> {
        let (records, defect) = (Arc::clone(&self.records), self.defect);
        if defect == Defect::AppliesBackwards {
            changes.reverse();
        }
        if defect == Defect::AppliesWhenAwaited {
            return Box::pin(async move {
                apply(&records, changes, defect);
                Ok(())
            });
        }
        apply(&records, changes, defect);
        Box::pin(std::future::ready(Ok(())))
    }
}

impl MetaFixture for Memory {
    fn open(&mut self) -> Arc<dyn MetaStore> {
        Arc::new(Self { records: Arc::clone(&self.records), defect: self.defect })
    }

    fn close(&mut self, _: Arc<dyn MetaStore>) {}

    fn crash(&mut self, _: Arc<dyn MetaStore>) {
        if self.defect == Defect::ForgetsAtCrash {
            self.records.lock().unwrap().clear();
        }
    }
}

fn passes(defect: Defect) -> bool {
    let run = || meta_store(|| Memory { records: Records::default(), defect });
    catch_unwind(AssertUnwindSafe(run)).is_ok()
}

#[test]
fn a_right_store_passes_and_each_wrong_one_is_caught() {
    assert!(passes(Defect::None));
    for defect in [
        Defect::ForgetsAtCrash,
        Defect::AppliesBackwards,
        Defect::IgnoresRemovals,
        Defect::AppliesWhenAwaited,
    ] {
        assert!(!passes(defect), "{defect:?}");
    }
}

#[test]
fn a_future_woken_by_another_thread_resolves() {
    let set = crate::WatchSet::new();
    let teller = Arc::clone(&set);
    let thread = std::thread::spawn(move || teller.tell(7));
    assert_eq!(block_on(set.changed()), [7].into());
    thread.join().unwrap();
}
