"""Builds the simulation with one deliberate mistake after the other and requires that each is caught within a number of seeds."""

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


def copy_tree(target):
    """The working tree as git knows it, at a place that stays the same, so that builds are incremental."""
    names = subprocess.check_output(["git", "ls-files", "-z", "--", "Cargo.toml", "Cargo.lock", "crates", "tests"], cwd=ROOT)
    names = [name for name in names.decode().split("\0") if name and (ROOT / name).is_file()]
    for name in names:
        source, place = ROOT / name, target / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists() or place.read_bytes() != source.read_bytes():
            shutil.copyfile(source, place)
    wanted = {target / name for name in names}
    for found in [path for path in target.rglob("*") if path.is_file()]:
        if found not in wanted:
            found.unlink()


def build(tree, target):
    """Builds; returns the program, or None when it does not compile."""
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target)}
    command = ["cargo", "build", "--quiet", "--locked", "--profile", "sim", "-p", "highwater-sim"]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True)
    if done.returncode:
        print(done.stderr[-3000:])
        return None
    return target / "sim" / "sim"


def try_seeds(program, seeds, timeout):
    """Runs seeds until one fails. Returns the seed, or None."""
    command = [str(program), "--seeds", f"1..{seeds + 1}", "--quiet"]
    try:
        output = subprocess.run(command, capture_output=True, text=True, timeout=timeout).stdout
    except subprocess.TimeoutExpired:
        return None, ""
    found = re.search(r"^FAILED: seed (\d+): (.*)$", output, re.MULTILINE)
    return (int(found[1]), found[2]) if found else (None, "")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20000, help="a mutation must be caught within so many (default %(default)s)")
    parser.add_argument("--timeout", type=float, default=300, help="seconds for the seeds of one mutation (default %(default)s)")
    parser.add_argument("--target", type=Path, default=ROOT / "target" / "mutations", help="where copies and builds go")
    parser.add_argument("--only", default="", help="mutations whose names contain this")
    arguments = parser.parse_args()
    mutations = [m for m in tomllib.loads(TABLE.read_text())["mutation"] if arguments.only in m["name"]]
    tree, missed = arguments.target.resolve() / "tree", []
    print(f"{'mutation':40} {'caught at seed':>14} {'seconds':>8}  as")
    for mutation in mutations:
        copy_tree(tree)
        path = tree / mutation["file"]
        text = path.read_text()
        count = text.count(mutation["old"])
        if count != 1:
            print(f"{mutation['name']:40} does not apply: its text is there {count} times in {mutation['file']}")
            missed.append(mutation["name"])
            continue
        path.write_text(text.replace(mutation["old"], mutation["new"]))
        program = build(tree, arguments.target.resolve() / "build")
        began = time.monotonic()
        seed, words = try_seeds(program, arguments.seeds, arguments.timeout) if program else (None, "it does not compile")
        print(f"{mutation['name']:40} {seed if seed else 'MISSED':>14} {time.monotonic() - began:8.1f}  {words[:90]}", flush=True)
        if not seed:
            missed.append(mutation["name"])
    print(f"{len(mutations) - len(missed)} of {len(mutations)} caught")
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
