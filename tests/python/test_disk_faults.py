"""Disks that fail, fill up, become read-only or slow, or lose what was not synced, under the real binary and a real client. Highwater only.

Each case ends in full service or in an error that names the file. What a machine cannot do (FUSE, mounts) is skipped with the reason.
"""

import contextlib
import os
import random
import threading
import time
from pathlib import Path

import broker as brokers
import faultfs
import mounts
import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from waiting import until

SETTINGS = {"auto.create.topics.enable": "false", "group.initial.rebalance.delay.ms": "0"}
LOG = "00000000000000000000.log"
# Far below the 5 s of the slow sync, far above what anything takes.
SOON_S = 3
REFUSAL_MS = 4000
PATIENCE_MS = 30_000
MIB = 1 << 20


@pytest.fixture
def filesystem(tmp_path):
    """A mounted faultfs."""
    reason = faultfs.why_not()
    if reason:
        pytest.skip(f"SKIPPED: {reason}")
    with faultfs.FaultFs(tmp_path / "mnt", seed=random.randrange(1 << 32)) as mounted:
        yield mounted


class Served:
    """A broker, two topics of one partition, and what was acknowledged in each."""

    def __init__(self, broker):
        self.broker, self.acknowledged, self.number = broker, {}, 0

    def create(self, *topics, configs=None):
        """Makes topics of one partition."""
        admin = AdminClient({"bootstrap.servers": self.broker.address})
        for made in admin.create_topics([NewTopic(name, 1, 1, config=configs or {}) for name in topics]).values():
            made.result(30)
        for name in topics:
            self.acknowledged.setdefault(name, [])

    def send(self, topic, count=1, size=0, timeout_ms=REFUSAL_MS):
        """Sends records and waits; None or what the first one that was refused was told."""
        producer = Producer({"bootstrap.servers": self.broker.address, "retries": 0, "message.timeout.ms": timeout_ms, "log_level": 0})
        refusals = []

        def answered(failure, message):
            if failure:
                refusals.append(failure)
            else:
                self.acknowledged[topic].append(message.value())
        for _ in range(count):
            self.number += 1
            producer.produce(topic, b"%d " % self.number + os.urandom(max(size, 8)), partition=0, on_delivery=answered)
        producer.flush(timeout_ms / 1000 * 2)
        return refusals[0] if refusals else None

    def read(self, topic):
        """Every record of a topic, in order."""
        consumer = Consumer({"bootstrap.servers": self.broker.address, "group.id": "reader", "enable.auto.commit": False, "log_level": 0})
        end = until(lambda: watermark(consumer, topic), f"the end of {topic}", every_s=0.1)[1]
        consumer.assign([TopicPartition(topic, 0, 0)])
        values = []
        while end and (not values or values[-1][0] < end - 1):
            message = consumer.poll(30)
            assert message is not None, f"{topic} ends at {end}, read {len(values)}"
            if not message.error():
                values.append((message.offset(), message.value()))
        consumer.close()
        return [value for _, value in values]

    def check(self, *topics):
        """Everything acknowledged is there, once and in order; what was refused may be there too."""
        for topic in topics:
            there = self.read(topic)
            assert len(there) == len(set(there)), topic
            kept = set(self.acknowledged[topic])
            assert [value for value in there if value in kept] == self.acknowledged[topic], topic

    def restart(self):
        """Kills and starts; everything serves again, and takes records."""
        self.broker.restart(kill=True)
        self.check(*self.acknowledged)
        for topic in self.acknowledged:
            until(lambda: self.send(topic) is None, f"{topic} takes records")
        self.check(*self.acknowledged)

    def lines(self, *texts):
        """The lines in the broker's log that have all these texts."""
        return [line for line in self.broker.log_path.read_text(errors="replace").splitlines() if all(text in line for text in texts)]

    def told(self, *texts):
        """Waits for such a line."""
        return until(lambda: self.lines(*texts), f"a line with {texts}", timeout_s=30)[0]

    def lost(self, topic):
        """Whether something acknowledged is gone: the broker says so and names the file, or a reader sees it."""
        consumer = Consumer({"bootstrap.servers": self.broker.address, "group.id": "reader", "log_level": 0})

        def told():
            return self.lines("ERROR", "is offline", f"{topic}-0/{LOG}")
        until(lambda: told() or watermark(consumer, topic), f"{topic} is served or offline", every_s=0.1)
        consumer.close()
        return bool(told()) or not set(self.acknowledged[topic]) <= set(self.read(topic))


def watermark(consumer, topic):
    """(first, end) of a topic's only partition, or None as long as it cannot be told."""
    try:
        return consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=5)
    except KafkaException:
        return None


