"""Builds the simulation once with deliberate mistakes in it, asks for one after the other, and requires that each is caught within a
number of seeds."""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLE = Path(__file__).with_name("mutations.toml")
# Every crate of the stack knows this one.
SWITCH_FILE = "crates/types/src/lib.rs"
VARIABLE = "HIGHWATER_MUTATION"
SWITCH = f"""
/// Whether this mistake is asked for.
pub fn is_mutated(name: &str) -> bool {{
    static ASKED: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    ASKED.get_or_init(|| std::env::var("{VARIABLE}").ok()).as_deref() == Some(name)
}}
"""
# Seeds in which the program without a mistake must find nothing.
HEALTHY_SEEDS = 100


def mutated_sources(mutations):
    """The changed files by name, and the mutations whose text is not there exactly once."""
    sources, misfits = {SWITCH_FILE: (ROOT / SWITCH_FILE).read_text() + SWITCH}, []
    for mutation in mutations:
        name = mutation["file"]
        text = sources.get(name) or (ROOT / name).read_text()
        count = text.count(mutation["old"])
        if count != 1:
            print(f"{mutation['name']}: its text is there {count} times in {name}")
            misfits.append(mutation["name"])
            continue
        condition = f'highwater_types::is_mutated("{mutation["name"]}")'
        sources[name] = text.replace(mutation["old"], mutation["new"].replace("{mutated}", condition))
    return sources, misfits


def copy_tree(target, changed):
    """The working tree as git knows it, with the changed files, at a place that stays the same, so that builds are incremental."""
    names = subprocess.check_output(["git", "ls-files", "-z", "--", "Cargo.toml", "Cargo.lock", "crates", "tests"], cwd=ROOT)
    names = [name for name in names.decode().split("\0") if name and (ROOT / name).is_file()]
    for name in names:
        wanted = changed[name].encode() if name in changed else (ROOT / name).read_bytes()
        place = target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists() or place.read_bytes() != wanted:
            place.write_bytes(wanted)
            shutil.copymode(ROOT / name, place)
    wanted = {target / name for name in names}
    for found in [path for path in target.rglob("*") if path.is_file()]:
        if found not in wanted:
            found.unlink()


def build(tree, target):
    """Builds; the program."""
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target)}
    command = ["cargo", "build", "--quiet", "--locked", "--profile", "sim", "-p", "highwater-sim"]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"the mutations do not compile:\n{done.stderr[-5000:]}")
    return target / "sim" / "sim"


def try_seeds(program, mutation, first, seeds, timeout):
    """Runs seeds from the first on until one fails. Returns the seed, or None, and what it said."""
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    if mutation:
        environment[VARIABLE] = mutation
    command = [str(program), "--seeds", f"{first}..{first + seeds}", "--quiet"]
    try:
        output = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout).stdout
    except subprocess.TimeoutExpired:
        return None, "nothing, and its time was up"
    found = re.search(r"^FAILED: seed (\d+): (.*)$", output, re.MULTILINE)
    return (int(found[1]), found[2]) if found else (None, "")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3000, help="a mutation must be caught within so many (default %(default)s)")
    parser.add_argument("--from", dest="first", type=int, help="the first seed (default: what the table says, or 1)")
    parser.add_argument("--timeout", type=float, default=300, help="seconds for the seeds of one mutation (default %(default)s)")
    parser.add_argument("--target", type=Path, default=ROOT / "target" / "mutations", help="where copy and build go")
    parser.add_argument("--only", default="", help="mutations whose names contain this")
    arguments = parser.parse_args()
    mutations = tomllib.loads(TABLE.read_text())["mutation"]
    sources, misfits = mutated_sources(mutations)
    tree = arguments.target.resolve() / "tree"
    copy_tree(tree, sources)
    began = time.monotonic()
    program = build(tree, arguments.target.resolve() / "build")
    print(f"built in {time.monotonic() - began:.0f} s")
    seed, words = try_seeds(program, None, 1, HEALTHY_SEEDS, arguments.timeout)
    if seed or words:
        sys.exit(f"without a mistake seed {seed} fails: {words}")
    chosen = {m["name"]: m.get("first", 1) for m in mutations if arguments.only in m["name"] and m["name"] not in misfits}
    missed = list(misfits)
    print(f"{'mutation':40} {'caught at seed':>14} {'seconds':>8}  as")
    for name, first in chosen.items():
        began = time.monotonic()
        seed, words = try_seeds(program, name, arguments.first or first, arguments.seeds, arguments.timeout)
        print(f"{name:40} {seed if seed else 'MISSED':>14} {time.monotonic() - began:8.1f}  {words[:90]}", flush=True)
        if not seed:
            missed.append(name)
    print(f"{len(chosen) + len(misfits) - len(missed)} of {len(chosen) + len(misfits)} caught")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
