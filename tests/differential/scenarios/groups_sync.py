"""SyncGroup, Heartbeat and LeaveGroup of dynamic members."""

from group import Member, alone, assign, await_group, coordinator, joining, several

NOBODY = "nobody-12345678-1234-1234-1234-123456789012"


def describe(broker, step, group):
    """The group as DescribeGroups tells it."""
    broker.call(f"{step}: described", "DESCRIBE_GROUPS", 5, {"groups": [group]})


def scenario_sync_each_version(broker):
    coordinator(broker)
    for version in range(0, 6):
        leader = alone(broker, f"sync-v{version}")
        follower = Member(broker, leader.group, "b")
        joining(broker, leader, follower)
        waiting = follower.send_sync(version=version)
        describe(broker, f"before the leader v{version}", leader.group)
        leader.sync("both", {leader: "of a", follower: "of b"}, version)
        follower.synced("both", waiting)
        follower.sync("again", version=version)
        leader.sync("again, other assignments", {leader: "no", follower: "no"}, version)
        follower.sync("again, with assignments", {leader: "no"}, version)
        describe(broker, f"in the end v{version}", leader.group)


def scenario_sync_errors(broker):
    coordinator(broker)
    for version in range(0, 6):
        member = alone(broker, f"sync-errors-v{version}", f"s{version}")
        for step, changed in (
                ("empty group id", {"groupId": ""}), ("unknown group", {"groupId": "sync-nowhere"}), ("unknown member", {"memberId": NOBODY}),
                ("empty member id", {"memberId": ""}), ("generation before", {"generationId": 0}), ("generation after", {"generationId": 2}),
                ("generation -1", {"generationId": -1}), ("unknown member, wrong generation", {"memberId": NOBODY, "generationId": 7})):
            member.sync(step, None, version, **changed)
        if version >= 3:
            member.sync("unknown instance", None, version, groupInstanceId="nobody")
        if version >= 5:
            for step, kind, name in (("right names", "consumer", "range"), ("wrong type", "connect", "range"), ("wrong name", "consumer", "other"),
                                     ("neither", None, None), ("empty type", "", "range"), ("empty name", "consumer", ""), ("only the type", "consumer", None),
                                     ("only the name", None, "range"), ("wrong type and generation", "connect", "range")):
                changed = {"generationId": 9} if "generation" in step else {}
                member.sync(step, None, version, protocolType=kind, protocolName=name, **changed)


def scenario_sync_wrong_names_while_awaited(broker):
    coordinator(broker)
    leader, follower = alone(broker, "sync-names"), Member(broker, "sync-names", "b")
    joining(broker, leader, follower)
    follower.sync("wrong type", protocolType="connect", protocolName="range")
    leader.sync("wrong name", {leader: "x"}, protocolType="consumer", protocolName="other")
    describe(broker, "after both", "sync-names")
    waiting = follower.send_sync(protocolType="consumer", protocolName="range")
    leader.sync("right", {leader: "x", follower: "y"}, protocolType="consumer", protocolName="range")
    follower.synced("right", waiting)


def scenario_strange_assignments(broker):
    coordinator(broker)
    leader, follower = alone(broker, "sync-strange"), Member(broker, "sync-strange", "b")
    joining(broker, leader, follower)
    waiting = follower.send_sync()
    leader.sync("none for the follower, one for a stranger", assignments=[
        {"memberId": leader.id, "assignment": "YQ=="}, {"memberId": NOBODY, "assignment": "Yg=="}])
    follower.synced("no assignment", waiting)
    describe(broker, "no assignment", "sync-strange")
    lonely = alone(broker, "sync-none")
    lonely.join("again")
    lonely.sync("no assignments at all", {})
    twice = alone(broker, "sync-twice")
    twice.join("again")
    twice.sync("the same member twice", assignments=[{"memberId": twice.id, "assignment": "YQ=="}, {"memberId": twice.id, "assignment": "Yg=="}])


