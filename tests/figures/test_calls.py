"""System calls of a request, counted by strace, which writes down every call of the broker with its time. A client sends requests of one kind
for a while; the calls begun meanwhile, by the number of requests, are the figure. Time does not matter to it, and strace slows everything:
where each request waits for the answer to the one before, the calls are the same every time."""

import re
import shutil
import subprocess
import time
from collections import Counter
from contextlib import contextmanager

import frames
import pytest
import waiting
from bounds import CALLS, judge
from broker import Highwater
from kafka.admin import KafkaAdminClient, NewTopic
from messages import Caller, Member
from rawclient import Connection

REQUESTS = 400
WINDOW = 64
SMALL, LARGE = frames.batch(1000), frames.batch(16_300)
# `PID TIME CALL(…`, but neither the rest of a call that another thread interrupted nor signals and ends.
LINE = re.compile(r"^\d+ +(\d+\.\d+) ([a-z]\w*)\(", re.M)


class Traced(Highwater):
    """A broker whose calls are written down. strace runs beside it, so that signals go to the broker itself."""

    traced = None

    @property
    def calls_path(self):
        return self.directory / "calls"

    def _command(self):
        return ["strace", "-D", "-f", "-q", "-ttt", "--string-limit=0", "-o", str(self.calls_path), *super()._command()]

    def stop(self):
        self.traced = self.process.pid
        return super().stop()

    def calls(self):
        """(when, call) of each; after a stop."""
        ended = re.compile(rf"^{self.traced} .*\+\+\+ exited", re.M)
        waiting.until(lambda: ended.search(self.calls_path.read_text()), "the end of strace's file")
        found = LINE.findall(self.calls_path.read_text())
        assert found, "strace wrote down nothing"
        return [(float(when), call) for when, call in found]


class Stretches:
    """What was sent when: the requests of each kind, and the time in which they were."""

    def __init__(self):
        self.all = {}

    @contextmanager
    def of(self, kind):
        began = time.time()
        yield
        self.all[kind] = (began, time.time())

    def figures(self, calls):
        """{kind: calls a request by name, and "all" but futex}."""
        return {kind: self.figure(calls, *stretch) for kind, stretch in self.all.items()}

    @staticmethod
    def figure(calls, began, ended):
        counts = Counter(call for when, call in calls if began <= when <= ended)
        counts["all"] = sum(counts.values()) - counts["futex"]
        return {call: count / REQUESTS for call, count in counts.most_common()}


def lockstep(connection, request, is_good=lambda answer: True):
    """Sends a request again when its answer is there."""
    for _ in range(REQUESTS):
        connection.send(request)
        answer = connection.receive()
        assert answer is not None and is_good(answer)


def pipelined(connection, request):
    """Keeps WINDOW requests under way."""
    for sent in range(REQUESTS):
        connection.send(request)
        if sent >= WINDOW:
            assert frames.produce_code(connection.receive()) == 0
    for _ in range(WINDOW):
        assert frames.produce_code(connection.receive()) == 0


def produced(answer):
    return frames.produce_code(answer) == 0


def fetched(size):
    """That an answer has no error and about so many bytes."""
    return lambda answer: frames.fetch_code(answer) == 0 and size // 2 < len(answer) < 2 * size


def make_topics(broker, *names):
    admin = KafkaAdminClient(bootstrap_servers=broker.address)
    admin.create_topics([NewTopic(name, 1, 1) for name in names])
    admin.close()


def heartbeat(broker, stretches):
    """A member of a group on its own."""
    with Caller(broker.port) as caller:
        member = Member(caller, "group", session_ms=60_000)
        assert member.join() == 0 and member.sync({member: b""})[0] == 0
        beat = frames.heartbeat("group", member.generation, member.id)
        with stretches.of("heartbeat"):
            lockstep(caller, beat, lambda answer: frames.heartbeat_code(answer) == 0)


@pytest.fixture(scope="module")
def figures():
    """All of them, from one broker."""
    if not shutil.which("strace") or subprocess.run(["strace", "-D", "-o", "/dev/null", "true"], capture_output=True).returncode:
        pytest.skip("strace may not trace here")
    stretches = Stretches()
    with Traced() as broker:
        make_topics(broker, "small", "large", "pipelined")
        with Connection(broker.port, timeout_s=60) as connection:
            # What is made at the first request of a kind is no request's cost.
            for topic in ("small", "large", "pipelined"):
                lockstep(connection, frames.produce(topic, LARGE), produced)
            with stretches.of("produce-1k"):
                lockstep(connection, frames.produce("small", SMALL), produced)
            with stretches.of("produce-16k"):
                lockstep(connection, frames.produce("large", LARGE), produced)
            with stretches.of("fetch-16k"):
                lockstep(connection, frames.fetch("large", 10, len(LARGE)), fetched(len(LARGE)))
            with stretches.of("fetch-1m"):
                lockstep(connection, frames.fetch("large", 10, 1 << 20), fetched(1 << 20))
            with stretches.of("api-versions"):
                lockstep(connection, frames.api_versions())
            with stretches.of("pipelined-16k"):
                pipelined(connection, frames.produce("pipelined", LARGE))
        heartbeat(broker, stretches)
        broker.stop()
        return stretches.figures(broker.calls())


@pytest.mark.parametrize("kind", CALLS)
def test_calls_stay_below_their_bound(figures, kind):
    found = figures[kind]
    print(f"{kind}: " + ", ".join(f"{call} {count:.2f}" for call, count in found.items() if count >= 0.01))
    judged = [judge(f"{kind} {call}", "calls", found.get(call, 0), *bounds) for call, bounds in CALLS[kind].items()]
    problems = [problem for problem in judged if problem]
    assert not problems
