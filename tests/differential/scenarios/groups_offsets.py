"""OffsetCommit, OffsetFetch and OffsetDelete."""

from group import Member, alone, await_group, coordinator, several, subscription

NOBODY = "nobody-12345678-1234-1234-1234-123456789012"
UNKNOWN_ID = "AAAAAAAAAAAAAAAAAAAB-Q"
COMMITS, FETCHES = range(2, 11), range(1, 11)


def commit(broker, group, version, *offsets, **changed):
    """An OffsetCommit body of a simple consumer; `offsets` are (topic, partition, offset) or with metadata and epoch."""
    topics = {}
    for topic, partition, offset, *more in offsets:
        topics.setdefault(topic, []).append({"partitionIndex": partition, "committedOffset": offset, "committedMetadata": more[0] if more else "",
                                             "committedLeaderEpoch": more[1] if len(more) > 1 else -1})
    return {"groupId": group, "generationIdOrMemberEpoch": -1, "memberId": "", "topics": [
        broker.topic_key(topic, version >= 10) | {"partitions": partitions} for topic, partitions in topics.items()]} | changed


def fetch(broker, group, version, *topics, stable=False, **changed):
    """An OffsetFetch body; `topics` are (name, partitions), None asks for all that the group has."""
    asked = None if topics == (None,) else [
        broker.topic_key(name, version >= 10) | {"partitionIndexes": list(partitions)} for name, partitions in topics]
    if version < 8:
        return {"groupId": group, "topics": asked, "requireStable": stable} | changed
    return {"groups": [{"groupId": group, "topics": asked} | changed], "requireStable": stable}


def show(broker, step, group, version=9):
    """All offsets of a group."""
    broker.call(f"{step}: all offsets", "OFFSET_FETCH", version, fetch(broker, group, version, None))


def scenario_each_version_of_a_simple_consumer(broker):
    coordinator(broker)
    broker.topic("commits", 3)
    for version in COMMITS:
        group = f"simple-v{version}"
        broker.call("commit", "OFFSET_COMMIT", version, commit(broker, group, version, ("commits", 0, 10, "m", 0), ("commits", 2, 0, "", 7)))
        for asked in FETCHES:
            broker.call(f"fetch after commit v{version}", "OFFSET_FETCH", asked, fetch(broker, group, asked, ("commits", [0, 1, 2])))
            if asked >= 2:
                broker.call(f"fetch all after commit v{version}", "OFFSET_FETCH", asked, fetch(broker, group, asked, None))
        broker.call("commit backwards", "OFFSET_COMMIT", version, commit(broker, group, version, ("commits", 0, 5)))
        show(broker, f"after v{version}", group)
        broker.call(f"after v{version}: described", "DESCRIBE_GROUPS", 6, {"groups": [group]})


def scenario_commit_errors_of_a_simple_consumer(broker):
    coordinator(broker)
    broker.topic("commit-errors", 2)
    for version in COMMITS:
        group = f"commit-errors-v{version}"
        for step, body in (
                ("unknown topic", commit(broker, group, version, (UNKNOWN_ID if version >= 10 else "commits-nowhere", 0, 1))),
                ("unknown partition", commit(broker, group, version, ("commit-errors", 5, 1), ("commit-errors", 0, 1), ("commit-errors", -1, 1))),
                ("no topics", commit(broker, group, version)), ("empty group id", commit(broker, "", version, ("commit-errors", 0, 1))),
                ("negative offset", commit(broker, group, version, ("commit-errors", 0, -1), ("commit-errors", 1, -5))),
                ("metadata of 1000", commit(broker, group, version, ("commit-errors", 0, 2, "x" * 1000))),
                ("metadata of 1001", commit(broker, group, version, ("commit-errors", 0, 3, "x" * 1001), ("commit-errors", 1, 3))),
                ("null metadata", commit(broker, group, version, ("commit-errors", 0, 4, None))),
                ("the same partition twice", commit(broker, group, version, ("commit-errors", 0, 5), ("commit-errors", 0, 6))),
                ("generation 3", commit(broker, group, version, ("commit-errors", 0, 7), generationIdOrMemberEpoch=3)),
                ("a member id", commit(broker, group, version, ("commit-errors", 0, 8), memberId=NOBODY)),
                ("generation and member id", commit(broker, group, version, ("commit-errors", 0, 9), memberId=NOBODY, generationIdOrMemberEpoch=1)),
                ("retention", commit(broker, group, version, ("commit-errors", 1, 10), retentionTimeMs=1000)),
                ("an instance id", commit(broker, group, version, ("commit-errors", 1, 11), groupInstanceId="one"))):
            broker.call(step, "OFFSET_COMMIT", version, body)
            show(broker, f"{step} v{version}", group)
        for step, changed in (("generation 3", {"generationIdOrMemberEpoch": 3}), ("a member id", {"memberId": NOBODY}),
                              ("generation and member id", {"generationIdOrMemberEpoch": 3, "memberId": NOBODY})):
            broker.call(f"a group that is not there, {step}", "OFFSET_COMMIT", version,
                        commit(broker, "commits-nowhere", version, ("commit-errors", 0, 1), **changed))