def scenario_sync_and_heartbeat_in_each_state(broker):
    coordinator(broker)
    leader, follower = several(broker, "states", "b")
    leader.heartbeat("stable")
    follower.heartbeat("stable")
    sent = leader.send_join()
    await_group(broker, "states", "PreparingRebalance")
    describe(broker, "preparing", "states")
    follower.heartbeat("preparing")
    follower.sync("preparing")
    follower.heartbeat("preparing, wrong generation", generationId=0)
    follower.sync("preparing, wrong generation", generationId=0)
    follower.join("preparing")
    leader.joined("preparing", sent)
    describe(broker, "completing", "states")
    follower.heartbeat("completing")
    leader.heartbeat("completing")
    leader.heartbeat("completing, the generation before", generationId=leader.generation - 1)
    assign(broker, leader, follower)
    leader.leave("stable")
    follower.heartbeat("the leader has left")
    follower.leave("at the end")
    describe(broker, "empty", "states")
    follower.heartbeat("empty")
    follower.sync("empty")
    follower.heartbeat("empty, generation -1", generationId=-1)


def scenario_heartbeat_errors(broker):
    coordinator(broker)
    for version in range(0, 5):
        member = alone(broker, f"beat-v{version}", f"s{version}")
        member.heartbeat("good", version)
        for step, changed in (
                ("empty group id", {"groupId": ""}), ("unknown group", {"groupId": "beat-nowhere"}), ("unknown member", {"memberId": NOBODY}),
                ("empty member id", {"memberId": ""}), ("generation before", {"generationId": 0}), ("generation after", {"generationId": 2}),
                ("generation -1", {"generationId": -1}), ("unknown member, wrong generation", {"memberId": NOBODY, "generationId": 7})):
            member.heartbeat(step, version, **changed)
        if version >= 3:
            member.heartbeat("unknown instance", version, groupInstanceId="nobody")


def scenario_leave_each_version(broker):
    coordinator(broker)
    for version in range(0, 6):
        leader, follower = several(broker, f"leave-v{version}", "b")
        for step, changed in (("empty group id", {"groupId": ""}), ("unknown group", {"groupId": "leave-nowhere"})):
            leader.leave(step, version, **changed)
        leader.leave("unknown member", version, memberId=NOBODY, members=[{"memberId": NOBODY, "groupInstanceId": None}])
        leader.leave("empty member id", version, memberId="", members=[{"memberId": "", "groupInstanceId": None}])
        if version >= 3:
            leader.leave("nobody", version, members=[])
            leader.leave("unknown instance", version, members=[{"memberId": "", "groupInstanceId": "nobody"}])
            leader.leave("own id, unknown instance", version, members=[{"memberId": leader.id, "groupInstanceId": "nobody"}])
        follower.leave("good", version)
        follower.leave("twice", version)
        describe(broker, f"one has left v{version}", leader.group)
        leader.heartbeat(f"one has left v{version}")
        sent = leader.send_join()
        leader.joined(f"alone v{version}", sent)
        leader.leave("last", version)
        describe(broker, f"all have left v{version}", leader.group)


def scenario_leave_several(broker):
    coordinator(broker)
    leader, second, third = several(broker, "leave-several", "b", "c")
    for version in (3, 5):
        broker.call("mixed", "LEAVE_GROUP", version, {"groupId": "leave-several", "members": [
            {"memberId": NOBODY, "groupInstanceId": None}, {"memberId": (second if version == 3 else third).id, "groupInstanceId": None},
            {"memberId": "", "groupInstanceId": "nobody"}]})
        describe(broker, f"after v{version}", "leave-several")
    broker.call("the same twice", "LEAVE_GROUP", 5, {"groupId": "leave-several", "members": [{"memberId": leader.id, "groupInstanceId": None}] * 2})
    describe(broker, "after all", "leave-several")


def scenario_leave_while_others_wait(broker):
    coordinator(broker)
    leader, follower = several(broker, "leave-preparing", "b")
    sent = leader.send_join()
    await_group(broker, "leave-preparing", "PreparingRebalance")
    follower.leave("preparing")
    leader.joined("the follower has left", sent)
    second = Member(broker, "leave-preparing", "c")
    second.get_id()
    sent = second.send_join()
    await_group(broker, "leave-preparing", "PreparingRebalance")
    leader.leave("preparing")
    second.joined("the leader has left", sent)
    third = Member(broker, "leave-preparing", "d")
    third.get_id()
    waiting = third.send_join()
    await_group(broker, "leave-preparing", "PreparingRebalance", 2)
    first = second.send_join()
    second.joined("with another", first)
    third.joined("with another", waiting)
    waiting = third.send_sync()
    second.leave("completing")
    third.synced("the leader leaves while it is awaited", waiting)
    third.join("alone")
    third.sync("alone", {third: "x"})
