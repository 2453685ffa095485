"""Checks the workspace's dependencies: licences, a reason beside each, and that layers point down only (ARCHITECTURE.md)."""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LICENCES = {"MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "ISC", "Zlib", "Unicode-3.0", "Unlicense",
            "0BSD", "CC0-1.0", "MIT-0", "BSL-1.0"}
# Each layer and what it may build upon, besides crates from outside.
LAYERS = {
    "highwater-types": set(),
    "highwater-disk": {"highwater-types"},
    "highwater-wal": {"highwater-types", "highwater-disk"},
    "highwater-wire": {"highwater-types", "highwater-disk"},
    "highwater-partition-log": {"highwater-types", "highwater-disk", "highwater-wal", "highwater-wire"},
    "highwater-store": {"highwater-types", "highwater-disk", "highwater-wire", "highwater-partition-log"},
    "highwater-store-local": {"highwater-types", "highwater-disk", "highwater-wal", "highwater-wire", "highwater-partition-log", "highwater-store"},
    "highwater-sim": {"highwater-types", "highwater-disk", "highwater-wire", "highwater-partition-log", "highwater-store", "highwater-store-local",
                      "highwater-coordinator"},
    "highwater-coordinator": {"highwater-types", "highwater-wire", "highwater-store"},
}
NO_RUNTIME = ("highwater-types", "highwater-disk", "highwater-wal", "highwater-wire", "highwater-partition-log", "highwater-coordinator", "highwater-sim")


def acceptable(expression):
    """Whether an SPDX expression can be met by the accepted licences."""
    choices = re.split(r"\s+OR\s+|/", expression.replace("(", "").replace(")", ""))
    return any(all(part.strip() in LICENCES for part in re.split(r"\s+AND\s+", choice)) for choice in choices)


def licence_problems(packages):
    """Packages whose licence is not among the accepted ones."""
    return [f"{p['name']} {p['version']}: licence {p['license']!r} is not on the list" for p in packages if not acceptable(p["license"] or "")]


def layer_problems(packages):
    """Dependencies that point up or sideways, and a runtime where none may be."""
    problems = []
    for package in packages:
        needed = {d["name"] for d in package["dependencies"] if d["kind"] is None}
        ours = {name for name in needed if name.startswith("highwater-")}
        above = ours - LAYERS.get(package["name"], ours)
        problems += [f"{package['name']} must not depend on {name}" for name in above]
        if package["name"] in NO_RUNTIME and "tokio" in needed:
            problems.append(f"{package['name']} must not know tokio")
    return problems


def reason_problems(manifest):
    """Outside dependencies of a Cargo.toml without a comment beside or above them."""
    problems, inside, commented = [], False, False
    for line in manifest.read_text().splitlines():
        if line.startswith("["):
            inside, commented = line.strip("[]").endswith("dependencies") and not line.startswith("[workspace"), False
        elif line.startswith("#"):
            commented = True
        elif not line.strip():
            commented = False
        elif inside and re.match(r"[\w-]+(\.\w+)*\s*=", line):
            if not commented and "#" not in line and not line.startswith("highwater-"):
                problems.append(f"{manifest.relative_to(ROOT)}: no reason beside {line.split('=')[0].strip()}")
            commented = False
    return problems


def main():
    metadata = json.loads(subprocess.check_output(["cargo", "metadata", "--format-version", "1", "--locked", "--quiet"], cwd=ROOT))
    members = [p for p in metadata["packages"] if p["id"] in metadata["workspace_members"]]
    problems = licence_problems(metadata["packages"]) + layer_problems(members)
    for member in members:
        problems += reason_problems(Path(member["manifest_path"]))
    print("\n".join(problems))
    print(f"{len(metadata['packages'])} packages, {len(problems)} problems")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
