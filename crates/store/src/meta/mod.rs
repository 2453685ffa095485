//! Everything but records: typed, versioned, independent of the engine that keeps it.
//!
//! | part | bytes |
//! |---|---|
//! | key | a type tag of one byte, then the fields that name the record, so that keys sort by type and then by field |
//! | value | a version of one byte, then the body in postcard |
//!
//! A new field means a new version beside the old one, which stays readable. A new type of record is one line in
//! `meta_records!` and its body in `records.rs`.

mod encoding;
mod records;

use std::sync::Arc;

use highwater_types::TopicId;

use crate::{BoxFuture, MetaError, MetaStatistics};
use encoding::KeyField;

pub use records::{
    BadBody, BrokerConfigRecord, ClassicGroupRecord, ClassicMemberRecord, ClusterRecord, FeatureRecord,
    GroupRecord, GroupStateRecord, OffsetKey, OffsetRecord, ProducerIdsRecord, RecordBody, TombstoneRecord,
    TopicRecord,
};

/// Where metadata is kept.
pub trait MetaStore: Send + Sync + 'static {
    /// Every record, in the order of its keys. Called once, at start.
    ///
    /// # Errors
    /// [`MetaError::Corrupt`] naming the record; [`MetaError::Failed`].
    fn load(&self) -> Result<Vec<MetaRecord>, MetaError>;

    /// Applies all of `changes` or none. Commits take effect in the order of the calls; many that wait share one
    /// durable write. When it resolves, the change survives a power loss.
    fn commit(&self, changes: Vec<MetaChange>) -> BoxFuture<'static, Result<(), MetaError>>;

    /// What it has counted; `None` when it counts nothing.
    fn statistics(&self) -> Option<&MetaStatistics> {
        None
    }
}

/// One change of a commit.
#[derive(Debug, Clone, PartialEq)]
pub enum MetaChange {
    /// Writes a record, replacing the one of the same key.
    Put(MetaRecord),
    /// Removes a record, if it is there.
    Remove(MetaKey),
}

/// Makes [`MetaKey`] and [`MetaRecord`] from one table: `tag => Name(Body) [by field: Type = how the body gives it];`.
/// A tag is on disk for ever and never given to another type.
macro_rules! meta_records {
    ($($(#[$doc:meta])* $tag:literal => $name:ident($body:ty) $(by $field:ident: $key:ty = $of:expr)?;)*) => {
        /// Names a record.
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum MetaKey {
            $($(#[$doc])* $name $(($key))?,)*
        }

        /// A record.
        #[derive(Debug, Clone, PartialEq)]
        pub enum MetaRecord {
            $($(#[$doc])* $name($body),)*
        }

        impl MetaKey {
            /// The key's bytes.
            pub fn encode(&self) -> Vec<u8> {
                let mut bytes = Vec::new();
                match self {
                    $(Self::$name $(($field))? => {
                        bytes.push($tag);
                        $($field.write(&mut bytes);)?
                    })*
                }
                bytes
            }

            /// Reads what [`MetaKey::encode`] wrote.
            ///
            /// # Errors
            /// [`MetaError::Corrupt`] with the bytes in hexadecimal.
            pub fn decode(bytes: &[u8]) -> Result<Self, MetaError> {
                Self::parse(bytes).ok_or_else(|| encoding::bad_key(bytes))
            }

            fn parse(bytes: &[u8]) -> Option<Self> {
                let (tag, rest) = bytes.split_first()?;
                let mut rest = rest;
                let key = match tag {
                    $($tag => Self::$name $((<$key>::read(&mut rest)?))?,)*
                    _ => return None,
                };
                rest.is_empty().then_some(key)
            }
        }

        impl MetaRecord {
            /// What names it.
            pub fn key(&self) -> MetaKey {
                match self {
                    $(Self::$name(_body) => MetaKey::$name $(({
                        let of: fn(&$body) -> $key = $of;
                        of(_body)
                    }))?,)*
                }
            }

            /// The value's bytes.
            ///
            /// # Errors
            /// [`MetaError::Corrupt`] when the body cannot be written, which no body of ours is.
            pub fn encode(&self) -> Result<Vec<u8>, MetaError> {
                match self {
                    $(Self::$name(body) => encoding::encode_body(body),)*
                }
                .ok_or_else(|| encoding::bad_body(&self.key(), "it cannot be encoded"))
            }

            /// Reads the record of a key.
            ///
            /// # Errors
            /// [`MetaError::Corrupt`] naming the record: an unknown version, a body that is not one, or one that
            /// belongs to another key.
            pub fn decode(key: &MetaKey, value: &[u8]) -> Result<Self, MetaError> {
                let record = match key {
                    $(MetaKey::$name { .. } => encoding::decode_body(value).map(Self::$name),)*
                };
                let record = record.map_err(|cause| encoding::bad_body(key, cause))?;
                if record.key() == *key {
                    Ok(record)
                } else {
                    Err(encoding::bad_body(key, format_args!("it says that it is {:?}", record.key())))
                }
            }
        }
    };
}

meta_records! {
    /// Identity of the cluster and of this node: there is one.
    1 => Cluster(ClusterRecord);
    /// A topic.
    2 => Topic(TopicRecord) by id: TopicId = |record| TopicId(record.id);
    /// A topic whose data is still to be removed.
    3 => Tombstone(TombstoneRecord) by id: TopicId = |record| TopicId(record.id);
    /// How far producer ids were reserved: there is one.
    4 => ProducerIds(ProducerIdsRecord);
    /// Settings changed at run time: of the broker with that id, or the cluster's default when empty.
    5 => BrokerConfig(BrokerConfigRecord) by broker: String = |record| record.broker.clone();
    /// A finalized feature level (KIP-584).
    6 => Feature(FeatureRecord) by name: String = |record| record.name.clone();
    /// A group.
    7 => Group(GroupRecord) by group_id: Arc<str> = |record| Arc::clone(&record.group_id);
    /// A committed offset.
    8 => Offset(OffsetRecord) by key: OffsetKey = OffsetRecord::key;
}
