"""A history put in order: sends with their outcomes, polls, logs as they are known, transactions, commits. Judges nothing."""

import bisect
from collections import defaultdict

from history import GROUP, ISOLATION, ORDERED, READ_COMMITTED, REPEATS, HistoryError

NEVER = float("inf")
COMMITTED, ABORTED, UNKNOWN = "committed", "aborted", "unknown"


class Send:
    """One record that somebody asked to be written."""

    __slots__ = ("process", "key", "value", "invoked", "done", "status", "offset", "txn")

    def __init__(self, event, key):
        self.process, self.key, self.value, self.txn = event["process"], key, event["value"], event.get("txn")
        self.invoked, self.done, self.status, self.offset = event["time"], NEVER, "info", None

    def __repr__(self):
        return f"{self.value} by {self.process} ({self.status}, offset {self.offset})"


class Poll:
    """What one poll returned of one partition: [(offset, value)] in the order of delivery."""

    __slots__ = ("process", "key", "records", "began", "done", "txn")

    def __init__(self, event, key):
        self.process, self.key, self.txn = event["process"], key, event.get("txn")
        self.records = [(offset, value) for offset, value in event["value"]]
        self.began, self.done = event["began"], event["time"]


class Commit:
    """An offset that somebody asked to be committed."""

    __slots__ = ("offset", "invoked", "done", "status", "txn")

    def __init__(self, event):
        self.offset, self.invoked, self.done, self.status = event["offset"], event["time"], NEVER, "info"
        self.txn = event.get("txn")


class Transaction:
    """How a transaction was ended: `outcome` is what a reader may rely on."""

    __slots__ = ("asked", "ended", "done", "type")

    def __init__(self):
        self.asked, self.ended, self.done, self.type = None, NEVER, NEVER, "info"

    @property
    def outcome(self):
        """Committed, aborted or unknown. One that nobody asked to commit is never committed."""
        if self.asked != "commit" or self.type == "fail":
            return ABORTED
        return COMMITTED if self.type == "ok" else UNKNOWN


