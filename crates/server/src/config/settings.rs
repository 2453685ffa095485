//! The settings in force: what was given at start under what was changed at run time, and what a topic makes of both.
//!
//! A broker setting has, strongest first, the value changed for this broker, the value changed for the cluster, the value given at
//! start, and the default. A topic setting has the topic's own value, or else that of the broker setting that stands behind it.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;

use super::setting::{Kind, Setting, Value};
use super::topic_table::TopicSetting;
use super::{broker_setting, topic_setting};

/// Where a value comes from, with Kafka's numbers (`DescribeConfigsResponse.ConfigSource`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// Of the topic.
    Topic = 1,
    /// Changed at run time for this broker.
    DynamicBroker = 2,
    /// Changed at run time for the cluster.
    DynamicDefault = 3,
    /// Given at start.
    StaticBroker = 4,
    /// Neither given nor changed.
    Default = 5,
}

impl Source {
    /// Kafka's number.
    pub(crate) fn code(self) -> i8 {
        self as i8
    }
}

/// One value that a setting would have if the stronger ones were not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Synonym {
    /// The setting that has it.
    pub(crate) name: &'static str,
    /// The value.
    pub(crate) value: String,
    /// Where it comes from.
    pub(crate) source: Source,
}

/// The broker's values, immutable; replaced as a whole when a setting is changed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layers {
    /// Given at start.
    pub(crate) given: BTreeMap<String, String>,
    /// Changed for the cluster.
    pub(crate) dynamic_default: BTreeMap<String, String>,
    /// Changed for this broker.
    pub(crate) dynamic_broker: BTreeMap<String, String>,
}

impl Layers {
    /// The values of a broker setting, strongest first.
    pub(crate) fn synonyms(&self, setting: &'static Setting) -> Vec<Synonym> {
        let layers = [
            (self.dynamic_broker.get(setting.name).map(String::as_str), Source::DynamicBroker),
            (self.dynamic_default.get(setting.name).map(String::as_str), Source::DynamicDefault),
            (self.given.get(setting.name).map(String::as_str), Source::StaticBroker),
            (setting.default, Source::Default),
        ];
        let present = layers.into_iter().filter_map(|(value, source)| value.map(|value| (value, source)));
        present
            .map(|(value, source)| Synonym { name: setting.name, value: value.to_owned(), source })
            .collect()
    }

    /// A broker setting's value. A name that is in no table has none.
    pub(crate) fn value(&self, name: &str) -> Value {
        self.present(name).unwrap_or(Value::Null)
    }

    /// A topic setting's value for a topic with these values of its own.
    pub(crate) fn topic_value(&self, setting: &TopicSetting, own: &BTreeMap<String, String>) -> Value {
        if let Some(value) = own.get(setting.setting.name).and_then(|text| setting.setting.parse(text).ok()) {
            return value;
        }
        let inherited = setting.synonyms.iter().find_map(|(name, factor)| self.present_times(name, *factor));
        inherited.or_else(|| default_of(&setting.setting)).unwrap_or(Value::Null)
    }

    /// As [`Layers::topic_value`], by name.
    pub(crate) fn topic_value_of(&self, name: &str, own: &BTreeMap<String, String>) -> Value {
        topic_setting(name).map_or(Value::Null, |setting| self.topic_value(setting, own))
    }

    fn present(&self, name: &str) -> Option<Value> {
        let setting = broker_setting(name)?;
        let text = self
            .dynamic_broker
            .get(name)
            .or_else(|| self.dynamic_default.get(name))
            .or_else(|| self.given.get(name));
        match text {
            Some(text) => setting.parse(text).ok(),
            None => default_of(setting),
        }
    }

    fn present_times(&self, name: &str, factor: i64) -> Option<Value> {
        match self.present(name)? {
            // -1 is "no bound" in every unit.
            Value::Number(number) if number > 0 => Some(Value::Number(number.saturating_mul(factor))),
            other => Some(other),
        }
    }
}

fn default_of(setting: &Setting) -> Option<Value> {
    setting.default.and_then(|text| setting.parse(text).ok())
}

/// A value as Kafka prints it (`ConfigDef.convertToString`); `None` for null.
pub(crate) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::Boolean(boolean) => Some(boolean.to_string()),
        Value::Number(number) => Some(number.to_string()),
        Value::Double(number) => Some(format!("{number:?}")),
        Value::Text(text) => Some(text.clone()),
        Value::List(items) => Some(items.join(",")),
    }
}

/// The settings in force, shared by everything that runs.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    layers: RwLock<Arc<Layers>>,
}

