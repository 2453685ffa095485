//! What every [`MetaStore`] does.

use std::sync::Arc;

use super::block_on;
use crate::meta::{BrokerConfigRecord, ClusterRecord, FeatureRecord, ProducerIdsRecord};
use crate::{MetaChange, MetaKey, MetaRecord, MetaStore};

/// How the suite gets at an implementation. One fixture is one storage.
pub trait MetaFixture {
    /// Opens the store on the storage as it was left.
    fn open(&mut self) -> Arc<dyn MetaStore>;
    /// Ends a store as a clean stop does.
    fn close(&mut self, store: Arc<dyn MetaStore>);
    /// Ends a store as the death of the process does, or the worst that the fixture can do beyond that.
    fn crash(&mut self, store: Arc<dyn MetaStore>);
}

/// Runs the suite.
///
/// # Panics
/// Where a promise is broken.
pub fn meta_store<F: MetaFixture>(mut fixture: impl FnMut() -> F) {
    a_new_store_is_empty(&mut fixture());
    a_record_is_replaced_and_removed_by_its_key(&mut fixture());
    records_load_in_the_order_of_their_keys(&mut fixture());
    a_commit_of_many_changes_is_one(&mut fixture());
    commits_take_effect_in_the_order_of_the_calls(&mut fixture());
    commits_of_many_threads_are_all_there(&mut fixture());
    committed_records_survive_a_close_and_a_crash(&mut fixture());
}

fn commit(store: &Arc<dyn MetaStore>, changes: Vec<MetaChange>) {
    block_on(store.commit(changes)).expect("the commit");
}

fn load(store: &Arc<dyn MetaStore>) -> Vec<MetaRecord> {
    store.load().expect("the records")
}

fn feature(name: impl Into<String>, level: i16) -> MetaRecord {
    MetaRecord::Feature(FeatureRecord { name: name.into(), level })
}

fn producer_ids(next: i64) -> MetaRecord {
    MetaRecord::ProducerIds(ProducerIdsRecord { next })
}

fn a_new_store_is_empty(fixture: &mut impl MetaFixture) {
    let store = fixture.open();
    assert_eq!(load(&store), []);
    commit(&store, vec![MetaChange::Remove(MetaKey::ProducerIds)]);
    commit(&store, Vec::new());
    assert_eq!(load(&store), [], "removing what is not there changes nothing");
}

fn a_record_is_replaced_and_removed_by_its_key(fixture: &mut impl MetaFixture) {
    let store = fixture.open();
    commit(&store, vec![MetaChange::Put(feature("a", 1))]);
    commit(&store, vec![MetaChange::Put(feature("a", 2)), MetaChange::Put(feature("b", 1))]);
    assert_eq!(load(&store), [feature("a", 2), feature("b", 1)]);
    commit(&store, vec![MetaChange::Remove(MetaKey::Feature("a".to_string()))]);
    assert_eq!(load(&store), [feature("b", 1)]);
}

fn records_load_in_the_order_of_their_keys(fixture: &mut impl MetaFixture) {
    let store = fixture.open();
    let configs = |broker: &str| {
        let broker = broker.to_string();
        MetaRecord::BrokerConfig(BrokerConfigRecord { broker, configs: Default::default() })
    };
    let cluster = MetaRecord::Cluster(ClusterRecord { cluster_id: "cluster".to_string(), node_id: 1 });
    let sorted = vec![
        cluster,
        producer_ids(1),
        configs(""),
        configs("1"),
        configs("10"),
        feature("a", 1),
        feature("b", 1),
    ];
    commit(&store, sorted.iter().rev().cloned().map(MetaChange::Put).collect());
    assert_eq!(load(&store), sorted);
}

fn a_commit_of_many_changes_is_one(fixture: &mut impl MetaFixture) {
    let store = fixture.open();
    commit(&store, vec![MetaChange::Put(feature("old", 1))]);
    commit(
        &store,
        vec![
            MetaChange::Put(producer_ids(1)),
            MetaChange::Put(feature("new", 1)),
            MetaChange::Put(producer_ids(2)),
            MetaChange::Remove(MetaKey::Feature("old".to_string())),
        ],
    );
    assert_eq!(load(&store), [producer_ids(2), feature("new", 1)], "later changes of a commit win");
}

fn commits_take_effect_in_the_order_of_the_calls(fixture: &mut impl MetaFixture) {
    let store = fixture.open();
    let waiting: Vec<_> =
        (1..=500).map(|next| store.commit(vec![MetaChange::Put(producer_ids(next))])).collect();
    // Awaited the other way round: the order of the calls counts.
    waiting.into_iter().rev().for_each(|commit| block_on(commit).expect("the commit"));
    assert_eq!(load(&store), [producer_ids(500)]);
}

fn commits_of_many_threads_are_all_there(fixture: &mut impl MetaFixture) {
    let store = fixture.open();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let store = &store;
            scope.spawn(move || {
                for number in 0..50 {
                    commit(store, vec![MetaChange::Put(feature(format!("{thread}-{number:02}"), number))]);
                }
            });
        }
    });
    let expected: Vec<_> =
        (0..8).flat_map(|thread| (0..50).map(move |n| feature(format!("{thread}-{n:02}"), n))).collect();
    assert_eq!(load(&store), expected);
    fixture.crash(store);
    assert_eq!(load(&fixture.open()), expected);
}

fn committed_records_survive_a_close_and_a_crash(fixture: &mut impl MetaFixture) {
    for round in 1..=6 {
        let store = fixture.open();
        let before = if round == 1 { Vec::new() } else { vec![producer_ids(round - 1)] };
        assert_eq!(load(&store), before, "round {round}");
        commit(&store, vec![MetaChange::Put(producer_ids(round))]);
        if round % 2 == 0 { fixture.close(store) } else { fixture.crash(store) }
    }
}
