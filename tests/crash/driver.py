"""The driver of a run: rounds of load, a kill, a start and a look, in epochs with clients of their own. `run.py` is the command."""

import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import broker as brokers
import checker
import damage
import damaged_directory
import faults
import history
import topics as admin
from epoch import Epoch
from figures import Figures

EPOCH = 40
VERIFY_EVERY = 20
SCAN_EVERY = 5
SERVE_S = 60
# How often each producer is answered before the next kill.
PROGRESS = 3
LIVES = [f"life-{number}" for number in range(6)]
LIFE_CONFIGS = {"segment.ms": 200}
AIMS = {"random moment": 25, "roll": 15, "recovery": 20, "create": 10, "delete": 10, "grow": 5, "commit": 10, "produce": 5}
SETTINGS = {"auto.create.topics.enable": "false", "group.initial.rebalance.delay.ms": "0", "log.segment.delete.delay.ms": "500"}


class Stop(Exception):
    """Enough problems: going on would only repeat them."""


class Run:
    """All rounds over one data directory.

    `policies` are the sync policies of its epochs, in turn; `acks` those of the producer that never tries again. A kill takes
    nothing that was answered under any of them: what is written is the kernel's.
    """

    policies = ("batch", "always", "interval", "never")
    acks = ("1", "all")

    def __init__(self, options, directory):
        self.options, self.directory = options, Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.random = random.Random(options.seed)
        self.figures = Figures()
        self.problems = []
        self.broker = brokers.create("highwater", settings=dict(SETTINGS), directory=directory)
        self.history_path = self.directory / "driver.jsonl"
        self.history = history.Writer(self.history_path, "driver")
        self.topics = admin.Topics(self.history, self.problem)
        self.epochs, self.round, self.log_read = [], 0, 0
        self.progress = sys.stderr if options.json else sys.stdout

    def say(self, text):
        """Prints progress."""
        print(text, file=self.progress, flush=True)

    def problem(self, text):
        """Notes something that must not happen."""
        self.problems.append(f"round {self.round}: {text}")
        self.say(f"PROBLEM in round {self.round}: {text}")
        if len(self.problems) >= self.options.most_problems:
            raise Stop

    def run(self):
        """The whole run."""
        self.history.open()
        try:
            while self.round < self.options.rounds:
                self.epoch(min(self.options.epoch, self.options.rounds - self.round))
            for epoch in self.epochs:
                self.judge(epoch.revisit(), f"epoch {epoch.number}, later")
            self.finish()
        except Stop:
            self.say("stopped: too many problems")
            self.last_look()
        finally:
            for epoch in self.epochs:
                epoch.kill()
            if self.broker.alive():
                self.broker.kill()
            self.history.close()

    def last_look(self):
        """What the histories say of what went wrong."""
        for epoch in self.epochs:
            epoch.break_off()
            try:
                verdict = epoch.check()
            except history.HistoryError as failure:
                self.say(f"epoch {epoch.number}, broken off: {failure}")
                continue
            self.figures.add(verdict)
            self.say(f"epoch {epoch.number}, broken off: {verdict.text()}")

    def epoch(self, rounds):
        """Some rounds with the same clients under one sync policy."""
        number = self.round // self.options.epoch
        self.broker.settings["flush.policy"] = self.options.policy or self.policies[number % len(self.policies)]
        if self.broker.alive():
            self.verified(self.broker.stop, "a clean stop")
        self.served(self.broker.start())
        epoch = Epoch(number, self.broker, self.topics, self.directory, self.options.seed, self.problem)
        epoch.acks = self.acks[number % len(self.acks)]
        self.epochs.append(epoch)
        if number == 0:
            self.change(self.topics.create("long", 1, {"segment.ms": 500}))
            self.change(self.topics.create("growing", 1))
        epoch.start()
        for _ in range(rounds):
            self.round += 1
            try:
                self.one_round(epoch)
            except (OSError, RuntimeError) as failure:
                self.problem(f"{failure!r}\n{self.broker.log_tail(10)}")
                if not self.broker.alive():
                    self.served(self.broker.start())
        self.judge(epoch.finish(), f"epoch {number} ({self.broker.settings['flush.policy']})")
        self.read_log()
        if number == 0 and self.options.check_checker:
            self.check_checker(epoch)
        if len(self.epochs) > 1:
            older = self.epochs.pop(0)
            self.judge(older.revisit(), f"epoch {older.number}, later")
            if not self.problems:
                shutil.rmtree(older.directory)

    def one_round(self, epoch):
        """Load, a kill, a start, a look."""
        self.await_progress(epoch)
        time.sleep(self.random.expovariate(1 / 0.2))
        aim = self.random.choices(list(AIMS), AIMS.values())[0]
        self.figures.count(aim, self.die(aim))
        if self.options.damage:
            damaged_directory.damage(self.broker.data_dir, self.options.damage, self.random)
        if aim == "recovery":
            self.figures.kills += faults.in_recovery(self.broker, self.random, self.figures.usual_start_s())
        if self.round % self.options.verify_every == 0:
            self.verified(lambda: None, "a kill")
        self.served(self.broker.start())
        self.look(epoch)
        if self.round % 20 == 0:
            self.say(self.figures.line(self.round, self.options.rounds, len(self.problems)))

    def await_progress(self, epoch):
        """Waits until every producer was answered a few times since the start; the first answer is noted."""
        before = epoch.counts()
        # Clients that were only just started say nothing of how fast they come back.
        began, first = time.monotonic(), any(before)
        while True:
            counts = epoch.counts()
            if first and counts != before:
                self.figures.first_answers.append(time.monotonic() - self.started)
                first = False
            if all(now >= then + PROGRESS for now, then in zip(counts, before)):
                return
            epoch.check_clients()
            if time.monotonic() - began > SERVE_S:
                self.problem(f"no progress in {SERVE_S} s: answers {before} became {counts}\n{self.broker.log_tail(10)}")
                return
            time.sleep(0.005)

    def die(self, aim):
        """Kills the broker; returns whether what was under way was answered (None: nothing was)."""
        self.figures.kills += 1
        if aim == "roll":
            return faults.in_a_roll(self.broker, self.random)
        change = self.aimed_change(aim)
        if change is None:
            return self.broker.kill()
        with admin.connect(self.broker.port) as caller:
            return faults.aimed(self.broker, change, caller, self.random)

    def aimed_change(self, aim):
        """A change of the kind that is aimed at; None if there is nothing to change."""
        if aim == "create":
            absent = [name for name in LIVES if name not in self.topics]
            return self.topics.create(self.random.choice(absent), self.random.randint(1, 4), LIFE_CONFIGS) if absent else None
        if aim == "delete":
            name = self.doomed()
            return self.topics.delete(name) if name else None
        if aim == "grow":
            return self.topics.grow("growing")
        if aim == "commit":
            return self.topics.commit("driver-group", "long")
        if aim == "produce":
            return self.topics.produce("long")
        return None

    def doomed(self):
        """A topic to delete, after a last look at what is in it; None if there is none."""
        present = [name for name in LIVES if name in self.topics]
        if not present:
            return None
        name = self.random.choice(present)
        with admin.connect(self.broker.port) as caller:
            self.topics.scan(caller, name)
        return name

    def change(self, change):
        """Carries out a change without a kill."""
        with admin.connect(self.broker.port) as caller:
            admin.carry_out(caller, change)

    def served(self, seconds):
        """The broker serves again after that many seconds."""
        self.started = time.monotonic() - seconds
        self.figures.starts.append(seconds)

    def look(self, epoch):
        """What must be as it was: topics and commits; then some changes that are not disturbed."""
        with admin.connect(self.broker.port) as caller:
            admin.carry_out(caller, self.topics.produce("long"))
            self.figures.first_writes.append(time.monotonic() - self.started)
            self.topics.compare(caller)
            self.topics.read_commits(caller)
            epoch.note_commits(caller)
            admin.carry_out(caller, self.topics.commit("driver-group", "long"))
            name = self.random.choice(LIVES)
            if name in self.topics:
                for _ in range(3):
                    admin.carry_out(caller, self.topics.produce(name))
            else:
                admin.carry_out(caller, self.topics.create(name, self.random.randint(1, 4), LIFE_CONFIGS))
        if self.round % SCAN_EVERY == 0:
            epoch.scan_one()

    def verified(self, stop, after):
        """Stops the broker and has `highwater verify` look at the directory."""
        stop()
        command = [str(brokers.highwater_binary()), "verify", str(self.broker.data_dir)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        self.figures.verified += 1
        if done.returncode:
            self.problem(f"highwater verify after {after}: {done.returncode}\n{done.stdout}{done.stderr}")

    def read_log(self):
        """What the broker wrote about itself: it must not have panicked or found damage."""
        lines = self.broker.log_path.read_text(errors="replace")[self.log_read:].splitlines(keepends=True)
        self.log_read += sum(map(len, lines))
        bad = [line.strip() for line in lines if " ERROR " in line or "panicked" in line]
        if bad:
            self.problem(f"the broker's log has {len(bad)} errors: {bad[0]}")

    def check_checker(self, epoch):
        """Damages the history of an epoch in every way: the checker must find each."""
        events = epoch.events()
        for kind in damage.KINDS:
            done = damage.damaged(events, kind, self.random)
            if done is None:
                self.say(f"a history with {kind}: it has nothing to change")
                continue
            bad = set(checker.check(done[0]).bad)
            self.say(f"a history with {kind}: found as {', '.join(sorted(bad & done[1]))}")
            if not bad & done[1]:
                self.problem(f"the checker did not find {kind}: {bad} instead of one of {done[1]}")

    def judge(self, verdict, what):
        """Takes over a verdict of the checker."""
        self.figures.add(verdict)
        if not verdict.good:
            self.problem(f"{what}: {verdict.text()}")

    def finish(self):
        """The driver's own topics and groups, over all rounds."""
        with admin.connect(self.broker.port) as caller:
            self.topics.compare(caller)
            self.topics.read_commits(caller)
            for name in ["long", *[name for name in LIVES if name in self.topics]]:
                self.topics.scan(caller, name)
        self.verified(self.broker.stop, "a clean stop")
        self.history.flush()
        self.judge(checker.check(history.read([self.history_path])), "the driver's history")
