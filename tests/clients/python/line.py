"""What the Python agents share: options, base64, events, and the lines of stdin. The protocol is in tests/clients/README.md."""

import argparse
import base64
import json
import queue
import sys
import threading

_printing = threading.Lock()


def options():
    """The command line: `verb` and one attribute for each option."""
    parser = argparse.ArgumentParser()
    parser.add_argument("verb", choices=["version", "produce", "group"])
    for name in ("bootstrap", "topic", "codec", "group", "client-id"):
        parser.add_argument(f"--{name}")
    return parser.parse_args()


def emit(event, **fields):
    """Prints one event."""
    with _printing:
        print(json.dumps({"event": event, **fields}), flush=True)


def emit_record(partition, offset, key, value, headers):
    """Prints a delivered record."""
    emit("record", partition=partition, offset=offset, key=encode(key), value=encode(value),
         headers=[[name, encode(data)] for name, data in headers or []])


def encode(data):
    """Bytes as text."""
    return None if data is None else base64.b64encode(data).decode()


def decode(text):
    """Text as bytes."""
    return None if text is None else base64.b64decode(text)


def parse_record(line):
    """A line of `produce`: id, partition, key, value, headers."""
    record = json.loads(line)
    headers = [(name, decode(data)) for name, data in record["headers"]]
    return record["id"], record["partition"], decode(record["key"]), decode(record["value"]), headers


def lines():
    """A queue of the lines of stdin, then `None`; a thread fills it."""
    found = queue.SimpleQueue()

    def read():
        for line in sys.stdin:
            found.put(line.strip())
        found.put(None)
    threading.Thread(target=read, daemon=True).start()
    return found


def next_line(found):
    """The next line if there is one, "" if there is none yet, "stop" at the end."""
    try:
        line = found.get_nowait()
    except queue.Empty:
        return ""
    return "stop" if line is None else line
