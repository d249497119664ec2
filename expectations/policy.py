"""The gate's thresholds: policy.yaml, with the operator's own values over it."""

from __future__ import annotations

from collections.abc import Mapping

from contracts.policy import Policy
from contracts.settings import Settings

_POLICY = Policy("expectations", "policy.yaml")


def thresholds(settings: Settings) -> Mapping[str, float]:
    """The values in force. UsageError for a name the policy does not know or a value that is no number."""
    return _POLICY.with_own(settings.home / "gate" / "policy.yaml")
