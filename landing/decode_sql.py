"""The contract as SQL: which records are provably good in columns, and the row each becomes.

The query is derived from the contract's objects. It proves, for a JSON text ``v`` with every known member cut out
as its raw fragment, that

* every fragment is one that the parser accepts as it stands (a string fragment matches its pattern, quotes
  included, so no escapes, spaces or letters beyond ASCII; a count is plain digits), and
* the text holds nothing else: without its whitespace it is exactly as long as the known members written compactly.
  An unknown or repeated member, a trailing comma, an escaped name or another spelling of a number makes it longer.

A text not proved good is not bad: the parser in ``contracts`` judges it. DuckDB's own JSON reader is lenient
(NaN, trailing commas, repeated names), so nothing here relies on it to refuse.
"""

from __future__ import annotations

import json
from functools import cache

from contracts.event import JSON_TYPES
from contracts.event_contract import EventType, Field, event_contract
from contracts.lake_tables import data_columns
from contracts.vocabularies import spellings

# An identifier with a Latin letter in it is neither digits alone nor any personal id.
IDENTIFIER = r'"(?:[0-9][0-9._:-]*)?[A-Za-z][A-Za-z0-9._:-]*"'
_KEY_ID = r'"(?:[0-9][0-9._-]*)?[A-Za-z][A-Za-z0-9._-]*"'
_TIME = (
    r'"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?'
    r'(?:Z|[+-](?:0[0-9]|1[0-4]):[0-5][0-9])"'
)
_ENVELOPE = ("specversion", "id", "source", "type", "time", "dataschema", "datacontenttype")


@cache
def shape() -> str:
    """The structure handed to DuckDB's JSON reader: every leaf stays raw JSON, so its type stays visible."""
    leaves = dict.fromkeys(event_contract().fields, "JSON")
    return json.dumps({**dict.fromkeys(_ENVELOPE, "JSON"), "data": leaves})


@cache
def good_rows_query(check_services: bool, check_places: bool) -> str:
    """A SELECT giving the rows of ``chunk`` (i, t, p, o, v, plain) that are proved good.

    Further inputs: ``agencies`` (t, agency_id, plain_source, system_source), ``services`` (fragment, last_day),
    ``places`` (fragment, kind), ``key_ids`` (fragment),
    ``periods`` (calendar, fragment). Parameter: ``$latest``, the latest time allowed. Columns: i, t, p, o, event_id,
    source, agency_id, event_type, occurred_at, the lake's data columns (``pid`` is still ``user_key``).
    """
    contract = event_contract()
    lifted = ", ".join(f'e."{name}" AS "e_{name}"' for name in _ENVELOPE)
    lifted_data = ", ".join(f'e.data."{name}" AS "d_{name}"' for name in contract.fields)
    values = ", ".join(_values(check_services, check_places))
    by_type = " ".join(
        f"WHEN {_quoted(_fragment(name))} THEN {_type_holds(kind, check_services, check_places)}"
        for name, kind in contract.types.items()
    )
    media = ", ".join(_quoted(_fragment(name)) for name in JSON_TYPES)
    spaced = "contains(v, ' ') OR contains(v, chr(10)) OR contains(v, chr(13)) OR contains(v, chr(9))"
    compact = "replace(replace(replace(replace(v, ' ', ''), chr(10), ''), chr(13), ''), chr(9), '')"
    # The values in this text come from the contract's own files; records arrive as columns.
    return f"""
WITH texts AS (
    SELECT i, t, p, o, CASE WHEN {spaced} THEN strlen({compact}) ELSE strlen(v) END AS compact_size,
        from_json(v, {_quoted(shape())}) AS e
    FROM chunk
    WHERE plain AND v IS NOT NULL AND strlen(v) <= {contract.max_value_bytes} AND json_valid(v)
),
parts AS (SELECT i, t, p, o, compact_size, {lifted}, {lifted_data} FROM texts),
timed AS (SELECT *, TRY_CAST(substr(e_time, 2, strlen(e_time) - 2) AS TIMESTAMPTZ) AS occurred_at FROM parts)
SELECT i, timed.t AS t, p, o, {_text("e_id")} AS event_id, {_text("e_source")} AS source, agency_id,
    {_text("e_type")} AS event_type, occurred_at, {values}
FROM timed
JOIN agencies ON agencies.t = timed.t
{"LEFT JOIN services ON services.fragment = d_service_id" if check_services else ""}
WHERE e_specversion = '"1.0"'
    AND {_identifier("e_id")}
    AND (e_source = agencies.plain_source OR (
        starts_with(e_source, agencies.system_source) AND regexp_full_match(
            substr(e_source, strlen(agencies.system_source) + 1), '[A-Za-z0-9][A-Za-z0-9._-]{{0,63}}"')))
    AND (e_dataschema IS NULL OR e_dataschema = {_quoted(_fragment(contract.dataschema))})
    AND (e_datacontenttype IS NULL OR e_datacontenttype IN ({media}))
    AND regexp_full_match(e_time, '{_TIME}')
    AND occurred_at >= TIMESTAMPTZ '1970-01-01 00:00:00+00' AND occurred_at < TIMESTAMPTZ '2122-01-01 00:00:00+00'
    AND occurred_at <= $latest
    AND CASE e_type {by_type} ELSE false END
"""  # noqa: S608 see above


