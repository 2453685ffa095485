"""Power losses with few light clients: many rounds in little time.

After each restart a partition must hold, from offset 0 on and without a gap, what was acknowledged or seen there before, and the
high watermark is the end of it. Under `always` and `batch` that is everything acknowledged; under `interval` and `never` it may be a
beginning after a power loss, but not less than what a clean stop, a kill or a former recovery left. Topics are made, deleted, and
offsets committed meanwhile: what was answered must be so.
"""

import sys
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from waiting import until

STRICT = ("always", "batch")
TOPIC, PARTITIONS = "light", 3
CONFIGS = {"segment.ms": "300"}
RECORDS = 400
# So often the broker is stopped cleanly before the next round.
STOP_ONE_IN = 5
CLIENT = {"log_level": 0, "reconnect.backoff.ms": 20, "reconnect.backoff.max.ms": 100}


class Run:
    """The rounds. `seen[partition]` is {offset: value} of everything acknowledged or read since the last loss; `kept` how much may not go."""

    def __init__(self, options, broker, chances):
        self.options, self.broker, self.random = options, broker, chances
        self.round, self.number, self.problems = 0, 0, []
        self.sent = set()
        self.seen, self.kept = [{} for _ in range(PARTITIONS)], [0] * PARTITIONS
        # {name: whether it is there; None: nobody knows}
        self.topics = {}
        self.committed = 0
        self.figures = {"records read": 0, "lost, as allowed": 0, "topics changed": 0, "offsets committed": 0, "clean stops": 0}
        self.policy = options.policy

    def run(self):
        """All rounds."""
        self.policy = self.options.policy or "batch"
        self.broker.settings["flush.policy"] = self.policy
        self.broker.start()
        admin = self.admin()
        admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1, config=CONFIGS)])[TOPIC].result(30)
        while self.round < self.options.rounds and len(self.problems) < self.options.most_problems:
            self.round += 1
            if self.options.policy is None:
                self.policy = self.broker.settings["flush.policy"] = STRICT[self.round // 10 % 2]
            self.one_round()
            if self.round % 50 == 0:
                print(f"round {self.round} of {self.options.rounds}: {self.figures['records read']} records read, {len(self.problems)} problems",
                      file=sys.stderr if self.options.json else sys.stdout, flush=True)

    def admin(self):
        """A client for topics."""
        return AdminClient({"bootstrap.servers": self.broker.address, "socket.timeout.ms": 10_000, **CLIENT})

    def one_round(self):
        """Load, a death or a clean stop, a start, a look."""
        producer, changes = self.load(), self.change_topics()
        self.commit()
        time.sleep(self.random.expovariate(1 / 0.1))
        if self.random.randrange(STOP_ONE_IN) == 0:
            producer.flush(30)
            self.broker.stop()
            self.figures["clean stops"] += 1
            lost = False
        else:
            lost = self.broker.die()
        producer.poll(0)
        if not lost or self.policy in STRICT:
            self.kept = [max(seen, default=-1) + 1 for seen in self.seen]
        producer.purge()
        producer.flush(1)
        self.broker.start()
        for name, change, is_there in changes:
            self.answered(name, change, is_there)
        for partition in range(PARTITIONS):
            self.look(partition, lost)
        self.look_at_topics()
        self.look_at_commit()

    def load(self):
        """A producer that was asked to send records and is busy with it."""
        producer = Producer({"bootstrap.servers": self.broker.address, "enable.idempotence": True, "linger.ms": 1, **CLIENT})

        def answered(failure, message):
            if not failure and message.offset() >= 0:
                self.seen[message.partition()][message.offset()] = message.value()
        for _ in range(RECORDS):
            self.number += 1
            value = b"%d %s" % (self.number, bytes(self.random.randrange(300)))
            self.sent.add(value)
            producer.produce(TOPIC, value, partition=self.random.randrange(PARTITIONS), on_delivery=answered)
        producer.poll(0.05)
        return producer

    def change_topics(self):
        """Asks for a topic and to delete another; [(name, answer to come, whether it is there then)]."""
        admin, name = self.admin(), f"made-{self.round}"
        self.topics[name] = None
        changes = [(name, (admin, admin.create_topics([NewTopic(name, 1, 1)])[name]), True)]
        there = [name for name, is_there in self.topics.items() if is_there]
        if len(there) > 3:
            doomed = self.random.choice(there)
            self.topics[doomed] = None
            changes.append((doomed, (admin, admin.delete_topics([doomed])[doomed]), False))
        return changes

    def answered(self, name, change, is_there):
        """Notes what was answered before the process died; a repetition at the next one may find it done."""
        _, future = change
        try:
            future.result(30)
        except KafkaException:
            return
        self.topics[name] = is_there
        self.figures["topics changed"] += 1

    def look_at_topics(self):
        """Those that are there must be, the others must not; what nobody knew is known now."""
        there = self.admin().list_topics(timeout=30).topics
        for name, expected in self.topics.items():
            self.check(name, expected in (None, name in there), f"there: {name in there}, as was answered: {expected}")
            self.topics[name] = name in there
        self.topics = {name: True for name, is_there in self.topics.items() if is_there}

    def commit(self):
        """Commits a higher offset, if the time for it is left."""
        consumer = self.consumer()
        try:
            consumer.commit(offsets=[TopicPartition(TOPIC, 0, self.committed + 1)], asynchronous=False)
            self.committed += 1
            self.figures["offsets committed"] += 1
        except KafkaException:
            pass
        consumer.close()

    def look_at_commit(self):
        """The committed offset is what was committed last, or what was being committed."""
        consumer = self.consumer()

        def read():
            try:
                return consumer.committed([TopicPartition(TOPIC, 0)], timeout=10)
            except KafkaException:
                return None
        offset = max(0, until(read, "committed offsets are served", timeout_s=60)[0].offset)
        self.check(TOPIC, self.committed <= offset <= self.committed + 1, f"committed {self.committed}, now {offset}")
        self.committed = offset
        consumer.close()

    def consumer(self):
        """A client that reads and commits by hand."""
        return Consumer({"bootstrap.servers": self.broker.address, "group.id": "light", "enable.auto.commit": False, **CLIENT})

    def look(self, partition, lost):
        """One partition as it is now."""
        name = f"{TOPIC}-{partition}"
        there, seen, before = self.read(partition), self.seen[partition], max(self.seen[partition], default=-1) + 1
        self.check(name, sorted(there) == list(range(len(there))), f"offsets have gaps: {len(there)} records up to {max(there, default=0)}")
        other = [offset for offset, value in there.items() if seen.get(offset, value) != value or value not in self.sent]
        self.check(name, not other, f"other records than before at {other[:5]}")
        self.check(name, len(set(there.values())) == len(there), "a record is there twice")
        self.check(name, len(there) >= self.kept[partition], f"{len(there)} records, {self.kept[partition]} may not go")
        self.figures["records read"] += len(there)
        if lost:
            self.figures["lost, as allowed"] += max(0, before - len(there))
        # What recovery serves it has synced, also what it found in the page cache only.
        self.seen[partition], self.kept[partition] = there, len(there)

    def check(self, where, good, text):
        """Notes what must not be."""
        if not good:
            self.problems.append(f"round {self.round}: {where}: {text}")
            print("PROBLEM in", self.problems[-1], flush=True)

    def read(self, partition):
        """{offset: value} of everything up to the high watermark."""
        consumer = self.consumer()

        def watermarks():
            try:
                return consumer.get_watermark_offsets(TopicPartition(TOPIC, partition), timeout=5)
            except KafkaException:
                return None
        end = until(watermarks, f"{TOPIC}-{partition} is served", timeout_s=60)[1]
        consumer.assign([TopicPartition(TOPIC, partition, 0)])
        there = {}
        while end and max(there, default=-1) < end - 1:
            message = consumer.poll(30)
            if message is None:
                self.check(f"{TOPIC}-{partition}", False, f"the high watermark is {end}, read up to {max(there, default=-1)}")
                break
            if not message.error():
                there[message.offset()] = message.value()
        consumer.close()
        return there
