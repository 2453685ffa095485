"""Produces many records, restarts the broker in every way, and reads all of them back.

For 100 ... 500 000 records of about 1 KB, on 1 and on 3 partitions: produce with acks=all, then read everything without a
restart, after SIGKILL and after a clean stop, each time from the beginning and from a random offset in the middle. Every
record must come once, in order, with equal bytes; high watermarks, topic ids and the topic list must be as before. Small
volumes are done a second time with the clean stop first; larger ones keep one topic for both restarts.
"""

import argparse
import logging
import random
import sys
import time
import zlib

import broker
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic

VOLUMES = (100, 500, 1_000, 5_000, 50_000, 500_000)
PARTITIONS = (1, 3)
BOTH_ORDERS_UP_TO = 5_000
POLL_MS = 1_000
STALL_S = 60


class Content:
    """What record `index` holds: made from the seed, so that nothing has to be remembered to check it."""

    def __init__(self, seed):
        self.noise = random.Random(seed).randbytes(1 << 20)

    def value(self, index):
        """About 1 KB: the index in words, then bytes from a place and of a length that depend on it."""
        start = index * 7919 % ((1 << 20) - 1100)
        return b"%d:" % index + self.noise[start:start + 990 + index % 60]


class Failure(Exception):
    """A record is missing, doubled, out of order or changed, or the broker's metadata is not as before."""


def partitions_of(topic, count):
    """Its partitions as kafka-python names them."""
    return [TopicPartition(topic, p) for p in range(count)]


