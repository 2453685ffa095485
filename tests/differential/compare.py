"""Compares two transcripts and holds what differs against the list of intended differences."""

import re
import tomllib


class Allowed:
    """The list of intended differences. Each entry: scenario, step and path (globs with `*`, or lists of them), and a reason."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.entries = tomllib.load(file).get("difference", [])
        for entry in self.entries:
            keys = [entry[key] for key in ("scenario", "step", "path")]
            entry["patterns"] = [glob(*([key] if isinstance(key, str) else key)) for key in keys]
            entry["used"] = 0
            if not entry.get("reason"):
                raise ValueError(f"{path}: an entry without a reason: {entry}")

    def covers(self, scenario, step, path):
        """Whether an entry allows this difference; notes that the entry is in use."""
        for entry in self.entries:
            if all(p.fullmatch(text) for p, text in zip(entry["patterns"], (scenario, step, path))):
                entry["used"] += 1
                return True
        return False

    def unused(self, scenarios):
        """Entries for scenarios that ran, which allowed nothing: the list has to shrink."""
        return [e for e in self.entries if not e["used"] and any(e["patterns"][0].fullmatch(s) for s in scenarios)]


def glob(*patterns):
    """`*` stands for any text; all other characters for themselves. Matches what any of the patterns matches."""
    return re.compile("|".join(".*".join(map(re.escape, pattern.split("*"))) for pattern in patterns), re.DOTALL)


def differences(expected, actual):
    """[(step, path, expected, actual)] of one scenario's two transcripts; a missing value is MISSING."""
    found = []
    for step in list(expected) + [s for s in actual if s not in expected]:
        if step not in expected or step not in actual:
            found.append((step, "", "played" if step in expected else "not played", "played" if step in actual else "not played"))
            continue
        left, right = expected[step], actual[step]
        for path in list(left) + [p for p in right if p not in left]:
            if left.get(path, MISSING) != right.get(path, MISSING):
                found.append((step, path, left.get(path, MISSING), right.get(path, MISSING)))
    return found


class _Missing:
    def __repr__(self):
        return "(absent)"


MISSING = _Missing()
