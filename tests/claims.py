"""Checks that every test that docs/durability.md names exists: a promise whose proof is gone fails here."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "durability.md"
# A file in backquotes, then the names of tests in it.
CLAIM = re.compile(r"`([\w/.-]+\.(?:rs|py))`((?:\s`\w+`)*)")


def problems(text):
    """What the page names and the tree does not have."""
    for file, names in CLAIM.findall(text):
        path = ROOT / file
        if not path.is_file():
            yield f"{file}: no such file"
            continue
        source = path.read_text()
        for name in re.findall(r"\w+", names):
            if not re.search(rf"\b(?:fn|def) {name}\(", source):
                yield f"{file}: no test {name}"


def main():
    # The check itself: a name that is nowhere is found.
    assert list(problems("`tests/claims.py` `no_such_test`")) == ["tests/claims.py: no test no_such_test"]
    text = PAGE.read_text()
    found = list(problems(text))
    for problem in found:
        print(f"{PAGE.name}: {problem}", file=sys.stderr)
    claims = CLAIM.findall(text)
    print(f"{PAGE.name}: {sum(len(names.split()) or 1 for _, names in claims)} proofs in {len({file for file, _ in claims})} files")
    sys.exit(bool(found or not claims))


if __name__ == "__main__":
    main()
