"""Kafka's own tools with consumer groups: kafka-consumer-groups, the console consumer, the verifiable clients, the performance
tools; and what the newest Java client does with groups (GroupCheck.java)."""

import json
import re
import subprocess
import threading
from contextlib import contextmanager

import broker as brokers
import pytest
from broker import CLIENT_JARS, KAFKA_JARS, ROOT, java_command
from confluent_kafka import Consumer, Producer, TopicPartition
from jvm import TOOL_S, Tools, tool
from waiting import until

SETTINGS = {"auto.create.topics.enable": "false", "group.initial.rebalance.delay.ms": "0"}
BASE_MS = 1_700_000_000_000


@pytest.fixture(scope="module")
def broker():
    """A broker where groups form at once."""
    with brokers.create(settings=SETTINGS) as server:
        yield server


@pytest.fixture(scope="module")
def tools():
    """One JVM for the tools that end by themselves."""
    with Tools() as running:
        yield running


def test_the_java_client_does_everything_with_groups(broker):
    print(tool(str(ROOT / "tests/java/src/GroupCheck.java"), broker.address, jars=CLIENT_JARS))


def test_console_consumer_resumes_where_its_group_committed(broker, make_topic):
    topic = make_topic()
    fill(broker, topic, 25)

    def consume(count):
        read = tool("org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server", broker.address, "--topic", topic, "--group", "console",
                    "--from-beginning", "--max-messages", str(count), "--timeout-ms", "30000")
        return re.findall(r"^value \d+$", read, re.MULTILINE)
    assert consume(10) == [f"value {i}" for i in range(10)]
    assert consume(15) == [f"value {i}" for i in range(10, 25)]


def test_a_running_group_is_listed_and_described(broker, tools, make_topic):
    topic = make_topic(2)
    fill(broker, topic, 20, partitions=2)
    with member(broker, topic, "running", commit_after=20) as name:
        assert "running" in tools.groups(broker, "--list").split()
        assert rows(tools.groups(broker, "--list", "--state"))["running"] == ["running", "Stable"]
        assert rows(tools.groups(broker, "--list", "--type"))["running"] == ["running", "Classic"]
        assert "running" in tools.groups(broker, "--list", "--state", "stable").split()
        assert "running" in tools.groups(broker, "--list", "--type", "classic").split()
        assert "running" not in tools.groups(broker, "--list", "--state", "empty").split()
        described = table(tools.groups(broker, "--describe", "--group", "running"))
        assert [row[1:6] for row in described] == [[topic, "0", "10", "10", "0"], [topic, "1", "10", "10", "0"]]
        assert all(row[6].startswith(f"{name}-") and row[7:] == ["/127.0.0.1", name] for row in described)
        assert described == table(tools.groups(broker, "--describe", "--group", "running", "--offsets"))
        members = table(tools.groups(broker, "--describe", "--group", "running", "--members", "--verbose"))
        assert [[row[0], row[3], row[4], row[6]] for row in members] == [["running", name, "2", f"{topic}:0,1"]]
        state = table(tools.groups(broker, "--describe", "--group", "running", "--state"))
        assert state == [["running", broker.address, "(1)", "range", "Stable", "1"]]
        fill(broker, topic, 5)
        lags = {row[2]: row[5] for row in table(tools.groups(broker, "--describe", "--all-groups")) if row[0] == "running"}
        assert lags == {"0": "5", "1": "0"}


def test_a_running_group_is_neither_reset_nor_deleted(broker, tools, make_topic):
    topic = make_topic(2)
    fill(broker, topic, 20, partitions=2)
    with member(broker, topic, "busy", commit_after=20):
        refused = tools.groups(broker, "--reset-offsets", "--group", "busy", "--to-earliest", "--execute", "--topic", topic)
        assert "can only be reset if the group 'busy' is inactive, but the current state is Stable" in refused
        assert "GroupNotEmptyException" in tools.groups(broker, "--delete", "--group", "busy")
        assert "GroupSubscribedToTopicException" in tools.groups(broker, "--delete-offsets", "--group", "busy", "--topic", topic)
        assert offsets(broker, tools, "busy") == {0: "10", 1: "10"}


