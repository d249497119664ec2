"""The contract as SQL: which records are provably good in columns, and the row each becomes.

The query is derived from the contract's objects. It proves, for a JSON text ``v`` with every known member cut out
as its raw fragment, that

* every fragment is one that the parser accepts as it stands (a string fragment matches its pattern, quotes
  included, so no escapes, spaces or letters beyond ASCII; a count is plain digits), and
* the text holds nothing else: without its whitespace it is exactly as long as the known members written compactly.
  An unknown or repeated member, a trailing comma, an escaped name or another spelling of a number makes it longer.

A text not proved good is not bad: the parser in ``contracts`` judges it. It judges all that the evaluator says, which
is little: the query is written for what agencies send. DuckDB's own JSON reader is lenient
(NaN, trailing commas, repeated names), so nothing here relies on it to refuse.
"""

from __future__ import annotations

import json
from collections.abc import Sequence, Set
from dataclasses import dataclass
from functools import cache

from contracts.event import JSON_TYPES
from contracts.event_contract import Field, event_contract
from contracts.lake_tables import data_columns
from contracts.reporting_time import FIRST_YEAR, LAST_YEAR
from contracts.settings import EVALUATOR
from contracts.vocabularies import spellings

# An identifier with a Latin letter in it is neither digits alone nor any personal id.
IDENTIFIER = r'"(?:[0-9][0-9._:-]*)?[A-Za-z][A-Za-z0-9._:-]*"'
_KEY_ID = r'"(?:[0-9][0-9._-]*)?[A-Za-z][A-Za-z0-9._-]*"'
_TIME = (
    r'"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?'
    r'(?:Z|[+-](?:0[0-9]|1[0-4]):[0-5][0-9])"'
)
_ENVELOPE = ("specversion", "id", "source", "type", "time", "dataschema", "datacontenttype")


@dataclass(frozen=True)
class Members:
    """What a query looks for: types of event, and fields of their data. A record with any other is not proved."""

    types: tuple[str, ...]
    fields: tuple[str, ...]


@cache
def all_members() -> Members:
    """Every type and field that an agency may send."""
    return Members(tuple(event_contract().types_of("agency")), tuple(event_contract().fields))


def members_among(types: Set[str], names: Set[str]) -> Members:
    """Those of the contract among types and names of fields that were seen in records, with what they need."""
    known = {name: kind for name, kind in event_contract().types_of("agency").items() if name in types}
    allowed = {name for kind in known.values() for name in kind.fields}
    needed = {name for kind in known.values() for name in kind.required}
    # Re-keying asks for the column of keys in any case.
    wanted = (names & allowed) | needed | {"user_key"}
    return Members(tuple(known), tuple(name for name in event_contract().fields if name in wanted))


def shape(fields: Sequence[str]) -> str:
    """The structure handed to DuckDB's JSON reader: every leaf stays raw JSON, so its type stays visible."""
    return json.dumps({**dict.fromkeys(_ENVELOPE, "JSON"), "data": dict.fromkeys(fields, "JSON")})


