"""The canary's process and what it saw: a sample for each answer, and the p99 of a stretch of time."""

import bisect
import subprocess
import sys
import threading
import time
from pathlib import Path

from waiting import until

HERE = Path(__file__).parent
REQUESTS = ("produce", "produce100k", "fetch", "heartbeat", "connect", "livez")
# What is measured of the machine itself.
MACHINE = "machine"


class Canary:
    """A running canary. Use as a context manager."""

    def __init__(self, server, environment):
        self.server, self.environment = server, environment
        self.samples = {name: [] for name in (*REQUESTS, MACHINE)}

    def __enter__(self):
        command = [sys.executable, HERE / "canary.py", str(self.server.port), str(self.server.http_port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=self.environment)
        self.reader = threading.Thread(target=self._read)
        self.reader.start()
        until(lambda: all(self.samples.values()) or self.process.poll() is not None, "a first answer to each of the canary's requests")
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.reader.join()

    def _read(self):
        for line in self.process.stdout:
            name, began, took = line.split()
            self.samples[name].append((float(began), took))

    def during(self, name, window):
        """(milliseconds of each answer, reasons of each failure) of the requests that began in a stretch of time."""
        samples = self.samples[name]
        first, last = (bisect.bisect_left(samples, (moment, "")) for moment in window)
        chosen = [took for _, took in samples[first:last]]
        return ([float(took) for took in chosen if not took.startswith("failed")], [took for took in chosen if took.startswith("failed")])

    def p99(self, name, window):
        """The p99 in milliseconds; a stretch without an answer is as slow as the stretch is long."""
        took, _ = self.during(name, window)
        return sorted(took)[int(0.99 * len(took))] if took else 1000 * (window[1] - window[0])

    def failures(self, window):
        """Every failure of a stretch of time, in words."""
        return [f"{name} {failure}" for name in REQUESTS for failure in self.during(name, window)[1]]


def stretch(seconds):
    """Lets so many seconds pass; their (begin, end)."""
    began = time.monotonic()
    time.sleep(seconds)
    return began, time.monotonic()
