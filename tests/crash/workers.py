"""Processes full of clients. Each client is a thread with a history of its own; what must not happen is told as a problem.

The driver tells all to stop sending (what was sent is then answered), later to stop; it sees how much was acknowledged.
"""

import logging
import multiprocessing
import signal
import threading
import traceback
from pathlib import Path

import consumers
import producers
from history import Writer

SPAWN = multiprocessing.get_context("spawn")
FLUSH_S = 0.5


class Shared:
    """What the driver and the processes share: two signals, a counter for each producer, problems."""

    def __init__(self, producer_count):
        self.stop_sending, self.stop = SPAWN.Event(), SPAWN.Event()
        self.counts = SPAWN.Array("q", producer_count)
        self.problems = SPAWN.SimpleQueue()


class Worker:
    """One process, seen from inside: what its clients need."""

    def __init__(self, address, seed, shared):
        self.address, self.seed = address, seed
        self.stop_sending, self.stop = shared.stop_sending, shared.stop
        self._counts, self._problems = shared.counts, shared.problems

    def acknowledged(self, index):
        """One more record of producer `index` was acknowledged."""
        with self._counts.get_lock():
            self._counts[index] += 1

    def problem(self, text):
        """Something that must not happen, in words."""
        self._problems.put(text)


def run(name, address, seed, clients, directory, shared):
    """The process: runs its clients until they end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.disable(logging.CRITICAL)
    worker = Worker(address, seed, shared)
    histories = [Writer(Path(directory) / f"{about['process']}.jsonl", about["process"]) for about in clients]
    threads = [threading.Thread(target=guarded, args=(worker, about, history), daemon=True) for about, history in zip(clients, histories)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        for thread in threads:
            thread.join(FLUSH_S / len(threads))
        for history in histories:
            history.flush()
    for history in histories:
        history.close()


def guarded(worker, about, history):
    """One client: whatever ends it early is a problem."""
    kinds = {**producers.KINDS, **consumers.KINDS}
    try:
        kinds[about["kind"]](worker, about, history)
    except Exception:
        worker.problem(f"{about['process']} ended:\n{traceback.format_exc()}")


def start(address, seed, groups, directory, producer_count):
    """Starts one process for each list of clients; returns (what is shared, the processes)."""
    shared = Shared(producer_count)
    processes = [SPAWN.Process(target=run, args=(name, address, seed, clients, str(directory), shared), daemon=True)
                 for name, clients in groups.items()]
    for process in processes:
        process.start()
    return shared, processes
