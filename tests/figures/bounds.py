"""The figures and their bounds, in one table, and the one who judges.

Each figure is a count, so that it holds on a machine that others use too. A bound stands above what was measured by a margin: 15 % for
instructions (compilers and the C library change), less than one call of a request for system calls, much where many requests are under way
at once or threads meet and their order decides: there, what was measured is the most of several runs. A figure far below its bound is
good news: lower the bound, so that it is kept.
"""

# name: (measured, bound)
INSTRUCTIONS = {
    "append-1k": (2_891, 3_320),
    "append-16k": (8_130, 9_350),
    "read-16k": (30_423, 35_000),
    "produce-16k": (8_285, 9_530),
}

# What a request of one connection that waits for each answer costs, in all and of some calls. In all is without `futex`, which threads need
# only when they find each other asleep; it has a line of its own.
CALLS = {
    "produce-1k": {"all": (8.0, 8.8), "futex": (4.1, 6.0), "fdatasync": (1.0, 1.1), "pwritev": (2.0, 2.2), "recvfrom": (1.0, 1.1)},
    "produce-16k": {"all": (8.0, 8.8), "futex": (4.1, 6.0), "fdatasync": (1.0, 1.1), "pwritev": (2.0, 2.2), "recvfrom": (1.0, 1.1)},
    "fetch-16k": {"all": (6.0, 6.8), "futex": (0.0, 0.3), "preadv2": (3.0, 3.3)},
    # The connection's thread looks at three bytes of what it is to send, and sends it itself (decision 0023).
    "fetch-1m": {"all": (9.4, 11.0), "futex": (0.0, 0.3), "preadv2": (5.0, 5.5), "sendfile": (1.0, 1.1), "sendmsg": (1.0, 1.1)},
    "heartbeat": {"all": (3.0, 3.5), "futex": (0.0, 0.3)},
    "api-versions": {"all": (3.0, 3.5), "futex": (0.0, 0.3)},
    # 64 requests under way: how many share a write, a sync and an answer's call depends on who runs when.
    "pipelined-16k": {"all": (2.9, 6.0), "futex": (3.4, 6.0), "fdatasync": (0.6, 1.1), "recvfrom": (0.3, 0.6)},
}


def judge(name, unit, found, measured, bound):
    """Prints a figure; what is wrong with it, or None."""
    print(f"{name:24}{found:>12,.2f} {unit} (measured {measured:,}, bound {bound:,})")
    return None if found <= bound else f"{name}: {found:,.2f} {unit}, more than {bound:,}"
