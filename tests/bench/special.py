"""Work that takes more than one command. Each function does it at one side and returns figures by name; `quick` makes it small."""

import json
import os
import re
import shutil
import statistics
import struct
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import rawclient
from broker import KAFKA_JARS, highwater_binary
from machine import settle, written_bytes
from rows import KAFKA
from sides import bench, create

LIST_OFFSETS, LATEST = 2, -1
LARGE = ("--record-bytes", "1024", "--batch-bytes", "128KiB", "--partitions", "3", "--window", "32")
# What takes longer has failed.
PATIENCE_S = 300


def tool(*arguments):
    """Runs one of the binary's tools; returns what it printed."""
    done = subprocess.run([str(highwater_binary()), *map(str, arguments)], capture_output=True, text=True, timeout=PATIENCE_S)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, arguments))}\n{done.stderr}")
    return done.stdout


def at(server):
    return "--bootstrap", server.address, "--pid", str(server.process.pid)


@contextmanager
def own(sides, side, **settings):
    """A broker of its own, started; all others stand still."""
    sides.nobody()
    server = create(side, sides.fresh(), **settings)
    try:
        server.start()
        yield server
    finally:
        if server.process:
            server.kill()
        shutil.rmtree(server.directory, ignore_errors=True)


def create_topic(server, name, partitions):
    """Makes a topic and waits until its leaders know of it."""
    tool("topic", "create", name, "--partitions", partitions, "--bootstrap", server.address)
    deadline = time.monotonic() + PATIENCE_S
    while not leads(server, name, partitions):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{server.name} does not lead {name}")
        time.sleep(0.01)


@contextmanager
def topic(server, name, partitions):
    """A topic that several commands use."""
    create_topic(server, name, partitions)
    try:
        yield name
    finally:
        tool("topic", "delete", name, "--bootstrap", server.address)


