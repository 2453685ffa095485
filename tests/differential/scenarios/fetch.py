"""Fetch: versions, offsets, limits, sessions (KIP-227), topic ids, epochs, long polls."""

import time

from session import ZERO_ID, batch

UNKNOWN_ID = "AAAAAAAAAAAAAAAAAAAAKg"


def wanted(partition, offset, limit=1048576, epoch=-1, start=-1, last_epoch=-1):
    """One partition of a Fetch body."""
    return {"partition": partition, "fetchOffset": offset, "partitionMaxBytes": limit, "currentLeaderEpoch": epoch,
            "logStartOffset": start, "lastFetchedEpoch": last_epoch}


def body(broker, version, topics, wait=0, least=1, most=10000000, isolation=0, session=0, epoch=-1, forgotten=()):
    """A Fetch body; topics are (name, [wanted ...])."""
    return {"replicaId": -1, "maxWaitMs": wait, "minBytes": least, "maxBytes": most, "isolationLevel": isolation, "sessionId": session,
            "sessionEpoch": epoch, "topics": [broker.topic_key(name, version >= 13, "topic") | {"partitions": list(parts)} for name, parts in topics],
            "forgottenTopicsData": [broker.topic_key(name, version >= 13, "topic") | {"partitions": list(parts)} for name, parts in forgotten]}


def filled(broker, name, partitions=1, batches=3):
    """A topic with some batches of 3 records in each partition."""
    broker.topic(name, partitions)
    for partition in range(partitions):
        for i in range(batches):
            broker.produce(name, batch(*[f"{partition}-{i}-{j}" for j in range(3)]), partition=partition)


def scenario_each_version(broker):
    filled(broker, "fetch-versions")
    for version in range(4, 19):
        for step, offset in (("from the start", 0), ("from inside a batch", 4), ("at the end", 9), ("past the end", 10), ("negative", -1)):
            broker.call(step, "FETCH", version, body(broker, version, [("fetch-versions", [wanted(0, offset)])]))
        broker.call("read committed", "FETCH", version, body(broker, version, [("fetch-versions", [wanted(0, 0)])], isolation=1))
        broker.call("unknown partition", "FETCH", version, body(broker, version, [("fetch-versions", [wanted(7, 0)])]))
        broker.call("unknown topic", "FETCH", version, body(broker, version, [(UNKNOWN_ID if version >= 13 else "fetch-nowhere", [wanted(0, 0)])]))
        broker.call("no topics", "FETCH", version, body(broker, version, []))


def scenario_limits(broker):
    broker.topic("fetch-limits", 3)
    for partition in range(3):
        for i in range(4):
            broker.produce("fetch-limits", batch("x" * 1000), partition=partition)
    for step, limit in (("0", 0), ("1", 1), ("one batch", 1100), ("a batch and a half", 1600), ("two batches", 2200), ("negative", -1)):
        broker.call(f"partition limit {step}", "FETCH", 12, body(broker, 12, [("fetch-limits", [wanted(0, 0, limit)])]))
        broker.call(f"request limit {step}", "FETCH", 12, body(broker, 12, [("fetch-limits", [wanted(0, 0), wanted(1, 0), wanted(2, 0)])], most=limit))
    broker.call("both", "FETCH", 12, body(broker, 12, [("fetch-limits", [wanted(0, 0, 1100), wanted(1, 0, 1100), wanted(2, 0, 1100)])], most=2000))
    broker.call("partition limit 1 on the second", "FETCH", 12, body(broker, 12, [("fetch-limits", [wanted(0, 0, 1100), wanted(1, 0, 1)])]))


def scenario_leader_epochs(broker):
    filled(broker, "fetch-epochs")
    for version in (9, 11, 12, 13, 16, 18):
        for epoch in (0, 1, 99):
            broker.call(f"current leader epoch {epoch}", "FETCH", version, body(broker, version, [("fetch-epochs", [wanted(0, 0, epoch=epoch)])]))
    for version in (12, 13, 17):
        for last in (0, 1):
            broker.call(f"last fetched epoch {last}", "FETCH", version, body(broker, version, [("fetch-epochs", [wanted(0, 3, epoch=0, last_epoch=last)])]))
        broker.call("last fetched epoch 0 past the end", "FETCH", version, body(broker, version, [("fetch-epochs", [wanted(0, 20, epoch=0, last_epoch=0)])]))


