"""Cases that need a broker of their own. Each prints a line and returns what is wrong."""

import contextlib
import resource
import shutil
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import frames
import observed
from harness import ENVIRONMENT, SETTINGS, Attack, Server, judge, prepare
from measured import Canary, stretch
from rawclient import Connection, api_versions
from waiting import until

FROZEN_S = 5
# Requests that wait for no disk.
OTHERS = ("fetch", "heartbeat", "connect", "livez")
DISK_BYTES = 512 << 20
DESCRIPTORS = 256
# What a broker may use of a processor while it refuses connections: a loop that spins takes a whole one.
REFUSING_CORES_MAX = 0.6
SHUTDOWN_MS = 3000
# Beyond shutdown.timeout.ms: what is written is made durable, files are closed.
CLOSING_S = 5


def command(*words):
    """Runs a command of the system; whether it went well."""
    return subprocess.run(words, capture_output=True).returncode == 0


@contextlib.contextmanager
def small_disk():
    """A directory on a file system of its own, None where this machine has none for us."""
    with tempfile.TemporaryDirectory(prefix="overload-disk-") as directory:
        image, mounted = Path(directory, "image"), Path(directory, "mounted")
        mounted.mkdir()
        with open(image, "wb") as file:
            file.truncate(DISK_BYTES)
        if not (shutil.which("fsfreeze") and command("mkfs.ext4", "-q", str(image)) and command("mount", "-o", "loop", str(image), str(mounted))):
            yield None
            return
        try:
            yield mounted
        finally:
            command("fsfreeze", "-u", str(mounted))
            command("umount", str(mounted))


def slow_sync(_small):
    """Nothing can be written or synced for seconds: who does not write notices nothing, who writes waits and is then answered."""
    with small_disk() as disk:
        if disk is None:
            print("slow_sync: skipped: no loop mounts, or no fsfreeze")
            return []
        server = Server(SETTINGS)
        server.data_dir = disk / "data"
        with server:
            prepare(server, megabytes=1)
            with Canary(server, ENVIRONMENT) as canary, observed.Watch(server.process.pid) as watch:
                quiet = stretch(2)
                if not command("fsfreeze", "-f", str(disk)):
                    print("slow_sync: skipped: the file system cannot be frozen")
                    return []
                under = stretch(FROZEN_S)
                command("fsfreeze", "-u", str(disk))
                # What waited is answered now.
                after = stretch(2)
            problems = judge(canary, quiet, under, OTHERS) + [f"after it: {failure}" for failure in canary.failures(after)]
            waited = max(canary.during("produce", (quiet[0], after[0]))[0]) / 1000
            if not FROZEN_S / 2 < waited < FROZEN_S + 2:
                problems.append(f"a produce waited {waited:.1f} s")
            shown = "  ".join(f"{kind} {canary.p99(kind, quiet):.1f} > {canary.p99(kind, under):.1f}" for kind in OTHERS)
    print(f"slow_sync {FROZEN_S} s  {shown}  produce waited {waited:.1f} s  MiB {watch.memory_mib_max:.0f}")
    return problems


class Limited(Server):
    """A broker that may open few files."""

    def _command(self):
        return ["prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}", *super()._command()]


def few_descriptors(_small):
    """More connections than descriptors: those that are there are served, the store can open files, nothing spins, and later all is well."""
    problems = []
    with Limited(SETTINGS) as server:
        prepare(server, megabytes=1)
        with Connection(server.port) as connection, Attack("idle", server, 2 * DESCRIPTORS):
            with observed.Watch(server.process.pid) as watch:
                for size in (1000, 900_000):
                    connection.send(frames.produce("quiet", frames.batch(size), partition=1))
                    code = frames.produce_code(connection.receive())
                    problems += [f"produce answers {code}"] if code else []
                time.sleep(2)
            used = observed.descriptors(server.process.pid)
        if watch.cores > REFUSING_CORES_MAX:
            problems.append(f"{watch.cores:.1f} cores while it refuses")
        until(lambda: observed.descriptors(server.process.pid) < used / 2, "the attackers' descriptors are free", timeout_s=20)
        with Connection(server.port) as connection:
            if not api_versions(connection):
                problems.append("no new connections afterwards")
        size = server.log_path.stat().st_size
    print(f"few_descriptors {used} of {DESCRIPTORS} used  cores {watch.cores:.2f}  log {size}")
    return problems


def shutdown(small):
    """SIGTERM under load: the process ends cleanly within its deadline, although nobody reads or stops sending."""
    problems = []
    with Server({**SETTINGS, "shutdown.timeout.ms": SHUTDOWN_MS}) as server:
        prepare(server, megabytes=100)
        count = 20 if small else 100
        with contextlib.ExitStack() as attacks:
            for name in ("pipelined_produce", "slow_readers", "slow_senders", "unread_answers"):
                attacks.enter_context(Attack(name, server, count))
            waiting = threading.Thread(target=long_poll, args=(server.port,))
            waiting.start()
            took = server.stop()
            waiting.join()
        began = server.start()
    print(f"shutdown under load {took:.1f} s of {SHUTDOWN_MS / 1000} s + {CLOSING_S}  start after it {began:.1f} s")
    if took > SHUTDOWN_MS / 1000 + CLOSING_S:
        problems.append(f"the stop took {took:.1f} s")
    return problems


def long_poll(port):
    """A consumer that waits for what never comes."""
    with contextlib.suppress(OSError), Connection(port, timeout_s=30) as connection:
        connection.send(frames.fetch("quiet", 1 << 40, 1000, max_wait_ms=600_000, partition=3))
        connection.receive()


CASES = {"slow_sync": slow_sync, "few_descriptors": few_descriptors, "shutdown": shutdown}
