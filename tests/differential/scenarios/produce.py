"""Produce: acks, codecs, bad batches, limits; and the idempotent producer's rules."""

from session import batch, record

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


def fetched(broker, step, topic, partition=0, offset=0):
    """Records everything that a partition holds."""
    broker.call(step, "FETCH", 11, {"maxWaitMs": 100, "minBytes": 1, "maxBytes": 10000000, "sessionEpoch": -1, "replicaId": -1, "topics": [
        {"topic": topic, "partitions": [{"partition": partition, "fetchOffset": offset, "partitionMaxBytes": 10000000, "currentLeaderEpoch": -1}]}]})


def scenario_each_version(broker):
    broker.topic("produce-versions")
    for version in range(3, 14):
        body = broker.produce_body("produce-versions", [batch(f"version {version}", "second")], version=version)
        broker.call("acks all", "PRODUCE", version, body)
        body = broker.produce_body("produce-versions", [batch("one")], acks=1, version=version)
        broker.call("acks 1", "PRODUCE", version, body)
    # What is answered with acks=1 need not be readable yet.
    broker.produce("produce-versions", batch("the last"))
    fetched(broker, "all of it", "produce-versions")


def scenario_each_codec(broker):
    broker.topic("produce-codecs")
    for codec in CODECS:
        for version in (3, 6, 7, 9, 13):
            body = broker.produce_body("produce-codecs", [batch(*[f"{codec} {i}" * 20 for i in range(10)], codec=codec)], version=version)
            broker.call(codec, "PRODUCE", version, body)
    fetched(broker, "all of it", "produce-codecs")


def scenario_record_shapes(broker):
    broker.topic("produce-shapes")
    shapes = batch(record("value", "key"), record(None, "tombstone"), record("no key"), record("", ""), record(None),
                   record("headers", "h", at=5, headers=[("a", "1"), ("a", "2"), ("empty", ""), ("null", None)]), record("earlier", at=-1000))
    broker.produce("produce-shapes", shapes)
    broker.produce("produce-shapes", shapes | {"codec": "lz4"})
    fetched(broker, "all of it", "produce-shapes")
    fetched(broker, "from inside a batch", "produce-shapes", offset=9)


def scenario_acks(broker):
    broker.topic("produce-acks")
    good = [batch("x")]
    for acks in (2, -2, 100, -32768):
        broker.call(f"acks {acks}", "PRODUCE", 9, broker.produce_body("produce-acks", good, acks=acks), connection=f"acks {acks}")
    sent = broker.send("PRODUCE", 9, broker.produce_body("produce-acks", good, acks=0), connection="zero")
    broker.call("after acks 0", "LIST_OFFSETS", 1, {"replicaId": -1, "topics": [
        {"name": "produce-acks", "partitions": [{"partitionIndex": 0, "timestamp": -2}]}]}, connection="zero")
    broker.note_value("acks 0 was sent", bool(sent))
    fetched(broker, "what acks 0 wrote", "produce-acks")


def scenario_acks_zero_with_an_error(broker):
    broker.topic("produce-zero")
    for step, topic, batches in (("unknown topic", "produce-nowhere", [batch("x")]), ("bad crc", "produce-zero", [batch("x", patch={"crc": 1})])):
        sent = broker.send("PRODUCE", 9, broker.produce_body(topic, batches, acks=0), connection=step)
        broker.receive(step, sent)


def scenario_unknown_partitions(broker):
    broker.topic("produce-known")
    for version in (3, 7, 8, 9, 12, 13):
        broker.call("unknown topic", "PRODUCE", version, broker.produce_body("AAAAAAAAAAAAAAAAAAAAKg" if version >= 13 else "produce-nowhere", [batch("x")], version=version))
        broker.call("unknown partition", "PRODUCE", version, broker.produce_body("produce-known", [batch("x")], partition=1, version=version))
        broker.call("negative partition", "PRODUCE", version, broker.produce_body("produce-known", [batch("x")], partition=-1, version=version))
    broker.call("illegal name", "PRODUCE", 9, broker.produce_body("a b", [batch("x")]))
    broker.call("internal topic", "PRODUCE", 9, broker.produce_body("__transaction_state", [batch("x")]))
    mixed = broker.produce_body("produce-known", [batch("good")])
    mixed["topicData"] += broker.produce_body("produce-nowhere", [batch("bad")])["topicData"]
    mixed["topicData"][0]["partitionData"].append({"index": 5, "records": broker.records(batch("bad"))})
    broker.call("good and bad together", "PRODUCE", 9, mixed)
    broker.call("no topics", "PRODUCE", 9, {"acks": -1, "timeoutMs": 1000, "topicData": []})


