//! The broker: listeners, connections, dispatch, one handler file per Kafka API, the registry of settings and the command
//! line. How records are kept is behind [`highwater_store`].

mod api_table;
mod authorize;
mod broker;
pub mod cli;
mod client;
mod clock;
mod config;
mod connection;
mod dispatch;
mod error_code;
mod features;
mod fetch_session;
mod groups;
mod handlers;
mod http;
mod listener;
mod local;
mod metrics;
mod not_served;
mod procfs;
mod producer_ids;
mod rate_limit;
mod reply;
mod request;
mod server;
mod status;
#[cfg(test)]
mod testing;
mod topic_changes;
mod topic_name;
mod topics;
mod workers;