class Model:
    """The whole history. `key` is (topic, partition); `log[key]` is {offset: set of values}, `by_value[key]` {value: set of offsets}."""

    def __init__(self, events):
        self.clients = {}
        self.sends, self.sends_of, self.sends_in = {}, defaultdict(list), defaultdict(list)
        self.steps = defaultdict(list)
        self.polls, self.polls_in, self.scans = [], defaultdict(list), []
        self.commits, self.committed = defaultdict(list), defaultdict(list)
        self.transactions = defaultdict(Transaction)
        self.trimmed = defaultdict(int)
        self.log = defaultdict(lambda: defaultdict(set))
        self.by_value = defaultdict(lambda: defaultdict(set))
        self._open_commits = {}
        for event in events:
            try:
                self._take(event)
            except (KeyError, TypeError, ValueError) as failure:
                raise HistoryError(f"{event}: {type(failure).__name__} {failure}") from None
        self.polled = {key: {value for poll in polls for _, value in poll.records} for key, polls in self.polls_in.items()}
        self.shown = self._transactions_shown()
        self.known_offsets = {key: sorted(log) for key, log in self.log.items()}

    def client(self, process):
        """What the process said of itself."""
        return self.clients.get(process, {})

    def repeats(self, process):
        """Whether it may write a record twice."""
        return self.client(process).get(REPEATS, False)

    def ordered(self, process):
        """Whether its sends keep their order."""
        return self.client(process).get(ORDERED, True)

    def group(self, process):
        """Its group, or None."""
        return self.client(process).get(GROUP)

    def reads_committed(self, process):
        """Whether it must not see what is not committed."""
        return self.client(process).get(ISOLATION) == READ_COMMITTED

    def outcome(self, send):
        """Of the transaction of a send; committed for one without."""
        return self.transactions[send.txn].outcome if send.txn is not None else COMMITTED

    def certain_at(self, send):
        """When the record was certainly readable: acknowledged and committed. NEVER if nobody knows."""
        if send.status != "ok" or self.outcome(send) != COMMITTED:
            return NEVER
        return max(send.done, self.transactions[send.txn].done) if send.txn is not None else send.done

    def was_polled(self, send):
        """Whether any reader ever saw it."""
        return send.value in self.polled.get(send.key, ())

    def highest_polled(self, strict=False):
        """{key: the highest offset that any reader got}; `strict`: any reader of committed records only."""
        return {key: max((offset for poll in polls if not strict or self.reads_committed(poll.process) for offset, _ in poll.records), default=-1)
                for key, polls in self.polls_in.items()}

    def between(self, key, first, last):
        """The known offsets in first < offset < last."""
        known = self.known_offsets.get(key, [])
        return known[bisect.bisect_right(known, first):bisect.bisect_left(known, last)]

    def offset_of(self, send):
        """Where it is: as acknowledged, else as first seen; None if unknown."""
        if send.offset is not None:
            return send.offset
        return min(self.by_value[send.key].get(send.value, ()), default=None)

    def _take(self, event):
        handler = getattr(self, "_take_" + event["op"], None)
        if handler is None:
            raise HistoryError(f"{event}: unknown op")
        handler(event, event["type"], (event.get("topic"), event.get("partition")))

    def _take_open(self, event, _type, _key):
        self.clients[event["process"]] = event["value"] or {}

    def _take_send(self, event, type_, key):
        identity = (key, event["value"])
        if type_ == "invoke":
            if identity in self.sends:
                raise HistoryError(f"{event}: the value was sent to this partition before")
            send = self.sends[identity] = Send(event, key)
            self.sends_of[event["process"], key].append(send)
            self.sends_in[key].append(send)
            return
        send = self.sends.get(identity)
        if send is None or send.done != NEVER:
            raise HistoryError(f"{event}: no send is waiting for this")
        send.status = type_
        # What nobody knows about may still be done later.
        send.done = NEVER if type_ == "info" else event["time"]
        if event.get("offset") is not None:
            send.offset = event["offset"]
            self._at(key, send.offset, send.value)

    def _take_poll(self, event, type_, key):
        if type_ != "ok":
            return
        poll = Poll(event, key)
        self.polls.append(poll)
        self.polls_in[key].append(poll)
        self.steps[event["process"]].append(poll)
        for offset, value in poll.records:
            self._at(key, offset, value)

    def _take_assign(self, event, _type, key):
        self.steps[event["process"]].append(key if event.get("topic") is not None else None)

    def _take_scan(self, event, type_, key):
        if type_ == "ok":
            first, end = event["value"]
            self.scans.append((event["process"], key, first, end, event["began"], event["time"]))

    def _take_commit(self, event, type_, key):
        slot = (event["process"], event["group"], key)
        if type_ == "invoke":
            self._open_commits[slot] = Commit(event)
            self.commits[event["group"], key].append(self._open_commits[slot])
            return
        commit = self._open_commits.pop(slot, None)
        if commit is None:
            raise HistoryError(f"{event}: no commit is waiting for this")
        commit.status = type_
        commit.done = NEVER if type_ == "info" else event["time"]

    def _take_committed(self, event, type_, key):
        if type_ == "ok":
            self.committed[event["group"], key].append((event["began"], event["time"], event["offset"]))

    def _take_txn(self, event, type_, _key):
        transaction = self.transactions[event["txn"]]
        if type_ == "invoke":
            transaction.asked, transaction.ended = event["value"], event["time"]
        else:
            transaction.type, transaction.done = type_, NEVER if type_ == "info" else event["time"]

    def _take_trim(self, event, _type, key):
        self.trimmed[key] = max(self.trimmed[key], event["offset"])

    def _at(self, key, offset, value):
        self.log[key][offset].add(value)
        self.by_value[key][value].add(offset)

    def _transactions_shown(self):
        """Those of unknown outcome that were committed after all: a reader of committed records saw them."""
        shown = set()
        for poll in self.polls:
            if self.reads_committed(poll.process):
                sent = [self.sends.get((poll.key, value)) for _, value in poll.records]
                shown |= {send.txn for send in sent if send is not None and send.txn is not None and self.outcome(send) == UNKNOWN}
        return shown