class Beside:
    """A command of `highwater bench` that runs while others do; `found` is what it says."""

    def __init__(self, *arguments):
        command = [str(highwater_binary()), "bench", *map(str, arguments), "--json"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def found(self):
        out, err = self.process.communicate(timeout=PATIENCE_S)
        if self.process.returncode:
            raise RuntimeError(err)
        return json.loads(out)


def served_after(server, partitions=0, name=""):
    """Starts a broker; returns the milliseconds until it answers and, for a topic, leads all its partitions."""
    began = time.monotonic()
    server.start()
    while partitions and not leads(server, name, partitions):
        if time.monotonic() > began + PATIENCE_S:
            raise RuntimeError(f"{server.name} does not lead {partitions} partitions")
        time.sleep(0.002)
    return 1000 * (time.monotonic() - began)


def leads(server, name, partitions):
    """Whether every partition tells its end: asked by ListOffsets v1, which only a leader that has its log answers."""
    asked = b"".join(struct.pack(">iq", partition, LATEST) for partition in range(partitions))
    body = struct.pack(">ii", -1, 1) + rawclient.string(name) + struct.pack(">i", partitions) + asked
    try:
        with rawclient.Connection(server.port, timeout_s=PATIENCE_S) as connection:
            answer = connection.request(LIST_OFFSETS, 1, body)
    except OSError:
        return False
    if answer is None:
        return False
    told = answer[4 + 2 + len(name) + 4:]
    codes = [code for _, code, _, _ in struct.iter_unpack(">ihqq", told)]
    return len(codes) == partitions and not any(codes)


def start(sides, side, quick):
    """Fresh, existing, idle."""
    sides.nobody()
    server = create(side, sides.fresh())
    try:
        if side == KAFKA:
            server._prepare()
        fresh = served_after(server)
        existing = []
        for _ in range(1 if quick else 5):
            server.stop()
            existing.append(served_after(server))
        used = bench("partitions", "--partitions", "1", "--idle", "2" if quick else "15", *at(server))["idle"]["broker"]
        return {"fresh_ms": fresh, "existing_ms": statistics.median(existing), "idle_own_mib": used["own_bytes_after"] / 2**20,
                "idle_cpu_percent": 100 * used["core_share"]}
    finally:
        if server.process:
            server.kill()
        shutil.rmtree(server.directory, ignore_errors=True)


def partitions(sides, side, quick):
    """Many partitions."""
    count = 500 if quick else 5000
    with own(sides, side) as server:
        found = bench("partitions", "--partitions", count, *at(server))
        create_topic(server, "many", count)
        bench("partitions", "--topic", "many", "--idle", "0", *at(server))
        server.stop()
        clean = served_after(server, count, "many")
        bench("partitions", "--topic", "many", "--idle", "0", *at(server))
        server.kill()
        killed = served_after(server, count, "many")
    return {"made_and_written_s": found["made_s"] + found["written_s"], "own_kib_each": found["own_bytes_each"] / 1024, "clean_start_ms": clean,
            "killed_start_ms": killed}


def killed(sides, side, quick):
    """SIGKILL with much in few partitions."""
    with own(sides, side, **({"broker_session_timeout_ms": "9000"} if side == KAFKA else {})) as server:
        create_topic(server, "much", 3)
        bench("produce", "--topic", "much", "--batch-bytes", "128KiB", "--window", "32", "--bytes", "200MB" if quick else "5GB", *at(server))
        server.kill()
        return {"killed_start_ms": served_after(server, 3, "much")}


def load_memory(sides, side, quick):
    """Memory under load."""
    server = sides.alone(side)
    found = bench("produce", *LARGE, "--duration", "2" if quick else "10", *at(server))
    return {"own_mib_max": found["usage"]["broker"]["own_bytes_max"] / 2**20}


def ratio(alone, beside):
    """The producer's p99 alone, and beside something."""
    alone, beside = alone["latency"]["p99_ms"], beside["latency"]["p99_ms"]
    return {"alone_p99_ms": alone, "beside_p99_ms": beside, "p99_ratio": beside / alone}


def cold(sides, side, quick):
    """A cold reader."""
    server, latency = sides.alone(side), ("latency", "--rate", "5000", "--window", "256", "--warmup", "1")
    with topic(server, "cold", 3):
        bench("produce", "--topic", "cold", "--batch-bytes", "128KiB", "--window", "32", "--bytes", "200MB" if quick else "4GB", *at(server))
        settle()
        for log in Path(server.data_dir).glob("cold-*/*.log"):
            with open(log, "rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        alone = bench(*latency, "--duration", "5", *at(server))
        with Beside("consume", "--topic", "cold", "--once", *at(server)):
            beside = bench(*latency, "--duration", "2" if quick else "5", *at(server))
    return ratio(alone, beside)


def retention(sides, side, quick):
    """Deleting as fast as producing."""
    with own(sides, side, log_retention_check_interval_ms="500") as server:
        rate = ("produce", "--batch-bytes", "128KiB", "--partitions", "3", "--window", "32", "--rate", "97656", "--warmup", "3",
                "--duration", "3" if quick else "15")
        small = ("--config", "segment.bytes=16777216", "--config", "retention.bytes=33554432")
        alone = bench(*rate, "--config", "segment.bytes=16777216", *at(server))
        beside = bench(*rate, *small, *at(server))
    return ratio(alone, beside)


def commits(sides, side, quick):
    """Offset commits."""
    server, seconds = sides.alone(side), "2" if quick else "10"
    latency = ("latency", "--rate", "1000", "--window", "256", "--duration", seconds)
    alone = bench(*latency, *at(server))
    with Beside("commits", "--consumers", "100", "--groups", "10", "--duration", int(seconds) + 4, *at(server)) as committing:
        beside = bench(*latency, *at(server))
        found = committing.found()
    return {"commits_per_s": found["commits"]["per_s"], **ratio(alone, beside)}


def long_polls(sides, side, quick):
    """Many who wait."""
    server, count = sides.alone(side), 100 if quick else 1000
    with topic(server, "polled", count):
        waiting = ("consume", "--topic", "polled", "--from", "end", "--connections", count, "--max-wait-ms", "5000", "--warmup", "5",
                   "--duration", "3" if quick else "20")
        with Beside(*waiting, *at(server)) as polls:
            sending = threading.Thread(target=lambda: bench("latency", "--topic", "polled", "--rate", "100", "--duration", "6" if quick else "24", *at(server)))
            sending.start()
            found = polls.found()
            sending.join()
    return {"cpu_percent": 100 * found["usage"]["broker"]["core_share"]}


def syscalls(sides, side, _quick):
    """System calls, counted by perf where it may."""
    server = sides.alone(side)
    if not shutil.which("perf"):
        return {}
    load = ("produce", "--batch-bytes", "16KiB", "--partitions", "3", "--window", "64", "--duration", "4", "--warmup", "0")
    with Beside(*load, *at(server)) as producing:
        time.sleep(1)
        counting = subprocess.run(["perf", "stat", "-x", ",", "-e", "raw_syscalls:sys_enter", "-p", str(server.process.pid), "--", "sleep", "2"],
                                  capture_output=True, text=True)
        found = producing.found()
    counted = re.search(r"^(\d+),", counting.stderr, re.M)
    if not counted:
        return {}
    return {"syscalls_a_request": int(counted.group(1)) / 2 / (found["requests"] / found["seconds"])}


def device(sides, side, quick):
    """Bytes to the device. What the system says of a process counts every large page of the cache whole of which a little was changed."""
    server, seconds = sides.alone(side), "2" if quick else "5"

    def each(*load):
        settle()
        before = written_bytes(server.directory)
        found = bench("produce", *load, "--warmup", "0", "--duration", seconds, *at(server))
        settle()
        after = written_bytes(server.directory)
        written = found["usage"]["broker"]["storage_bytes"] if before is None else after - before
        return written / found["payload_bytes"]

    small = ("--batch-records", "1", "--partitions", "1000", "--window", "64")
    large = each(*LARGE)
    # Makes the journal, which stays.
    bench("produce", *small, "--warmup", "0", "--duration", "1", *at(server))
    return {"of_128k_3": large, "of_1k_1000": each(*small)}


def java(sides, side, quick):
    """Kafka's own tools."""
    server, count = sides.alone(side), 20_000 if quick else 1_000_000

    def run(main, *arguments):
        command = ["java", "-Xmx512M", "-cp", f"{KAFKA_JARS}/*", f"org.apache.kafka.tools.{main}", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=True).stdout

    with topic(server, "java", 3):
        sent = run("ProducerPerformance", "--topic", "java", "--num-records", count, "--record-size", 1024, "--throughput", -1, "--bootstrap-server",
                   server.address, "--command-property", "acks=all", "batch.size=131072", "linger.ms=10")
        read = run("ConsumerPerformance", "--topic", "java", "--num-records", count, "--bootstrap-server", server.address)
    last = re.findall(r"\(([\d.]+) MB/sec\)", sent)[-1]
    # The tools count in MiB.
    return {"produce_mb_per_s": float(last) * 1.048576, "consume_mb_per_s": float(read.strip().splitlines()[-1].split(",")[3]) * 1.048576}


def librdkafka(sides, side, quick):
    """librdkafka, which Python keeps busy."""
    from confluent_kafka import Producer

    server, count, value = sides.alone(side), 20_000 if quick else 500_000, b"x" * 1024
    with topic(server, "rdkafka", 3):
        producer = Producer({"bootstrap.servers": server.address, "acks": "all", "batch.size": 131072, "linger.ms": 10,
                             "queue.buffering.max.kbytes": 1 << 20, "queue.buffering.max.messages": count})
        began = time.monotonic()
        for _ in range(count):
            producer.produce("rdkafka", value)
        if producer.flush(PATIENCE_S):
            raise RuntimeError("librdkafka did not get rid of its records")
        return {"produce_mb_per_s": count * len(value) / 1e6 / (time.monotonic() - began)}


FUNCTIONS = {"start": start, "partitions": partitions, "killed": killed, "load-memory": load_memory, "cold": cold, "retention": retention,
             "commits": commits, "long-polls": long_polls, "syscalls": syscalls, "device": device, "java": java, "librdkafka": librdkafka}
