"""The run itself: it finds a broker that loses what it acknowledged. That it finds nothing at a good one, the run shows."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

RUN = Path(__file__).with_name("run.py")
LIMIT_S = 120


def run(*options):
    """(exit code, last table)."""
    command = [sys.executable, RUN, "--json", *map(str, options)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("options", (("lost-tail", "--policy", "never"), ("old-metadata",)), ids=("lost-tail", "old-metadata"))
def test_a_directory_that_loses_what_was_acknowledged_is_found(tmp_path, options):
    code, table = run("--rounds", 12, "--epoch", 6, "--most-problems", 2, "--damage", *options, "--keep", tmp_path)
    assert code == 1 and table["problems"], table
