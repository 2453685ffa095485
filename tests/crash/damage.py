"""Makes a good history bad: each function changes one thing and returns which anomalies say so, or None if it cannot.

What is changed stands for a fault of the broker: the clients tell the truth of what they saw.
"""

import copy
from collections import Counter

from model import COMMITTED, NEVER, Model


def damaged(events, kind, random):
    """A changed copy and the set of anomalies of which at least one must be found; None if there is nothing to change."""
    events = copy.deepcopy(events)
    expected = KINDS[kind](events, Model(events), random)
    return None if expected is None else (events, expected)


def drop_record(events, model, random):
    """An acknowledged record is in no poll."""
    last_scan = {key: began for _, key, _, _, began, _ in model.scans}
    send = _one(random, [s for s in _exact(model) if model.certain_at(s) < last_scan.get(s.key, 0)])
    if send is None:
        return None
    for event in _polls(events, send.key):
        event["value"] = [pair for pair in event["value"] if pair[1] != send.value]
    return {"lost-write"}


def drop_from_scan(events, model, random):
    """A record that was read once is missing in the last read of everything."""
    scans = {key: (process, began) for process, key, _, _, began, _ in model.scans}
    seen = [(poll.key, pair) for poll in model.polls if poll.key in scans and poll.done < scans[poll.key][1] for pair in poll.records]
    chosen = _one(random, seen)
    if chosen is None:
        return None
    key, pair = chosen
    process, began = scans[key]
    for event in _polls(events, key):
        if event["process"] == process and event["began"] >= began:
            event["value"] = [p for p in event["value"] if tuple(p) != pair]
    return {"lost-write", "vanished"}


def double_record(events, model, random):
    """A reader gets one more record at the end, which it had before."""
    poll = _one(random, [p for p in _last_polls(model) if not model.repeats(model.sends[p.key, p.records[0][1]].process)])
    if poll is None:
        return None
    event = _event(events, poll)
    event["value"].append([event["value"][-1][0] + 1, event["value"][0][1]])
    return {"duplicate"}


def swap_values(events, model, random):
    """Two records of one producer stand in each other's place, for all readers; nobody was told an offset."""
    pairs = []
    for (process, _), sends in model.sends_of.items():
        placed = [s for s in sends if s.txn is None and s.status == "ok" and model.was_polled(s) and len(model.by_value[s.key][s.value]) == 1]
        pairs += [pair for pair in zip(placed, placed[1:]) if not model.repeats(process)]
    pair = _one(random, pairs)
    if pair is None:
        return None
    names = {pair[0].value: pair[1].value, pair[1].value: pair[0].value}
    for event in events:
        if event["op"] == "poll" and (event["topic"], event["partition"]) == pair[0].key:
            event["value"] = [[offset, names.get(value, value)] for offset, value in event["value"]]
        elif event["op"] == "send" and event["type"] == "ok" and event["value"] in names:
            event["offset"] = None
    return {"nonmonotonic-send"}


def swap_delivery(events, model, random):
    """One poll delivers two records in the wrong order."""
    poll = _one(random, [p for p in model.polls if len(p.records) > 1])
    if poll is None:
        return None
    got = _event(events, poll)["value"]
    at = random.randrange(len(got) - 1)
    got[at], got[at + 1] = got[at + 1], got[at]
    return {"int-nonmonotonic-poll"}


def change_value(events, model, random):
    """A reader gets other bytes than were sent."""
    poll = _one(random, model.polls)
    if poll is None:
        return None
    pair = random.choice(_event(events, poll)["value"])
    pair[1] = f"{pair[1]}?"
    return {"made-up"}


def other_value(events, model, random):
    """A reader gets a record in the place of another one, that others got."""
    counts = Counter((poll.key, offset) for poll in model.polls for offset, _ in poll.records)
    poll = _one(random, [p for p in model.polls if any(counts[p.key, offset] > 1 for offset, _ in p.records)])
    if poll is None:
        return None
    pair = random.choice([pair for pair in _event(events, poll)["value"] if counts[poll.key, pair[0]] > 1])
    others = [s.value for s in model.sends_in[poll.key] if s.value != pair[1]]
    if not others:
        return None
    pair[1] = random.choice(others)
    return {"inconsistent-offsets"}


