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