@contextlib.contextmanager
def served(filesystem, tmp_path, settings=None):
    """A broker on faultfs with the topics `good` and `bad`, some records in each."""
    with faultfs.Powered(filesystem, directory=directory(tmp_path), settings={**SETTINGS, **(settings or {})}) as broker:
        yield ready(broker)


def ready(broker):
    """Topics `good` and `bad` with records."""
    it = Served(broker)
    it.create("good", "bad")
    assert [it.send(topic, 20, 100) for topic in ("good", "bad")] == [None, None]
    return it


def directory(tmp_path):
    """For the broker's log."""
    (tmp_path / "broker").mkdir()
    return tmp_path / "broker"


def test_a_power_loss_keeps_what_was_synced_and_may_lose_the_rest(filesystem):
    """The file system itself: the tests below mean something."""
    seen = set()
    for seed in range(20):
        place = filesystem.directory / f"d{seed}"
        place.mkdir()
        with open(place / "a", "w+b", buffering=0) as file:
            file.write(b"x" * 5000)
            os.fsync(file)
            for path in (place, filesystem.directory):
                handle = os.open(path, os.O_RDONLY)
                os.fsync(handle)
                os.close(handle)
            file.seek(0)
            file.write(b"y" * 6000)
        (place / "b").write_bytes(b"never synced")
        filesystem.command("cut 1 0")
        filesystem.command(f"lose {seed}")
        left = (place / "a").read_bytes()
        assert len(left) >= 5000 and set(left[:5000]) <= set(b"xy")
        seen.add((left[:5000] == b"x" * 5000, left[:5000] == b"y" * 5000, (place / "b").exists()))
    assert {old for old, _, _ in seen} == {new for _, new, _ in seen} == {kept for _, _, kept in seen} == {True, False}


@pytest.mark.parametrize(("kind", "word"), [("sync", "Sync"), ("write", "Write")])
def test_a_failed_sync_or_write_takes_one_partition_offline_until_a_restart(filesystem, tmp_path, kind, word):
    with served(filesystem, tmp_path) as it:
        filesystem.command(f"fail {kind} *bad-0/*.log EIO once")
        assert it.send("bad") is not None
        it.told("ERROR", f"{word} of", f"bad-0/{LOG}", "os error 5")
        # The disk works again, and nothing is written after what may be lost.
        assert it.send("bad") is not None
        assert it.send("good", 10) is None
        it.create("made-meanwhile")
        it.check("good")
        it.restart()


def test_a_failed_sync_of_the_metadata_is_told_and_a_restart_serves_everything(filesystem, tmp_path):
    with served(filesystem, tmp_path) as it:
        filesystem.command("fail sync *meta.redb EIO once")
        with pytest.raises(KafkaException):
            it.create("late")
        it.acknowledged.pop("late", None)
        it.told("meta.redb")
        it.check("good", "bad")
        it.restart()
        it.create("after")


def test_a_slow_sync_holds_up_its_own_partition_only(filesystem, tmp_path):
    with served(filesystem, tmp_path) as it:
        member = Consumer({"bootstrap.servers": it.broker.address, "group.id": "beside", "auto.offset.reset": "earliest",
                           "session.timeout.ms": 6000, "heartbeat.interval.ms": 500})
        member.subscribe(["good"])
        assert until(lambda: member.poll(0.2), "the member gets records").error() is None
        filesystem.command("slow *bad-0/*.log 5000")
        before = time.monotonic()
        slow = threading.Thread(target=Served.send, args=(beside(it), "bad", 1, 0, PATIENCE_MS))
        slow.start()
        until(lambda: filesystem.stats()["sync"] and time.monotonic() - before > 0.5)
        rounds = 0
        while slow.is_alive() and time.monotonic() - before < 4:
            began = time.monotonic()
            assert it.send("good") is None
            it.check("good")
            assert AdminClient({"bootstrap.servers": it.broker.address}).list_topics(timeout=SOON_S).topics
            assert time.monotonic() - began < SOON_S
            assert not (message := member.poll(0)) or message.error() is None
            rounds += 1
        assert rounds and slow.is_alive(), "the sync was not slow"
        before = len(it.acknowledged["bad"])
        slow.join()
        assert len(it.acknowledged["bad"]) == before + 1
        filesystem.command("clear")
        assert member.assignment()
        member.close()
        it.check("good", "bad")


def beside(it):
    """The same, for a thread beside."""
    other = Served(it.broker)
    other.number, other.acknowledged = 1 << 20, it.acknowledged
    return other


