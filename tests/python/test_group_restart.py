"""Groups over a restart of the broker: members that come back in time go on, and what was answered is there."""

import time

import broker as brokers
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from groups import SETTINGS, ConfluentMember, coordinated, create, produce
from messages import Caller, Member, committed, described
from waiting import until


@pytest.fixture
def server():
    """A broker that is killed by a test, or stopped."""
    with brokers.create(settings=SETTINGS) as one:
        yield one


def stable(server, group, names=("a", "b"), static=False, sessions_ms=(30000, 30000)):
    """A stable group; each member on a connection of its own."""
    members = [Member(Caller(server.port), group, session, instance=name if static else None) for name, session in zip(names, sessions_ms)]
    leader = members[0]
    assert leader.join() == 0 and leader.sync({leader: b"a"}) == (0, b"a")
    watch = Caller(server.port)
    for count, member in enumerate(members[1:], 2):
        if not static:
            assert member.joined(member.caller.call(member.join_request())) == 79
        waiting = [(member, member.caller.post(member.join_request()))]
        until(lambda: len(described(watch, group)["members"]) == count, "the next member is seen")
        waiting += [(m, m.caller.post(m.join_request())) for m in members[:count - 1]]
        for joining, request in waiting:
            assert joining.joined(joining.caller.take(request)) == 0
    given = {member: name.encode() for member, name in zip(members, names)}
    waiting = [(m, m.caller.post(m.sync_request(given if m is leader else None))) for m in members]
    for member, request in waiting:
        assert member.caller.take(request).error_code == 0
    assert described(watch, group)["state"] == "Stable"
    watch.close()
    return members


def reconnect(server, *members):
    """New connections for members; waits until the groups are loaded."""
    coordinated(server.port).close()
    for member in members:
        member.caller.close()
        member.caller = Caller(server.port)


@pytest.mark.parametrize("static", [False, True])
@pytest.mark.parametrize("kill", [True, False])
def test_members_that_come_back_in_time_need_no_rebalance(server, kill, static):
    coordinated(server.port).close()
    create(server.address, "kept")
    members = stable(server, "kept", static=static)
    generation = members[0].generation
    assert [m.commit("kept", 5 + i) for i, m in enumerate(members)] == [0, 0]
    with Caller(server.port) as caller:
        before = described(caller, "kept")
    server.restart(kill=kill)
    reconnect(server, *members)
    with Caller(server.port) as caller:
        assert described(caller, "kept") == before
        assert committed(caller, "kept") == {("kept", 0): 6}
    assert [m.beat() for m in members] == [0, 0]
    assert [m.sync() for m in members] == [(0, b"a"), (0, b"b")]
    assert [m.commit("kept", 9) for m in members] == [0, 0]
    assert {m.generation for m in members} == {generation}


def test_every_commit_that_was_answered_survives_a_kill(server):
    coordinated(server.port).close()
    create(server.address, "many", 8)
    answered = {}
    for number in range(3):
        members = [Member(Caller(server.port), f"simple-{i}") for i in range(4)]
        for step in range(50):
            for i, member in enumerate(members):
                assert member.commit("many", number * 1000 + step, step % 8) == 0
                answered[i, step % 8] = number * 1000 + step
        server.restart(kill=True)
        caller = coordinated(server.port)
        for i in range(4):
            assert committed(caller, f"simple-{i}") == {("many", p): offset for (group, p), offset in answered.items() if group == i}
        caller.close()


def test_a_member_that_does_not_come_back_goes_after_its_session(server):
    coordinated(server.port).close()
    members = stable(server, "half", sessions_ms=(30000, 2000))
    server.restart(kill=True)
    began = time.monotonic()
    reconnect(server, members[0])
    # The session starts anew with the broker: nobody is thrown out for the time that it was down.
    until(lambda: members[0].beat() == 27, "the one that stayed away is missed", 20)
    assert time.monotonic() - began < 10
    assert members[0].join() == 0
    with Caller(server.port) as caller:
        assert list(described(caller, "half")["members"]) == [members[0].id]


def test_a_deleted_group_and_deleted_offsets_stay_deleted(server):
    coordinated(server.port).close()
    create(server.address, "gone")
    member = Member(Caller(server.port), "gone")
    assert member.join() == 0 and member.sync({member: b"x"}) == (0, b"x") and member.commit("gone", 3) == 0 and member.leave() == 0
    admin = AdminClient({"bootstrap.servers": server.address})
    admin.delete_consumer_groups(["gone"])["gone"].result(30)
    server.restart(kill=True)
    with coordinated(server.port) as caller:
        assert described(caller, "gone")["state"] == "Dead"
        assert committed(caller, "gone") == {}


def test_a_client_goes_on_over_a_kill_without_a_new_assignment(server):
    coordinated(server.port).close()
    create(server.address, "on", 2)
    producer = Producer({"bootstrap.servers": server.address, "reconnect.backoff.max.ms": 200})
    member = ConfluentMember(server.address, "on", "on", **{"session.timeout.ms": 45000})
    try:
        produce(producer, "on", [b"%d" % i for i in range(20)])
        until(lambda: len(member.values) == 20, "the first records")
        server.restart(kill=True)
        produce(producer, "on", [b"%d" % i for i in range(20, 40)])
        until(lambda: len(member.values) >= 40, "the records after the kill")
        assert member.values == [b"%d" % i for i in range(40)]
        assert member.assignments == 1
    finally:
        member.close()
