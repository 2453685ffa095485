"""What every client must be able to do. Each scenario is a function of a `Stage`; it raises `Failure` where the client or the broker errs.

- `codecs`: records of every shape in every codec, read back byte for byte by the client itself and by the reference.
- `group`: two members share the partitions, commit, one leaves, the other goes on from the committed offsets.
- `restart`: the broker is killed under a producer and a group; nothing acknowledged is lost, commits are kept.
"""

import itertools
import threading
import time

from agents import Failure, Member, Producer, wait_for
from reference import Reference

SETTLE_S = 90
DELIVER_S = 90
COMMIT_S = 90
PARTITIONS = 4
RECORDS_IN_FLIGHT = 200


class Stage:
    """One client at one broker: starts agents, and ends them all."""

    def __init__(self, client, broker, directory):
        self.client, self.broker, self.directory = client, broker, directory
        self.reference = Reference(broker)
        self.watch = threading.Condition()
        self.agents = []
        self.names = itertools.count()
        self.remarks = []

    def name(self, kind):
        """A name that was not used before."""
        return f"{kind}-{next(self.names)}"

    def producer(self, topic, codec="none"):
        """Starts a producing agent."""
        return self._start(Producer, "produce", topic=topic, codec=codec, client_id=self.name("producer"))

    def member(self, topic, group):
        """Starts a member of a group."""
        return self._start(Member, "group", topic=topic, group=group, client_id=self.name("member"))

    def _start(self, kind, verb, **options):
        agent = kind(self.client, self.watch, self.directory, verb, bootstrap=self.broker.address, **options)
        self.agents.append(agent)
        return agent

    def wait_for(self, what, done, timeout_s, *agents):
        """Waits; see `agents.wait_for`."""
        wait_for(self.watch, agents, what, done, timeout_s)

    def close(self):
        """Ends whatever runs."""
        for agent in self.agents:
            agent.destroy()


