"""The file system of tests/faultfs, which loses what was not synced, fails and lies, as a mount that is undone in any case.

The process ends and unmounts when its stdin ends, so also when the test is killed. Environment: FAULTFS_BIN (another binary).
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import broker as brokers

END_S = 60
CAP_SYS_ADMIN = 21


def binary():
    """The program; by default the newest of those that cargo built."""
    named = os.environ.get("FAULTFS_BIN")
    if named:
        return Path(named)
    target = Path(os.environ.get("CARGO_TARGET_DIR", brokers.ROOT / "target"))
    built = [path for profile in ("sim", "release", "debug") if (path := target / profile / "faultfs").exists()]
    if not built:
        sys.exit("no faultfs binary: run `cargo build -p highwater-test-faultfs` or set FAULTFS_BIN")
    return max(built, key=lambda path: path.stat().st_mtime)


def why_not():
    """Why this machine cannot mount it, or None."""
    if not Path("/dev/fuse").exists():
        return "there is no /dev/fuse"
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "/dev/fuse may not be opened"
    # It is for other users; root without the right is in a container.
    if not may_mount() and (os.geteuid() == 0 or not shutil.which("fusermount3")):
        return "mounting needs CAP_SYS_ADMIN, or fusermount3"
    return None


def may_mount():
    """Whether this process has CAP_SYS_ADMIN."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> CAP_SYS_ADMIN & 1)
    return False


class FaultFs:
    """A mount. Use as a context manager. Commands are those of the program's table."""

    def __init__(self, directory, seed=0):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        # In a session of its own: Ctrl-C is for the test, which then ends it.
        self.process = subprocess.Popen(
            [str(binary()), str(self.directory), str(seed)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
        if self.process.stdout.readline() != "ready\n":
            self.close()
            raise RuntimeError(f"faultfs did not mount {self.directory}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def command(self, text):
        """What the program answers to a command."""
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if not answer.startswith("ok"):
            raise RuntimeError(f"faultfs: {text}: {answer or 'it has ended'}")
        return answer[3:]

    def stats(self):
        """{kind of operation: how often}."""
        return {name: int(count) for name, count in (pair.split("=") for pair in self.command("stats").split())}

    def close(self):
        """Unmounts and ends the process."""
        self.process.stdin.close()
        try:
            self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        # Nothing is left to do unless it was killed.
        if os.path.ismount(self.directory):
            subprocess.run(["umount", "--lazy", str(self.directory)], check=False)


class Powered(brokers.Highwater):
    """A broker whose data is on such a mount; `lose_power` is its way to die beside `kill`."""

    def __init__(self, filesystem, **arguments):
        super().__init__(**arguments)
        self.filesystem = filesystem
        self.data_dir = filesystem.directory / "data"

    def lose_power(self, seed, after=1, limit_ms=0):
        """Cuts the power within the change number `after` from now, or after `limit_ms`. Returns the last change of the disk.

        The machine stands still first, so that the process neither does nor tells anything after that moment.
        """
        last = self.filesystem.command(f"cut {after} {limit_ms}")
        self.process.send_signal(signal.SIGKILL)
        self.filesystem.command(f"lose {seed}")
        self._end(signal.SIGKILL)
        return last
