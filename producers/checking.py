"""Is a file of events good? The contract's own parser, line by line, without any network or catalogue."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from contracts.event import SOURCE, Event, Record, Rejection, parse
from contracts.event_contract import event_contract
from contracts.reasons import Reason, reasons
from contracts.settings import EVALUATOR

# Detail starts with the field where there is one: "channel", "service_id is missing".
_FIELD = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_NO_AGENCY = "unknown"


@dataclass(frozen=True)
class LineError:
    """Why one line is no event. ``line`` counts from 1; ``field`` is None where the fault is not one field's."""

    line: int
    reason: Reason
    stage: str
    detail: str
    field: str | None


def check_lines(lines: Iterable[bytes], agency_id: str | None = None) -> Iterator[LineError | Event]:
    """Each line's event, or why there is none; blank lines are passed over.

    ``agency_id`` None: each line speaks for the agency its own source names. An id that comes twice
    with different content is an ``id_conflict``, as it will be at landing.
    """
    now = dt.datetime.now(dt.UTC)
    seen: dict[tuple[str, str], bytes] = {}
    for number, line in enumerate(lines, 1):
        value = line.rstrip(b"\r\n")
        if not value.strip():
            continue
        verdict = parse(Record(value, agency_id or _agency_of(value)), now)
        if isinstance(verdict, Event):
            digest = hashlib.blake2b(value, digest_size=16).digest()
            if seen.setdefault((verdict.source, verdict.event_id), digest) == digest:
                yield verdict
                continue
            verdict = Rejection("id_conflict", reasons()["id_conflict"].stage, "id")
        yield _error(number, verdict)


def _error(number: int, rejection: Rejection) -> LineError:
    name = _FIELD.match(rejection.detail)
    contract = event_contract()
    known = {*contract.envelope_required, *contract.envelope_optional, *(field.name for field in contract.all_fields)}
    is_field = name is not None and (name[0] in known or rejection.reason_code in ("unknown_field", "pii_leak"))
    return LineError(
        number,
        reasons()[rejection.reason_code],
        rejection.stage,
        rejection.detail,
        name[0] if is_field and name is not None else None,
    )


def _agency_of(value: bytes) -> str:
    """The agency a line's source names; any other text where it names none: the parser then says why."""
    try:
        source = json.loads(value)["source"]
        match = SOURCE.fullmatch(source.strip())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return _NO_AGENCY
    return (match[1] or EVALUATOR) if match else _NO_AGENCY
