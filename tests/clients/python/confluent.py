"""The agent of confluent-kafka; see tests/clients/README.md."""

import queue

import confluent_kafka
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

import line

POLL_S = 0.1


def produce(options):
    """Sends each record of stdin at once; delivery is told by callback."""
    producer = Producer({"bootstrap.servers": options.bootstrap, "client.id": options.client_id,
                         "compression.type": options.codec, "enable.idempotence": True})

    def told(number):
        def note(error, message):
            if error:
                line.emit("failed", id=number, error=str(error))
            else:
                line.emit("acked", id=number, partition=message.partition(), offset=message.offset())
        return note
    found = line.lines()
    while True:
        try:
            text = found.get(timeout=POLL_S)
        except queue.Empty:
            producer.poll(0)
            continue
        if text is None:
            break
        number, partition, key, value, headers = line.parse_record(text)
        producer.produce(options.topic, value, key, partition, on_delivery=told(number), headers=headers)
        producer.poll(0)
    producer.flush()
    line.emit("closed")


def group(options):
    """A member of a group."""
    consumer = Consumer({"bootstrap.servers": options.bootstrap, "client.id": options.client_id, "group.id": options.group,
                         "auto.offset.reset": "earliest", "enable.auto.commit": False})
    ends = {}

    def changed(_, partitions, owns):
        for partition in partitions:
            ends.pop(partition.partition, None)
            (owned.add if owns else owned.discard)(partition.partition)
        line.emit("assigned", partitions=sorted(owned))
    owned = set()
    gone = lambda c, p: changed(c, p, False)
    consumer.subscribe([options.topic], on_assign=lambda c, p: changed(c, p, True), on_revoke=gone, on_lost=gone)
    found = line.lines()
    while (command := line.next_line(found)) != "stop":
        if command == "commit":
            commit(consumer, options.topic, ends)
        message = consumer.poll(POLL_S)
        if message is None:
            continue
        if message.error():
            line.emit("note", text=str(message.error()))
            continue
        ends[message.partition()] = message.offset() + 1
        line.emit_record(message.partition(), message.offset(), message.key(), message.value(), message.headers())
    consumer.close()
    line.emit("closed")


def commit(consumer, topic, ends):
    """Commits what was printed."""
    wanted = [TopicPartition(topic, partition, offset) for partition, offset in ends.items()]
    try:
        done = consumer.commit(offsets=wanted, asynchronous=False) if wanted else []
        errors = [partition.error for partition in done if partition.error]
        if errors:
            raise KafkaException(errors[0])
        line.emit("committed", offsets={partition.partition: partition.offset for partition in done})
    except KafkaException as error:
        line.emit("commit_failed", error=str(error))


def version(_):
    """The library's version, with librdkafka's."""
    own = confluent_kafka.version()
    own = own if isinstance(own, str) else own[0]
    line.emit("version", client="confluent-kafka", version=f"{own} (librdkafka {confluent_kafka.libversion()[0]})")


if __name__ == "__main__":
    chosen = line.options()
    {"version": version, "produce": produce, "group": group}[chosen.verb](chosen)