def test_an_empty_group_is_described_reset_and_deleted(broker, tools, make_topic):
    topic = make_topic(2)
    fill(broker, topic, 20, partitions=2)
    with member(broker, topic, "empty", commit_after=20):
        pass
    assert rows(tools.groups(broker, "--list", "--state"))["empty"] == ["empty", "Empty"]
    assert "has no active members" in tools.groups(broker, "--describe", "--group", "empty")
    assert table(tools.groups(broker, "--describe", "--group", "empty", "--state")) == [["empty", broker.address, "(1)", "-", "Empty", "0"]]
    assert offsets(broker, tools, "empty") == {0: "10", 1: "10"}
    check_resets(broker, tools, topic)
    check_reset_files(broker, tools, topic)
    assert "Successful" in tools.groups(broker, "--delete-offsets", "--group", "empty", "--topic", f"{topic}:1")
    assert list(offsets(broker, tools, "empty")) == [0]
    assert "was successful" in tools.groups(broker, "--delete", "--group", "empty")
    assert "empty" not in tools.groups(broker, "--list").split()
    assert "GroupIdNotFoundException" in tools.groups(broker, "--delete", "--group", "empty")
    assert "GroupIdNotFoundException" in tools.groups(broker, "--describe", "--group", "empty")


def check_resets(broker, tools, topic):
    """Each way of naming an offset, with and without doing it. Records have the times BASE_MS + 1000 * number."""
    def reset(*how, topics=topic, act="--execute"):
        read = tools.groups(broker, "--reset-offsets", "--group", "empty", "--topic", topics, act, *how)
        return {int(row[2]): row[3] for row in table(read)}
    assert reset("--to-earliest", act="--dry-run") == {0: "0", 1: "0"}
    assert offsets(broker, tools, "empty") == {0: "10", 1: "10"}
    for how, expected in [
        (["--to-earliest"], {0: "0", 1: "0"}),
        (["--to-latest"], {0: "10", 1: "10"}),
        (["--to-offset", "4"], {0: "4", 1: "4"}),
        (["--shift-by", "3"], {0: "7", 1: "7"}),
        (["--shift-by", "-5"], {0: "2", 1: "2"}),
        # 22:13:30 is 10 s after BASE_MS, the time of record 10: partition 0 has the even ones.
        (["--to-datetime", "2023-11-14T22:13:30.000Z"], {0: "5", 1: "5"}),
        (["--by-duration", "PT1S"], {0: "10", 1: "10"}),
        (["--to-current"], {0: "10", 1: "10"}),
        (["--shift-by", "1000"], {0: "10", 1: "10"}),
    ]:
        assert reset(*how) == expected, how
        assert offsets(broker, tools, "empty") == expected, how
    assert reset("--to-offset", "6", topics=f"{topic}:1") == {1: "6"}
    assert offsets(broker, tools, "empty") == {0: "10", 1: "6"}


def check_reset_files(broker, tools, topic):
    """A plan exported and executed from its file; a group that never was gets offsets from one."""
    plan = tools.groups(broker, "--reset-offsets", "--group", "empty", "--topic", topic, "--to-offset", "3", "--export", "--dry-run")
    lines = [line.strip() for line in plan.splitlines() if line.startswith(topic)]
    assert sorted(lines) == [f"{topic},0,3", f"{topic},1,3"]
    path = broker.directory / "plan.csv"
    path.write_text("\n".join(lines) + "\n")
    for group in ("empty", "new-from-file"):
        tools.groups(broker, "--reset-offsets", "--group", group, "--from-file", str(path), "--execute")
        assert offsets(broker, tools, group) == {0: "3", 1: "3"}


def test_verifiable_clients_share_and_hand_over_partitions(broker, make_topic):
    topic, count = make_topic(4), 4000
    with verifiable(broker, topic, "VerifiableConsumer", "--group-id", "verifiable", "--reset-policy", "earliest") as first:
        first.await_partitions(4)
        with verifiable(broker, topic, "VerifiableConsumer", "--group-id", "verifiable", "--reset-policy", "earliest") as second:
            second.await_partitions(2)
            first.await_partitions(2)
            sent = tool("org.apache.kafka.tools.VerifiableProducer", "--bootstrap-server", broker.address, "--topic", topic, "--max-messages", str(count),
                        "--acks", "-1", "--repeating-keys", "1000")
            summary = next(json.loads(line) for line in sent.splitlines() if '"tool_data"' in line)
            assert (summary["sent"], summary["acked"]) == (count, count)
            until(lambda: len(first.consumed() | second.consumed()) == count)
            assert first.consumed() and second.consumed() and not first.consumed() & second.consumed()
        first.await_partitions(4)
    ends = {p: 1 + max(o for q, o in first.consumed() | second.consumed() if q == p) for p in range(4)}
    for consumer in (first, second):
        assert consumer.names()[-1] == "shutdown_complete"
        assert all(event["success"] for event in consumer.events if event["name"] == "offsets_committed")
    assert committed(broker, topic, "verifiable") == ends and sum(ends.values()) == count


