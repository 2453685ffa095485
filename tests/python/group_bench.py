"""Measures groups at Highwater and at Apache Kafka, in turn, with the same clients, and prints a table.

heartbeats   many groups of 10 members send heartbeats every 3 s: the broker's CPU
commits      100 members of 10 groups commit as fast as the answers come: commits a second, and the fsyncs that they took
             (counted by strace in a run of its own, because counting costs time; Kafka syncs no commit)
settle       50 members of one group on 100 partitions, from the first join until each has its part: as bare requests
             (`highwater bench groups`) and as 50 consumers of confluent-kafka

Both brokers run with group.initial.rebalance.delay.ms=0 and otherwise with their defaults, each on a fresh directory, for as
long as their turn takes. The machine drifts: what counts is the comparison within one run. Use a release binary.
"""

import argparse
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import broker as brokers
from broker import highwater_binary
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient, NewTopic

SETTINGS = {"group.initial.rebalance.delay.ms": "0"}
SYNCS = ("fsync", "fdatasync", "sync_file_range", "syncfs", "msync")
STALL_S = 120


class Traced(brokers.Highwater):
    """Our binary under strace, which writes a line for each sync."""

    @property
    def trace(self):
        return self.directory / "syncs"

    def _command(self):
        return ["strace", "-f", "--seccomp-bpf", "-e", "trace=" + ",".join(SYNCS), "-e", "signal=none", "-o", str(self.trace), *super()._command()]

    def syncs(self):
        """Syncs so far."""
        return sum(any(f" {name}(" in line for name in SYNCS) for line in self.trace.read_text().splitlines())

    def kill(self):
        """Ends the broker, and with it its tracer, which passes no signal on."""
        [child] = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        os.kill(int(child), signal.SIGTERM)
        self.process.wait(STALL_S)


def bench(server, *arguments):
    """What `highwater bench` measured."""
    command = [str(highwater_binary()), "bench", *map(str, arguments), "--json", "--bootstrap", server.address, "--pid", str(server.process.pid)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=STALL_S + 600)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr}")
    return json.loads(done.stdout)


def heartbeats(server, options):
    """A line of (a)."""
    found = bench(server, "groups", "--groups", options.groups, "--members", 10, "--connections", 100, "--duration", options.seconds)
    beats, used = found["heartbeats"], found["usage"]["broker"]
    return {"groups x members": f"{options.groups} x 10", "settled s": found["settled_s"], "heartbeats/s": beats["per_s"], "p50 ms": beats["p50_ms"],
            "p99 ms": beats["p99_ms"], "errors": beats["errors"], "CPU % of a core": 100 * used["core_share"], "memory MiB": used["memory_kib"] / 1024}


def commits(server, options):
    """A line of (b), without the syncs."""
    found = bench(server, "commits", "--consumers", 100, "--groups", 10, "--duration", min(options.seconds, 20))
    made, used = found["commits"], found["usage"]["broker"]
    return {"consumers": 100, "commits/s": made["per_s"], "p50 ms": made["p50_ms"], "p99 ms": made["p99_ms"], "errors": made["errors"],
            "CPU % of a core": 100 * used["core_share"]}


def syncs(options):
    """Commits against syncs at Highwater: the second line of (b)."""
    if not shutil.which("strace"):
        return {"note": "strace is not installed: syncs not counted"}
    with Traced(settings=SETTINGS) as server:
        before = server.syncs()
        found = bench(server, "commits", "--consumers", 100, "--groups", 10, "--duration", min(options.seconds, 20))["commits"]
        count = server.syncs() - before
    return {"consumers": 100, "commits": found["count"], "syncs": count, "commits per sync": found["count"] / max(count, 1), "commits/s": found["per_s"]}


def settle_bare(server, options):
    """A line of (c): bare requests, whose members learn of a rebalance within 500 ms."""
    found = bench(server, "groups", "--groups", 1, "--members", 50, "--connections", 50, "--partitions", 100, "--duration", 1)
    return {"client": "bare requests", "settled s": found["settled_s"]}


