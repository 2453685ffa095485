"""A client that behaves well, in a process of its own: how long it waits is how well the broker serves others under attack.

    canary.py BOOTSTRAP_PORT HTTP_PORT

One thread for each kind of request, each with a connection of its own: a request, its answer, a pause. A line `NAME STARTED MILLISECONDS` for
each answer goes to stdout (STARTED is time.monotonic(), the same for all processes); MILLISECONDS is `failed:REASON` when there was no answer
or it told an error. The request `machine` asks nothing of the broker, only to be woken a millisecond later: what it takes is the machine's own delay.
Well-behaved clients have machines of their own: where it may, the process goes before all others here, so that its own delay is not counted as the broker's.
It runs until it is ended.
"""

import contextlib
import http.client
import os
import sys
import threading
import time

import frames
from messages import Caller, Member
from rawclient import Connection

TOPIC, GROUP = "canary", "canary"
# Longer than the slowest sync that a test makes.
TIMEOUT_S = 30
PAUSE_S = 0.01
SMALL, LARGE = 1000, 100_000


class Requests:
    """Sends one frame again and again over one connection, which is made anew after a failure."""

    def __init__(self, port, frame, code):
        self.port, self.frame, self.code, self.connection = port, frame, code, None

    def __call__(self):
        try:
            if self.connection is None:
                self.connection = Connection(self.port, timeout_s=TIMEOUT_S)
            self.connection.send(self.frame)
            answer = self.connection.receive()
            if answer is None:
                self.connection = None
                return "closed"
            return self.code(answer) or None
        except OSError:
            self.connection = None
            raise


def connects(port):
    """A request that is a connection of its own."""
    def connect():
        with Connection(port, timeout_s=TIMEOUT_S) as connection:
            connection.send(frames.api_versions())
            return None if connection.receive() else "closed"
    return connect


def livez(port):
    """A probe, as the supervisor of a container makes it."""
    def probe():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
        try:
            connection.request("GET", "/livez")
            status = connection.getresponse().status
            return None if status == 200 else status
        finally:
            connection.close()
    return probe


def wake():
    """No request: how late is whoever sleeps woken?"""
    time.sleep(0.001)


def member(port):
    """A member of a group of its own, and its heartbeats."""
    with Caller(port, timeout_s=TIMEOUT_S) as caller:
        joined = Member(caller, GROUP, session_ms=60_000)
        assert joined.join() == 0 and joined.sync({joined: b"all"})[0] == 0
        return Requests(port, frames.heartbeat(GROUP, joined.generation, joined.id), frames.heartbeat_code)


def run(name, request, lock):
    """Sends requests for ever and prints how long each took."""
    while True:
        began = time.monotonic()
        try:
            failure = request()
        except (OSError, http.client.HTTPException) as error:
            failure = type(error).__name__
        took = f"{1000 * (time.monotonic() - began):.3f}" if failure is None else f"failed:{failure}"
        with lock:
            print(name, f"{began:.4f}", took, flush=True)
        time.sleep(PAUSE_S)


def go_first():
    """Takes the processor whenever it wants it, if the system lets it; that is seldom and for a moment."""
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))


def main():
    go_first()
    port, http_port = int(sys.argv[1]), int(sys.argv[2])
    produce = {size: frames.produce(TOPIC, frames.batch(size)) for size in (SMALL, LARGE)}
    requests = {
        "produce": Requests(port, produce[SMALL], frames.produce_code),
        "produce100k": Requests(port, produce[LARGE], frames.produce_code),
        "fetch": Requests(port, frames.fetch(TOPIC, 0, SMALL), frames.fetch_code),
        "heartbeat": member(port),
        "connect": connects(port),
        "livez": livez(http_port),
        "machine": wake,
    }
    lock = threading.Lock()
    threads = [threading.Thread(target=run, args=(name, request, lock), daemon=True) for name, request in requests.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
