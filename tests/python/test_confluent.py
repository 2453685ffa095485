"""confluent-kafka (librdkafka): every codec, consuming by assignment, watermarks, times and topics."""

import time

import broker as brokers
import pytest
from confluent_kafka import OFFSET_BEGINNING, OFFSET_END, Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic

READ_S = 30
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


def consumer_of(broker, **options):
    """A consumer that is only ever assigned to; librdkafka asks for a group name all the same."""
    return Consumer({"bootstrap.servers": broker.address, "group.id": "unused", "enable.auto.commit": False,
                     "auto.offset.reset": "error", "check.crcs": True, **options})


def read(broker, topic, count, partition=0, start=OFFSET_BEGINNING):
    """The next `count` messages."""
    consumer = consumer_of(broker)
    consumer.assign([TopicPartition(topic, partition, start)])
    found, deadline = [], time.monotonic() + READ_S
    while len(found) < count and time.monotonic() < deadline:
        for message in consumer.consume(count - len(found), 1.0):
            if message.error():
                raise KafkaException(message.error())
            found.append(message)
    consumer.close()
    return found


def produce(broker, topic, values, partition=0, **options):
    """Produces and waits; returns the offsets, in the order of the values."""
    failures, offsets = [], {}

    def delivered(value):
        def note(error, message):
            if error:
                failures.append(error)
            else:
                offsets[value] = message.offset()
        return note
    producer = Producer({"bootstrap.servers": broker.address, "linger.ms": 5, **options})
    for value in values:
        producer.produce(topic, value=value, partition=partition, on_delivery=delivered(value))
    assert producer.flush(READ_S) == 0
    if failures:
        raise KafkaException(failures[0])
    return [offsets[v] for v in values]


@pytest.mark.parametrize("idempotent", [True, False])
@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_round_trips_with_keys_headers_and_times(broker, make_topic, codec, idempotent):
    topic = make_topic()
    now = int(time.time() * 1000)
    sent = [(b"k", b"v" * 500, [("a", b"1"), ("null", None)], now), (None, b"no key", None, now - 7000), (b"tombstone", None, None, now)]
    producer = Producer({"bootstrap.servers": broker.address, "compression.codec": codec, "enable.idempotence": idempotent})
    for key, value, headers, timestamp in sent:
        producer.produce(topic, key=key, value=value, headers=headers, timestamp=timestamp, partition=0)
    assert producer.flush(READ_S) == 0
    found = [(m.key(), m.value(), m.headers(), m.timestamp()[1]) for m in read(broker, topic, len(sent))]
    assert found == sent


def test_offsets_follow_each_other_over_partitions_and_batches(broker, make_topic):
    topic = make_topic(3)
    for partition in range(3):
        values = [b"%d-%d" % (partition, i) for i in range(2000)]
        assert produce(broker, topic, values, partition, **{"acks": "all"}) == list(range(2000))
        assert [m.value() for m in read(broker, topic, 2000, partition)] == values
        assert [m.offset() for m in read(broker, topic, 5, partition, start=1000)] == list(range(1000, 1005))


def test_watermarks_times_and_the_end(broker, make_topic):
    topic = make_topic()
    base = int(time.time() * 1000) - 60_000
    producer = Producer({"bootstrap.servers": broker.address})
    for i in range(20):
        producer.produce(topic, value=b"x", partition=0, timestamp=base + i * 1000)
    assert producer.flush(READ_S) == 0
    consumer = consumer_of(broker)
    assert consumer.get_watermark_offsets(TopicPartition(topic, 0), READ_S) == (0, 20)
    assert consumer.offsets_for_times([TopicPartition(topic, 0, base + 5500)], READ_S)[0].offset == 6
    consumer.assign([TopicPartition(topic, 0, OFFSET_END)])
    assert consumer.poll(0.5) is None
    produce(broker, topic, [b"new"])
    message = consumer.poll(READ_S)
    assert (message.value(), message.offset()) == (b"new", 20)
    consumer.close()


def test_an_offset_out_of_range_is_told(broker, make_topic):
    topic = make_topic()
    with pytest.raises(KafkaException):
        read(broker, topic, 1, start=99)


def test_topics_and_their_configs_are_managed(broker):
    admin = AdminClient({"bootstrap.servers": broker.address})
    admin.create_topics([NewTopic("rd-topic", 2, 1, config={"retention.ms": "3600000"})])["rd-topic"].result(READ_S)
    resource = ConfigResource(ConfigResource.Type.TOPIC, "rd-topic")
    assert admin.describe_configs([resource])[resource].result(READ_S)["retention.ms"].value == "3600000"
    admin.create_partitions([NewPartitions("rd-topic", 4)])["rd-topic"].result(READ_S)
    deadline = time.monotonic() + READ_S
    while len(admin.list_topics("rd-topic", READ_S).topics["rd-topic"].partitions) != 4:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert [b.id for b in admin.describe_cluster().result(READ_S).nodes] == [1]
    admin.delete_topics(["rd-topic"])["rd-topic"].result(READ_S)


@pytest.mark.parametrize("allowed", [True, False])
def test_a_topic_is_made_by_its_first_use_where_the_broker_allows_it(allowed):
    with brokers.create(settings={"auto.create.topics.enable": str(allowed).lower(), "num.partitions": "3"}) as server:
        if allowed:
            assert produce(server, "made", [b"x"], partition=2) == [0]
            assert [m.value() for m in read(server, "made", 1, partition=2)] == [b"x"]
        else:
            with pytest.raises(KafkaException):
                produce(server, "made", [b"x"], **{"message.timeout.ms": 3000})
        listed = AdminClient({"bootstrap.servers": server.address}).list_topics(timeout=READ_S).topics
        assert {name: len(topic.partitions) for name, topic in listed.items() if not name.startswith("__")} == ({"made": 3} if allowed else {})


@pytest.mark.parametrize("kill", [True, False])
def test_a_producer_goes_on_over_a_restart_without_loss_or_duplicates(broker, make_topic, kill):
    topic = make_topic()
    producer = Producer({"bootstrap.servers": broker.address, "enable.idempotence": True, "linger.ms": 1, "batch.num.messages": 20})
    for i in range(2000):
        producer.produce(topic, value=b"%d" % i, partition=0)
        producer.poll(0)
        if i == 1000:
            # Batches are in flight now; librdkafka retries them.
            broker.restart(kill=kill)
    assert producer.flush(60) == 0
    assert [int(m.value()) for m in read(broker, topic, 2000)] == list(range(2000))
