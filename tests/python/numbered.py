"""A broker by itself with numbered records: what tests of damaged, copied and restricted directories start, fill and read."""

import hashlib
import json
import re
import resource
import subprocess
import urllib.request

import broker as brokers
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from waiting import until

RECORDS = 400
# The smallest that is allowed.
SEGMENT_BYTES = 1 << 20
# More bytes than fit into one segment, and into one batch.
BATCH = {"batch.num.messages": 10, "linger.ms": 0}


class Server:
    """A broker whose log and /status are looked at."""

    def __init__(self, directory, binary=None, user=None):
        self.data, self.log, self.process = directory / "data", directory / "broker.log", None
        self.binary, self.user = binary or brokers.highwater_binary(), user
        self.address = self.http = None

    def start(self, limit=None, wait=True):
        """Starts it, with at most `limit` descriptors; returns the error line where it refuses."""
        command = [str(self.binary), "serve", "--data-dir", str(self.data), "--listen", "127.0.0.1:0",
                   "--http", "127.0.0.1:0", "--set", "auto.create.topics.enable=false"]
        before = (lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))) if limit else None
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, preexec_fn=before, user=self.user, cwd=self.log.parent)
        ready = self.process.stdout.readline().split()
        if not ready:
            code = self.process.wait(30)
            assert code == 1, f"ended with {code}: {self.text()}"
            self.process.stdout.close()
            self.process = None
            return self.text().strip().splitlines()[-1]
        self.address = ready[-1]
        self.http = until(lambda: re.search(r"HTTP:.*address=\"?([\d.:]+)", self.text()), "the line about HTTP")[1]
        if wait:
            until(lambda: all(p["state"] != "recovering" for p in self.status()["partitions"]), "recovery")
        return None

    def text(self):
        """What it has logged, without colours."""
        return re.sub(r"\x1b\[[0-9;]*m", "", self.log.read_text(errors="replace"))

    def status(self):
        """/status.json."""
        with urllib.request.urlopen(f"http://{self.http}/status.json", timeout=20) as answer:
            return json.load(answer)

    def partition(self, topic, partition):
        """A partition's part of /status.json."""
        return next(p for p in self.status()["partitions"] if (p["topic"], p["partition"]) == (topic, partition))

    def problem(self, topic, partition):
        """Why a partition is offline, or a read of it failed; `None`: neither."""
        failed = re.findall(rf"a read failed partition={topic}-{partition} .*cause=(.*)", self.text())
        return self.partition(topic, partition)["problem"] or (failed[-1] if failed else None)

    def end(self, kill=False):
        """Stops or kills it."""
        if self.process:
            self.process.kill() if kill else self.process.terminate()
            code = self.process.wait(60)
            self.process.stdout.close()
            self.process = None
            assert kill or code == 0, f"ended with {code}: {self.text()[-2000:]}"


def highwater(*arguments, expect=0):
    """Runs a tool; returns what it printed."""
    ended = subprocess.run([str(brokers.highwater_binary()), *map(str, arguments)], capture_output=True, text=True, timeout=60)
    assert "panicked" not in ended.stderr, ended.stderr
    if expect is not None:
        assert ended.returncode == expect, (ended.returncode, ended.stdout, ended.stderr)
    return ended.stdout + ended.stderr


def value(partition, number):
    """What a record holds."""
    digest = hashlib.sha256(f"{partition}/{number}".encode()).hexdigest()
    return f"{partition}/{number}/{digest * 180}".encode()


def fill(address, partitions=(0, 1), count=RECORDS, topic="t", first=0):
    """Produces numbered records, every one acknowledged."""
    producer = Producer({"bootstrap.servers": address, "acks": "all", "enable.idempotence": True, **BATCH})
    failed = []
    for number in range(first, first + count):
        for partition in partitions:
            producer.produce(topic, value(partition, number), partition=partition,
                             on_delivery=lambda error, _: failed.append(error) if error else None)
        if number % 10 == 9:
            producer.flush(20)
    assert producer.flush(20) == 0 and not failed, failed


def read(server, partition, topic="t"):
    """{offset: value} up to the end, or in words why it cannot be read."""
    state = server.partition(topic, partition)
    if state["state"] != "online":
        return state["problem"]
    consumer = Consumer({"bootstrap.servers": server.address, "group.id": "reader", "enable.auto.commit": False, "check.crcs": True,
                         "enable.partition.eof": True, "auto.offset.reset": "error", "fetch.wait.max.ms": 50})
    found = {}
    try:
        consumer.assign([TopicPartition(topic, partition, state["start_offset"])])

        def next_message():
            return consumer.poll(0.1) or server.problem(topic, partition)

        while True:
            message = until(next_message, f"the end of {topic}-{partition}", timeout_s=30)
            if isinstance(message, str):
                return message
            if message.error():
                is_end = message.error().code() == KafkaError._PARTITION_EOF
                return found if is_end else f"{topic}-{partition}: {message.error()}"
            found[message.offset()] = message.value()
    finally:
        consumer.close()


def whole(partition, count=RECORDS):
    """What a partition holds that lost nothing."""
    return {number: value(partition, number) for number in range(count)}
