"""What the broker shows over HTTP. Highwater only."""

import json
import re
import socket
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import broker as brokers
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from prometheus_client.parser import text_string_to_metric_families
from waiting import until

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture
def server(tmp_path):
    """A broker's (address, HTTP address)."""
    log = tmp_path / "log"
    command = [str(brokers.highwater_binary()), "serve", "--data-dir", str(tmp_path / "data"), "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"]
    with open(log, "wb") as err, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=err, text=True) as process:
        try:
            ready = process.stdout.readline().split()
            plain = re.sub(r"\x1b\[[0-9;]*m", "", log.read_text())
            yield ready[-1], re.search(r"HTTP:.*address=\"?([\d.:]+)", plain)[1]
        finally:
            process.kill()


def get(http, path, method="GET"):
    """(status, body)."""
    try:
        with urllib.request.urlopen(urllib.request.Request(f"http://{http}{path}", method=method), timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_figures_are_those_of_what_was_done(server):
    address, http = server
    admin = AdminClient({"bootstrap.servers": address})
    admin.create_topics([NewTopic("t", 1, 1)])["t"].result(10)
    producer = Producer({"bootstrap.servers": address})
    for number in range(50):
        producer.produce("t", str(number), partition=0)
    assert producer.flush(10) == 0
    consumer = Consumer({"bootstrap.servers": address, "group.id": "g"})
    consumer.commit(offsets=[TopicPartition("t", 0, 30)], asynchronous=False)
    consumer.close()
    families = list(text_string_to_metric_families(get(http, "/metrics")[1]))
    documented = set(re.findall(r"^\| `(\w+)`", (DOCS / "metrics.md").read_text(), re.M))
    assert {name.removesuffix("_total") for name in documented} == {family.name for family in families}
    samples = {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}
    partition = (("partition", "0"), ("topic", "t"))
    assert samples["highwater_appended_records_total", ()] == 50
    assert samples["highwater_partition_high_watermark", partition] == 50
    assert samples["highwater_group_lag_records", (("group", "g"), *partition)] == 20
    assert samples["highwater_requests_total", (("api", "Produce"),)] >= 1
    assert samples["highwater_metadata_commits_total", ()] >= 1
    status = json.loads(get(http, "/status.json")[1])
    assert status["ready"] and status["groups"][0]["offsets"] == [{"topic": "t", "partition": 0, "committed": 30, "lag": 20}]


def test_pages_and_what_is_refused_beside_a_slow_client(server):
    _, http = server
    host, port = http.split(":")
    with socket.create_connection((host, int(port))) as slow:
        slow.sendall(b"GET /metrics HT")
        assert get(http, "/livez")[0] == get(http, "/readyz")[0] == 200
        assert "<title>" in get(http, "/status")[1]
        assert get(http, "/status", "POST")[0] == 405


def test_an_address_in_use_that_was_asked_for_ends_the_start(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        command = [str(brokers.highwater_binary()), "serve", "--data-dir", str(tmp_path / "data"), "--listen", "127.0.0.1:0", "--http", address]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert ended.returncode != 0 and ended.stdout == "" and address in ended.stderr.strip().splitlines()[-1]


def start(data, *options):
    """A broker process and its (address, HTTP address or None)."""
    command = [str(brokers.highwater_binary()), "serve", "--data-dir", str(data), "--listen", "127.0.0.1:0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    http = None
    for text in process.stderr:
        found = re.search(r"HTTP:.*address=\S*?([\d.]+:\d+)", text)
        http = found[1] if found else http
        if found or "recovered" in text:
            break
    return process, process.stdout.readline().split()[-1], http


def test_readiness_and_recovery_tell_of_a_damaged_partition(tmp_path):
    process, address, _ = start(tmp_path, "--http", "127.0.0.1:0")
    admin = AdminClient({"bootstrap.servers": address})
    admin.create_topics([NewTopic("good", 2, 1), NewTopic("bad", 1, 1)])["bad"].result(10)
    producer = Producer({"bootstrap.servers": address})
    for topic in ("good", "bad"):
        producer.produce(topic, b"value", partition=0)
    assert producer.flush(10) == 0
    process.terminate()
    assert process.wait(20) == 0
    segment, = (tmp_path / "bad-0").glob("*.log")
    segment.write_bytes(b"\0" + segment.read_bytes()[1:20])
    process, address, http = start(tmp_path, "--http", "127.0.0.1:0", "--set", "metrics.max.series=1")
    try:
        until(lambda: json.loads(get(http, "/status.json")[1])["recovery"]["done"] == 3, "recovery of three partitions")
        assert get(http, "/readyz") == (503, "1 partitions are offline\n")
        status = json.loads(get(http, "/status.json")[1])
        assert {f"{p['topic']}-{p['partition']}": p["state"] for p in status["partitions"]} == {"good-0": "online", "good-1": "online", "bad-0": "offline"}
        assert [found["partition"] for found in status["recovery"]["found"]] == ["bad-0"] and not status["ready"]
        page = get(http, "/metrics")[1]
        assert 'highwater_partitions{state="offline"} 1\n' in page and "highwater_recovery_findings 1\n" in page and "highwater_ready 0\n" in page
        assert page.count("highwater_partition_log_bytes{") == 1
        assert 'highwater_series_left_out{metric="highwater_partition_log_bytes"} 2\n' in page
        assert "bad" in get(http, "/status")[1] and get(http, "/livez")[0] == 200
    finally:
        process.kill()
        process.wait()


def test_none_switches_it_off(tmp_path):
    process, _, http = start(tmp_path, "--http", "none")
    try:
        assert http is None
    finally:
        process.kill()
        process.wait()
