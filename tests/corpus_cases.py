"""The corpus of bad input as cases: its files, and the large ones that are made here. See tests/corpus."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from contracts.event import Known
from contracts.event_contract import event_contract

CORPUS = Path(__file__).resolve().parent / "corpus"
AGENCY, TOPIC = "tax-north", "egov.events.v1.tax-north"
# What the catalogue knows where the corpus is judged.
KNOWN = Known(
    {"passport": None, "ended": dt.date(2019, 1, 1)}, {"qom": "province", "kahak": "district"}, frozenset({"t1"})
)


@dataclass(frozen=True)
class Case:
    """One record and how it ends: ``accepted`` or a reason code; ``detail`` where the agency is told more."""

    name: str
    value: bytes | None
    headers: list[tuple[str, bytes | None]] | None
    outcome: str
    detail: str | None = None


def cases() -> Iterator[Case]:
    """Every file of the corpus, in order of class and file."""
    for folder in sorted(path for path in CORPUS.iterdir() if path.is_dir()):
        for name, case in json.loads((folder / "expected.json").read_text()).items():
            headers = [(key, None if value is None else value.encode()) for key, value in case.get("headers", [])]
            value = None if case.get("null") else (folder / name).read_bytes()
            yield Case(f"{folder.name}/{name}", value, headers or None, case["outcome"], case.get("detail"))


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


def large_cases() -> Iterator[Case]:
    """Cases too large to lie in a repository."""
    good = json.dumps(good_event()).encode()
    limit = event_contract().max_value_bytes
    yield Case("wire.size/exactly-256-kib", good.ljust(limit), None, "accepted")
    yield Case("wire.size/one-byte-above", good.ljust(limit + 1), None, "too_large")
    yield Case("wire.size/padded", json.dumps(good_event(padding="x" * limit)).encode(), None, "too_large")
    yield Case("wire.size/10-mb-string", b'"' + b"x" * 10_000_000 + b'"', None, "too_large")
    yield Case("wire.headers/1000-headers", good, [(f"h{i}", b"x") for i in range(1_000)], "bad_headers")
    yield Case("wire.headers/1-mb-header", good, [("h", b"x" * 2**20)], "bad_headers")
    yield Case("json.shape/40-deep", b'{"a":' * 40 + b"1" + b"}" * 40, None, "too_complex")
    yield Case("json.shape/100-k-deep", b"[" * 100_000 + b"]" * 100_000, None, "too_complex")
    yield Case("json.shape/5-k-members", json.dumps({f"k{i}": i for i in range(5_000)}).encode(), None, "too_complex")
    million = json.dumps(dict.fromkeys(map(str, range(1_000_000)), 0)).encode()
    yield Case("json.shape/1-m-members", million, None, "too_large")
    yield from _slow_cases(limit - 1_000)


def _slow_cases(size: int) -> Iterator[Case]:
    """Texts of the largest size allowed that once took minutes to judge, or are shaped to."""

    def said(outcome: str, name: str, value: object, **envelope: object) -> Case:
        event = {**good_event(visit_id=value), **envelope}
        return Case(f"json.shape/{name}", json.dumps(event, ensure_ascii=False).encode(), None, outcome)

    marks = "a" + "\u0301\u0316" * (size // 4)
    yield Case("json.shape/unclosed-string", b"[" * 40 + b'"' + b'\\"' * (size // 2), None, "too_complex")
    yield said("bad_identifier", "almost-an-e-mail", "a@" + "." * size + "@")
    yield said("bad_identifier", "two-at-signs", "a@" * (size // 2))
    yield said("bad_identifier", "combining-marks", marks)
    yield said("bad_identifier", "combining-marks-as-id", "v-1", id=marks)
    yield said("bad_identifier", "digits-alone", "1" * size)
    yield said("bad_identifier", "inner-spaces", "0" + " " * size + "1")
    yield said("bad_time", "long-fraction", "v-1", time="2020-03-21T10:00:00." + "1" * size + "x")
    yield said("bad_envelope", "long-source", "v-1", source="/agencies/" + "a" * size)
    yield said("schema_violation", "long-list", [0] * (size // 4))
    number = json.dumps(good_event(human_steps=7)).encode()
    yield Case("json.shape/long-whole-number", number.replace(b"7", b"1" * size, 1), None, "bad_number")
    yield Case("json.shape/long-fraction-number", number.replace(b": 7", b": 0." + b"1" * size), None, "bad_type")
