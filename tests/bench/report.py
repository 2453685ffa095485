"""From what was measured to a page: medians, spread, ratios, goals met or missed. Pure."""

from statistics import median


def figure(found, path):
    """A figure by its path; None where it was not measured."""
    for key in path.split("."):
        found = found.get(key) if isinstance(found, dict) else None
    return found


def values(turns, side, path):
    """A figure of a side, one for each turn in which it was measured."""
    found = (figure(turn[side], path) for turn in turns if side in turn)
    return [value for value in found if value is not None]


def measured(turns, goal):
    """What a goal is about: the figure, or the median of its ratios turn by turn; None when something is missing."""
    if goal.other is None:
        own = values(turns, goal.side, goal.figure)
        return median(own) if own else None
    pairs = [(figure(turn.get(goal.side), goal.figure), figure(turn.get(goal.other), goal.other_figure or goal.figure)) for turn in turns]
    ratios = [mine / theirs for mine, theirs in pairs if mine is not None and theirs]
    return median(ratios) if ratios else None


def is_met(goal, value):
    return value >= goal.factor if goal.at_least else value <= goal.factor


def number(value):
    """Three digits that count."""
    if value is None:
        return "–"
    if abs(value) >= 1000:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def cell(found):
    """Median and spread."""
    if not found:
        return "–"
    text = number(median(found))
    return text if len(found) == 1 else f"{text} [{number(min(found))}–{number(max(found))}]"


def goal_text(goal):
    """`mb_per_s ≥ 1.5 × kafka`"""
    sign = "≥" if goal.at_least else "≤"
    name = goal.figure.rsplit("usage.", 1)[-1]
    if goal.other is None:
        return f"{name} {sign} {number(goal.factor)}"
    other = f"{goal.other}'s {goal.other_figure}" if goal.other_figure else goal.other
    return f"{name} {sign} {number(goal.factor)} × {other}"


def judged(row, turns):
    """Each goal of a row: its text, what was measured, met or missed (None: not measured)."""
    for goal in row.goals:
        value = measured(turns, goal)
        yield goal_text(goal), value, None if value is None else is_met(goal, value)


def word(met):
    return "not measured" if met is None else "met" if met else "**missed**"


def section(row, turns):
    """A row's details."""
    lines = [f"### {row.name}", "", f"{row.title}.", "", "| | " + " | ".join(row.sides) + " |", "|---" * (len(row.sides) + 1) + "|"]
    for path in row.figures:
        cells = [cell(values(turns, side, path)) for side in row.sides]
        lines.append(f"| {path.removeprefix('usage.')} | " + " | ".join(cells) + " |")
    lines.append("")
    for text, value, met in judged(row, turns):
        lines.append(f"- {text}: {number(value)}, {word(met)}")
    return lines + [""]


def summary(rows, results):
    """A line for each goal."""
    lines = ["| work | goal | measured | |", "|---|---|---|---|"]
    for row in rows:
        for text, value, met in judged(row, results.get(row.name, [])):
            lines.append(f"| {row.name} | {text} | {number(value)} | {word(met)} |")
    return lines


def page(rows, results, about):
    """The whole page. `about`: facts, in order; `commands`: what was run."""
    goals = [met for row in rows for _, _, met in judged(row, results.get(row.name, []))]
    lines = ["# Benchmarks", "", "Written by `scripts/bench`; not edited by hand. Each figure is the median of the turns, with the range behind it; the sides take turns, and",
             "a ratio is the median of the ratios turn by turn, because a machine drifts. MB are 10^6 bytes of values; CPU is seconds per GB of values;",
             "`others` is the whole machine without the client: the kernel's write-back threads are in no program's account. Latencies count from the",
             "intended moment. `highwater` syncs before it answers, `highwater-never` (`flush.policy=never`) and `kafka` do not, unless the row says so;",
             "`floor` is a bare program that does only what the work cannot avoid (`highwater bench floor`).", ""]
    lines += [f"- {name}: {value}" for name, value in about.items()]
    lines += ["", "## Goals", "", f"{goals.count(True)} met, {goals.count(False)} missed, {goals.count(None)} not measured.", "", *summary(rows, results), "",
              "## Details", ""]
    for row in rows:
        if row.name in results:
            lines += section(row, results[row.name])
    return "\n".join(lines).rstrip() + "\n"
