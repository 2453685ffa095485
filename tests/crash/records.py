"""Anomalies of records: what logs hold, who read them, in what order. Each check yields (anomaly, details)."""

from collections import defaultdict

from model import ABORTED, COMMITTED, NEVER, UNKNOWN


def checks():
    """All checks of this file, from the log itself to what readers saw of it."""
    return (inconsistent_offsets, duplicates, made_up, lost_writes, scans, unseen, sends, polls, aborted_reads,
            intermediate_reads, group_skips)


def inconsistent_offsets(model):
    """Two values at one offset."""
    for key, log in model.log.items():
        for offset, values in log.items():
            if len(values) > 1:
                yield "inconsistent-offsets", {"key": key, "offset": offset, "values": sorted(map(str, values))}


def duplicates(model):
    """One value at several offsets, though its producer writes nothing twice."""
    for key, values in model.by_value.items():
        for value, offsets in values.items():
            if len(offsets) > 1:
                send = model.sends.get((key, value))
                if send is None or not model.repeats(send.process):
                    yield "duplicate", {"key": key, "value": value, "offsets": sorted(offsets)}


def made_up(model):
    """A value in a partition to which nobody sent it."""
    for key, values in model.polled.items():
        for value in values:
            if (key, value) not in model.sends:
                yield "made-up", {"key": key, "value": value, "offsets": sorted(model.by_value[key][value])}


def lost_writes(model):
    """Acknowledged, readers went past it, and nobody ever saw it."""
    highest = model.highest_polled()
    for send in model.sends.values():
        if _passed_unread(model, send, highest):
            yield "lost-write", {"key": send.key, "value": send.value, "offset": send.offset, "read up to": highest[send.key]}


def _passed_unread(model, send, highest):
    if model.certain_at(send) == NEVER or send.offset is None or model.was_polled(send):
        return False
    return model.trimmed[send.key] <= send.offset < highest.get(send.key, -1)


def scans(model):
    """A read of everything that lacks what was acknowledged, or seen, before it began."""
    for process, key, first, end, began, done in model.scans:
        first = max(first, model.trimmed[key])
        seen = {pair for poll in model.polls_in[key] if poll.process == process and began <= poll.began and poll.done <= done
                for pair in poll.records}
        where = {"key": key, "reader": process, "range": [first, end]}
        seen_values = {value for _, value in seen}
        yield from _missing(model, key, first, began, seen_values, where)
        for offset, value in sorted(_visible_before(model, key, began, process) - seen):
            send = model.sends.get((key, value))
            if offset >= first and (send is None or model.certain_at(send) >= began or value in seen_values):
                yield "vanished", {**where, "value": value, "offset": offset}


def _missing(model, key, first, began, seen, where):
    """What was certainly there when a scan from `first` began, and is not among the values that it saw."""
    for send in model.sends_in[key]:
        if send.value in seen or model.certain_at(send) >= began:
            continue
        offset = model.offset_of(send)
        if (first == 0 if offset is None else offset >= first):
            yield "lost-write", {**where, "value": send.value, "offset": offset}


def _visible_before(model, key, time, process):
    """What was polled before `time` by clients that see no more than `process` does."""
    strict = model.reads_committed(process)
    return {pair for poll in model.polls_in[key] if poll.done < time
            and (not strict or model.reads_committed(poll.process)) for pair in poll.records}


def unseen(model):
    """Acknowledged, and no reader ever saw it: lost, or only late. Where readers came past, it is a lost write."""
    highest = model.highest_polled()
    scanned = {}
    for _, key, _, _, began, _ in model.scans:
        scanned[key] = max(scanned.get(key, began), began)
    for send in model.sends.values():
        certain = model.certain_at(send)
        if certain == NEVER or model.was_polled(send) or _passed_unread(model, send, highest) or certain < scanned.get(send.key, 0):
            continue
        offset = model.offset_of(send)
        if offset is None or offset >= model.trimmed[send.key]:
            yield "unseen", {"key": send.key, "value": send.value, "offset": offset}


def sends(model):
    """Records of one producer whose offsets are not in the order of its sends."""
    for (process, key), sent in model.sends_of.items():
        if not model.ordered(process):
            continue
        last = None
        for send in sent:
            offset = model.offset_of(send)
            if offset is None or send.status == "fail" or (send.status == "info" and model.repeats(process)):
                continue
            if last is not None:
                same = send.txn is not None and send.txn == last.txn
                at = model.offset_of(last)
                if offset <= at:
                    yield ("int-" if same else "") + "nonmonotonic-send", {
                        "key": key, "process": process, "values": [last.value, send.value], "offsets": [at, offset]}
                elif same and (skipped := _others(model, key, at, offset)):
                    yield "int-send-skip", {"key": key, "txn": send.txn, "values": [last.value, send.value], "between": skipped[:10]}
            last = send


