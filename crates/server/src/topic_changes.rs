//! Makes, grows, changes and deletes topics, one change at a time.
//!
//! A creation makes the partitions durable, then commits the metadata record, which *is* the creation, and only then shows the
//! topic. A deletion commits a tombstone in the place of the record, hides the topic, and has its data removed in the
//! background. Each change runs in a task of its own: a client that goes away or loses patience leaves nothing half
//! done. Whoever repeats a change waits for the one before, so that no answer runs ahead of a commit.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use highwater_store::meta::{BrokerConfigRecord, TombstoneRecord};
use highwater_store::{LogStore, MetaChange, MetaError, MetaKey, MetaRecord, MetaStore, NewPartition};
use highwater_types::{TopicId, TopicIdPartition};
use highwater_wire::ErrorCode;

use crate::broker::Node;
use crate::config::{Layers, Settings, log_config};
use crate::error_code::Failure;
use crate::groups::GroupCoordinator;
use crate::topic_name;
use crate::topics::{Topic, Topics};

/// What changes topics and settings.
#[derive(Clone)]
pub(crate) struct Changes {
    shared: Arc<Shared>,
}

struct Shared {
    turn: tokio::sync::Mutex<()>,
    node: Arc<Node>,
    topics: Arc<Topics>,
    groups: Arc<GroupCoordinator>,
    settings: Arc<Settings>,
    store: Arc<dyn LogStore>,
    meta: Arc<dyn MetaStore>,
}

impl std::fmt::Debug for Changes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Changes")
    }
}

/// What a new topic shall be; checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    /// How many partitions, at least 1.
    pub(crate) partitions: i32,
    /// Settings of its own.
    pub(crate) configs: BTreeMap<String, String>,
}

/// What to do with a topic's settings, given those it has.
pub(crate) type EditConfigs =
    Box<dyn FnOnce(&BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Failure> + Send>;

impl Changes {
    /// Changes these.
    pub(crate) fn new(
        node: Arc<Node>,
        topics: Arc<Topics>,
        groups: Arc<GroupCoordinator>,
        settings: Arc<Settings>,
        store: Arc<dyn LogStore>,
        meta: Arc<dyn MetaStore>,
    ) -> Self {
        let turn = tokio::sync::Mutex::new(());
        Self { shared: Arc::new(Shared { turn, node, topics, groups, settings, store, meta }) }
    }

    /// Makes a topic. That it is there already is said before anything that is wrong with `plan`, and only when the
    /// commit that made it is durable.
    ///
    /// # Errors
    /// TOPIC_ALREADY_EXISTS, INVALID_TOPIC_EXCEPTION for a colliding name, what `plan` says, KAFKA_STORAGE_ERROR;
    /// REQUEST_TIMED_OUT when it is not done by then, although it goes on.
    pub(crate) async fn create(
        &self,
        name: Arc<str>,
        plan: Result<Plan, Failure>,
        timeout: Duration,
    ) -> Result<Arc<Topic>, Failure> {
        self.run(timeout, move |shared| async move { shared.create(name, plan).await }).await
    }

    /// Says what [`Changes::create`] would, and gives the topic as it would be, with an id that is never used.
    ///
    /// # Errors
    /// As [`Changes::create`].
    pub(crate) async fn try_create(
        &self,
        name: Arc<str>,
        plan: Result<Plan, Failure>,
        timeout: Duration,
    ) -> Result<Arc<Topic>, Failure> {
        self.run(timeout, move |shared| async move { shared.draft(name, plan).map(Arc::new) }).await
    }

    /// Deletes a topic. Its name is free when this returns.
    ///
    /// # Errors
    /// UNKNOWN_TOPIC_ID when it was deleted meanwhile, KAFKA_STORAGE_ERROR, REQUEST_TIMED_OUT.
    pub(crate) async fn delete(&self, id: TopicId, timeout: Duration) -> Result<(), Failure> {
        self.run(timeout, move |shared| async move { shared.delete(id).await }).await
    }

    /// Adds partitions up to `count`.
    ///
    /// # Errors
    /// INVALID_PARTITIONS when there are as many or more, KAFKA_STORAGE_ERROR, REQUEST_TIMED_OUT.
    pub(crate) async fn grow(&self, id: TopicId, count: i32, timeout: Duration) -> Result<(), Failure> {
        self.run(timeout, move |shared| async move { shared.grow(id, count).await }).await
    }

    /// Changes a topic's settings; `edit` sees those of the moment and its refusal is the answer.
    ///
    /// # Errors
    /// What `edit` says, UNKNOWN_TOPIC_OR_PARTITION, KAFKA_STORAGE_ERROR.
    pub(crate) async fn configure(&self, id: TopicId, edit: EditConfigs) -> Result<(), Failure> {
        self.run(NO_HURRY, move |shared| async move { shared.configure(id, edit).await }).await
    }

    /// Changes the settings of this broker, or else those of the cluster.
    ///
    /// # Errors
    /// What `edit` says, KAFKA_STORAGE_ERROR.
    pub(crate) async fn configure_broker(&self, this_broker: bool, edit: EditConfigs) -> Result<(), Failure> {
        self.run(NO_HURRY, move |shared| async move { shared.configure_broker(this_broker, edit).await })
            .await
    }

    async fn run<T, F>(
        &self,
        timeout: Duration,
        change: impl FnOnce(Arc<Shared>) -> F + Send + 'static,
    ) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        let shared = Arc::clone(&self.shared);
        let task = tokio::spawn(async move {
            let turn = Arc::clone(&shared);
            let _turn = turn.turn.lock().await;
            change(shared).await
        });
        match tokio::time::timeout(timeout, task).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Failure::of(ErrorCode::UnknownServerError)),
            Err(_) => Err(Failure::of(ErrorCode::RequestTimedOut)),
        }
    }
}

