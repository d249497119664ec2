"""Claim files: what a text says, in our own words, and which published figures would show it. YAML in, dataclasses out.

``source`` names the text; ``claims`` is a list. A claim has an id, ``says`` (fa, en), mostly ``quoted`` (value, unit,
wording, step), a ``kind`` (how the figures make a number), ``figures`` (cells of published tables), and what to
``expect``. Every field is checked, because a claim file is written by hand: BadInput says where it is wrong.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from contracts.errors import BadInput, UsageError
from contracts.shipped import shipped_yaml
from contracts.vocabularies import Label
from provenance.wording import WORDINGS, Range, implied

UNITS = ("count", "percent", "points", "ratio", "state")
KINDS = (
    "value",
    "sum",
    "remainder",
    "ratio",
    "difference",
    "growth_pct",
    "growth_points",
    "share_bounds",
    "solve_points",
    "readings",
    "every",
    "state",
    "mandate",
    "coverage",
    "unsaid",
)
# `texts`: the codes of several rows, each once. `count`: how many rows fulfil `where`.
COMBINATIONS = ("sum", "mean", "count", "texts")
# What a text leaves out, and the verdict that follows from it.
LACKS = {
    "denominator": "not_provided",
    "population": "not_provided",
    "criterion": "not_measurable",
    "figure": "not_measurable",
}
_FOLDER = "texts"


@dataclass(frozen=True)
class Quoted:
    """What was said: a number with its wording, or (unit ``state``) a code."""

    value: float | str
    upper: float | None
    unit: str
    wording: str
    step: float

    @property
    def range(self) -> Range:
        """The numbers it may mean. TypeError for a state."""
        if isinstance(self.value, str):
            raise TypeError(f"{self.value} is no number")
        return implied(self.wording, self.value, self.step, self.upper)


@dataclass(frozen=True)
class Condition:
    """Which rows ``combine: count`` counts: the measure is at least so much, or the column is this."""

    column: str
    at_least: float | None
    equals: object


@dataclass(frozen=True)
class Figure:
    """A cell of a published table (or several, with ``combine``).

    ``newest`` picks of a column of dates the newest row on or before a day, for each value of ``by``. ``factor`` turns
    a share (0-1) into per cent; ``scaled`` marks counts of events and people, which a simulation has at a scale.
    """

    name: str
    table: str
    measure: str
    key: Mapping[str, tuple[str, ...]]
    like: Mapping[str, str]
    newest: str | None
    until: dt.date | None
    by: tuple[str, ...]
    combine: str | None
    where: tuple[Condition, ...]
    scaled: bool
    factor: float


@dataclass(frozen=True)
class Claim:
    """One statement of a text."""

    id: str
    says: Label
    quoted: Quoted | None
    kind: str
    figures: tuple[Figure, ...]
    instead: tuple[Figure, ...]
    from_quotes: tuple[str, ...]
    lacks: str | None
    because: tuple[str, ...]
    covers: tuple[str, ...]
    note: Label | None
    expect: str


@dataclass(frozen=True)
class Source:
    """The text: what it is, of when, and which catalogue or scenario its figures rest on."""

    id: str
    title: Label
    period: str
    catalogue: str


@dataclass(frozen=True)
class ClaimFile:
    """One file, read."""

    path: Path
    source: Source
    claims: tuple[Claim, ...]

    def claim(self, name: str) -> Claim:
        """The claim of that id. KeyError where there is none."""
        return next(claim for claim in self.claims if claim.id == name)


@cache
def vocabulary(name: str) -> Mapping[str, Label]:
    """``verdicts`` or ``reasons``: code to label."""
    entries = shipped_yaml("provenance", "vocabulary.yaml")[name]
    return {code: Label(entry["fa"], entry["en"]) for code, entry in entries.items()}


def shipped() -> list[Path]:
    """The claim files that come with Mizan, in order."""
    return sorted(Path(__file__).parent.joinpath(_FOLDER).glob("*.yaml"))


def find(name: str) -> list[Path]:
    """``all``: the shipped files; else a file of that path, or the shipped one whose name begins so."""
    if name == "all":
        return shipped()
    path = Path(name)
    if path.is_file():
        return [path]
    found = [one for one in shipped() if one.stem == name or one.stem.startswith(f"{name}-")]
    if not found:
        known = ", ".join(one.stem for one in shipped())
        raise UsageError(f"there is no claim file {name}", hint=f"a path, all, or one of: {known}")
    return found


def read(path: Path) -> ClaimFile:
    """One claim file. BadInput names the claim and the field that is wrong."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise BadInput(f"{path}: {error}") from error
    where = path.name
    top = _fields(document, where, required=("source", "claims"))
    said = _fields(top["source"], f"{where}, source", required=("id", "title", "period"), optional=("catalogue",))
    source = Source(said["id"], _label(said["title"], where), said["period"], said.get("catalogue", ""))
    claims = tuple(_claim(entry, f"{where}, claim {place}") for place, entry in enumerate(top["claims"], start=1))
    names = [claim.id for claim in claims]
    for name in names:
        _check(names.count(name) == 1, where, f"two claims are called {name}")
    for claim in claims:
        for other in claim.from_quotes:
            _check(other in names, f"{where}, {claim.id}", f"there is no claim {other} to take a quote from")
    return ClaimFile(path, source, claims)


