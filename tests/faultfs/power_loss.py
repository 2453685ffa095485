"""Power losses under load, again and again: nothing acknowledged may be lost, doubled or out of order.

The run is that of tests/crash, whose broker here has its data on faultfs and mostly dies by a power loss (within a change of the disk, chosen
at random: in rolls, topic changes, recovery too) and sometimes by a kill, so that what recovery served is at stake in the next power
loss. `--light` has fewer clients and many more rounds (`light.py`); so have `interval` and `never`, under which the newest records may go.

With `--lie PATTERN` syncs of files that match do nothing; then the run must find a loss, and fails if it does not.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).absolute().parents[1]
sys.path[:0] = [str(TESTS / "crash"), str(TESTS / "python")]

import driver as crash
import faultfs
import light

# Recovery reads everything through FUSE: on a busy machine it takes longer than the run of tests/crash waits for it.
crash.admin.TIMEOUT_MS = 25_000
# One death of so many is a kill only.
KILLS_ONE_IN = 5
LIMIT_MS = 300


class Unlucky(faultfs.Powered):
    """A broker that mostly dies by a power loss."""

    def __init__(self, filesystem, chances, **arguments):
        super().__init__(filesystem, **arguments)
        self.chances, self.cuts = chances, Counter()

    def kill(self):
        """Kills it, mostly by a power loss."""
        self.die()

    def die(self):
        """The same; returns whether the power was lost."""
        if self.chances.randrange(KILLS_ONE_IN) == 0:
            super().kill()
            self.cuts["killed"] += 1
            return False
        after = self.chances.choice((1, self.chances.randint(1, 6), self.chances.randint(1, 80)))
        last = self.lose_power(self.chances.randrange(1 << 63), after, self.chances.choice((0, LIMIT_MS)))
        self.cuts[where(last)] += 1
        return True


def where(last):
    """What a power loss is counted as, by the last change of the disk before it."""
    when, change, *path = [*last.split(" ", 2), ""]
    path = Path(path[0])
    return f"{when} {change} {'*' + path.suffix if path.suffix else path.name if len(path.parts) == 2 else 'directory'}"


class PowerLosses(crash.Run):
    """The run of tests/crash with that broker, where only what promises to survive this is answered."""

    policies = ("batch", "always")
    acks = ("all",)

    def __init__(self, options, directory, filesystem):
        super().__init__(options, directory)
        self.broker = Unlucky(filesystem, self.random, settings=self.broker.settings, directory=directory)


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description="Power losses under real clients on a file system that loses what was not synced.")
    parser.add_argument("--rounds", type=int, default=60, help="how many power losses and kills (60)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32), help="of all choices (a fresh one)")
    parser.add_argument("--policy", choices=("always", "batch", "interval", "never"), help="one sync policy instead of batch and always in turn")
    parser.add_argument("--light", action="store_true", help="few clients, many more rounds in the same time")
    parser.add_argument("--epoch", type=int, default=crash.EPOCH, metavar="ROUNDS", help=f"rounds with the same clients and topics ({crash.EPOCH})")
    parser.add_argument("--lie", metavar="PATTERN", help="syncs of these files do nothing: the run must find a loss")
    parser.add_argument("--destroy", action="store_true", help="a power loss also destroys a block that was being written")
    parser.add_argument("--keep", metavar="DIRECTORY", help="where histories go and stay (a temporary directory, removed unless something was found)")
    parser.add_argument("--json", action="store_true", help="print the last table as one JSON object")
    options = parser.parse_args()
    options.verify_every, options.damage, options.check_checker = crash.VERIFY_EVERY, None, False
    options.most_problems = 1 if options.lie else 20
    return options


def carry_out(options, directory):
    """The run; returns (table, text, problems)."""
    with faultfs.FaultFs(Path(directory) / "mnt", options.seed) as filesystem:
        if options.lie:
            filesystem.command(f"lie {options.lie}")
        if options.destroy:
            filesystem.command("destroy on")
        began = time.monotonic()
        if options.light or options.policy in ("interval", "never"):
            chances = random.Random(options.seed)
            run = light.Run(options, Unlucky(filesystem, chances, directory=directory, settings=dict(crash.SETTINGS)), chances)
            broken = tried(run)
            table = {"rounds": run.round, "seconds": round(time.monotonic() - began), **run.figures, "problems": run.problems}
            text = "\n".join(f"{name:<34}{value if name != 'problems' else len(value)}" for name, value in table.items())
        else:
            run = PowerLosses(options, directory, filesystem)
            broken = tried(run)
            table = run.figures.table(run.round, time.monotonic() - began, run.problems)
            text = run.figures.text(table)
        table["died"] = dict(run.broker.cuts)
        text += "".join(f"\n  {name:<32}{count}" for name, count in sorted(run.broker.cuts.items()))
        problems = run.problems + broken
        if problems and not options.lie:
            shutil.copytree(filesystem.directory, Path(directory) / "found")
    return table, text, problems


def tried(run):
    """Runs. A broker that does not start or serve is found, not an error of the run: [what it said]."""
    try:
        run.run()
    except (AssertionError, OSError, RuntimeError) as failure:
        print(f"PROBLEM in round {run.round}: {failure}", flush=True)
        return [str(failure)]
    except KeyboardInterrupt:
        print(f"interrupted in round {run.round}", flush=True)
    finally:
        if run.broker.alive():
            run.broker.kill()
    return []


def interrupted(*_):
    """Once: what was done until then is told, and the mount undone."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def main():
    """The command: 0 when nothing was found, else 1; the other way round when the file system lies."""
    options = arguments()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupted)
    reason = faultfs.why_not()
    if reason:
        print(f"SKIPPED: {reason}")
        sys.exit(0)
    directory = options.keep or tempfile.mkdtemp(prefix="highwater-power-")
    os.makedirs(directory, exist_ok=True)
    print(f"seed {options.seed}, {options.rounds} rounds, directory {directory}", flush=True)
    table, text, problems = carry_out(options, directory)
    print(json.dumps(table) if options.json else text)
    if options.lie:
        print(f"the file system lied: {'found in round ' + str(table['rounds']) if problems else 'NOT FOUND'}")
    elif problems:
        print(f"kept: {directory}; replay the choices with --seed {options.seed}")
    if not options.keep and (options.lie or not problems):
        shutil.rmtree(directory, ignore_errors=True)
    sys.exit(0 if bool(problems) == bool(options.lie) else 1)


if __name__ == "__main__":
    main()
