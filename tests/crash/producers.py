"""Producers under load, each a thread until it is told to stop; then each sends what it has and waits for the answers.

`exact` producers are idempotent: no error is expected of them, however often the broker dies. `plain` ones may see any send fail.
"""

import random
import time

import content
from confluent_kafka import Producer
from kafka import KafkaProducer
from kafka.errors import KafkaTimeoutError

# Sends that wait for an answer, at most.
IN_FLIGHT = 300
# A send that takes longer has failed: no kill keeps the broker away for so long.
DELIVERY_S = 120
PAUSE_S = 0.02


class Load:
    """What all producers share: what to send next, and what becomes of it."""

    def __init__(self, worker, about, history):
        self.worker, self.about, self.history = worker, about, history
        self.random = random.Random(f"{worker.seed}:{about['process']}")
        self.number, self.waiting = 0, 0
        self.history.open(repeats=about.get("repeats", False), ordered=about.get("ordered", True))

    def next(self):
        """A new record: the fields of its history, noted as asked for."""
        self.number += 1
        topic = self.random.choice(self.about["topics"])
        partition = self.random.randrange(self.about["partitions"])
        where = {"topic": topic, "partition": partition, "value": f"{self.history.process}-{self.number}"}
        self.history.write("invoke", "send", **where)
        self.waiting += 1
        return where

    def done(self, where, offset):
        """It was acknowledged; where it is may be unknown: librdkafka is not told of what turned out to be a repetition."""
        self.waiting -= 1
        self.history.write("ok", "send", **where, offset=offset if offset is not None and offset >= 0 else None)
        self.worker.acknowledged(self.about["index"])

    def failed(self, where, failure):
        """Nobody knows; an idempotent producer should never say so."""
        self.waiting -= 1
        self.history.write("info", "send", **where, error=str(failure))
        if self.about["exact"]:
            self.worker.problem(f"{self.history.process}: {where['value']}: {failure}")

    def burst(self):
        """How many records to send before the next pause."""
        return 0 if self.waiting >= IN_FLIGHT else self.random.choice((1, 1, 2, 5))


def librdkafka(worker, about, history):
    """Runs one of librdkafka's producers."""
    load = Load(worker, about, history)
    producer = Producer({
        "bootstrap.servers": worker.address, "acks": "all", "linger.ms": 5, "message.timeout.ms": DELIVERY_S * 1000,
        "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 100, "retry.backoff.ms": 20, "retry.backoff.max.ms": 100,
        "compression.type": about["compression"], "log_level": 0, **about["options"]})

    def answered(where):
        return lambda failure, message: load.failed(where, failure) if failure else load.done(where, message.offset())
    while not worker.stop_sending.is_set():
        for _ in range(load.burst()):
            where = load.next()
            producer.produce(where["topic"], content.value(where["value"]), partition=where["partition"], on_delivery=answered(where))
        producer.poll(PAUSE_S)
    left = producer.flush(DELIVERY_S)
    if left:
        worker.problem(f"{history.process}: {left} records were not answered within {DELIVERY_S} s")


def kafka_python(worker, about, history):
    """Runs kafka-python's producer."""
    load = Load(worker, about, history)
    producer = KafkaProducer(
        bootstrap_servers=worker.address, acks="all", linger_ms=5, delivery_timeout_ms=DELIVERY_S * 1000, max_block_ms=DELIVERY_S * 1000,
        request_timeout_ms=10_000, retry_backoff_ms=20, reconnect_backoff_ms=20, reconnect_backoff_max_ms=100,
        compression_type=about["compression"], **about["options"])
    while not worker.stop_sending.is_set():
        for _ in range(load.burst()):
            where = load.next()
            future = producer.send(where["topic"], content.value(where["value"]), partition=where["partition"])
            future.add_callback(lambda sent, where=where: load.done(where, sent.offset))
            future.add_errback(lambda failure, where=where: load.failed(where, failure))
        time.sleep(PAUSE_S)
    try:
        producer.flush(DELIVERY_S)
    except KafkaTimeoutError as failure:
        worker.problem(f"{history.process}: {failure}")
    producer.close(timeout=1)


KINDS = {"librdkafka": librdkafka, "kafka-python": kafka_python}
