"""The same binary as a tool: topics, produce, consume, log dump, verify."""

import json
import subprocess

import pytest
from broker import highwater_binary

TOOL_S = 60


def run(*arguments, text="", expect=0):
    """What the tool printed on stdout; it must end with that exit code (None: with any but 0)."""
    done = subprocess.run([str(highwater_binary()), *map(str, arguments)], input=text, capture_output=True, text=True, timeout=TOOL_S)
    assert done.returncode == expect if expect is not None else done.returncode != 0, (done.stdout[-2000:], done.stderr[-2000:])
    assert "panicked" not in done.stderr
    return done.stdout if expect == 0 else done.stderr


def json_lines(text):
    """One object a line."""
    return [json.loads(line) for line in text.splitlines()]


def test_topics_are_created_listed_described_and_deleted(broker):
    at = ("--bootstrap", broker.address)
    run("topic", "create", "tool-a", "--partitions", "3", "--config", "retention.ms=86400000", *at)
    assert "tool-a" in run("topic", "list", *at)
    assert any("tool-a" in json.dumps(line) for line in json_lines(run("topic", "list", "--json", *at)))
    described = run("topic", "describe", "tool-a", *at)
    assert "86400000" in described
    assert json_lines(run("topic", "describe", "tool-a", "--json", *at))
    assert "tool-a" in run("topic", "create", "tool-a", *at, expect=None)
    run("topic", "delete", "tool-a", *at)
    assert "tool-a" not in run("topic", "list", *at).split()
    run("topic", "describe", "tool-a", *at, expect=None)


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_lines_that_were_produced_are_consumed(broker, make_topic, codec):
    topic, at = make_topic(), ("--bootstrap", broker.address)
    lines = [f"line {i} {'é' * (i % 50)}" for i in range(3000)]
    run("produce", topic, "--compression", codec, *at, text="\n".join(lines) + "\n")
    assert run("consume", topic, "--from-beginning", "--exit-at-end", *at).splitlines() == lines
    assert run("consume", topic, "--partition", "0", "--offset", "2990", "--max", "5", *at).splitlines() == lines[2990:2995]
    found = json_lines(run("consume", topic, "--partition", "0", "--offset", "7", "--max", "2", "--json", *at))
    assert [one["offset"] for one in found] == [7, 8]


def test_keys_decide_the_partition(broker, make_topic):
    topic, at = make_topic(4), ("--bootstrap", broker.address)
    run("produce", topic, "--key-separator", ":", *at, text="".join(f"key {i % 10}:{i}\n" for i in range(200)))
    found = json_lines(run("consume", topic, "--from-beginning", "--exit-at-end", "--json", *at))
    assert len(found) == 200
    homes = {}
    for one in found:
        homes.setdefault(one["key"], set()).add(one["partition"])
    assert len(homes) == 10 and all(len(partitions) == 1 for partitions in homes.values())


def test_a_broker_that_is_not_there_is_told_in_a_line():
    assert "127.0.0.1:1" in run("topic", "list", "--bootstrap", "127.0.0.1:1", expect=None)


def test_files_are_dumped_and_verified_and_damage_is_found(broker, make_topic):
    if broker.name == "kafka":
        pytest.skip("about our own files")
    topic, at = make_topic(configs={"segment.bytes": "1048576"}), ("--bootstrap", broker.address)
    run("produce", topic, *at, text="".join(f"{i} {'x' * 1000}\n" for i in range(3000)))
    broker.stop()
    try:
        directory = broker.data_dir / f"{topic}-0"
        logs = sorted(directory.glob("*.log"))
        assert len(logs) > 1
        assert run("verify", broker.data_dir)
        assert json_lines(run("verify", directory, "--json"))
        assert run("log", "dump", logs[0])
        assert json_lines(run("log", "dump", directory, "--records", "--json"))
        original = logs[0].read_bytes()
        damaged = bytearray(original)
        damaged[len(damaged) // 2] ^= 1
        logs[0].write_bytes(damaged)
        run("verify", broker.data_dir, expect=None)
        logs[0].write_bytes(original)
        run("verify", broker.data_dir)
    finally:
        broker.start()


@pytest.mark.parametrize("command", [["--help"], ["serve", "--help"], ["topic", "--help"], ["produce", "--help"], ["consume", "--help"],
                                     ["log", "dump", "--help"], ["verify", "--help"], ["--version"]], ids=" ".join)
def test_every_command_explains_itself(command):
    assert len(run(*command)) > 5
