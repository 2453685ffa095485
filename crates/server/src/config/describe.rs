//! What DescribeConfigs says of a topic's and a broker's settings, as `ConfigHelper` of Kafka says it.

use std::collections::BTreeMap;

use super::setting::{Kind, Setting, Update};
use super::settings::{Layers, Source, Synonym, text_of};
use super::topic_table::TopicSetting;
use super::{BROKER_SETTINGS, TOPIC_SETTINGS, broker_setting};

/// One described setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its value in force; `None` is null.
    pub(crate) value: Option<String>,
    /// Where the value comes from.
    pub(crate) source: Source,
    /// Whether it can only be changed at the next start.
    pub(crate) read_only: bool,
    /// Every value that it has or would have, strongest first.
    pub(crate) synonyms: Vec<Synonym>,
    /// Its type.
    pub(crate) kind: Kind,
    /// What it does.
    pub(crate) documentation: &'static str,
}

/// A topic's settings, without the internal ones.
pub(crate) fn topic_entries(layers: &Layers, own: &BTreeMap<String, String>) -> Vec<Entry> {
    TOPIC_SETTINGS
        .iter()
        .filter(|known| !known.setting.internal)
        .map(|known| topic_entry(layers, own, known))
        .collect()
}

fn topic_entry(layers: &Layers, own: &BTreeMap<String, String>, known: &TopicSetting) -> Entry {
    let setting = &known.setting;
    let value = text_of(&layers.topic_value(known, own));
    let mut synonyms = inherited(layers, known);
    if own.contains_key(setting.name) {
        let value = value.clone().unwrap_or_default();
        synonyms.insert(0, Synonym { name: setting.name, value, source: Source::Topic });
    }
    entry(setting, value, synonyms, false)
}

/// The values of the broker settings behind a topic setting, layer by layer. Kafka shows none as long as the first of
/// these settings has no value of its own, even where a coarser one decides.
fn inherited(layers: &Layers, known: &TopicSetting) -> Vec<Synonym> {
    let settings = known.synonyms.iter().filter_map(|(name, _)| broker_setting(name));
    let values: Vec<_> = settings.map(|setting| layers.synonyms(setting)).collect();
    if values.first().is_none_or(Vec::is_empty) {
        return Vec::new();
    }
    let mut all: Vec<_> = values.into_iter().flatten().collect();
    all.sort_by_key(|synonym| synonym.source.code());
    all
}

/// A broker's settings.
pub(crate) fn broker_entries(layers: &Layers) -> Vec<Entry> {
    let described = BROKER_SETTINGS.iter().filter(|setting| !setting.internal).map(|setting| {
        let value = text_of(&layers.value(setting.name));
        let mut synonyms = layers.synonyms(setting);
        if setting.name == "node.id" && !layers.given.contains_key(setting.name) {
            // Kafka has no default for it: there it is always given.
            synonyms.iter_mut().for_each(|synonym| synonym.source = Source::StaticBroker);
        }
        entry(setting, value, synonyms, setting.update == Update::ReadOnly)
    });
    described.collect()
}

/// The settings that were changed for the whole cluster.
pub(crate) fn cluster_default_entries(layers: &Layers) -> Vec<Entry> {
    let changed = layers.dynamic_default.iter().filter_map(|(name, value)| {
        let setting = broker_setting(name)?;
        let synonym = Synonym { name: setting.name, value: value.clone(), source: Source::DynamicDefault };
        Some(entry(setting, Some(value.clone()), vec![synonym], setting.update == Update::ReadOnly))
    });
    changed.collect()
}

fn entry(setting: &Setting, value: Option<String>, synonyms: Vec<Synonym>, read_only: bool) -> Entry {
    let source = synonyms.first().map_or(Source::Default, |first| first.source);
    let (name, kind, documentation) = (setting.name, setting.kind, setting.documentation);
    Entry { name, value, source, read_only, synonyms, kind, documentation }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
        entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn find(entries: &[Entry], name: &str) -> Entry {
        entries.iter().find(|entry| entry.name == name).unwrap().clone()
    }

    #[test]
    fn a_topic_shows_33_settings_as_kafka_does() {
        let entries = topic_entries(&Layers::default(), &BTreeMap::new());
        assert_eq!(entries.len(), 33);
        assert!(entries.iter().all(|entry| entry.source == Source::Default && !entry.read_only));
        assert!(find(&entries, "retention.ms").synonyms.is_empty());
        assert_eq!(find(&entries, "segment.bytes").synonyms[0].name, "log.segment.bytes");
        assert!(find(&entries, "remote.storage.enable").synonyms.is_empty());
    }

    #[test]
    fn synonyms_come_strongest_first_and_the_first_is_the_source() {
        let layers = Layers {
            given: map(&[("log.cleanup.policy", "compact")]),
            dynamic_default: map(&[("log.cleanup.policy", "compact,delete")]),
            ..Layers::default()
        };
        let entry = find(&topic_entries(&layers, &map(&[("cleanup.policy", "delete")])), "cleanup.policy");
        let shown: Vec<_> =
            entry.synonyms.iter().map(|s| (s.name, s.value.as_str(), s.source.code())).collect();
        let expected = [
            ("cleanup.policy", "delete", 1),
            ("log.cleanup.policy", "compact,delete", 3),
            ("log.cleanup.policy", "compact", 4),
            ("log.cleanup.policy", "delete", 5),
        ];
        assert_eq!(shown, expected);
        assert_eq!((entry.source, entry.value.as_deref()), (Source::Topic, Some("delete")));
        let changed = Layers { dynamic_broker: map(&[("log.retention.ms", "5")]), ..Layers::default() };
        let entry = find(&topic_entries(&changed, &BTreeMap::new()), "retention.ms");
        let shown: Vec<_> = entry.synonyms.iter().map(|s| (s.name, s.source.code())).collect();
        assert_eq!(shown, [("log.retention.ms", 2), ("log.retention.hours", 5)]);
        assert_eq!(cluster_default_entries(&layers).len(), 1);
    }

    #[test]
    fn a_broker_tells_what_can_be_changed_at_run_time() {
        let entries = broker_entries(&Layers::default());
        assert!(find(&entries, "node.id").read_only);
        assert_eq!(find(&entries, "node.id").source, Source::StaticBroker);
        assert!(!find(&entries, "log.retention.ms").read_only);
        assert_eq!(find(&entries, "log.retention.ms").value, None);
    }
}
