//! What can go wrong between a tool and a broker, in words for the person at the terminal.

use std::fmt;
use std::io;

use highwater_wire::frame::BadFrameSize;
use highwater_wire::{DecodeError, EncodeError};

/// Why a tool could not do its work.
#[derive(Debug)]
pub(crate) enum ClientError {
    /// No address was given.
    NoBootstrap,
    /// Nobody answers there.
    Connect { address: String, source: io::Error },
    /// The connection broke.
    Lost { address: String, source: io::Error },
    /// The broker sent a frame of an impossible size.
    BadFrame { address: String, source: BadFrameSize },
    /// The broker answered another request than the one asked.
    OutOfStep { address: String },
    /// The broker does not serve what is needed.
    NotServed { api: &'static str },
    /// The request cannot be said in the version that both sides know.
    Encode { api: &'static str, source: EncodeError },
    /// The answer cannot be read.
    Decode { api: &'static str, source: DecodeError },
    /// The broker said no.
    Refused { api: &'static str, name: String, message: String },
    /// There is no such topic.
    NoSuchTopic(String),
    /// There is no such partition.
    NoSuchPartition { topic: String, partition: i32 },
    /// Nobody leads the partition at the moment.
    NoLeader { topic: String, partition: i32 },
    /// The log does not have what was asked for.
    OutOfRange { topic: String, partition: i32 },
    /// There is no such group.
    NoSuchGroup(String),
    /// The group is of a protocol that the tools do not speak.
    NotClassic { group: String, kind: String },
    /// The group is in use.
    HasMembers { group: String, state: String, members: usize },
    /// The broker tells us things about the group that cannot be.
    BadGroup { group: String, cause: &'static str },
    /// What was fetched is damaged.
    Damaged { topic: String, partition: i32, cause: String },
    /// Reading standard input or writing standard output failed.
    Terminal(io::Error),
    /// An argument does not make sense.
    Usage(String),
}

impl ClientError {
    /// Whether the reader of our output went away, which is no failure of ours.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Terminal(source) if source.kind() == io::ErrorKind::BrokenPipe)
    }

    /// Whether it may be over when the broker is back.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::Connect { .. } | Self::Lost { .. } | Self::NoLeader { .. })
    }

    /// Whether other groups may still be dealt with.
    pub(crate) fn is_about_one_group(&self) -> bool {
        matches!(
            self,
            Self::NoSuchGroup(_)
                | Self::NotClassic { .. }
                | Self::HasMembers { .. }
                | Self::BadGroup { .. }
                | Self::Refused { .. }
        )
    }
}

impl From<io::Error> for ClientError {
    fn from(source: io::Error) -> Self {
        Self::Terminal(source)
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBootstrap => f.write_str("no address given: say --bootstrap HOST:PORT"),
            Self::Connect { address, source } => write!(f, "cannot connect to {address}: {source}"),
            Self::Lost { address, source } => write!(f, "lost the connection to {address}: {source}"),
            Self::BadFrame { address, source } => {
                write!(f, "{address} does not speak Kafka's protocol: {source}")
            }
            Self::OutOfStep { address } => write!(f, "{address} answered another request"),
            Self::NotServed { api } => write!(f, "the broker does not serve {api} in a version known here"),
            Self::Encode { api, source } => write!(f, "{api}: {source}"),
            Self::Decode { api, source } => write!(f, "the answer to {api} cannot be read: {source}"),
            Self::Refused { api, name, message } => write!(f, "{api}: {name}: {message}"),
            Self::NoSuchTopic(topic) => write!(f, "there is no topic {topic}"),
            Self::NoSuchPartition { topic, partition } => {
                write!(f, "topic {topic} has no partition {partition}")
            }
            Self::NoLeader { topic, partition } => {
                write!(f, "{topic}-{partition} has no leader at the moment")
            }
            Self::OutOfRange { topic, partition } => {
                write!(f, "{topic}-{partition}: the offset is not in the log")
            }
            Self::NoSuchGroup(group) => write!(f, "there is no group {group}"),
            Self::NotClassic { group, kind } => {
                write!(f, "group {group} is of type {kind}; only classic groups are supported here")
            }
            Self::HasMembers { group, state, members } => {
                write!(
                    f,
                    "group {group} is in use (state {state}, {members} members): stop its consumers first"
                )
            }
            Self::BadGroup { group, cause } => write!(f, "group {group}: {cause}"),
            Self::Damaged { topic, partition, cause } => write!(f, "{topic}-{partition}: {cause}"),
            Self::Terminal(source) => source.fmt(f),
            Self::Usage(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for ClientError {}
