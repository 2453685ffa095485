"""The second opinion: what is in the log and in the group, as confluent-kafka and the segment files tell it.

Not used to judge confluent-kafka's own agent alone: its records are also checked in the segments.
"""

import struct
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, ConsumerGroupTopicPartitions, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from agents import CODECS, Failure

ANSWER_S = 60
BATCH_HEADER = struct.Struct(">qiibIh")


class Reference:
    """A view of one broker.

    Each question has an admin client of its own, kept until the answer is there (its futures fail when it is dropped): one
    that outlives a restart of the broker may ask a connection that librdkafka has given up, and waits in vain.
    """

    def __init__(self, broker):
        self.broker = broker
        self.settings = {"bootstrap.servers": broker.address, "log_level": 0}

    def create_topic(self, name, partitions):
        """Creates a topic and returns its name."""
        admin = AdminClient(self.settings)
        admin.create_topics([NewTopic(name, partitions, 1)])[name].result(ANSWER_S)
        return name

    def produce(self, topic, records):
        """Produces (partition, key, value) and waits for all."""
        failures = []
        producer = Producer({**self.settings, "enable.idempotence": True})
        for partition, key, value in records:
            producer.produce(topic, value, key, partition, on_delivery=lambda error, _: error and failures.append(error))
            producer.poll(0)
        if producer.flush(ANSWER_S) or failures:
            raise Failure(f"the reference client could not produce: {failures[:1]}")

    def read(self, topic, partitions):
        """Everything in the topic: a list for each partition of (offset, key, value, headers)."""
        consumer = Consumer({**self.settings, "group.id": "reference", "enable.auto.commit": False, "auto.offset.reset": "error",
                             "check.crcs": True, "enable.partition.eof": True})
        try:
            return [self._read(consumer, topic, partition) for partition in range(partitions)]
        finally:
            consumer.close()

    @staticmethod
    def _read(consumer, topic, partition):
        _, end = consumer.get_watermark_offsets(TopicPartition(topic, partition), ANSWER_S)
        found, deadline = [], time.monotonic() + ANSWER_S
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING)])
        while len(found) == 0 and end > 0 or found and found[-1][0] + 1 < end:
            if time.monotonic() > deadline:
                raise Failure(f"reference: {topic}-{partition}: {len(found)} records within {ANSWER_S} s, the end is {end}")
            message = consumer.poll(1.0)
            if message is None:
                continue
            if message.error():
                raise KafkaException(message.error())
            found.append((message.offset(), message.key(), message.value(), message.headers() or []))
        return found

    def committed(self, group, topic):
        """The group's committed offset of each partition that has one."""
        admin = AdminClient(self.settings)
        answer = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result(ANSWER_S)
        return {p.partition: p.offset for p in answer.topic_partitions if p.topic == topic and p.offset >= 0}

    def members(self, group, topic):
        """The partitions of each member, by client id, as the broker describes the group."""
        admin = AdminClient(self.settings)
        described = admin.describe_consumer_groups([group])[group].result(ANSWER_S)
        return {m.client_id: {p.partition for p in m.assignment.topic_partitions if p.topic == topic} for m in described.members}

    def batch_codecs(self, topic, partitions):
        """The codecs of the batches in the segment files, which must all be of the current format."""
        found = set()
        for partition in range(partitions):
            for path in sorted(self.broker.data_dir.glob(f"{topic}-{partition}/*.log")):
                found |= codecs_in(path.read_bytes(), path)
        return found


def codecs_in(data, path):
    """The codecs of the batches in a segment. Unused room at its end is zeros."""
    found, position = set(), 0
    while position + BATCH_HEADER.size <= len(data):
        _, length, _, magic, _, attributes = BATCH_HEADER.unpack_from(data, position)
        if length == 0:
            break
        if magic != 2:
            raise Failure(f"{path}: a batch of format {magic} at {position}")
        found.add(CODECS[attributes & 7])
        position += 12 + length
    return found
