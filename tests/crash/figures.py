"""What a run has to say for itself: how often it killed, how fast service came back, what was found."""

from collections import Counter

# Shown as numbers that must be 0, with the anomalies that each stands for.
MUST_BE_0 = {
    "lost": ("lost-write", "vanished", "unseen", "group-skip"),
    "doubled": ("duplicate",),
    "reordered": ("nonmonotonic-send", "int-nonmonotonic-send", "nonmonotonic-poll", "int-nonmonotonic-poll"),
    "made up or changed": ("made-up", "inconsistent-offsets", "G1a"),
    "skipped by readers": ("poll-skip", "int-poll-skip"),
    "commits gone back": ("stale-commit", "made-up-commit"),
}


def percentile(values, share):
    """The value below which `share` of the values lie; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


class Figures:
    """Counts and times of a run; all times in seconds."""

    def __init__(self):
        self.kills = self.verified = self.checked = 0
        self.aims, self.answered = Counter(), Counter()
        # From the start of the process until it listens, until it takes a record, until a producer that was there before is answered.
        self.starts, self.first_writes, self.first_answers = [], [], []
        self.found, self.sizes = Counter(), Counter()

    def count(self, aim, answered):
        """A kill and whether what it was aimed at had been answered."""
        self.aims[aim] += 1
        self.answered[aim] += bool(answered)

    def add(self, verdict):
        """A verdict of the checker. What is checked twice counts twice."""
        self.checked += 1
        self.found.update(verdict.counts)
        self.sizes.update(verdict.size)

    def usual_start_s(self):
        """How long a start takes."""
        return percentile(self.starts, 0.5)

    def line(self, done, rounds, problems):
        """Progress."""
        return (f"round {done} of {rounds}: {self.kills} kills, takes records again after p50 {percentile(self.first_writes, 0.5) * 1000:.0f} ms, "
                f"max {max(self.first_writes) * 1000:.0f} ms, {problems} problems")

    def table(self, rounds, seconds, problems):
        """Everything as one object."""
        def times(values):
            return {name: round(percentile(values, share) * 1000, 1) for name, share in (("p50", 0.5), ("p99", 0.99), ("max", 1))}
        return {
            "rounds": rounds, "seconds": round(seconds), "kills": self.kills, "verified": self.verified, "checked": self.checked,
            "aims": {aim: {"kills": count, "answered before": self.answered[aim]} for aim, count in self.aims.items()},
            "listens_ms": times(self.starts), "takes_records_ms": times(self.first_writes),
             "first_answer_ms": times(self.first_answers), "size": dict(self.sizes),
            "must_be_0": {name: sum(self.found[anomaly] for anomaly in anomalies) for name, anomalies in MUST_BE_0.items()},
            "anomalies": dict(self.found), "problems": problems}

    @staticmethod
    def text(table):
        """For people."""
        rows = [("rounds", f"{table['rounds']} in {table['seconds']} s"), ("kills", table["kills"]),
                ("histories checked", f"{table['checked']}, directories verified: {table['verified']}")]
        rows += [(f"  killed at: {aim}", f"{one['kills']}" + (f", answered before: {one['answered before']}" if one["answered before"] else ""))
                 for aim, one in sorted(table["aims"].items())]
        rows += [(f"  {what}", count) for what, count in table["size"].items()]
        for key, what in (("listens_ms", "listens again after"), ("takes_records_ms", "takes records again after"),
                          ("first_answer_ms", "clients are answered again after")):
            rows.append((what, ", ".join(f"{name} {value:.0f} ms" for name, value in table[key].items())))
        rows += list(table["must_be_0"].items())
        rows.append(("problems", len(table["problems"])))
        return "\n".join(f"{name:<34}{value}" for name, value in rows)
