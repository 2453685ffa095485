"""Finds in a history what must not be: `checker.py FILE...` prints a verdict and exits with 0 (good), 1 (bad) or 2 (no history).

A pure function over events: it knows nothing of brokers. The anomalies are those of Jepsen's Kafka, Redpanda and Bufstream
analyses, and some of committed offsets. What they cannot see: a loss under a policy that allows it is a loss all the same;
records that nobody read are `unseen`, so a history ends with reads of everything.
"""

import argparse
import json
import sys
from collections import defaultdict

import commits
import cycles
import history
import records
from model import Model

ANOMALIES = {
    "lost-write": "acknowledged, and not there though readers came past it",
    "vanished": "was read once, and was not there in a later read of everything",
    "unseen": "acknowledged, and never read by anybody",
    "duplicate": "one record at several offsets, though its producer writes nothing twice",
    "made-up": "a record that nobody sent to that partition, or with other bytes",
    "inconsistent-offsets": "two records at one offset",
    "nonmonotonic-send": "a producer's later record stands before an earlier one",
    "int-nonmonotonic-send": "the same within a transaction",
    "int-send-skip": "between two records of a transaction stands somebody else's",
    "nonmonotonic-poll": "a reader went back without being moved",
    "int-nonmonotonic-poll": "the same within one poll or transaction",
    "poll-skip": "a reader went over a record without being moved",
    "int-poll-skip": "the same within one poll or transaction",
    "G0": "transactions that each wrote before and after the other",
    "G1a": "a record was read that was not written, or whose transaction was aborted",
    "G1b": "a transaction was read before it was asked to commit, or in part",
    "G1c": "transactions that each read what the other wrote",
    "precommitted-read": "a transaction read what it wrote itself",
    "stale-commit": "a committed offset went back",
    "made-up-commit": "a committed offset that nobody committed",
    "group-skip": "a group committed past a record that no member got",
}
# Kafka does not promise that transactions do not interleave their writes.
ALLOWED = frozenset({"G0", "int-send-skip"})
EXAMPLES = 5


class Verdict:
    """What was found: `counts` and some `examples` of each anomaly; `size` says how much was looked at."""

    def __init__(self, size, strict=False):
        self.size, self.strict = size, strict
        self.counts, self.examples = defaultdict(int), defaultdict(list)

    def add(self, anomaly, details):
        """Counts one; keeps the first few."""
        self.counts[anomaly] += 1
        if len(self.examples[anomaly]) < EXAMPLES:
            self.examples[anomaly].append(details)

    @property
    def bad(self):
        """The anomalies that may not be, in the order of the table."""
        return [name for name in ANOMALIES if self.counts.get(name) and (self.strict or name not in ALLOWED)]

    @property
    def good(self):
        """Whether nothing was found that may not be."""
        return not self.bad

    def text(self):
        """For people."""
        lines = [", ".join(f"{count} {what}" for what, count in self.size.items())]
        for name in ANOMALIES:
            if self.counts.get(name):
                allowed = "" if name in self.bad else " (Kafka allows it)"
                lines.append(f"{name}: {self.counts[name]}: {ANOMALIES[name]}{allowed}")
                lines += [f"    {json.dumps(details, default=str)}" for details in self.examples[name]]
        return "\n".join([*lines, "verdict: " + ("good" if self.good else "BAD: " + ", ".join(self.bad))])

    def json(self):
        """For machines."""
        return {"good": self.good, "bad": self.bad, "size": self.size, "counts": dict(self.counts), "examples": dict(self.examples)}


def check(events, strict=False):
    """The verdict on a history: a list of events in the order of their times. `strict`: nothing is allowed.

    Raises HistoryError for events that contradict each other.
    """
    model = Model(events)
    size = {
        "events": len(events),
        "sends": len(model.sends),
        "acknowledged": sum(send.status == "ok" for send in model.sends.values()),
        "records polled": sum(len(poll.records) for poll in model.polls),
        "scans": len(model.scans),
        "commits": sum(map(len, model.commits.values())),
        "reads of commits": sum(map(len, model.committed.values())),
    }
    verdict = Verdict(size, strict)
    for one in (*records.checks(), *commits.checks(), *cycles.checks()):
        for anomaly, details in one(model):
            verdict.add(anomaly, details)
    return verdict


def main():
    """The command."""
    parser = argparse.ArgumentParser(description="Finds anomalies in histories (several files: one history).")
    parser.add_argument("files", nargs="+", metavar="FILE")
    parser.add_argument("--strict", action="store_true", help="what Kafka allows counts too: " + ", ".join(sorted(ALLOWED)))
    parser.add_argument("--json", action="store_true", help="one JSON object instead of text")
    options = parser.parse_args()
    try:
        verdict = check(history.read(options.files), options.strict)
    except (history.HistoryError, OSError) as failure:
        print(f"no history: {failure}", file=sys.stderr)
        sys.exit(2)
    print(json.dumps(verdict.json(), default=str) if options.json else verdict.text())
    sys.exit(0 if verdict.good else 1)


if __name__ == "__main__":
    main()
