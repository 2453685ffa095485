"""Waiting for a condition, in place of sleeping for a time."""

import time

WAIT_S = 120


def until(condition, what="the condition", timeout_s=WAIT_S, every_s=0.02):
    """Waits until a condition holds; returns what it returned."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(every_s)
