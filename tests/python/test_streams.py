"""A Kafka Streams application (tests/java/src/WordCount.java) with at_least_once: its internal topics, its counts, and its
counts after the broker was killed underneath."""

import random
import subprocess
import threading
from collections import Counter
from contextlib import contextmanager

import broker as brokers
import pytest
from broker import APP_JARS, ROOT, java_command
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType
from jvm import TOOL_S
from waiting import until

SETTINGS = {"auto.create.topics.enable": "false", "group.initial.rebalance.delay.ms": "0"}
WORDS = [f"word{i}" for i in range(50)]
PARTITIONS = 3
ANSWER_S = 60
# A window of an hour begins here.
BASE_MS = 1_700_002_800_000


@pytest.fixture
def broker():
    """A broker with the application's own topics: it makes the others."""
    with brokers.create(settings=SETTINGS) as server:
        admin = AdminClient({"bootstrap.servers": server.address})
        topics = [NewTopic(name, PARTITIONS, 1) for name in ("lines", "counts", "windowed")]
        for made in admin.create_topics(topics).values():
            made.result(ANSWER_S)
        yield server


def test_words_are_counted_exactly_while_nothing_fails(broker):
    with application(broker, "counting") as app:
        app.await_state("RUNNING")
        sent = produce(broker, random.Random(1), 500)
        until(lambda: last_counts(broker, "counts") == sent)
        windows = {f"{word}@{BASE_MS}": count for word, count in sent.items()}
        until(lambda: last_counts(broker, "windowed") == windows)
    check_internal_topics(broker)
    check_committed(broker, "counting")
    # A second instance with no state of its own restores it from the changelog.
    with application(broker, "counting", state="second") as app:
        app.await_state("RUNNING")
        sent += produce(broker, random.Random(2), 500)
        until(lambda: last_counts(broker, "counts") == sent)


def test_no_word_is_lost_when_the_broker_is_killed(broker):
    rng = random.Random(3)
    with application(broker, "killed") as app:
        app.await_state("RUNNING")
        sent = produce(broker, rng, 300)
        until(lambda: at_least(last_counts(broker, "counts"), sent))
        for _ in range(2):
            sent += produce(broker, rng, 500)
            # In the middle of the work: the application has begun with these lines, and has not committed them all.
            until(lambda: sum(last_counts(broker, "counts").values()) > sum(sent.values()) - 5000, every_s=0)
            broker.restart(kill=True)
        sent += produce(broker, rng, 200)
        until(lambda: at_least(last_counts(broker, "counts"), sent))
    check_committed(broker, "killed")


def check_internal_topics(broker):
    """The application made its topics with the settings that it wants."""
    admin = AdminClient({"bootstrap.servers": broker.address})
    topics = admin.list_topics(timeout=ANSWER_S).topics
    internal = {name: kind for kind, names in {
        "repartition": ["counting-by-word-repartition", "counting-by-word-windowed-repartition"],
        "changelog": ["counting-totals-changelog"],
        "windowed": ["counting-hourly-changelog"],
    }.items() for name in names}
    assert {name for name in topics if name.startswith("counting-")} == set(internal)
    assert all(len(topics[name].partitions) == PARTITIONS for name in internal)
    asked = {ConfigResource(ResourceType.TOPIC, name): kind for name, kind in internal.items()}
    for resource, answer in admin.describe_configs(list(asked)).items():
        configs = {name: entry.value for name, entry in answer.result(ANSWER_S).items()}
        kind = next(kind for one, kind in asked.items() if one.name == resource.name)
        policy = {"repartition": {"delete"}, "changelog": {"compact"}, "windowed": {"compact", "delete"}}[kind]
        assert set(configs["cleanup.policy"].split(",")) == policy, resource
        if kind == "repartition":
            assert configs["retention.ms"] == "-1" and configs["segment.bytes"] == "52428800"
        assert configs["message.timestamp.type"] == "CreateTime"


def check_committed(broker, group):
    """The application committed all that it read when it was closed."""
    topic = TopicPartition
    consumer = Consumer({"bootstrap.servers": broker.address, "group.id": group})
    try:
        wanted = [topic("lines", partition) for partition in range(PARTITIONS)]
        ends = {p.partition: consumer.get_watermark_offsets(p, ANSWER_S)[1] for p in wanted}
        assert {p.partition: p.offset for p in consumer.committed(wanted, ANSWER_S)} == ends
    finally:
        consumer.close()


def at_least(found, sent):
    """At least once: no count is lower than what was sent."""
    return all(found.get(word, 0) >= count for word, count in sent.items())


def produce(broker, rng, lines):
    """Sends lines of ten words. Returns how often each word was sent and acknowledged."""
    failures, sent = [], Counter()
    producer = Producer({"bootstrap.servers": broker.address, "enable.idempotence": True})
    for number in range(lines):
        words = rng.choices(WORDS, k=10)
        sent.update(words)
        producer.produce("lines", " ".join(words), str(number), timestamp=BASE_MS + number, on_delivery=lambda error, _: error and failures.append(error))
        producer.poll(0)
    assert producer.flush(ANSWER_S) == 0 and not failures
    return sent


def last_counts(broker, topic):
    """The last count of each word."""
    consumer = Consumer({"bootstrap.servers": broker.address, "group.id": "reader", "enable.auto.commit": False, "auto.offset.reset": "error"})
    counts = {}
    try:
        for partition in range(PARTITIONS):
            low, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), ANSWER_S)
            consumer.assign([TopicPartition(topic, partition, low)])
            position = low
            while position < end:
                message = consumer.poll(ANSWER_S)
                assert message and not message.error(), message and message.error()
                counts[message.key().decode()] = int(message.value())
                position = message.offset() + 1
    finally:
        consumer.close()
    return counts


class Application:
    """The application's process and the states that it told."""

    def __init__(self, process):
        self.process, self.lines = process, []
        self.reader = threading.Thread(target=lambda: self.lines.extend(line.strip() for line in process.stdout), daemon=True)
        self.reader.start()

    def await_state(self, state):
        """Waits until the application told of this state."""
        def reached():
            assert self.process.poll() is None, self.lines
            return f"state {state}" in self.lines
        until(reached)


@contextmanager
def application(broker, name, state="first"):
    """A running application, closed at the end of the block."""
    log = broker.directory / f"{name}.log"
    command = java_command(str(ROOT / "tests/java/src/WordCount.java"), APP_JARS, broker.address, name, str(broker.directory / state))
    with open(log, "wb") as errors:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True)
    app = Application(process)
    try:
        yield app
        process.stdin.close()
        assert process.wait(TOOL_S) == 0 and app.lines[-1] == "closed true", app.lines
    except BaseException:
        print(log.read_text(errors="replace")[-8000:])
        raise
    finally:
        process.kill()
        process.wait()
        app.reader.join()
