"""The gate's thresholds: policy.yaml, with the operator's own values over it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType

import yaml

from contracts.errors import UsageError
from contracts.settings import Settings


@cache
def shipped() -> Mapping[str, float]:
    """Name to value, as shipped."""
    document = yaml.safe_load(files("expectations").joinpath("policy.yaml").read_text(encoding="utf-8"))
    return MappingProxyType({name: float(entry["value"]) for name, entry in document.items() if name != "version"})


def thresholds(settings: Settings) -> Mapping[str, float]:
    """The values in force. UsageError for a name the policy does not know or a value that is no number."""
    own = settings.home / "gate" / "policy.yaml"
    if not own.is_file():
        return shipped()
    document = yaml.safe_load(own.read_text(encoding="utf-8")) or {}
    if not isinstance(document, dict):
        raise UsageError(f"{own} is not a list of name: value")
    for name, value in document.items():
        if name not in shipped():
            raise UsageError(f"{own}: unknown threshold {name!r}", hint="the names stand in expectations/policy.yaml")
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise UsageError(f"{own}: {name} is not a number")
    return MappingProxyType({**shipped(), **{name: float(value) for name, value in document.items()}})
