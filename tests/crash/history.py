"""Histories: what clients did and what they saw, one JSON object a line, as Jepsen's Kafka workload has it.

    {"process", "type", "op", "topic", "partition", "value", "offset", "time", ...}

`process` is one client that lives from its `open` on; it does one thing at a time, but may have many sends in flight. `time` is
in nanoseconds of a clock that all processes share. `type` is `invoke` (asked), `ok` (done), `fail` (certainly not done) or `info`
(nobody knows). What is asked and never answered counts as `info`. Reads are written once, when they are done, with `began`.

| op | lines | more fields |
|---|---|---|
| open | ok | value: {"repeats": it may send twice what it was not answered; "ordered": its sends keep their order; "group"; "isolation"} |
| send | invoke, then ok, fail or info | value: unique in its partition; offset: where it is, when known; txn |
| poll | ok | value: [[offset, value], ...]; began; txn: the transaction that it is part of |
| assign | ok | topic and partition whose position is forgotten; without them: all positions of the process |
| scan | ok | value: [from, end]: the process polled, from `began` to `time`, all that it could read between these offsets |
| commit | invoke, then ok, fail or info | group, offset; one at a time for each process and partition |
| committed | ok | group, offset (-1: none); began |
| txn | invoke, then ok, fail or info | txn; value: "commit" or "abort". Sends and polls that carry `txn` are part of it |
| trim | invoke | offset: what is below may be gone from now on (DeleteRecords, retention) |
"""

import json
import threading
import time

REPEATS, ORDERED, GROUP, ISOLATION = "repeats", "ordered", "group", "isolation"
READ_COMMITTED = "read_committed"


class HistoryError(Exception):
    """A history that says what cannot be: the file and the line, and what is wrong."""


class Writer:
    """Appends events of one process to a file. May be used by several threads."""

    def __init__(self, path, process):
        self.process = process
        self.lock = threading.Lock()
        self.file = open(path, "a", buffering=1 << 16, encoding="utf-8")

    def write(self, type_, op, **fields):
        """One event, now."""
        # The time is taken under the lock: the lines of a file are in the order of their times.
        with self.lock:
            event = {"process": self.process, "type": type_, "op": op, **fields, "time": time.monotonic_ns()}
            self.file.write(json.dumps(event, separators=(",", ":")) + "\n")

    def open(self, repeats=False, ordered=True, group=None, isolation="read_uncommitted"):
        """Says what kind of client the process is."""
        self.write("ok", "open", value={REPEATS: repeats, ORDERED: ordered, GROUP: group, ISOLATION: isolation})

    def flush(self):
        """Hands what was written to the kernel."""
        with self.lock:
            self.file.flush()

    def close(self):
        """Flushes and closes the file."""
        with self.lock:
            self.file.close()


def read(paths):
    """The events of several files, in the order of their times.

    Raises HistoryError for a line that is no event.
    """
    events = []
    for path in paths:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                events.append(parse(line, f"{path}:{number}"))
    # Sorting is stable and invocations are written before their completions.
    events.sort(key=lambda event: event["time"])
    return events


def parse(line, where):
    """One line as an event."""
    try:
        event = json.loads(line)
    except ValueError as failure:
        raise HistoryError(f"{where}: not JSON: {failure}") from None
    if not isinstance(event, dict) or not {"process", "type", "op", "time"} <= event.keys():
        raise HistoryError(f"{where}: an event has process, type, op and time")
    return event