def scenario_commit_errors_over_topics(broker):
    coordinator(broker)
    broker.topic("commit-over")
    for version in (9, 10):
        unknown = UNKNOWN_ID if version >= 10 else "commits-nowhere"
        broker.call("known and unknown", "OFFSET_COMMIT", version, commit(broker, "over", version, (unknown, 0, 1), ("commit-over", 0, 1), ("commit-over", 1, 1)))
    broker.call("neither name nor id", "OFFSET_COMMIT", 10, commit(broker, "over", 10, ("AAAAAAAAAAAAAAAAAAAAAA", 0, 1)))
    broker.call("empty name", "OFFSET_COMMIT", 9, commit(broker, "over", 9, ("", 0, 1)))
    broker.call("illegal name", "OFFSET_COMMIT", 9, commit(broker, "over", 9, ("a b", 0, 1)))


def scenario_commits_of_members(broker):
    coordinator(broker)
    broker.topic("member-commits", 2)
    for version in COMMITS:
        member = alone(broker, f"member-commits-v{version}", f"m{version}")
        member.commit("good", "member-commits", 1, version)
        for step, changed in (("generation before", {"generationIdOrMemberEpoch": 0}), ("generation after", {"generationIdOrMemberEpoch": 2}),
                              ("generation -1", {"generationIdOrMemberEpoch": -1}), ("unknown member", {"memberId": NOBODY}),
                              ("empty member id", {"memberId": ""}), ("simple", {"memberId": "", "generationIdOrMemberEpoch": -1}),
                              ("unknown member, wrong generation", {"memberId": NOBODY, "generationIdOrMemberEpoch": 9})):
            member.commit(step, "member-commits", 2, version, **changed)
        if version >= 7:
            member.commit("unknown instance", "member-commits", 3, version, groupInstanceId="nobody")
        show(broker, f"while stable v{version}", member.group)
        member.leave("before the commit")
        member.commit("after it has left", "member-commits", 4, version)
        member.commit("simple, after it has left", "member-commits", 5, version, memberId="", generationIdOrMemberEpoch=-1)
        show(broker, f"in the end v{version}", member.group)


def scenario_commits_during_a_rebalance(broker):
    coordinator(broker)
    broker.topic("rebalance-commits")
    leader, follower = several(broker, "rebalance-commits", "b")
    sent = leader.send_join()
    await_group(broker, "rebalance-commits", "PreparingRebalance")
    follower.commit("preparing", "rebalance-commits", 1)
    follower.commit("preparing, generation before", "rebalance-commits", 2, generationIdOrMemberEpoch=1)
    follower.join("in between")
    leader.joined("in between", sent)
    follower.commit("completing", "rebalance-commits", 3)
    leader.commit("completing", "rebalance-commits", 4)
    follower.commit("completing, generation before", "rebalance-commits", 5, generationIdOrMemberEpoch=follower.generation - 1)
    show(broker, "at the end", "rebalance-commits")


def scenario_fetch_of_what_is_not_there(broker):
    coordinator(broker)
    broker.topic("fetch-nothing", 2)
    broker.quiet("OFFSET_COMMIT", 9, commit(broker, "fetch-some", 9, ("fetch-nothing", 0, 3)))
    for version in FETCHES:
        unknown = UNKNOWN_ID if version >= 10 else "fetch-nowhere"
        for group in ("fetch-unknown-group", "fetch-some"):
            broker.call(f"{group}, known topic", "OFFSET_FETCH", version, fetch(broker, group, version, ("fetch-nothing", [0, 1])))
            broker.call(f"{group}, unknown topic", "OFFSET_FETCH", version, fetch(broker, group, version, (unknown, [0])))
            broker.call(f"{group}, unknown partition", "OFFSET_FETCH", version, fetch(broker, group, version, ("fetch-nothing", [0, 7, -1])))
            broker.call(f"{group}, no partitions", "OFFSET_FETCH", version, fetch(broker, group, version, ("fetch-nothing", [])))
            broker.call(f"{group}, no topics", "OFFSET_FETCH", version, fetch(broker, group, version))
            if version >= 2:
                broker.call(f"{group}, all", "OFFSET_FETCH", version, fetch(broker, group, version, None))
            if version >= 7:
                broker.call(f"{group}, stable", "OFFSET_FETCH", version, fetch(broker, group, version, ("fetch-nothing", [0, 1]), stable=True))
        broker.call("empty group id", "OFFSET_FETCH", version, fetch(broker, "", version, ("fetch-nothing", [0])))
        broker.call("the same partition twice", "OFFSET_FETCH", version, fetch(broker, "fetch-some", version, ("fetch-nothing", [0, 0])))
        broker.call("the same topic twice", "OFFSET_FETCH", version, fetch(broker, "fetch-some", version, ("fetch-nothing", [0]), ("fetch-nothing", [1])))
        broker.call("known and unknown topic", "OFFSET_FETCH", version, fetch(broker, "fetch-some", version, (unknown, [0]), ("fetch-nothing", [0])))


