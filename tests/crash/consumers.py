"""Readers by assignment and members of groups, each a thread until it is told to stop.

A reader starts at the beginning and never moves: a position that the broker does not know any more is a problem. A member commits
what it was given before it polls again, and notes what was committed when it is given partitions.
"""

import time
from collections import defaultdict

import content
from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as Place
from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError as PythonError
from kafka.errors import NoOffsetForPartitionError, OffsetOutOfRangeError

POLL_S = 0.1
MOST = 500
CALL_S = 5
# What librdkafka says while there is no broker or the group settles.
PASSING = {KafkaError._ALL_BROKERS_DOWN, KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._RESOLVE, KafkaError._WAIT_COORD,
           KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.NOT_COORDINATOR,
           KafkaError.REBALANCE_IN_PROGRESS, KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID,
           KafkaError.REQUEST_TIMED_OUT, KafkaError._TIMED_OUT_QUEUE, KafkaError._NO_OFFSET, KafkaError._DESTROY}
BACKOFF = {"reconnect_backoff_ms": 20, "reconnect_backoff_max_ms": 100, "retry_backoff_ms": 20}


def note_polls(history, began, got):
    """Writes what one poll returned: {(topic, partition): [(offset, raw)]}."""
    for (topic, partition), records in got.items():
        history.write("ok", "poll", topic=topic, partition=partition, began=began, value=[[o, content.name(raw)] for o, raw in records])


def places(about):
    """Every (topic, partition) that the client reads."""
    return [(topic, partition) for topic in about["topics"] for partition in range(about["partitions"])]


def librdkafka_settings(worker, group, reset):
    """Of a consumer that finds the broker again soon."""
    return {
        "bootstrap.servers": worker.address, "group.id": group, "auto.offset.reset": reset, "enable.auto.commit": False,
        "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 100, "retry.backoff.ms": 20, "retry.backoff.max.ms": 100,
        "fetch.wait.max.ms": 100, "fetch.error.backoff.ms": 20, "session.timeout.ms": 20_000, "heartbeat.interval.ms": 1_000,
        "coordinator.query.interval.ms": 500, "log_level": 0}


def librdkafka_poll(worker, history, consumer):
    """One poll; returns {place: [(offset, raw)]}, noted already."""
    began, got = time.monotonic_ns(), defaultdict(list)
    for message in consumer.consume(MOST, POLL_S):
        failure = message.error()
        if failure is None:
            got[message.topic(), message.partition()].append((message.offset(), message.value()))
        elif failure.code() not in PASSING:
            worker.problem(f"{history.process}: {message.topic()}-{message.partition()}: {failure}")
    note_polls(history, began, got)
    return got


def librdkafka_reader(worker, about, history):
    """Reads through by assignment."""
    history.open()
    consumer = Consumer(librdkafka_settings(worker, "unused", "error"))
    consumer.assign([Place(topic, partition, 0) for topic, partition in places(about)])
    while not worker.stop.is_set():
        librdkafka_poll(worker, history, consumer)
    consumer.close()


def librdkafka_member(worker, about, history):
    """Reads in a group, commits each poll."""
    group = about["group"]
    history.open(group=group)
    consumer = Consumer(librdkafka_settings(worker, group, "earliest"))

    def assigned(_, given):
        history.write("ok", "assign")
        note_committed(given)

    def note_committed(given):
        began = time.monotonic_ns()
        try:
            found = consumer.committed(given, timeout=CALL_S)
        except KafkaException:
            return
        for place in found:
            if place.error is None:
                history.write("ok", "committed", topic=place.topic, partition=place.partition, group=group, began=began,
                              offset=max(place.offset, -1))
    consumer.subscribe(about["topics"], on_assign=assigned, on_revoke=lambda *_: None)
    while not worker.stop.is_set():
        got = librdkafka_poll(worker, history, consumer)
        if got:
            librdkafka_commit(consumer, group, history, {place: records[-1][0] + 1 for place, records in got.items()})
    consumer.close()