def digest_content() -> str:
    """An SQL text over the decoded columns that is equal for equal events: type, instant, every field given.

    Named and in the contract's order, so that a later optional field changes no digest of today. Values hold no
    ``|``: every kind of field has a pattern without it.
    """
    named = ", ".join(
        f"coalesce('{name}=' || {_digest_text(name, kind)} || '|', '')" for name, kind in data_columns().items()
    )
    return f"concat(event_type, '|', epoch_us(occurred_at), '|', {named})"


def _digest_text(column: str, kind: str) -> str:
    return f'"{column}"' if kind == "VARCHAR" or column == "pid" else f'"{column}"::VARCHAR'


def _values(check_services: bool, check_places: bool) -> list[str]:
    columns = []
    for field in event_contract().fields.values():
        source = f'"d_{field.name}"'
        if field.kind == "count":
            value = f"TRY_CAST({source} AS BIGINT)"
        elif field.kind == "boolean":
            value = f"{source} = 'true'"
        elif field.kind == "date":
            value = f"TRY_CAST({_text(source)} AS DATE)"
        elif field.kind == "declared_value":
            value = f"TRY_CAST({source} AS BIGINT)"
        elif field.kind == "code" and field.vocabulary is not None:
            value = _code_value(field, source)
        else:
            value = _text(source)
        columns.append(f'{value} AS "{field.column}"')
        if field.kind == "declared_value":
            words = f"CASE WHEN starts_with({source}, '\"') THEN {_text(source)} ELSE 'value' END"
            columns.append(f"CASE WHEN {source} IS NOT NULL THEN {words} END AS declared_status")
    return columns


def _type_holds(kind: EventType, check_services: bool, check_places: bool) -> str:
    contract = event_contract()
    conditions = []
    # Braces of both objects, names with quotes and colon, commas; the envelope's required members are always there.
    size = ["4", str(sum(len(name) + 4 for name in contract.envelope_required) - 2)]
    size += [f"strlen(e_{name})" for name in contract.envelope_required if name != "data"]
    size += [f"coalesce(strlen(e_{name}) + {len(name) + 4}, 0)" for name in contract.envelope_optional]
    for name in (*kind.required, *kind.optional):
        source, holds = f'"d_{name}"', _field_holds(contract.fields[name], check_services, check_places)
        if name in kind.required:
            size.append(f"strlen({source}) + {len(name) + 4}")
            conditions.append(f"coalesce({holds}, false)")
        else:
            size.append(f"coalesce(strlen({source}) + {len(name) + 4}, 0)")
            conditions.append(f"({source} IS NULL OR {holds})")
    return " AND ".join([f"compact_size = {' + '.join(size)}", *conditions])


