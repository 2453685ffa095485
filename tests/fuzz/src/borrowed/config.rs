//! Of `crates/server/src/config`: what reads and checks settings.

#[path = "../../../../crates/server/src/config/broker_table.rs"]
mod broker_table;
#[path = "../../../../crates/server/src/config/ignored.rs"]
mod ignored;
#[path = "../../../../crates/server/src/config/load.rs"]
mod load;
#[path = "../../../../crates/server/src/config/log_config.rs"]
mod log_config;
#[path = "../../../../crates/server/src/config/properties.rs"]
pub(crate) mod properties;
#[path = "../../../../crates/server/src/config/setting.rs"]
mod setting;
#[path = "../../../../crates/server/src/config/settings.rs"]
mod settings;
#[path = "../../../../crates/server/src/config/topic_table.rs"]
mod topic_table;

pub(crate) use broker_table::{BROKER_SETTINGS, broker_setting};
pub(crate) use load::{ConfigError, StaticConfig};
pub(crate) use log_config::{InvalidTopicConfig, check_topic, log_config};
pub(crate) use setting::{Kind, Update, Value};
pub(crate) use settings::{Layers, Settings};
pub(crate) use topic_table::{TOPIC_SETTINGS, topic_setting};
