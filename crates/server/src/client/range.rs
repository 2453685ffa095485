//! The assignor `range`, as Kafka's: for each topic the members that want it, in order, get consecutive partitions, the
//! first ones one more where it does not come out even. Members with an instance id stand first, by that id, so that static
//! members keep their partitions over restarts; the others stand by member id.

use std::collections::BTreeMap;

use super::consumer_protocol::Assignment;

/// The assignor's name in JoinGroup.
pub(crate) const NAME: &str = "range";

/// A member as the leader of a group sees it.
#[derive(Debug, Clone)]
pub(crate) struct Subscriber {
    /// Its id, given by the coordinator.
    pub(crate) member_id: String,
    /// Its name of its own, if it is a static member.
    pub(crate) instance_id: Option<String>,
    /// What it wants.
    pub(crate) topics: Vec<String>,
}

/// Who gets what: an entry for each subscriber, in their order. `partitions` are those that exist, by topic; topics that are not there
/// are nobody's.
pub(crate) fn assign(subscribers: &[Subscriber], partitions: &BTreeMap<String, Vec<i32>>) -> Vec<Assignment> {
    let mut order: Vec<usize> = (0..subscribers.len()).collect();
    order.sort_by_key(|index| subscribers.get(*index).map(place));
    let mut assignments = vec![Assignment::new(); subscribers.len()];
    for (topic, partitions) in partitions {
        let wants = |index: &&usize| subscribers.get(**index).is_some_and(|one| one.topics.contains(topic));
        let takers: Vec<usize> = order.iter().filter(wants).copied().collect();
        let (each, extra) = match takers.len() {
            0 => continue,
            takers => (partitions.len() / takers, partitions.len() % takers),
        };
        let mut rest = partitions.as_slice();
        for (place, index) in takers.into_iter().enumerate() {
            let (mine, others) = rest.split_at(each + usize::from(place < extra));
            rest = others;
            if let Some(assignment) = assignments.get_mut(index).filter(|_| !mine.is_empty()) {
                assignment.insert(topic.clone(), mine.to_vec());
            }
        }
    }
    assignments
}

/// Static members first.
fn place(subscriber: &Subscriber) -> (bool, Option<&str>, &str) {
    (subscriber.instance_id.is_none(), subscriber.instance_id.as_deref(), &subscriber.member_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscriber(member_id: &str, instance_id: Option<&str>, topics: &[&str]) -> Subscriber {
        Subscriber {
            member_id: member_id.to_owned(),
            instance_id: instance_id.map(str::to_owned),
            topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
        }
    }

    fn partitions(counts: &[(&str, i32)]) -> BTreeMap<String, Vec<i32>> {
        counts.iter().map(|(topic, count)| ((*topic).to_owned(), (0..*count).collect())).collect()
    }

    fn of(topic: &str, partitions: &[i32]) -> Assignment {
        Assignment::from([(topic.to_owned(), partitions.to_vec())])
    }

    #[test]
    fn the_first_members_get_what_does_not_come_out_even() {
        let members = [subscriber("b", None, &["t"]), subscriber("a", None, &["t"])];
        let assigned = assign(&members, &partitions(&[("t", 3)]));
        assert_eq!(assigned, [of("t", &[2]), of("t", &[0, 1])]);
    }

    #[test]
    fn members_beyond_the_partitions_get_nothing() {
        let members = [subscriber("a", None, &["t"]), subscriber("b", None, &["t"])];
        assert_eq!(assign(&members, &partitions(&[("t", 1)])), [of("t", &[0]), Assignment::new()]);
    }

    #[test]
    fn only_those_who_want_a_topic_share_it() {
        let members = [subscriber("a", None, &["t", "gone"]), subscriber("b", None, &["u"])];
        let assigned = assign(&members, &partitions(&[("t", 2), ("u", 1)]));
        assert_eq!(assigned, [of("t", &[0, 1]), of("u", &[0])]);
    }

    #[test]
    fn static_members_come_first_in_the_order_of_their_names() {
        let members = [
            subscriber("a", None, &["t"]),
            subscriber("z", Some("one"), &["t"]),
            subscriber("y", Some("two"), &["t"]),
        ];
        let assigned = assign(&members, &partitions(&[("t", 3)]));
        assert_eq!(assigned, [of("t", &[2]), of("t", &[0]), of("t", &[1])]);
    }

    #[test]
    fn each_partition_has_one_owner() {
        for members in 1..9 {
            let subscribers: Vec<_> =
                (0..members).map(|n| subscriber(&n.to_string(), None, &["t"])).collect();
            for count in 0..20 {
                let assigned = assign(&subscribers, &partitions(&[("t", count)]));
                let mut all: Vec<i32> =
                    assigned.iter().flat_map(|one| one.values().flatten()).copied().collect();
                all.sort_unstable();
                assert_eq!(all, (0..count).collect::<Vec<_>>(), "{members} members, {count} partitions");
                let sizes: Vec<usize> = assigned.iter().map(|one| one.values().map(Vec::len).sum()).collect();
                assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
            }
        }
    }
}