def good_rows_query(chunk: str, members: Members, check_services: bool, check_places: bool) -> str:
    """A SELECT giving the rows of the view ``chunk`` (i, t, p, o, agency_id, v, plain) that are proved good.

    It costs by the members it looks for, not by those a record has: look for all of them in few records only.

    Known codes are enumerations of fragments: ``live_service`` and, per kind, ``known_province``, ``known_district``.
    Parameters: ``$latest``, the latest time allowed; ``$key_ids``, fragments; ``$ending`` and ``$last_days``, services
    that have a last day. Columns: i, t, p, o, event_id, source, agency_id, event_type, occurred_at and the lake's data
    columns of the members (``pid`` is still ``user_key``).

    Run it with the optimizer's filter_pushdown off: pushed below the projection, every condition would read the JSON
    anew (measured: six times slower).
    """
    contract = event_contract()
    lifted = ", ".join(f'e."{name}"::VARCHAR AS e_{name}' for name in _ENVELOPE)
    lifted_data = ", ".join(f'e.data."{name}"::VARCHAR AS d_{name}' for name in members.fields)
    values = ", ".join(_values(members))
    size = " + ".join(_compact_size(members))
    fields = "\n    AND ".join(
        _field_holds(contract.fields[name], members, check_services, check_places) for name in members.fields
    )
    required = " ".join(
        f"WHEN {_quoted(_fragment(name))} THEN {' AND '.join(f'd_{field} IS NOT NULL' for field in kind.required)}"
        for name, kind in contract.types_of("agency").items()
        if name in members.types
    )
    media = ", ".join(_quoted(_fragment(name)) for name in JSON_TYPES)
    spaced = "contains(v, ' ') OR contains(v, chr(10)) OR contains(v, chr(13)) OR contains(v, chr(9))"
    compact = "replace(replace(replace(replace(v, ' ', ''), chr(10), ''), chr(13), ''), chr(9), '')"
    # The values in this text come from the contract's own files; records arrive as columns.
    return f"""
WITH texts AS (
    SELECT i, t, p, o, agency_id::VARCHAR AS agency_id,
        CASE WHEN {spaced} THEN strlen({compact}) ELSE strlen(v) END AS compact_size,
        from_json(v, {_quoted(shape(members.fields))}) AS e
    FROM {chunk}
    WHERE plain AND agency_id <> '{EVALUATOR}' AND v IS NOT NULL
        AND strlen(v) <= {contract.max_value_bytes} AND json_valid(v)
),
parts AS (SELECT i, t, p, o, agency_id, compact_size, {lifted}, {lifted_data} FROM texts),
timed AS (SELECT *, TRY_CAST({_text("e_time")} AS TIMESTAMPTZ) AS occurred_at FROM parts)
SELECT i, t, p, o, {_text("e_id")} AS event_id, {_text("e_source")} AS source, agency_id,
    {_text("e_type")} AS event_type, occurred_at, {values}
FROM timed
WHERE e_specversion = '"1.0"'
    AND {_identifier("e_id")}
    AND (e_source = '"/agencies/' || agency_id || '"' OR (
        starts_with(e_source, '"/agencies/' || agency_id || '/') AND regexp_full_match(
            substr(e_source, strlen(agency_id) + 13), '[A-Za-z0-9][A-Za-z0-9._-]{{0,63}}"')))
    AND (e_dataschema IS NULL OR e_dataschema = {_quoted(_fragment(contract.dataschema))})
    AND (e_datacontenttype IS NULL OR e_datacontenttype IN ({media}))
    AND regexp_full_match(e_time, '{_TIME}')
    AND occurred_at >= TIMESTAMPTZ '1970-01-01 00:00:00+00' AND occurred_at < TIMESTAMPTZ '2122-01-01 00:00:00+00'
    AND occurred_at <= $latest
    AND CASE e_type {required} ELSE false END
    AND compact_size = {size}
    AND {fields}
"""  # noqa: S608 see above


def digest_content(columns: Set[str], whole: Set[str] = frozenset()) -> str:
    """An SQL text over the decoded columns that is equal for equal events: type, instant, every field given.

    ``columns`` are those there are: one that is not there says nothing, as one that is NULL. ``whole`` are those
    without any NULL, which cost less. Named and in the contract's order, so that a later optional field changes no
    digest of today. Values hold no ``|``: every kind of field has a pattern without it.
    """
    own = {
        name: {field.column for field in kind.own.values()} for name, kind in event_contract().types.items() if kind.own
    }
    elsewhere = {column for columns in own.values() for column in columns}
    parts = [_digest_parts(columns - elsewhere, whole)]
    # Columns of a single type are looked at in its rows alone.
    parts += [
        f"CASE event_type WHEN {_quoted(name)} THEN concat({_digest_parts(mine & columns, frozenset())}) END"
        for name, mine in own.items()
        if mine & columns
    ]
    return f"concat(event_type, '|', epoch_us(occurred_at), '|', {', '.join(parts)})"


def _digest_parts(columns: Set[str], whole: Set[str]) -> str:
    return ", ".join(
        f"'{name}=', {_digest_text(name, kind)}, '|'"
        if name in whole
        else f"coalesce('{name}=' || {_digest_text(name, kind)} || '|', '')"
        for name, kind in data_columns().items()
        if name in columns
    )


def _digest_text(column: str, kind: str) -> str:
    return f'"{column}"' if kind == "VARCHAR" or column == "pid" else f'"{column}"::VARCHAR'


