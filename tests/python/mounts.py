"""Small file systems of their own for a test: tmpfs, and ext4, xfs or btrfs in a file. Mounts are undone in any case."""

import contextlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

MIB = 1 << 20
# The least that mkfs takes, and some room.
SIZES = {"ext4": 64 * MIB, "xfs": 320 * MIB, "btrfs": 128 * MIB}
MKFS = {"ext4": ["mkfs.ext4", "-q", "-F"], "xfs": ["mkfs.xfs", "-q", "-f"], "btrfs": ["mkfs.btrfs", "-q", "-f"]}
PATH = os.environ["PATH"] + ":/usr/sbin:/sbin"


class Mount:
    """A directory where something is mounted; it can be unmounted and mounted again."""

    def __init__(self, directory, *options):
        self.directory, self.options = Path(directory), options
        self.directory.mkdir(parents=True, exist_ok=True)

    def mount(self):
        """Mounts it; the test is skipped where this machine does not let it."""
        if os.geteuid() != 0:
            pytest.skip("SKIPPED: only root may mount")
        done = run("mount", *self.options, str(self.directory))
        if done.returncode:
            pytest.skip(f"SKIPPED: mount {' '.join(map(str, self.options))}: {done.stdout.strip()}")

    def unmount(self):
        """Unmounts it, which must be possible: nothing uses it any more."""
        done = run("umount", str(self.directory))
        assert done.returncode == 0, done.stdout

    def lose_what_is_not_synced(self):
        """Shuts the file system down without writing its journal: every call fails until it is unmounted, and then what was not synced is gone."""
        if not shutil.which("xfs_io", path=PATH):
            pytest.skip("SKIPPED: there is no xfs_io")
        done = run("xfs_io", "-x", "-c", "shutdown", str(self.directory))
        assert done.returncode == 0 and not done.stdout, done.stdout

    def __enter__(self):
        self.mount()
        return self

    def __exit__(self, *_):
        while os.path.ismount(self.directory) and run("umount", "--lazy", str(self.directory)).returncode == 0:
            pass


def run(*command):
    """A tool, quietly."""
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, env={**os.environ, "PATH": PATH})


def tmpfs(directory, size):
    """A tmpfs of that many bytes."""
    return Mount(directory, "-t", "tmpfs", "-o", f"size={size}", "tmpfs")


@contextlib.contextmanager
def loop(kind, directory, options="defaults"):
    """A file system of that kind in a file of its own, mounted on `directory`/mnt."""
    directory = Path(directory)
    if not shutil.which(MKFS[kind][0], path=PATH):
        pytest.skip(f"SKIPPED: there is no {MKFS[kind][0]}")
    image = directory / f"{kind}.img"
    with open(image, "wb") as file:
        file.truncate(SIZES[kind])
    done = run(*MKFS[kind], str(image))
    assert done.returncode == 0, done.stdout
    with Mount(directory / "mnt", "-t", kind, "-o", f"loop,{options}", str(image)) as mount:
        yield mount


def device_of(directory):
    """The name of the block device that is mounted on a directory, as in /sys/fs."""
    for line in Path("/proc/mounts").read_text().splitlines():
        device, place, *_ = line.split()
        if place == str(directory):
            return Path(device).name
    raise RuntimeError(f"nothing is mounted on {directory}")
