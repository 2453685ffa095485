"""The checker finds each anomaly in a history that has only that one, and nothing where all is well however odd it looks."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import checker
import damage
import history
import pytest
import simulated

SEED = int(os.environ.get("SEED", random.SystemRandom().randrange(1 << 32)))


class Told:
    """A history in few words: values are letters, everything happens in partition 0 of one topic, one after the other."""

    def __init__(self):
        self.events, self.now = [], 0

    def event(self, process, type_, op, partition=0, **fields):
        """One line; returns its time."""
        self.now += 2
        self.events.append({"process": process, "type": type_, "op": op, "topic": "t", "partition": partition, **fields, "time": self.now})
        return self.now

    def open(self, process, **about):
        """Says what a client is."""
        self.event(process, "ok", "open", value=about)
        return self

    def send(self, value, offset=None, process="p", type_="ok", **fields):
        """A send and its outcome; None: no outcome."""
        self.event(process, "invoke", "send", value=value, **fields)
        if type_:
            self.event(process, type_, "send", value=value, offset=offset, **fields)
        return self

    def sent(self, letters):
        """Sends that are all acknowledged, at the offsets 0, 1, ..."""
        for offset, value in enumerate(letters):
            self.send(value, offset)
        return self

    def poll(self, *records, process="c", **fields):
        """A poll: ("a", 0), ..."""
        began = self.now + 1
        self.event(process, "ok", "poll", value=[[offset, value] for value, offset in records], began=began, **fields)
        return self

    def reads(self, letters, process="c", first=0):
        """A poll that returns these, one after the other."""
        return self.poll(*[(value, offset) for offset, value in enumerate(letters, first)], process=process)

    def assign(self, process="c"):
        """The reader is moved."""
        self.event(process, "ok", "assign")
        return self

    def scan(self, letters, process="s", first=0):
        """A read of everything."""
        began = self.now + 1
        if letters:
            self.reads(letters, process, first)
        self.event(process, "ok", "scan", value=[first, first + len(letters)], began=began)
        return self

    def commit(self, offset, type_="ok", process="c", group="g"):
        """A commit and its outcome; None: no outcome."""
        self.event(process, "invoke", "commit", group=group, offset=offset)
        if type_:
            self.event(process, type_, "commit", group=group, offset=offset)
        return self

    def committed(self, offset, process="c", group="g"):
        """A look at what is committed."""
        self.event(process, "ok", "committed", group=group, offset=offset, began=self.now + 1)
        return self

    def end(self, txn, value="commit", type_="ok"):
        """Ends a transaction."""
        self.event("p", "invoke", "txn", txn=txn, value=value)
        if type_:
            self.event("p", type_, "txn", txn=txn, value=value)
        return self

    def found(self, strict=False):
        """The anomalies."""
        return set(checker.check(self.events, strict).bad)


def strict_reader():
    """A history with a reader of committed records only."""
    return Told().open("c", isolation=history.READ_COMMITTED)


def committed(told, values, txn, first=0):
    """A whole transaction that was committed."""
    for offset, value in enumerate(values, first):
        told.send(value, offset, txn=txn)
    return told.end(txn)


BAD = {
    "an acknowledged record is not there": (
        "lost-write", lambda: Told().sent("abc").poll(("a", 0)).assign().poll(("c", 2))),
    "an acknowledged record is gone from the end": (
        "lost-write", lambda: Told().sent("abc").scan("ab")),
    "an acknowledged record whose offset nobody was told is gone": (
        "lost-write", lambda: Told().send("a", 0).send("b", None).scan("a")),
    "everything is gone": ("lost-write", lambda: Told().sent("ab").scan("")),
    "what was read once, though never acknowledged, is gone": (
        "vanished", lambda: Told().send("a", 0).send("b", type_="info").reads("ab").scan("a")),
    "what was acknowledged is never read": ("unseen", lambda: Told().sent("ab").reads("a")),
    "a record stands twice": ("duplicate", lambda: Told().sent("a").reads("aa")),
    "a repeated record was acknowledged at another offset": (
        "duplicate", lambda: Told().send("a", 0).send("b", 2).poll(("a", 0), ("b", 1))),
    "nobody sent it": ("made-up", lambda: Told().sent("a").reads("ax")),
    "it was sent to another partition": (
        "made-up", lambda: Told().sent("a").reads("a").send("x", 0, partition=1).poll(("x", 0), partition=1).poll(("x", 1))),
    "two readers see two records at one offset": (
        "inconsistent-offsets", lambda: Told().send("a", type_="info").send("b", process="q", type_="info").poll(("a", 0)).poll(("b", 0), process="d")),
    "two records were acknowledged at one offset": (
        "inconsistent-offsets", lambda: Told().send("a", 0, process="q").send("b", 0).poll(("a", 0)).poll(("b", 0), process="d")),
    "a producer's records stand in the wrong order": (
        "nonmonotonic-send", lambda: Told().send("a", 1).send("b", 0).reads("ba")),
    "they do, as only readers know": (
        "nonmonotonic-send", lambda: Told().send("a", None).send("b", None).reads("ba")),
    "records of a transaction stand in the wrong order": (
        "int-nonmonotonic-send", lambda: Told().send("a", 1, txn="1").send("b", 0, txn="1").end("1").reads("ba")),
    "a reader goes back": ("nonmonotonic-poll", lambda: Told().sent("abc").reads("abc").reads("bc", first=1)),
    "a reader gets the last record again": ("nonmonotonic-poll", lambda: Told().sent("ab").reads("ab").reads("b", first=1)),
    "one poll goes back": ("int-nonmonotonic-poll", lambda: Told().sent("ab").poll(("a", 0), ("b", 1), ("a", 0))),
    "a transaction's second poll goes back": (
        "int-nonmonotonic-poll", lambda: Told().sent("ab").poll(("a", 0), ("b", 1), txn="1").poll(("a", 0), txn="1").end("1")),
    "a reader goes over a record": (
        "poll-skip", lambda: Told().sent("abc").reads("abc", process="d").poll(("a", 0)).poll(("c", 2))),
    "one poll goes over a record": (
        "int-poll-skip", lambda: Told().sent("abc").reads("abc", process="d").poll(("a", 0), ("c", 2))),
    "a refused record is read": ("G1a", lambda: Told().send("a", 0).send("b", type_="fail").reads("ab")),
    "a record of an aborted transaction is read": (
        "G1a", lambda: strict_reader().send("a", 0, txn="1").end("1", "abort").reads("a")),
    "it was aborted, though nobody was answered": (
        "G1a", lambda: strict_reader().send("a", 0, txn="1").end("1", "abort", "info").reads("a")),
    "a record of a transaction that nobody ended is read": ("G1a", lambda: strict_reader().send("a", 0, txn="1").reads("a")),
    "a transaction is read before its commit": (
        "G1b", lambda: strict_reader().send("a", 0, txn="1").reads("a").end("1")),
    "half of a transaction of unknown end is read": (
        "G1b", lambda: strict_reader().send("a", 0, txn="1").send("b", 1, txn="1").end("1", type_="info").send("c", 2)
        .poll(("a", 0)).assign().poll(("c", 2))),
    "a transaction reads what it wrote": (
        "precommitted-read", lambda: strict_reader().send("a", 0, txn="1").poll(("a", 0), txn="1").end("1")),
    "two transactions read each other": (
        "G1c", lambda: Told().send("a", 0, txn="1").send("b", 1, txn="2").poll(("b", 1), txn="1").poll(("a", 0), txn="2", process="d")
        .end("1").end("2")),
    "a commit went back": ("stale-commit", lambda: Told().commit(5).commit(7).committed(5)),
    "a commit is forgotten": ("stale-commit", lambda: Told().commit(5).committed(-1)),
    "a commit that was never answered went back after it was seen": (
        "stale-commit", lambda: Told().commit(5).commit(7, None, process="d").committed(7).committed(5)),
    "nobody committed that": ("made-up-commit", lambda: Told().commit(5).committed(6)),
    "a refused commit counts": ("made-up-commit", lambda: Told().commit(5).commit(7, "fail").committed(7)),
    "a commit is seen before it was made": ("made-up-commit", lambda: Told().commit(5).committed(7).commit(7)),
    "a group goes past a record that no member got": (
        "group-skip", lambda: Told().open("m", group="g").sent("abc").reads("abc").poll(("a", 0), process="m").assign("m")
        .poll(("c", 2), process="m").commit(3, process="m")),
}

GOOD = {
    "nothing happens": Told,
    "records are sent and read": lambda: Told().sent("abc").reads("abc").scan("abc"),
    "a send that was never answered is there": lambda: Told().send("a", type_=None).send("b", 1).reads("ab").scan("ab"),
    "a send that was never answered is not there": lambda: Told().send("x", type_="info").sent("ab").reads("ab").scan("ab"),
    "it turns up after others of other producers": (
        lambda: Told().send("x", type_="info").send("a", 0, process="q").reads("a").reads("x", first=1).scan("ax")),
    "a retry writes twice where that may be": lambda: Told().open("p", repeats=True).send("a", 1).reads("aa").scan("aa"),
    "an unordered producer's records change places": lambda: Told().open("p", ordered=False).send("a", 1).send("b", 0).reads("ba"),
    "a duplicate is acknowledged without an offset": lambda: Told().send("a", None).reads("a").scan("a"),
    "a refused record is nowhere": lambda: Told().send("a", 0).send("b", type_="fail").scan("a"),
    "a reader is moved back and forth": (
        lambda: Told().sent("abc").reads("abc").assign().reads("ab").assign().poll(("c", 2))),
    "a member reads again after a rebalance": (
        lambda: Told().open("m", group="g").open("n", group="g").sent("abc").reads("abc", "m").commit(1, process="m").assign("m").assign("n")
        .committed(1, "n").reads("bc", "n", 1).commit(3, process="n")),
    "two readers read at their own pace": lambda: Told().sent("abc").reads("a").reads("ab", "d").reads("bc", first=1).reads("c", "d", 2),
    "offsets are missing where nothing was": lambda: Told().send("a", 0).send("b", 3).poll(("a", 0), ("b", 3)),
    "a scan begins later than the beginning": lambda: Told().sent("abc").reads("abc").scan("bc", first=1),
    "old records were let go": (
        lambda: _trimmed(Told().sent("abc").reads("abc"), 2).scan("c", first=2)),
    "a record that is sent during a scan is not in it": (
        lambda: _overlapping(Told().sent("a"))),
    "a commit that was never answered counts": lambda: Told().commit(5).commit(7, None).committed(7),
    "a commit that was never answered does not count": lambda: Told().commit(5).commit(7, "info").committed(5),
    "a commit that was never answered counts later": lambda: Told().commit(5).commit(7, "info").committed(5).committed(7),
    "the same offset is committed again": lambda: Told().commit(5).commit(5).committed(5),
    "somebody commits a lower offset": lambda: Told().commit(7).commit(5, process="tool").committed(5),
    "a refused commit does not count": lambda: Told().commit(5).commit(7, "fail").committed(5),
    "nothing was committed": lambda: Told().committed(-1).commit(5, "info").committed(-1),
    "a tool commits for a group that reads nothing": lambda: Told().sent("abc").reads("abc").commit(3, process="tool"),
    "a transaction is committed and read": lambda: committed(strict_reader(), "ab", "1").reads("ab").scan("ab"),
    "an aborted transaction is skipped": (
        lambda: strict_reader().send("a", 0, txn="1").end("1", "abort").send("b", 2).poll(("b", 2))),
    "an aborted transaction is read by who reads all": (
        lambda: Told().send("a", 0, txn="1").end("1", "abort").send("b", 2).poll(("a", 0), ("b", 2))),
    "a commit that was never answered took effect": (
        lambda: strict_reader().send("a", 0, txn="1").end("1", type_=None).send("b", 2).poll(("a", 0), ("b", 2))),
    "a commit that was never answered took none": (
        lambda: strict_reader().send("a", 0, txn="1").end("1", type_="info").send("b", 2).poll(("b", 2))),
    "a commit is refused": lambda: strict_reader().send("a", 0, txn="1").end("1", type_="fail").send("b", 2).poll(("b", 2)),
    "a transaction is read where another process writes into it": (
        lambda: strict_reader().send("a", 0, txn="1").send("x", 1, process="q").send("b", 2, txn="1").end("1").reads("axb")),
}


def _trimmed(told, offset):
    told.event("admin", "invoke", "trim", offset=offset)
    return told


def _overlapping(told):
    began = told.now + 1
    told.reads("a", "s").send("b", 1)
    told.event("s", "ok", "scan", value=[0, 1], began=began)
    return told.reads("ab")


@pytest.mark.parametrize("name", BAD)
def test_an_anomaly_is_found_and_no_other(name):
    anomaly, told = BAD[name]
    assert told().found() == {anomaly}


@pytest.mark.parametrize("name", GOOD)
def test_what_may_happen_is_not_found(name):
    assert GOOD[name]().found() == set()


def test_every_anomaly_has_a_history():
    assert {anomaly for anomaly, _ in BAD.values()} | checker.ALLOWED == set(checker.ANOMALIES)


def test_what_kafka_allows_counts_only_when_asked():
    told = Told()
    for partition in (0, 1):
        told.event("p", "invoke", "send", partition, value="a", txn="1")
        told.event("q", "invoke", "send", partition, value="b", txn="2")
        told.event("p", "ok", "send", partition, value="a", txn="1", offset=partition)
        told.event("q", "ok", "send", partition, value="b", txn="2", offset=1 - partition)
    told.end("1").end("2")
    told.poll(("a", 0), ("b", 1), partition=0).poll(("b", 0), ("a", 1), partition=1)
    assert told.found() == set()
    assert told.found(strict=True) == {"G0"}
    skipping = Told().send("a", 0, txn="1").send("x", 1, process="q").send("b", 2, txn="1").end("1").reads("axb")
    assert (skipping.found(), skipping.found(strict=True)) == (set(), {"int-send-skip"})


@pytest.mark.parametrize("transactions", (False, True))
def test_good_histories_are_good(transactions):
    for seed in range(SEED, SEED + 150):
        verdict = checker.check(simulated.good(seed, transactions=transactions))
        assert verdict.good, f"SEED={seed}\n{verdict.text()}"


@pytest.mark.parametrize("kind", damage.KINDS)
def test_a_good_history_that_is_damaged_is_found_to_be_bad(kind):
    tried = 0
    for seed in range(SEED, SEED + 40):
        done = damage.damaged(simulated.good(seed, transactions=bool(seed % 2)), kind, random.Random(seed))
        if done:
            tried += 1
            bad = set(checker.check(done[0]).bad)
            assert bad & done[1], f"SEED={seed}: {kind} shows as {bad}, not as one of {done[1]}"
    # Not every history has what this kind of damage needs.
    assert tried > 8


@pytest.mark.parametrize("lines", (
    ["{"], ["[]"], ['{"process":"p","type":"ok","op":"send"}'],
    ['{"process":"p","type":"ok","op":"send","topic":"t","partition":0,"value":"a","time":1}'],
    ['{"process":"p","type":"ok","op":"juggle","time":1}'],
    ['{"process":"p","type":"invoke","op":"send","topic":"t","partition":0,"value":"a","time":1}'] * 2,
    ['{"process":"p","type":"ok","op":"poll","topic":"t","partition":0,"value":[[1]],"began":0,"time":1}']))
def test_what_is_no_history_is_told(tmp_path, lines):
    path = tmp_path / "history.jsonl"
    path.write_text("\n".join(lines))
    with pytest.raises(history.HistoryError):
        checker.check(history.read([path]))


def test_the_command_says_good_and_bad(tmp_path):
    def run(events):
        path = tmp_path / "history.jsonl"
        path.write_text("".join(json.dumps(event) + "\n" for event in events))
        command = [sys.executable, Path(checker.__file__), path]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        asked = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False)
        return done.returncode, done.stdout.splitlines()[-1], json.loads(asked.stdout)["good"]
    assert run(Told().sent("ab").scan("ab").events) == (0, "verdict: good", True)
    assert run(Told().sent("ab").scan("a").events) == (1, "verdict: BAD: lost-write", False)
