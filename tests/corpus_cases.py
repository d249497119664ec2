"""The corpus of bad input as cases. Each class is a folder of tests/corpus with an ``expected.json``:

``cases``: by file, ``outcome`` (OUTCOMES), ``reason`` where it is refused, ``detail`` where the agency is told more,
``headers`` and ``key`` of the record, ``as``: fields of an accepted event after normalising.
``hints``: by reason, what the agency reads of how to mend it, in two languages.

A file is the record's value, byte for byte, but for these:

* ``….pieces.json``: a value too large to lie here, as ``[[text, times], …]``; ``{n}`` in a text counts the times.
* ``….call.json``: what a caller says to the SDK: ``say`` (its method), ``person`` and ``fields``.
* ``….batch.json``: how a producer sends records: ``codec``, ``records`` (each in pieces), ``headers``, ``spoil``.
* ``….transactions.json``: ``[[records, "commit" or "abort"], …]``.
* ``….volume.json``: many events of one month: see tests/unit/pipeline/test_corpus_volumes.py.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contracts.event import Known

CORPUS = Path(__file__).resolve().parent / "corpus"
AGENCY, TOPIC = "tax-north", "egov.events.v1.tax-north"
# ACC accepted; QUA quarantined; SDK refused before sending; BRK refused by the broker; HALT the partition stops;
# GAP absent, and counted as a gap.
OUTCOMES = ("ACC", "QUA", "SDK", "BRK", "HALT", "GAP")
# What the catalogue knows where the corpus is judged.
KNOWN = Known(
    {"passport": None, "ended": dt.date(2019, 1, 1)}, {"qom": "province", "kahak": "district"}, frozenset({"t1"})
)
Pieces = Sequence[tuple[str, int]]


@dataclass(frozen=True)
class Case:
    """One record and how it ends: ``accepted`` or a reason code; ``detail`` where the agency is told more."""

    name: str
    value: bytes | None
    headers: list[tuple[str, bytes | None]] | None
    outcome: str
    detail: str | None = None
    key: bytes | None = None
    becomes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Described:
    """A file that describes what is done rather than a record, and what is expected of it."""

    name: str
    document: Any
    expected: dict[str, Any]


def cases() -> Iterator[Case]:
    """Every record that lies in the corpus, in order of class and file."""
    yield from _records(large=False)


def large_cases() -> Iterator[Case]:
    """The records that are made of pieces: too large to lie in a repository."""
    yield from _records(large=True)


def described(suffix: str) -> Iterator[Described]:
    """The files that end in ``.<suffix>.json``: call, batch, transactions or volume."""
    for folder, name, expected in expectations():
        if name.endswith(f".{suffix}.json"):
            document = json.loads((folder / name).read_text(encoding="utf-8"))
            yield Described(f"{folder.name}/{name}", document, expected)


def expectations() -> Iterator[tuple[Path, str, dict[str, Any]]]:
    """Folder, file and expectation of every case of every class."""
    for folder in sorted(path for path in CORPUS.iterdir() if path.is_dir()):
        for name, expected in json.loads((folder / "expected.json").read_text(encoding="utf-8"))["cases"].items():
            yield folder, name, expected


def kind_of(name: str) -> str:
    """``record``, or the kind that a file's name says: pieces, call, batch, transactions or volume."""
    parts = name.split(".")
    kinds = ("pieces", "call", "batch", "transactions", "volume")
    return parts[-2] if len(parts) > 2 and parts[-2] in kinds else "record"


def made(pieces: Pieces) -> bytes:
    """The bytes that pieces describe."""
    return b"".join(
        "".join(text.replace("{n}", str(n)) for n in range(times)).encode() if "{n}" in text else text.encode() * times
        for text, times in pieces
    )


def _records(*, large: bool) -> Iterator[Case]:
    for folder, name, expected in expectations():
        kind = kind_of(name)
        if kind != ("pieces" if large else "record"):
            continue
        if expected.get("null"):
            value = None
        else:
            value = made(json.loads((folder / name).read_text("utf-8"))) if large else (folder / name).read_bytes()
        outcome = "accepted" if expected["outcome"] == "ACC" else expected["reason"]
        key = expected.get("key")
        yield Case(
            f"{folder.name}/{name}",
            value,
            headers_of(expected.get("headers", [])) or None,
            outcome,
            expected.get("detail"),
            None if key is None else key.encode(),
            expected.get("as", {}),
        )


def headers_of(given: Sequence[Sequence[Any]]) -> list[tuple[str, bytes | None]]:
    """Headers from ``[name, value]``, or ``[name, value, times, length]``: that many, each value that many times."""
    found: list[tuple[str, bytes | None]] = []
    for name, value, *more in given:
        times, length = (*more, 1, 1)[:2]
        for n in range(times):
            found.append((name.replace("{n}", str(n)), None if value is None else value.encode() * length))
    return found


def good_event(**data: object) -> dict[str, object]:
    """An accepted event, with these data fields over its own."""
    event = {
        "specversion": "1.0",
        "id": "made-1",
        "source": f"/agencies/{AGENCY}",
        "type": "ir.egov.transaction.completed.v1",
        "time": "2020-03-21T10:00:00+03:30",
    }
    own = {"transaction_id": "trk-1", "service_id": "passport", "channel": "portal", "outcome": "accepted"}
    return {**event, "data": {**own, **data}}
