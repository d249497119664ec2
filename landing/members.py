"""Which of the contract's members a batch's senders use: asked of a sample, so that a query looks for no others."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from contracts.event_contract import event_contract
from contracts.vocabularies import codes, spellings

# A longer record says nothing of what is usual.
_LONGEST = 16_384


@dataclass(frozen=True)
class Members:
    """What a query looks for: types of event, and fields of their data. A record with any other is not proved.

    ``spelt`` are the fields of codes that may be written otherwise than by their code.
    """

    types: tuple[str, ...]
    fields: tuple[str, ...]
    spelt: frozenset[str] = frozenset()

    def looks_beyond(self, other: Members) -> bool:
        """True where a record may be proved by this that is not by the other."""
        return not ({*self.types} <= {*other.types} and {*self.fields} <= {*other.fields} and self.spelt <= other.spelt)


@cache
def all_members() -> Members:
    """Every type, field and spelling that an agency may send."""
    return Members(tuple(event_contract().types_of("agency")), tuple(event_contract().fields), frozenset(_aliased()))


def members_in(texts: Iterable[str | bytes | None]) -> Members:
    """Those of the contract that records have, with what goes with them. Texts that are no events say nothing."""
    types: set[str] = set()
    names: set[str] = set()
    spelt: set[str] = set()
    for text in texts:
        try:
            event = json.loads(text) if text and len(text) <= _LONGEST else None
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict) and isinstance(event.get("type"), str):
            types.add(event["type"])
            data = event.get("data")
            if isinstance(data, dict):
                names |= data.keys()
                spelt |= {name for name, listed in _aliased().items() if data.get(name, None) in listed}
    known = {name: kind for name, kind in event_contract().types_of("agency").items() if name in types}
    allowed = {name for kind in known.values() for name in kind.fields}
    needed = {name for kind in known.values() for name in kind.required}
    # Re-keying asks for the column of keys in any case.
    wanted = (names & allowed) | needed | {"user_key"}
    fields = tuple(name for name in event_contract().fields if name in wanted)
    return Members(tuple(known), fields, frozenset(spelt & wanted))


def some_of(count: int, most: int) -> Sequence[int]:
    """At most about ``most`` of ``count`` numbers, chosen without a pattern that records could follow, yet the same."""
    return range(count) if count <= most else random.Random(count).sample(range(count), most)  # noqa: S311 no secret


@cache
def _aliased() -> dict[str, tuple[str, ...]]:
    """Fields of codes that have other spellings, and those spellings."""
    found: dict[str, tuple[str, ...]] = {}
    for name, field in event_contract().fields.items():
        if field.vocabulary is not None:
            others = set(spellings(field.vocabulary)) - set(codes(field.vocabulary))
            found |= {name: tuple(others)} if others else {}
    return found
