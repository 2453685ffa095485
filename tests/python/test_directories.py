"""Data directories that were copied while they were written to, that may not be read, and brokers with few descriptors: each ends in
full service, or in a clear error. Highwater only.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

import broker as brokers
import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from numbered import Server, fill, highwater, read, value

PARTITIONS = 3
COPIES = 3
# More than a limit of 256 descriptors.
MANY = 300
# Whoever is not root and owns nothing.
NOBODY = 65534


@pytest.fixture
def server(tmp_path):
    """A server; ended in the end."""
    server = Server(tmp_path)
    yield server
    server.end(kill=True)


def make_topics(server, *topics):
    """Makes topics of small segments, (name, partitions) each."""
    admin = AdminClient({"bootstrap.servers": server.address})
    configs = {"segment.bytes": str(1 << 20)}
    for future in admin.create_topics([NewTopic(name, count, 1, config=configs) for name, count in topics]).values():
        future.result(20)


@contextlib.contextmanager
def writing(server, acknowledged):
    """Producers and a committing group at work until the block ends; `acknowledged` holds how many records of each partition were."""
    stop = threading.Event()

    def produce(partition):
        producer = Producer({"bootstrap.servers": server.address, "acks": "all", "linger.ms": 0})
        while not stop.is_set():
            number = acknowledged[partition]
            producer.produce("t", value(partition, number), partition=partition)
            if producer.flush(20) == 0:
                acknowledged[partition] = number + 1

    def commit():
        consumer = Consumer({"bootstrap.servers": server.address, "group.id": "g"})
        offset = 0
        while not stop.is_set():
            offset += 1
            consumer.commit(offsets=[TopicPartition("t", 0, offset)], asynchronous=False)
        consumer.close()

    threads = [threading.Thread(target=produce, args=(partition,)) for partition in range(PARTITIONS)]
    threads.append(threading.Thread(target=commit))
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)


def test_a_copy_of_a_directory_in_use_holds_what_was_acknowledged_before_it_or_says_what_is_wrong(server, tmp_path):
    server.start()
    make_topics(server, ("t", PARTITIONS))
    acknowledged, before = [0] * PARTITIONS, []
    with writing(server, acknowledged):
        for number in range(COPIES):
            while min(acknowledged) < 40 * (number + 1):
                assert server.process.poll() is None, server.text()
            before.append(list(acknowledged))
            target = tmp_path / f"copy-{number}"
            target.mkdir()
            # A file that was renamed meanwhile is not there any more.
            copied = subprocess.run(["cp", "-a", str(server.data), str(target)], capture_output=True, text=True, check=False)
            assert all("No such file" in line for line in copied.stderr.splitlines()), copied.stderr
    for number, least in enumerate(before):
        copy = Server(tmp_path / f"copy-{number}")
        refused = copy.start()
        if refused:
            # The metadata was copied in the middle of a commit: the one file that is not only appended to.
            assert "meta.redb" in refused, refused
            highwater("repair", copy.data, "--offline", "--rebuild-metadata")
            assert copy.start() is None, copy.text()
        try:
            for partition in range(PARTITIONS):
                found = read(copy, partition)
                assert isinstance(found, dict), found
                assert found == {n: value(partition, n) for n in range(len(found))}, f"copy {number}, t-{partition}: not a prefix"
                assert len(found) >= least[partition], f"copy {number}, t-{partition}: {len(found)} of {least[partition]}"
        finally:
            copy.end(kill=True)


@pytest.mark.parametrize("limit", (12, 255, 256))
def test_with_few_descriptors_it_says_so_or_serves_everything(server, limit):
    server.start()
    make_topics(server, ("t", 2), ("many", 40))
    fill(server.address, count=40)
    fill(server.address, range(40), 1, "many")
    server.end()
    refused = server.start(limit)
    assert (limit < 256) == bool(refused), refused
    if refused:
        assert "descriptor" in refused or "Too many open files" in refused or "cannot open shared object" in refused, refused
        assert server.start() is None
    for partition in (0, 1):
        assert read(server, partition) == {n: value(partition, n) for n in range(40)}, server.text()[-2000:]
    for partition in range(40):
        assert read(server, partition, "many") == {0: value(partition, 0)}, server.text()[-2000:]
    fill(server.address, count=5, first=40)
    server.end()


def test_more_partitions_and_segments_than_descriptors_are_all_served(server):
    assert server.start(256) is None
    admin = AdminClient({"bootstrap.servers": server.address})
    small = NewTopic("t", 1, 1, config={"internal.segment.bytes": "1000"})
    for future in admin.create_topics([NewTopic("many", MANY, 1), small]).values():
        future.result(60)
    # All at once, and one after the other: many partitions with unsynced bytes, and many that are idle.
    fill(server.address, range(MANY), 1, "many")
    producer = Producer({"bootstrap.servers": server.address, "acks": "all", "linger.ms": 0})
    for number in range(MANY):
        producer.produce("many", value(number, 1), partition=number)
        producer.produce("t", value(0, number), partition=0)
        assert producer.flush(20) == 0, server.text()[-2000:]
    assert server.partition("t", 0)["segments"] >= MANY
    assert read(server, 0) == {n: value(0, n) for n in range(MANY)}, server.text()[-2000:]
    consumer = Consumer({"bootstrap.servers": server.address, "group.id": "all", "enable.auto.commit": False})
    consumer.assign([TopicPartition("many", partition, 0) for partition in range(MANY)])
    found = set()
    while len(found) < 2 * MANY:
        message = consumer.poll(30)
        assert message and not message.error(), (message, len(found), server.text()[-2000:])
        assert message.value() == value(message.partition(), message.offset())
        found.add((message.partition(), message.offset()))
    consumer.close()
    assert all(p["state"] == "online" for p in server.status()["partitions"])
    assert "Too many open files" not in server.text(), server.text()[-2000:]
    server.end()
    # Each partition's files are looked at again.
    server.start()
    fill(server.address, range(MANY), 1, "many", first=2)
    server.end(kill=True)
    assert server.start(256) is None
    assert all(p["state"] == "online" for p in server.status()["partitions"]), server.text()[-2000:]
    for partition in (0, MANY - 1):
        assert read(server, partition, "many") == {n: value(partition, n) for n in range(3)}


FORBIDDEN = {
    "the directory": lambda data: data,
    "a partition's directory": lambda data: data / "t-0",
    "a segment": lambda data: sorted((data / "t-0").glob("*.log"))[0],
    "the metadata": lambda data: data / "meta.redb",
    "the checkpoint": lambda data: data / "checkpoint",
    "the lock": lambda data: data / "lock",
}


@pytest.mark.parametrize("what,kill", [(what, kill) for what in FORBIDDEN for kill in (False, True) if (what, kill) != ("the checkpoint", True)])
def test_what_may_not_be_opened_is_named_and_everything_else_serves(what, kill):
    if os.geteuid() != 0:
        pytest.skip("only root can start a broker as somebody else")
    # Where nobody may pass, nobody can run it.
    home = Path(tempfile.mkdtemp(prefix="highwater-", dir="/tmp"))
    try:
        home.chmod(0o755)
        binary = shutil.copy(brokers.highwater_binary(), home / "highwater")
        work = home / "work"
        work.mkdir()
        os.chown(work, NOBODY, NOBODY)
        server = Server(work, binary, NOBODY)
        try:
            server.start()
            make_topics(server, ("t", 2))
            fill(server.address, count=40)
            server.end(kill)
            path = FORBIDDEN[what](server.data)
            mode = path.stat().st_mode & 0o777
            path.chmod(0)
            refused = server.start()
            told = refused if refused else server.partition("t", 0)["problem"]
            assert told and str(path) in told and "ermission denied" in told, told
            if not refused:
                assert read(server, 1) == {n: value(1, n) for n in range(40)}
                server.end()
            path.chmod(mode)
            assert server.start() is None, server.text()
            for partition in (0, 1):
                assert read(server, partition) == {n: value(partition, n) for n in range(40)}
        except KafkaException as error:
            raise AssertionError(server.text()[-2000:]) from error
        finally:
            server.end(kill=True)
    finally:
        shutil.rmtree(home)
