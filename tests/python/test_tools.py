"""The same binary as a tool: topics, produce, consume, groups, bench, log dump, verify."""

import json
import signal
import subprocess
import threading
import time

import broker as brokers
import pytest
from broker import highwater_binary
from kafka import KafkaConsumer, TopicPartition
from kafka.structs import OffsetAndMetadata

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


class Consumer:
    """`highwater consume --group` in the background; `stop` asks it to end in order and returns what it printed."""

    def __init__(self, broker, group, *arguments):
        command = [str(highwater_binary()), "consume", *arguments, "--group", group, "--from-beginning", "--bootstrap", broker.address]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=TOOL_S)
        assert self.process.returncode == 0 and "panicked" not in err, err
        return out.splitlines()


def described(group, *at):
    """A group with members and partitions."""
    [found] = json_lines(run("group", "describe", group, "--members", "--offsets", "--json", *at))
    return found


def wait_for(condition, what):
    """Polls until it holds."""
    deadline = time.monotonic() + TOOL_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.1)


def commit_by_client(broker, group, offsets):
    """Commits `offsets` (topic, partition, offset) as a consumer that is no member."""
    client = KafkaConsumer(group_id=group, bootstrap_servers=broker.address, enable_auto_commit=False)
    client.commit({TopicPartition(topic, partition): OffsetAndMetadata(offset, "", -1) for topic, partition, offset in offsets})
    client.close()


def test_two_members_share_the_partitions_and_each_record_is_printed_once(broker, make_topic):
    topic, group, at = make_topic(4), "tool-two", ("--bootstrap", broker.address)
    lines = [str(i) for i in range(400)]
    run("produce", topic, *at, text="\n".join(lines[:200]) + "\n")
    with Consumer(broker, group, topic) as one, Consumer(broker, group, topic) as two:
        settled = lambda found: found["state"] == "Stable" and sorted(sum(len(p) for p in m["assignment"].values()) for m in found["members"]) == [2, 2]
        wait_for(lambda: "tool-two" in run("group", "list", *at) and settled(described(group, *at)), "two members with two partitions each")
        run("produce", topic, *at, text="\n".join(lines[200:]) + "\n")
        wait_for(lambda: sum(one["lag"] or 0 for one in described(group, *at)["partitions"]) == 0, "no lag")
        owners = {partition["owner"] for partition in described(group, *at)["partitions"]}
        assert owners == {member["member"] for member in described(group, *at)["members"]}
        printed = one.stop() + two.stop()
    assert sorted(printed, key=int) == lines
    found = described(group, *at)
    assert found["state"] == "Empty" and not found["members"], "who ends in order leaves"
    assert [one["committed"] for one in found["partitions"]] == [one["end"] for one in found["partitions"]]


def test_a_member_goes_on_after_the_broker_was_killed(broker, make_topic):
    topic, group, at = make_topic(2), "tool-killed", ("--bootstrap", broker.address)
    run("produce", topic, *at, text="".join(f"{i}\n" for i in range(100)))
    with Consumer(broker, group, topic) as ours:
        # The first commit is due 5 s after the start.
        wait_for(lambda: group in run("group", "list", *at) and sum(one["committed"] or 0 for one in described(group, *at)["partitions"]) == 100, "a commit")
        [before] = described(group, *at)["members"]
        broker.restart(kill=True)
        run("produce", topic, *at, text="".join(f"{i}\n" for i in range(100, 200)))
        wait_for(lambda: sum(one["committed"] or 0 for one in described(group, *at)["partitions"]) == 200, "a commit after the restart")
        [after] = described(group, *at)["members"]
        assert after["member"] == before["member"], "a member that comes back within its session is the same"
        printed = ours.stop()
    assert sorted(printed, key=int) == [str(i) for i in range(200)]


def test_only_what_was_printed_is_committed(broker, make_topic):
    topic, group, at = make_topic(), "tool-count", ("--bootstrap", broker.address)
    run("produce", topic, *at, text="".join(f"{i}\n" for i in range(100)))
    consume = ("consume", topic, "--group", group, "--from-beginning", *at)
    assert run(*consume, "--count", "7").splitlines() == [str(i) for i in range(7)]
    [partition] = described(group, *at)["partitions"]
    assert (partition["committed"], partition["end"], partition["lag"], partition["owner"]) == (7, 100, 93, None)
    rest = json_lines(run(*consume, "--exit-at-end", "--json"))
    assert [(one["offset"], one["value"]) for one in rest] == [(i, str(i)) for i in range(7, 100)]
    assert run(*consume, "--exit-at-end") == ""