def codecs(stage):
    """Every codec that the client has, in a topic of its own."""
    sent = list(shapes(stage.client.values_missing))
    expected = [[(number // 2, *sent[number]) for number in range(partition, len(sent), 2)] for partition in range(2)]
    topics = {codec: produce_shapes(stage, codec, sent, expected) for codec in stage.client.codecs}
    # All readers at once: some clients take seconds to join or to leave.
    readers = {codec: stage.member(topic, f"group-{topic}") for codec, topic in topics.items()}
    for codec, reader in readers.items():
        stage.wait_for(f"{len(sent)} records in {codec}", lambda: len(reader.delivered) >= len(sent), DELIVER_S, reader)
        found = [sorted(record[1:] for record in reader.delivered if record[0] == partition) for partition in range(2)]
        same(f"{codec}: the client itself reads", found, expected)
        reader.send("stop")
    for reader in readers.values():
        reader.await_end()


def produce_shapes(stage, codec, sent, expected):
    """Has the client produce with one codec, and checks what came of it. Returns the topic."""
    topic = stage.reference.create_topic(stage.name(codec), 2)
    producer = stage.producer(topic, codec)
    for number, (key, value, headers) in enumerate(sent):
        producer.produce(number, number % 2, key, value, headers)
    producer.finish()
    check(not producer.failed, f"{codec}: failed records: {producer.failed[:3]}")
    check(len(producer.acked) == len(sent), f"{codec}: {len(producer.acked)} of {len(sent)} records acknowledged")
    same(f"{codec}: the reference client reads", stage.reference.read(topic, 2), expected)
    # Some clients leave a batch as it is that compression would make larger.
    kept = stage.reference.batch_codecs(topic, 2)
    check(codec in kept <= {codec, "none"}, f"{codec}: batches in the log are {kept}")
    return topic


def shapes(missing):
    """Keys, values and headers of every shape, leaving out those that the client's API cannot express."""
    every_byte = bytes(range(256))
    cases = [
        ("", b"key", b"value", [("a", b"1")]),
        ("", every_byte, every_byte[::-1], [("bytes", every_byte), ("ünïcode", "wért".encode())]),
        ("", b"k", b"compressible " * 2000, []),
        ("", b"repeated", b"headers", [("same", b"1"), ("same", b"2"), ("", b"no name")]),
        ("null-key", None, b"null key", []),
        ("empty-header", b"empty header", b"v", [("empty", b"")]),
        ("empty-key", b"", b"empty key", []),
        ("null-value", b"null value", None, [("tombstone", b"yes")]),
        ("empty-value", b"empty value", b"", []),
        ("null-header", b"null header", b"v", [("null", None)]),
    ]
    for kind, key, value, headers in cases:
        if kind not in missing:
            yield key, value, [] if "headers" in missing else headers
    for number in range(91):
        yield b"%d" % number, b"%d " % number * (number + 1), [] if "headers" in missing else [("number", b"%d" % number)]


def group(stage):
    """Two members, a rebalance each way, commits."""
    topic, name = stage.reference.create_topic(stage.name("shared"), PARTITIONS), stage.name("group")
    log = Log(stage, topic)
    log.produce(20)
    first = stage.member(topic, name)
    settle(stage, topic, name, [first])
    log.await_all([first])
    second = stage.member(topic, name)
    settle(stage, topic, name, [first, second])
    log.produce(20)
    log.await_all([first, second])
    ends = commit_all(stage, topic, name, [first, second])
    check(ends == log.ends(), f"committed {ends}, the log ends at {log.ends()}")
    # What `second` reads from here on it does not commit: `first` must get it again.
    log.produce(10)
    log.await_all([first, second])
    inherited = owned(stage, topic, name, second)
    before = len(first.delivered)
    second.stop()
    settle(stage, topic, name, [first])
    wanted = {(partition, offset) for partition in inherited for offset in range(ends[partition], log.ends()[partition])}
    again = lambda: {record[:2] for record in first.delivered[before:]}
    stage.wait_for("the uncommitted records of the member that left", lambda: wanted <= again(), DELIVER_S, first)
    for partition in inherited:
        lowest = min(offset for p, offset in again() if p == partition)
        check(lowest == ends[partition], f"partition {partition} was taken over at {lowest}, committed was {ends[partition]}")
    log.produce(10)
    log.await_all([first], left=[second])
    check(commit_all(stage, topic, name, [first]) == log.ends(), "the last commit is not the log's end")
    first.stop()
    log.check_deliveries([first, second])


def restart(stage):
    """SIGKILL of the broker under a producer and a group of two."""
    topic, name = stage.reference.create_topic(stage.name("killed"), PARTITIONS), stage.name("group")
    members = [stage.member(topic, name), stage.member(topic, name)]
    settle(stage, topic, name, members)
    producer = stage.producer(topic)
    pump = Pump(stage, producer, 3000)
    stage.wait_for("1000 acknowledged records", lambda: len(producer.acked) >= 1000, DELIVER_S, producer, *members)
    stage.wait_for("500 delivered records", lambda: delivered_by(members) >= 500, DELIVER_S, producer, *members)
    before = commit_all(stage, topic, name, members)
    check(producer.unanswered(), "the producer was done before the broker was killed")
    stage.broker.restart(kill=True)
    kept = stage.reference.committed(name, topic)
    check(kept == before, f"committed offsets were {before} before the kill and are {kept} after it")
    pump.join()
    producer.finish()
    numbers = check_log(stage, topic, producer)
    stage.wait_for("every record after the restart", lambda: set(numbers) <= {int(r[3]) for m in members for r in m.delivered}, DELIVER_S, *members)
    settle(stage, topic, name, members)
    log = Log(stage, topic)
    log.read()
    log.check_deliveries(members)
    after = commit_all(stage, topic, name, members)
    check(after == log.ends(), f"committed {after} after everything was read, the log ends at {log.ends()}")
    for member in members:
        member.stop()
    log.produce(10)
    resumed = stage.member(topic, name)
    log.await_records([resumed], after)
    for partition, end in after.items():
        lowest = min(r[1] for r in resumed.delivered if r[0] == partition)
        check(lowest == end, f"partition {partition} was resumed at {lowest}, committed was {end}")
    resumed.stop()


class Pump:
    """Feeds a producer from a thread, with a bound on what is in flight, and sends again what failed."""

    def __init__(self, stage, producer, count):
        self.stage, self.producer, self.count = stage, producer, count
        self.failure = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        try:
            resent = 0
            for number in range(self.count):
                self._await(RECORDS_IN_FLIGHT)
                self.producer.produce(number, number % PARTITIONS, None, b"%d" % number, [])
            while self.producer.unanswered():
                stuck = lambda: len(self.producer.failed) > resent or not self.producer.unanswered()
                self.stage.wait_for("acknowledgements or failures", stuck, DELIVER_S, self.producer)
                for number, _ in self.producer.failed[resent:]:
                    self.producer.produce(number, *self.producer.records[number])
                    resent += 1
        except Failure as failure:
            self.failure = failure

    def _await(self, most):
        room = lambda: self.producer.unanswered() - len(self.producer.failed) < most
        self.stage.wait_for("the producer to be acknowledged", room, DELIVER_S, self.producer)

    def join(self):
        """Waits until everything is acknowledged."""
        self.thread.join()
        if self.failure:
            raise self.failure
        if self.producer.failed:
            self.stage.remarks.append(f"producer gave up on {len(self.producer.failed)} records, sent again: {self.producer.failed[0][1][:80]}")


def check_log(stage, topic, producer):
    """Everything acknowledged is where the acknowledgement said. Returns the numbers in the log."""
    found = stage.reference.read(topic, PARTITIONS)
    at = {(partition, record[0]): int(record[2]) for partition, records in enumerate(found) for record in records}
    for number, place in producer.acked.items():
        if place[1] >= 0:
            check(at.get(place) == number, f"record {number} was acknowledged at {place}, where {at.get(place)} is")
    numbers = sorted(at.values())
    check(set(numbers) == set(producer.acked), f"{len(producer.acked)} records acknowledged, {len(set(numbers))} in the log")
    if stage.client.idempotent and not producer.failed:
        check(len(numbers) == len(set(numbers)), f"{len(numbers) - len(set(numbers))} duplicates of an idempotent producer")
    elif len(numbers) > len(set(numbers)):
        stage.remarks.append(f"{len(numbers) - len(set(numbers))} duplicates in the log")
    return numbers


class Log:
    """What the reference put into a topic, and what members must have got of it."""

    def __init__(self, stage, topic):
        self.stage, self.topic = stage, topic
        self.values = [[] for _ in range(PARTITIONS)]

    def produce(self, count):
        """Adds `count` records to each partition."""
        records = []
        for partition, values in enumerate(self.values):
            for _ in range(count):
                values.append(b"%d" % (len(values) * PARTITIONS + partition))
                records.append((partition, None, values[-1]))
        self.stage.reference.produce(self.topic, records)

    def read(self):
        """Takes the values from the log itself."""
        self.values = [[record[2] for record in records] for records in self.stage.reference.read(self.topic, PARTITIONS)]

    def ends(self):
        """The end of each partition."""
        return {partition: len(values) for partition, values in enumerate(self.values)}

    def await_all(self, members, left=()):
        """Waits until every record was delivered to one of the members, or of those that have left."""
        self.await_records(members, {}, left)

    def await_records(self, members, starts, left=()):
        """Waits until every record from `starts` on was delivered to one of the members, or of those that have left."""
        wanted = {(partition, offset) for partition, end in self.ends().items() for offset in range(starts.get(partition, 0), end)}
        missing = lambda: wanted - {record[:2] for member in (*members, *left) for record in member.delivered}
        self.stage.wait_for(f"{len(wanted)} records of {self.topic}", lambda: not missing(), DELIVER_S, *members)

    def check_deliveries(self, members):
        """Each record came with its value, none was skipped: not by a member while it owned a partition, not by all of them together."""
        for member in members:
            for partition, offset, _, value, _ in member.delivered:
                check(value == self.values[partition][offset], f"{member.name}: wrong value at {partition}/{offset}: {value!r}")
            if self.stage.client.sees_assignment:
                check_order(member)
        for partition, values in enumerate(self.values):
            got = {r[1] for member in members for r in member.delivered if r[0] == partition}
            check(got == set(range(len(values))), f"partition {partition}: {len(got)} of {len(values)} records delivered")


def check_order(member):
    """While a member owns a partition it may get a record again, but never skips one."""
    expected = {}
    for event in member.events:
        if event["event"] == "assigned":
            expected = {partition: expected.get(partition) for partition in event["partitions"]}
        elif event["event"] == "record":
            partition, offset = event["partition"], event["offset"]
            check(partition in expected, f"{member.name} was given {partition}/{offset} without owning the partition")
            due = expected[partition]
            check(due is None or offset <= due, f"{member.name} was given {partition}/{offset}, next was {due}")
            expected[partition] = offset + 1


def owned(stage, topic, name, member):
    """The partitions of a member, by its own word or by the broker's."""
    return set(member.owned) if stage.client.sees_assignment else stage.reference.members(name, topic).get(member.name, set())


def settle(stage, topic, name, members):
    """Waits until the members share all partitions, each with at least one, and the broker says the same."""
    everything = list(range(PARTITIONS))
    deadline = time.monotonic() + SETTLE_S
    if stage.client.sees_assignment:
        shared = lambda: sorted(p for m in members for p in m.owned) == everything and all(m.owned for m in members)
        stage.wait_for(f"{len(members)} members to share the partitions", shared, SETTLE_S, *members)
    while True:
        described = stage.reference.members(name, topic)
        shared = sorted(p for owned_by_one in described.values() for p in owned_by_one) == everything
        if shared and set(described) == {m.name for m in members} and all(described.values()):
            break
        check(time.monotonic() < deadline, f"the broker describes the group as {described} after {SETTLE_S} s")
        with stage.watch:
            stage.watch.wait(0.1)
    if stage.client.sees_assignment:
        told = {m.name: set(m.owned) for m in members}
        check(told == described, f"the members say {told}, the broker says {described}")


def commit_all(stage, topic, name, members):
    """Has every member commit. Returns what the broker then has, which must be what the members said."""
    deadline = time.monotonic() + COMMIT_S
    while True:
        said = {}
        for member in members:
            said |= member.commit(COMMIT_S, attempts=3)
        kept = stage.reference.committed(name, topic)
        if said.items() <= kept.items():
            return kept
        # A client that does not hear of failures may be wrong about this commit; an application would commit again, too.
        late = time.monotonic() > deadline
        check(not stage.client.hears_commit and not late, f"members committed {said}, the broker has {kept}")


def delivered_by(members):
    """How many records the members got."""
    return sum(len(member.delivered) for member in members)


def same(what, found, expected):
    """Compares lists of lists of records, and shows the first that differs."""
    for partition, (have, want) in enumerate(zip(found, expected, strict=True)):
        for one, other in itertools.zip_longest(have, want):
            check(one == other, f"{what}, partition {partition}: {str(one)[:300]} instead of {str(other)[:300]}")


def check(holds, text):
    """Fails with `text` unless it holds."""
    if not holds:
        raise Failure(text)


SCENARIOS = {"codecs": codecs, "group": group, "restart": restart}
