"""Sealed segments that rot under a broker that runs, or before it starts. Highwater only."""

import json
import os
import time

import pytest
from confluent_kafka import Producer
from test_space import Watched, create
from waiting import until

SETTINGS = {"log.segment.bytes": 1 << 20, "log.scrub.interval.ms": 200, "log.scrub.io.max.bytes.per.second": 100 << 20}


@pytest.fixture
def broker(tmp_path):
    """A broker with some sealed segments."""
    with Watched(tmp_path, SETTINGS) as server:
        create(server, "t")
        producer = Producer({"bootstrap.servers": server.address, "linger.ms": 0})
        for _ in range(50):
            producer.produce("t", os.urandom(100_000), partition=0)
            producer.flush(20)
        yield server


def segments(broker):
    """The segments, oldest first."""
    return sorted((broker.data_dir / "t-0").glob("*.log"))


def flip(path, position):
    """Flips a bit of a file, on the device."""
    with open(path, "r+b") as file:
        file.seek(position)
        byte = file.read(1)
        file.seek(position)
        file.write(bytes([byte[0] ^ 4]))
        file.flush()
        os.fsync(file.fileno())


def scrub(broker):
    """What the scrub says of itself."""
    return json.loads(broker.get("/status.json")[1])["scrub"]


def looked_again(broker):
    """Waits until every sealed segment was read once more."""
    seen = scrub(broker)["segments"] + 2 * len(segments(broker))
    until(lambda: scrub(broker)["segments"] >= seen, "every segment is read again")


@pytest.mark.parametrize("position", [15, 300])
def test_rot_under_a_running_broker_is_reported_and_forgotten_when_it_is_undone(broker, position):
    looked_again(broker)
    assert scrub(broker)["damaged"] == [] and broker.metric("highwater_damaged_segments") == 0
    rotten = segments(broker)[1]
    flip(rotten, position)
    found = until(lambda: scrub(broker)["damaged"], "the damage is found")
    assert len(found) == 1 and found[0]["file"].endswith(rotten.name) and found[0]["first_offset"] == int(rotten.stem), found
    assert broker.metric("highwater_damaged_segments") == 1
    assert "a sealed segment is damaged" in broker.log_path.read_text()
    assert broker.get("/readyz")[0] == 200, "the rest is served"
    looked_again(broker)
    assert broker.log_path.read_text().count("a sealed segment is damaged") == 1
    flip(rotten, position)
    until(lambda: scrub(broker)["damaged"] == [], "it is good again")
    broker.stop()


def test_rot_before_a_start_is_reported(broker):
    broker.stop()
    rotten = segments(broker)[0]
    flip(rotten, 500_000)
    broker.start()
    found = until(lambda: scrub(broker)["damaged"], "the damage is found")
    assert found[0]["file"].endswith(rotten.name) and "checksum" in found[0]["problem"], found


def test_the_rate_is_kept_and_0_reads_nothing(broker):
    broker.stop()
    broker.settings |= {"log.scrub.io.max.bytes.per.second": 1 << 20}
    broker.start()
    first = until(lambda: scrub(broker)["bytes"], "something is read")
    began = time.monotonic()
    last = until(lambda: (now := scrub(broker)["bytes"]) >= first + (3 << 20) and now, "three pieces more are read")
    assert last - first <= (1 << 20) * (time.monotonic() - began + 2)
    broker.stop()
    broker.settings |= {"log.scrub.io.max.bytes.per.second": 0}
    broker.start()
    assert scrub(broker) == {"bytes": 0, "segments": 0, "pass_ms": None, "damaged": []}
