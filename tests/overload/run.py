"""Overload and hostile peers: what a well-behaved client notices of them, what they cost, and what they leave behind.

    run.py [--small] [--only NAME]...

Each attack runs in a process of its own against one broker, after a quiet stretch; a canary (canary.py) sends requests all the time. A line a case:
the canary's p99 in the quiet stretch and under attack, the most memory of the broker, descriptors and threads before and after. A case fails when

- a request of the canary fails, or the p99 of one kind is more than three times the quiet one, above a floor, and above what the machine's own delay explains (harness.py);
- memory goes above what docs/operations.md ("Limits") says for these settings;
- connections or threads do not come back to what they were before the attack, or descriptors to near it;
- the log grows by more than LOG_BYTES_MAX.

Three cases have a broker of their own: a sync that takes seconds (on a small file system that is frozen meanwhile; skipped where this machine cannot), a process with
few descriptors, and a stop under load.

The machine is shared: a case that fails is run once more, and only the second failure counts.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "python")]

import observed  # noqa: E402
import special  # noqa: E402
from harness import (  # noqa: E402
    ENVIRONMENT, SETTINGS, Attack, Server, is_back, judge, left, memory_limit_mib, prepare, settled)
from measured import MACHINE, REQUESTS, Canary, stretch  # noqa: E402

LOG_BYTES_MAX = 64 << 10

# name: (connections at full size, at small size; 0 is left out)
CASES = {
    "idle": (5000, 0),
    "slow_senders": (5000, 500),
    "hoarders": (1000, 300),
    "slow_readers": (500, 100),
    "unread_answers": (500, 100),
    "pipelining": (100, 20),
    "pipelined_produce": (100, 20),
    "large_requests": (40, 5),
    "swelling_requests": (20, 4),
    "reconnects": (100, 0),
    "garbage": (100, 0),
    "large_groups": (20, 4),
    "slow_http": (500, 100),
    "unread_http": (100, 0),
    "cold_read": (2, 1),
}


def forget_files():
    """Lets the system forget what it has read of files, where it may be told to."""
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("1")
    except OSError as error:
        print(f"the cold read finds its files in memory: {error}")


def run_case(name, count, server, canary, seconds):
    """One attack: a line of the table, with what is wrong in `problems`."""
    pid = server.process.pid
    problems, began_log = [], server.log_path.stat().st_size
    if name == "cold_read":
        forget_files()
    quiet = stretch(seconds)
    before = left(server)
    with observed.Watch(pid) as watch, Attack(name, server, count) as attack:
        under = stretch(seconds)
    # What had begun by then has its answer soon.
    time.sleep(0.5)
    problems += judge(canary, quiet, under)
    limit = memory_limit_mib(count)
    if watch.memory_mib_max > limit:
        problems.append(f"memory {watch.memory_mib_max:.0f} MiB > {limit:.0f}")
    after = settled(server, before)
    if not is_back(before, after):
        problems.append(f"left behind (descriptors, threads, connections): {before} before, {after} after")
    log_bytes = server.log_path.stat().st_size - began_log
    if log_bytes > LOG_BYTES_MAX:
        problems.append(f"{log_bytes} bytes of log")
    return {
        "attack": name, "count": count,
        **{kind: f"{canary.p99(kind, quiet):.1f} > {canary.p99(kind, under):.1f}" for kind in (*REQUESTS, MACHINE)},
        "MiB": f"{watch.memory_mib_max:.0f}/{limit:.0f}", "fds": f"{before[0]} > {after[0]}", "threads": f"{before[1]} > {after[1]}",
        "connections": f"{before[2]} > {after[2]}",
        "cores": f"{watch.cores:.1f}", "log": log_bytes, "problems": problems, "counted": attack.counted,
    }


def show(line):
    """A line of the table."""
    print("  ".join(f"{key} {value}" for key, value in line.items() if key not in ("problems", "counted")), flush=True)
    print(f"    {line['counted']}")
    print(f"    {'; '.join(line['problems']) or 'good'}", flush=True)


def run_shared(options, seconds):
    """The attacks on one broker; names of those that failed."""
    failed = []
    size = 1 if options.small else 0
    chosen = [name for name, counts in CASES.items() if counts[size] and (not options.only or name in options.only)]
    if not chosen:
        return failed
    megabytes = options.megabytes or (100 if options.small else 10_000)
    with tempfile.TemporaryDirectory(prefix="overload-") as directory, Server(SETTINGS, directory=directory) as server:
        prepare(server, megabytes)
        with Canary(server, ENVIRONMENT) as canary:
            for name in chosen:
                count = CASES[name][size]
                line = run_case(name, count, server, canary, seconds)
                if line["problems"]:
                    show(line)
                    line = run_case(name, count, server, canary, seconds)
                show(line)
                if line["problems"]:
                    failed.append(name)
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--small", action="store_true", help="a tenth of the connections, 100 MB, short stretches")
    parser.add_argument("--only", action="append", choices=[*CASES, *special.CASES], help="only this case; may be repeated")
    parser.add_argument("--seconds", type=float, help="length of each stretch")
    parser.add_argument("--megabytes", type=int, help="what the cold reader reads")
    options = parser.parse_args()
    seconds = options.seconds or (1 if options.small else 8)
    failed = run_shared(options, seconds)
    for name, case in special.CASES.items():
        if not options.only or name in options.only:
            problems = case(options.small)
            if problems:
                print(f"    once more: {'; '.join(problems)}")
                problems = case(options.small)
            print(f"    {'; '.join(problems) or 'good'}", flush=True)
            failed += [name] if problems else []
    print(f"failed: {', '.join(failed)}" if failed else "all good")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