def librdkafka_commit(consumer, group, history, offsets):
    """Commits {place: offset} and notes what became of it."""
    for (topic, partition), offset in offsets.items():
        history.write("invoke", "commit", topic=topic, partition=partition, group=group, offset=offset)
    try:
        answered = consumer.commit(offsets=[Place(*place, offset) for place, offset in offsets.items()], asynchronous=False)
        done = {(place.topic, place.partition) for place in answered if place.error is None}
    except KafkaException:
        done = set()
    # A refused commit may be the second try of one that was made.
    for (topic, partition), offset in offsets.items():
        type_ = "ok" if (topic, partition) in done else "info"
        history.write(type_, "commit", topic=topic, partition=partition, group=group, offset=offset)


def kafka_python_poll(worker, history, consumer):
    """One poll; returns {place: [(offset, raw)]}, noted already."""
    began = time.monotonic_ns()
    try:
        polled = consumer.poll(timeout_ms=int(POLL_S * 1000), max_records=MOST)
    except (OffsetOutOfRangeError, NoOffsetForPartitionError) as failure:
        worker.problem(f"{history.process}: {failure!r}")
        worker.stop.wait(1)
        return {}
    except PythonError:
        worker.stop.wait(POLL_S)
        return {}
    got = {(place.topic, place.partition): [(record.offset, record.value) for record in records] for place, records in polled.items()}
    note_polls(history, began, got)
    return got


def kafka_python_reader(worker, about, history):
    """Reads through by assignment."""
    history.open()
    consumer = KafkaConsumer(bootstrap_servers=worker.address, auto_offset_reset="none", enable_auto_commit=False, fetch_max_wait_ms=100, **BACKOFF)
    consumer.assign([TopicPartition(*place) for place in places(about)])
    for place in places(about):
        consumer.seek(TopicPartition(*place), 0)
    while not worker.stop.is_set():
        kafka_python_poll(worker, history, consumer)
    consumer.close()


class Moved(ConsumerRebalanceListener):
    """Notes that kafka-python's member was given partitions."""

    def __init__(self, history):
        self.history = history

    def on_partitions_revoked(self, revoked):
        """Nothing: every poll was committed."""

    def on_partitions_assigned(self, assigned):
        """It starts from what is committed."""
        self.history.write("ok", "assign")


def kafka_python_member(worker, about, history):
    """Reads in a group, commits each poll."""
    group = about["group"]
    history.open(group=group)
    consumer = KafkaConsumer(
        bootstrap_servers=worker.address, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False, fetch_max_wait_ms=100,
        session_timeout_ms=20_000, heartbeat_interval_ms=1_000, **BACKOFF)
    consumer.subscribe(about["topics"], listener=Moved(history))
    while not worker.stop.is_set():
        got = kafka_python_poll(worker, history, consumer)
        if got:
            kafka_python_commit(consumer, group, history, {place: records[-1][0] + 1 for place, records in got.items()})
    consumer.close(autocommit=False)


def kafka_python_commit(consumer, group, history, offsets):
    """Commits {place: offset} and notes what became of it."""
    for (topic, partition), offset in offsets.items():
        history.write("invoke", "commit", topic=topic, partition=partition, group=group, offset=offset)
    try:
        consumer.commit({TopicPartition(*place): OffsetAndMetadata(offset, "", -1) for place, offset in offsets.items()}, timeout_ms=CALL_S * 1000)
        type_ = "ok"
    except PythonError:
        type_ = "info"
    for (topic, partition), offset in offsets.items():
        history.write(type_, "commit", topic=topic, partition=partition, group=group, offset=offset)


KINDS = {"librdkafka reader": librdkafka_reader, "librdkafka member": librdkafka_member,
         "kafka-python reader": kafka_python_reader, "kafka-python member": kafka_python_member}