def scenario_ids(broker):
    filled(broker, "fetch-ids")
    for version in range(13, 19):
        broker.call("zero id", "FETCH", version, body(broker, version, [(ZERO_ID, [wanted(0, 0)])]))
        broker.call("good and unknown", "FETCH", version, body(broker, version, [("fetch-ids", [wanted(0, 0)]), (UNKNOWN_ID, [wanted(0, 0), wanted(1, 5)])]))


def scenario_deleted_and_made_again(broker):
    filled(broker, "fetch-reborn")
    first = broker.topic_ids["fetch-reborn"]
    broker.quiet("DELETE_TOPICS", 6, {"topics": [{"name": "fetch-reborn"}], "timeoutMs": 10000})
    broker.await_gone("fetch-reborn")
    broker.topic("fetch-reborn")
    broker.call("the old id", "FETCH", 13, body(broker, 13, [(first, [wanted(0, 0)])]))
    broker.call("the new id", "FETCH", 13, body(broker, 13, [("fetch-reborn", [wanted(0, 0)])]))
    broker.call("the name", "FETCH", 12, body(broker, 12, [("fetch-reborn", [wanted(0, 0)])]))


def scenario_sessions(broker):
    for version in (7, 12, 13, 18):
        name = f"fetch-session-{version}"
        filled(broker, name, 3)
        opened = broker.call("open", "FETCH", version, body(broker, version, [(name, [wanted(p, 9) for p in range(3)])], epoch=0))
        session = opened["sessionId"]
        broker.call("nothing new", "FETCH", version, body(broker, version, [], session=session, epoch=1))
        broker.produce(name, batch("new"), partition=1)
        broker.call("something new", "FETCH", version, body(broker, version, [], session=session, epoch=2))
        broker.call("again, not moved", "FETCH", version, body(broker, version, [], session=session, epoch=3))
        broker.call("moved", "FETCH", version, body(broker, version, [(name, [wanted(1, 10)])], session=session, epoch=4))
        broker.call("back", "FETCH", version, body(broker, version, [(name, [wanted(0, 0)])], session=session, epoch=5))
        broker.call("forget", "FETCH", version, body(broker, version, [], session=session, epoch=6, forgotten=[(name, [0])]))
        broker.call("out of range", "FETCH", version, body(broker, version, [(name, [wanted(2, 500)])], session=session, epoch=7))
        broker.call("still out of range", "FETCH", version, body(broker, version, [], session=session, epoch=8))
        broker.call("wrong epoch", "FETCH", version, body(broker, version, [], session=session, epoch=7))
        broker.call("right epoch after the wrong one", "FETCH", version, body(broker, version, [], session=session, epoch=9))
        broker.call("unknown partition", "FETCH", version, body(broker, version, [(name, [wanted(8, 0)])], session=session, epoch=10))
        broker.call("close", "FETCH", version, body(broker, version, [(name, [wanted(0, 8)])], session=session, epoch=-1))
        broker.call("after close", "FETCH", version, body(broker, version, [], session=session, epoch=11))
        broker.call("unknown session", "FETCH", version, body(broker, version, [], session=123456, epoch=1))
        broker.call("session 0 with epoch 3", "FETCH", version, body(broker, version, [], session=0, epoch=3))
        broker.call("epoch -2", "FETCH", version, body(broker, version, [], session=0, epoch=-2))


def scenario_session_with_unknown_topics(broker):
    filled(broker, "fetch-session-known")
    for version in (12, 13, 16):
        nowhere = UNKNOWN_ID if version >= 13 else "fetch-nowhere"
        opened = broker.call("open", "FETCH", version, body(broker, version, [("fetch-session-known", [wanted(0, 0)]), (nowhere, [wanted(0, 0)])], epoch=0))
        broker.call("next", "FETCH", version, body(broker, version, [], session=opened["sessionId"], epoch=1))
        other = 13 if version < 13 else 12
        broker.call(f"next from v{version} to", "FETCH", other, body(broker, other, [("fetch-session-known", [wanted(0, 0)])], session=opened["sessionId"], epoch=2))


