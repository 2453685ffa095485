//! When offsets expire, and with the last of them their group.
//!
//! | group | an offset is too old |
//! |---|---|
//! | without members | `offsets.retention.minutes` after the last member left |
//! | that never had members | `offsets.retention.minutes` after its commit |
//! | stable, of consumers | as long after its commit, if nobody subscribes to its topic |
//! | any other | never |
//!
//! A commit that set its own retention (v2–4) counts from the commit instead. What has a commit on the way stays.

use highwater_types::{Timestamp, TopicIdPartition};

use crate::classic::ClassicGroup;
use crate::offsets::{CommittedOffset, Offsets};
use crate::{GroupConfig, GroupState};

/// The offsets of a group that are too old.
pub(crate) fn expired(
    group: &ClassicGroup,
    offsets: &Offsets,
    now: Timestamp,
    config: &GroupConfig,
) -> Vec<TopicIdPartition> {
    let may_expire = match group.state() {
        _ if group.protocol_type().is_none() => true,
        GroupState::Empty => true,
        GroupState::Stable => group.is_of_consumers() && group.knows_subscriptions(),
        GroupState::PreparingRebalance | GroupState::CompletingRebalance => false,
    };
    if !may_expire {
        return Vec::new();
    }
    let counts_from = |offset: &CommittedOffset| match group.since() {
        Some(since) if group.protocol_type().is_some() && group.state() == GroupState::Empty => since,
        _ => offset.committed_at,
    };
    let is_too_old = |offset: &CommittedOffset| match offset.expires_at {
        Some(at) => now >= at,
        None => now.0.saturating_sub(counts_from(offset).0) >= config.offsets_retention_ms,
    };
    let unwanted = offsets.settled().filter(|(_, offset)| !group.is_subscribed_to(&offset.topic));
    unwanted.filter(|(_, offset)| is_too_old(offset)).map(|(partition, _)| partition).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{GROUP, World, commit_request, leave, partition};
    use crate::{OffsetCommit, Request};

    const HOUR_MS: u64 = 3_600_000;

    /// A world where offsets are kept for two hours and looked at every ten minutes.
    fn world() -> World {
        World::with(GroupConfig { offsets_retention_ms: 7_200_000, ..GroupConfig::default() })
    }

    fn is_there(world: &World) -> bool {
        world.groups.fetch_offset(GROUP, partition(0)).is_some()
    }

    #[test]
    fn offsets_of_a_simple_group_expire_from_their_commit_and_the_group_with_them() {
        let mut world = world();
        world.commit("", -1, 5);
        world.pass_ms(HOUR_MS);
        world.commit("", -1, 5);
        world.pass_ms(2 * HOUR_MS - 1);
        assert!(is_there(&world));
        world.pass_ms(1);
        assert!(!is_there(&world) && world.groups.describe(GROUP).is_none() && world.store.is_empty());
        world.pass_ms(HOUR_MS);
        assert_eq!(world.groups.next_due(), None, "nothing is left to be looked at");
    }

    #[test]
    fn offsets_of_a_group_expire_from_when_it_became_empty() {
        let mut world = world();
        let members = world.stable(1);
        world.commit(&members[0], 1, 5);
        for _ in 0..1_000 {
            world.pass_ms(9_000);
            world.heartbeat(&members[0], 1);
        }
        world.send(leave(&[(&members[0], None)]));
        world.pass_ms(HOUR_MS);
        world.restart(GroupConfig { offsets_retention_ms: 7_200_000, ..GroupConfig::default() });
        world.pass_ms(HOUR_MS - 1);
        assert!(is_there(&world));
        world.pass_ms(600_001);
        assert!(!is_there(&world) && world.store.is_empty());
    }

    #[test]
    fn a_group_that_is_empty_and_has_no_offsets_goes_with_the_next_look() {
        let mut world = world();
        let members = world.stable(1);
        world.send(leave(&[(&members[0], None)]));
        assert_eq!(world.store.len(), 1);
        world.pass_ms(600_000);
        assert!(world.groups.describe(GROUP).is_none() && world.store.is_empty());
    }

    #[test]
    fn live_consumers_keep_the_offsets_of_what_they_read_and_lose_the_others() {
        let mut world = world();
        let members = world.stable(1);
        let mut request = commit_request(&members[0], 1, 5);
        let mut other = request.offsets[0].clone();
        (other.partition, other.topic) = (partition(1), "unread".into());
        request.offsets.push(other);
        world.send(Request::Commit(request));
        for _ in 0..1_000 {
            world.pass_ms(9_000);
            world.heartbeat(&members[0], 1);
        }
        assert!(is_there(&world));
        assert_eq!(world.groups.fetch_offset(GROUP, partition(1)), None);
    }

    #[test]
    fn a_commit_may_set_its_own_retention() {
        let mut world = world();
        let request = OffsetCommit { retention_ms: Some(1_000), ..commit_request("", -1, 5) };
        world.send(Request::Commit(request));
        world.pass_ms(600_000);
        assert!(!is_there(&world));
    }

    #[test]
    fn an_offset_that_is_committed_anew_while_it_expires_stays() {
        let mut world = world();
        world.commit("", -1, 5);
        world.pass_ms(2 * HOUR_MS - 1);
        world.is_durable_at_once = false;
        world.commit("", -1, 6);
        world.pass_ms(1);
        world.settle();
        assert_eq!(world.groups.fetch_offset(GROUP, partition(0)).map(|offset| offset.offset), Some(6));
    }
}
