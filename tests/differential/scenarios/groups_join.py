"""JoinGroup: versions, errors, the choice of a protocol, and who joins again."""

from group import Member, alone, assign, await_group, b64, coordinator, joining, several, subscription

NOBODY = "nobody-12345678-1234-1234-1234-123456789012"


def describe(broker, step, group, version=5):
    """The group as DescribeGroups tells it."""
    broker.call(f"{step}: described", "DESCRIBE_GROUPS", version, {"groups": [group]})


def scenario_each_version(broker):
    coordinator(broker)
    for version in range(0, 10):
        member = Member(broker, f"join-v{version}", "a", [("range", subscription("t")), ("roundrobin", subscription("t"))])
        member.join("first", version)
        if version >= 4:
            member.join("with the id", version)
        member.sync("first", {member: "mine"}, min(version, 5))
        member.heartbeat("stable", min(version, 4))
        describe(broker, f"stable v{version}", member.group)
        member.join("again", version)
        member.sync("again", {member: "mine again"}, min(version, 5))
        member.leave("at the end", min(version, 5))
        describe(broker, f"left v{version}", member.group)


def scenario_errors_each_version(broker):
    coordinator(broker)
    for version in range(0, 10):
        stable = alone(broker, f"errors-v{version}", f"s{version}")
        new = Member(broker, f"errors-new-v{version}", "b", session_ms=30000)
        for step, changed in (
                ("empty group id", {"groupId": ""}), ("unknown member, new group", {"memberId": NOBODY}),
                ("unknown member, stable group", {"memberId": NOBODY, "groupId": stable.group}),
                ("session too short", {"sessionTimeoutMs": 499}), ("session too long", {"sessionTimeoutMs": 1800001}),
                ("session zero", {"sessionTimeoutMs": 0}), ("session negative", {"sessionTimeoutMs": -1}),
                ("no protocols", {"protocols": []}), ("empty protocol type", {"protocolType": ""}),
                ("no protocols, stable group", {"protocols": [], "groupId": stable.group}),
                ("another protocol type, stable group", {"protocolType": "connect", "groupId": stable.group}),
                ("another protocol, stable group", {"protocols": [{"name": "other", "metadata": ""}], "groupId": stable.group}),
                ("no protocols, unknown member", {"protocols": [], "memberId": NOBODY}),
                ("session too short, empty group id", {"sessionTimeoutMs": 1, "groupId": ""})):
            new.id = ""
            new.join(step, version, **changed)
        new.id = ""
        if version >= 5:
            new.join("unknown member with an instance", version, memberId=NOBODY, groupInstanceId="i")
            new.join("unknown member with an instance, stable group", version, memberId=NOBODY, groupInstanceId="i", groupId=stable.group)
            new.id = ""
            new.join("empty instance id", version, groupInstanceId="", groupId=f"errors-empty-instance-v{version}")
        stable.join("own id, another protocol type", version, protocolType="connect")
        stable.join("own id, another protocol", version, protocols=[{"name": "other", "metadata": ""}])
        describe(broker, f"after v{version}", stable.group)


def scenario_limits_of_the_session(broker):
    coordinator(broker)
    for step, timeout in (("shortest", 500), ("longest", 1800000)):
        member = Member(broker, f"session-{step}", "a", session_ms=timeout)
        member.join(step)
        member.join(f"{step}, with the id")
    negative = Member(broker, "rebalance-negative", "b", rebalance_ms=-1)
    negative.join("rebalance timeout -1")
    negative.join("rebalance timeout -1, with the id")


def scenario_an_id_that_was_only_handed_out(broker):
    coordinator(broker)
    broker.topic("pending-topic")
    member = Member(broker, "pending", "a")
    member.join("first")
    describe(broker, "pending v5", "pending")
    describe(broker, "pending v6", "pending", 6)
    found = broker.quiet("LIST_GROUPS", 5)["body"]["groups"]
    broker.note_value("listed", [group for group in found if group["groupId"] == "pending"])
    member.heartbeat("pending")
    member.sync("pending")
    member.heartbeat("pending, generation 0", generationId=0)
    member.sync("pending, with names", protocolName="range")
    member.commit("pending", "pending-topic", 1)
    other = Member(broker, "pending", "b")
    other.get_id()
    sent = other.send_join()
    await_group(broker, "pending", members=1)
    describe(broker, "one joins, one is pending", "pending")
    member.leave("pending")
    other.joined("the pending one has left", sent)
    member.join("after it has left")
    other.sync("at the end", {other: "x"})
    describe(broker, "at the end", "pending")