/// For changes whose requests have no time-out.
const NO_HURRY: Duration = Duration::from_secs(3600);

/// A creation's time-out as the request has it; negative is none at all.
pub(crate) fn timeout(ms: i32) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

/// Whether a topic of that name may be made now.
///
/// # Errors
/// TOPIC_ALREADY_EXISTS or INVALID_TOPIC_EXCEPTION.
fn check_free(topics: &Topics, name: &str) -> Result<(), Failure> {
    if topics.by_name(name).is_some() {
        let message = format!("Topic '{name}' already exists.");
        return Err(Failure::new(ErrorCode::TopicAlreadyExists, message));
    }
    match topics.colliding(name) {
        Some(other) => {
            let message = format!("Topic '{name}' collides with existing topic: {other}");
            Err(Failure::new(ErrorCode::InvalidTopicException, message))
        }
        None => Ok(()),
    }
}

/// Whether a name may be a topic's at all.
///
/// # Errors
/// INVALID_TOPIC_EXCEPTION.
pub(crate) fn check_name(name: &str) -> Result<(), Failure> {
    let problem = match topic_name::check(name) {
        Err(problem) => problem,
        Ok(()) if topic_name::is_reserved(name) => {
            format!("The topic name {name} is reserved: there are no internal topics")
        }
        Ok(()) => return Ok(()),
    };
    Err(Failure::new(ErrorCode::InvalidTopicException, problem))
}

impl Shared {
    fn draft(&self, name: Arc<str>, plan: Result<Plan, Failure>) -> Result<Topic, Failure> {
        check_free(&self.topics, &name)?;
        let Plan { partitions, configs } = plan?;
        Ok(Topic { id: self.unused_id()?, name, partitions, configs })
    }

    async fn create(&self, name: Arc<str>, plan: Result<Plan, Failure>) -> Result<Arc<Topic>, Failure> {
        let topic = self.draft(name, plan)?;
        self.make(&topic, 0).await?;
        let made = Arc::new(topic.clone());
        self.topics.put(topic);
        Ok(made)
    }

    /// Makes a topic's partitions from `first` on, then commits its record. Leaves nothing behind that would be in the
    /// way of another attempt.
    async fn make(&self, topic: &Topic, first: i32) -> Result<(), Failure> {
        let partitions = self.partitions(topic, first..topic.partitions);
        let ids = partitions.iter().map(|partition| partition.id).collect();
        self.store.create(partitions).await?;
        let record = MetaRecord::Topic(topic.record());
        let Err(error) = self.meta.commit(vec![MetaChange::Put(record)]).await else { return Ok(()) };
        // After a failure of the store itself the record may be there: only the next start knows.
        if !matches!(error, MetaError::Failed(_))
            && let Err(error) = self.store.delete(ids).await
        {
            tracing::warn!(topic = %topic.name, %error, "partitions of a topic that was not made stay until the next start");
        }
        Err(error.into())
    }