def test_a_group_is_shared_with_another_client(broker, make_topic):
    topic, group, at = make_topic(2), "tool-shared", ("--bootstrap", broker.address)
    stop = threading.Event()
    seen = []

    def consume():
        client = KafkaConsumer(topic, group_id=group, bootstrap_servers=broker.address, auto_offset_reset="earliest",
                               heartbeat_interval_ms=500, consumer_timeout_ms=200)
        while not stop.is_set():
            seen.extend(record.value.decode() for record in client)
        client.close()

    other = threading.Thread(target=consume)
    other.start()
    try:
        with Consumer(broker, group, topic) as ours:
            wait_for(lambda: group in run("group", "list", *at) and len(described(group, *at)["partitions"]) == 2
                     and len({one["owner"] for one in described(group, *at)["partitions"]} - {None}) == 2, "an owner for each partition")
            run("produce", topic, *at, text="".join(f"{i}\n" for i in range(100)))
            wait_for(lambda: sum(one["lag"] or 0 for one in described(group, *at)["partitions"]) == 0, "no lag")
            assert any(member["assignment"] == {topic: [0]} for member in described(group, *at)["members"])
            printed = ours.stop()
    finally:
        stop.set()
        other.join(TOOL_S)
    assert len(printed) == 50 and sorted(printed + seen, key=int) == [str(i) for i in range(100)]


def test_offsets_are_reset_only_when_told_to_and_only_without_members(broker, make_topic):
    topic, group, at = make_topic(2), "tool-reset", ("--bootstrap", broker.address)
    run("produce", topic, *at, text="".join(f"{i}\n" for i in range(100)))
    commit_by_client(broker, group, [(topic, 0, 20), (topic, 1, 30)])
    committed = lambda: [one["committed"] for one in described(group, *at)["partitions"]]
    reset = ("group", "reset-offsets", group, *at)
    assert topic in run(*reset, "--topic", topic, "--to-earliest")
    assert committed() == [20, 30], "a dry run changes nothing"
    run(*reset, "--topic", f"{topic}:1", "--to-latest", "--execute")
    assert committed() == [20, 50]
    run(*reset, "--all-topics", "--shift-by", "-10", "--execute")
    assert committed() == [10, 40]
    clamped = json_lines(run(*reset, "--all-topics", "--to-offset", "70", "--execute", "--json"))
    assert [(one["before"], one["after"], bool(one["note"])) for one in clamped] == [(10, 50, True), (40, 50, True)]
    run(*reset, "--all-topics", "--to-datetime", "2000-01-01T00:00:00Z", "--execute")
    assert committed() == [0, 0]
    run(*reset, "--all-topics", "--by-duration", "PT0S", "--execute")
    assert committed() == [50, 50]
    assert "not a date" in run(*reset, "--all-topics", "--to-datetime", "soon", expect=1)
    assert "has no partition 9" in run(*reset, "--topic", f"{topic}:9", "--to-latest", expect=1)
    run(*reset, "--all-topics", expect=2)
    with Consumer(broker, group, topic) as member:
        wait_for(lambda: described(group, *at)["state"] == "Stable", "a member")
        assert "in use" in run(*reset, "--all-topics", "--to-earliest", "--execute", expect=1)
        member.stop()
    assert committed() == [50, 50]


def test_groups_are_listed_by_state_and_deleted(broker, make_topic):
    topic, group, at = make_topic(2), "tool-delete", ("--bootstrap", broker.address)
    run("produce", topic, *at, text="1\n2\n")
    commit_by_client(broker, group, [(topic, 0, 1), (topic, 1, 0)])
    names = lambda *arguments: [one["group"] for one in json_lines(run("group", "list", "--json", *arguments, *at))]
    assert group in names("--state", "Empty") and group in names("--state", "stable,empty") and group not in names("--state", "Stable")
    assert group in run("group", "describe", "--all", *at)
    run("group", "delete", group, "--offsets", "--topic", f"{topic}:1", *at)
    assert [one["partition"] for one in described(group, *at)["partitions"]] == [0]
    with Consumer(broker, group, topic) as member:
        wait_for(lambda: described(group, *at)["state"] == "Stable", "a member")
        assert "NON_EMPTY_GROUP" in run("group", "delete", group, *at, expect=1)
        member.stop()
    assert "no group none-such" in run("group", "delete", "none-such", group, *at, expect=1)
    assert group not in names(), "one that cannot be deleted does not keep the others"
    assert "no group" in run("group", "describe", group, *at, expect=1)