impl Settings {
    /// Settings of these layers.
    pub(crate) fn new(layers: Layers) -> Self {
        Self { layers: RwLock::new(Arc::new(layers)) }
    }

    /// The values in force now.
    pub(crate) fn layers(&self) -> Arc<Layers> {
        Arc::clone(&self.layers.read())
    }

    /// Replaces what was changed at run time.
    pub(crate) fn replace_dynamic(
        &self,
        default: BTreeMap<String, String>,
        broker: BTreeMap<String, String>,
    ) {
        let mut layers = self.layers.write();
        let given = layers.given.clone();
        *layers = Arc::new(Layers { given, dynamic_default: default, dynamic_broker: broker });
    }

    /// A setting of [`Kind::Int`] or [`Kind::Long`]; `None` when it is null.
    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        debug_assert!(
            broker_setting(name).is_some_and(|s| matches!(s.kind, Kind::Int | Kind::Long)),
            "{name}"
        );
        match self.layers.read().value(name) {
            Value::Number(number) => Some(number),
            _ => None,
        }
    }

    /// A number that counts something; negative ones are 0.
    pub(crate) fn count(&self, name: &str) -> u64 {
        u64::try_from(self.number(name).unwrap_or(0)).unwrap_or(0)
    }

    /// A setting of [`Kind::Boolean`].
    pub(crate) fn boolean(&self, name: &str) -> bool {
        debug_assert!(broker_setting(name).is_some_and(|s| s.kind == Kind::Boolean), "{name}");
        self.layers.read().value(name) == Value::Boolean(true)
    }

    /// A setting as text; `None` when it is null.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        text_of(&self.layers.read().value(name))
    }

    /// `fetch.max.bytes`.
    pub(crate) fn fetch_max_bytes(&self) -> u64 {
        self.count("fetch.max.bytes")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
        entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_topic_wins_then_broker_cluster_start_and_default() {
        let none = BTreeMap::new();
        let mut layers = Layers::default();
        let value = |layers: &Layers, own| layers.topic_value_of("retention.ms", own);
        assert_eq!(value(&layers, &none), Value::Number(604_800_000));
        layers.given = map(&[("log.retention.ms", "4")]);
        assert_eq!(value(&layers, &none), Value::Number(4));
        layers.dynamic_default = map(&[("log.retention.ms", "3")]);
        assert_eq!(value(&layers, &none), Value::Number(3));
        layers.dynamic_broker = map(&[("log.retention.ms", "2")]);
        assert_eq!(value(&layers, &none), Value::Number(2));
        assert_eq!(value(&layers, &map(&[("retention.ms", "1")])), Value::Number(1));
        let setting = broker_setting("log.segment.bytes").unwrap();
        assert_eq!(layers.synonyms(setting).len(), 1);
    }

    #[test]
    fn coarser_units_count_only_when_the_finer_one_is_not_given() {
        let none = BTreeMap::new();
        let layers = Layers { given: map(&[("log.retention.hours", "2")]), ..Layers::default() };
        assert_eq!(layers.topic_value_of("retention.ms", &none), Value::Number(7_200_000));
        let layers = Layers {
            given: map(&[("log.retention.hours", "2"), ("log.retention.minutes", "3")]),
            ..Layers::default()
        };
        assert_eq!(layers.topic_value_of("retention.ms", &none), Value::Number(180_000));
        let layers = Layers { given: map(&[("log.retention.hours", "-1")]), ..Layers::default() };
        assert_eq!(layers.topic_value_of("retention.ms", &none), Value::Number(-1));
    }

    #[test]
    fn the_defaults_of_topic_and_broker_tables_agree() {
        for setting in super::super::TOPIC_SETTINGS {
            let inherited = Layers::default().topic_value(setting, &BTreeMap::new());
            assert_eq!(
                Some(inherited).filter(|v| *v != Value::Null),
                default_of(&setting.setting),
                "{setting:?}"
            );
            for (name, _) in setting.synonyms {
                assert!(broker_setting(name).is_some(), "{name}");
            }
        }
    }

    #[test]
    fn every_default_passes_its_own_check() {
        let topic = super::super::TOPIC_SETTINGS.iter().map(|known| &known.setting);
        for setting in topic.chain(super::super::BROKER_SETTINGS) {
            if let Some(default) = setting.default {
                let value = setting.parse(default).unwrap();
                assert_eq!(text_of(&value).as_deref(), Some(default), "{}", setting.name);
            }
        }
    }
}
