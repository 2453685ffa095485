"""Anomalies of committed offsets: a register for each group and partition, which must not go back."""

import bisect

from model import ABORTED, NEVER


def checks():
    """All checks of this file."""
    return (committed_offsets,)


def committed_offsets(model):
    """Each read must return what the last finished commit wrote, or one that was under way."""
    for slot in model.committed.keys() | model.commits.keys():
        reads = sorted(model.committed[slot], key=lambda read: read[1])
        commits = [commit for commit in model.commits[slot] if commit.status != "fail" and _may_count(model, commit)]
        yield from _register(slot, commits, reads)


def _may_count(model, commit):
    return commit.txn is None or model.transactions[commit.txn].outcome != ABORTED


def _register(slot, commits, reads):
    """Checks one group's offset of one partition."""
    where = {"group": slot[0], "key": slot[1]}
    by_offset = {}
    for commit in commits:
        by_offset.setdefault(commit.offset, []).append(commit)
    # When each commit was certainly done: answered, or seen by a reader (if no other one wrote the same).
    finished = sorted((commit.done, commit.invoked, commit.offset) for commit in commits if commit.done != NEVER)
    for began, done, offset in reads:
        latest, latest_offset = _latest_start(finished, began)
        if offset < 0:
            if latest is not None:
                yield "stale-commit", {**where, "read": "nothing", "committed before": latest_offset}
            continue
        candidates = [commit for commit in by_offset.get(offset, ()) if commit.invoked <= done]
        if not candidates:
            yield "made-up-commit", {**where, "read": offset}
            continue
        # A read in between also ends a commit that was never answered.
        alive = [c for c in candidates if latest is None or c.done >= latest]
        if not alive:
            yield "stale-commit", {**where, "read": offset, "committed before": latest_offset}
        elif len(candidates) == 1 and candidates[0].done > done:
            candidates[0].done = done
            bisect.insort(finished, (done, candidates[0].invoked, offset))


def _latest_start(finished, before):
    """Of the commits that were done before then, the start of the one that started last, and its offset."""
    done = finished[:bisect.bisect_left(finished, (before,))]
    if not done:
        return None, None
    _, started, offset = max(done, key=lambda commit: commit[1])
    return started, offset
