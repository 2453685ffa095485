"""Static members (KIP-345): joining twice, being replaced, fenced, and removed."""

from group import Member, alone, assign, await_group, coordinator, joining, subscription

NOBODY = "nobody-12345678-1234-1234-1234-123456789012"


def describe(broker, step, group, version=5):
    """The group as DescribeGroups tells it."""
    broker.call(f"{step}: described", "DESCRIBE_GROUPS", version, {"groups": [group]})


def static_pair(broker, group, **options):
    """A stable group of two static members, the leader first."""
    leader = alone(broker, group, instance="one", **options)
    follower = Member(broker, group, "b", instance="two", **options)
    joining(broker, leader, follower)
    assign(broker, leader, follower)
    return leader, follower


def again(member, name, **changed):
    """The same instance as it starts anew: without a member id, on a connection of its own."""
    fresh = Member(member.broker, member.group, name, protocols=member.protocols, instance=member.instance)
    for key, value in changed.items():
        setattr(fresh, key, value)
    return fresh


def scenario_join_each_version(broker):
    coordinator(broker)
    broker.topic("static-topic")
    for version in range(5, 10):
        member = Member(broker, f"static-v{version}", "a", instance="one")
        member.join("first", version)
        member.sync("first", {member: "mine"})
        describe(broker, f"first v{version}", member.group)
        member.join("with its id", version)
        member.sync("with its id", {member: "mine again"})
        fresh = again(member, "a2")
        fresh.join("anew", version)
        describe(broker, f"anew v{version}", member.group)
        fresh.sync("anew", {fresh: "anew"})
        fresh.heartbeat("anew")
        member.heartbeat("replaced")
        member.heartbeat("replaced, without instance", groupInstanceId=None)
        member.sync("replaced")
        member.join("replaced", version)
        member.commit("replaced", "static-topic", 1)
        member.leave("replaced")
        member.leave("replaced, by its id only", members=[{"memberId": member.id, "groupInstanceId": None}])
        fresh.leave("by its instance", members=[{"memberId": "", "groupInstanceId": "one"}])
        describe(broker, f"left v{version}", member.group)
    for version in range(0, 5):
        old = Member(broker, f"static-v{version}", "a", instance="one")
        old.join("before instances", version)


def scenario_replaced_in_a_stable_group(broker):
    coordinator(broker)
    for version in (5, 8, 9):
        leader, follower = static_pair(broker, f"static-pair-v{version}")
        second = again(follower, "b2")
        second.join("a follower anew", version)
        second.sync("a follower anew")
        leader.heartbeat(f"a follower anew v{version}")
        describe(broker, f"a follower anew v{version}", leader.group)
        first = again(leader, "a2")
        first.join("the leader anew", version)
        first.sync("the leader anew", {first: "ignored", second: "ignored"})
        describe(broker, f"the leader anew v{version}", leader.group)
        third = again(first, "a3", protocols=(("range", subscription("u")),))
        third.join("anew with other metadata", version)
        describe(broker, f"anew with other metadata v{version}", leader.group)
        other = again(second, "b3", protocols=(("other", subscription("t")), ("range", subscription("t"))))
        other.join("a follower anew with one protocol more", version)
        other.sync("a follower anew with one protocol more")
        third.heartbeat(f"at the end v{version}")
        third.join("anew with another protocol only", version, protocols=[{"name": "other", "metadata": ""}])


def scenario_replaced_with_another_protocol(broker):
    """The protocol that is chosen changes: a rebalance."""
    coordinator(broker)
    for version in (5, 9):
        both = (("range", subscription("t")), ("other", subscription("t")))
        member = alone(broker, f"static-protocol-v{version}", instance="one", protocols=both)
        fresh = again(member, "a2", protocols=(("other", subscription("t")),))
        fresh.join("anew with the other protocol", version)
        fresh.heartbeat(f"anew with the other protocol v{version}")
        describe(broker, f"anew with the other protocol v{version}", member.group)
        fresh.sync("anew with the other protocol", {fresh: "x"})


