"""Whose topic is whose: each agency has one of its own, and so has the national evaluator."""

from __future__ import annotations

from contracts.settings import AGENCY_ID, ASSESSMENTS_TOPIC, EVALUATOR, TOPIC_PREFIX


def topic_of(sender: str) -> str:
    """The topic of an agency, or of the evaluator."""
    return ASSESSMENTS_TOPIC if sender == EVALUATOR else TOPIC_PREFIX + sender


def sender_of(topic: str) -> str | None:
    """The agency (or EVALUATOR) that alone writes to ``topic``; None for a topic that is none of ours."""
    if topic == ASSESSMENTS_TOPIC:
        return EVALUATOR
    agency = topic.removeprefix(TOPIC_PREFIX)
    known = topic.startswith(TOPIC_PREFIX) and AGENCY_ID.fullmatch(agency) and agency != EVALUATOR
    return agency if known else None
