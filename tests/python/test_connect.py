"""Kafka Connect standalone: lines of one file arrive in another by way of a topic, over kills of the broker and a restart of Connect."""

import json
import subprocess
import threading
import urllib.request
from contextlib import contextmanager

import broker as brokers
import pytest
from broker import APP_JARS, free_port, java_command
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from jvm import TOOL_S
from waiting import until

SETTINGS = {"auto.create.topics.enable": "false", "group.initial.rebalance.delay.ms": "0"}
ANSWER_S = 60
WORKER = {
    "key.converter": "org.apache.kafka.connect.storage.StringConverter",
    "value.converter": "org.apache.kafka.connect.json.JsonConverter",
    "offset.flush.interval.ms": "1000",
    "plugin.discovery": "service_load",
}


@pytest.fixture(scope="module")
def broker():
    """A broker with the topic."""
    with brokers.create(settings=SETTINGS) as server:
        admin = AdminClient({"bootstrap.servers": server.address})
        admin.create_topics([NewTopic("lines", 2, 1)])["lines"].result(ANSWER_S)
        yield server


def test_every_line_arrives_over_kills_of_the_broker(broker):
    source, sink = broker.directory / "source.txt", broker.directory / "sink.txt"
    source.touch()
    with connect(broker, source, sink) as running:
        write(source, range(500))
        until(lambda: lines(sink) >= wanted(500))
        for kill in (1, 2):
            with keeps_writing(source, 500 * kill, 500):
                until(lambda: len(lines(sink)) > 500 * kill, every_s=0)
                broker.restart(kill=True)
            until(lambda: lines(sink) >= wanted(500 * (kill + 1)))
        assert running.states() == {"source": ["RUNNING", "RUNNING"], "sink": ["RUNNING", "RUNNING"]}
        until(lambda: committed(broker) == ends(broker))
    write(source, range(1500, 1600))
    before = len(sink.read_text().splitlines())
    with connect(broker, source, sink):
        until(lambda: lines(sink) >= wanted(1600))
    # Connect found the place in the file and the group's offsets again: nothing came twice.
    assert len(sink.read_text().splitlines()) == before + 100
    assert lines(sink) == wanted(1600)


def wanted(count):
    """The lines that stand in the source."""
    return {f"line {number}" for number in range(count)}


def lines(path):
    """The whole lines of a file; the last one may be half written."""
    return set(path.read_text().split("\n")[:-1]) if path.exists() else set()


def write(path, numbers):
    """Appends lines."""
    with open(path, "a") as file:
        file.writelines(f"line {number}\n" for number in numbers)


@contextmanager
def keeps_writing(path, first, count):
    """Appends lines in small portions while the block runs, and the rest before it ends."""
    done = threading.Event()

    def run():
        for number in range(first, first + count):
            write(path, [number])
            done.wait(0.01)
    writer = threading.Thread(target=run)
    writer.start()
    try:
        yield
    finally:
        done.set()
        writer.join()


def committed(broker):
    """The sink's committed offsets."""
    consumer = Consumer({"bootstrap.servers": broker.address, "group.id": "connect-sink"})
    try:
        return [p.offset for p in consumer.committed([TopicPartition("lines", partition) for partition in range(2)], ANSWER_S)]
    finally:
        consumer.close()


def ends(broker):
    """The ends of the topic's partitions that have records; -1001 (nothing committed) where there are none."""
    consumer = Consumer({"bootstrap.servers": broker.address, "group.id": "connect-sink"})
    try:
        found = [consumer.get_watermark_offsets(TopicPartition("lines", partition), ANSWER_S)[1] for partition in range(2)]
        return [end or -1001 for end in found]
    finally:
        consumer.close()


class Worker:
    """A Connect process."""

    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}"

    def states(self):
        """The states of each connector and of its task."""
        found = {}
        for name in ("source", "sink"):
            with urllib.request.urlopen(f"{self.url}/connectors/{name}/status", timeout=ANSWER_S) as answer:
                status = json.load(answer)
            found[name] = [status["connector"]["state"], *(task["state"] for task in status["tasks"])]
        return found


@contextmanager
def connect(broker, source, sink):
    """A running Connect with both connectors, stopped by SIGTERM at the end of the block."""
    directory, port = broker.directory, free_port()
    worker = {**WORKER, "bootstrap.servers": broker.address, "listeners": f"http://127.0.0.1:{port}",
              "offset.storage.file.filename": str(directory / "connect.offsets")}
    from_file = {"name": "source", "connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector", "file": str(source), "topic": "lines"}
    to_file = {"name": "sink", "connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector", "file": str(sink), "topics": "lines"}
    paths = []
    for name, settings in (("worker", worker), ("source", from_file), ("sink", to_file)):
        paths.append(directory / f"{name}.properties")
        paths[-1].write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
    log = directory / "connect.log"
    command = java_command("org.apache.kafka.connect.cli.ConnectStandalone", APP_JARS, *map(str, paths))
    with open(log, "ab") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        yield Worker(port)
        assert process.poll() is None, "Connect ended by itself"
        process.terminate()
        process.wait(TOOL_S)
    except BaseException:
        print(log.read_text(errors="replace")[-8000:])
        raise
    finally:
        process.kill()
        process.wait()