def skip_record(events, model, random):
    """A reader goes over a record that others got."""
    counts = Counter((poll.key, offset) for poll in model.polls for offset, _ in poll.records)
    inner = [(p, i) for p in model.polls for i in range(1, len(p.records) - 1) if counts[p.key, p.records[i][0]] > 1]
    chosen = _one(random, inner)
    if chosen is None:
        return None
    del _event(events, chosen[0])["value"][chosen[1]]
    return {"int-poll-skip"}


def read_again(events, model, random):
    """A reader gets one poll's records twice."""
    poll = _one(random, model.polls)
    if poll is None:
        return None
    event = _event(events, poll)
    events.insert(events.index(event) + 1, copy.deepcopy(event))
    return {"nonmonotonic-poll"}


def move_acknowledged(events, model, random):
    """A producer is told another offset than where its record is."""
    send = _one(random, [s for s in _exact(model) if s.offset is not None and model.was_polled(s)])
    if send is None:
        return None
    event = next(e for e in events if e["op"] == "send" and e["type"] == "ok" and (e["topic"], e["partition"]) == send.key and e["value"] == send.value)
    event["offset"] += 1
    return {"duplicate", "inconsistent-offsets"}


def fail_read_record(events, model, random):
    """A record that readers got was certainly not written, its producer was told."""
    send = _one(random, [s for s in model.sends.values() if s.status == "ok" and model.was_polled(s)])
    if send is None:
        return None
    event = next(e for e in events if e["op"] == "send" and e["type"] == "ok" and (e["topic"], e["partition"]) == send.key and e["value"] == send.value)
    event["type"], event["offset"] = "fail", None
    return {"G1a"}


def lower_commit(events, model, random):
    """A committed offset is read lower than what was committed before."""
    choices = []
    for slot, reads in model.committed.items():
        for began, done, offset in reads:
            before = [c for c in model.commits[slot] if c.status == "ok" and c.done < began]
            older = [c.offset for c in before if c.done < max(b.invoked for b in before)]
            current = [c.offset for c in model.commits[slot] if c.done >= max((b.invoked for b in before), default=NEVER)]
            choices += [(slot, began, done, old) for old in older if old < offset and old not in current]
    chosen = _one(random, choices)
    if chosen is None:
        return None
    (group, key), began, done, old = chosen
    event = next(e for e in events if e["op"] == "committed" and (e["group"], e["topic"], e["partition"], e["began"], e["time"]) == (group, *key, began, done))
    event["offset"] = old
    return {"stale-commit", "made-up-commit"}


def forget_commit(events, model, random):
    """A group that committed is told that it did not."""
    choices = [(slot, began, done) for slot, reads in model.committed.items() for began, done, offset in reads
               if offset >= 0 and any(c.status == "ok" and c.done < began for c in model.commits[slot])]
    chosen = _one(random, choices)
    if chosen is None:
        return None
    (group, key), began, done = chosen
    event = next(e for e in events if e["op"] == "committed" and (e["group"], e["topic"], e["partition"], e["began"], e["time"]) == (group, *key, began, done))
    event["offset"] = -1
    return {"stale-commit"}


def _one(random, choices):
    return random.choice(choices) if choices else None


def _exact(model):
    """Acknowledged records of producers that write nothing twice."""
    return [s for s in model.sends.values() if s.status == "ok" and model.outcome(s) == COMMITTED and not model.repeats(s.process)]


def _polls(events, key):
    return [e for e in events if e["op"] == "poll" and (e["topic"], e["partition"]) == key]


def _last_polls(model):
    """The polls that reach the end of what is known of their partition."""
    return [p for p in model.polls if p.records[-1][0] == model.known_offsets[p.key][-1] and len(p.records) > 1]


def _event(events, poll):
    return next(e for e in _polls(events, poll.key) if e["process"] == poll.process and e["time"] == poll.done)


KINDS = {function.__name__: function for function in (
    drop_record, drop_from_scan, double_record, swap_values, swap_delivery, change_value, other_value, skip_record, read_again,
    move_acknowledged, fail_read_record, lower_commit, forget_commit)}