def scenario_fetch_of_several_groups(broker):
    coordinator(broker)
    broker.topic("fetch-several")
    for i in range(2):
        broker.quiet("OFFSET_COMMIT", 9, commit(broker, f"several-{i}", 9, ("fetch-several", 0, i)))
    for version in (8, 9, 10):
        topics = [broker.topic_key("fetch-several", version >= 10) | {"partitionIndexes": [0]}]
        broker.call("three, one unknown", "OFFSET_FETCH", version, {"groups": [
            {"groupId": "several-0", "topics": topics}, {"groupId": "several-1", "topics": None}, {"groupId": "several-nowhere", "topics": topics}]})
        broker.call("none", "OFFSET_FETCH", version, {"groups": []})
        broker.call("the same twice", "OFFSET_FETCH", version, {"groups": [
            {"groupId": "several-0", "topics": topics}, {"groupId": "several-0", "topics": topics}]})
        broker.call("one with an empty id", "OFFSET_FETCH", version, {"groups": [
            {"groupId": "", "topics": topics}, {"groupId": "several-0", "topics": topics}]})


def scenario_fetch_with_member_and_epoch(broker):
    coordinator(broker)
    broker.topic("fetch-member")
    member = alone(broker, "fetch-member")
    member.commit("before", "fetch-member", 4)
    for version in (9, 10):
        for step, changed in (("own id and generation", {"memberId": member.id, "memberEpoch": member.generation}),
                              ("wrong generation", {"memberId": member.id, "memberEpoch": 9}), ("unknown member", {"memberId": NOBODY, "memberEpoch": 1}),
                              ("no member, epoch 5", {"memberId": None, "memberEpoch": 5}), ("null and -1", {"memberId": None, "memberEpoch": -1}),
                              ("empty member id", {"memberId": "", "memberEpoch": 0})):
            broker.call(step, "OFFSET_FETCH", version, fetch(broker, "fetch-member", version, ("fetch-member", [0]), **changed))
        broker.call("unknown group, a member", "OFFSET_FETCH", version,
                    fetch(broker, "fetch-member-nowhere", version, ("fetch-member", [0]), memberId=NOBODY, memberEpoch=1))


def scenario_topic_deleted(broker):
    """The offsets of a topic go with it; a topic of the same name has none."""
    coordinator(broker)
    broker.topic("deleted-commits")
    old = broker.topic_ids["deleted-commits"]
    broker.quiet("OFFSET_COMMIT", 10, commit(broker, "deleted-commits", 10, ("deleted-commits", 0, 3)))
    broker.quiet("DELETE_TOPICS", 5, {"topicNames": ["deleted-commits"], "timeoutMs": 10000})
    broker.await_gone("deleted-commits")
    gone = fetch(broker, "deleted-commits", 9, ("deleted-commits", [0]))
    broker.settled("gone", "OFFSET_FETCH", 9, gone, lambda body: body["groups"][0]["topics"][0]["partitions"][0]["committedOffset"] == -1)
    show(broker, "gone", "deleted-commits")
    broker.settled("by its id", "OFFSET_FETCH", 10, fetch(broker, "deleted-commits", 10, (old, [0])), lambda body: body["groups"][0]["topics"][0]["partitions"][0]["errorCode"] != 0)
    broker.settled("commit by its id", "OFFSET_COMMIT", 10, commit(broker, "deleted-commits", 10, (old, 0, 3)),
                   lambda body: body["topics"][0]["partitions"][0]["errorCode"] != 0)
    broker.topic("deleted-commits")
    show(broker, "made again", "deleted-commits")
    broker.call("made again, by the old id", "OFFSET_FETCH", 10, fetch(broker, "deleted-commits", 10, (old, [0])))


