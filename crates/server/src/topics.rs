//! The topics in memory, by name and by id. Changes go through [`crate::topic_changes`]; here is what everybody reads.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use highwater_store::meta::TopicRecord;
use highwater_types::TopicId;
use parking_lot::RwLock;

use crate::config::{Layers, Value};
use crate::topic_name::folded;
pub(crate) use crate::topic_name::is_reserved;

/// A topic that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Topic {
    /// Its identity.
    pub(crate) id: TopicId,
    /// Its name.
    pub(crate) name: Arc<str>,
    /// How many partitions it has, numbered from 0.
    pub(crate) partitions: i32,
    /// Settings given for it.
    pub(crate) configs: BTreeMap<String, String>,
}

impl Topic {
    /// The value in force of a topic setting: its own, or else the broker's.
    pub(crate) fn config(&self, layers: &Layers, name: &str) -> Value {
        layers.topic_value_of(name, &self.configs)
    }

    /// The metadata record that makes it exist.
    pub(crate) fn record(&self) -> TopicRecord {
        TopicRecord {
            id: self.id.0,
            name: Arc::clone(&self.name),
            partitions: self.partitions,
            configs: self.configs.clone(),
        }
    }
}

impl From<TopicRecord> for Topic {
    fn from(record: TopicRecord) -> Self {
        Self {
            id: TopicId(record.id),
            name: record.name,
            partitions: record.partitions,
            configs: record.configs,
        }
    }
}

/// All topics.
#[derive(Debug, Default)]
pub(crate) struct Topics {
    image: RwLock<Image>,
}

#[derive(Debug, Default)]
struct Image {
    by_name: BTreeMap<Arc<str>, Arc<Topic>>,
    by_id: HashMap<TopicId, Arc<Topic>>,
    by_folded_name: HashMap<String, Arc<str>>,
}

impl Topics {
    /// The topics of these records.
    pub(crate) fn new(records: impl IntoIterator<Item = TopicRecord>) -> Self {
        let topics = Self::default();
        records.into_iter().for_each(|record| topics.put(record.into()));
        topics
    }

    /// A topic by name.
    pub(crate) fn by_name(&self, name: &str) -> Option<Arc<Topic>> {
        self.image.read().by_name.get(name).cloned()
    }

    /// A topic by id.
    pub(crate) fn by_id(&self, id: TopicId) -> Option<Arc<Topic>> {
        self.image.read().by_id.get(&id).cloned()
    }

    /// Every topic, by name.
    pub(crate) fn all(&self) -> Vec<Arc<Topic>> {
        self.image.read().by_name.values().cloned().collect()
    }

    /// The topic whose name differs from `name` only by `.` and `_`, or not at all.
    pub(crate) fn colliding(&self, name: &str) -> Option<Arc<str>> {
        self.image.read().by_folded_name.get(&folded(name)).cloned()
    }

    /// Adds a topic, or replaces the one of the same id.
    pub(crate) fn put(&self, topic: Topic) {
        let topic = Arc::new(topic);
        let mut image = self.image.write();
        image.by_folded_name.insert(folded(&topic.name), Arc::clone(&topic.name));
        image.by_id.insert(topic.id, Arc::clone(&topic));
        image.by_name.insert(Arc::clone(&topic.name), topic);
    }

    /// Takes a topic out.
    pub(crate) fn remove(&self, id: TopicId) {
        let mut image = self.image.write();
        if let Some(topic) = image.by_id.remove(&id) {
            image.by_name.remove(&topic.name);
            image.by_folded_name.remove(&folded(&topic.name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topic(byte: u8, name: &str) -> Topic {
        Topic { id: TopicId([byte; 16]), name: name.into(), partitions: 1, configs: BTreeMap::new() }
    }

    #[test]
    fn a_topic_is_found_by_name_and_id_until_it_is_removed() {
        let topics = Topics::default();
        topics.put(topic(1, "b.c"));
        topics.put(topic(2, "a"));
        let names: Vec<_> = topics.all().iter().map(|topic| topic.name.to_string()).collect();
        assert_eq!(names, ["a", "b.c"]);
        assert_eq!(topics.by_id(TopicId([1; 16])), topics.by_name("b.c"));
        assert_eq!(topics.colliding("b_c").as_deref(), Some("b.c"));
        topics.remove(TopicId([1; 16]));
        assert!(topics.by_name("b.c").is_none() && topics.by_id(TopicId([1; 16])).is_none());
        assert!(topics.colliding("b_c").is_none());
    }

    #[test]
    fn a_topic_without_a_setting_of_its_own_has_the_brokers() {
        let given = [("compression.type".to_owned(), "zstd".to_owned())].into();
        let layers = Layers { given, ..Layers::default() };
        let mut topic = topic(1, "a");
        assert_eq!(topic.config(&layers, "compression.type"), Value::Text("zstd".to_owned()));
        topic.configs.insert("compression.type".to_owned(), "lz4".to_owned());
        assert_eq!(topic.config(&layers, "compression.type"), Value::Text("lz4".to_owned()));
    }
}