BAD_BATCHES = {
    "bad crc": [batch("x", patch={"crc": 1})],
    "flipped byte": [batch("value", patch={"lastByte": 77, "crc": 5})],
    "magic 3": [batch("x", patch={"magic": 3})],
    "magic -1": [batch("x", patch={"magic": -1})],
    "magic 0": [batch("x", magic=0)],
    "magic 1": [batch("x", magic=1)],
    "magic 1 gzip": [batch("x", "y", magic=1, codec="gzip")],
    "two batches": [batch("x"), batch("y")],
    "no batch": [],
    "empty batch": [batch("x", patch={"recordsCount": 0, "lastOffsetDelta": -1})],
    "count 0": [batch("x", patch={"recordsCount": 0})],
    "count too high": [batch("x", "y", patch={"recordsCount": 3})],
    "count too low": [batch("x", "y", patch={"recordsCount": 1})],
    "count negative": [batch("x", "y", patch={"recordsCount": -1})],
    "delta too high": [batch("x", "y", patch={"lastOffsetDelta": 5})],
    "delta negative": [batch("x", "y", patch={"lastOffsetDelta": -5})],
    "batch length 0": [batch("x", patch={"batchLength": 0})],
    "batch length short": [batch("x", patch={"batchLength": 48})],
    "batch length long": [batch("x", patch={"batchLength": 500})],
    "batch length negative": [batch("x", patch={"batchLength": -1})],
    "batch length huge": [batch("x", patch={"batchLength": 2147483647})],
    "cut": [batch("some value", patch={"cut": 3})],
    "cut header": [batch("x", patch={"cut": 30})],
    "codec 5": [batch("x", patch={"attributes": 5})],
    "codec 7": [batch("x", patch={"attributes": 7})],
    "control batch": [batch("x", control=True, producerId=5, producerEpoch=0, baseSequence=0)],
    "control bit": [batch("x", patch={"attributes": 32})],
    "log append time bit": [batch("x", patch={"attributes": 8})],
    "unused attribute bit": [batch("x", patch={"attributes": 128})],
    "base offset 55": [batch("x", baseOffset=55)],
    "future timestamp": [batch(record("x", at=10 * 3600 * 1000))],
    "timestamp -1": [batch({"key": None, "value": "x", "timestamp": -1, "headers": []})],
    "max timestamp in the future": [batch("x", patch={"maxTimestamp": 1 << 61})],
    "leader epoch 9": [batch("x", leaderEpoch=9)],
}


def scenario_bad_batches(broker):
    broker.topic("produce-bad")
    for step, batches in BAD_BATCHES.items():
        for version in (3, 8, 12):
            broker.call(step, "PRODUCE", version, broker.produce_body("produce-bad", batches, version=version), connection=f"{step} {version}")
    fetched(broker, "what was taken", "produce-bad")


def scenario_count_and_delta_too_high(broker):
    broker.topic("produce-agreed")
    body = broker.produce_body("produce-agreed", [batch("x", "y", patch={"recordsCount": 3, "lastOffsetDelta": 2})])
    broker.call("both fields say 3 records of 2", "PRODUCE", 9, body)


def scenario_transactional_without_a_transaction(broker):
    broker.topic("produce-untransacted")
    content = batch("x", transactional=True, producerId=77, producerEpoch=0, baseSequence=0)
    for version in (3, 8, 12):
        broker.call("transactional", "PRODUCE", version, broker.produce_body("produce-untransacted", [content], version=version), connection=f"{version}")


def scenario_null_records(broker):
    broker.topic("produce-null")
    broker.call("null", "PRODUCE", 9, broker.produce_body("produce-null", None), connection="null", timeout_ms=1000)


def scenario_too_large(broker):
    broker.topic("produce-large")
    broker.topic("produce-small-limit", configs={"max.message.bytes": "1000"})
    broker.call("over the broker's limit", "PRODUCE", 9, broker.produce_body("produce-large", [batch("x" * 200000)]))
    broker.call("under the broker's limit", "PRODUCE", 9, broker.produce_body("produce-large", [batch("x" * 199000)]))
    broker.call("over the topic's limit", "PRODUCE", 9, broker.produce_body("produce-small-limit", [batch("x" * 1000)]))
    broker.call("under the topic's limit", "PRODUCE", 9, broker.produce_body("produce-small-limit", [batch("x" * 900)]))
    broker.call("compressed under the limit", "PRODUCE", 9, broker.produce_body("produce-small-limit", [batch("x" * 50000, codec="gzip")]))


def scenario_topic_settings(broker):
    settings = {"compact": {"cleanup.policy": "compact"}, "append-time": {"message.timestamp.type": "LogAppendTime"},
                "gzip": {"compression.type": "gzip"}, "uncompressed": {"compression.type": "uncompressed"},
                "before": {"message.timestamp.before.max.ms": "1000"}, "after": {"message.timestamp.after.max.ms": "1000"}}
    for name, configs in settings.items():
        topic = f"produce-{name}"
        broker.topic(topic, configs=configs)
        for step, content in (("keys", batch(record("v", "k"), record(None, "k"))), ("no key", batch(record("a", "k"), record("b"), record("c"))),
                              ("lz4", batch(record("v" * 50, "k"), record("w" * 50, "k"), codec="lz4"))):
            for version in (7, 9):
                broker.call(f"{name}: {step}", "PRODUCE", version, broker.produce_body(topic, [content]))
        fetched(broker, f"{name}: all of it", topic)