def settle_confluent(server, options):
    """A line of (c): consumers as applications have them, started together."""
    topic, parts, stop, lock = "settle", {}, threading.Event(), threading.Lock()
    admin = AdminClient({"bootstrap.servers": server.address})
    admin.create_topics([NewTopic(topic, num_partitions=100, replication_factor=1)])[topic].result(STALL_S)
    config = {"bootstrap.servers": server.address, "group.id": f"settle-{time.monotonic_ns()}", "heartbeat.interval.ms": 500,
              "enable.auto.commit": False, "auto.offset.reset": "earliest"}

    def consume(number):
        consumer = Consumer(config)

        def keep(_, partitions):
            with lock:
                parts[number] = len(partitions)

        def drop(_, partitions):
            with lock:
                parts.pop(number, None)

        consumer.subscribe([topic], on_assign=keep, on_revoke=drop, on_lost=drop)
        while not stop.is_set():
            consumer.poll(0.05)
        consumer.close()

    threads = [threading.Thread(target=consume, args=(number,)) for number in range(50)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    try:
        while True:
            with lock:
                even = len(parts) == 50 and set(parts.values()) == {2}
            took = time.monotonic() - began
            if even:
                return {"client": "confluent-kafka", "settled s": took}
            if took > STALL_S:
                raise RuntimeError(f"50 consumers did not settle: {parts}")
            time.sleep(0.005)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        admin.delete_topics([topic])[topic].result(STALL_S)


def shown(value):
    """A number with three digits that count; everything else as it is."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def show(title, rows):
    """A table of dicts."""
    print(f"\n{title}", flush=True)
    heads = list(dict.fromkeys(key for row in rows for key in row))
    cells = [heads, *([shown(row.get(head, "-")) for head in heads] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heads))]
    for row in cells:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip(), flush=True)


def medians(rows):
    """For each kind of row at each broker, the median and range of its settling."""
    kinds = dict.fromkeys((row["broker"], row["client"]) for row in rows)
    for name, client in kinds:
        times = [row["settled s"] for row in rows if (row["broker"], row["client"]) == (name, client)]
        yield {"broker": name, "client": client, "runs": len(times), "median s": statistics.median(times), "min s": min(times), "max s": max(times)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], epilog=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help="heartbeats, commits, settle; all of them when none is named")
    parser.add_argument("--turns", type=int, default=2, help="turns of each broker (default 2)")
    parser.add_argument("--seconds", type=int, default=30, help="of heartbeats; commits take at most 20 (default 30)")
    parser.add_argument("--groups", type=int, default=1000, help="groups of 10 that send heartbeats (default 1000)")
    parser.add_argument("--broker", choices=sorted(brokers.BROKERS), help="this one only")
    options = parser.parse_args()
    parts = options.parts or ["heartbeats", "commits", "settle"]
    if unknown := set(parts) - {"heartbeats", "commits", "settle"}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    print(f"{platform.machine()}, {os.cpu_count()} CPUs, Linux {platform.release()}, load {os.getloadavg()[0]:.1f}; {highwater_binary()}")
    rows = {"heartbeats": [], "commits": [], "settle": []}
    for _ in range(options.turns):
        for name in [options.broker] if options.broker else ["highwater", "kafka"]:
            with brokers.create(name, settings=SETTINGS) as server:
                if "settle" in parts:
                    rows["settle"] += [{"broker": name, **measure(server, options)} for _ in range(3) for measure in (settle_bare, settle_confluent)]
                if "commits" in parts:
                    rows["commits"].append({"broker": name, **commits(server, options)})
                if "heartbeats" in parts:
                    rows["heartbeats"].append({"broker": name, **heartbeats(server, options)})
    if "heartbeats" in parts:
        show(f"Groups of 10 members send heartbeats every 3 s, for {options.seconds} s", rows["heartbeats"])
    if "commits" in parts:
        show("100 members of 10 groups commit, one request at a time each (Highwater syncs each commit, Kafka none)", rows["commits"])
        if options.broker != "kafka":
            show("Syncs that the commits took at Highwater (under strace)", [syncs(options)])
    if "settle" in parts:
        show("50 members of one group on 100 partitions: from the first join until each has 2", list(medians(rows["settle"])))


if __name__ == "__main__":
    sys.exit(main())