def _values(members: Members) -> list[str]:
    columns = []
    for field in map(event_contract().fields.__getitem__, members.fields):
        source = f"d_{field.name}"
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


def _compact_size(members: Members) -> list[str]:
    """The terms that add up to the size of the known members written without whitespace."""
    contract = event_contract()
    # Braces of both objects, names with quotes and colon, commas; the envelope's required members are always there.
    size = [str(4 + sum(len(name) + 4 for name in contract.envelope_required) - 2)]
    size += [f"strlen(e_{name})" for name in contract.envelope_required if name != "data"]
    optional = [f"e_{name}" for name in contract.envelope_optional] + [f"d_{name}" for name in members.fields]
    return size + [f"coalesce(strlen({name}) + {len(name) - 2 + 4}, 0)" for name in optional]


def _field_holds(field: Field, members: Members, check_services: bool, check_places: bool) -> str:
    """True where the field is absent, or allowed in the event's type and good."""
    source = f"d_{field.name}"
    holds = _fragment_holds(field, source, check_services, check_places)
    types = [name for name in members.types if field.name in event_contract().types[name].fields]
    if not types:
        return f"{source} IS NULL"
    if len(types) < len(members.types):
        holds = f"e_type IN ({_listed(_fragment(name) for name in types)}) AND {holds}"
    required = [name for name in types if field.name in event_contract().types[name].required]
    return holds if required == list(members.types) else f"({source} IS NULL OR ({holds}))"


def _fragment_holds(field: Field, source: str, check_services: bool, check_places: bool) -> str:
    match field.kind:
        case "identifier":
            return _identifier(source)
        case "service":
            if not check_services:
                return _identifier(source)
            # Tehran's date is asked for only where a service has a last day at all.
            return (
                f"(TRY_CAST({source} AS live_service) IS NOT NULL OR"
                f" CAST(timezone('Asia/Tehran', occurred_at) AS DATE) <= $last_days[list_position($ending, {source})])"
            )
        case "place":
            known = f"TRY_CAST({source} AS known_{field.place_kind}) IS NOT NULL"
            return known if check_places else _identifier(source)
        case "agency":
            return f"regexp_full_match({source}, '\"[a-z][a-z0-9-]{{1,39}}\"')"
        case "code":
            return f"{source} IN ({_listed(_code_fragments(field))})"
        case "user_key":
            zeros = _quoted(_fragment("0" * 64))
            return f"regexp_full_match({source}, '\"[0-9a-f]{{64}}\"') AND {source} <> {zeros}"
        case "key_id":
            return f"list_contains($key_ids, {source})"
        case "boolean":
            return f"{source} IN ('true', 'false')"
        case "count":
            return f"regexp_full_match({source}, '[0-9]{{1,18}}')"
        case "declared_value":
            words = "'\"not_provided\"', '\"not_applicable\"'"
            return f"(regexp_full_match({source}, '[0-9]{{1,18}}') OR {source} IN ({words}))"
        case "date":
            day = f"TRY_CAST({_text(source)} AS DATE)"
            return (
                f"regexp_full_match({source}, '\"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}\"')"
                f" AND {day} >= DATE '1970-01-01' AND {day} < DATE '2122-01-01'"
            )
        case "event_type":
            fragments = [_fragment(name) for name in event_contract().types_of("agency")]
            return f"{source} IN ({_listed(fragments)})"
        case "checksum":
            return f"regexp_full_match({source}, '\"[0-9a-f]{{16,64}}\"')"
        case "version":
            return f"regexp_full_match({source}, '\"[0-9]{{1,4}}\\.[0-9]{{1,4}}\"')"
        case "period":
            # A single month within both calendars' years; the rest is the parser's.
            year = f"TRY_CAST(substr({source}, 2, 4) AS INTEGER)"
            return (
                f"regexp_full_match({source}, '\"[0-9]{{4}}-(?:0[1-9]|1[0-2])\"') AND CASE d_calendar"
                f" WHEN '\"jalali\"' THEN {year} BETWEEN {FIRST_YEAR['jalali'] + 1} AND {LAST_YEAR['jalali'] - 1}"
                f" WHEN '\"gregorian\"' THEN {year} BETWEEN {FIRST_YEAR['gregorian'] + 1}"
                f" AND {LAST_YEAR['gregorian'] - 1} ELSE false END"
            )
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
