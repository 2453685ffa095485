//! Opens the local store and its metadata and makes a broker of them: the one place that knows which store is used.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use highwater_disk::{Disk, EntryKind, OpenMode, RealDisk};
use highwater_store::meta::{ClusterRecord, TopicRecord};
use highwater_store::{LogStore, MetaChange, MetaKey, MetaRecord, MetaStore, NewPartition};
use highwater_store_local::meta::RedbMetaStore;
use highwater_store_local::{Clock, DataDirectory, LocalOptions, LocalStore};
use highwater_types::{TopicId, TopicIdPartition};
use rustix::process::{Resource, getrlimit};

use crate::broker::{Broker, Loaded, Node};
use crate::cli::ServeError;
use crate::config::{Layers, Settings, log_config};
use crate::connection::limits::store_descriptors;

/// Name of the metadata's file in the data directory.
const METADATA: &str = "meta.redb";

/// A broker over the local store.
pub(crate) struct Opened {
    /// The broker.
    pub(crate) broker: Arc<Broker>,
    /// Its records.
    pub(crate) store: Arc<LocalStore>,
    /// Its metadata; closed after the records.
    pub(crate) meta: Arc<RedbMetaStore>,
}

/// Opens `data.dir`. Partitions recover in the background.
///
/// # Errors
/// [`ServeError`]; what can be found wrong before anything is touched is found first.
pub(crate) async fn open(settings: Arc<Settings>) -> Result<Opened, ServeError> {
    let path = PathBuf::from(settings.text("data.dir").unwrap_or_default());
    let disk: Arc<dyn Disk> = Arc::new(match getrlimit(Resource::Nofile).current {
        Some(limit) => RealDisk::with_descriptor_budget(store_descriptors(limit)),
        None => RealDisk::default(),
    });
    let directory = DataDirectory::open(Arc::clone(&disk), &path).map_err(ServeError::Directory)?;
    check_metadata(disk.as_ref(), &path)?;
    let meta = RedbMetaStore::open(disk, &path.join(METADATA)).map_err(ServeError::Meta)?;
    let loaded = Loaded::new(meta.load().map_err(ServeError::Meta)?);
    let node = identity(&settings, loaded.cluster.as_ref(), &meta).await?;
    let (default, broker) = loaded.dynamic_configs(node.node_id);
    settings.replace_dynamic(default, broker);
    let options = options(&settings, &loaded, &meta);
    let store = LocalStore::open(directory, options).map_err(ServeError::Directory)?;
    let logs: Arc<dyn LogStore> = store.clone();
    let seed = i32::from_be_bytes(random().map_err(ServeError::System)?);
    let broker = Arc::new(Broker::new(node, settings, loaded, logs, meta.clone(), seed));
    broker.groups.start();
    tokio::spawn(after_recovery(Arc::clone(&broker), Arc::clone(&store)));
    Ok(Opened { broker, store, meta })
}

/// Metadata comes before the first directory of a partition: directories without it have lost it. Taking them for strays
/// and starting empty would hide every record.
fn check_metadata(disk: &dyn Disk, path: &Path) -> Result<(), ServeError> {
    let entries = disk.list(path).map_err(ServeError::System)?;
    // Opened, not looked up: the name may be a link whose target is away.
    let opened = disk.open(&path.join(METADATA), OpenMode::Read);
    let is_there = !opened.is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
    let is_partition =
        |name: &str| name.rsplit_once('-').is_some_and(|(_, index)| index.parse::<u32>().is_ok());
    let mut partitions =
        entries.into_iter().filter(|entry| entry.kind == EntryKind::Directory && is_partition(&entry.name));
    match partitions.next() {
        Some(entry) if !is_there => {
            Err(ServeError::MetadataMissing { path: path.join(METADATA), found: entry.name })
        }
        _ => Ok(()),
    }
}

