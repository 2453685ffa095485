//! `highwater topic create|list|describe|delete`.

use std::io::Write;

use clap::{Args, Subcommand};
use highwater_wire::messages::create_topics_request::{
    CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use highwater_wire::messages::delete_topics_request::{DeleteTopicState, DeleteTopicsRequest};
use highwater_wire::messages::describe_configs_request::{DescribeConfigsRequest, DescribeConfigsResource};
use highwater_wire::messages::list_offsets_request::{
    ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic,
};
use highwater_wire::messages::metadata_response::MetadataResponseTopic;
use serde_json::json;

use crate::client::offsets::{EARLIEST, LATEST};
use crate::client::{ClientError, Cluster, refuse};

/// `highwater topic …`
#[derive(Debug, Args)]
pub(crate) struct Topic {
    #[command(subcommand)]
    command: TopicCommand,
}

#[derive(Debug, Subcommand)]
enum TopicCommand {
    /// Make a topic
    #[command(
        after_help = "Example: highwater topic create orders --partitions 3 --config retention.ms=86400000"
    )]
    Create {
        /// Its name.
        name: String,
        /// How many partitions; the broker's num.partitions when not given.
        #[arg(long, default_value_t = -1)]
        partitions: i32,
        /// A setting of the topic, NAME=VALUE; may be repeated.
        #[arg(long = "config", value_name = "NAME=VALUE")]
        configs: Vec<String>,
        #[command(flatten)]
        common: Common,
    },
    /// List topics
    #[command(after_help = "Example: highwater topic list --json")]
    List {
        #[command(flatten)]
        common: Common,
    },
    /// Show a topic's partitions, offsets and settings
    #[command(after_help = "Example: highwater topic describe orders")]
    Describe {
        /// Its name.
        name: String,
        #[command(flatten)]
        common: Common,
    },
    /// Delete a topic and all its records
    #[command(after_help = "Example: highwater topic delete orders")]
    Delete {
        /// Its name.
        name: String,
        #[command(flatten)]
        common: Common,
    },
}

/// What every command that talks to a broker takes.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Address of a broker, HOST:PORT; several with commas.
    #[arg(long, env = "HIGHWATER_BOOTSTRAP", default_value = "127.0.0.1:9092")]
    pub(crate) bootstrap: String,
    /// One JSON object a line.
    #[arg(long)]
    pub(crate) json: bool,
}

const TIMEOUT_MS: i32 = 30_000;
const TOPIC_RESOURCE: i8 = 2;

/// Does what the arguments say.
pub(crate) fn run(arguments: &Topic, out: &mut dyn Write) -> Result<(), ClientError> {
    match &arguments.command {
        TopicCommand::Create { name, partitions, configs, common } => {
            create(name, *partitions, configs, common, out)
        }
        TopicCommand::List { common } => list(common, out),
        TopicCommand::Describe { name, common } => describe(name, common, out),
        TopicCommand::Delete { name, common } => delete(name, common, out),
    }
}

fn create(
    name: &str,
    partitions: i32,
    configs: &[String],
    common: &Common,
    out: &mut dyn Write,
) -> Result<(), ClientError> {
    let parse = |text: &String| match text.split_once('=') {
        Some((name, value)) => Ok(CreatableTopicConfig { name: name.into(), value: Some(value.into()) }),
        None => Err(ClientError::Usage(format!("--config {text}: expected NAME=VALUE"))),
    };
    let topic = CreatableTopic {
        name: name.into(),
        num_partitions: partitions,
        replication_factor: -1,
        configs: configs.iter().map(parse).collect::<Result<_, _>>()?,
        ..CreatableTopic::default()
    };
    let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: TIMEOUT_MS, ..Default::default() };
    let answer = Cluster::connect(&common.bootstrap)?.any.call(&request)?;
    for made in &answer.topics {
        refuse(made.error_code, "CreateTopics", made.error_message.as_deref())?;
        let id = made.topic_id.to_string();
        if common.json {
            writeln!(out, "{}", json!({"topic": name, "id": id, "partitions": made.num_partitions}))?;
        } else {
            writeln!(out, "created {name} with {} partitions, id {id}", made.num_partitions)?;
        }
    }
    Ok(())
}

fn list(common: &Common, out: &mut dyn Write) -> Result<(), ClientError> {
    let mut topics = Cluster::connect(&common.bootstrap)?.metadata(None)?.topics;
    topics.sort_by(|one, other| one.name.cmp(&other.name));
    for topic in &topics {
        let (name, partitions) = (topic.name.as_deref().unwrap_or_default(), topic.partitions.len());
        if common.json {
            let id = topic.topic_id.to_string();
            writeln!(out, "{}", json!({"topic": name, "id": id, "partitions": partitions}))?;
        } else {
            writeln!(out, "{name}  {partitions} partitions")?;
        }
    }
    Ok(())
}