def scenario_session_over_a_deletion(broker):
    filled(broker, "fetch-session-dies", 2)
    opened = broker.call("open", "FETCH", 13, body(broker, 13, [("fetch-session-dies", [wanted(0, 9), wanted(1, 9)])], epoch=0))
    broker.quiet("DELETE_TOPICS", 6, {"topics": [{"name": "fetch-session-dies"}], "timeoutMs": 10000})
    broker.await_gone("fetch-session-dies")
    broker.call("deleted", "FETCH", 13, body(broker, 13, [], session=opened["sessionId"], epoch=1))


def scenario_long_poll(broker):
    filled(broker, "fetch-wait")
    began = time.monotonic()
    broker.call("nothing comes", "FETCH", 12, body(broker, 12, [("fetch-wait", [wanted(0, 9)])], wait=700))
    broker.note_value("waited for max.wait", time.monotonic() - began > 0.6)
    began = time.monotonic()
    broker.call("an error does not wait", "FETCH", 12, body(broker, 12, [("fetch-wait", [wanted(0, 99)])], wait=9000))
    broker.call("an unknown topic does not wait", "FETCH", 12, body(broker, 12, [("fetch-nowhere", [wanted(0, 0)])], wait=9000))
    broker.call("no partitions do not wait", "FETCH", 12, body(broker, 12, [], wait=9000))
    broker.call("enough is there", "FETCH", 12, body(broker, 12, [("fetch-wait", [wanted(0, 0)])], wait=9000))
    broker.note_value("did not wait", time.monotonic() - began < 4)
    sent = broker.send("FETCH", 12, body(broker, 12, [("fetch-wait", [wanted(0, 9)])], wait=9000), connection="waiting")
    broker.produce("fetch-wait", batch("woken"))
    broker.receive("woken by a record", sent)
    broker.note_value("woken early", time.monotonic() - began < 6)
    sent = broker.send("FETCH", 12, body(broker, 12, [("fetch-wait", [wanted(0, 10)])], wait=9000, least=200), connection="waiting")
    for i in range(3):
        broker.produce("fetch-wait", batch("x" * 40))
    broker.receive("woken by enough bytes", sent)
    broker.call("less than asked, after the wait", "FETCH", 12, body(broker, 12, [("fetch-wait", [wanted(0, 12)])], wait=300, least=100000))


def scenario_bad_fields(broker):
    filled(broker, "fetch-bad")
    good = [("fetch-bad", [wanted(0, 0)])]
    broker.call("isolation level 7", "FETCH", 12, body(broker, 12, good, isolation=7))
    broker.call("max wait -1", "FETCH", 12, body(broker, 12, good, wait=-1))
    broker.call("min bytes -1", "FETCH", 12, body(broker, 12, good, least=-1))
    broker.call("the same partition twice", "FETCH", 12, body(broker, 12, [("fetch-bad", [wanted(0, 0), wanted(0, 3)])]))
    broker.call("negative partition", "FETCH", 12, body(broker, 12, [("fetch-bad", [wanted(-1, 0)])]))
    broker.call("as a follower", "FETCH", 12, body(broker, 12, good) | {"replicaId": 5})
    broker.call("cluster id", "FETCH", 12, body(broker, 12, good) | {"clusterId": "another"})
    broker.call("rack", "FETCH", 12, body(broker, 12, good) | {"rackId": "here"})


def scenario_zstd_for_old_versions(broker):
    broker.topic("fetch-zstd")
    broker.produce("fetch-zstd", batch("a", "b", codec="zstd"))
    for version in (4, 9, 10, 12):
        broker.call("zstd", "FETCH", version, body(broker, version, [("fetch-zstd", [wanted(0, 0)])]))
