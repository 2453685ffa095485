"""What happens around a running group: topics deleted, made again and grown, two listeners, IPv6, a wide fetch session."""

import socket
import time

import broker as brokers
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewPartitions
from groups import MEMBERS, SETTINGS, ConfluentMember, close_all, coordinated, create, fresh, produce
from kafka.protocol.admin import DescribeClusterRequest
from kafka.protocol.consumer import FetchRequest
from kafka.protocol.metadata import FindCoordinatorRequest, MetadataRequest
from messages import Caller, committed
from waiting import WAIT_S, until


@pytest.fixture(scope="module")
def broker():
    """A running broker whose groups start at once."""
    with brokers.create(settings=SETTINGS) as server:
        yield server


def rewritten(producer, topic, found):
    """Writes to a topic that was made again, until the producer and then the consumer have found it, and ten records more; what was written."""
    written = []

    def one_more():
        try:
            produce(producer, topic, [b"new-%d" % len(written)])
        except AssertionError:
            return False
        written.append(b"new-%d" % len(written))
        return found()
    until(one_more, "producer and consumer find the new topic", every_s=0.05)
    more = [b"new-%d" % number for number in range(len(written), len(written) + 10)]
    produce(producer, topic, more)
    return written + more


@pytest.mark.parametrize("kind", MEMBERS)
def test_a_topic_is_deleted_and_made_again_under_a_producer_and_a_group(broker, kind):
    topic, group = fresh("again"), fresh("group")
    create(broker.address, topic)
    caller = coordinated(broker.port)
    producer = Producer({"bootstrap.servers": broker.address, "topic.metadata.refresh.interval.ms": 200, "linger.ms": 0})
    member = MEMBERS[kind](broker.address, topic, group)
    try:
        first = [b"old-%d" % i for i in range(40)]
        produce(producer, topic, first)
        until(lambda: len(member.values) >= 40, "the first records")
        until(lambda: committed(caller, group) == {(topic, 0): 40}, "their commit")
        admin = AdminClient({"bootstrap.servers": broker.address})
        admin.delete_topics([topic])[topic].result(WAIT_S)
        create(broker.address, topic)
        # What the group had committed belonged to the topic that is gone.
        until(lambda: committed(caller, group) in ({}, {(topic, 0): 0}), "the old offset goes")
        written = rewritten(producer, topic, lambda: len(member.values) > 40)
        until(lambda: member.values[-1:] == written[-1:], "the new records")
        found = member.values[40:]
        # kafka-python takes the shorter log for a truncated one and goes on at what was its end then, at any broker.
        assert member.values[:40] == first and found == (written if kind == "confluent" else written[-len(found):])
        until(lambda: committed(caller, group) == {(topic, 0): len(written)}, "the commit of the new records")
    finally:
        member.close()
        caller.close()


@pytest.mark.parametrize("kind", MEMBERS)
def test_partitions_added_under_a_group_are_assigned_and_consumed(broker, kind):
    topic, group = fresh("grown"), fresh("group")
    create(broker.address, topic, 2)
    producer = Producer({"bootstrap.servers": broker.address, "topic.metadata.refresh.interval.ms": 200})
    members = [MEMBERS[kind](broker.address, topic, group) for _ in range(2)]
    try:
        until(lambda: sorted(map(len, (m.partitions for m in members))) == [1, 1], "two members of two partitions")
        admin = AdminClient({"bootstrap.servers": broker.address})
        admin.create_partitions([NewPartitions(topic, 6)])[topic].result(WAIT_S)
        until(lambda: len(producer.list_topics(topic, 10).topics[topic].partitions) == 6, "six partitions are known")
        for partition in range(6):
            produce(producer, topic, [b"%d-%d" % (partition, i) for i in range(10)], partition)
        wanted = sorted(b"%d-%d" % (p, i) for p in range(6) for i in range(10))
        until(lambda: sorted(set(members[0].values + members[1].values)) == wanted, "all records of all partitions")
        until(lambda: [len(m.partitions) for m in members] == [3, 3], "three partitions for each member")
    finally:
        close_all(*members)


def told_addresses(caller):
    """Every address that a broker tells on this connection."""
    brokers_told = caller.call(MetadataRequest(topics=[], allow_auto_topic_creation=False, version=8)).brokers
    yield from ((b.host, b.port) for b in brokers_told)
    for version, fields in ((2, {"key": "any"}), (4, {"coordinator_keys": ["any", "other"]})):
        answer = caller.call(FindCoordinatorRequest(key_type=0, version=version, **fields))
        yield from ((c.host, c.port) for c in (answer.coordinators if version >= 4 else [answer]))
    answer = caller.call(DescribeClusterRequest(include_cluster_authorized_operations=False, version=0))
    yield from ((b.host, b.port) for b in answer.brokers)