fn describe(name: &str, common: &Common, out: &mut dyn Write) -> Result<(), ClientError> {
    let mut cluster = Cluster::connect(&common.bootstrap)?;
    let metadata = cluster.metadata(Some(&[name]))?;
    let topic = metadata.topics.first().ok_or_else(|| ClientError::NoSuchTopic(name.to_owned()))?;
    refuse(topic.error_code, "Metadata", Some(name))?;
    let configs = overrides(&mut cluster, name)?;
    if common.json {
        let partitions = partitions(&mut cluster, name, topic)?.into_iter().map(|partition| {
            json!({"partition": partition.index, "leader": partition.leader, "start": partition.start, "end": partition.end})
        });
        let partitions: Vec<_> = partitions.collect();
        let configs: serde_json::Map<_, _> =
            configs.into_iter().map(|(name, value)| (name, json!(value))).collect();
        let id = topic.topic_id.to_string();
        writeln!(out, "{}", json!({"topic": name, "id": id, "partitions": partitions, "configs": configs}))?;
        return Ok(());
    }
    writeln!(out, "{name}  id {}", topic.topic_id)?;
    for (name, value) in configs {
        writeln!(out, "  {name} = {value}")?;
    }
    for partition in partitions(&mut cluster, name, topic)? {
        writeln!(
            out,
            "  partition {}  leader {}  offsets {}..{}",
            partition.index, partition.leader, partition.start, partition.end
        )?;
    }
    Ok(())
}

/// One partition of a description.
struct Described {
    index: i32,
    leader: i32,
    start: i64,
    end: i64,
}

fn partitions(
    cluster: &mut Cluster,
    name: &str,
    topic: &MetadataResponseTopic,
) -> Result<Vec<Described>, ClientError> {
    let mut described = Vec::new();
    for partition in &topic.partitions {
        let index = partition.partition_index;
        described.push(Described {
            index,
            leader: partition.leader_id,
            start: offset_at(cluster, name, index, EARLIEST)?,
            end: offset_at(cluster, name, index, LATEST)?,
        });
    }
    described.sort_by_key(|partition| partition.index);
    Ok(described)
}

/// The offset of a time (milliseconds), or of -1 (end) and -2 (start); -1 when there is none.
pub(crate) fn offset_at(
    cluster: &mut Cluster,
    topic: &str,
    partition: i32,
    timestamp: i64,
) -> Result<i64, ClientError> {
    let asked = ListOffsetsPartition { partition_index: partition, timestamp, ..Default::default() };
    let request = ListOffsetsRequest {
        replica_id: -1,
        topics: vec![ListOffsetsTopic { name: topic.into(), partitions: vec![asked] }],
        ..ListOffsetsRequest::default()
    };
    let answer = cluster.leader(topic, partition)?.call(&request)?;
    let found = answer.topics.first().and_then(|topic| topic.partitions.first());
    let found = found.ok_or_else(|| ClientError::NoSuchPartition { topic: topic.to_owned(), partition })?;
    refuse(found.error_code, "ListOffsets", None)?;
    Ok(found.offset)
}

/// Settings given for this topic.
fn overrides(cluster: &mut Cluster, name: &str) -> Result<Vec<(String, String)>, ClientError> {
    const TOPIC_SOURCE: i8 = 1;
    let resource = DescribeConfigsResource {
        resource_type: TOPIC_RESOURCE,
        resource_name: name.into(),
        configuration_keys: None,
    };
    let request = DescribeConfigsRequest { resources: vec![resource], ..DescribeConfigsRequest::default() };
    let mut found = Vec::new();
    for result in cluster.any.call(&request)?.results {
        refuse(result.error_code, "DescribeConfigs", result.error_message.as_deref())?;
        let own = result.configs.into_iter().filter(|config| config.config_source == TOPIC_SOURCE);
        found.extend(own.map(|config| {
            (config.name.to_string(), config.value.map(|value| value.to_string()).unwrap_or_default())
        }));
    }
    found.sort();
    Ok(found)
}

fn delete(name: &str, common: &Common, out: &mut dyn Write) -> Result<(), ClientError> {
    let mut cluster = Cluster::connect(&common.bootstrap)?;
    let topics = vec![DeleteTopicState { name: Some(name.into()), ..DeleteTopicState::default() }];
    let request = DeleteTopicsRequest { topics, timeout_ms: TIMEOUT_MS, ..DeleteTopicsRequest::default() };
    for gone in &cluster.any.call(&request)?.responses {
        refuse(gone.error_code, "DeleteTopics", gone.error_message.as_deref())?;
        if common.json {
            writeln!(out, "{}", json!({"deleted": name}))?;
        } else {
            writeln!(out, "deleted {name}")?;
        }
    }
    Ok(())
}
