"""Closed lists with Persian and English labels, read once from vocabularies.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

from contracts.shipped import shipped_yaml


class Label(NamedTuple):
    """What people read, in both languages."""

    fa: str
    en: str


@cache
def _document() -> Mapping[str, Mapping[str, Mapping[str, object]]]:
    document = shipped_yaml("contracts", "vocabularies.yaml")
    return MappingProxyType({name: entries for name, entries in document.items() if name != "version"})


def names() -> tuple[str, ...]:
    """The names of all lists."""
    return tuple(_document())


@cache
def codes(vocabulary: str) -> tuple[str, ...]:
    """The codes of one list, in its own order. KeyError for a list that does not exist."""
    return tuple(_document()[vocabulary])


@cache
def labels(vocabulary: str) -> Mapping[str, Label]:
    """Code to label."""
    entries = _document()[vocabulary]
    return MappingProxyType({code: Label(str(e["fa"]), str(e["en"])) for code, e in entries.items()})


@cache
def spellings(vocabulary: str) -> Mapping[str, str]:
    """Every accepted spelling, in lower case, to its code: the codes themselves and their aliases."""
    found: dict[str, str] = {}
    for code, entry in _document()[vocabulary].items():
        aliases = entry.get("aliases", [])
        assert isinstance(aliases, list)
        for spelling in (code, *aliases):
            found[str(spelling).lower()] = code
    return MappingProxyType(found)
