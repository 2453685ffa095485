//! `--topic T[:P,…]`: which partitions are meant.

use std::collections::BTreeSet;

use crate::client::offsets::TopicPartition;
use crate::client::{ClientError, Cluster};

/// Resolves `--topic` arguments; a topic without numbers means all its partitions. Sorted, each once.
///
/// # Errors
/// [`ClientError::Usage`] for what is no number, [`ClientError::NoSuchPartition`], and what asking for the topic says.
pub(super) fn named(cluster: &mut Cluster, topics: &[String]) -> Result<Vec<TopicPartition>, ClientError> {
    let mut found = BTreeSet::new();
    for argument in topics {
        let (name, wanted) = parse(argument)?;
        let existing = cluster.topic(name)?.partitions;
        let existing: Vec<i32> = existing.iter().map(|partition| partition.partition_index).collect();
        for partition in wanted.unwrap_or_else(|| existing.clone()) {
            if !existing.contains(&partition) {
                return Err(ClientError::NoSuchPartition { topic: name.to_owned(), partition });
            }
            found.insert((name.to_owned(), partition));
        }
    }
    Ok(found.into_iter().collect())
}

/// `orders:0,3` as a name and numbers; `None` for all.
pub(super) fn parse(argument: &str) -> Result<(&str, Option<Vec<i32>>), ClientError> {
    let Some((name, numbers)) = argument.split_once(':') else { return Ok((argument, None)) };
    let number = |text: &str| text.trim().parse().ok().filter(|number: &i32| *number >= 0);
    let numbers: Option<Vec<i32>> = numbers.split(',').map(number).collect();
    match numbers {
        Some(numbers) if !name.is_empty() => Ok((name, Some(numbers))),
        _ => Err(ClientError::Usage(format!("--topic {argument}: expected TOPIC or TOPIC:PARTITION,…"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_may_name_its_partitions() {
        assert_eq!(parse("orders").unwrap(), ("orders", None));
        assert_eq!(parse("orders:0, 3").unwrap(), ("orders", Some(vec![0, 3])));
        for wrong in ["orders:", "orders:a", "orders:-1", ":1", "orders:1,"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
