"""kafka-python: produce in every way it can, consume by assignment, and the admin calls for topics."""

import time

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.errors import KafkaError, OffsetOutOfRangeError, TopicAlreadyExistsError

READ_S = 30
CODECS = [None, "gzip"]


def read(broker, topic, count, partition=0, start=None, **options):
    """The next `count` records from `start` (None: the beginning)."""
    consumer = KafkaConsumer(bootstrap_servers=broker.address, auto_offset_reset="none", enable_auto_commit=False, **options)
    wanted = TopicPartition(topic, partition)
    consumer.assign([wanted])
    if start is None:
        consumer.seek_to_beginning(wanted)
    elif start == "end":
        consumer.seek_to_end(wanted)
    else:
        consumer.seek(wanted, start)
    found, deadline = [], time.monotonic() + READ_S
    while len(found) < count and time.monotonic() < deadline:
        for records in consumer.poll(500).values():
            found += records
    consumer.close()
    return found


@pytest.mark.parametrize("idempotent", [True, False])
@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_keeps_keys_headers_times_and_tombstones(broker, make_topic, codec, idempotent):
    topic = make_topic()
    now = int(time.time() * 1000)
    sent = [(b"k1", b"v1", [("a", b"1"), ("a", b"2")], now), (None, b"no key", [], now + 1), (b"tombstone", None, [], now - 5000), (b"", b"", [("h", b"")], now)]
    with_times = KafkaProducer(bootstrap_servers=broker.address, compression_type=codec, acks="all", enable_idempotence=idempotent)
    for key, value, headers, timestamp in sent:
        with_times.send(topic, key=key, value=value, headers=headers, timestamp_ms=timestamp, partition=0)
    with_times.flush()
    with_times.close()
    assert [(r.key, r.value, list(r.headers), r.timestamp) for r in read(broker, topic, len(sent))] == sent


@pytest.mark.parametrize("acks", [0, 1, "all"])
def test_every_acks_setting_stores_the_records_in_order(broker, make_topic, acks):
    topic = make_topic()
    producer = KafkaProducer(bootstrap_servers=broker.address, acks=acks, enable_idempotence=False, max_in_flight_requests_per_connection=1)
    for i in range(200):
        producer.send(topic, value=b"%d" % i, partition=0)
    producer.flush()
    producer.close()
    assert [r.value for r in read(broker, topic, 200)] == [b"%d" % i for i in range(200)]


def test_consuming_starts_at_an_offset_the_end_or_a_time(broker, make_topic):
    topic = make_topic()
    wanted = TopicPartition(topic, 0)
    base = int(time.time() * 1000) - 100_000
    producer = KafkaProducer(bootstrap_servers=broker.address, acks="all")
    for i in range(50):
        producer.send(topic, value=b"%d" % i, partition=0, timestamp_ms=base + 1000 * i).get(READ_S)
    assert [r.offset for r in read(broker, topic, 10, start=40)] == list(range(40, 50))
    consumer = KafkaConsumer(bootstrap_servers=broker.address)
    assert consumer.beginning_offsets([wanted]) == {wanted: 0}
    assert consumer.end_offsets([wanted]) == {wanted: 50}
    assert consumer.offsets_for_times({wanted: base + 20_500})[wanted].offset == 21
    assert consumer.offsets_for_times({wanted: base + 1_000_000})[wanted] is None
    consumer.assign([wanted])
    consumer.seek_to_end(wanted)
    assert consumer.position(wanted) == 50
    producer.send(topic, value=b"new", partition=0).get(READ_S)
    found = []
    while not found:
        found = [r.value for records in consumer.poll(1000).values() for r in records]
    assert found == [b"new"]
    consumer.close()
    producer.close()


def test_an_offset_out_of_range_is_told(broker, make_topic):
    topic = make_topic()
    with pytest.raises(OffsetOutOfRangeError):
        read(broker, topic, 1, start=17)


def test_a_large_record_is_refused_and_the_next_one_is_taken(broker, make_topic):
    topic = make_topic(configs={"max.message.bytes": "5000"})
    producer = KafkaProducer(bootstrap_servers=broker.address, acks="all", enable_idempotence=False)
    with pytest.raises(KafkaError):
        producer.send(topic, value=b"x" * 6000, partition=0).get(READ_S)
    assert producer.send(topic, value=b"x" * 4000, partition=0).get(READ_S).offset == 0
    producer.close()


def test_topics_are_created_grown_described_and_deleted(broker):
    admin = KafkaAdminClient(bootstrap_servers=broker.address)
    admin.create_topics([NewTopic("admin-topic", 2, 1)])
    with pytest.raises(TopicAlreadyExistsError):
        admin.create_topics([NewTopic("admin-topic", 2, 1)])
    first = await_partitions(admin, "admin-topic", 2)
    admin.create_partitions({"admin-topic": 5})
    assert await_partitions(admin, "admin-topic", 5)["topic_id"] == first["topic_id"]
    admin.delete_topics(["admin-topic"])
    deadline = time.monotonic() + READ_S
    while "admin-topic" in admin.list_topics() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert "admin-topic" not in admin.list_topics()
    admin.create_topics([NewTopic("admin-topic", 1, 1)])
    assert await_partitions(admin, "admin-topic", 1)["topic_id"] != first["topic_id"]
    admin.close()


def await_partitions(admin, topic, count):
    """The topic's description once it has that many partitions."""
    deadline = time.monotonic() + READ_S
    while True:
        described = admin.describe_topics([topic])[0]
        if len(described["partitions"]) == count or time.monotonic() > deadline:
            assert len(described["partitions"]) == count
            return described
        time.sleep(0.05)


@pytest.mark.parametrize("kill", [True, False])
def test_acknowledged_records_and_idempotence_outlive_a_restart(broker, make_topic, kill):
    topic = make_topic(3)
    producer = KafkaProducer(bootstrap_servers=broker.address, acks="all", enable_idempotence=True)
    for i in range(300):
        producer.send(topic, value=b"%d" % i, partition=i % 3)
    producer.flush()
    broker.restart(kill=kill)
    # The same producer goes on: its id and sequences are known.
    for i in range(300, 600):
        producer.send(topic, value=b"%d" % i, partition=i % 3)
    producer.flush()
    producer.close()
    for partition in range(3):
        assert [int(r.value) for r in read(broker, topic, 200, partition)] == list(range(partition, 600, 3))