def test_a_client_of_one_listener_never_sees_the_other(tmp_path):
    with brokers.create(settings=SETTINGS, hosts=("127.0.0.1", "127.0.0.1")) as server:
        assert server.ports[0] != server.ports[1]
        for port in server.ports:
            caller = coordinated(port)
            assert set(told_addresses(caller)) == {("127.0.0.1", port)}
            caller.close()
        topic = fresh("listeners")
        create(server.addresses[1], topic, 2)
        members = [ConfluentMember(address, topic, "over-both") for address in server.addresses]
        try:
            until(lambda: [len(m.partitions) for m in members] == [1, 1], "a member at each listener")
            for partition, address in enumerate(server.addresses):
                produce(Producer({"bootstrap.servers": address}), topic, [b"%d" % partition], partition)
            until(lambda: sorted(members[0].values + members[1].values) == [b"0", b"1"], "both records")
        finally:
            close_all(*members)


def has_ipv6():
    """Whether this machine has [::1]."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
        return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="no [::1] here")
@pytest.mark.parametrize("kind", MEMBERS)
def test_everything_works_over_ipv6(kind):
    with brokers.create(settings=SETTINGS, hosts=("::1",)) as server:
        caller = coordinated(server.port, "::1")
        assert set(told_addresses(caller)) == {("::1", server.port)}
        topic = fresh("six")
        create(server.address, topic)
        produce(Producer({"bootstrap.servers": server.address}), topic, [b"six"])
        member = MEMBERS[kind](server.address, topic, "over-ipv6")
        try:
            until(lambda: member.values == [b"six"], "the record")
            until(lambda: committed(caller, "over-ipv6") == {(topic, 0): 1}, "its commit")
        finally:
            member.close()
            caller.close()


class FetchSession:
    """A fetch session (KIP-227) by hand."""

    def __init__(self, caller, topic, partitions):
        self.caller, self.topic = caller, topic
        self.answer = self._ask(0, 0, {p: 0 for p in range(partitions)}, wait_ms=0)
        self.id, self.epoch = self.answer.session_id, 1

    def _ask(self, session_id, epoch, offsets, wait_ms):
        return self.caller.call(self._request(session_id, epoch, offsets, wait_ms))

    def _request(self, session_id, epoch, offsets, wait_ms):
        partitions = [FetchRequest.FetchTopic.FetchPartition(
            partition=p, current_leader_epoch=-1, fetch_offset=offset, last_fetched_epoch=-1, log_start_offset=-1, partition_max_bytes=1 << 20)
            for p, offset in offsets.items()]
        topics = [FetchRequest.FetchTopic(topic=self.topic, partitions=partitions)] if offsets else []
        return FetchRequest(
            replica_id=-1, max_wait_ms=wait_ms, min_bytes=1, max_bytes=50 << 20, isolation_level=0, session_id=session_id, session_epoch=epoch,
            topics=topics, forgotten_topics_data=[], rack_id="", version=12)

    def post(self, offsets, wait_ms):
        """Sends an incremental request that names only what has moved."""
        self.epoch += 1
        return self.caller.post(self._request(self.id, self.epoch - 1, offsets, wait_ms))

    def take(self, request):
        """{partition: (code, high watermark, bytes of records)} of an incremental answer."""
        self.answer = self.caller.take(request)
        assert (self.answer.error_code, self.answer.session_id) == (0, self.id)
        return {p.partition_index: (p.error_code, p.high_watermark, len(p.records or b"")) for t in self.answer.responses for p in t.partitions}


def test_one_hot_partition_among_a_thousand_in_one_fetch_session(broker):
    topic, hot, rounds = fresh("wide"), 617, 50
    create(broker.address, topic, 1000)
    caller = Caller(broker.port, timeout_s=30)
    producer = Producer({"bootstrap.servers": broker.address, "linger.ms": 0})
    assert len(until(lambda: producer.list_topics(topic, 10).topics[topic].partitions, "the topic")) == 1000

    def opened():
        session = FetchSession(caller, topic, 1000)
        codes = {p.error_code for t in session.answer.responses for p in t.partitions}
        return session if session.id and codes == {0} else None
    session = until(opened, "all partitions answer")
    whole = caller.last_sent
    # A quiet session: nothing is named in either direction.
    assert session.take(session.post({}, 0)) == {}
    quiet_sent, quiet_received = caller.last_sent, caller.last_received
    assert quiet_sent < 100 and quiet_received < 100 and whole > 20_000
    position, waits = 0, []
    for number in range(rounds):
        waiting = session.post({hot: position} if number else {}, 20_000)
        produce(producer, topic, [b"hot-%d" % number], hot)
        acknowledged = time.monotonic()
        found = session.take(waiting)
        waits.append(time.monotonic() - acknowledged)
        # The record alone comes, however many partitions are watched.
        assert list(found) == [hot] and found[hot][:2] == (0, number + 1), found
        assert caller.last_sent < 200 and caller.last_received < 400
        position = number + 1
    assert sorted(waits)[rounds // 2] < 0.1 and max(waits) < 2, waits
    caller.close()
