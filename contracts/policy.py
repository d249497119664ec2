"""A policy: named numbers shipped with a room, and the operator's own values over them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType

import yaml

from contracts.errors import UsageError
from contracts.shipped import shipped_yaml


@dataclass(frozen=True)
class Policy:
    """The numbers of one shipped YAML file (name to ``value`` and what it means)."""

    room: str
    file: str

    @cached_property
    def shipped(self) -> Mapping[str, float]:
        """Name to value, as shipped."""
        document = shipped_yaml(self.room, self.file)
        return MappingProxyType({name: float(entry["value"]) for name, entry in document.items() if name != "version"})

    def with_own(self, own: Path) -> Mapping[str, float]:
        """The values in force where ``own`` is the operator's file (it may be absent).

        Raises UsageError for a name the policy does not know or a value that is no number of 0 or more.
        """
        if not own.is_file():
            return self.shipped
        document = yaml.safe_load(own.read_text(encoding="utf-8")) or {}
        if not isinstance(document, dict):
            raise UsageError(f"{own} is not a list of name: value")
        for name, value in document.items():
            if name not in self.shipped:
                raise UsageError(f"{own}: unknown value {name!r}", hint=f"the names stand in {self.room}/{self.file}")
            if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
                raise UsageError(f"{own}: {name} is not a number of 0 or more")
        return MappingProxyType({**self.shipped, **{name: float(value) for name, value in document.items()}})
