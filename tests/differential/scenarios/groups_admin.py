"""DescribeGroups, ListGroups and DeleteGroups."""

from group import Member, alone, await_group, coordinator, joining, several
from scenarios.groups_offsets import commit

STATES = ("Stable", "Empty", "PreparingRebalance", "CompletingRebalance", "Dead")


def in_each_state(broker, prefix):
    """Groups in each state that lasts, and one that only has offsets; returns the answer that is still awaited."""
    broker.topic(f"{prefix}-topic")
    several(broker, f"{prefix}-Stable", "b")
    alone(broker, f"{prefix}-Empty").leave("before")
    broker.quiet("OFFSET_COMMIT", 9, commit(broker, f"{prefix}-offsets", 9, (f"{prefix}-topic", 0, 1)))
    completing = alone(broker, f"{prefix}-CompletingRebalance")
    joining(broker, completing, Member(broker, completing.group, "b"))
    # A name of its own: nothing is read on a connection where a join waits.
    preparing, _ = several(broker, f"{prefix}-PreparingRebalance", "b", leader=f"waits-{prefix}")
    sent = preparing.send_join()
    await_group(broker, preparing.group, "PreparingRebalance")
    Member(broker, f"{prefix}-pending", "p").get_id()
    return sent


def names(prefix):
    """The groups that `in_each_state` makes."""
    return [f"{prefix}-{state}" for state in ("Stable", "Empty", "PreparingRebalance", "CompletingRebalance", "offsets", "pending")]


def scenario_describe_each_version(broker):
    coordinator(broker)
    in_each_state(broker, "described")
    static = alone(broker, "described-static", instance="one")
    for version in range(0, 7):
        for group in (*names("described"), static.group, "described-nowhere", ""):
            broker.call(f"{group or 'empty id'}", "DESCRIBE_GROUPS", version, {"groups": [group]})
        broker.call("several", "DESCRIBE_GROUPS", version, {"groups": ["described-Empty", "described-nowhere", "described-Stable", ""]})
        broker.call("none", "DESCRIBE_GROUPS", version, {"groups": []})
        broker.call("the same twice", "DESCRIBE_GROUPS", version, {"groups": ["described-Empty", "described-Empty"]})
        if version >= 3:
            broker.call("authorized operations", "DESCRIBE_GROUPS", version, {
                "groups": ["described-Stable", "described-nowhere"], "includeAuthorizedOperations": True})


def listed(broker, step, version, prefix, **filters):
    """Which groups with a prefix a ListGroups answers, and all that it says of them."""
    answer = broker.quiet("LIST_GROUPS", version, filters)["body"]
    broker.note_value(f"{step} v{version}: code", answer["errorCode"])
    broker.note_value(f"{step} v{version}", sorted((g for g in answer["groups"] if g["groupId"].startswith(prefix)), key=lambda g: g["groupId"]))


def scenario_list_each_version(broker):
    coordinator(broker)
    in_each_state(broker, "listed")
    for version in range(0, 6):
        listed(broker, "all", version, "listed-")
        if version >= 4:
            for state in (*STATES, "Unknown", "stable", "EMPTY", "Assigning", "Reconciling", "NotReady", "NoSuchState", ""):
                listed(broker, f"state {state!r}", version, "listed-", statesFilter=[state])
            listed(broker, "two states", version, "listed-", statesFilter=["Stable", "Empty"])
            listed(broker, "a state and an unknown one", version, "listed-", statesFilter=["Stable", "NoSuchState"])
        if version >= 5:
            for kind in ("classic", "Classic", "CLASSIC", "consumer", "share", "streams", "unknown", "no-such-type", ""):
                listed(broker, f"type {kind!r}", version, "listed-", typesFilter=[kind])
            listed(broker, "two types", version, "listed-", typesFilter=["classic", "consumer"])
            listed(broker, "state and type", version, "listed-", typesFilter=["classic"], statesFilter=["Empty"])
            listed(broker, "state and another type", version, "listed-", typesFilter=["consumer"], statesFilter=["Empty"])


def scenario_delete_each_version(broker):
    coordinator(broker)
    broker.topic("deleted-group-topic")
    for version in range(0, 3):
        prefix = f"deleted-v{version}"
        in_each_state(broker, prefix)
        for group in (*names(prefix), "deleted-nowhere", ""):
            broker.call(group or "empty id", "DELETE_GROUPS", version, {"groupsNames": [group]})
        for group in names(prefix):
            broker.call(f"{group} afterwards", "DESCRIBE_GROUPS", 6, {"groups": [group]})
        broker.call(f"offsets of the deleted v{version}", "OFFSET_FETCH", 9, {"groups": [{"groupId": f"{prefix}-offsets", "topics": None}]})
        broker.call("none", "DELETE_GROUPS", version, {"groupsNames": []})
        alone(broker, f"{prefix}-twice").leave("before")
        broker.call("the same twice", "DELETE_GROUPS", version, {"groupsNames": [f"{prefix}-twice", f"{prefix}-twice", f"{prefix}-Stable"]})


def scenario_a_deleted_group_starts_anew(broker):
    coordinator(broker)
    member = alone(broker, "anew")
    member.leave("first")
    broker.call("delete", "DELETE_GROUPS", 2, {"groupsNames": ["anew"]})
    member.heartbeat("deleted")
    member.join("deleted, with its id")
    alone(broker, "anew", "b")
    broker.call("described", "DESCRIBE_GROUPS", 6, {"groups": ["anew"]})
    Member(broker, "anew", "c").leave("an unknown one", memberId="x", members=[{"memberId": "x", "groupInstanceId": None}])


def scenario_find_coordinator_each_version(broker):
    coordinator(broker)
    for version in range(0, 4):
        broker.call("one", "FIND_COORDINATOR", version, {"key": "a-group", "keyType": 0})
        broker.call("odd characters", "FIND_COORDINATOR", version, {"key": "a b/ü", "keyType": 0})
    for version in range(4, 7):
        broker.call("several", "FIND_COORDINATOR", version, {"coordinatorKeys": ["a-group", "a b/ü", "x" * 300], "keyType": 0})
        broker.call("the same twice", "FIND_COORDINATOR", version, {"coordinatorKeys": ["a-group", "a-group"], "keyType": 0})
