"""Good histories from a seed: a log that does everything right, under clients to which everything happens that may.

Sends are answered late or never and take effect all the same, or not; what is repeated is repeated; readers are moved, groups
rebalance and read again; commits stay unanswered; transactions are aborted. `checker.check` must find nothing in them.
"""

import random

TOPIC, PARTITIONS = "t", 2


class Simulation:
    """One history. The log is `logs[partition]`: (value, transaction or None) by offset; None where a marker stands."""

    def __init__(self, seed, transactions=False):
        self.random = random.Random(seed)
        self.events, self.now = [], 0
        self.logs = [[] for _ in range(PARTITIONS)]
        self.aborted, self.open_transactions = set(), set()
        self.transactional = transactions
        self.numbers = {}
        self.readers = {}
        self.group = {partition: -1 for partition in range(PARTITIONS)}

    def event(self, process, type_, op, **fields):
        """One line, later than the one before."""
        self.now += self.random.randint(1, 9)
        self.events.append({"process": process, "type": type_, "op": op, **fields, "time": self.now})

    def run(self, steps):
        """Makes the history: `steps` things happen, then everything is read."""
        for process in ("exact", "plain"):
            self.event(process, "ok", "open", value={"repeats": process == "plain", "ordered": True})
        isolation = "read_committed" if self.transactional else "read_uncommitted"
        for process in ("reader-0", "reader-1", "scanner"):
            self.event(process, "ok", "open", value={"isolation": isolation})
            self.readers[process] = [0] * PARTITIONS
        self.event("member", "ok", "open", value={"group": "g", "isolation": isolation})
        self.readers["member"] = [0] * PARTITIONS
        happenings = [self.send, self.send, self.send, self.read, self.read, self.member_reads, self.commit, self.rebalance]
        if self.transactional:
            happenings += [self.transaction] * 2
        for _ in range(steps):
            self.random.choice(happenings)()
        self.scan()
        return self.events

    def value(self, process):
        """A new value."""
        self.numbers[process] = self.numbers.get(process, 0) + 1
        return f"{process}-{self.numbers[process]}"

    def append(self, partition, value, txn=None):
        """Writes a record; returns its offset."""
        self.logs[partition].append((value, txn))
        return len(self.logs[partition]) - 1

    def send(self):
        """A send by one of the producers, with one of its outcomes."""
        process, partition = self.random.choice(["exact", "plain"]), self.random.randrange(PARTITIONS)
        where = {"topic": TOPIC, "partition": partition, "value": self.value(process)}
        self.event(process, "invoke", "send", **where)
        outcome = self.random.choice(["ok"] * 6 + ["unplaced", "info-written", "info-lost", "unanswered", "fail"])
        if outcome == "fail":
            self.event(process, "fail", "send", **where)
        elif outcome in ("info-lost", "unanswered"):
            if outcome == "info-lost":
                self.event(process, "info", "send", **where)
        else:
            offset = self.append(partition, where["value"])
            if process == "plain" and self.random.random() < 0.3:
                offset = self.append(partition, where["value"])
            if outcome == "info-written":
                self.event(process, "info", "send", **where)
            else:
                self.event(process, "ok", "send", **where, offset=offset if outcome == "ok" else None)

    def stable_end(self, partition):
        """Where readers must stop: the first record of an open transaction."""
        log = self.logs[partition]
        return next((o for o, entry in enumerate(log) if entry and entry[1] in self.open_transactions), len(log))

    def visible(self, partition, first, end):
        """What a reader gets between two offsets."""
        return [[o, entry[0]] for o, entry in enumerate(self.logs[partition][first:end], first) if entry and entry[1] not in self.aborted]

    def poll(self, process, partition, most=None, **fields):
        """One poll from where the reader stands."""
        first, end = self.readers[process][partition], self.stable_end(partition)
        if most is not None:
            end = min(end, first + most)
        began = self.now
        got = self.visible(partition, first, end)
        self.readers[process][partition] = max(first, end)
        if got:
            self.event(process, "ok", "poll", topic=TOPIC, partition=partition, value=got, began=began, **fields)

    def read(self):
        """A reader goes on; sometimes it was moved before."""
        process, partition = self.random.choice(["reader-0", "reader-1"]), self.random.randrange(PARTITIONS)
        if self.random.random() < 0.1:
            self.readers[process][partition] = self.random.randint(0, self.stable_end(partition))
            self.event(process, "ok", "assign", topic=TOPIC, partition=partition)
        self.poll(process, partition, most=self.random.randint(1, 5))

    def member_reads(self):
        """The group's member goes on."""
        self.poll("member", self.random.randrange(PARTITIONS), most=self.random.randint(1, 5))

    def commit(self):
        """It commits where it stands, is answered or not."""
        partition = self.random.randrange(PARTITIONS)
        where = {"topic": TOPIC, "partition": partition, "group": "g", "offset": self.readers["member"][partition]}
        self.event("member", "invoke", "commit", **where)
        outcome = self.random.choice(["ok", "ok", "ok", "info-done", "info-lost"])
        if outcome != "info-lost":
            self.group[partition] = where["offset"]
        self.event("member", "ok" if outcome == "ok" else "info", "commit", **where)

    def rebalance(self):
        """The member starts again from what is committed."""
        self.event("member", "ok", "assign")
        for partition in range(PARTITIONS):
            offset, began = self.group[partition], self.now
            self.readers["member"][partition] = max(offset, 0)
            self.event("member", "ok", "committed", topic=TOPIC, partition=partition, group="g", offset=offset, began=began)

    def transaction(self):
        """A whole transaction of a few sends, ended in some way; others run only before and after it."""
        txn, process = self.value("txn"), "exact"
        records = [(self.random.randrange(PARTITIONS), self.value(process)) for _ in range(self.random.randint(1, 4))]
        self.open_transactions.add(txn)
        for partition, value in records:
            where = {"topic": TOPIC, "partition": partition, "value": value, "txn": txn}
            self.event(process, "invoke", "send", **where)
            self.event(process, "ok", "send", **where, offset=self.append(partition, value, txn))
        self.read()
        self.end_transaction(process, txn, {partition for partition, _ in records})

    def end_transaction(self, process, txn, partitions):
        """Commits or aborts; perhaps nobody learns which."""
        outcome = self.random.choice(["commit", "commit", "abort", "info-done", "info-aborted", "never"])
        asked = "abort" if outcome == "abort" else "commit"
        if outcome != "never":
            self.event(process, "invoke", "txn", txn=txn, value=asked)
        if outcome in ("abort", "info-aborted", "never"):
            self.aborted.add(txn)
        self.open_transactions.discard(txn)
        for partition in partitions:
            self.logs[partition].append(None)
        if outcome != "never":
            self.event(process, "info" if outcome.startswith("info") else "ok", "txn", txn=txn, value=asked)

    def scan(self):
        """Reads everything from the beginning."""
        for partition in range(PARTITIONS):
            began = self.now
            self.readers["scanner"][partition] = 0
            self.poll("scanner", partition)
            self.event("scanner", "ok", "scan", topic=TOPIC, partition=partition, value=[0, len(self.logs[partition])], began=began)


def good(seed, steps=200, transactions=False):
    """A history without an anomaly that counts."""
    return Simulation(seed, transactions).run(steps)
