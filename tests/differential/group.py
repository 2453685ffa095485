"""Members of classic groups, as scenarios use them: the bodies of their requests, and what they remember between two of them."""

import base64
import struct
import time

from bridge import BridgeError

SETTLE_S = 15
# What FindCoordinator and the coordinator answer while Kafka makes and loads its internal topic.
COORDINATOR_STARTS = (14, 15, 16)


def b64(data):
    """Bytes as the JSON form of a message takes them."""
    return base64.b64encode(data.encode() if isinstance(data, str) else data).decode()


def subscription(*topics, version=0):
    """What a consumer sends as its protocol's metadata: the topics that it subscribes to."""
    names = b"".join(struct.pack(">h", len(name)) + name.encode() for name in topics)
    owned = struct.pack(">i", 0) if version >= 1 else b""
    return struct.pack(">hi", version, len(topics)) + names + struct.pack(">i", -1) + owned


def coordinator(broker):
    """Waits until groups are served: Kafka makes its internal topic at the first question."""
    deadline = time.monotonic() + 2 * SETTLE_S
    while time.monotonic() < deadline:
        found = broker.quiet("FIND_COORDINATOR", 4, {"coordinatorKeys": ["any"], "keyType": 0})["body"]["coordinators"][0]
        if found["errorCode"] == 0:
            answer = broker.quiet("HEARTBEAT", 4, {"groupId": "any", "memberId": "nobody"})
            if answer["body"]["errorCode"] not in COORDINATOR_STARTS:
                return
        time.sleep(0.05)
    raise BridgeError("there is no coordinator")


def await_group(broker, group, state=None, members=None):
    """Waits until a group has a state and a number of members, without recording."""
    deadline = time.monotonic() + SETTLE_S
    while time.monotonic() < deadline:
        found = broker.quiet("DESCRIBE_GROUPS", 5, {"groups": [group]}, connection="watch")["body"]["groups"][0]
        if state in (None, found["groupState"]) and members in (None, len(found["members"])):
            return
        time.sleep(0.01)
    raise BridgeError(f"group {group} does not become {state} with {members} members: {found}")


