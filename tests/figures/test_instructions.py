"""Instructions of an append, a read and a request's way through the codec, counted by valgrind, which runs a program of its own
(`src/main.rs`) without threads: twice the work less the work is what it costs, and start-up is out of it.

WORK_BIN names the program; by default it is built, with the profile of the simulation.
"""

import os
import platform
import re
import subprocess

import pytest
from bounds import INSTRUCTIONS, judge
from broker import ROOT

COUNT = 2000
PROFILE = "sim"
# valgrind runs on a processor of its own making, so that only the architecture matters.
MEASURED_ON = "x86_64"


@pytest.fixture(scope="module")
def work():
    """The program."""
    named = os.environ.get("WORK_BIN")
    if named:
        return named
    command = ["cargo", "build", "--quiet", "--locked", "--profile", PROFILE, "-p", "highwater-test-figures", "--bin", "work"]
    subprocess.run(command, cwd=ROOT, check=True)
    return os.path.join(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"), PROFILE, "work")


def instructions(program, kind, count):
    """How many instructions the program takes for so much work."""
    command = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null", program, kind, str(count)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return int(re.search(r"I\s+refs:\s+([\d,]+)", done.stderr)[1].replace(",", ""))


@pytest.mark.parametrize("kind", INSTRUCTIONS)
def test_instructions_stay_below_their_bound(work, kind):
    found = (instructions(work, kind, 2 * COUNT) - instructions(work, kind, COUNT)) / COUNT
    problem = judge(kind, "instructions", found, *INSTRUCTIONS[kind])
    if platform.machine() != MEASURED_ON:
        pytest.skip(f"the bounds are those of {MEASURED_ON}")
    assert problem is None
