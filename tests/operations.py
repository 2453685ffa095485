"""Checks every PromQL expression of the dashboard and the alert rules against the table of docs/metrics.md: names and labels."""

import json
import re
import sys
from pathlib import Path

import promql_parser as promql
import yaml

DOCS = Path(__file__).resolve().parents[1] / "docs"
# Labels that Prometheus adds.
ADDED = {"job", "instance"}
VARIABLES = {"$__rate_interval": "5m", "$instance": "x"}


def table():
    """The labels of each series name that /metrics writes."""
    series = {}
    for name, kind, labels in re.findall(r"^\| `(\w+)` \| (\w+) \| [^|]* \| ([^|]*) \|", (DOCS / "metrics.md").read_text(), re.M):
        known = set(re.findall(r"`(\w+)`", labels)) | ADDED
        if kind == "histogram":
            series |= {f"{name}_bucket": known | {"le"}, f"{name}_sum": known, f"{name}_count": known}
        else:
            series[name] = known
    return series


def selectors(node):
    """The vector selectors below a node, with the labels grouped or matched by above each."""
    found, used = [], set()
    if isinstance(node, promql.VectorSelector):
        return [(node, set())]
    modifier = getattr(node, "modifier", None)
    for labels in (modifier, getattr(modifier, "matching", None)):
        used |= set(getattr(labels, "labels", None) or ())
    for name in ("expr", "lhs", "rhs", "vector_selector"):
        child = getattr(node, name, None)
        if child is not None:
            found += selectors(child)
    for child in getattr(node, "args", None) or ():
        found += selectors(child)
    return [(selector, labels | used) for selector, labels in found]


def problems(expression, series):
    """What is wrong with an expression."""
    for name, value in VARIABLES.items():
        expression = expression.replace(name, value)
    found = selectors(promql.parse(expression))
    wrong = [] if found else ["it selects nothing"]
    for selector, grouped in found:
        used = grouped | {matcher.name for matcher in selector.matchers.matchers}
        if selector.name not in series:
            wrong.append(f"no metric {selector.name}")
        else:
            wrong += [f"{selector.name} has no label {label}" for label in sorted(used - series[selector.name])]
    return wrong


def expressions():
    """Where each expression stands, and the expression."""
    board = json.loads((DOCS / "operations" / "grafana-dashboard.json").read_text())
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            yield f"dashboard: {panel['title']}", target["expr"]
    for group in yaml.safe_load((DOCS / "operations" / "alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            assert {"summary", "description"} <= set(rule["annotations"]), rule["alert"]
            yield f"alert: {rule['alert']}", rule["expr"]


def self_check(series):
    """What this test is for must be found."""
    for wrong in ("highwater_nothing > 0", "sum by (topic) (rate(highwater_requests_total[5m]))", 'highwater_ready{api="Fetch"}',
                  "rate(highwater_sync_seconds[5m])"):
        assert problems(wrong, series), wrong


def main():
    series = table()
    self_check(series)
    checked = list(expressions())
    found = [f"{where}: {problem}" for where, expression in checked for problem in problems(expression, series)]
    print("\n".join(found) or f"{len(checked)} expressions name only what /metrics has")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
