"""Groups at a broker that gathers members before a first rebalance, limits their number and lets offsets expire soon."""

import time

from group import Member, alone, await_group, coordinator, joining, subscription
from scenarios.groups_offsets import commit, fetch

SETTINGS = {"group.initial.rebalance.delay.ms": "1000", "group.max.size": "2", "offsets.retention.check.interval.ms": "200"}


def took(broker, step, since, least, most):
    """Records whether something took as long as it must."""
    seconds = time.monotonic() - since
    broker.note_value(f"{step} in {least} to {most} s", least <= seconds <= most or seconds)


def scenario_members_are_gathered(broker):
    coordinator(broker)
    first, second = Member(broker, "gathered", "a"), Member(broker, "gathered", "b")
    began = time.monotonic()
    waiting = first.send_join(3)
    await_group(broker, "gathered", "PreparingRebalance", 1)
    broker.call("one waits: described", "DESCRIBE_GROUPS", 5, {"groups": ["gathered"]})
    other = second.send_join(3)
    first.joined("both", waiting)
    second.joined("both", other)
    took(broker, "both", began, 0.9, 4)
    waiting = second.send_sync()
    first.sync("both", {first: "x", second: "y"})
    second.synced("both", waiting)


def scenario_a_group_is_gathered_again_when_it_was_empty(broker):
    coordinator(broker)
    broker.topic("gathered-topic")
    member = alone(broker, "gathered-again")
    # With an offset the empty group stays.
    member.commit("first", "gathered-topic", 1)
    member.leave("first")
    second = Member(broker, "gathered-again", "b")
    second.get_id()
    began = time.monotonic()
    second.join("after it was empty")
    took(broker, "after it was empty", began, 0.9, 4)
    began = time.monotonic()
    second.join("alone, again")
    took(broker, "alone, again", began, 0, 0.8)


def scenario_a_group_is_full(broker):
    coordinator(broker)
    for version in (3, 4, 9):
        group = f"full-v{version}"
        leader, second, third = (Member(broker, group, name) for name in "abc")
        leader = alone(broker, group)
        joining(broker, leader, second)
        third.join("a third", version)
        third.join("a third, static", max(version, 5), groupInstanceId="one", memberId="")
        broker.call(f"after v{version}: described", "DESCRIBE_GROUPS", 5, {"groups": [group]})
        second.leave("then", min(version, 5))
        third.id = ""
        third.join("a third, again", 4)


def scenario_an_offset_with_a_retention_of_its_own(broker):
    coordinator(broker)
    broker.topic("expiring")
    body = commit(broker, "expiring", 3, ("expiring", 0, 5), retentionTimeMs=1)
    broker.call("one millisecond", "OFFSET_COMMIT", 3, body)
    broker.settled("expired", "OFFSET_FETCH", 8, fetch(broker, "expiring", 8, ("expiring", [0])),
                   lambda answer: answer["groups"][0]["topics"][0]["partitions"][0]["committedOffset"] == -1)
    broker.settled("expired: described", "DESCRIBE_GROUPS", 6, {"groups": ["expiring"]}, lambda answer: answer["groups"][0]["errorCode"] == 69)
    for group, topic in (("expiring-not", "expiring"), ("expiring-live", "another")):
        member = alone(broker, group, group, protocols=(("range", subscription(topic)),))
        member.commit("a member", "expiring", 5, 3, retentionTimeMs=1)
    gone = commit(broker, "expiring-watch", 3, ("expiring", 0, 5), retentionTimeMs=1)
    broker.quiet("OFFSET_COMMIT", 3, gone)
    broker.settled("another has expired", "OFFSET_FETCH", 8, fetch(broker, "expiring-watch", 8, ("expiring", [0])),
                   lambda answer: answer["groups"][0]["topics"][0]["partitions"][0]["committedOffset"] == -1)
    broker.call("subscribed", "OFFSET_FETCH", 8, fetch(broker, "expiring-not", 8, ("expiring", [0])))
    broker.settled("not subscribed", "OFFSET_FETCH", 8, fetch(broker, "expiring-live", 8, ("expiring", [0])),
                   lambda answer: answer["groups"][0]["topics"][0]["partitions"][0]["committedOffset"] == -1)


def scenario_empty_groups_without_offsets_go(broker):
    coordinator(broker)
    alone(broker, "going").leave("at once")
    Member(broker, "going-pending", "b").get_id()
    for group in ("going", "going-pending"):
        broker.settled(f"{group}: described", "DESCRIBE_GROUPS", 6, {"groups": [group]}, lambda answer: answer["groups"][0]["errorCode"] == 69)
