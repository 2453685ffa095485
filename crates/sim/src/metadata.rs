//! What the metadata must hold: every commit that was answered, and of the one that was under way at a crash everything or
//! nothing.

use std::collections::BTreeMap;

use highwater_store::{MetaChange, MetaKey, MetaRecord};

use crate::{Verdict, require};

#[derive(Debug, Default)]
pub(crate) struct Metadata {
    records: BTreeMap<MetaKey, MetaRecord>,
    /// A commit that may be there or not.
    uncertain: Option<Vec<MetaChange>>,
}

impl Metadata {
    pub(crate) fn records(&self) -> impl Iterator<Item = &MetaRecord> {
        self.records.values()
    }

    /// A commit was answered.
    pub(crate) fn committed(&mut self, changes: &[MetaChange]) {
        apply(&mut self.records, changes);
    }

    /// A commit was begun and not answered, or failed in a way that leaves it open.
    pub(crate) fn uncertain(&mut self, changes: Vec<MetaChange>) {
        // None is taken after one that failed.
        self.uncertain.get_or_insert(changes);
    }

    /// Takes what a start has found, if it is what must be there.
    pub(crate) fn found(&mut self, found: &[MetaRecord]) -> Verdict {
        let found: BTreeMap<MetaKey, MetaRecord> =
            found.iter().map(|record| (record.key(), record.clone())).collect();
        if let Some(changes) = self.uncertain.take() {
            let mut after = self.records.clone();
            apply(&mut after, &changes);
            if found == after {
                self.records = after;
            }
        }
        require!(
            found == self.records,
            "the metadata is not what was committed\n  found {found:?}\n  expected {:?}",
            self.records
        );
        Ok(())
    }
}

fn apply(records: &mut BTreeMap<MetaKey, MetaRecord>, changes: &[MetaChange]) {
    for change in changes {
        match change {
            MetaChange::Put(record) => drop(records.insert(record.key(), record.clone())),
            MetaChange::Remove(key) => drop(records.remove(key)),
        }
    }
}
