"""The agent of kafka-python, 2.0 and current; see tests/clients/README.md."""

import queue

import kafka
from kafka import ConsumerRebalanceListener, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

import line

# A poll of kafka-python 3 that ends between JoinGroup and SyncGroup loses the assignment for good: on a busy machine a short one may.
POLL_MS = 3000
IDEMPOTENT = "enable_idempotence" in KafkaProducer.DEFAULT_CONFIG


def produce(options):
    """Sends each record of stdin at once; delivery is told by callback."""
    extra = {"enable_idempotence": True} if IDEMPOTENT else {}
    producer = KafkaProducer(bootstrap_servers=options.bootstrap, client_id=options.client_id, acks="all",
                             compression_type=None if options.codec == "none" else options.codec, **extra)
    found = line.lines()
    while (text := found.get()) is not None:
        number, partition, key, value, headers = line.parse_record(text)
        try:
            sent = producer.send(options.topic, value, key=key, headers=headers, partition=partition)
        except KafkaError as error:
            line.emit("failed", id=number, error=repr(error))
            continue
        sent.add_callback(lambda done, number=number: line.emit("acked", id=number, partition=done.partition, offset=done.offset))
        sent.add_errback(lambda error, number=number: line.emit("failed", id=number, error=repr(error)))
    producer.flush()
    producer.close()
    line.emit("closed")


class Listener(ConsumerRebalanceListener):
    """Tells the whole assignment at each change."""

    def __init__(self, ends):
        self.owned, self.ends = set(), ends

    def on_partitions_assigned(self, assigned):
        """Takes the new ones."""
        self._tell(self.owned | {p.partition for p in assigned}, assigned)

    def on_partitions_revoked(self, revoked):
        """Gives up the old ones."""
        self._tell(self.owned - {p.partition for p in revoked}, revoked)

    def _tell(self, owned, changed):
        for partition in changed:
            self.ends.pop(partition.partition, None)
        self.owned = owned
        line.emit("assigned", partitions=sorted(owned))


def group(options):
    """A member of a group."""
    ends = {}
    consumer = KafkaConsumer(bootstrap_servers=options.bootstrap, client_id=options.client_id, group_id=options.group,
                             auto_offset_reset="earliest", enable_auto_commit=False)
    consumer.subscribe([options.topic], listener=Listener(ends))
    found = line.lines()
    while (command := line.next_line(found)) != "stop":
        if command == "commit":
            commit(consumer, options.topic, ends)
        for records in consumer.poll(POLL_MS).values():
            for record in records:
                ends[record.partition] = record.offset + 1
                line.emit_record(record.partition, record.offset, record.key, record.value, record.headers)
    consumer.close()
    line.emit("closed")


def commit(consumer, topic, ends):
    """Commits what was printed."""
    # The release of 2.0 has two fields, later ones add the leader's epoch.
    rest = ("",) + (-1,) * (len(OffsetAndMetadata._fields) - 2)
    wanted = dict(ends)
    try:
        if wanted:
            consumer.commit({TopicPartition(topic, partition): OffsetAndMetadata(offset, *rest) for partition, offset in wanted.items()})
        line.emit("committed", offsets=wanted)
    except KafkaError as error:
        line.emit("commit_failed", error=repr(error))


def version(_):
    """The library's version."""
    line.emit("version", client="kafka-python", version=kafka.__version__)


if __name__ == "__main__":
    chosen = line.options()
    {"version": version, "produce": produce, "group": group}[chosen.verb](chosen)
