"""Whether every Python component of a list may be used by its licence: ``python supply/licences.py BOM``.

A component passes by a licence that supply/policy.toml allows, or by an exception there whose day has not passed.
Kafka's jars do not say theirs in a form a program reads: they are listed, and not judged.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import sys
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

POLICY = Path(__file__).with_name("policy.toml")
_Exceptions = Sequence[Mapping[str, Any]]


def refused(components: Sequence[Mapping[str, Any]], policy: Mapping[str, Any], today: dt.date) -> Iterator[str]:
    """A line for every component that may not be used, and for every exception that nothing needs."""
    excused = {_plain(one["component"]): one for one in policy.get("licence", ())}
    for component in components:
        if not component.get("purl", "").startswith("pkg:pypi/"):
            continue
        said = [_said(one) for one in component.get("licenses", ())]
        if any(allows(policy["allowed"], one) for one in said):
            continue
        name = _plain(component["name"])
        excuse = excused.pop(name, None)
        told = f"{component['name']} {component['version']}: {'; '.join(said) or 'no licence is named'}"
        if excuse is None:
            yield f"{told}: not among those allowed"
        elif excuse["until"] < today:
            yield f"{told}: its exception ended on {excuse['until']}"
    for name in excused:
        yield f"{name}: nothing needs this exception any more"


def allows(allowed: Collection[str], expression: str) -> bool:
    """Whether an SPDX expression without brackets, or a licence's name, is allowed; with AND, all of it."""
    if expression in allowed:
        return True
    parts = re.split(r" AND ", expression)
    return all(any(one.strip() in allowed for one in part.split(" OR ")) for part in parts)


def _said(licence: Mapping[str, Any]) -> str:
    if "expression" in licence:
        return str(licence["expression"])
    return str(licence["license"].get("id") or licence["license"].get("name", ""))


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main(file: Path) -> int:
    """1 where a component is refused."""
    components = json.loads(file.read_text(encoding="utf-8"))["components"]
    found = list(refused(components, tomllib.loads(POLICY.read_text("utf-8")), dt.datetime.now(dt.UTC).date()))
    for line in found:
        sys.stderr.write(f"licence: {line}\n")
    if not found:
        sys.stdout.write("every licence is among those allowed, or excused for a time\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
