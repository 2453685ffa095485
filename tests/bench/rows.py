"""What is measured and what it must show: the one table. Figures stand elsewhere; here is only what is done.

A row is one piece of work, done at each of its sides in turn. `Row` is work for `highwater bench`, `Special` is work that takes more than
one command (`special.py`). A goal compares a figure of Highwater with one of another side, or with a number.
"""

from dataclasses import dataclass

DURABLE, WRITTEN, KAFKA, FLOOR = "highwater", "highwater-never", "kafka", "floor"
MB, P50, P99, P999 = "mb_per_s", "latency.p50_ms", "latency.p99_ms", "latency.p999_ms"
RECORDS, UNSENT = "records_per_s", "requests_unsent"
CPU, USER = "usage.broker.cpu_s_per_gb", "usage.broker.user_s_per_gb"
MACHINE = "usage.others_cpu_s_per_gb"


@dataclass(frozen=True)
class Goal:
    """`figure` of `side` is at least (or at most) `factor` times that of `other`, or `factor` itself."""

    figure: str
    at_least: bool
    factor: float
    other: str = None
    side: str = DURABLE
    other_figure: str = None


@dataclass(frozen=True)
class Row:
    """`highwater bench COMMAND`, at each side."""

    name: str
    title: str
    command: tuple
    sides: tuple
    goals: tuple = ()
    # Further arguments for one side only.
    extra: tuple = ()
    # What the bare server is, and its arguments.
    floor: tuple = ("append",)
    quick: bool = False
    # Figures that the details show.
    figures: tuple = (MB, P50, P99, CPU, USER, MACHINE)

    def arguments(self, side):
        """What `highwater bench` is told at `side`."""
        return [*self.command, *dict(self.extra).get(side, ())]


@dataclass(frozen=True)
class Special:
    """A function of `special.py`, which returns figures by side."""

    name: str
    title: str
    sides: tuple
    goals: tuple = ()
    figures: tuple = ()
    quick: bool = False
    # Done so often at most: what takes long.
    turns: int = 3


def at_least(figure, factor, other=None, side=DURABLE, other_figure=None):
    return Goal(figure, True, factor, other, side, other_figure)


def at_most(figure, factor, other=None, side=DURABLE, other_figure=None):
    return Goal(figure, False, factor, other, side, other_figure)


# Of every row with a bare server beside it.
NEAR_FLOOR = (at_least(MB, 0.8, FLOOR), at_most(CPU, 1.3, FLOOR))
FSYNC = ((KAFKA, ("--config", "flush.messages=1")),)


def produce(name, size, partitions, window, goals, **more):
    title = f"{name}: 1 KB records, {size} batches, {partitions} partitions, window {window}"
    command = ("produce", "--record-bytes", "1024", "--batch-bytes", size, "--partitions", str(partitions), "--window", str(window))
    return Row(f"{name}-{size}-{partitions}".replace("KiB", "k"), title, command, (DURABLE, KAFKA, FLOOR), goals + NEAR_FLOOR, **more)


def ahead(factor, cpu, user=None):
    """Goals against Kafka of a durable row: Kafka answers without a sync."""
    return (at_least(MB, factor, KAFKA), at_most(CPU, cpu, KAFKA), *([at_most(USER, user, KAFKA)] if user else []))