def scenario_votes(broker):
    coordinator(broker)
    cases = {"first of both": ([("a", b"1"), ("b", b"2")], [("a", b"3"), ("b", b"4")]), "only common": ([("a", b"1"), ("b", b"2")], [("b", b"3")]),
             "only common, reverse": ([("b", b"2")], [("a", b"1"), ("b", b"4")])}
    for step, protocols in cases.items():
        leader = alone(broker, f"votes {step}", protocols=protocols[0], kind="any")
        other = Member(broker, leader.group, "b", protocols[1], kind="any")
        other.get_id()
        sent = other.send_join()
        await_group(broker, leader.group, "PreparingRebalance")
        leader.heartbeat(step)
        leader.join(step)
        other.joined(step, sent)
        assign(broker, leader, other)
        describe(broker, step, leader.group)
    first = alone(broker, "votes-three", protocols=[("a", b""), ("b", b"")], kind="any")
    others = [Member(broker, "votes-three", name, [("b", b""), ("a", b"")], kind="any") for name in "bc"]
    joining(broker, first, *others)
    assign(broker, first, *others)
    describe(broker, "two against one", "votes-three")
    stranger = Member(broker, "votes-three", "d", [("c", b"")], kind="any")
    stranger.join("nothing in common")
    half = Member(broker, "votes-three", "e", [("c", b""), ("a", b"")], kind="any")
    half.join("something in common")
    describe(broker, "after both", "votes-three")


def scenario_members_of_a_stable_group_join_again(broker):
    coordinator(broker)
    for version in (0, 4, 5, 8, 9):
        leader, follower = several(broker, f"again-v{version}", "b")
        follower.join("unchanged", version)
        follower.heartbeat(f"after the unchanged join v{version}")
        follower.sync(f"after the unchanged join v{version}")
        sent = leader.send_join(version)
        await_group(broker, leader.group, "PreparingRebalance")
        follower.heartbeat(f"the leader joins v{version}")
        follower.join("after the leader", version)
        leader.joined("after the leader", sent)
        describe(broker, f"awaiting v{version}", leader.group)
        follower.join("while the assignment is awaited", version)
        assign(broker, leader, follower)
        follower.protocols = (("range", subscription("t", "u")),)
        sent = follower.send_join(version)
        await_group(broker, leader.group, "PreparingRebalance")
        leader.heartbeat(f"a follower has changed v{version}")
        leader.join("a follower has changed", version)
        follower.joined("changed", sent)
        assign(broker, leader, follower)
        describe(broker, f"in the end v{version}", leader.group)


def scenario_joins_while_the_assignment_is_awaited(broker):
    coordinator(broker)
    leader, follower = alone(broker, "completing"), Member(broker, "completing", "b")
    joining(broker, leader, follower)
    leader.join("the leader, unchanged")
    follower.join("a follower, unchanged")
    waiting = follower.send_sync()
    leader.heartbeat("awaited")
    # Not on its own connection: Kafka reads no request there before it has answered the one that waits.
    broker.call("awaited: b beats", "HEARTBEAT", 4, follower.heartbeat_body(), connection="b2")
    follower.protocols = (("range", subscription("t", "u")),)
    sent = broker.send("JOIN_GROUP", 9, follower.join_body(), connection="b2")
    await_group(broker, "completing", "PreparingRebalance")
    follower.synced("its own join overtakes it", waiting)
    leader.sync("during a rebalance", {leader: "x"})
    leader.join("after the change")
    follower.joined("after the change", sent)
    third = Member(broker, "completing", "c")
    third.get_id()
    waiting = follower.send_sync()
    sent = third.send_join()
    await_group(broker, "completing", "PreparingRebalance", 3)
    follower.synced("a new member overtakes it", waiting)
    first, second = leader.send_join(), follower.send_join()
    leader.joined("three", first)
    follower.joined("three", second)
    third.joined("three", sent)
    assign(broker, leader, follower, third)
    describe(broker, "three", "completing")


