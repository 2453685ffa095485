"""ListOffsets and OffsetForLeaderEpoch."""

from session import BASE_TIMESTAMP, batch, record

EARLIEST, LATEST, MAX_TIMESTAMP, EARLIEST_LOCAL, LATEST_TIERED, EARLIEST_PENDING = -2, -1, -3, -4, -5, -6


def ask(topic, *pairs, isolation=0, epoch=-1):
    """A ListOffsets body; pairs are (partition, timestamp)."""
    return {"replicaId": -1, "isolationLevel": isolation, "timeoutMs": 5000, "topics": [{"name": topic, "partitions": [
        {"partitionIndex": p, "timestamp": t, "currentLeaderEpoch": epoch} for p, t in pairs]}]}


def filled(broker, name):
    """Partition 0 has times 0, 10, 20 | 100, 50, 60 | 30, 100; partition 1 is empty."""
    broker.topic(name, 2)
    for times in ((0, 10, 20), (100, 50, 60), (30, 100)):
        broker.produce(name, batch(*[record(f"at {t}", at=t) for t in times]))


def scenario_special_timestamps(broker):
    filled(broker, "offsets-special")
    names = {EARLIEST: "earliest", LATEST: "latest", MAX_TIMESTAMP: "max timestamp", EARLIEST_LOCAL: "earliest local",
             LATEST_TIERED: "latest tiered", EARLIEST_PENDING: "earliest pending", -7: "-7", -100: "-100"}
    for version in range(1, 12):
        for timestamp, step in names.items():
            broker.call(step, "LIST_OFFSETS", version, ask("offsets-special", (0, timestamp), (1, timestamp)))


def scenario_by_time(broker):
    filled(broker, "offsets-time")
    for version in range(1, 12):
        for at in (-1, 0, 1, 20, 21, 55, 100, 101):
            broker.call(f"at {at}", "LIST_OFFSETS", version, ask("offsets-time", (0, BASE_TIMESTAMP + at), (1, BASE_TIMESTAMP + at)))
    broker.call("timestamp 0", "LIST_OFFSETS", 7, ask("offsets-time", (0, 0)))
    broker.call("far future", "LIST_OFFSETS", 7, ask("offsets-time", (0, 1 << 62)))


def scenario_by_time_compressed(broker):
    broker.topic("offsets-codec")
    for codec in ("gzip", "snappy", "lz4", "zstd"):
        base = {"gzip": 0, "snappy": 100, "lz4": 200, "zstd": 300}[codec]
        broker.produce("offsets-codec", batch(*[record("v", at=base + t) for t in (0, 10, 20)], codec=codec))
    for at in (5, 110, 115, 220, 301, 320, 321):
        broker.call(f"at {at}", "LIST_OFFSETS", 7, ask("offsets-codec", (0, BASE_TIMESTAMP + at)))
    broker.call("max timestamp", "LIST_OFFSETS", 7, ask("offsets-codec", (0, MAX_TIMESTAMP)))


def scenario_errors(broker):
    filled(broker, "offsets-errors")
    for version in (1, 2, 4, 7, 11):
        broker.call("unknown topic", "LIST_OFFSETS", version, ask("offsets-nowhere", (0, LATEST)))
        broker.call("unknown partition", "LIST_OFFSETS", version, ask("offsets-errors", (0, LATEST), (9, LATEST), (-1, LATEST)))
        broker.call("read committed", "LIST_OFFSETS", version, ask("offsets-errors", (0, LATEST), isolation=1))
        broker.call("the same partition twice", "LIST_OFFSETS", version, ask("offsets-errors", (0, LATEST), (0, EARLIEST)))
        broker.call("no partitions", "LIST_OFFSETS", version, ask("offsets-errors"))
    for version in (4, 11):
        for epoch in (0, 1, 50):
            broker.call(f"current leader epoch {epoch}", "LIST_OFFSETS", version, ask("offsets-errors", (0, LATEST), (1, EARLIEST), epoch=epoch))
    broker.call("illegal name", "LIST_OFFSETS", 7, ask("a b", (0, LATEST)))
    broker.call("isolation level 9", "LIST_OFFSETS", 7, ask("offsets-errors", (0, LATEST), isolation=9))
    broker.call("no topics", "LIST_OFFSETS", 7, {"replicaId": -1, "topics": []})


def scenario_leader_epochs(broker):
    filled(broker, "offsets-epochs")
    for version in range(2, 5):
        for current in (-1, 0, 1):
            for epoch in (-1, 0, 1, 99):
                broker.call(f"epoch {epoch}, current {current}", "OFFSET_FOR_LEADER_EPOCH", version, {"replicaId": -1, "topics": [
                    {"topic": "offsets-epochs", "partitions": [{"partition": 0, "leaderEpoch": epoch, "currentLeaderEpoch": current}]}]})
        broker.call("empty, unknown, nowhere", "OFFSET_FOR_LEADER_EPOCH", version, {"replicaId": -1, "topics": [
            {"topic": "offsets-epochs", "partitions": [{"partition": p, "leaderEpoch": 0, "currentLeaderEpoch": -1} for p in (1, 5)]},
            {"topic": "offsets-nowhere", "partitions": [{"partition": 0, "leaderEpoch": 0, "currentLeaderEpoch": -1}]}]})