/// Who this node is: as the directory says, or as the settings say at the first start.
async fn identity(
    settings: &Settings,
    kept: Option<&ClusterRecord>,
    meta: &RedbMetaStore,
) -> Result<Node, ServeError> {
    let given = settings.layers().given.get("node.id").and_then(|text| text.parse::<i64>().ok());
    if let Some(kept) = kept {
        return match given {
            Some(given) if given != i64::from(kept.node_id) => {
                Err(ServeError::NodeId { given, kept: kept.node_id })
            }
            _ => Ok(Node { node_id: kept.node_id, cluster_id: kept.cluster_id.clone() }),
        };
    }
    let node_id = i32::try_from(settings.count("node.id")).unwrap_or(1);
    let cluster_id = random_id().map_err(ServeError::System)?.to_string();
    let record = ClusterRecord { cluster_id: cluster_id.clone(), node_id };
    meta.commit(vec![MetaChange::Put(MetaRecord::Cluster(record))]).await.map_err(ServeError::Meta)?;
    Ok(Node { node_id, cluster_id })
}

fn options(settings: &Arc<Settings>, loaded: &Loaded, meta: &Arc<RedbMetaStore>) -> LocalOptions {
    let mut options = LocalOptions::new(Clock::system());
    let layers = settings.layers();
    options.partitions = loaded.topics.iter().flat_map(|topic| partitions_of(topic, &layers)).collect();
    options.tombstones.clone_from(&loaded.tombstones);
    options.recovery_threads =
        usize::try_from(settings.count("num.recovery.threads.per.data.dir")).unwrap_or(1).max(1);
    options.retention_interval_ms = settings.count("log.retention.check.interval.ms");
    let live = Arc::clone(settings);
    options.free_space_floor =
        Arc::new(move || live.number("storage.min.free.bytes").and_then(|bytes| u64::try_from(bytes).ok()));
    let live = Arc::clone(settings);
    options.scrub_bytes_per_second = Arc::new(move || live.count("log.scrub.io.max.bytes.per.second"));
    let live = Arc::clone(settings);
    options.scrub_interval_ms = Arc::new(move || live.count("log.scrub.interval.ms"));
    let meta = Arc::clone(meta);
    options.removed = Arc::new(move |id| forget(&meta, id));
    options
}

fn partitions_of(topic: &TopicRecord, layers: &Layers) -> Vec<NewPartition> {
    let config = log_config(layers, &topic.configs);
    let partition = |partition| NewPartition {
        id: TopicIdPartition { topic_id: TopicId(topic.id), partition },
        topic: Arc::clone(&topic.name),
        config: config.clone(),
    };
    (0..topic.partitions).map(partition).collect()
}

/// Removes the tombstone of a topic whose data is gone. When it fails, the next start does it.
fn forget(meta: &Arc<RedbMetaStore>, id: TopicId) {
    // The commit is queued by the call; only the wait for it is dropped.
    drop(meta.commit(vec![MetaChange::Remove(MetaKey::Tombstone(id))]));
}

/// Says what recovery found, and lets producer ids be given.
async fn after_recovery(broker: Arc<Broker>, store: Arc<LocalStore>) {
    store.recovered().await;
    let progress = store.recovery();
    for found in &progress.notable {
        if found.failed {
            tracing::error!(topic = %found.topic, partition = found.id.partition, "offline: {}", found.found);
        } else {
            tracing::warn!(topic = %found.topic, partition = found.id.partition, "{}", found.found);
        }
    }
    tracing::info!(
        partitions = progress.total,
        offline = progress.failed,
        scanned_bytes = progress.scanned_bytes,
        "recovered"
    );
    broker.producer_ids.begin_above(store.max_producer_id()).await;
}

fn random_id() -> std::io::Result<TopicId> {
    loop {
        if let Some(id) = TopicId::from_random(random()?) {
            return Ok(id);
        }
    }
}

fn random<const SIZE: usize>() -> std::io::Result<[u8; SIZE]> {
    let mut bytes = [0; SIZE];
    getrandom::fill(&mut bytes).map_err(|error| std::io::Error::other(error.to_string()))?;
    Ok(bytes)
}