def fresh_producer(broker, step):
    """A producer id from the broker; Kafka has none ready for some moments after its start."""
    wanted = {"transactionalId": None, "transactionTimeoutMs": 60000, "producerId": -1, "producerEpoch": -1}
    return broker.settled(step, "INIT_PRODUCER_ID", 4, wanted, lambda body: body.get("errorCode") == 0)


def scenario_idempotence(broker):
    broker.topic("idem", 2)
    identity = fresh_producer(broker, "init")

    def send(step, count, sequence, epoch=0, partition=0):
        fields = {"producerId": identity["producerId"], "producerEpoch": epoch, "baseSequence": sequence}
        content = batch(*[f"{step} {i}" for i in range(count)], patch=fields)
        broker.call(step, "PRODUCE", 9, broker.produce_body("idem", [content], partition=partition))

    for i in range(7):
        send(f"batch {i}", 2, 2 * i)
    for i in range(7):
        send(f"repeat of batch {i}", 2, 2 * i)
    send("a gap", 2, 20)
    send("half of the last", 1, 13)
    send("the last with one more", 3, 12)
    send("next", 1, 14)
    send("a lower epoch", 1, 15, epoch=-1)
    send("a higher epoch, sequence 3", 1, 3, epoch=1)
    send("a higher epoch, sequence 0", 1, 0, epoch=1)
    send("the old epoch", 1, 15, epoch=0)
    send("the old epoch's repeat", 2, 12, epoch=0)
    send("epoch 1 goes on", 1, 1, epoch=1)
    send("another partition", 1, 0, epoch=1, partition=1)
    fetched(broker, "all of it", "idem")


def scenario_idempotence_without_state(broker):
    broker.topic("idem-fresh", 4)

    def send(step, partition, sequence, epoch=0, count=1, producer=4711):
        fields = {"producerId": producer, "producerEpoch": epoch, "baseSequence": sequence}
        content = batch(*["x"] * count, patch=fields)
        broker.call(step, "PRODUCE", 9, broker.produce_body("idem-fresh", [content], partition=partition))

    send("an unknown id at sequence 7", 0, 7)
    send("then 8", 0, 8)
    send("an unknown id at epoch 9", 1, 0, epoch=9)
    send("an unknown id before the wrap", 2, 2147483646, count=2)
    send("0 after the wrap", 2, 0)
    send("1 after the wrap", 2, 1)
    send("repeat before the wrap", 2, 2147483646, count=2)
    send("a batch over the wrap", 3, 2147483647, count=3)
    send("after the batch over the wrap", 3, 2)
    send("repeat of the batch over the wrap", 3, 2147483647, count=3)
    send("sequence -1 with an id", 0, -1, producer=4712)
    send("an id without an epoch", 0, 0, epoch=-1, producer=4713)


def scenario_idempotence_in_flight(broker):
    broker.topic("idem-flight")
    bodies = [broker.produce_body("idem-flight", [batch(f"{i}", producerId=900, producerEpoch=0, baseSequence=i)]) for i in range(5)]
    sent = [broker.send("PRODUCE", 9, body, connection="flight") for body in bodies]
    for i, one in enumerate(sent):
        broker.receive(f"in flight {i}", one)
    sent = [broker.send("PRODUCE", 9, body, connection="flight") for body in bodies]
    for i, one in enumerate(sent):
        broker.receive(f"repeated {i}", one)


def scenario_init_producer_id(broker):
    fresh_producer(broker, "first")
    for version in range(0, 6):
        none = {"transactionalId": None, "transactionTimeoutMs": 60000, "producerId": -1, "producerEpoch": -1}
        broker.call("idempotent", "INIT_PRODUCER_ID", version, none)
        broker.call("timeout 0", "INIT_PRODUCER_ID", version, none | {"transactionTimeoutMs": 0})
        broker.call("empty transactional id", "INIT_PRODUCER_ID", version, none | {"transactionalId": ""})
    for version in range(3, 6):
        broker.call("with an id, without a transactional id", "INIT_PRODUCER_ID", version, {
            "transactionalId": None, "transactionTimeoutMs": 60000, "producerId": 5, "producerEpoch": 2})
        broker.call("an id without an epoch", "INIT_PRODUCER_ID", version, {
            "transactionalId": None, "transactionTimeoutMs": 60000, "producerId": 5, "producerEpoch": -1})