    async fn delete(&self, id: TopicId) -> Result<(), Failure> {
        let topic = self.topics.by_id(id).ok_or(Failure::of(ErrorCode::UnknownTopicId))?;
        let (name, partitions) = (Arc::clone(&topic.name), topic.partitions);
        let tombstone = MetaRecord::Tombstone(TombstoneRecord { id: id.0, name, partitions });
        self.commit(vec![MetaChange::Remove(MetaKey::Topic(id)), MetaChange::Put(tombstone)]).await?;
        self.topics.remove(id);
        self.groups.forget_topic(id);
        let gone = (0..partitions).map(|partition| TopicIdPartition { topic_id: id, partition }).collect();
        // The tombstone is committed: the topic is deleted whatever becomes of its files.
        if let Err(error) = self.store.delete(gone).await {
            tracing::warn!(topic = %topic.name, %error, "the data of a deleted topic stays until the next start");
        }
        Ok(())
    }

    async fn grow(&self, id: TopicId, count: i32) -> Result<(), Failure> {
        let topic = self.topics.by_id(id).ok_or(Failure::of(ErrorCode::UnknownTopicOrPartition))?;
        check_growth(&topic, count)?;
        let grown = Topic { partitions: count, ..(*topic).clone() };
        self.make(&grown, topic.partitions).await?;
        self.topics.put(grown);
        Ok(())
    }

    async fn configure(&self, id: TopicId, edit: EditConfigs) -> Result<(), Failure> {
        let topic = self.topics.by_id(id).ok_or(Failure::of(ErrorCode::UnknownTopicOrPartition))?;
        let configs = edit(&topic.configs)?;
        if configs == topic.configs {
            return Ok(());
        }
        let changed = Topic { configs, ..(*topic).clone() };
        let layers = self.settings.layers();
        if let Err(failure) = self.tighten(&topic, &layers, &changed.configs, &layers).await {
            self.apply(&topic);
            return Err(failure);
        }
        // A commit that fails may be found by the next start all the same: a stricter policy stays in force.
        self.commit(vec![MetaChange::Put(MetaRecord::Topic(changed.record()))]).await?;
        self.topics.put(changed.clone());
        self.apply(&changed);
        Ok(())
    }

    async fn configure_broker(&self, this_broker: bool, edit: EditConfigs) -> Result<(), Failure> {
        let layers = self.settings.layers();
        let (mut default, mut broker) = (layers.dynamic_default.clone(), layers.dynamic_broker.clone());
        let changed = if this_broker { &mut broker } else { &mut default };
        let edited = edit(changed)?;
        if edited == *changed {
            return Ok(());
        }
        *changed = edited;
        let name = if this_broker { self.node.node_id.to_string() } else { String::new() };
        let record = BrokerConfigRecord { broker: name, configs: changed.clone() };
        let new =
            Layers { dynamic_default: default.clone(), dynamic_broker: broker.clone(), ..(*layers).clone() };
        let topics = self.topics.all();
        for topic in &topics {
            if let Err(failure) = self.tighten(topic, &layers, &topic.configs, &new).await {
                topics.iter().for_each(|topic| self.apply(topic));
                return Err(failure);
            }
        }
        // As for a topic.
        self.commit(vec![MetaChange::Put(MetaRecord::BrokerConfig(record))]).await?;
        self.settings.replace_dynamic(default, broker);
        topics.iter().for_each(|topic| self.apply(topic));
        Ok(())
    }

    /// Where new settings show only what is durable and the old ones do not: puts them in force and waits until what
    /// is visible is durable, as must be before they are committed (see `Partition::configure`).
    async fn tighten(
        &self,
        topic: &Topic,
        layers: &Layers,
        configs: &BTreeMap<String, String>,
        new_layers: &Layers,
    ) -> Result<(), Failure> {
        let old = log_config(layers, &topic.configs).sync_policy;
        let new = log_config(new_layers, configs);
        if old.waits_for_sync() || !new.sync_policy.waits_for_sync() {
            return Ok(());
        }
        let id = |partition| TopicIdPartition { topic_id: topic.id, partition };
        let partitions: Vec<_> =
            (0..topic.partitions).filter_map(|index| self.store.partition(id(index))).collect();
        partitions.iter().for_each(|partition| partition.configure(new.clone()));
        let waits: Vec<_> = partitions.iter().map(|partition| partition.synced()).collect();
        for wait in waits {
            if let Err(problem) = wait.await {
                let message = format!(
                    "A partition of topic '{}' cannot be synced, as the new flush policy needs: {problem}",
                    topic.name
                );
                return Err(Failure::new(ErrorCode::KafkaStorageError, message));
            }
        }
        Ok(())
    }

