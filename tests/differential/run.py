"""Plays every scenario at Apache Kafka and at Highwater and compares the decoded answers, field by field.

    scripts/test differential                   both brokers, all scenarios
    .cache/venv/bin/python tests/differential/run.py --ours kafka   Kafka against itself: shows that normalising is right
    ... --only 'fetch*' --print                 some scenarios; print the transcripts too

Ends with success only if every difference is listed in allowed_differences.toml and every entry there is in use.
"""

import argparse
import fnmatch
import importlib
import pkgutil
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "python")]

import broker  # noqa: E402
import scenarios  # noqa: E402
from bridge import Bridge  # noqa: E402
from compare import Allowed, differences  # noqa: E402
from session import Session  # noqa: E402

SETTINGS = {"auto.create.topics.enable": "false", "message.max.bytes": "200000", "log.segment.bytes": "1048576",
            "group.initial.rebalance.delay.ms": "0", "group.min.session.timeout.ms": "500", "offset.metadata.max.bytes": "1000"}

# A module of scenarios may have `SETTINGS` of its own beside these; it then gets a broker of its own.
NONE = {}
# What an answer holds instead of a body.
OUTCOMES = {"closed", "silent"}
STEPS_SHOWN = 4
# A scenario that takes longer says so.
SLOW_S = 3


def all_scenarios(only):
    """{name: (function, its module's settings)} of every `scenario_*` function in the package, in the order in which they are written."""
    found = {}
    for module in pkgutil.iter_modules(scenarios.__path__):
        loaded = importlib.import_module(f"scenarios.{module.name}")
        for name, function in vars(loaded).items():
            label = f"{module.name}.{name.removeprefix('scenario_')}"
            if name.startswith("scenario_") and any(fnmatch.fnmatch(label, pattern) for pattern in only):
                found[label] = function, getattr(loaded, "SETTINGS", NONE)
    return found


def play(name, chosen):
    """The transcript of the chosen scenarios, at a fresh broker for each set of settings."""
    began = time.monotonic()
    transcript = {}
    with Bridge() as bridge:
        for settings in {id(s): s for _, s in chosen.values()}.values():
            some = {label: scenario for label, (scenario, of) in chosen.items() if of is settings}
            transcript |= play_some(name, some, SETTINGS | settings, bridge)
    steps = sum(len(s) for s in transcript.values())
    print(f"{name}: {len(chosen)} scenarios, {steps} answers, {time.monotonic() - began:.1f} s", flush=True)
    return transcript


def play_some(name, scenarios, settings, bridge):
    """The transcript of some scenarios at one broker."""
    with broker.create(name, settings=settings) as server:
        session = Session(bridge, server.port)
        for label, scenario in scenarios.items():
            started = time.monotonic()
            session.play(label, scenario)
            if time.monotonic() - started > SLOW_S:
                print(f"{name}: {label}: {time.monotonic() - started:.1f} s", flush=True)
            if not server.alive():
                raise RuntimeError(f"{name} ended during {label}")
        server.stop()
    return session.transcript


def report(chosen, expected, actual, allowed):
    """Prints what differs; returns the number of answers that differ without being allowed to, and of all answers."""
    failed = total = 0
    for label in chosen:
        left, right = expected.get(label, {}), actual.get(label, {})
        found = differences(left, right)
        bad = [d for d in found if not allowed.covers(label, d[0], d[1])]
        total += len(left)
        failed += len({d[0] for d in bad})
        if found:
            print(f"{label}: {len(left)} answers, {len(found) - len(bad)} intended differences, {len(bad)} others")
        for line in grouped(bad, left, right):
            print(f"    {line}")
    return failed, total


def grouped(bad, left, right):
    """Lines that tell what differs: the same difference in several steps once, a step that got no answer in a word."""
    lines = {}
    for step, path, kafka, ours in bad:
        outcome = [OUTCOMES & set(side.get(step, {})) for side in (left, right)]
        if outcome[0] != outcome[1]:
            told = "no answer on one side", *("/".join(sorted(o)) or "answered" for o in outcome)
        else:
            told = path, repr(kafka), repr(ours)
        steps = lines.setdefault(told, [])
        if step not in steps:
            steps.append(step)
    for (path, kafka, ours), steps in lines.items():
        more = f" and {len(steps) - STEPS_SHOWN} more" if len(steps) > STEPS_SHOWN else ""
        yield f"{path}: kafka {kafka}, ours {ours}: in {'; '.join(steps[:STEPS_SHOWN])}{more}"


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--ours", default="highwater", choices=list(broker.BROKERS), help="the broker that is compared with Kafka")
    arguments.add_argument("--only", action="append", metavar="GLOB", help="scenarios to play, by `module.name`")
    arguments.add_argument("--print", action="store_true", help="print Kafka's answers")
    options = arguments.parse_args()
    chosen = all_scenarios(options.only or ["*"])
    expected, actual = play("kafka", chosen), play(options.ours, chosen)
    if options.print:
        print_transcript(expected)
    allowed = Allowed(HERE / "allowed_differences.toml")
    failed, total = report(chosen, expected, actual, allowed)
    # An entry for all scenarios is only known to be needless when all were played.
    unused = [e for e in allowed.unused(chosen) if e["scenario"] != "*" or not options.only] if options.ours == "highwater" else []
    for entry in unused:
        print(f"allowed_differences.toml: no longer needed: {entry['scenario']} | {entry['step']} | {entry['path']}")
    early = [label for label in chosen if "ended early" in expected[label]]
    for label in early:
        print(f"{label} does not run to its end at Kafka: {expected[label]['ended early']}")
    for entry in allowed.entries:
        if entry["used"]:
            print(f"intended, {entry['used']} x: {entry['scenario']} | {entry['step']} | {entry['path']}: {entry['reason']}")
    print(f"{total - failed} passed, {failed + len(unused) + len(early)} failed")
    sys.exit(1 if failed or unused or early else 0)


def print_transcript(transcript):
    """All answers of one broker, one value a line."""
    for label, steps in transcript.items():
        for step, values in steps.items():
            print(f"{label} / {step}")
            for path, value in values.items():
                print(f"    {path} = {value!r}")


if __name__ == "__main__":
    main()
