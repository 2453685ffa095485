"""The report's arithmetic, and that the table's rows can be run."""

import json
import subprocess
import sys
from pathlib import Path

import report
import special
from rows import DURABLE, FLOOR, KAFKA, ROWS, SPECIALS, Row, at_least, at_most

TURNS = [{DURABLE: {"mb_per_s": 30, "latency": {"p99_ms": 9}}, KAFKA: {"mb_per_s": 10}},
         {DURABLE: {"mb_per_s": 10, "latency": {"p99_ms": 1}}, KAFKA: {"mb_per_s": 10}},
         {DURABLE: {"mb_per_s": 80, "latency": {"p99_ms": 2}}, KAFKA: {"mb_per_s": 40}}]


def test_a_ratio_is_the_median_of_the_turns_ratios():
    assert report.measured(TURNS, at_least("mb_per_s", 1.5, KAFKA)) == 2
    assert report.measured(TURNS, at_most("latency.p99_ms", 3)) == 2


def test_what_was_not_measured_is_neither_met_nor_missed():
    row = Row("r", "t", (), (DURABLE, KAFKA, FLOOR), (at_least("mb_per_s", 2, KAFKA), at_least("mb_per_s", 2.1, KAFKA), at_least("mb_per_s", 1, FLOOR)))
    assert [met for _, _, met in report.judged(row, TURNS)] == [True, False, None]
    text = report.page([row], {"r": TURNS}, {"fact": "value"})
    assert "1 met, 1 missed, 1 not measured" in text and "30 [10–80]" in text and "fact: value" in text


def test_names_are_unique_and_goals_are_about_sides_that_are_measured():
    names = [row.name for row in (*ROWS, *SPECIALS)]
    assert len(names) == len(set(names))
    for row in (*ROWS, *SPECIALS):
        for goal in row.goals:
            assert {goal.side, goal.other or goal.side} <= set(row.sides), row.name
    assert {row.name for row in SPECIALS} == set(special.FUNCTIONS)


def test_a_row_can_be_run_and_leaves_nothing(tmp_path):
    run = [sys.executable, Path(__file__).with_name("run.py"), "--quick", "--without", "kafka", "--directory", tmp_path, "--json", tmp_path / "found"]
    done = subprocess.run([*run, "--rows", "durable-16k-3", "latency-durable"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and "failed" not in done.stderr, done.stderr
    found = json.loads((tmp_path / "found").read_text())
    assert all(turn[side]["latency"]["count"] > 0 for turns in found.values() for turn in turns for side in (DURABLE, FLOOR))
    assert "| durable-16k-3 | mb_per_s ≥ 0.8 × floor |" in done.stdout and "not measured" in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["found"]
    refused = subprocess.run([*run, "--directory", "/dev/shm"], capture_output=True, text=True)
    assert refused.returncode == 1 and "in memory" in refused.stderr