    /// Gives every partition of a topic the settings in force.
    fn apply(&self, topic: &Topic) {
        let config = log_config(&self.settings.layers(), &topic.configs);
        for partition in 0..topic.partitions {
            if let Some(log) = self.store.partition(TopicIdPartition { topic_id: topic.id, partition }) {
                log.configure(config.clone());
            }
        }
    }

    fn partitions(&self, topic: &Topic, indexes: std::ops::Range<i32>) -> Vec<NewPartition> {
        let config = log_config(&self.settings.layers(), &topic.configs);
        let partition = |partition| NewPartition {
            id: TopicIdPartition { topic_id: topic.id, partition },
            topic: Arc::clone(&topic.name),
            config: config.clone(),
        };
        indexes.map(partition).collect()
    }

    async fn commit(&self, changes: Vec<MetaChange>) -> Result<(), Failure> {
        Ok(self.meta.commit(changes).await?)
    }

    fn unused_id(&self) -> Result<TopicId, Failure> {
        loop {
            let mut bytes = [0; 16];
            getrandom::fill(&mut bytes).map_err(|error| {
                Failure::new(ErrorCode::UnknownServerError, format!("no random bytes: {error}"))
            })?;
            if let Some(id) = TopicId::from_random(bytes).filter(|id| self.topics.by_id(*id).is_none()) {
                return Ok(id);
            }
        }
    }
}

/// Whether a topic may grow to `count` partitions.
///
/// # Errors
/// INVALID_PARTITIONS, POLICY_VIOLATION in Kafka's words.
pub(crate) fn check_growth(topic: &Topic, count: i32) -> Result<(), Failure> {
    let current = topic.partitions;
    let message = match count.cmp(&current) {
        std::cmp::Ordering::Greater => return check_number(count.saturating_sub(current).into()),
        std::cmp::Ordering::Equal => format!("Topic already has {count} partition(s)."),
        std::cmp::Ordering::Less => format!(
            "The topic {} currently has {current} partition(s); {count} would not be an increase.",
            topic.name
        ),
    };
    Err(Failure::new(ErrorCode::InvalidPartitions, message))
}

/// Whether one request may make so many partitions.
///
/// # Errors
/// POLICY_VIOLATION in Kafka's words.
pub(crate) fn check_number(partitions: i64) -> Result<(), Failure> {
    if partitions <= PARTITIONS_PER_REQUEST {
        return Ok(());
    }
    Err(Failure::new(ErrorCode::PolicyViolation, "Excessively large number of partitions per request."))
}