def _others(model, key, first, last):
    return [next(iter(model.log[key][offset])) for offset in model.between(key, first, last)]


def polls(model):
    """A reader that goes back, or over something that is there, without having been moved."""
    for process, steps in model.steps.items():
        positions = {}
        for step in steps:
            if step is None:
                positions.clear()
            elif isinstance(step, tuple):
                positions.pop(step, None)
            else:
                yield from _poll(model, process, step, positions)


def _poll(model, process, poll, positions):
    for index, (offset, value) in enumerate(poll.records):
        last, last_txn = positions.get(poll.key, (None, None))
        positions[poll.key] = offset, poll.txn
        if last is None or offset == last + 1:
            continue
        internal = index > 0 or (poll.txn is not None and poll.txn == last_txn)
        prefix, where = "int-" if internal else "", {"key": poll.key, "process": process, "from": last, "to": offset, "value": value}
        if offset <= last:
            yield prefix + "nonmonotonic-poll", where
        elif skipped := [o for o in model.between(poll.key, last, offset) if _must_be_read(model, poll.key, o, model.reads_committed(process))]:
            yield prefix + "poll-skip", {**where, "skipped": skipped[:10]}


def _must_be_read(model, key, offset, committed_only):
    """Whether a reader (of committed records only?) that goes past `offset` must see what is there."""
    if offset < model.trimmed[key]:
        return False
    if not committed_only:
        return True
    sent = [model.sends.get((key, value)) for value in model.log[key][offset]]
    return any(send is None or model.outcome(send) == COMMITTED or send.txn in model.shown for send in sent)


def aborted_reads(model):
    """G1a: a record is read that was certainly not written, or whose transaction was aborted."""
    reported = set()
    for poll in model.polls:
        for offset, value in poll.records:
            send = model.sends.get((poll.key, value))
            if send is None or (poll.key, value) in reported:
                continue
            aborted = model.outcome(send) == ABORTED and model.reads_committed(poll.process)
            if send.status == "fail" or aborted:
                reported.add((poll.key, value))
                yield "G1a", {"key": poll.key, "value": value, "offset": offset, "reader": poll.process, "txn": send.txn}


def intermediate_reads(model):
    """G1b: a transaction is read before it was asked to commit, or in part. Precommitted read: by itself."""
    read_of, first_read = defaultdict(set), {}
    for poll in model.polls:
        if not model.reads_committed(poll.process):
            continue
        for offset, value in poll.records:
            send = model.sends.get((poll.key, value))
            if send is None or send.txn is None:
                continue
            read_of[send.txn].add((poll.key, value))
            where = {"key": poll.key, "value": value, "offset": offset, "reader": poll.process, "txn": send.txn}
            if poll.txn == send.txn:
                yield "precommitted-read", where
            elif poll.done < model.transactions[send.txn].ended and model.outcome(send) != ABORTED:
                first_read.setdefault(send.txn, where)
    for where in first_read.values():
        yield "G1b", {**where, "read": "before it was asked to commit"}
    yield from _torn(model, read_of)


def _torn(model, read_of):
    """Transactions of which readers saw some records, while they went past others that they never saw."""
    highest = model.highest_polled(strict=True)
    for send in model.sends.values():
        if send.txn not in read_of or (send.key, send.value) in read_of[send.txn] or send.status == "fail":
            continue
        if model.outcome(send) in (COMMITTED, UNKNOWN) and send.offset is not None and \
                model.trimmed[send.key] <= send.offset < highest.get(send.key, -1):
            yield "G1b", {"key": send.key, "value": send.value, "offset": send.offset, "txn": send.txn, "read": "without this record"}


def group_skips(model):
    """A group that committed past records which none of its members ever got."""
    seen = defaultdict(set)
    for poll in model.polls:
        if group := model.group(poll.process):
            seen[group, poll.key].update(offset for offset, _ in poll.records)
    for (group, key), commits in model.commits.items():
        polled = seen.get((group, key))
        if polled is None:
            # Commits of a client that reads nothing, as tools do.
            continue
        end = max((commit.offset for commit in commits if commit.status == "ok"), default=0)
        committed_only = any(model.reads_committed(process) for process in model.clients if model.group(process) == group)
        for offset in model.between(key, -1, end):
            if offset not in polled and _must_be_read(model, key, offset, committed_only):
                yield "group-skip", {"group": group, "key": key, "offset": offset, "committed": end}
