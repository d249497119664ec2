"""The keyword arguments of the SDK's methods: the contract's data fields, typed for editors and type checkers.

A test holds these names equal to contracts/events.yaml; the contract's parser judges the values.
"""

from __future__ import annotations

import datetime as dt
from typing import Required, TypedDict


class VisitFields(TypedDict, total=False):
    """What ``visited`` takes."""

    visit_id: Required[str]
    channel: Required[str]
    user_key: str
    user_key_id: str
    audience: str
    province: str
    district: str
    age_band: str
    authn_level: str
    is_test: bool


class TransactionFields(TypedDict, total=False):
    """What ``received`` takes."""

    transaction_id: Required[str]
    service_id: Required[str]
    channel: Required[str]
    user_key: str
    user_key_id: str
    audience: str
    visit_id: str
    province: str
    district: str
    assisted_by: str
    age_band: str
    authn_level: str
    reason_in_person: str
    is_test: bool


class CompletionFields(TransactionFields, total=False):
    """What ``completed`` takes."""

    outcome: Required[str]
    in_person_steps: int
    human_steps: int
    documents_requested: int
    duration_seconds: int


class InquiryFields(TypedDict):
    """What ``inquiry_answered`` takes."""

    inquiry_id: str
    counterpart_agency_id: str
    mode: str


class RetractionFields(TypedDict):
    """What ``retracted`` takes: ``event_id`` names the event to take back."""

    event_id: str
    reason: str


class ControlTotalFields(TypedDict, total=False):
    """What ``control_total`` takes: distinct event ids of one type with ``time`` on one Tehran date.

    ``id_checksum`` is what ``producers.id_checksum`` gives of these ids.
    """

    date: Required[dt.date | str]
    event_type: Required[str]
    count: Required[int]
    id_checksum: str


class DeclarationFields(TypedDict, total=False):
    """What ``declared`` takes; ``value`` is a count, ``not_provided`` or ``not_applicable``."""

    period: Required[str]
    calendar: Required[str]
    measure: Required[str]
    value: Required[int | str]
    service_id: str
    channel: str
    method: str
    verified_by: str
