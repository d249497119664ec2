"""Reason codes of rejections, with the stage that finds them and texts for the agency in two languages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from contracts.shipped import shipped_yaml

STAGES = ("wire", "json", "envelope", "privacy", "contract", "domain")


@dataclass(frozen=True)
class Reason:
    """One reason code and what an agency reads about it."""

    code: str
    stage: str
    what: Mapping[str, str]  # language to text
    fix: Mapping[str, str]


@cache
def reasons() -> Mapping[str, Reason]:
    """All reasons by code."""
    return MappingProxyType(
        {
            code: Reason(
                code,
                entry["stage"],
                {language: entry[language]["what"] for language in ("fa", "en")},
                {language: entry[language]["fix"] for language in ("fa", "en")},
            )
            for code, entry in shipped_yaml("contracts", "reasons.yaml").items()
        }
    )
