"""Damaged, missing and yesterday's files under the real binary and a real client. Highwater only.

Each case of docs/operations.md ("Damage") ends in full service, or in an error that names the file while everything else
serves; `verify` tells of it, and after `repair` everything that is left is served at its own offset.
"""

import os
import random
import shutil
import time

import crc32c
import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from numbered import RECORDS, SEGMENT_BYTES, Server, fill, highwater, read, whole


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """Directories as a clean stop and as SIGKILL leave them: topic `t` with two partitions of several segments, topic `other`."""
    made = {}
    for name, kill in (("stopped", False), ("killed", True)):
        server = Server(tmp_path_factory.mktemp(name))
        server.start()
        admin = AdminClient({"bootstrap.servers": server.address})
        configs = {"segment.bytes": str(SEGMENT_BYTES), "index.interval.bytes": "512"}
        topics = [NewTopic("t", 2, 1, config=configs), NewTopic("other", 1, 1)]
        for future in admin.create_topics(topics).values():
            future.result(20)
        fill(server.address, count=RECORDS // 2)
        # Yesterday's files: as they were in the middle.
        server.end()
        yesterday = server.data.parent / "yesterday"
        shutil.copytree(server.data, yesterday)
        server.start()
        fill(server.address, count=RECORDS // 2, first=RECORDS // 2)
        fill(server.address, (0,), 20, "other")
        consumer = Consumer({"bootstrap.servers": server.address, "group.id": "g"})
        consumer.commit(offsets=[TopicPartition("t", 0, 123)], asynchronous=False)
        consumer.close()
        server.end(kill)
        made[name] = (server.data, yesterday)
    return made


@pytest.fixture
def server(tmp_path):
    """A server over a directory that a test puts there; ended in the end."""
    server = Server(tmp_path)
    yield server
    server.end(kill=True)


def segments(data, partition=0):
    """The segments of `t-<partition>`, first one first."""
    found = sorted((data / f"t-{partition}").glob("*.log"))
    return [path for path in found if path.stat().st_size > 0]


FILES = {
    "index": lambda data: segments(data)[0].with_suffix(".index"),
    "timeindex": lambda data: segments(data)[0].with_suffix(".timeindex"),
    "snapshot": lambda data: sorted((data / "t-0").glob("*.snapshot"))[-1],
    "producers": lambda data: sorted((data / "t-0").glob("*.producers"))[-1],
    "epochs": lambda data: data / "t-0" / "leader-epoch-checkpoint",
    "partition.metadata": lambda data: data / "t-0" / "partition.metadata",
    "first segment": lambda data: segments(data)[0],
    "middle segment": lambda data: segments(data)[len(segments(data)) // 2],
    "last segment": lambda data: segments(data)[-1],
    "checkpoint": lambda data: data / "checkpoint",
    "synced-ends": lambda data: data / "synced-ends",
    "journal": lambda data: data / "journal",
    "clean-stop": lambda data: data / "clean-stop",
    "format": lambda data: data / "format",
    "lock": lambda data: data / "lock",
    "meta.redb": lambda data: data / "meta.redb",
}


def garbled(path, _):
    """Some bytes in the middle are others; of a segment, in the middle of a batch."""
    raw = bytearray(path.read_bytes())
    start, end = 0, len(raw)
    if path.suffix == ".log":
        start, end = batch_at(raw, len(raw) // 2)
    middle = (start + end) // 2
    raw[middle:middle + 8] = bytes(byte ^ 0x5a for byte in raw[middle:middle + 8])
    path.write_bytes(raw)


def batch_at(raw, position):
    """Where the batch begins and ends that holds a position."""
    start, end = 0, 0
    while end <= position:
        start, end = end, end + 12 + int.from_bytes(raw[end + 8:end + 12], "big")
    return start, end


def header(path, _):
    """One bit of the second batch's offset, which no checksum covers, is another."""
    raw = bytearray(path.read_bytes())
    second = 12 + int.from_bytes(raw[8:12], "big")
    raw[second + 6] ^= 1
    path.write_bytes(raw)


def truncated(path, _):
    """The second half is gone."""
    raw = path.read_bytes()
    path.write_bytes(raw[:len(raw) // 2])


def empty(path, _):
    """Nothing is left."""
    path.write_bytes(b"")


def zeroed(path, _):
    """All is zeros."""
    path.write_bytes(bytes(path.stat().st_size))


def extended(path, _):
    """Garbage stands behind it."""
    path.write_bytes(path.read_bytes() + b"\xb7" * 100)


def missing(path, _):
    """It is gone."""
    path.unlink()


def yesterdays(path, yesterday):
    """It is as it was earlier."""
    old = yesterday / path.name if path.parent.name == "data" else yesterday / path.parent.name / path.name
    if not old.exists():
        pytest.skip("yesterday there was no such file")
    shutil.copyfile(old, path)


def directory(path, _):
    """A directory stands in its place."""
    path.unlink()
    path.mkdir()


DAMAGE = [garbled, truncated, empty, zeroed, extended, missing, yesterdays, directory]
CASES = [(file, damage) for file in FILES for damage in DAMAGE + ([header] if file.endswith("segment") else [])]


def pass_for_the_original(data):
    """Has `synced-ends` tell that the directory is no copy: its journal is then looked at as strictly as the original's."""
    path = data / "synced-ends"
    raw = bytearray(path.read_bytes())
    for at in range(0, len(raw), 64):
        if raw[at:at + 4] == b"HWSJ":
            raw[at + 16:at + 24] = path.stat().st_ino.to_bytes(8, "little")
            checksum = crc32c.crc32c(bytes(raw[at:at + 4] + raw[at + 8:at + 64]))
            raw[at + 4:at + 8] = checksum.to_bytes(4, "little")
    path.write_bytes(raw)


# DAMAGE_CASES=all runs every one; else so many by SEED, which the names of the tests tell.
SEED = int(os.environ.get("SEED", time.time_ns() // 10**9))
CASES = [(left, *case) for case in CASES for left in ("stopped", "killed")]
if os.environ.get("DAMAGE_CASES") != "all":
    CASES = random.Random(SEED).sample(CASES, int(os.environ.get("DAMAGE_CASES", "12")))


@pytest.mark.parametrize("left,file,damage", CASES, ids=[f"{file} {damage.__name__} {left} seed {SEED}" for left, file, damage in CASES])
def test_damage_ends_in_full_service_or_an_error_that_names_the_file(originals, server, left, file, damage):
    original, yesterday = originals[left]
    shutil.copytree(original, server.data)
    pass_for_the_original(server.data)
    path = FILES[file](server.data)
    if file in ("clean-stop", "journal") and not path.exists():
        pytest.skip("there is no marker after SIGKILL, and no journal after a clean stop")
    damage(path, yesterday)
    if damage is directory and file in ("clean-stop", "lock"):
        # Nothing is lost: whoever made it removes it.
        verified = highwater("verify", server.data, expect=None)
        assert "DAMAGE FOUND" in verified and path.name in verified, verified
        refused = server.start()
        assert refused and str(path) in refused, refused
        return
    dry = highwater("repair", server.data, "--offline", "--dry-run", "--rebuild-metadata", expect=None)
    verified = highwater("verify", server.data, expect=None)
    is_damaged = "DAMAGE FOUND" in verified
    assert is_damaged == ("nothing to repair" not in dry), (dry, verified)
    serves_whole = serve_and_judge(server, path, damage)
    assert serves_whole or is_damaged, f"it does not serve, and verify says nothing: {verified}"
    if not is_damaged:
        return
    # The start may have changed things: repair what is damaged now, from the original if it did not start.
    highwater("repair", server.data, "--offline", "--rebuild-metadata")
    highwater("verify", server.data)
    refused = server.start()
    assert refused is None, refused
    assert all(p["state"] == "online" for p in server.status()["partitions"]), server.text()
    # Where the end of a log is lost, a reader learns from the next record that it was.
    fill(server.address, count=5, first=RECORDS)
    for partition in (0, 1):
        found = read(server, partition)
        assert isinstance(found, dict), found
        good = whole(partition, RECORDS + 5)
        assert all(good[offset] == record for offset, record in found.items())
        assert partition == 0 or found == good
        assert len(found) > 5, "not everything can be lost"


def serve_and_judge(server, path, damage):
    """Starts on what is damaged. Whether everything is served; anything less must name the file."""
    refused = server.start()
    if refused:
        assert str(path) in refused or str(server.data) in refused, refused
        return False
    served, is_told = True, damage is not header
    topics = {p["topic"] for p in server.status()["partitions"]}
    if "t" not in topics:
        assert "t-0" in server.text(), "a directory that is not known is told of"
        served = False
    for partition in (0, 1) if served else ():
        found = read(server, partition)
        if found == whole(partition):
            continue
        assert partition == 0, f"only t-0 was damaged: {found}"
        served = False
        if isinstance(found, dict):
            # No consumer can see that a batch tells other offsets than it had: verify does, and the scrub.
            assert not is_told, f"records are missing in silence: {sorted(set(whole(0)) - set(found))}"
            continue
        assert names(path, found), f"{found}, and the damage is in {path}"
    server.end(kill=True)
    return served


def names(path, text):
    """Whether an error is about a file: names it, its directory as missing, or the segment beside it."""
    return text is not None and (path.name in text or path.stem in text or path.parent.name in text)