/// Most partitions that one request may make: each is a directory (`ReplicationControlManager.MAX_PARTITIONS_PER_BATCH`).
const PARTITIONS_PER_REQUEST: i64 = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Layers;
    use crate::testing::MemoryLogs;
    use highwater_store::BoxFuture;
    use parking_lot::Mutex;
    use tokio::sync::Semaphore;

    /// Metadata whose commits wait until they are let through, and end as told.
    struct GatedMeta {
        gate: Arc<Semaphore>,
        outcome: Mutex<Result<(), MetaError>>,
        commits: Mutex<Vec<Vec<MetaChange>>>,
    }

    impl MetaStore for GatedMeta {
        fn load(&self) -> Result<Vec<MetaRecord>, MetaError> {
            Ok(Vec::new())
        }

        fn commit(&self, changes: Vec<MetaChange>) -> BoxFuture<'static, Result<(), MetaError>> {
            self.commits.lock().push(changes);
            let (gate, outcome) = (Arc::clone(&self.gate), self.outcome.lock().clone());
            Box::pin(async move {
                gate.acquire().await.unwrap().forget();
                outcome
            })
        }
    }

    struct Test {
        changes: Changes,
        topics: Arc<Topics>,
        meta: Arc<GatedMeta>,
        logs: Arc<MemoryLogs>,
    }

    /// Changes of which the first `commits` need not wait.
    fn test(commits: usize) -> Test {
        let gate = Arc::new(Semaphore::new(commits));
        let meta = Arc::new(GatedMeta { gate, outcome: Mutex::new(Ok(())), commits: Mutex::default() });
        let (topics, logs) = (Arc::new(Topics::default()), Arc::new(MemoryLogs::default()));
        let node = Arc::new(Node { node_id: 1, cluster_id: String::new() });
        let settings = Arc::new(Settings::new(Layers::default()));
        let groups = GroupCoordinator::new(
            &settings,
            meta.clone(),
            &crate::clock::Clock::system(),
            &topics,
            Vec::new(),
            Vec::new(),
        );
        let changes =
            Changes::new(node, Arc::clone(&topics), Arc::new(groups), settings, logs.clone(), meta.clone());
        Test { changes, topics, meta, logs }
    }

    fn plan(partitions: i32) -> Result<Plan, Failure> {
        Ok(Plan { partitions, configs: BTreeMap::new() })
    }

    const LONG: Duration = Duration::from_secs(60);

    /// Lets everything run that can.
    async fn settle() {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_repeated_creation_is_answered_after_the_commit_that_it_repeats() {
        let test = test(0);
        let create = |changes: Changes| async move { changes.create("a".into(), plan(1), LONG).await };
        let first = tokio::spawn(create(test.changes.clone()));
        settle().await;
        let again = tokio::spawn(create(test.changes.clone()));
        settle().await;
        assert_eq!(test.meta.commits.lock().len(), 1);
        assert!(!first.is_finished() && !again.is_finished() && test.topics.by_name("a").is_none());
        test.meta.gate.add_permits(1);
        assert!(first.await.unwrap().is_ok());
        assert_eq!(again.await.unwrap().unwrap_err().code, ErrorCode::TopicAlreadyExists);
    }

    #[tokio::test]
    async fn a_creation_goes_on_when_its_client_does_not_wait() {
        let test = test(0);
        let failure = test.changes.create("a".into(), plan(2), Duration::ZERO).await.unwrap_err();
        assert_eq!(failure.code, ErrorCode::RequestTimedOut);
        test.meta.gate.add_permits(1);
        let again = test.changes.create("a".into(), plan(2), LONG).await.unwrap_err();
        assert_eq!(again.code, ErrorCode::TopicAlreadyExists);
        assert_eq!(test.topics.by_name("a").unwrap().partitions, 2);
    }

    #[tokio::test]
    async fn what_was_not_committed_is_not_in_the_way_of_another_attempt() {
        let test = test(3);
        *test.meta.outcome.lock() = Err(MetaError::OutOfSpace);
        assert!(test.changes.create("a".into(), plan(3), LONG).await.is_err());
        assert_eq!((test.logs.count(), test.topics.all().len()), (0, 0));
        *test.meta.outcome.lock() = Ok(());
        let id = test.changes.create("a".into(), plan(3), LONG).await.unwrap().id;
        *test.meta.outcome.lock() = Err(MetaError::OutOfSpace);
        assert!(test.changes.grow(id, 5, LONG).await.is_err());
        assert_eq!((test.logs.count(), test.topics.by_id(id).unwrap().partitions), (3, 3));
    }

    #[tokio::test]
    async fn a_stricter_policy_whose_commit_failed_stays_in_force() {
        let test = test(3);
        let flush_ms = |ms: &str| -> EditConfigs {
            let configs = BTreeMap::from([("flush.ms".to_owned(), ms.to_owned())]);
            Box::new(move |_| Ok(configs))
        };
        let id = test.changes.create("a".into(), plan(1), LONG).await.unwrap().id;
        test.changes.configure(id, flush_ms("1000")).await.unwrap();
        let partition = TopicIdPartition { topic_id: id, partition: 0 };
        let waits = || test.logs.config(partition).unwrap().sync_policy.waits_for_sync();
        assert!(!waits());
        *test.meta.outcome.lock() = Err(MetaError::Failed("EIO".to_owned()));
        let nothing: EditConfigs = Box::new(|_| Ok(BTreeMap::new()));
        assert!(test.changes.configure(id, nothing).await.is_err());
        assert!(waits(), "the next start may find the change in the store");
        assert_eq!(test.topics.by_id(id).unwrap().configs.len(), 1);
    }

    #[tokio::test]
    async fn a_deletion_leaves_a_tombstone_in_the_place_of_the_topic() {
        let test = test(2);
        let id = test.changes.create("a".into(), plan(2), LONG).await.unwrap().id;
        test.changes.delete(id, LONG).await.unwrap();
        let tombstone = TombstoneRecord { id: id.0, name: "a".into(), partitions: 2 };
        let expected =
            vec![MetaChange::Remove(MetaKey::Topic(id)), MetaChange::Put(MetaRecord::Tombstone(tombstone))];
        assert_eq!(test.meta.commits.lock().last(), Some(&expected));
        assert!(test.topics.all().is_empty() && test.logs.count() == 0);
    }
}
