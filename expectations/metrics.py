"""What must hold of the built metric tables before they are published, as sentences.

One row of the judged frame is one metric table; a column counts the rows that break one rule (blank: the rule is not
about that table). A critical failure stops publishing and names table and rows: keys of cells, never persons.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contracts import vocabularies
from contracts.errors import GateClosed
from contracts.settings import Settings
from expectations.judge import judge
from expectations.landed_events import Expectation
from expectations.policy import thresholds

if TYPE_CHECKING:
    from warehouse.connection import Connection

SHOWN_ROWS = 5
_KEYS = (
    "calendar",
    "month",
    "period",
    "scope",
    "scope_id",
    "channel",
    "reason",
    "reported_by",
    "agency_id",
    "counterpart_agency_id",
)


@dataclass(frozen=True)
class Rule:
    """One rule: ``select`` gives the keys of the rows that break it (``{table}`` is the table)."""

    name: str
    tables: tuple[str, ...]
    select: str
    en: str
    fa: str


_SCOPED = (
    "monthly_users",
    "monthly_visits",
    "monthly_transactions",
    "monthly_channel_share",
    "monthly_digital_take_up",
    "reasons_in_person",
    "period_totals",
)
_ALL = (*_SCOPED, "inquiries")
# Tables whose rows follow the events alone; declared figures give monthly_transactions rows of their own.
_DENSE = ("monthly_users", "monthly_visits", "monthly_channel_share", "monthly_digital_take_up")
RULES = (
    Rule(
        "shares_sum_to_one",
        ("monthly_channel_share",),
        "SELECT calendar, month, scope, scope_id, 'all' AS channel FROM {table} "
        "WHERE channel <> 'all' AND share_status = 'value' GROUP BY calendar, month, scope, scope_id "
        "HAVING abs(sum(share) - 1) > 1e-9",
        "The channels' shares of a row group add up to 1",
        "سهم بسترها در هر گروه روی هم یک است",
    ),
    Rule(
        "shares_between_zero_and_one",
        ("monthly_channel_share",),
        "SELECT * FROM {table} WHERE share NOT BETWEEN 0 AND 1 OR users_share NOT BETWEEN 0 AND 1",
        "Shares lie between 0 and 1",
        "سهم‌ها میان صفر و یک‌اند",
    ),
    Rule(
        "parts_within_total",
        ("monthly_channel_share",),
        "SELECT * FROM {table} WHERE transactions > total_transactions",
        "A channel has no more transactions than all channels",
        "تراکنش‌های یک بستر از همه بسترها بیشتر نیست",
    ),
    Rule(
        "accepted_within_completed",
        ("monthly_transactions",),
        "SELECT * FROM {table} WHERE accepted > completed",
        "Accepted transactions are among the completed",
        "پذیرفته‌شده‌ها از پایان‌یافته‌ها بیشتر نیست",
    ),
    Rule(
        "rates_between_zero_and_one",
        ("monthly_transactions",),
        "SELECT * FROM {table} WHERE reject_rate NOT BETWEEN 0 AND 1 OR duration_p50 > duration_p90",
        "Reject rates lie between 0 and 1, the median not above the 90th percentile",
        "نرخ رد میان صفر و یک است و میانه از صدک نودم بیشتر نیست",
    ),
    Rule(
        "registered_never_fall",
        ("monthly_users",),
        "SELECT * FROM (SELECT *, lag(registered_users) OVER (PARTITION BY calendar, scope, scope_id, channel "
        "ORDER BY month) AS before FROM {table}) WHERE registered_users < before OR new_users > registered_users",
        "Registered users never fall, and hold the month's new ones",
        "کاربران ثبت‌شده هرگز کم نمی‌شوند و تازه‌ها در میان آن‌هایند",
    ),
    Rule(
        "new_within_active",
        ("monthly_users",),
        "SELECT * FROM {table} WHERE new_users > active_users",
        "New users are among the active",
        "کاربران تازه در میان کاربران فعال‌اند",
    ),
    Rule(
        "channels_within_all",
        ("monthly_users",),
        "SELECT part.* FROM {table} AS part INNER JOIN {table} AS whole "
        "ON part.calendar = whole.calendar AND part.month = whole.month AND part.scope = whole.scope "
        "AND part.scope_id = whole.scope_id AND whole.channel = 'all' "
        "WHERE part.active_users > whole.active_users OR part.registered_users > whole.registered_users",
        "A channel has no more users than all channels",
        "کاربران یک بستر از همه بسترها بیشتر نیست",
    ),
    Rule(
        "every_row_has_its_total",
        _DENSE,
        "SELECT * FROM {table} AS part WHERE channel <> 'all' AND NOT EXISTS (SELECT 1 FROM {table} AS whole "
        "WHERE part.calendar = whole.calendar AND part.month = whole.month AND part.scope = whole.scope "
        "AND part.scope_id = whole.scope_id AND whole.channel = 'all')",
        "Where a channel has a row, all channels have one",
        "هر جا بستری ردیف دارد، مجموع نیز ردیف دارد",
    ),
    Rule(
        "months_without_holes",
        _DENSE,
        "SELECT * FROM (SELECT *, lag(month) OVER (PARTITION BY calendar, scope, scope_id, channel ORDER BY month) "
        "AS before, (left(month, 4)::INTEGER * 12 + right(month, 2)::INTEGER) AS place FROM {table}) "
        "WHERE place - (left(before, 4)::INTEGER * 12 + right(before, 2)::INTEGER) > 1",
        "A cell has a row for every month from its first to its last",
        "هر خانه از نخستین تا آخرین ماهش بی‌گسست ردیف دارد",
    ),
    Rule(
        "rows_are_unique",
        _ALL,
        "SELECT {keys} FROM {table} GROUP BY {keys} HAVING count(*) > 1",
        "One row a cell",
        "هر خانه یک ردیف دارد",
    ),
    Rule(
        "reasons_sum_to_one",
        ("reasons_in_person",),
        "SELECT calendar, month, scope, scope_id, channel, reported_by FROM {table} WHERE share_status = 'value' "
        "GROUP BY calendar, month, scope, scope_id, channel, reported_by HAVING abs(sum(share) - 1) > 1e-9",
        "The reasons' shares of a row group add up to 1",
        "سهم دلایل در هر گروه روی هم یک است",
    ),
    Rule(
        "reasons_known",
        ("reasons_in_person",),
        "SELECT * FROM {table} WHERE reason NOT IN ({reasons}) OR reported_by NOT IN ({tellers})",
        "Reasons for coming in person and their tellers come from their closed lists",
        "دلیل مراجعه حضوری و گوینده آن از فهرست‌های مجازند",
    ),
    Rule(
        "take_up_in_order",
        ("monthly_digital_take_up",),
        "SELECT * FROM {table} WHERE digital > digital_or_assisted OR digital_or_assisted > completed "
        "OR digital_take_up_assisted > 1",
        "Digital take-up is not above the one with help, neither above 1",
        "سهم دیجیتال از سهم با کمک بیشتر نیست و هیچ‌یک از یک بیشتر نیست",
    ),
    Rule(
        "online_share_of_what_was_told",
        ("inquiries",),
        "SELECT * FROM {table} WHERE online_share NOT BETWEEN 0 AND 1 "
        "OR (online_share_status = 'value' AND (online IS NULL OR paper IS NULL))",
        "The online share lies between 0 and 1, and is not told where paper or online inquiries are not",
        "سهم برخط میان صفر و یک است و جایی که یکی از دو عدد نباشد گفته نمی‌شود",
    ),
    Rule(
        "declared_as_much_as_was_told",
        ("monthly_transactions", "period_totals"),
        "SELECT * FROM {table} WHERE declared_provided > declared_applicable "
        "OR (declared_provided_status = 'value' AND (declared_provided > 0) <> (declared_status = 'value'))",
        "A declared figure rests on at least one number, and on no more than apply",
        "رقم خوداظهاری دست‌کم بر یک عدد تکیه دارد و نه بر بیش از آنچه موضوع دارد",
    ),
    Rule(
        "codes_known",
        _SCOPED,
        "SELECT * FROM {table} WHERE channel NOT IN ({channels}) OR scope NOT IN ({scopes}) "
        "OR calendar NOT IN ('jalali', 'gregorian')",
        "Channels, scopes and calendars come from their closed lists",
        "بستر، دامنه و تقویم از فهرست‌های مجازند",
    ),
    Rule(
        "numbers_not_negative",
        _ALL,
        "SELECT * FROM {table} WHERE {negative}",
        "No number is negative",
        "هیچ عددی منفی نیست",
    ),
    Rule(
        "number_or_reason",
        _ALL,
        "SELECT * FROM {table} WHERE {unclear}",
        "A cell has a number exactly where its status says so",
        "هر خانه درست آنجا عدد دارد که وضعیتش می‌گوید",
    ),
)
_HELD = Rule(
    "held_agencies_known",
    ("held_scopes",),
    "SELECT calendar, month, scope, scope_id, agency_id AS channel FROM held_scopes "
    "WHERE agency_id NOT IN (SELECT agency_id FROM dim_agency)",
    "Agencies whose batch is held are in the catalogue",
    "دستگاه‌هایی که دسته‌شان نگه داشته شده در فهرست‌اند",
)


@dataclass(frozen=True)
class Broken:
    """One rule broken in one table: how many rows, and the keys of the first of them."""

    table: str
    rule: str
    severity: str
    rows: int | None
    examples: list[dict[str, Any]]
    note: str | None = None


def check_metrics(connection: Connection, settings: Settings) -> list[Broken]:
    """Judge the metric tables of an open build; the warnings. GateClosed names table and rows of critical failures.

    UsageError where nothing is built.
    """
    from warehouse.metric_tables import columns_of, metric_tables

    suite = _suite()
    tables = metric_tables(connection)
    frame: list[dict[str, Any]] = []
    examples: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for table in tables:
        row: dict[str, Any] = {"table": table.name, **{rule.name: None for rule in (*RULES, _HELD)}}
        for rule in RULES:
            if table.name not in rule.tables:
                continue
            select = _filled(rule, table.built_as, table.keys, table.measures)
            row[rule.name], examples[table.name, rule.name] = _breaking(connection, select)
        frame.append(row)
    if columns_of(connection, "held_scopes"):
        row = {"table": "held_scopes", **{rule.name: None for rule in (*RULES, _HELD)}}
        row[_HELD.name], examples["held_scopes", _HELD.name] = _breaking(connection, _HELD.select)
        frame.append(row)
    policy = thresholds(settings)
    found = judge(
        frame, suite, group_by="table", seconds=policy["judge_seconds"], retry_seconds=policy["retry_seconds"]
    )
    broken = [
        Broken(
            row["table"],
            finding.expectation,
            finding.severity,
            None if finding.observed is None else int(finding.observed),
            examples.get((row["table"], finding.expectation), []),
            finding.note,
        )
        for row, findings in zip(frame, found, strict=True)
        for finding in findings
    ]
    critical = [one for one in broken if one.severity == "critical"]
    if critical:
        raise GateClosed(
            "the built tables break their rules, nothing is published: " + "; ".join(map(_line, critical)),
            hint="the version before stays in service; mizan build --full rebuilds from the lake",
        )
    return broken


def _suite() -> list[Expectation]:
    return [
        Expectation(
            rule.name,
            # A held batch of an agency nobody knows is odd, and no reason to withhold everybody's figures.
            "warning" if rule is _HELD else "critical",
            rule.name,
            rule.en,
            rule.fa,
            at_most=0,
        )
        for rule in (*RULES, _HELD)
    ]


def _filled(rule: Rule, table: str, keys: tuple[str, ...], measures: Mapping[str, str]) -> str:
    def listed(vocabulary: str, *more: str) -> str:
        return ", ".join(f"'{code}'" for code in (*vocabularies.codes(vocabulary), *more))

    return rule.select.format(
        table=table,
        keys=", ".join(keys),
        channels=listed("channel", "all"),
        scopes=listed("scope"),
        reasons=listed("reason_in_person"),
        tellers=listed("reported_by"),
        negative=" OR ".join(f"{measure} < 0" for measure in measures),
        unclear=" OR ".join(
            f"({measure}_status IS NULL OR ({measure} IS NOT NULL) <> ({measure}_status = 'value') "
            f"OR {measure}_status NOT IN ('value', 'not_provided', 'not_applicable'))"
            for measure in measures
        ),
    )


def _breaking(connection: Connection, select: str) -> tuple[int, list[dict[str, Any]]]:
    """How many rows a rule's SELECT gives, and the keys of the first few."""
    found = connection.execute(f"SELECT *, count(*) OVER () AS breaking FROM ({select}) LIMIT {SHOWN_ROWS}")  # noqa: S608
    names = [column[0] for column in found.description or ()]
    rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    if not rows:
        return 0, []
    return int(rows[0]["breaking"]), [{name: row[name] for name in _KEYS if name in row} for row in rows]


def _line(broken: Broken) -> str:
    if broken.rows is None:
        return f"{broken.table}: not judged ({broken.note})"
    shown = ", ".join("/".join(str(value) for value in example.values()) for example in broken.examples)
    return f"{broken.table}: {broken.rows} rows break {broken.rule} ({shown})"
