"""Reads whole partitions with librdkafka and notes it: what was acknowledged before must be among it."""

import time
from collections import defaultdict

import content
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

CALL_S = 10
SCAN_S = 120


class ScanError(Exception):
    """A partition could not be read to its end."""


def scan(address, places, history):
    """Reads every (topic, partition) of `places` from the beginning to where it ends now.

    Raises ScanError when that does not work.
    """
    consumer = Consumer({"bootstrap.servers": address, "group.id": "scanner", "auto.offset.reset": "error", "enable.auto.commit": False,
                         "fetch.wait.max.ms": 50, "log_level": 0})
    try:
        _scan(consumer, places, history)
    except KafkaException as failure:
        raise ScanError(str(failure)) from failure
    finally:
        consumer.close()


def _scan(consumer, places, history):
    began = time.monotonic_ns()
    ends = {place: end_of(consumer, place) for place in places}
    positions = dict.fromkeys(places, 0)
    history.write("ok", "assign")
    consumer.assign([TopicPartition(*place, 0) for place in places])
    deadline = time.monotonic() + SCAN_S
    while any(positions[place] < end for place, end in ends.items()):
        if time.monotonic() > deadline:
            raise ScanError(f"read up to {positions} of {ends} in {SCAN_S} s")
        polled, got = time.monotonic_ns(), defaultdict(list)
        for message in consumer.consume(1000, 0.5):
            if message.error():
                raise ScanError(f"{message.topic()}-{message.partition()}: {message.error()}")
            place = message.topic(), message.partition()
            got[place].append([message.offset(), content.name(message.value())])
            positions[place] = message.offset() + 1
        for (topic, partition), records in got.items():
            history.write("ok", "poll", topic=topic, partition=partition, began=polled, value=records)
    for (topic, partition), end in ends.items():
        history.write("ok", "scan", topic=topic, partition=partition, began=began, value=[0, end])


def end_of(consumer, place):
    """The high watermark, as soon as the partition is recovered."""
    deadline = time.monotonic() + CALL_S
    while True:
        try:
            return consumer.get_watermark_offsets(TopicPartition(*place), timeout=CALL_S)[1]
        except KafkaException as failure:
            if failure.args[0].code() != KafkaError.NOT_LEADER_FOR_PARTITION or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
