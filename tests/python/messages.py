"""Requests of every API and version, one at a time, with kafka-python's messages: for what no client library would send or show."""

from kafka.protocol.admin import DescribeGroupsRequest
from kafka.protocol.consumer import (
    HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, OffsetCommitRequest, OffsetFetchRequest, SyncGroupRequest)
from rawclient import Connection


class Caller(Connection):
    """A connection on which requests are objects; `last_sent` and `last_received` are sizes in bytes."""

    last_sent = last_received = 0

    def post(self, request):
        """Sends a request; `take` returns its answer."""
        self.correlation_id += 1
        request.with_header(correlation_id=self.correlation_id, client_id="raw")
        raw = request.encode(header=True, framed=True)
        self.last_sent = len(raw)
        self.send(raw)
        return request

    def take(self, request):
        """The answer to the oldest request that has none; None if the connection was closed instead."""
        payload = self.receive()
        if payload is None:
            return None
        self.last_received = len(payload)
        answer = request.header.get_response_class().decode(payload, header=True)
        assert answer.header.correlation_id == request.header.correlation_id
        return answer

    def call(self, request):
        """One request and its answer."""
        return self.take(self.post(request))


class Member:
    """A member of a classic group that does only what it is told."""

    def __init__(self, caller, group, session_ms=30000, instance=None):
        self.caller, self.group, self.session_ms, self.instance = caller, group, session_ms, instance
        self.id, self.generation = "", -1

    def join_request(self, version=9):
        """A JoinGroup; version 3 joins at once, version 4 and later need a member id first."""
        protocols = [JoinGroupRequest.JoinGroupRequestProtocol(name="range", metadata=b"\0\0\0\0\0\0\0\0\0\0")]
        return JoinGroupRequest(
            group_id=self.group, session_timeout_ms=self.session_ms, rebalance_timeout_ms=self.session_ms, member_id=self.id,
            group_instance_id=self.instance, protocol_type="consumer", protocols=protocols, reason=None, version=version)

    def joined(self, answer):
        """Takes over what a JoinGroup answers; returns its error code."""
        self.id = answer.member_id or self.id
        if answer.error_code == 0:
            self.generation, self.leader = answer.generation_id, answer.leader
        return answer.error_code

    def join(self):
        """Joins, with the second request where an id is needed first; returns the error code."""
        code = self.joined(self.caller.call(self.join_request()))
        return self.joined(self.caller.call(self.join_request())) if code == 79 else code

    def sync_request(self, assignments=None):
        """A SyncGroup; `assignments` maps members to bytes."""
        given = [SyncGroupRequest.SyncGroupRequestAssignment(member_id=member.id, assignment=data) for member, data in (assignments or {}).items()]
        return SyncGroupRequest(group_id=self.group, generation_id=self.generation, member_id=self.id, group_instance_id=self.instance,
                                protocol_type="consumer", protocol_name="range", assignments=given, version=5)

    def sync(self, assignments=None):
        """(error code, assignment)."""
        answer = self.caller.call(self.sync_request(assignments))
        return answer.error_code, bytes(answer.assignment)

    def beat(self):
        """A heartbeat's error code."""
        return self.caller.call(HeartbeatRequest(group_id=self.group, generation_id=self.generation, member_id=self.id,
                                                 group_instance_id=self.instance, version=4)).error_code

    def leave(self):
        """Leaves; the error code."""
        member = LeaveGroupRequest.MemberIdentity(member_id=self.id, group_instance_id=self.instance, reason=None)
        return self.caller.call(LeaveGroupRequest(group_id=self.group, members=[member], version=5)).members[0].error_code

    def commit(self, topic, offset, partition=0):
        """Commits one offset; the error code."""
        topics = [OffsetCommitRequest.OffsetCommitRequestTopic(name=topic, partitions=[
            OffsetCommitRequest.OffsetCommitRequestTopic.OffsetCommitRequestPartition(
                partition_index=partition, committed_offset=offset, committed_leader_epoch=-1, committed_metadata="")])]
        return self.caller.call(OffsetCommitRequest(
            group_id=self.group, generation_id_or_member_epoch=self.generation, member_id=self.id, group_instance_id=self.instance,
            topics=topics, version=9)).topics[0].partitions[0].error_code


def committed(caller, group):
    """{(topic, partition): offset} of all that a group has committed."""
    asked = OffsetFetchRequest.OffsetFetchRequestGroup(group_id=group, member_id=None, member_epoch=-1, topics=None)
    answer = caller.call(OffsetFetchRequest(groups=[asked], require_stable=False, version=9)).groups[0]
    assert answer.error_code == 0, answer
    return {(t.name, p.partition_index): p.committed_offset for t in answer.topics for p in t.partitions}


def described(caller, group):
    """A group as a dictionary: code, state, protocol, and members by id."""
    found = caller.call(DescribeGroupsRequest(groups=[group], include_authorized_operations=False, version=5)).groups[0]
    members = {m.member_id: (m.group_instance_id, m.client_id, m.client_host, bytes(m.member_metadata), bytes(m.member_assignment))
               for m in found.members}
    return {"code": found.error_code, "state": found.group_state, "type": found.protocol_type, "protocol": found.protocol_data, "members": members}
