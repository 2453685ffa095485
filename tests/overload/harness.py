"""What the cases share: the broker, the attack's process, the topics, and what is held against which bound."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import frames
import observed
from broker import Highwater, free_port, highwater_binary
from kafka.admin import KafkaAdminClient, NewTopic
from measured import MACHINE, REQUESTS
from rawclient import Connection

HERE = Path(__file__).parent
# The promise: others' p99 within three times the quiet one, or FLOOR_MS (docs/decisions/0022-beside-an-attack-three-times-or-20-ms.md).
RATIO_MAX = 3
# Below this nobody counts ratios: of a quiet p99 of 1 ms, an unlucky turn of a busy processor is 10 times as much.
FLOOR_MS = 20
# The same for an unoptimised binary, which decodes a large request in a tenth of a second.
UNOPTIMISED_FLOOR_MS = 250
# A request and its answer are so many times a thread that is woken, each as late as the machine is just then.
SWITCHES = 5
# After an attack everything must be back within this time; a slow reader's connection is noticed by its reset.
BACK_S = 20
MIB = 1 << 20
QUEUED_BYTES = 128 * MIB
# The rest of the formula in docs/operations.md ("Limits").
ANSWER_BYTES = 64 * MIB
CONNECTION_BYTES = 128 << 10
STAGED_BYTES = 64 * MIB
LARGEST_REQUEST = 100 * MIB
LARGE_REQUESTS = 128 * MIB
BASE_BYTES = 32 * MIB
# Files that the store may open meanwhile: prepared segments, indexes.
FILES = 16
# Threads that help each worker and the pages, and end when they had nothing to do for a while.
HELPERS = 4
BATCH_BYTES = 1_000_000
TOPICS = {"canary": 1, "full": 1, "quiet": 4}
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent / "python")])}

SETTINGS = {
    "queued.max.request.bytes": QUEUED_BYTES,
    "queued.max.response.bytes": ANSWER_BYTES,
    "group.initial.rebalance.delay.ms": 0,
}


class Server(Highwater):
    """Our binary with its pages."""

    http_port = None

    def _command(self):
        self.http_port = self.http_port or free_port()
        command = super()._command()
        command[command.index("--http") + 1] = f"127.0.0.1:{self.http_port}"
        return command


def prepare(server, megabytes):
    """Makes the topics and fills the one that is read."""
    admin = KafkaAdminClient(bootstrap_servers=server.address)
    admin.create_topics([NewTopic(name, partitions, 1) for name, partitions in TOPICS.items()])
    admin.close()
    # Waiting for the device here would only take time.
    request = frames.produce("full", frames.batch(BATCH_BYTES), acks=1)
    with Connection(server.port, timeout_s=60) as connection:
        for _ in range(megabytes):
            connection.send(request)
            assert frames.produce_code(connection.receive()) == 0


class Attack:
    """A running attack. Use as a context manager; `counted` is what it says of itself at its end."""

    def __init__(self, name, server, count):
        self.name, self.server, self.count, self.counted = name, server, count, ""

    def __enter__(self):
        command = [sys.executable, HERE / "attacks.py", self.name, str(self.server.port), str(self.server.http_port), str(self.count)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
        assert self.process.stdout.readline() == "ready\n", f"{self.name} did not begin"
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.counted = self.process.communicate(timeout=30)[0].strip()
        finally:
            self.process.kill()
            self.process.wait()


def judge(canary, quiet, under, requests=REQUESTS):
    """What the canary has to complain of."""
    problems = [f"canary: {failure}" for failure in sorted(set(canary.failures((quiet[0], under[1]))))]
    for kind in requests:
        before, now = canary.p99(kind, quiet), canary.p99(kind, under)
        if now > max(RATIO_MAX * before, floor_ms(), SWITCHES * canary.p99(MACHINE, under)):
            problems.append(f"{kind} {now / before:.1f}x")
    return problems


def floor_ms():
    """The latency below which ratios do not count."""
    return UNOPTIMISED_FLOOR_MS if highwater_binary().parent.name == "debug" else FLOOR_MS


def memory_limit_mib(connections):
    """What docs/operations.md ("Limits") says for these settings."""
    fixed = QUEUED_BYTES + LARGEST_REQUEST + ANSWER_BYTES + LARGE_REQUESTS + STAGED_BYTES + BASE_BYTES
    return (fixed + connections * CONNECTION_BYTES) / MIB


def left(server):
    """(descriptors, threads, connections) of the broker; the canary's own are among them."""
    pid = server.process.pid
    with urllib.request.urlopen(f"http://127.0.0.1:{server.http_port}/status.json", timeout=30) as answer:
        return observed.descriptors(pid), observed.thread_count(pid), json.load(answer)["connections"]


def is_back(before, after):
    """Whether nothing is left; the canary makes and closes connections all the time."""
    return after[0] <= before[0] + FILES and after[1] <= before[1] + HELPERS and after[2] <= before[2] + 2


def settled(server, before):
    """What is left once it is back to what it was, or when the time for that is over."""
    deadline = time.monotonic() + BACK_S
    while not is_back(before, after := left(server)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return after
