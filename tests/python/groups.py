"""Groups for tests with real clients: members that gather what they read, and the waiting around them."""

import itertools
import threading

from confluent_kafka import Consumer, KafkaError
from confluent_kafka.admin import AdminClient, NewTopic
from kafka import KafkaConsumer
from kafka.protocol.metadata import FindCoordinatorRequest
from messages import Caller, Member
from waiting import WAIT_S, until

SETTINGS = {"auto.create.topics.enable": "false", "group.initial.rebalance.delay.ms": "0", "group.min.session.timeout.ms": "500"}
numbers = itertools.count()


def fresh(kind):
    """A name that was not used before."""
    return f"{kind}-{next(numbers)}"


def create(address, topic, partitions=1):
    """Creates a topic, as soon as one of that name that is being deleted is gone."""
    admin = AdminClient({"bootstrap.servers": address})

    def made():
        try:
            admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(WAIT_S)
        except Exception as failure:
            assert failure.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS, failure
            return False
        return True
    until(made, f"{topic} is made")


def coordinated(port, host="127.0.0.1"):
    """A connection to the broker, when it serves groups."""
    caller = Caller(port, timeout_s=20, host=host)
    request = lambda: FindCoordinatorRequest(key="any", key_type=0, version=2)  # noqa: E731
    until(lambda: caller.call(request()).error_code == 0, "a coordinator")
    until(lambda: Member(caller, "any").beat() == 25, "a loaded coordinator")
    return caller


class ConfluentMember:
    """librdkafka in a group: gathers what it reads, from a thread."""

    def __init__(self, address, topic, group, **options):
        self.values, self.partitions, self.assignments, self.stopping = [], set(), 0, threading.Event()
        self.consumer = Consumer({
            "bootstrap.servers": address, "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False,
            "topic.metadata.refresh.interval.ms": 500, "metadata.max.age.ms": 1000, "session.timeout.ms": 6000,
            "reconnect.backoff.max.ms": 200, **options})
        self.consumer.subscribe([topic], on_assign=self._assigned)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _assigned(self, _, partitions):
        self.assignments += 1
        self.partitions = {p.partition for p in partitions}

    def _run(self):
        while not self.stopping.is_set():
            message = self.consumer.poll(0.1)
            if message is not None and not message.error():
                self.values.append(message.value())
                try:
                    self.consumer.commit(message, asynchronous=False)
                except Exception:
                    # Lost or overtaken by a rebalance: the next one covers it.
                    pass
        self.consumer.close()

    def close(self):
        """Leaves the group."""
        close_all(self)


class PythonMember(ConfluentMember):
    """kafka-python in a group."""

    def __init__(self, address, topic, group, **_):
        self.values, self.stopping = [], threading.Event()
        self.consumer = KafkaConsumer(
            topic, bootstrap_servers=address, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False, metadata_max_age_ms=1000,
            session_timeout_ms=6000, heartbeat_interval_ms=500, reconnect_backoff_max_ms=200)
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    @property
    def partitions(self):
        """What it has now."""
        return {p.partition for p in self.consumer.assignment()}

    def _run(self):
        while not self.stopping.is_set():
            # Not less: a poll of kafka-python 3.0.12 that times out between JoinGroup and SyncGroup forgets the assignment for good.
            for messages in self.consumer.poll(3000).values():
                self.values += [m.value for m in messages]
                try:
                    self.consumer.commit()
                except Exception:
                    pass
        self.consumer.close()


def close_all(*members):
    """All of them leave."""
    for member in members:
        member.stopping.set()
    for member in members:
        member.thread.join(WAIT_S)


MEMBERS = {"confluent": ConfluentMember, "kafka-python": PythonMember}


def produce(producer, topic, values, partition=0):
    """Produces and waits for the answers."""
    failures = []
    for value in values:
        producer.produce(topic, value=value, partition=partition, on_delivery=lambda error, _: error and failures.append(error))
    assert producer.flush(WAIT_S) == 0
    assert not failures, failures