def test_benchmarks_settle_count_and_leave_nothing():
    with brokers.create(settings={"group.initial.rebalance.delay.ms": "0"}) as broker:
        at = ("--bootstrap", broker.address)
        small = ("--groups", "4", "--duration", "1", "--pid", broker.process.pid, "--json", *at)
        [found] = json_lines(run("bench", "groups", "--members", "3", "--connections", "7", "--heartbeat-ms", "100", *small))
        # 12 members with 10 heartbeats each, fewer on a busy machine.
        assert found["settled_s"] > 0 and found["heartbeats"]["count"] >= 36
        assert found["heartbeats"]["errors"] == found["heartbeats"]["rejoins"] == 0
        assert found["usage"]["broker"]["memory_kib"] > 0
        [found] = json_lines(run("bench", "commits", "--consumers", "8", *small))
        assert found["commits"]["count"] > 0 and found["commits"]["errors"] == 0
        assert "at least" in run("bench", "groups", "--members", "3", "--connections", "2", *at, expect=1)
        assert "bench" not in run("topic", "list", *at) + run("group", "list", *at)


def test_a_load_of_records_is_sent_counted_and_taken_away(broker):
    at = ("--bootstrap", broker.address)
    shape = ("--partitions", "3", "--record-bytes", "100", "--batch-records", "5", "--pid", broker.process.pid, "--json", *at)
    [found] = json_lines(run("bench", "produce", "--records", "10000", "--window", "7", *shape))
    assert (found["records"], found["requests"], found["requests_unsent"]) == (10000, 2000, 0)
    assert found["connections"] == 3 and found["latency"]["count"] == 2000 and found["latency"]["p50_ms"] <= found["latency"]["max_ms"]
    assert found["usage"]["broker"]["own_bytes_max"] > 0
    [found] = json_lines(run("bench", "produce", "--rate", "1000", "--warmup", "0.2", "--duration", "1", *shape))
    assert found["latency"]["count"] == 200, "one request for every 5 records, by the schedule"
    for acks in ("0", "1"):
        assert "MB/s" in run("bench", "produce", "--bytes", "1MB", "--acks", acks, *at)
    assert "UNKNOWN_TOPIC_OR_PARTITION" in run("bench", "produce", "--topic", "none-such", *at, expect=1)
    [found] = json_lines(run("bench", "consume", "--fill", "1MB", "--once", *shape))
    assert found["records"] == 10000 and found["usage"]["broker"]["own_bytes_max"] > 0
    [found] = json_lines(run("bench", "latency", "--rate", "500", "--end-to-end", "--warmup", "0.2", "--duration", "0.6", "--partitions", "2", "--json", *at))
    assert found["latency"]["count"] == found["end_to_end"]["count"] == 300 and found["requests_unsent"] == 0
    [found] = json_lines(run("bench", "partitions", "--partitions", "20", "--idle", "0.1", "--pid", broker.process.pid, "--json", *at))
    assert found["latency"]["count"] == 20 and len(found["own_bytes"]) == 4
    assert "MESSAGE_TOO_LARGE" in run("bench", "produce", "--batch-bytes", "2MiB", "--config", "max.message.bytes=1000000", *at, expect=1)
    assert "bench" not in run("topic", "list", *at)


def floor(*arguments):
    """A bare server and its address; to be ended by its process."""
    process = subprocess.Popen([highwater_binary(), "bench", "floor", *map(str, arguments), "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    assert line.startswith("ready "), line
    return process, line.split()[1]


def test_the_clients_work_at_the_bare_servers(tmp_path):
    for arguments, command in [(("append", "--file", tmp_path / "log"), ("produce", "--partitions", "3", "--bytes", "5MB", "--window", "32")),
                               (("sendfile", "--directory", tmp_path / "logs", "--partitions", "3", "--bytes", "5MB"), ("consume", "--topic", "floor", "--once"))]:
        process, address = floor(*arguments)
        try:
            [found] = json_lines(run("bench", *command, "--bootstrap", address, "--pid", process.pid, "--json"))
            assert 4_900_000 < found.get("payload_bytes", 0) + found.get("batch_bytes", 0) < 5_200_000
        finally:
            process.kill()
            process.communicate()
    assert (tmp_path / "log").stat().st_size > 5_000_000
    [found] = json_lines(run("bench", "floor", "commit", "--file", tmp_path / "commits", "--rate", "200", "--warmup", "0", "--duration", "0.5", "--json"))
    assert found["records"] == 100 and not (tmp_path / "commits").exists()


@pytest.mark.parametrize("command", [["--help"], ["serve", "--help"], ["topic", "--help"], ["produce", "--help"], ["consume", "--help"],
                                     ["group", "list", "--help"], ["group", "describe", "--help"], ["group", "reset-offsets", "--help"],
                                     ["group", "delete", "--help"], *[["bench", name, "--help"] for name in ("produce", "consume", "latency", "partitions", "floor")], ["bench", "groups", "--help"], ["bench", "commits", "--help"],
                                     ["log", "dump", "--help"], ["verify", "--help"], ["--version"]], ids=" ".join)
def test_every_command_explains_itself(command):
    assert len(run(*command)) > 5
