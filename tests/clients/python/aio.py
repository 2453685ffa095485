"""The agent of aiokafka; see tests/clients/README.md."""

import asyncio

import aiokafka
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

import line

POLL_MS = 100


async def produce(options):
    """Sends each record of stdin at once; a task waits for each delivery."""
    producer = AIOKafkaProducer(bootstrap_servers=options.bootstrap, client_id=options.client_id, enable_idempotence=True,
                                compression_type=None if options.codec == "none" else options.codec)
    await producer.start()
    found, tasks = line.lines(), set()
    while (text := await asyncio.to_thread(found.get)) is not None:
        number, partition, key, value, headers = line.parse_record(text)
        sent = await producer.send(options.topic, value, key=key, partition=partition, headers=headers)
        task = asyncio.create_task(tell(number, sent))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await producer.flush()
    await asyncio.gather(*tasks)
    await producer.stop()
    line.emit("closed")


async def tell(number, sent):
    """Waits for one delivery and tells how it went."""
    try:
        done = await sent
        line.emit("acked", id=number, partition=done.partition, offset=done.offset)
    except KafkaError as error:
        line.emit("failed", id=number, error=repr(error))


class Listener(ConsumerRebalanceListener):
    """Tells the whole assignment at each change."""

    def __init__(self, ends):
        self.ends = ends

    async def on_partitions_assigned(self, assigned):
        """Every partition is assigned anew."""
        line.emit("assigned", partitions=sorted(p.partition for p in assigned))

    async def on_partitions_revoked(self, _):
        """Every partition is given up in each rebalance."""
        self.ends.clear()
        line.emit("assigned", partitions=[])


async def group(options):
    """A member of a group."""
    ends = {}
    consumer = AIOKafkaConsumer(bootstrap_servers=options.bootstrap, client_id=options.client_id, group_id=options.group,
                                auto_offset_reset="earliest", enable_auto_commit=False)
    consumer.subscribe([options.topic], listener=Listener(ends))
    await consumer.start()
    found = line.lines()
    while (command := line.next_line(found)) != "stop":
        if command == "commit":
            await commit(consumer, options.topic, ends)
        for records in (await consumer.getmany(timeout_ms=POLL_MS)).values():
            for record in records:
                ends[record.partition] = record.offset + 1
                line.emit_record(record.partition, record.offset, record.key, record.value, record.headers)
    await consumer.stop()
    line.emit("closed")


async def commit(consumer, topic, ends):
    """Commits what was printed."""
    wanted = dict(ends)
    try:
        if wanted:
            await consumer.commit({TopicPartition(topic, partition): offset for partition, offset in wanted.items()})
        line.emit("committed", offsets=wanted)
    except KafkaError as error:
        line.emit("commit_failed", error=repr(error))


async def version(_):
    """The library's version."""
    line.emit("version", client="aiokafka", version=aiokafka.__version__)


if __name__ == "__main__":
    chosen = line.options()
    asyncio.run({"version": version, "produce": produce, "group": group}[chosen.verb](chosen))
