"""The registry of clients, and an agent as a process: its commands, its events and the waits for them.

Every wait has a deadline and says what it waited for. Not here: what should happen (`scenarios.py`).
"""

import base64
import json
import subprocess
import threading
import time
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
END_TIMEOUT_S = 60


class Failure(Exception):
    """The scenario did not go as it must."""


@dataclass
class Client:
    """A client as its `clients.toml` describes it; README.md documents the fields."""

    name: str
    directory: Path
    command: list
    quick: bool = False
    idempotent: bool = False
    sees_assignment: bool = True
    hears_commit: bool = True
    codecs_missing: dict = field(default_factory=dict)
    values_missing: dict = field(default_factory=dict)

    @property
    def codecs(self):
        """The codecs that it is tested with."""
        return [codec for codec in CODECS if codec not in self.codecs_missing]

    def version(self):
        """What the library says its version is."""
        done = subprocess.run([*self.command, "version"], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=END_TIMEOUT_S)
        if done.returncode != 0:
            raise Failure(f"{self.name} version: exit code {done.returncode}\n{done.stderr}")
        return json.loads(done.stdout.splitlines()[-1])["version"]


def registry():
    """Every client, in the order of the directories' names."""
    clients = []
    for path in sorted(HERE.glob("*/clients.toml")):
        for name, entry in tomllib.loads(path.read_text()).items():
            clients.append(Client(name=name, directory=path.parent, **entry))
    return clients


def encode(data):
    """Bytes as an agent takes them."""
    return None if data is None else base64.b64encode(data).decode()


def decode(text):
    """Bytes as an agent prints them."""
    return None if text is None else base64.b64decode(text)


class Agent:
    """An agent's process. Its events are kept, and all agents of one `watch` (a Condition) wake the waits on it."""

    def __init__(self, client, watch, directory, verb, **options):
        self.name = options["client_id"]
        self.watch = watch
        self.events = []
        self.ended = False
        self.log_path = Path(directory) / f"{self.name}.log"
        command = [*client.command, verb]
        for key, value in options.items():
            command += [f"--{key.replace('_', '-')}", str(value)]
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            try:
                event = json.loads(line)
            except ValueError:
                event = {"event": "note", "text": line.rstrip()}
            event["at"] = time.monotonic()
            with self.watch:
                self.events.append(event)
                self.took(event)
                self.watch.notify_all()
        with self.watch:
            self.ended = True
            self.watch.notify_all()

    def took(self, event):
        """Notes what an event means. Called with the watch held."""

    def send(self, line):
        """Writes a line to the agent."""
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except (BrokenPipeError, ValueError):
            raise Failure(f"{self.name} ended early\n{self.tail()}") from None

    def finish(self):
        """Ends its stdin and waits for a good end."""
        self.process.stdin.close()
        self.await_end()

    def await_end(self):
        """Waits until the agent has ended by itself, and well."""
        wait_for(self.watch, [self], f"{self.name} to end", lambda: self.ended, END_TIMEOUT_S)
        code = self.process.wait(END_TIMEOUT_S)
        if code != 0 or not self.events or self.events[-1]["event"] != "closed":
            raise Failure(f"{self.name} ended with code {code}, last event {self.events[-1:]}\n{self.tail()}")

    def destroy(self):
        """Ends the process, whatever it does."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.reader.join(END_TIMEOUT_S)

    def tail(self, lines=15):
        """What it printed last, for the reader of a failure."""
        notes = [json.dumps(e)[:300] for e in self.events if e["event"] not in ("record", "acked")][-lines:]
        errors = self.log_path.read_text(errors="replace").splitlines()[-lines:]
        return "\n".join([f"--- {self.name}: events (without records)", *notes, f"--- {self.name}: stderr", *errors])


class Producer(Agent):
    """A producing agent. What failed is counted and sent again, as an application would."""

    def __init__(self, *arguments, **options):
        self.records, self.acked, self.failed = {}, {}, []
        super().__init__(*arguments, **options)

    def took(self, event):
        """Notes acknowledgements and failures."""
        if event["event"] == "acked":
            self.acked[event["id"]] = (event["partition"], event["offset"])
        elif event["event"] == "failed":
            self.failed.append((event["id"], event["error"]))

    def produce(self, number, partition, key, value, headers):
        """Sends one record; `number` names it in the agent's answer."""
        self.records[number] = (partition, key, value, headers)
        self.send(json.dumps({"id": number, "partition": partition, "key": encode(key), "value": encode(value),
                              "headers": [[name, encode(data)] for name, data in headers]}))

    def unanswered(self):
        """How many records have no acknowledgement yet."""
        return len(self.records) - len(self.acked)


class Member(Agent):
    """A consuming agent, a member of a group."""

    def __init__(self, *arguments, **options):
        self.owned, self.delivered, self.answers = set(), [], []
        super().__init__(*arguments, **options)

    def took(self, event):
        """Notes assignments, records and the answers to commits."""
        if event["event"] == "assigned":
            self.owned = set(event["partitions"])
        elif event["event"] == "record":
            headers = [(name, decode(data)) for name, data in event["headers"]]
            self.delivered.append((event["partition"], event["offset"], decode(event["key"]), decode(event["value"]), headers))
        elif event["event"] in ("committed", "commit_failed"):
            self.answers.append(event)

    def commit(self, timeout_s, attempts=1):
        """Commits what it printed. Returns the offsets by partition; a failure may be answered by further attempts."""
        for attempt in range(attempts):
            known = len(self.answers)
            self.send("commit")
            wait_for(self.watch, [self], f"the answer to {self.name}'s commit", lambda: len(self.answers) > known, timeout_s)
            answer = self.answers[known]
            if answer["event"] == "committed":
                return {int(partition): offset for partition, offset in answer["offsets"].items()}
        raise Failure(f"{self.name}: commit failed {attempts} times: {answer['error']}\n{self.tail()}")

    def stop(self):
        """Leaves the group and ends."""
        self.send("stop")
        self.await_end()


def wait_for(watch, agents, what, done, timeout_s):
    """Waits until `done()`, which is asked after each event of any agent; `agents` are those that must not end meanwhile."""
    deadline = time.monotonic() + timeout_s
    with watch:
        while not done():
            ended = [agent for agent in agents if agent.ended]
            left = deadline - time.monotonic()
            if ended or left <= 0:
                why = f"{ended[0].name} ended" if ended else f"not within {timeout_s} s"
                tails = "\n".join(agent.tail() for agent in agents)
                raise Failure(f"waited for {what}: {why}\n{tails}")
            watch.wait(left)
