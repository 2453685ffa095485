"""Where the figures come from: processors, memory, kernel, disk, versions. No names and no addresses."""

import os
import platform
import re
import subprocess
from pathlib import Path


def read(path):
    """A file's text without its end of line; None when it cannot be read."""
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None


def mount_of(directory):
    """Device, type and options of the file system of a directory."""
    directory, best = str(Path(directory).resolve()), ("", "?", "?", "?")
    for line in (read("/proc/self/mounts") or "").splitlines():
        device, point, kind, options = line.split()[:4]
        inside = directory == point or directory.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best[0]):
            best = (point, device, kind, options)
    return best[1:]


def queue(device):
    """Settings of a block device's queue, or of the disk that the partition is on."""
    name = Path(device).name
    for candidate in (name, re.sub(r"p?\d+$", "", name)):
        folder = Path("/sys/block") / candidate / "queue"
        if folder.is_dir():
            return {key: read(folder / key) for key in ("rotational", "wbt_lat_usec", "write_cache", "fua", "scheduler")}
    return {}


def written_bytes(directory):
    """Bytes that anybody has written to the device that a directory is on; None where that is no block device of the system's."""
    number = os.stat(directory).st_dev
    for line in (read("/proc/diskstats") or "").splitlines():
        fields = line.split()
        if fields[:2] == [str(os.major(number)), str(os.minor(number))]:
            return 512 * int(fields[9])
    return None


def describe(directory):
    """Facts about the machine, in order of their telling."""
    cpus = read("/proc/cpuinfo") or ""
    model = re.search(r"^model name\s*: (.*)$", cpus, re.M)
    memory = re.search(r"^MemTotal:\s*(\d+) kB", read("/proc/meminfo") or "", re.M)
    device, kind, options = mount_of(directory)
    facts = {
        "processors": f"{os.cpu_count()} x {model.group(1) if model else platform.machine()}",
        "memory": f"{int(memory.group(1)) / 2**20:.0f} GiB" if memory else "?",
        "kernel": f"{platform.system()} {platform.release()}",
        "file system": f"{kind} ({options})",
        "hypervisor": "yes" if re.search(r"^flags\s*:.*\bhypervisor\b", cpus, re.M) else "none seen",
    }
    settings = queue(device)
    facts["disk"] = ", ".join(f"{key}={value}" for key, value in settings.items() if value is not None) or "unknown"
    return facts


def java_version():
    """What `java -version` says first."""
    done = subprocess.run(["java", "-version"], capture_output=True, text=True)
    return (done.stderr or done.stdout).splitlines()[0]


def is_in_memory(directory):
    """Whether a directory is on no disk, so that a sync costs nothing."""
    return mount_of(directory)[1] in ("tmpfs", "ramfs", "devtmpfs")


def settle(limit_kib=32 << 10):
    """Has the system write back what is dirty, so that one measurement does not pay for another."""
    os.sync()
    for _ in range(3):
        dirty = re.search(r"^Dirty:\s*(\d+)", read("/proc/meminfo") or "", re.M)
        if not dirty or int(dirty.group(1)) < limit_kib:
            return
        os.sync()
