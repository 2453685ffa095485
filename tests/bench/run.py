"""Measures Highwater beside Apache Kafka and bare programs, and writes docs/benchmarks.md. See `scripts/bench --help`."""

import argparse
import fnmatch
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/python"))

import machine
import report
import special
from broker import KAFKA_JARS, highwater_binary
from rows import FLOOR, ROWS, SPECIALS, Row
from sides import Sides

SPAN, QUICK_SPAN = ("--warmup", "1.5", "--duration", "5"), ("--warmup", "0.5", "--duration", "1.5")
TURNS = 3


def chosen(options):
    """The rows to be measured, in the order of the table."""
    every = [*ROWS, *SPECIALS]
    if options.rows:
        found = [row for row in every if any(fnmatch.fnmatchcase(row.name, pattern) for pattern in options.rows)]
        if not found:
            sys.exit(f"no such row; there are: {' '.join(row.name for row in every)}")
        return found
    return [row for row in every if row.quick] if options.quick else every


def measure(sides, row, side, options):
    """One turn of one side."""
    if isinstance(row, Row):
        return sides.measure(row, side, QUICK_SPAN if options.quick else SPAN)
    return special.FUNCTIONS[row.name](sides, side, options.quick)


def run(rows, options, results):
    """All turns of all rows; what was found is added to `results` as it comes."""
    with Sides(Path(tempfile.mkdtemp(prefix="bench-", dir=options.directory)), 1 if options.quick else 5) as sides:
        for turn in range(options.turns):
            for row in rows:
                if turn >= getattr(row, "turns", options.turns):
                    continue
                found = {}
                for side in row.sides:
                    if options.without and side in options.without:
                        continue
                    began = time.monotonic()
                    try:
                        found[side] = measure(sides, row, side, options)
                    except (RuntimeError, OSError, subprocess.SubprocessError) as error:
                        # One that fails is missing in the page; the others go on.
                        print(f"{row.name} at {side} failed: {error}", file=sys.stderr, flush=True)
                        continue
                    shown = ", ".join(f"{path.removeprefix('usage.')} {report.number(report.figure(found[side], path))}" for path in row.figures)
                    print(f"turn {turn + 1}  {row.name:22} {side:15} {shown}  ({time.monotonic() - began:.0f} s)", flush=True)
                results.setdefault(row.name, []).append(found)


def version():
    """What is measured."""
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    program = subprocess.run([str(highwater_binary()), "--version"], capture_output=True, text=True).stdout.strip()
    return f"{program} ({commit})"


def command(options):
    """What was asked for; where to write it is nobody's business."""
    words = ["scripts/bench", *(["--quick"] if options.quick else [])]
    words += ["--rows", *options.rows] if options.rows else []
    words += ["--without", *options.without] if options.without else []
    return shlex.join(words)


def about(options, began, load):
    """Facts for the page."""
    kafka = next(KAFKA_JARS.glob("kafka_2.13-*.jar")).stem.split("-")[1]
    return {
        **machine.describe(options.directory),
        "load before the run": f"{load:.1f} (a figure from a busy machine says little)",
        "versions": f"{version()}, Apache Kafka {kafka}, {machine.java_version()}",
        "run": f"{time.strftime('%Y-%m-%d')}, {(time.monotonic() - began) / 60:.0f} minutes, {options.turns} turn{'s' * (options.turns > 1)}; `{command(options)}`",
        "one row by hand": "`highwater bench " + " ".join(ROWS[1].command) + " --bootstrap HOST:PORT --pid PID` (all rows: tests/bench/rows.py)",
    }


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__.splitlines()[0], epilog="""examples:
  scripts/bench                              the whole table into docs/benchmarks.md, under 40 minutes
  scripts/bench --quick                      some rows, short, one turn: does it work, not what it is worth
  scripts/bench --rows 'durable-128k-*' --turns 5 --without kafka""", formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer rows, 1.5 s each, one turn; prints the page instead of writing it")
    parser.add_argument("--rows", nargs="+", metavar="NAME", help="these rows only (shell patterns)")
    parser.add_argument("--turns", type=int, help=f"turns of each side (default {TURNS}, quick 1)")
    parser.add_argument("--without", nargs="+", metavar="SIDE", help=f"leave out highwater, highwater-never, kafka or {FLOOR}")
    parser.add_argument("--directory", type=Path, default=ROOT / ".cache", help="where the servers keep their data: a real disk (default .cache)")
    parser.add_argument("--output", type=Path, help="where the page goes; a whole run writes docs/benchmarks.md, others to standard output")
    parser.add_argument("--json", type=Path, help="everything that was found")
    options = parser.parse_args()
    options.turns = options.turns or (1 if options.quick else TURNS)
    if machine.is_in_memory(options.directory):
        sys.exit(f"{options.directory} is in memory: a sync costs nothing there; name a directory on a disk by --directory")
    # Ended by SIGTERM it still ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    began, load, rows, results = time.monotonic(), os.getloadavg()[0], chosen(options), {}
    try:
        run(rows, options, results)
    finally:
        if options.json:
            options.json.write_text(json.dumps(results, indent=1))
    page = report.page(rows, results, about(options, began, load))
    output = options.output or (None if options.quick or options.rows or options.without else ROOT / "docs/benchmarks.md")
    if output:
        output.write_text(page)
        print(f"wrote {output}")
    else:
        print(page)


if __name__ == "__main__":
    main()