def delete(group, *topics):
    """An OffsetDelete body; `topics` are (name, partitions)."""
    return {"groupId": group, "topics": [{"name": name, "partitions": [{"partitionIndex": p} for p in partitions]} for name, partitions in topics]}


def scenario_offset_delete(broker):
    coordinator(broker)
    broker.topic("offset-delete", 3)
    broker.topic("offset-delete-other", 1)
    broker.quiet("OFFSET_COMMIT", 9, commit(broker, "delete-simple", 9, ("offset-delete", 0, 1), ("offset-delete", 1, 2), ("offset-delete-other", 0, 3)))
    broker.call("unknown group", "OFFSET_DELETE", 0, delete("delete-nowhere", ("offset-delete", [0])))
    broker.call("empty group id", "OFFSET_DELETE", 0, delete("", ("offset-delete", [0])))
    broker.call("no topics", "OFFSET_DELETE", 0, delete("delete-simple"))
    broker.call("one, one without an offset, one unknown", "OFFSET_DELETE", 0, delete("delete-simple", ("offset-delete", [0, 2, 9])))
    broker.call("unknown topic", "OFFSET_DELETE", 0, delete("delete-simple", ("delete-nowhere", [0]), ("offset-delete", [1])))
    show(broker, "one topic gone", "delete-simple")
    broker.call("the last", "OFFSET_DELETE", 0, delete("delete-simple", ("offset-delete-other", [0])))
    show(broker, "all gone", "delete-simple")
    broker.call("all gone: described", "DESCRIBE_GROUPS", 6, {"groups": ["delete-simple"]})


def scenario_offset_delete_of_a_live_group(broker):
    coordinator(broker)
    for name in ("subscribed-a", "subscribed-b"):
        broker.topic(name)
    protocols = (("range", subscription("subscribed-a")),)
    member = alone(broker, "subscribed", protocols=protocols)
    for name in ("subscribed-a", "subscribed-b"):
        member.commit("before", name, 1)
    broker.call("subscribed, not subscribed, unknown", "OFFSET_DELETE", 0, delete("subscribed", ("subscribed-a", [0]), ("subscribed-b", [0]), ("subscribed-c", [0])))
    show(broker, "one is gone", "subscribed")
    member.leave("then")
    broker.call("after it has left", "OFFSET_DELETE", 0, delete("subscribed", ("subscribed-a", [0])))
    broker.call("after it has left: described", "DESCRIBE_GROUPS", 6, {"groups": ["subscribed"]})
    other = alone(broker, "subscribed-not-consumer", kind="connect", protocols=[("default", b"xyz")])
    other.commit("before", "subscribed-a", 1)
    broker.call("a group of another type", "OFFSET_DELETE", 0, delete("subscribed-not-consumer", ("subscribed-a", [0]), ("subscribed-b", [0])))
    show(broker, "a group of another type", "subscribed-not-consumer")
    preparing, second = several(broker, "subscribed-preparing", "b", protocols=protocols)
    preparing.commit("before", "subscribed-a", 1)
    sent = preparing.send_join()
    await_group(broker, "subscribed-preparing", "PreparingRebalance")
    broker.call("while members join", "OFFSET_DELETE", 0, delete("subscribed-preparing", ("subscribed-a", [0]), ("subscribed-b", [0])))
    second.join("at the end")
    preparing.joined("at the end", sent)
    newer = alone(broker, "subscribed-v3", protocols=(("range", subscription("subscribed-a", version=1)), ("other", subscription("subscribed-b", version=1))))
    for name in ("subscribed-a", "subscribed-b"):
        newer.commit("before", name, 1)
    broker.call("two protocols", "OFFSET_DELETE", 0, delete("subscribed-v3", ("subscribed-a", [0]), ("subscribed-b", [0])))


def scenario_many_partitions(broker):
    coordinator(broker)
    broker.topic("commit-many", 100)
    member = Member(broker, "commit-many", "a")
    body = commit(broker, "commit-many", 9, *(("commit-many", p, p, f"m{p}") for p in range(100)))
    broker.call("all", "OFFSET_COMMIT", 9, body)
    show(broker, "all", member.group)


def scenario_offset_retention_of_old_versions(broker):
    """OffsetCommit 2-4 say how long an offset is kept; the field is there to be taken, expiry itself is checked every ten minutes."""
    coordinator(broker)
    broker.topic("retention-commits")
    for version in (2, 3, 4):
        for retention in (-1, 0, 60000, 1 << 60):
            group = f"retention-{retention}-v{version}"
            broker.call(f"{retention}", "OFFSET_COMMIT", version, commit(broker, group, version, ("retention-commits", 0, 1), retentionTimeMs=retention))
            show(broker, f"{retention} v{version}", group)
