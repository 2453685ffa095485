"""What the broker was asked to make, grow and delete, what it answered, and whether it is so after each restart.

Each change is one raw request, so that the broker can be killed while it is under way. A topic that was made again is another one:
histories name it by its id.
"""

import time

from kafka.protocol.admin import CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest
from kafka.protocol.consumer import FetchRequest, OffsetCommitRequest
from kafka.protocol.metadata import MetadataRequest
from kafka.protocol.producer import ProduceRequest
from kafka.record.memory_records import MemoryRecords, MemoryRecordsBuilder
from messages import Caller, committed

import content

NOTHING, RECOVERING = 0, 6
TIMEOUT_MS = 10_000


class Known:
    """One topic name: `present` and `partitions` are sets of what may be so; `id` is None where it may be any."""

    def __init__(self):
        self.present, self.partitions, self.id = {False}, {0}, None

    def text(self):
        """For a problem's description."""
        return f"present {sorted(self.present)}, partitions {sorted(self.partitions)}, id {self.id}"


def create_request(name, partitions, configs=None):
    """A CreateTopics whose answer tells the id."""
    entries = [CreateTopicsRequest.CreatableTopic.CreatableTopicConfig(name=key, value=str(value)) for key, value in (configs or {}).items()]
    topic = CreateTopicsRequest.CreatableTopic(name=name, num_partitions=partitions, replication_factor=1, configs=entries)
    return CreateTopicsRequest(topics=[topic], timeout_ms=TIMEOUT_MS, version=7)


def delete_request(name):
    """A DeleteTopics by name."""
    return DeleteTopicsRequest(topics=[DeleteTopicsRequest.DeleteTopicState(name=name, topic_id=None)], timeout_ms=TIMEOUT_MS, version=6)


def grow_request(name, count):
    """A CreatePartitions."""
    topic = CreatePartitionsRequest.CreatePartitionsTopic(name=name, count=count, assignments=None)
    return CreatePartitionsRequest(topics=[topic], timeout_ms=TIMEOUT_MS, version=3)


def produce_request(topic, partition, value):
    """One record, acks=all."""
    builder = MemoryRecordsBuilder(magic=2, compression_type=0, batch_size=1 << 20)
    builder.append(timestamp=int(time.time() * 1000), key=None, value=content.value(value))
    builder.close()
    data = ProduceRequest.TopicProduceData.PartitionProduceData(index=partition, records=bytes(builder.buffer()))
    return ProduceRequest(version=9, transactional_id=None, acks=-1, timeout_ms=TIMEOUT_MS,
                          topic_data=[ProduceRequest.TopicProduceData(name=topic, partition_data=[data])])


def commit_request(group, topic, offset, partition=0):
    """An OffsetCommit by a client that is in no group."""
    part = OffsetCommitRequest.OffsetCommitRequestTopic.OffsetCommitRequestPartition(
        partition_index=partition, committed_offset=offset, committed_leader_epoch=-1, committed_metadata="")
    return OffsetCommitRequest(group_id=group, generation_id_or_member_epoch=-1, member_id="", group_instance_id=None, version=8,
                               topics=[OffsetCommitRequest.OffsetCommitRequestTopic(name=topic, partitions=[part])])


class Change:
    """A request, what it changes in `Topics` or a history when asked for and when answered, and whether it was."""

    # `answered` returns `RECOVERING` when the partition is not open yet: the same is sent again.
    def __init__(self, name, request, asked, answered):
        self.name, self.request, self.asked, self.answered = name, request, asked, answered