def scenario_replaced_while_others_wait(broker):
    coordinator(broker)
    leader, follower = static_pair(broker, "static-preparing")
    waiting = leader.send_join(protocols=[{"name": "range", "metadata": "AAAAAAABAAF1/////w=="}])
    await_group(broker, "static-preparing", "PreparingRebalance")
    waiting_again = follower.send_join()
    leader.joined("both", waiting)
    follower.joined("both", waiting_again)
    fresh = again(follower, "b2")
    sent = fresh.send_join()
    await_group(broker, "static-preparing", "PreparingRebalance")
    leader.sync("replaced while the assignment is awaited", {leader: "x"})
    leader.join("replaced while the assignment is awaited")
    fresh.joined("while the assignment is awaited", sent)
    waiting = leader.send_join(protocols=[{"name": "range", "metadata": "AAAAAAABAAF1/////w=="}])
    await_group(broker, "static-preparing", "PreparingRebalance")
    third = again(follower, "b3")
    sent = third.send_join()
    leader.joined("replaced while members join", waiting)
    third.joined("while members join", sent)
    describe(broker, "at the end", "static-preparing")


def scenario_a_join_of_the_replaced_is_fenced(broker):
    coordinator(broker)
    leader, follower = static_pair(broker, "static-fenced-join")
    waiting = follower.send_join(protocols=[{"name": "range", "metadata": "AAAAAAABAAF1/////w=="}])
    await_group(broker, "static-fenced-join", "PreparingRebalance")
    fresh = again(follower, "b2")
    sent = fresh.send_join()
    follower.joined("replaced while it waits", waiting)
    leader.join("after the replacement")
    fresh.joined("after the replacement", sent)
    waiting = fresh.send_sync()
    third = again(follower, "b3")
    sent = third.send_join()
    fresh.synced("replaced while it waits", waiting)
    leader.join("at the end")
    third.joined("at the end", sent)


def scenario_wrong_pairs_of_member_and_instance(broker):
    coordinator(broker)
    broker.topic("static-topic")
    leader, follower = static_pair(broker, "static-wrong")
    for step, changed in (("the other's instance", {"groupInstanceId": "two"}), ("unknown instance", {"groupInstanceId": "nobody"}),
                          ("no instance", {"groupInstanceId": None}), ("unknown member", {"memberId": NOBODY}), ("no member id", {"memberId": ""})):
        leader.heartbeat(step, **changed)
        leader.sync(step, **changed)
        leader.commit(step, "static-topic", 1, **changed)
        if step not in ("no instance", "no member id"):
            leader.join(step, **changed)
    for step, member_id, instance in (("the other's instance", leader.id, "two"), ("unknown instance", leader.id, "nobody"),
                                      ("unknown member", NOBODY, "one")):
        leader.leave(step, members=[{"memberId": member_id, "groupInstanceId": instance}])
    broker.call("batched", "LEAVE_GROUP", 5, {"groupId": "static-wrong", "members": [
        {"memberId": NOBODY, "groupInstanceId": "one"}, {"memberId": "", "groupInstanceId": "nobody"},
        {"memberId": "", "groupInstanceId": "two"}, {"memberId": follower.id, "groupInstanceId": "two"}]})
    describe(broker, "at the end", "static-wrong")


def scenario_leave_by_instance_each_version(broker):
    coordinator(broker)
    for version in range(3, 6):
        leader, _ = static_pair(broker, f"static-leave-v{version}")
        broker.call("by instance", "LEAVE_GROUP", version, {"groupId": leader.group, "members": [
            {"memberId": "", "groupInstanceId": "two", "reason": "the consumer is being closed"}]})
        leader.heartbeat(f"one has left v{version}")
        leader.leave("by both", version)
        describe(broker, f"all have left v{version}", leader.group)


def scenario_a_static_and_a_dynamic_member(broker):
    coordinator(broker)
    leader = alone(broker, "static-mixed", instance="one")
    other = Member(broker, "static-mixed", "b")
    joining(broker, leader, other)
    assign(broker, leader, other)
    describe(broker, "both", "static-mixed")
    claims = Member(broker, "static-mixed", "b2")
    claims.id, claims.generation, claims.protocol = other.id, other.generation, other.protocol
    claims.heartbeat("a dynamic member with an instance", groupInstanceId="three")
    claims.join("a dynamic member with an instance", groupInstanceId="three")
    broker.call("by an instance that is none", "LEAVE_GROUP", 5, {"groupId": "static-mixed", "members": [
        {"memberId": other.id, "groupInstanceId": "three"}]})


def scenario_a_static_member_is_silent(broker):
    coordinator(broker)
    member = alone(broker, "static-silent", instance="one", session_ms=500)
    await_group(broker, "static-silent", "Empty")
    member.heartbeat("after its session")
    member.join("after its session, with its id")
    fresh = again(member, "a2")
    fresh.join("after its session, anew")