def _field_holds(field: Field, check_services: bool, check_places: bool) -> str:
    source = f'"d_{field.name}"'
    match field.kind:
        case "identifier":
            return _identifier(source)
        case "service":
            if not check_services:
                return _identifier(source)
            # Tehran's date is asked for only where a service has a last day at all.
            return (
                "(services.fragment IS NOT NULL AND CASE WHEN services.last_day IS NULL THEN true"
                " ELSE CAST(timezone('Asia/Tehran', occurred_at) AS DATE) <= services.last_day END)"
            )
        case "place":
            if not check_places:
                return _identifier(source)
            return f"{source} IN (SELECT fragment FROM places WHERE kind = '{field.place_kind}')"  # noqa: S608 the contract's own word
        case "agency":
            return f"regexp_full_match({source}, '\"[a-z][a-z0-9-]{{1,39}}\"')"
        case "code":
            return f"{source} IN ({_listed(_code_fragments(field))})"
        case "user_key":
            zeros = _quoted(_fragment("0" * 64))
            return f"(regexp_full_match({source}, '\"[0-9a-f]{{64}}\"') AND {source} <> {zeros})"
        case "key_id":
            return f"({source} IN (SELECT fragment FROM key_ids))"  # noqa: S608 our own names
        case "boolean":
            return f"{source} IN ('true', 'false')"
        case "count":
            return f"regexp_full_match({source}, '[0-9]{{1,18}}')"
        case "declared_value":
            return (
                f"(regexp_full_match({source}, '[0-9]{{1,18}}')"
                f" OR {source} IN ('\"not_provided\"', '\"not_applicable\"'))"
            )
        case "date":
            day = f"TRY_CAST({_text(source)} AS DATE)"
            return (
                f"(regexp_full_match({source}, '\"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}\"')"
                f" AND {day} >= DATE '1970-01-01' AND {day} < DATE '2122-01-01')"
            )
        case "event_type":
            return f"{source} IN ({_listed(_fragment(name) for name in event_contract().types)})"
        case "checksum":
            return f"regexp_full_match({source}, '\"[0-9a-f]{{16,64}}\"')"
        case "version":
            return f"regexp_full_match({source}, '\"[0-9]{{1,4}}\\.[0-9]{{1,4}}\"')"
        case "period":
            # Single months by list; a range of months is the parser's.
            return f"(d_calendar || {source}) IN (SELECT calendar || fragment FROM periods)"  # noqa: S608 our own names
    return "false"


def _identifier(source: str) -> str:
    return f"(strlen({source}) <= 130 AND regexp_full_match({source}, '{IDENTIFIER}'))"


def _code_fragments(field: Field) -> list[str]:
    assert field.vocabulary is not None
    # A spelling in other letters of case is the parser's; the ones we know by heart are ours.
    return [_fragment(spelling) for spelling in spellings(field.vocabulary)]


def _code_value(field: Field, source: str) -> str:
    assert field.vocabulary is not None
    aliases = {spelling: code for spelling, code in spellings(field.vocabulary).items() if spelling != code}
    if not aliases:
        return _text(source)
    cases = " ".join(f"WHEN {_quoted(_fragment(alias))} THEN {_quoted(code)}" for alias, code in aliases.items())
    return f"CASE {source} {cases} ELSE {_text(source)} END"


def _text(source: str) -> str:
    """The inside of a quoted fragment; only fragments proved free of escapes come here."""
    return f"substr({source}, 2, strlen({source}) - 2)"


def _listed(fragments: object) -> str:
    return ", ".join(_quoted(fragment) for fragment in fragments)  # type: ignore[attr-defined]


def _fragment(text: str) -> str:
    return f'"{text}"'


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
