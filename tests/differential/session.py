"""What a scenario holds in its hands: one broker, named connections, and the transcript that is compared later."""

import struct
import time

from bridge import BridgeError
from normalise import Normaliser

# Records carry times a little before the run: both brokers get the same ones, and no broker refuses them.
BASE_TIMESTAMP = (int(time.time()) - 3600) * 1000
SETTLE_S = 15
ZERO_ID = "AAAAAAAAAAAAAAAAAAAAAA"


def record(value, key=None, at=0, headers=()):
    """A record whose timestamp is `at` milliseconds after the run's base."""
    return {"key": key, "value": value, "timestamp": BASE_TIMESTAMP + at, "headers": [list(h) for h in headers]}


def batch(*values, **options):
    """A batch of records with these values (or ready-made records); options as Bridge.java's `batch` takes them."""
    records = [v if isinstance(v, dict) else record(v, at=i) for i, v in enumerate(values)]
    return {"records": records, **options}


class Session:
    """Plays scenarios at one broker."""

    def __init__(self, bridge, port):
        self.bridge = bridge
        self.port = port
        self.scenario = None
        self.open = set()
        self.topic_ids = {}
        self.normaliser = Normaliser()
        self.transcript = {}

    def play(self, name, scenario):
        """Runs one scenario; what it calls is recorded under `name`."""
        self.scenario = name
        self.normaliser.members.clear()
        try:
            scenario(self)
        except (BridgeError, KeyError, IndexError, TypeError, OSError) as failure:
            self._note("ended early", {"failure": f"{type(failure).__name__}: {failure}"})
        for connection in list(self.open):
            self.drop(connection)
        # Only now: a member's id may be told to another member before it is told to itself.
        self.transcript[name] = {step: self.normaliser.normalise(answer) for step, answer in self.transcript.get(name, {}).items()}

    # ---- recorded steps

    def call(self, step, api, version, body=None, **options):
        """One request and its answer, recorded as `step`."""
        answer = self.quiet(api, version, body, **options)
        self._note(f"{step} v{version}", answer)
        return answer.get("body", {})

    def each(self, step, api, versions, body=None, **options):
        """The same call at each version of an inclusive range."""
        for version in range(versions[0], versions[1] + 1):
            self.call(step, api, version, body, **options)

    def settled(self, step, api, version, body, check):
        """Repeats a call until `check(body)` holds (Kafka applies metadata after it answers); records the last answer."""
        deadline = time.monotonic() + SETTLE_S
        while True:
            answer = self.quiet(api, version, body)
            if check(answer.get("body", {})) or time.monotonic() > deadline:
                self._note(f"{step} v{version}", answer)
                return answer.get("body", {})
            time.sleep(0.02)

    def raw(self, step, payload, connection="raw", framed=True, timeout_ms=5000):
        """Sends bytes as they are and records whether the broker answers, closes or stays silent."""
        self._connect(connection)
        data = struct.pack(">i", len(payload)) + payload if framed else payload
        self.bridge.run("raw", connection=connection, hex=data.hex())
        answer = self.bridge.run("receive_raw", connection=connection, timeout_ms=timeout_ms)
        if "closed" in answer:
            self.drop(connection)
        outcome = "answered" if "hex" in answer else "closed" if "closed" in answer else "silent"
        self._note(step, {"outcome": outcome})
        return bytes.fromhex(answer.get("hex", ""))

    def note_value(self, step, value):
        """Records a value that the scenario took out of an answer itself."""
        self._note(step, {"value": value})

    def send(self, api, version, body=None, connection="main"):
        """Sends a request without waiting; `receive` with what this returns takes the answer."""
        self._connect(connection)
        sent = self.bridge.run("send", connection=connection, api=api, version=version, body=body or {})
        return {"connection": connection, "api": api, "version": version, "correlation": sent["correlation"]}

    def receive(self, step, sent, timeout_ms=15000):
        """The answer to an earlier `send`, recorded."""
        answer = self.receive_quietly(sent, timeout_ms)
        self._note(f"{step} v{sent['version']}", answer)
        return answer.get("body", {})

    # ---- steps that are not compared

    def receive_quietly(self, sent, timeout_ms=15000):
        """The whole answer to an earlier `send`, not recorded."""
        answer = self.bridge.run("receive", timeout_ms=timeout_ms, **sent)
        if "closed" in answer:
            self.drop(sent["connection"])
        self.normaliser.learn(sent["api"], answer.get("body"))
        return answer

    def quiet(self, api, version, body=None, connection="main", timeout_ms=15000, client_id="differential"):
        """One request and its whole answer, not recorded. A closed connection is opened again by the next call."""
        self._connect(connection)
        answer = self.bridge.run(
            "call", connection=connection, api=api, version=version, body=body or {}, timeout_ms=timeout_ms, client_id=client_id)
        if "closed" in answer or "silent" in answer:
            self.drop(connection)
        self.normaliser.learn(api, answer.get("body"))
        return answer

    def topic(self, name, partitions=1, configs=None):
        """Creates a topic, waits until each partition answers, and returns its id."""
        body = {"topics": [{"name": name, "numPartitions": partitions, "replicationFactor": 1,
                            "configs": [{"name": k, "value": v} for k, v in (configs or {}).items()]}], "timeoutMs": 10000}
        self.quiet("CREATE_TOPICS", 7, body)
        self.await_topic(name, partitions)
        return self.topic_ids[name]

    def await_topic(self, name, partitions=1):
        """Waits until a topic has that many partitions and each of them answers."""
        wanted = {"topics": [{"name": name, "partitions": [
            {"partitionIndex": i, "timestamp": -1, "currentLeaderEpoch": -1} for i in range(partitions)]}], "replicaId": -1}
        deadline = time.monotonic() + SETTLE_S
        while time.monotonic() < deadline:
            listed = self.quiet("METADATA", 12, {"topics": [{"name": name}]})["body"]["topics"][0]
            answers = self.quiet("LIST_OFFSETS", 5, wanted)["body"]["topics"]
            good = answers and all(p["errorCode"] == 0 for p in answers[0]["partitions"])
            if listed["errorCode"] == 0 and len(listed["partitions"]) == partitions and good:
                self.topic_ids[name] = listed["topicId"]
                return
            time.sleep(0.02)
        raise BridgeError(f"topic {name} does not come up: {listed} {answers}")

    def await_gone(self, name):
        """Waits until a topic is unknown."""
        deadline = time.monotonic() + SETTLE_S
        while time.monotonic() < deadline:
            listed = self.quiet("METADATA", 12, {"topics": [{"name": name}], "allowAutoTopicCreation": False})
            if listed["body"]["topics"][0]["errorCode"] == 3:
                return
            time.sleep(0.02)
        raise BridgeError(f"topic {name} is still there")

    def records(self, *batches):
        """Batches in Kafka's bytes, as a Produce body takes them."""
        return self.bridge.run("records", batches=list(batches))["base64"]

    def produce_body(self, topic, batches, acks=-1, partition=0, version=11, timeout_ms=10000):
        """A Produce body for one partition; from version 13 on by topic id."""
        return {"acks": acks, "timeoutMs": timeout_ms, "topicData": [self.topic_key(topic, version >= 13) | {
            "partitionData": [{"index": partition, "records": self.records(*batches) if batches is not None else None}]}]}

    def produce(self, topic, *batches, partition=0):
        """Produces without recording; the answer's error code must be 0."""
        answer = self.quiet("PRODUCE", 11, self.produce_body(topic, batches, partition=partition))
        got = answer["body"]["responses"][0]["partitionResponses"][0]
        if got["errorCode"]:
            raise BridgeError(f"produce to {topic}: {got}")
        return got["baseOffset"]

    def topic_key(self, topic, by_id, name_field="name"):
        """The field that names a topic in a request: its id or its name."""
        return {"topicId": self.topic_ids.get(topic, topic)} if by_id else {name_field: topic}

    def drop(self, connection):
        """Closes a connection."""
        if connection in self.open:
            self.open.remove(connection)
            self.bridge.run("close", connection=connection)

    def _connect(self, connection):
        if connection not in self.open:
            self.bridge.run("open", connection=connection, port=self.port)
            self.open.add(connection)

    def _note(self, step, answer):
        steps = self.transcript.setdefault(self.scenario, {})
        played = sum(1 for known in steps if known == step or known.startswith(f"{step} #"))
        if played:
            step = f"{step} #{played + 1}"
        steps[step] = answer
