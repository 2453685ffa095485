"""What a process takes of the machine, by /proc: memory of its own, descriptors, threads, processor."""

import os
import threading
import time
from pathlib import Path

INTERVAL_S = 0.05
TICKS = os.sysconf("SC_CLK_TCK")


def memory_mib(pid):
    """Anonymous and shared memory in MiB: what the process itself holds, without the pages of files that it reads."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(("RssAnon:", "RssShmem:"))) / 1024


def descriptors(pid):
    """Open descriptors."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def thread_count(pid):
    """Threads."""
    return len(os.listdir(f"/proc/{pid}/task"))


def cpu_s(pid):
    """Seconds of processor so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Watch:
    """While it is entered, keeps the most memory that was seen."""

    def __init__(self, pid):
        self.pid, self.memory_mib_max, self.stop = pid, 0, threading.Event()
        self.thread = threading.Thread(target=self._look)

    def __enter__(self):
        self.cpu_before, self.began = cpu_s(self.pid), time.monotonic()
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        self.cores = (cpu_s(self.pid) - self.cpu_before) / (time.monotonic() - self.began)

    def _look(self):
        while True:
            self.memory_mib_max = max(self.memory_mib_max, memory_mib(self.pid))
            if self.stop.wait(INTERVAL_S):
                return
