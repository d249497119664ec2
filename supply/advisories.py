"""Known weaknesses of the locked releases, by OSV: ``python supply/advisories.py [SOURCE]``.

SOURCE is a folder or zip file of OSV records (osv.dev gives one for PyPI, to be carried to a machine without a
network), or the address of a service that speaks OSV's query protocol. Exit 0: none, or all excused for a time;
1: some; 75: the source could not be asked, so nothing is known.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import sys
import tomllib
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
from packaging.version import InvalidVersion, Version

ROOT = Path(__file__).resolve().parents[1]
POLICY = Path(__file__).with_name("policy.toml")
SERVICE = "https://api.osv.dev"
_LOCKED = re.compile(r"^([A-Za-z0-9][\w.-]*?)(?:\[[^]]*\])?==([^\s;\\]+)", re.MULTILINE)
Release = tuple[str, str]


def locked(text: str) -> list[Release]:
    """Name and version of every release of a lock."""
    return [(plain(name), version) for name, version in _LOCKED.findall(text)]


def plain(name: str) -> str:
    """A project's name in its one spelling (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def in_records(records: Iterable[Mapping[str, Any]], releases: Iterable[Release]) -> Iterator[tuple[Release, set[str]]]:
    """Releases that a record names, each with the record's ids."""
    versions: dict[str, list[str]] = {}  # a lock may hold two releases, for different Pythons
    for name, version in releases:
        versions.setdefault(name, []).append(version)
    for record in records:
        if record.get("withdrawn"):
            continue
        for affected in record.get("affected", ()):
            package = affected.get("package", {})
            name = plain(package.get("name", ""))
            for version in versions.get(name, ()) if package.get("ecosystem") == "PyPI" else ():
                if _is_in(affected, version):
                    yield (name, version), {record["id"], *record.get("aliases", ())}


def _is_in(affected: Mapping[str, Any], version: str) -> bool:
    if version in affected.get("versions", ()):
        return True
    return any(_in_range(one["events"], version) for one in affected.get("ranges", ()) if one["type"] == "ECOSYSTEM")


def _in_range(events: Iterable[Mapping[str, str]], version: str) -> bool:
    """By OSV's own rule: the last event at or before the version decides; ``last_affected`` is affected itself."""
    at, is_in = Version(version), False
    for event in sorted(events, key=lambda one: _number(next(iter(one.values())))):
        ((kind, text),) = event.items()
        number = _number(text)
        if kind == "introduced" and at >= number:
            is_in = True
        elif (kind == "fixed" and at >= number) or (kind == "last_affected" and at > number):
            is_in = False
    return is_in


def _number(text: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion:
        return Version("0")


def records(source: Path) -> Iterator[Mapping[str, Any]]:
    """The records of a folder or a zip file."""
    if source.is_dir():
        for path in sorted(source.rglob("*.json")):
            yield json.loads(path.read_text(encoding="utf-8"))
    else:
        with zipfile.ZipFile(source) as archive:
            for name in archive.namelist():
                if name.endswith(".json"):
                    yield json.loads(archive.read(name))


def asked(service: str, releases: list[Release]) -> Iterator[tuple[Release, set[str]]]:
    """What a service answers about all releases at once. Raises httpx.HTTPError."""
    queries = [{"package": {"name": name, "ecosystem": "PyPI"}, "version": version} for name, version in releases]
    answer = httpx.post(f"{service.rstrip('/')}/v1/querybatch", json={"queries": queries}, timeout=30.0)
    answer.raise_for_status()
    for release, result in zip(releases, answer.json()["results"], strict=True):
        for one in result.get("vulns", ()):
            yield release, {one["id"]}


def judged(found: Iterable[tuple[Release, set[str]]], policy: Mapping[str, Any], today: dt.date) -> Iterator[str]:
    """A line for every weakness that is not excused, or no more."""
    excused = {(plain(one["component"]), one["id"]): one["until"] for one in policy.get("advisory", ())}
    for (name, version), ids in found:
        ends = [excused[name, one] for one in ids if (name, one) in excused]
        if not ends:
            yield f"{name} {version}: {', '.join(sorted(ids))}"
        elif max(ends) < today:
            yield f"{name} {version}: {', '.join(sorted(ids))}; its exception ended on {max(ends)}"


def main(source: str = SERVICE, lock: Path = ROOT / "requirements.lock") -> int:
    """The exit code; what was found, or that nothing was asked, on stderr."""
    releases = locked(lock.read_text(encoding="utf-8"))
    try:
        found = list(asked(source, releases) if "://" in source else in_records(records(Path(source)), releases))
    except (httpx.HTTPError, OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        sys.stderr.write(
            f"advisories: {source} cannot be asked ({type(error).__name__}): NOTHING WAS CHECKED\n"
            "            without a network: make advisories ADVISORIES=folder-or-zip of OSV records for PyPI\n"
        )
        return 75
    lines = list(judged(found, tomllib.loads(POLICY.read_text("utf-8")), dt.datetime.now(dt.UTC).date()))
    for line in lines:
        sys.stderr.write(f"advisories: {line}\n")
    if not lines:
        sys.stdout.write(f"no known weakness in {len(releases)} locked releases that is not excused for a time\n")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
