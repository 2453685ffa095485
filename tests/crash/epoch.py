"""An epoch: topics of its own, clients that live through many kills, and a history that is checked at its end.

At the end of the next epoch its topics are read once more, checked again, and deleted: what is at rest must survive too.
"""

import random
import time
from pathlib import Path

import checker
import history
import scanner
import topics as admin
import workers
from messages import committed

PARTITIONS = 3
SETTLE_S = 150
BREAK_OFF_S = 5
# Rolls all the time: by age and size, and by the size of an index that has an entry for every few batches.
CONFIGS = {"exact": {"segment.ms": 300, "internal.segment.bytes": 100_000}, "plain": {"index.interval.bytes": 2048, "segment.index.bytes": 96}}
# Compression of: librdkafka's and kafka-python's exact producer (kafka-python reads these), the plain ones.
MIXES = (("gzip", None, "zstd", "lz4"), ("none", "gzip", "snappy", "none"), ("gzip", "gzip", "lz4", "zstd"), ("none", None, "none", "snappy"))


def clients(names, number, acks="all"):
    """The processes of an epoch and their clients; compression differs from epoch to epoch. `acks`: of the one that never tries again."""
    exact, plain = names
    mix = MIXES[number % len(MIXES)]

    def producer(index, process, kind, topic, compression, exact, **more):
        return {"index": index, "process": f"{process}-{number}", "kind": kind, "topics": [topic], "partitions": PARTITIONS,
                "compression": compression, "exact": exact, "options": {}, **more}

    def consumer(process, kind, topics=names, **more):
        return {"process": f"{process}-{number}", "kind": kind, "topics": list(topics), "partitions": PARTITIONS, **more}
    return {
        "librdkafka producers": [
            producer(0, "exact", "librdkafka", exact, mix[0], True, options={"enable.idempotence": True}),
            producer(1, "retrying", "librdkafka", plain, mix[2], False, repeats=True,
                     options={"enable.idempotence": False, "max.in.flight": 1, "retries": 1000}),
            producer(2, "once", "librdkafka", plain, mix[3], False, options={"enable.idempotence": False, "retries": 0, "acks": acks})],
        "kafka-python producer": [producer(3, "python", "kafka-python", exact, mix[1], True)],
        "librdkafka consumers": [
            consumer("reader", "librdkafka reader"),
            consumer("member-a", "librdkafka member", group=f"group-{number}"),
            consumer("member-b", "librdkafka member", group=f"group-{number}")],
        "kafka-python consumers": [
            consumer("python-reader", "kafka-python reader", [exact]),
            consumer("python-member", "kafka-python member", [exact], group=f"python-group-{number}")],
    }


class Epoch:
    """The epoch `number`: from `start` to `finish` clients are busy; `revisit` looks at what is left of it later."""

    PRODUCERS = 4
    acks = "all"

    def __init__(self, number, broker, topics, directory, seed, problem):
        self.number, self.broker, self.topics, self.problem = number, broker, topics, problem
        self.directory = Path(directory) / f"epoch-{number}"
        self.seed = seed
        self.names = [f"{kind}-{number}" for kind in CONFIGS]
        self.places = [(name, partition) for name in self.names for partition in range(PARTITIONS)]
        self.groups = [f"group-{number}", f"python-group-{number}"]
        self.random = random.Random(f"{seed}:{number}")
        self.processes = []

    def start(self):
        """Makes its topics and starts its clients."""
        self.directory.mkdir(parents=True)
        with admin.connect(self.broker.port) as caller:
            for name, configs in zip(self.names, CONFIGS.values()):
                admin.carry_out(caller, self.topics.create(name, PARTITIONS, configs))
        self.history = history.Writer(self.directory / "scanner.jsonl", f"scanner-{self.number}")
        self.shared, self.processes = workers.start(
            self.broker.address, f"{self.seed}:{self.number}", clients(self.names, self.number, self.acks), self.directory, self.PRODUCERS)

    def counts(self):
        """How many records each producer was told are there."""
        return list(self.shared.counts)

    def check_clients(self):
        """Passes on what the clients complain of."""
        while not self.shared.problems.empty():
            self.problem(self.shared.problems.get())
        for process in self.processes:
            if process.exitcode not in (None, 0):
                self.problem(f"a process of clients ended with {process.exitcode}")

    def note_commits(self, caller):
        """What the groups have committed: not less than their members were told."""
        for group in self.groups:
            began, found = time.monotonic_ns(), committed(caller, group)
            for topic, partition in self.places:
                self.history.write("ok", "committed", topic=topic, partition=partition, group=group, began=began,
                                   offset=found.get((topic, partition), -1))

    def scan_one(self):
        """Reads one partition, chosen at random, while everything goes on."""
        self._scan([self.random.choice(self.places)])

    def _scan(self, places):
        try:
            scanner.scan(self.broker.address, places, self.history)
        except scanner.ScanError as failure:
            self.problem(f"scan: {failure}")

    def finish(self):
        """Lets every send be answered, reads everything, stops the clients; the verdict on the history."""
        self.shared.stop_sending.set()
        deadline = time.monotonic() + SETTLE_S
        for process in self.processes[:2]:
            process.join(max(0, deadline - time.monotonic()))
        self._scan(self.places)
        self.shared.stop.set()
        for process in self.processes:
            process.join(max(0, deadline - time.monotonic()))
            if process.is_alive():
                self.problem(f"a process of clients did not end within {SETTLE_S} s")
                process.kill()
                process.join()
        self.check_clients()
        return self.check()

    def events(self):
        """Everything that was written so far."""
        self.history.flush()
        return history.read(sorted(self.directory.glob("*.jsonl")))

    def check(self):
        """The verdict on it."""
        return checker.check(self.events())

    def revisit(self):
        """Reads everything again and checks it again, then deletes the topics."""
        self._scan(self.places)
        verdict = self.check()
        self.history.close()
        with admin.connect(self.broker.port) as caller:
            for name in self.names:
                admin.carry_out(caller, self.topics.delete(name))
        return verdict

    def break_off(self):
        """Stops the clients where they are; what they did and saw is written when they have ended or had some time."""
        self.shared.stop_sending.set()
        self.shared.stop.set()
        deadline = time.monotonic() + BREAK_OFF_S
        for process in self.processes:
            process.join(max(0, deadline - time.monotonic()))
        self.kill()

    def kill(self):
        """Ends its processes, if they still run."""
        for process in self.processes:
            if process.is_alive():
                process.kill()
                process.join()
