"""Replies that are lost on the way: the broker has done what it was asked, and the client asks again."""

import time

import broker as brokers
import pytest
from confluent_kafka import Producer
from groups import MEMBERS, SETTINGS, coordinated, create, fresh, produce
from kafka import KafkaConsumer, TopicPartition
from lossy import LossyProxy
from messages import Caller, Member, committed, described
from waiting import WAIT_S, until

PRODUCE, OFFSET_COMMIT, JOIN_GROUP, SYNC_GROUP = 0, 8, 11, 14


@pytest.fixture(scope="module")
def lossy():
    """A broker behind a proxy that loses replies; `proxy.direct` is a connection past it."""
    with LossyProxy() as proxy, brokers.create(settings=SETTINGS, advertise=proxy.port) as server:
        proxy.target = server.port
        proxy.direct = coordinated(server.port)
        yield proxy
        proxy.direct.close()


def test_lost_answers_to_an_idempotent_producer_make_no_duplicates(lossy):
    topic = fresh("lost")
    create(lossy.address, topic)
    producer = Producer({"bootstrap.servers": lossy.address, "enable.idempotence": True, "linger.ms": 1, "batch.num.messages": 10,
                         "reconnect.backoff.max.ms": 100, "retry.backoff.ms": 10})
    before = lossy.lost[PRODUCE]
    for number in range(400):
        producer.produce(topic, value=b"%d" % number, partition=0)
        producer.poll(0)
        if number % 80 == 40:
            lossy.lose(PRODUCE)
            lossy_count = before + number // 80 + 1
            until(lambda: producer.poll(0.01) >= 0 and lossy.lost[PRODUCE] >= lossy_count, "a lost reply")
    assert producer.flush(WAIT_S) == 0
    assert lossy.lost[PRODUCE] - before == 5
    reader = KafkaConsumer(bootstrap_servers=lossy.address, auto_offset_reset="earliest", enable_auto_commit=False)
    partition = TopicPartition(topic, 0)
    reader.assign([partition])
    assert reader.end_offsets([partition]) == {partition: 400}
    found = []
    until(lambda: found.extend(int(m.value) for ms in reader.poll(200).values() for m in ms) or len(found) >= 400, "all records")
    reader.close()
    assert found == list(range(400))


def test_a_commit_whose_answer_was_lost_holds_and_may_be_repeated(lossy):
    topic, group = fresh("lost"), fresh("group")
    create(lossy.address, topic)
    through = Caller(lossy.port)
    member = Member(through, group)
    assert member.join() == 0 and member.sync({member: b"all"}) == (0, b"all")
    lossy.lose(OFFSET_COMMIT)
    with pytest.raises(AttributeError):
        member.commit(topic, 7)
    assert committed(lossy.direct, group) == {(topic, 0): 7}
    member.caller = Caller(lossy.port)
    assert member.commit(topic, 7) == 0
    assert member.commit(topic, 9) == 0
    assert committed(lossy.direct, group) == {(topic, 0): 9}
    assert member.leave() == 0


@pytest.mark.parametrize("version", [3, 9])
def test_a_join_whose_answer_was_lost_leaves_no_ghost_beyond_its_session(lossy, version):
    group = fresh("group")
    lossy.lose(JOIN_GROUP)
    lost = Member(Caller(lossy.port), group, session_ms=1500)
    assert lost.caller.call(lost.join_request(version)) is None
    # It joins again, as clients do, without the id that it never learnt.
    began = time.monotonic()
    member = Member(Caller(lossy.port), group, session_ms=6000)
    if version == 3:
        assert member.joined(member.caller.call(member.join_request(3))) == 0
    else:
        assert member.join() == 0
    assert time.monotonic() - began < 5
    assert member.leader == member.id
    assert member.sync({member: b"all"}) == (0, b"all")
    # Whoever is not there takes nothing: the group settles with one member.
    until(lambda: list(described(lossy.direct, group)["members"]) == [member.id], "one member", 10)
    if member.beat() == 27:
        assert member.join() == 0 and member.sync({member: b"all"}) == (0, b"all")
    assert member.beat() == 0
    assert described(lossy.direct, group)["state"] == "Stable"
    assert member.leave() == 0


def test_a_sync_whose_answer_was_lost_is_repeated(lossy):
    group = fresh("group")
    member = Member(Caller(lossy.port), group)
    assert member.join() == 0
    lossy.lose(SYNC_GROUP)
    assert member.caller.call(member.sync_request({member: b"all"})) is None
    member.caller = Caller(lossy.port)
    assert member.sync({member: b"other"}) == (0, b"all")
    assert member.beat() == 0 and member.generation == 1
    assert member.leave() == 0


@pytest.mark.parametrize("kind", MEMBERS)
def test_clients_get_over_lost_joins_syncs_and_commits(lossy, kind):
    topic, group = fresh("lost"), fresh("group")
    create(lossy.address, topic)
    produce(Producer({"bootstrap.servers": lossy.address}), topic, [b"%d" % i for i in range(30)])
    before = {key: lossy.lost[key] for key in (JOIN_GROUP, SYNC_GROUP, OFFSET_COMMIT)}
    for key in before:
        lossy.lose(key)
    member = MEMBERS[kind](lossy.address, topic, group)
    try:
        until(lambda: committed(lossy.direct, group) == {(topic, 0): 30}, "all is read and committed")
        assert {key: lossy.lost[key] - lost for key, lost in before.items()} == {key: 1 for key in before}
        assert sorted(set(member.values), key=int) == [b"%d" % i for i in range(30)]
    finally:
        member.close()