def produce(address, content, topic, partitions, count):
    """Record i goes to partition i % partitions. Fails unless every record was acknowledged at its offset."""
    producer = KafkaProducer(bootstrap_servers=address, acks="all", linger_ms=5, batch_size=131_072)
    # The last record of each partition stands for those before it: an idempotent producer keeps their order.
    last = {}
    for index in range(count):
        last[index % partitions] = index, producer.send(topic, value=content.value(index), partition=index % partitions)
    producer.flush()
    for partition, (index, future) in last.items():
        expect("offset of the last record", index // partitions, future.get(timeout=STALL_S).offset)
    producer.close()


def consume(address, content, topic, partitions, count, start=None):
    """Reads each partition from offset `start` (None: the beginning) to its end; returns a checksum of all values."""
    consumer = KafkaConsumer(bootstrap_servers=address, max_poll_records=10_000, fetch_max_bytes=1 << 25,
                             max_partition_fetch_bytes=1 << 23, auto_offset_reset="none", enable_auto_commit=False)
    assigned = partitions_of(topic, partitions)
    consumer.assign(assigned)
    for one in assigned:
        if start is None:
            consumer.seek_to_beginning(one)
        else:
            consumer.seek(one, start)
    expected = {one.partition: start or 0 for one in assigned}
    checksums = dict.fromkeys(expected, 0)
    ends = {p: len(range(p, count, partitions)) for p in expected}
    progress = time.monotonic()
    while expected != ends:
        for one, records in consumer.poll(POLL_MS).items():
            progress = time.monotonic()
            partition = one.partition
            for record in records:
                offset = expected[partition]
                wanted = content.value(offset * partitions + partition)
                if record.offset != offset or record.value != wanted:
                    raise Failure(f"{one} at offset {offset}: got offset {record.offset}, {len(record.value)} bytes "
                                  f"{record.value[:24]!r}; expected {len(wanted)} bytes {wanted[:24]!r}")
                checksums[partition] = zlib.crc32(wanted, checksums[partition])
                expected[partition] = offset + 1
        if time.monotonic() - progress > STALL_S:
            raise Failure(f"{topic}: no record for {STALL_S} s; read up to {expected} of {ends}")
    extra = consumer.poll(200)
    consumer.close()
    if extra:
        raise Failure(f"{topic}: records beyond the end: {extra}")
    return sum(checksums.values()) & 0xFFFFFFFF


def metadata(address, topic, partitions):
    """What must survive: the topics with their ids and partition counts, and the topic's first and end offsets."""
    admin = KafkaAdminClient(bootstrap_servers=address)
    topics = sorted((t["name"], str(t["topic_id"]), len(t["partitions"])) for t in admin.describe_topics())
    admin.close()
    consumer = KafkaConsumer(bootstrap_servers=address)
    wanted = partitions_of(topic, partitions)
    firsts, ends = consumer.beginning_offsets(wanted), consumer.end_offsets(wanted)
    consumer.close()
    return {"topics": topics, "offsets": sorted((one.partition, firsts[one], ends[one]) for one in wanted)}


def expect(what, expected, actual):
    """Fails unless both are equal."""
    if expected != actual:
        raise Failure(f"{what}: expected {expected}, got {actual}")


class Table:
    """One row a reading, printed as it is done."""

    COLUMNS = ("records", "partitions", "broker state", "restart s", "produced/s", "consumed/s", "from the middle", "checksum", "result")
    WIDTHS = (8, 10, 22, 9, 10, 10, 18, 8, 6)

    def __init__(self):
        self.passed = 0
        self.line(self.COLUMNS)
        self.line(["-" * width for width in self.WIDTHS])

    def line(self, cells):
        """Prints one line."""
        print(" | ".join(str(c).rjust(w) for c, w in zip(cells, self.WIDTHS)), flush=True)

    def passed_row(self, *cells):
        """Prints a row that holds."""
        self.passed += 1
        self.line([*cells, "ok"])


def run(server, table, content, generator, volume, partitions, restarts):
    """One topic through: no restart, then each of `restarts`."""
    topic = f"volume-{volume}-{partitions}-{restarts[0].replace(' ', '-')}"
    admin = KafkaAdminClient(bootstrap_servers=server.address)
    admin.create_topics([NewTopic(topic, partitions, 1)])
    admin.close()
    began = time.monotonic()
    produce(server.address, content, topic, partitions, volume)
    produced_per_s = f"{volume / (time.monotonic() - began):.0f}"
    before = metadata(server.address, topic, partitions)
    expect("end offsets", sorted((p, 0, len(range(p, volume, partitions))) for p in range(partitions)), before["offsets"])
    checksum = None
    for state in ("no restart", *restarts):
        restart_s = "" if state == "no restart" else f"{server.restart(kill=state == 'after SIGKILL'):.2f}"
        expect(f"metadata {state}", before, metadata(server.address, topic, partitions))
        began = time.monotonic()
        read = consume(server.address, content, topic, partitions, volume)
        consumed_per_s = f"{volume / (time.monotonic() - began):.0f}"
        expect("checksum", read if checksum is None else checksum, read)
        checksum = read
        middle = generator.randrange(1, volume // partitions)
        consume(server.address, content, topic, partitions, volume, middle)
        expect(f"metadata after reading, {state}", before, metadata(server.address, topic, partitions))
        table.passed_row(volume, partitions, state, restart_s, produced_per_s, consumed_per_s, f"ok, from {middle}", f"{checksum:08x}")
        produced_per_s = ""


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--max", type=int, default=VOLUMES[-1], help="leave out larger volumes")
    arguments.add_argument("--broker", default="highwater", choices=list(broker.BROKERS))
    arguments.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    options = arguments.parse_args()
    # kafka-python logs each lost connection, which is what a restart is.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    print(f"broker {options.broker}, seed {options.seed}", flush=True)
    began = time.monotonic()
    content, generator, table = Content(options.seed), random.Random(options.seed), Table()
    failed = 0
    with broker.create(options.broker) as server:
        for volume in (v for v in VOLUMES if v <= options.max):
            for partitions in PARTITIONS:
                orders = [("after SIGKILL", "after a clean stop")]
                if volume <= BOTH_ORDERS_UP_TO:
                    orders.append(("after a clean stop", "after SIGKILL"))
                for restarts in orders:
                    try:
                        run(server, table, content, generator, volume, partitions, restarts)
                    except Exception as failure:  # noqa: BLE001: any failure of a client is one of the broker here
                        failed += 1
                        print(f"FAILED: {volume} records, {partitions} partitions, {restarts}: {type(failure).__name__}: {failure}", flush=True)
                        if not server.alive():
                            print(server.log_tail())
                            sys.exit(1)
    print(f"{time.monotonic() - began:.0f} s")
    print(f"{table.passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