def test_performance_tools(broker, tools, make_topic):
    topic, count = make_topic(2), 20_000
    code, sent = tools.run("org.apache.kafka.tools.ProducerPerformance", "--topic", topic, "--num-records", str(count), "--record-size", "100",
                           "--throughput", "-1", "--bootstrap-server", broker.address)
    assert code == 0 and f"{count} records sent" in sent, sent
    code, read = tools.run("org.apache.kafka.tools.ConsumerPerformance", "--bootstrap-server", broker.address, "--topic", topic, "--num-records", str(count),
                           "--group", "performance")
    assert code == 0, read
    fields = read.splitlines()[-1].split(",")
    assert int(fields[4]) >= count, read


class Verifiable:
    """A verifiable client and what it told."""

    def __init__(self, process):
        self.process, self.events = process, []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            if line.startswith("{"):
                self.events.append(json.loads(line))

    def names(self):
        """The names of its events."""
        return [event["name"] for event in list(self.events)]

    def owned(self):
        """How many partitions it has, by its last word; it tells of all at each change."""
        last = [e for e in list(self.events) if e["name"] in ("partitions_assigned", "partitions_revoked")][-1:]
        return len(last[0]["partitions"]) if last and last[0]["name"] == "partitions_assigned" else 0

    def await_partitions(self, count):
        """Waits until it has this many."""
        until(lambda: self.owned() == count)

    def consumed(self):
        """(partition, offset) of all that it consumed."""
        told = [part for event in list(self.events) if event["name"] == "records_consumed" for part in event["partitions"]]
        return {(part["partition"], offset) for part in told for offset in range(part["minOffset"], part["maxOffset"] + 1)}


@contextmanager
def verifiable(broker, topic, name, *arguments):
    """A running verifiable client, ended by SIGTERM."""
    command = java_command(f"org.apache.kafka.tools.{name}", KAFKA_JARS, "--bootstrap-server", broker.address, "--topic", topic, *arguments, heap="128m")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    client = Verifiable(process)
    try:
        yield client
        process.terminate()
        process.wait(TOOL_S)
    finally:
        process.kill()
        process.wait()
        client.reader.join()


@contextmanager
def member(broker, topic, group, commit_after):
    """A member that reads and commits this many records, and stays until the end of the block. Gives its client id."""
    name = f"member-of-{group}"
    consumer = Consumer({"bootstrap.servers": broker.address, "group.id": group, "client.id": name, "auto.offset.reset": "earliest",
                         "enable.auto.commit": False, "partition.assignment.strategy": "range"})
    consumer.subscribe([topic])
    got = 0

    def read():
        nonlocal got
        message = consumer.poll(0.2)
        got += message is not None and message.error() is None
        return got == commit_after
    stop = threading.Event()
    poller = threading.Thread(target=lambda: [consumer.poll(0.1) for _ in iter(stop.is_set, True)])
    try:
        until(read, every_s=0)
        consumer.commit(asynchronous=False)
        # What is polled from now on is not committed.
        poller.start()
        yield name
    finally:
        stop.set()
        if poller.is_alive():
            poller.join()
        consumer.close()


def table(read):
    """The rows of a tool's table, without its heading and whatever stands before."""
    lines = [line.split() for line in read.splitlines() if line.strip()]
    heading = [number for number, line in enumerate(lines) if line[0] == "GROUP"]
    assert heading, read
    return sorted(lines[heading[-1] + 1:])


def rows(read):
    """The rows of a table by their first word."""
    return {row[0]: row for row in table(read)}


def offsets(broker, tools, group):
    """The committed offset of each partition as the tool shows it."""
    return {int(row[2]): row[3] for row in table(tools.groups(broker, "--describe", "--group", group))}


def committed(broker, topic, group):
    """The committed offset of each partition as another client tells it."""
    consumer = Consumer({"bootstrap.servers": broker.address, "group.id": group})
    found = consumer.committed([TopicPartition(topic, partition) for partition in range(4)], 30)
    consumer.close()
    return {one.partition: one.offset for one in found}


def fill(broker, topic, count, partitions=1):
    """Records `value N` in turns over the partitions, a second apart."""
    failures = []
    producer = Producer({"bootstrap.servers": broker.address, "enable.idempotence": True})
    for i in range(count):
        producer.produce(topic, f"value {i}".encode(), partition=i % partitions, timestamp=BASE_MS + 1000 * i,
                         on_delivery=lambda error, _: error and failures.append(error))
        producer.poll(0)
    assert producer.flush(30) == 0 and not failures