def scenario_the_same_join_twice(broker):
    """The second one comes while the first still waits: the first is answered when the rebalance ends, or dropped."""
    coordinator(broker)
    leader, follower = several(broker, "twice", "b")
    first = follower.send_join(protocols=[{"name": "range", "metadata": b64(subscription("u"))}])
    await_group(broker, "twice", "PreparingRebalance")
    second = broker.send("JOIN_GROUP", 9, follower.join_body(protocols=[{"name": "range", "metadata": b64(subscription("u"))}]), connection="b2")
    broker.quiet("HEARTBEAT", 4, follower.heartbeat_body(), connection="b2x")
    leader.join("after two joins")
    follower.joined("second", second)
    broker.receive("the first join", first, timeout_ms=1000)


def scenario_members_that_do_not_come_back(broker):
    coordinator(broker)
    leader, follower = several(broker, "silent-session", "b", session_ms=500)
    sent = leader.send_join()
    leader.joined("the follower's session ends", sent)
    leader.sync("the follower's session ends", {leader: "x"})
    describe(broker, "the follower's session ends", "silent-session")
    follower.heartbeat("after its session")
    follower.sync("after its session")
    follower.join("after its session")
    leader, follower = several(broker, "silent-rebalance", "b", rebalance_ms=700)
    leader.join("the rebalance timeout ends")
    leader.sync("the rebalance timeout ends", {leader: "x"})
    follower.heartbeat("after the rebalance timeout")
    gone = alone(broker, "silent-all", session_ms=500)
    await_group(broker, "silent-all", "Empty")
    describe(broker, "all are gone", "silent-all")
    gone.heartbeat("all are gone")
    gone.join("all are gone")
    fresh = Member(broker, "silent-all", "c")
    fresh.get_id()
    fresh.join("a new one after all are gone")


def scenario_a_leader_that_gives_no_assignment(broker):
    coordinator(broker)
    leader = alone(broker, "no-assignment", rebalance_ms=700)
    follower = Member(broker, "no-assignment", "b", rebalance_ms=700)
    joining(broker, leader, follower)
    waiting = follower.send_sync()
    follower.synced("the leader is silent", waiting)
    describe(broker, "the leader is silent", "no-assignment")
    sent = follower.send_join()
    follower.joined("the leader is silent", sent)
    leader.heartbeat("it was silent")


def scenario_odd_texts(broker):
    """Names that nobody would choose, and reasons that are too long to keep."""
    coordinator(broker)
    for number, group in enumerate(("a b/ü", "x" * 1000, " ", ".", "..")):
        member = alone(broker, group, f"odd{number}")
        member.heartbeat("odd name")
        describe(broker, f"odd name {number}", group)
    member = Member(broker, "reasons", "r")
    member.join("a long reason", 8, reason="because " * 100)
    member.join("a long reason, with the id", 9, reason="because " * 100)
    member.leave("a long reason", members=[{"memberId": member.id, "groupInstanceId": None, "reason": "because " * 100}])
    empty = Member(broker, "empty-metadata", "e", protocols=(("range", b""),), kind="any")
    empty.join("empty metadata", 3)
    empty.sync("empty metadata", {empty: b""})
    describe(broker, "empty metadata", "empty-metadata")


def scenario_null_group_ids(broker):
    """A group id that is null where the schema has no null: header version 1, then -1 as the length."""
    coordinator(broker)
    for name, api, version in (("join", 11, 0), ("heartbeat", 12, 0), ("sync", 14, 0), ("leave", 13, 0), ("commit", 8, 2), ("fetch", 9, 1)):
        header = api.to_bytes(2) + version.to_bytes(2) + (7).to_bytes(4) + b"\0\1x"
        broker.raw(f"{name} v{version}", header + b"\xff\xff" + b"\0" * 40)
