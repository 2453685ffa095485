//! The one registry of settings: behind flags, environment, file, CreateTopics, DescribeConfigs, AlterConfigs and the printed
//! documentation. Names, types, defaults and ranges are Kafka's wherever Kafka has the setting.

mod broker_table;
mod describe;
mod ignored;
mod load;
mod log_config;
pub(crate) mod print;
mod properties;
mod resource;
mod setting;
mod settings;
mod topic_table;

pub(crate) use broker_table::{BROKER_SETTINGS, broker_setting};
pub(crate) use describe::{Entry, broker_entries, cluster_default_entries, topic_entries};
pub(crate) use load::{ConfigError, StaticConfig};
pub(crate) use log_config::{InvalidTopicConfig, check_topic, log_config};
pub(crate) use resource::ConfigTarget;
pub(crate) use setting::{Kind, Update, Value};
pub(crate) use settings::{Layers, Settings};
pub(crate) use topic_table::{TOPIC_SETTINGS, topic_setting};
