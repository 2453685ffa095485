"""The servers that are measured: both brokers, and the bare servers. Each lives for a whole run; while one is measured the others stand
still (SIGSTOP), so that an idle JVM does not count. Kafka runs with the options and the heap of its own start script.
"""

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import broker as brokers
from broker import KAFKA_JARS, highwater_binary
from machine import settle
from rows import DURABLE, FLOOR, KAFKA, WRITTEN

# kafka-server-start.sh and kafka-run-class.sh of the distribution.
JVM = ["-Xmx1G", "-Xms1G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35",
       "-XX:+ExplicitGCInvokesConcurrent", "-Djava.awt.headless=true"]
BENCH_S = 900


class Kafka(brokers.Kafka):
    """As users start it."""

    def _command(self):
        return ["java", *JVM, "-cp", f"{KAFKA_JARS}/*", "kafka.Kafka", str(self.config_path)]


SETTINGS = {
    # Deleted topics go at once: their dirty pages are nobody's load afterwards. The broker may stand still for long.
    KAFKA: {"log.segment.delete.delay.ms": "0", "broker.session.timeout.ms": "3600000", "group.initial.rebalance.delay.ms": "0"},
    DURABLE: {"group.initial.rebalance.delay.ms": "0"},
    WRITTEN: {"flush.policy": "never"},
}


def create(side, directory, **settings):
    """A broker that was not started, over a fresh directory."""
    kind = Kafka if side == KAFKA else brokers.Highwater
    Path(directory).mkdir(parents=True)
    named = {key.replace("_", "."): value for key, value in settings.items()}
    return kind(settings={**SETTINGS[side], **named}, directory=directory)


def bench(*arguments):
    """Runs `highwater bench`; returns what it found."""
    command = [str(highwater_binary()), "bench", *map(str, arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=BENCH_S)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr}")
    return json.loads(done.stdout)


class Sides:
    """All servers of a run, started when first asked for. A context manager."""

    def __init__(self, directory, warm_s):
        self.directory, self.warm_s, self.running, self.made = Path(directory), warm_s, {}, 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for server in self.running.values():
            if server.process:
                server.process.send_signal(signal.SIGCONT)
                server.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def fresh(self):
        """A directory that is not there yet."""
        self.made += 1
        return self.directory / str(self.made)

    def alone(self, side):
        """The broker of a side; all others stand still."""
        if side not in self.running:
            self.nobody()
            server = self.running[side] = create(side, self.fresh())
            server.start()
            self._warm(server)
        for name, server in self.running.items():
            server.process.send_signal(signal.SIGCONT if name == side else signal.SIGSTOP)
        settle()
        return self.running[side]

    def nobody(self):
        """All stand still."""
        for server in self.running.values():
            server.process.send_signal(signal.SIGSTOP)
        settle()

    def _warm(self, server):
        """Work of each kind that counts nowhere: a JVM compiles what it has seen often."""
        span = ("--warmup", "0", "--duration", self.warm_s, "--bootstrap", server.address)
        for command in (("produce", "--batch-bytes", "128KiB", "--partitions", "3"), ("produce", "--batch-records", "1", "--partitions", "3", "--window", "64"),
                        ("consume", "--fill", "100MB", "--partitions", "3")):
            bench(*command, *span)

    def measure(self, row, side, span):
        """One measurement of a row at a side: what `highwater bench` says."""
        if side == FLOOR:
            self.nobody()
            return self._floor(row, span)
        server = self.alone(side)
        return bench(*row.arguments(side), *span, "--bootstrap", server.address, "--pid", server.process.pid)

    def _floor(self, row, span):
        kind, *options = row.floor
        place = self.fresh()
        place.parent.mkdir(parents=True, exist_ok=True)
        if kind == "commit":
            return bench("floor", kind, "--file", place, *options, *span)
        where = ["--file", place] if kind == "append" else ["--directory", place]
        command = [str(highwater_binary()), "bench", "floor", kind, *map(str, where), *options, "--listen", "127.0.0.1:0"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            address = process.stdout.readline().removeprefix("ready ").strip()
            arguments = row.arguments(FLOOR)
            if kind == "sendfile":
                settle()
                arguments = ["consume", "--topic", "floor"]
            return bench(*arguments, *span, "--bootstrap", address, "--pid", process.pid)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
            if place.is_dir():
                shutil.rmtree(place)
            else:
                os.unlink(place)