class Topics:
    """The topics as they must be, and the history of the records and commits that the driver makes itself."""

    def __init__(self, history, problem):
        self.history, self.problem = history, problem
        self.known, self.numbers, self.groups = {}, {}, {}

    def __contains__(self, name):
        """Whether it is certainly there."""
        return name in self.known and self.known[name].present == {True}

    def create(self, name, partitions=1, configs=None):
        """Makes a topic that is not there."""
        known = self.known.setdefault(name, Known())

        def asked():
            known.present, known.partitions, known.id = {False, True}, {partitions}, None

        def answered(answer):
            made = answer.topics[0]
            if made.error_code != NOTHING:
                return self.problem(f"CreateTopics {name} was answered with {made.error_code}, {known.text()}")
            known.present, known.id = {True}, made.topic_id
        return Change(f"create {name}", create_request(name, partitions, configs), asked, answered)

    def delete(self, name):
        """Deletes a topic that is there."""
        known = self.known[name]

        def asked():
            known.present = {False, True}

        def answered(answer):
            code = answer.responses[0].error_code
            if code != NOTHING:
                return self.problem(f"DeleteTopics {name} was answered with {code}, {known.text()}")
            known.present = {False}
        return Change(f"delete {name}", delete_request(name), asked, answered)

    def grow(self, name):
        """Gives a topic that is there one partition more."""
        known = self.known[name]
        before = max(known.partitions)

        def asked():
            known.partitions = {before, before + 1}

        def answered(answer):
            code = answer.results[0].error_code
            if code != NOTHING:
                return self.problem(f"CreatePartitions {name} was answered with {code}, {known.text()}")
            known.partitions = {before + 1}
        return Change(f"grow {name}", grow_request(name, before + 1), asked, answered)

    def place(self, name):
        """A topic as histories name it: by its id, as long as this is the same one."""
        return f"{name} {self.known[name].id}"

    def produce(self, name, partition=0):
        """One record to a topic that is there."""
        number = self.numbers[name] = self.numbers.get(name, 0) + 1
        where = {"topic": self.place(name), "partition": partition, "value": f"{name}_{number}"}

        def answered(answer):
            part = answer.responses[0].partition_responses[0]
            if part.error_code == RECOVERING:
                return RECOVERING
            if part.error_code != NOTHING:
                return self.problem(f"Produce to {name} was answered with {part.error_code}")
            self.history.write("ok", "send", **where, offset=part.base_offset)
        return Change(f"produce to {name}", produce_request(name, partition, where["value"]),
                      lambda: self.history.write("invoke", "send", **where), answered)

    def commit(self, group, name):
        """Commits the next higher offset for a group without members."""
        _, last = self.groups.get(group, (name, 0))
        offset = last + 1
        self.groups[group] = name, offset
        where = {"topic": name, "partition": 0, "group": group, "offset": offset}

        def answered(answer):
            code = answer.topics[0].partitions[0].error_code
            self.history.write("ok" if code == NOTHING else "info", "commit", **where)
            if code != NOTHING:
                self.problem(f"OffsetCommit of {group} was answered with {code}")
        return Change(f"commit {group}", commit_request(group, name, offset),
                      lambda: self.history.write("invoke", "commit", **where), answered)

    def compare(self, caller):
        """Whether the broker's topics are as they must be; what was uncertain is certain afterwards."""
        answer = ask(caller, MetadataRequest(topics=None, allow_auto_topic_creation=False, version=12))
        there = {topic.name: topic for topic in answer.topics}
        for name in there.keys() - self.known.keys():
            self.problem(f"topic {name} is there, and nobody made it")
        for name, known in self.known.items():
            self._compare(name, known, there.get(name))

    def _compare(self, name, known, topic):
        present = topic is not None
        if present not in known.present:
            self.problem(f"topic {name} is {'there' if present else 'not there'}; expected: {known.text()}")
        known.present = {present}
        if not present:
            return
        if len(topic.partitions) not in known.partitions or known.id not in (None, topic.topic_id):
            self.problem(f"topic {name} has {len(topic.partitions)} partitions and id {topic.topic_id}; expected: {known.text()}")
        known.partitions, known.id = {len(topic.partitions)}, topic.topic_id

    def read_commits(self, caller):
        """Notes what the driver's own groups have committed."""
        for group, (name, _) in self.groups.items():
            began = time.monotonic_ns()
            offset = committed(caller, group).get((name, 0), -1)
            self.history.write("ok", "committed", topic=name, partition=0, group=group, offset=offset, began=began)

    def scan(self, caller, name):
        """Reads all of a topic and notes it."""
        topic = self.place(name)
        self.history.write("ok", "assign")
        for partition in range(max(self.known[name].partitions)):
            began = time.monotonic_ns()
            records, end = read(caller, name, partition)
            if records:
                self.history.write("ok", "poll", topic=topic, partition=partition, began=began, value=records)
            self.history.write("ok", "scan", topic=topic, partition=partition, began=began, value=[0, end])


def read(caller, name, partition):
    """All uncompressed records of a partition as [[offset, name of the record], ...], and the high watermark."""
    records, position = [], 0
    deadline = time.monotonic() + TIMEOUT_MS / 1000
    while True:
        part = FetchRequest.FetchTopic.FetchPartition(
            partition=partition, current_leader_epoch=-1, fetch_offset=position, log_start_offset=-1, partition_max_bytes=1 << 20)
        request = FetchRequest(version=11, replica_id=-1, max_wait_ms=0, min_bytes=0, max_bytes=1 << 22, isolation_level=0, session_id=0,
                               session_epoch=-1, topics=[FetchRequest.FetchTopic(topic=name, partitions=[part])], forgotten_topics_data=[], rack_id="")
        got = ask(caller, request).responses[0].partitions[0]
        if got.error_code == RECOVERING and time.monotonic() < deadline:
            time.sleep(0.01)
            continue
        if got.error_code != NOTHING:
            raise RuntimeError(f"Fetch of {name}-{partition} at {position} was answered with {got.error_code}")
        batches = MemoryRecords(bytes(got.records or b""))
        while (batch := batches.next_batch()) is not None:
            records += [[record.offset, content.name(record.value)] for record in batch if record.offset >= position]
        if records:
            position = records[-1][0] + 1
        if position >= got.high_watermark:
            return records, got.high_watermark


def ask(caller, request):
    """The answer to one request; ConnectionError if there is none."""
    answer = caller.call(request)
    if answer is None:
        raise ConnectionError(f"the broker closed the connection instead of answering {type(request).__name__}")
    return answer


def carry_out(caller, change):
    """Sends a change and takes its answer."""
    change.asked()
    deadline = time.monotonic() + TIMEOUT_MS / 1000
    while True:
        answer = ask(caller, change.request)
        if change.answered(answer) != RECOVERING:
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"{change.name}: still recovering")
        time.sleep(0.001)


def connect(port):
    """A connection for raw requests."""
    return Caller(port, timeout_s=30)