ROWS = (
    produce("durable", "128KiB", 1, 32, ahead(1.5, 1 / 3, 1 / 5)),
    produce("durable", "128KiB", 3, 32, ahead(1.3, 1 / 2, 1 / 5), quick=True),
    produce("durable", "128KiB", 100, 32, ahead(1.5, 1 / 3, 1 / 5)),
    produce("durable", "16KiB", 1, 64, ahead(2, 1 / 5)),
    produce("durable", "16KiB", 3, 64, ahead(2, 1 / 5), quick=True),
    produce("durable", "16KiB", 100, 64, ahead(2, 1 / 5)),
    produce("durable", "1KiB", 3, 64, ahead(5, 1 / 10), quick=True),
    produce("durable", "1KiB", 100, 64, ahead(5, 1 / 10)),
    # As many as an idempotent producer may have under way: reported, no goal.
    Row("durable-128k-3-w5", "durable: 1 KB records, 128 KiB batches, 3 partitions, window 5 (a producer's default)",
        ("produce", "--batch-bytes", "128KiB", "--partitions", "3", "--window", "5"), (DURABLE, KAFKA, FLOOR)),
    *(Row(f"both-sync-1k-{partitions}", f"both with a sync before the answer: 1 KB batches, {partitions} partitions, window 64",
          ("produce", "--batch-records", "1", "--partitions", str(partitions), "--window", "64"), (DURABLE, KAFKA, FLOOR),
          (at_least(RECORDS, 5, KAFKA), at_most(P99, 1 / 3, KAFKA), *NEAR_FLOOR), extra=FSYNC, quick=partitions == 100,
          figures=(RECORDS, P50, P99, CPU, MACHINE)) for partitions in (1, 3, 100, 1000)),
    *(Row(f"no-sync-128k-{partitions}", f"neither with a sync: 128 KiB batches, {partitions} partitions, window 32",
          ("produce", "--batch-bytes", "128KiB", "--partitions", str(partitions), "--window", "32"), (WRITTEN, KAFKA, FLOOR),
          (at_least(MB, 1.5, KAFKA, WRITTEN), at_most(CPU, 1 / 2, KAFKA, WRITTEN), at_least(MB, 0.8, FLOOR, WRITTEN), at_most(CPU, 1.3, FLOOR, WRITTEN)),
          floor=("append", "--no-sync"), quick=partitions == 3) for partitions in (1, 3, 100)),
    Row("latency-durable", "latency at 5 000 records/s, each synced before the answer",
        ("latency", "--rate", "5000", "--window", "256"), (DURABLE, KAFKA, FLOOR), (at_most(P99, 1.3, FLOOR),), extra=FSYNC,
        floor=("commit", "--rate", "5000"), quick=True, figures=(P50, P99, P999, UNSENT, CPU)),
    Row("latency-no-sync", "latency at 5 000 records/s without syncs, no linger",
        ("latency", "--rate", "5000", "--window", "256"), (WRITTEN, KAFKA, FLOOR),
        (at_most(P50, 1 / 3, KAFKA, WRITTEN), at_most(P999, 1 / 3, KAFKA, WRITTEN)), floor=("append", "--no-sync"), quick=True, figures=(P50, P99, P999, UNSENT, CPU)),
    Row("tail", "consume, tailing: from the intended send to the consumer, 5 000 records/s, 3 partitions",
        ("latency", "--rate", "5000", "--window", "256", "--partitions", "3", "--end-to-end"), (DURABLE, KAFKA),
        (at_most("end_to_end.p99_ms", 1.3, DURABLE, other_figure=P99),), quick=True,
        figures=(P50, P99, "end_to_end.p50_ms", "end_to_end.p99_ms", CPU)),
    *(Row(f"consume-{partitions}", f"consume, catching up, warm, {partitions} partitions",
          ("consume", "--partitions", str(partitions), "--batch-bytes", "128KiB", "--fill", "1GB"), (DURABLE, KAFKA, FLOOR),
          (at_least(MB, 1.2 if partitions == 1 else 1.0, KAFKA), at_least(MB, 0.95, FLOOR), at_most(CPU, 0.7, KAFKA)),
          floor=("sendfile", "--partitions", str(partitions), "--batch-bytes", "128KiB", "--bytes", "1GB"), quick=partitions == 3,
          figures=(MB, CPU, USER, MACHINE)) for partitions in (1, 3, 100)),
)

SPECIALS = (
    Special("start", "start: existing directory, fresh directory; memory and CPU when idle", (DURABLE, KAFKA),
            (at_most("existing_ms", 20), at_most("fresh_ms", 60), at_most("idle_own_mib", 12), at_most("idle_cpu_percent", 0.1)),
            ("fresh_ms", "existing_ms", "idle_own_mib", "idle_cpu_percent"), quick=True),
    Special("partitions", "5 000 partitions: made, a record in each; memory; started again after a clean stop and a kill", (DURABLE, KAFKA),
            (at_most("made_and_written_s", 6), at_most("clean_start_ms", 500), at_most("killed_start_ms", 1500), at_most("own_kib_each", 4)),
            ("made_and_written_s", "own_kib_each", "clean_start_ms", "killed_start_ms"), turns=1),
    Special("killed", "serves again after SIGKILL with 5 GB in 3 partitions", (DURABLE, KAFKA), (at_most("killed_start_ms", 300),), ("killed_start_ms",), turns=1),
    Special("load-memory", "memory of its own under full produce load (3 partitions, 128 KiB)", (DURABLE, KAFKA),
            (at_most("own_mib_max", 64),), ("own_mib_max",), turns=1),
    Special("cold", "the producer's p99 (5 000 records/s) while others consume 4 GB from a cold disk", (DURABLE,), (at_most("p99_ratio", 1.5),),
            ("alone_p99_ms", "beside_p99_ms", "p99_ratio"), turns=1),
    Special("retention", "the producer's p99 (100 MB/s) while retention deletes as fast", (DURABLE,), (at_most("p99_ratio", 1.5),),
            ("alone_p99_ms", "beside_p99_ms", "p99_ratio"), turns=1),
    Special("commits", "offset commits by 100 members; the producer's p99 (1 000 records/s) beside them", (DURABLE, KAFKA),
            (at_least("commits_per_s", 5000), at_most("p99_ratio", 1.3)), ("commits_per_s", "alone_p99_ms", "beside_p99_ms", "p99_ratio"), turns=1),
    Special("long-polls", "1 000 consumers wait for 1 000 partitions (fetch.max.wait.ms=5000), 100 records/s in all", (DURABLE, KAFKA),
            (at_most("cpu_percent", 3),), ("cpu_percent",), turns=1),
    Special("syscalls", "system calls a request: 16 KiB batches, 3 partitions, window 64", (DURABLE,), (at_most("syscalls_a_request", 1.5),),
            ("syscalls_a_request",), turns=1),
    Special("device", "bytes to the device for each byte of values", (DURABLE,), (at_most("of_128k_3", 1.1), at_most("of_1k_1000", 2.3)),
            ("of_128k_3", "of_1k_1000"), turns=1),
    Special("java", "Kafka's own tools: ProducerPerformance and ConsumerPerformance, 3 partitions, 128 KiB batches (their client is the limit)",
            (DURABLE, KAFKA), (), ("produce_mb_per_s", "consume_mb_per_s"), turns=1),
    Special("librdkafka", "librdkafka through Python, 3 partitions, 128 KiB batches (the client is the limit)", (DURABLE, KAFKA), (), ("produce_mb_per_s",),
            turns=1),
)