class Member:
    """One member of a group, on a connection of its own."""

    def __init__(self, broker, group, name, protocols=None, instance=None, kind="consumer", session_ms=30000, rebalance_ms=60000):
        self.broker, self.group, self.name, self.instance, self.kind = broker, group, name, instance, kind
        # Valid for the kind "consumer": Kafka reads it there, and fails inside over what it cannot read.
        self.protocols = protocols or (("range", subscription("t")),)
        self.session_ms, self.rebalance_ms = session_ms, rebalance_ms
        self.id, self.generation, self.protocol = "", -1, None

    # ---- bodies; `changed` replaces fields

    def join_body(self, **changed):
        """A JoinGroup body."""
        return {"groupId": self.group, "memberId": self.id, "groupInstanceId": self.instance, "protocolType": self.kind,
                "sessionTimeoutMs": self.session_ms, "rebalanceTimeoutMs": self.rebalance_ms,
                "protocols": [{"name": name, "metadata": b64(data)} for name, data in self.protocols], "reason": None} | changed

    def sync_body(self, given=None, **changed):
        """A SyncGroup body; `given` maps members to what they get."""
        return self.heartbeat_body() | {"protocolType": self.kind, "protocolName": self.protocol, "assignments": [
            {"memberId": member.id, "assignment": b64(data)} for member, data in (given or {}).items()]} | changed

    def heartbeat_body(self, **changed):
        """A Heartbeat body."""
        return {"groupId": self.group, "generationId": self.generation, "memberId": self.id, "groupInstanceId": self.instance} | changed

    def leave_body(self, **changed):
        """A LeaveGroup body, for one member in the old and the new way."""
        return {"groupId": self.group, "memberId": self.id, "members": [
            {"memberId": self.id, "groupInstanceId": self.instance, "reason": None}]} | changed

    def commit_body(self, topic, offset, partition=0, metadata="", by_id=False, **changed):
        """An OffsetCommit body for one partition."""
        return {"groupId": self.group, "generationIdOrMemberEpoch": self.generation, "memberId": self.id, "groupInstanceId": self.instance,
                "topics": [self.broker.topic_key(topic, by_id) | {"partitions": [
                    {"partitionIndex": partition, "committedOffset": offset, "committedMetadata": metadata}]}]} | changed

    # ---- recorded requests

    def send_join(self, version=9, **changed):
        """Sends a JoinGroup; `joined` takes the answer."""
        return self.broker.send("JOIN_GROUP", version, self.join_body(**changed), connection=self.name)

    def joined(self, step, sent):
        """Takes the answer to `send_join` and remembers member id and generation."""
        answer = self.broker.receive(f"{step}: {self.name} joins", sent)
        return self._note_join(answer)

    def join(self, step, version=9, **changed):
        """One JoinGroup and its answer."""
        return self._note_join(self.broker.call(f"{step}: {self.name} joins", "JOIN_GROUP", version, self.join_body(**changed), connection=self.name))

    def get_id(self, version=9):
        """A first JoinGroup (version 4 or later), which only hands out a member id; not recorded."""
        self.id = self.broker.quiet("JOIN_GROUP", version, self.join_body(), connection=self.name)["body"]["memberId"]

    def sync(self, step, given=None, version=5, **changed):
        """One SyncGroup and its answer."""
        return self.broker.call(f"{step}: {self.name} syncs", "SYNC_GROUP", version, self.sync_body(given, **changed), connection=self.name)

    def send_sync(self, given=None, version=5, **changed):
        """Sends a SyncGroup; `synced` takes the answer."""
        return self.broker.send("SYNC_GROUP", version, self.sync_body(given, **changed), connection=self.name)

    def synced(self, step, sent):
        """Takes the answer to `send_sync`."""
        return self.broker.receive(f"{step}: {self.name} syncs", sent)

    def heartbeat(self, step, version=4, **changed):
        """One Heartbeat and its answer."""
        return self.broker.call(f"{step}: {self.name} beats", "HEARTBEAT", version, self.heartbeat_body(**changed), connection=self.name)

    def leave(self, step, version=5, **changed):
        """One LeaveGroup and its answer."""
        return self.broker.call(f"{step}: {self.name} leaves", "LEAVE_GROUP", version, self.leave_body(**changed), connection=self.name)

    def commit(self, step, topic, offset, version=9, **changed):
        """One OffsetCommit and its answer."""
        body = self.commit_body(topic, offset, by_id=version >= 10, **changed)
        return self.broker.call(f"{step}: {self.name} commits", "OFFSET_COMMIT", version, body, connection=self.name)

    def _note_join(self, answer):
        if answer.get("memberId"):
            self.id = answer["memberId"]
        if answer.get("errorCode") == 0:
            self.generation, self.protocol = answer["generationId"], answer["protocolName"]
        return answer


def alone(broker, group, name="a", assignment="all", **options):
    """A stable group of one member (not recorded)."""
    member = Member(broker, group, name, **options)
    if not member.instance:
        member.get_id()
    answer = member._note_join(broker.quiet("JOIN_GROUP", 9, member.join_body(), connection=name)["body"])
    synced = broker.quiet("SYNC_GROUP", 5, member.sync_body({member: assignment}), connection=name)["body"]
    if answer["errorCode"] or synced["errorCode"]:
        raise BridgeError(f"group {group} does not start: {answer} {synced}")
    return member


def joining(broker, leader, *others):
    """Members join a stable group at the same time as its leader joins again (not recorded); the group awaits its assignment."""
    sent = []
    for count, member in enumerate(others, 2):
        if not member.instance:
            member.get_id()
        sent.append((member, member.send_join()))
        await_group(broker, leader.group, members=count)
    answers = [(leader, broker.quiet("JOIN_GROUP", 9, leader.join_body(), connection=leader.name)["body"])]
    for member, request in sent:
        answers.append((member, broker.receive_quietly(request)["body"]))
    for member, answer in answers:
        member._note_join(answer)
        if answer["errorCode"]:
            raise BridgeError(f"{member.name} does not join {leader.group}: {answer}")


def several(broker, group, *others, leader="a", **options):
    """A stable group of a leader and the members that are named, each with their own name as assignment (not recorded)."""
    leader = alone(broker, group, leader, **options)
    members = [Member(broker, group, name, **options) if isinstance(name, str) else name for name in others]
    joining(broker, leader, *members)
    assign(broker, leader, *members)
    return leader, *members


def assign(broker, leader, *others):
    """All members of a group sync, the leader last (not recorded)."""
    sent = [member.send_sync() for member in others]
    given = {member: member.name for member in (leader, *others)}
    broker.quiet("SYNC_GROUP", 5, leader.sync_body(given), connection=leader.name)
    for request in sent:
        broker.receive_quietly(request)
