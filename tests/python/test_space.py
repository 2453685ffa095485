"""A file system that fills up: the floor of free space, and what happens when somebody else uses the rest. Highwater only; needs
to mount a small tmpfs."""

import json
import os
import subprocess
import urllib.error
import urllib.request

import broker as brokers
import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic
from prometheus_client.parser import text_string_to_metric_families
from waiting import until

SIZE_MIB = 64
VALUE = os.urandom(100_000)


@pytest.fixture
def mount(tmp_path):
    """The directory of a small file system of its own."""
    path = tmp_path / "small"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "tmpfs", str(path)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=False)


class Watched(brokers.Highwater):
    """A broker that is also asked over HTTP."""

    def __init__(self, directory, settings=None):
        super().__init__(settings={"auto.create.topics.enable": "false", "log.segment.delete.delay.ms": 0,
                                   "group.initial.rebalance.delay.ms": 0, **(settings or {})}, directory=directory)
        self.http = f"127.0.0.1:{brokers.free_port()}"

    def _command(self):
        command = super()._command()
        command[command.index("--http") + 1] = self.http
        return command

    def get(self, path):
        """(status, body)."""
        try:
            with urllib.request.urlopen(f"http://{self.http}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def metric(self, name):
        """The sum of a metric's series."""
        families = text_string_to_metric_families(self.get("/metrics")[1])
        return sum(sample.value for family in families for sample in family.samples if sample.name == name)

    def free(self):
        """Bytes that are free on the broker's file system."""
        state = os.statvfs(self.directory)
        return state.f_bavail * state.f_frsize


def admin_of(broker):
    """An admin client."""
    return AdminClient({"bootstrap.servers": broker.address})


def create(broker, *topics):
    """Makes topics."""
    admin = admin_of(broker)
    for made in admin.create_topics([NewTopic(topic, 1, 1) for topic in topics]).values():
        made.result(20)


def produce(broker, topic, timeout_ms=3_000, retries=0):
    """Sends one record. Returns None, or the error."""
    answers = []
    producer = Producer({"bootstrap.servers": broker.address, "message.timeout.ms": timeout_ms, "retries": retries, "linger.ms": 0})
    producer.produce(topic, VALUE, partition=0, on_delivery=lambda error, _: answers.append(error))
    producer.flush(30)
    return answers[0]


def fill(broker, topic):
    """Produces until that is refused. Returns how many records were taken, and the error."""
    producer = Producer({"bootstrap.servers": broker.address, "retries": 0, "linger.ms": 0})
    taken, errors = 0, []
    while not errors:
        assert taken < SIZE_MIB * 20, "nothing was refused"
        answers = []
        producer.produce(topic, VALUE, partition=0, on_delivery=lambda error, _, answers=answers: answers.append(error))
        producer.flush(30)
        errors = [error for error in answers if error]
        taken += not errors
    return taken, errors[0]


def test_at_the_floor_produce_stops_and_everything_else_goes_on(mount):
    with Watched(mount) as broker:
        create(broker, "kept", "large")
        assert produce(broker, "kept") is None
        consumer = Consumer({"bootstrap.servers": broker.address, "group.id": "g", "session.timeout.ms": 6_000,
                             "auto.offset.reset": "earliest", "enable.auto.commit": False})
        rebalances = []
        consumer.subscribe(["kept"], on_assign=lambda *_: rebalances.append("assigned"), on_lost=lambda *_: rebalances.append("lost"))
        until(lambda: (consumer.poll(0.2) or rebalances) and rebalances, "the group is joined", 30)
        taken, error = fill(broker, "large")
        floor = SIZE_MIB * (1 << 20) // 20
        assert error.code() == KafkaError.KAFKA_STORAGE_ERROR or error.code() == KafkaError._MSG_TIMED_OUT, error
        assert taken * len(VALUE) > SIZE_MIB * (1 << 20) * 0.8, f"only {taken} records were taken"
        assert broker.free() >= floor * 0.9, "what was to stay free was used"
        status = json.loads(broker.get("/status.json")[1])
        assert status["space"]["low"] and status["space"]["floor_bytes"] == floor, status["space"]
        code, body = broker.get("/readyz")
        assert code == 503 and "produce is refused" in body, body
        assert broker.metric("highwater_refused_for_space_total") >= 1
        assert 0 < broker.metric("highwater_disk_free_bytes") < 2 * floor
        # Everything but produce, on what the floor left.
        reader = Consumer({"bootstrap.servers": broker.address, "group.id": "other", "enable.auto.commit": False})
        reader.assign([TopicPartition("large", 0, taken - 1)])
        until(lambda: (message := reader.poll(1)) and message.value() == VALUE, "the last record is fetched", 20)
        for offset in range(200):
            consumer.commit(offsets=[TopicPartition("kept", 0, offset % 2)], asynchronous=False)
        reader.commit(offsets=[TopicPartition("large", 0, 1)], asynchronous=False)
        reader.close()
        create(broker, "new")
        admin = admin_of(broker)
        admin.delete_consumer_groups(["other"])["other"].result(20)
        entry = ConfigEntry("retention.ms", "86400000", incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ConfigResource.Type.TOPIC, "kept", incremental_configs=[entry])
        admin.incremental_alter_configs([resource])[resource].result(20)
        assert rebalances == ["assigned"], "heartbeats were answered all the time"
        for deleted in admin.delete_topics(["large"]).values():
            deleted.result(20)
        until(lambda: broker.get("/readyz")[0] == 200, "writing resumes", 20)
        assert produce(broker, "kept") is None
        consumer.close()
        log = broker.log_path.read_text()
        assert log.count("little space is left") == 1 and log.count("there is space again: produce is taken") == 1, log
        broker.stop()


def test_a_disk_that_somebody_else_filled_is_written_again_when_there_is_room(mount):
    with Watched(mount) as broker:
        create(broker, "t")
        assert produce(broker, "t") is None
        ballast = mount / "ballast"
        with open(ballast, "wb", buffering=0) as file:
            with pytest.raises(OSError):
                while file.write(bytes(1 << 20)):
                    pass
        until(lambda: broker.get("/readyz")[0] == 503, "the full disk is noticed", 30)
        assert produce(broker, "t") is not None
        admin = admin_of(broker)
        outcomes = []
        for number in range(40):
            future = admin.create_topics([NewTopic(f"new-{number}", 1, 1, config={"retention.ms": "1" * 9})])[f"new-{number}"]
            outcomes.append(future.exception(20))
        assert any(outcomes), "something had no room"
        ballast.unlink()
        until(lambda: broker.get("/readyz")[0] == 200, "it is ready again, with nobody asking for anything", 30)
        assert produce(broker, "t", timeout_ms=20_000, retries=100) is None
        create(broker, "after")
        broker.restart(kill=True)
        assert produce(broker, "after", timeout_ms=20_000, retries=100) is None
        broker.stop()


def test_the_floor_can_be_lowered_while_it_runs(mount):
    with Watched(mount, {"storage.min.free.bytes": 60 << 20}) as broker:
        create(broker, "t")
        until(lambda: produce(broker, "t") is not None, "produce is refused", 30)
        entry = ConfigEntry("storage.min.free.bytes", "1000000", incremental_operation=AlterConfigOpType.SET)
        resource = ConfigResource(ConfigResource.Type.BROKER, "1", incremental_configs=[entry])
        admin = admin_of(broker)
        admin.incremental_alter_configs([resource])[resource].result(20)
        until(lambda: broker.get("/readyz")[0] == 200, "writing resumes", 20)
        assert produce(broker, "t") is None