def _claim(entry: Any, where: str) -> Claim:
    found = _fields(
        entry,
        where,
        required=("id", "says", "kind", "expect"),
        optional=("quoted", "figures", "instead", "from_quotes", "lacks", "because", "covers", "note"),
    )
    where = f"{where} ({found['id']})"
    _listed(found["kind"], KINDS, where, "kind")
    _listed(found["expect"], tuple(vocabulary("verdicts")), where, "expect")
    for reason in found.get("because", ()):
        _listed(reason, tuple(vocabulary("reasons")), where, "because")
    _check((found["kind"] == "unsaid") == ("lacks" in found), where, "lacks goes with kind unsaid, and only with it")
    if "lacks" in found:
        _listed(found["lacks"], tuple(LACKS), where, "lacks")
    _check(
        bool(found.get("figures")) or bool(found.get("from_quotes")) or found["kind"] == "unsaid",
        where,
        "no figures and no quotes to compute from",
    )
    return Claim(
        found["id"],
        _label(found["says"], where),
        _quoted(found["quoted"], where) if "quoted" in found else None,
        found["kind"],
        tuple(_figure(figure, where) for figure in found.get("figures", ())),
        tuple(_figure(figure, where) for figure in found.get("instead", ())),
        tuple(found.get("from_quotes", ())),
        found.get("lacks"),
        tuple(found.get("because", ())),
        tuple(found.get("covers", ())),
        _label(found["note"], where) if "note" in found else None,
        found["expect"],
    )


def _quoted(entry: Any, where: str) -> Quoted:
    found = _fields(entry, f"{where}, quoted", required=("value", "unit"), optional=("wording", "step", "upper"))
    _listed(found["unit"], UNITS, where, "unit")
    wording = found.get("wording", "exact")
    _listed(wording, WORDINGS, where, "wording")
    if found["unit"] == "state":
        return Quoted(str(found["value"]), None, "state", "exact", 1.0)
    upper = found.get("upper")
    return Quoted(
        float(found["value"]),
        None if upper is None else float(upper),
        found["unit"],
        wording,
        float(found.get("step", 1)),
    )


def _figure(entry: Any, where: str) -> Figure:
    found = _fields(
        entry,
        f"{where}, figure",
        required=("table", "measure", "key"),
        optional=("name", "like", "newest", "by", "combine", "where", "scaled", "factor"),
    )
    where = f"{where}, {found['table']}.{found['measure']}"
    newest = found.get("newest")
    if newest is not None:
        _check(isinstance(newest, Mapping) and len(newest) == 1, where, "newest is one column and a day")
    ((column, day),) = newest.items() if newest else ((None, None),)
    if found.get("combine") is not None:
        _listed(found["combine"], COMBINATIONS, where, "combine")
    return Figure(
        found.get("name", f"{found['table']}.{found['measure']}"),
        found["table"],
        found["measure"],
        {name: _texts(value) for name, value in found["key"].items()},
        {name: str(value) for name, value in found.get("like", {}).items()},
        column,
        dt.date.fromisoformat(str(day)) if day is not None else None,
        _texts(found.get("by", [])),
        found.get("combine"),
        tuple(_condition(column, value) for column, value in found.get("where", {}).items()),
        bool(found.get("scaled", False)),
        float(found.get("factor", 1)),
    )


def _condition(column: str, value: Any) -> Condition:
    if isinstance(value, Mapping):
        return Condition(column, float(value["at_least"]), None)
    return Condition(column, None, value)


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(str(one) for one in value) if isinstance(value, list) else (str(value),)


def _label(entry: Any, where: str) -> Label:
    found = _fields(entry, f"{where}, label", required=("fa", "en"))
    return Label(str(found["fa"]), str(found["en"]))


def _fields(entry: Any, where: str, *, required: Sequence[str], optional: Sequence[str] = ()) -> dict[str, Any]:
    _check(isinstance(entry, Mapping), where, "not a mapping")
    for name in required:
        _check(name in entry, where, f"{name} is missing")
    for name in entry:
        _check(name in required or name in optional, where, f"{name} is no field")
    return dict(entry)


def _listed(value: Any, allowed: Sequence[str], where: str, name: str) -> None:
    _check(value in allowed, where, f"{name} is {value!r}, not one of {', '.join(allowed)}")


def _check(holds: bool, where: str, message: str) -> None:
    if not holds:
        raise BadInput(f"{where}: {message}")