def test_a_read_only_file_system_is_told_and_still_read_from(filesystem, tmp_path):
    with served(filesystem, tmp_path) as it:
        filesystem.command("fail change * EROFS always")
        assert it.send("bad") is not None
        it.told("ERROR", f"bad-0/{LOG}", "Read-only file system")
        it.check("good")
        with pytest.raises(KafkaException):
            it.create("refused")
        it.acknowledged.pop("refused", None)
        filesystem.command("clear")
        it.restart()


def test_a_full_disk_refuses_records_only_and_takes_them_again_when_there_is_space(tmp_path):
    with mounts.tmpfs(tmp_path / "mnt", 96 * MIB) as mount:
        with on(mount, tmp_path) as it:
            ballast = mount.directory / "ballast"
            with contextlib.suppress(OSError), open(ballast, "wb", buffering=0) as file:
                while True:
                    file.write(bytes(64 << 10))
            until(lambda: it.send("good", 20, 100_000) is not None, "records are refused", every_s=0)
            it.told("space")
            it.check("good", "bad")
            AdminClient({"bootstrap.servers": it.broker.address}).list_topics(timeout=SOON_S)
            ballast.unlink()
            until(lambda: it.send("good") is None, "records are taken again")
            it.check("good", "bad")
            it.restart()


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs"])
def test_a_data_directory_on_this_file_system_survives_kills(tmp_path, kind):
    with mounts.loop(kind, tmp_path) as mount, on(mount, tmp_path) as it:
        it.restart()
        with load(it, "bad"):
            it.broker.kill()
        mount.unmount()
        mount.mount()
        it.broker.start()
        it.restart()


@pytest.mark.parametrize("kind", ["ext4", "xfs"])
def test_a_file_system_that_loses_what_was_not_synced_keeps_everything_acknowledged(tmp_path, kind):
    """The kernel's own file systems, shut down under load: what is not in their journal is gone for good."""
    with mounts.loop(kind, tmp_path) as mount, on(mount, tmp_path) as it:
        for _ in range(2):
            with load(it, "bad"):
                mount.lose_what_is_not_synced()
                it.broker.kill()
            mount.unmount()
            mount.mount()
            it.broker.start()
            it.check("good", "bad")
        it.restart()


@contextlib.contextmanager
def load(it, topic):
    """Records are sent to a topic meanwhile; some were acknowledged before the body begins."""
    before = len(it.acknowledged[topic])
    sending = threading.Thread(target=Served.send, args=(beside(it), topic, 500, 300))
    sending.start()
    until(lambda: len(it.acknowledged[topic]) > before or not sending.is_alive(), "a record is acknowledged", every_s=0)
    yield
    sending.join()


def test_ext4_that_remounts_itself_read_only_is_told_and_still_read_from(tmp_path):
    with mounts.loop("ext4", tmp_path, options="errors=remount-ro") as mount, on(mount, tmp_path) as it:
        trigger = Path("/sys/fs/ext4") / mounts.device_of(mount.directory) / "trigger_fs_error"
        if not trigger.exists():
            pytest.skip("SKIPPED: ext4 cannot be told to fail here")
        trigger.write_text("1")
        assert until(lambda: it.send("bad"), "records are refused")
        it.told("ERROR", f"bad-0/{LOG}", "os error")
        it.check("good")
        it.broker.kill()
        mount.unmount()
        mount.mount()
        it.broker.start()
        it.restart()


@contextlib.contextmanager
def on(mount, tmp_path):
    """A broker with its data on a mount."""
    broker = brokers.Highwater(directory=directory(tmp_path), settings=SETTINGS)
    broker.data_dir = mount.directory / "data"
    with broker:
        yield ready(broker)


@pytest.mark.parametrize("policy", ["batch", "always"])
def test_nothing_acknowledged_is_lost_in_power_losses_and_kills(filesystem, tmp_path, policy):
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    chances = random.Random(seed)
    with served(filesystem, tmp_path, {"flush.policy": policy, "log.roll.ms": "1000"}) as it:
        for number in range(6):
            with load(it, "bad"):
                if number % 3 == 2:
                    it.broker.kill()
                else:
                    it.broker.lose_power(chances.randrange(1 << 32), chances.randint(1, 60), 400)
            it.broker.start()
            it.check("good", "bad")


def test_a_disk_that_lies_about_syncs_is_found_out(filesystem, tmp_path):
    """The tests above can fail."""
    with served(filesystem, tmp_path) as it:
        filesystem.command("lie *bad-0/*.log")
        for seed in range(20):
            assert it.send("bad", 20, 100) is None
            it.broker.lose_power(seed)
            it.broker.start()
            it.check("good")
            if it.lost("bad"):
                return
    pytest.fail("nothing was lost in 20 power losses")
