"""Runs the scenarios with the chosen clients, each client at a broker of its own, and prints a table. See README.md."""

import argparse
import subprocess
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from agents import ROOT, Failure, registry

sys.path.insert(0, str(ROOT / "tests" / "python"))
import broker as brokers  # noqa: E402
from scenarios import SCENARIOS, Stage  # noqa: E402

# Groups form at once, as on a laptop; the delay is for many members that start together.
SETTINGS = {"auto.create.topics.enable": "false", "group.initial.rebalance.delay.ms": "0"}


def arguments(clients):
    """The command line."""
    parser = argparse.ArgumentParser(prog="scripts/clients", description="Runs every client through the same scenarios.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"clients: {', '.join(c.name for c in clients)}")
    parser.add_argument("--quick", action="store_true", help="only the clients of the quick slice")
    parser.add_argument("--only", action="append", choices=sorted(SCENARIOS), help="only this scenario (may be repeated)")
    parser.add_argument("--jobs", type=int, default=2, help="clients at a time (default 2)")
    parser.add_argument("--list", action="store_true", help="print the clients and end")
    parser.add_argument("--setup-only", action="store_true", help="install and build, run nothing")
    parser.add_argument("--no-setup", action="store_true", help="take what is installed")
    return parser.parse_args()


def choose(clients, options):
    """The clients that were asked for."""
    names = {client.name for client in clients}
    unknown = [name for name in options.names if name not in names]
    if unknown:
        sys.exit(f"no such client: {', '.join(unknown)} (see scripts/clients --list)")
    if options.names:
        return [client for client in clients if client.name in options.names]
    return [client for client in clients if client.quick or not options.quick]


def set_up(clients):
    """Runs the setup of each directory that has a chosen client."""
    for directory in dict.fromkeys(client.directory for client in clients):
        script = directory / "setup"
        if script.exists():
            names = [client.name for client in clients if client.directory == directory]
            subprocess.run([str(script), *names], cwd=ROOT, check=True, stdin=subprocess.DEVNULL)


def run_client(client, scenarios):
    """Runs a client through the scenarios. Returns its version and (scenario, failure or None, seconds, remarks) of each."""
    outcomes = []
    try:
        version = client.version()
    except Exception as error:
        return "?", [(name, str(error), 0.0, []) for name in scenarios]
    for name in scenarios:
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix=f"clients-{client.name}-") as directory:
            failure, remarks = run_scenario(client, SCENARIOS[name], directory)
        seconds = time.monotonic() - began
        print(f"{client.name:<24}{name:<12}{'FAILED' if failure else 'passed':<8}{seconds:6.1f} s", flush=True)
        outcomes.append((name, failure, seconds, remarks))
    return version, outcomes


def run_scenario(client, scenario, directory):
    """One scenario at a new broker. Returns the failure's text, or `None`, and what was remarkable."""
    with brokers.create(settings=SETTINGS, directory=Path(directory)) as broker:
        stage = Stage(client, broker, directory)
        try:
            scenario(stage)
        except Failure as failure:
            return f"{failure}\n--- broker\n{broker.log_tail(15)}", stage.remarks
        except Exception:
            return f"{traceback.format_exc()}\n--- broker\n{broker.log_tail(15)}", stage.remarks
        finally:
            stage.close()
    return None, stage.remarks


def report(results, scenarios):
    """Prints failures and the table. Returns how many scenarios failed."""
    failed = 0
    for client, (_, outcomes) in results:
        for name, failure, _, remarks in outcomes:
            failed += failure is not None
            for remark in remarks:
                print(f"note: {client.name}, {name}: {remark}")
            if failure:
                print(f"\n=== {client.name}, {name}: FAILED\n{failure}")
    width = max(len(text) for text in ("version", *(version for _, (version, _) in results))) + 2
    print(f"\n{'client':<24}{'version':<{width}}" + "".join(f"{name:<18}" for name in scenarios))
    for client, (version, outcomes) in results:
        cells = "".join(f"{('FAILED' if failure else 'passed') + f' {seconds:6.1f} s':<18}" for _, failure, seconds, _ in outcomes)
        print(f"{client.name:<24}{version:<{width}}{cells}")
    for client, _ in results:
        for codec, reason in client.codecs_missing.items():
            print(f"not tested: {client.name} with {codec}: {reason}")
        for value, reason in client.values_missing.items():
            print(f"not tested: {client.name} with {value}: {reason}")
    return failed


def main():
    """Runs what was asked for. The exit code tells whether everything passed."""
    clients = registry()
    options = arguments(clients)
    if options.list:
        print("\n".join(f"{client.name}{' (quick)' if client.quick else ''}" for client in clients))
        return 0
    chosen = choose(clients, options)
    if not options.no_setup:
        set_up(chosen)
    if options.setup_only:
        return 0
    scenarios = [name for name in SCENARIOS if not options.only or name in options.only]
    with ThreadPoolExecutor(options.jobs) as pool:
        results = list(zip(chosen, pool.map(lambda client: run_client(client, scenarios), chosen)))
    failed = report(results, scenarios)
    print(f"{len(chosen) * len(scenarios) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
