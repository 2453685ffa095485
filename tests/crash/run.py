"""Kills the broker under load, again and again, and checks that nothing acknowledged is lost, doubled or out of order.

A round: every producer gets something acknowledged, the broker dies (at a random moment, in a roll, while a topic is made, grown,
deleted, a record or an offset taken; perhaps again during recovery), starts on the same port and directory, and must have
every topic and committed offset that it told of. Readers and members go on through all of it, and check what they can see; every
`EPOCH` rounds everything is read back and the whole history is checked.

The same seed makes the same choices, not the same run: real processes and real time are in it. A directory that failed is kept.
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

import damaged_directory
from driver import EPOCH, VERIFY_EVERY, Run


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description="Kills the broker under real clients and checks that nothing acknowledged is lost.")
    parser.add_argument("--rounds", type=int, default=100, help="how many kills at least (100)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32), help="of all choices (a fresh one)")
    parser.add_argument("--policy", choices=("always", "batch", "interval", "never"), help="one sync policy instead of all in turn")
    parser.add_argument("--epoch", type=int, default=EPOCH, metavar="ROUNDS", help=f"rounds with the same clients and topics ({EPOCH})")
    parser.add_argument("--verify-every", type=int, default=VERIFY_EVERY, metavar="ROUNDS", help=f"rounds between two `highwater verify` ({VERIFY_EVERY})")
    parser.add_argument("--damage", choices=damaged_directory.KINDS, help="breaks the directory after each kill, to see that it is found")
    parser.add_argument("--check-checker", action="store_true", help="damage the first epoch's history in every way and see that each is found")
    parser.add_argument("--most-problems", type=int, default=20, metavar="COUNT", help="stop after so many (20)")
    parser.add_argument("--keep", metavar="DIRECTORY", help="where data and histories go and stay (a temporary directory, removed unless something was found)")
    parser.add_argument("--json", action="store_true", help="print the last table as one JSON object")
    return parser.parse_args()


def main():
    """The command: 0 when nothing was found, else 1."""
    options = arguments()
    directory = options.keep or tempfile.mkdtemp(prefix="highwater-crash-")
    run = Run(options, directory)
    run.say(f"seed {options.seed}, {options.rounds} rounds, directory {directory}")
    began = time.monotonic()
    run.run()
    table = run.figures.table(run.round, time.monotonic() - began, run.problems)
    print(json.dumps(table) if options.json else run.figures.text(table))
    if not run.problems and not options.keep:
        shutil.rmtree(directory, ignore_errors=True)
    elif run.problems:
        run.say(f"kept: {directory}; replay the choices with --seed {options.seed}")
    sys.exit(1 if run.problems else 0)


if __name__ == "__main__":
    main()
