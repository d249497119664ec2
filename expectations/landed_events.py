"""What must hold of an agency's part of a landed batch, as sentences.

One row of the judged frame is one (batch, agency); summary.py computes its columns. A blank cell is not judged: an
agency without control totals, history or keys is new, not wrong. *critical* closes the agency's gate; *warning* lets
the events count and flags them. Severities are Great Expectations' own words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Severity = Literal["critical", "warning"]


@dataclass(frozen=True)
class Expectation:
    """``column`` lies between ``at_least`` and ``at_most`` (both included) in every row where it is not blank."""

    name: str
    severity: Severity
    column: str
    en: str
    fa: str
    at_least: float | None = None
    at_most: float | None = None


def landed_events(policy: Mapping[str, float]) -> tuple[Expectation, ...]:
    """The suite for landed batches under a policy."""
    return (
        Expectation(
            "every_event_once",
            "critical",
            "duplicate_ids",
            "No (source, event id) stands twice among the rows of the lake",
            "هیچ رویدادی (منبع و شناسه) دو بار در دریاچه نیست",
            at_most=0,
        ),
        Expectation(
            "required_values_present",
            "critical",
            "missing_required",
            "Every accepted row has all the values its type requires, codes from their closed lists",
            "هر ردیف پذیرفته همه مقدارهای لازم نوع خود را با کدهای مجاز دارد",
            at_most=0,
        ),
        Expectation(
            "references_known",
            "critical",
            "unknown_references",
            "Services and places of accepted rows are still in the catalogue",
            "خدمت‌ها و مکان‌های ردیف‌های پذیرفته هنوز در فهرست‌اند",
            at_most=0,
        ),
        Expectation(
            "not_above_control_total",
            "critical",
            "control_excess",
            "No more events of a date than the agency's control total for it, a day after its newest event",
            "یک روز پس از آخرین رویداد هر تاریخ، رویدادها از جمع کنترلی دستگاه بیشتر نیست",
            at_most=0,
        ),
        Expectation(
            "rejects_below_half",
            "critical",
            "large_batch_reject_rate",
            "At most half of a large part of a batch was rejected",
            "از یک دسته بزرگ حداکثر نیمی رد شده است",
            at_most=policy["held_reject_rate"],
        ),
        Expectation(
            "rejects_rare",
            "warning",
            "reject_rate",
            "Rejected records are rare",
            "پیام‌های ردشده اندک‌اند",
            at_most=policy["warned_reject_rate"],
        ),
        Expectation(
            "volume_as_usual",
            "warning",
            "volume_ratio",
            "Events a day are in keeping with the agency's history",
            "شمار روزانه رویدادها با پیشینه دستگاه می‌خواند",
            at_least=policy["volume_low"],
            at_most=policy["volume_high"],
        ),
        Expectation(
            "no_long_silence",
            "warning",
            "silent_days",
            "No long run of days without any event",
            "روزهای پیاپی بدون رویداد زیاد نیست",
            at_most=policy["silent_days"],
        ),
        Expectation(
            "channels_as_usual",
            "warning",
            "channel_shift",
            "The mix of channels is in keeping with the agency's history",
            "ترکیب بسترها با پیشینه دستگاه می‌خواند",
            at_most=policy["channel_shift"],
        ),
        Expectation(
            "clock_runs",
            "warning",
            "same_second_share",
            "Events do not crowd into one and the same second",
            "رویدادها در یک ثانیه انباشته نیستند",
            at_most=policy["same_second_share"],
        ),
        Expectation(
            "no_user_dominates",
            "warning",
            "dominant_user_share",
            "No single user makes up a large share of the events",
            "هیچ کاربری سهم بزرگی از رویدادها را ندارد",
            at_most=policy["dominant_user_share"],
        ),
        Expectation(
            "completed_once",
            "warning",
            "completed_twice",
            "No transaction is completed twice under different event ids",
            "هیچ تراکنشی دو بار با شناسه‌های جدا پایان نیافته است",
            at_most=0,
        ),
        Expectation(
            "optional_codes_known",
            "warning",
            "unknown_codes",
            "Optional codes come from their closed lists",
            "کدهای اختیاری از فهرست‌های مجازند",
            at_most=0,
        ),
        Expectation(
            "agency_known",
            "warning",
            "agency_unknown",
            "The sending agency is in the catalogue",
            "دستگاه فرستنده در فهرست دستگاه‌ها هست",
            at_most=0,
        ),
    )
