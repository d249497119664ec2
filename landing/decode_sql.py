"""The contract as SQL: which records are provably good in columns, and the row each becomes.

The query is derived from the contract's objects. It proves, for a JSON text ``v`` with every known member cut out
as its raw fragment, that

* every fragment is one that the parser accepts as it stands (a string fragment matches its pattern, quotes
  included, so no escapes, spaces or letters beyond ASCII; a count is plain digits), and
* the text holds nothing else: without its whitespace it is exactly as long as the known members written compactly.
  An unknown or repeated member, a trailing comma, an escaped name or another spelling of a number makes it longer.

What is not cut out raw is read as text (source, time, media type and schema: each only as a value that no number and
no bare word of JSON reads as) or as a member of an enumeration, which only a string can be: an escape in it makes the
record's text longer than the value with its two quotes.

A text not proved good is not bad: the parser in ``contracts`` judges it. It judges all that the evaluator says, which
is little: the query is written for what agencies send. DuckDB's own JSON reader is lenient
(NaN, trailing commas, repeated names), so nothing here relies on it to refuse.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Set

from contracts.event import JSON_TYPES
from contracts.event_contract import Field, event_contract
from contracts.lake_tables import data_columns
from contracts.reporting_time import FIRST_YEAR, LAST_YEAR
from contracts.settings import EVALUATOR
from contracts.vocabularies import spellings
from landing.codes import EVENT_TYPE, Codes
from landing.members import Members

# An identifier with a Latin letter in it is neither digits alone nor any personal id.
IDENTIFIER = r'"(?:[0-9][0-9._:-]*)?[A-Za-z][A-Za-z0-9._:-]*"'
_KEY_ID = r'"(?:[0-9][0-9._-]*)?[A-Za-z][A-Za-z0-9._-]*"'
_TIME = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"
    r"(?:Z|[+-](?:0[0-9]|1[0-4]):[0-5][0-9])"
)
# How the envelope's members are read; those read as JSON stay raw, quotes included.
_ENVELOPE = {
    "specversion": "JSON",
    "id": "JSON",
    "source": "VARCHAR",
    "type": EVENT_TYPE,
    "time": "VARCHAR",
    "dataschema": "VARCHAR",
    "datacontenttype": "VARCHAR",
}


def good_rows_query(chunk: str, members: Members, codes: Codes) -> str:
    """A SELECT giving the rows of the view ``chunk`` (i, t, p, o, agency_id, v, plain) that are proved good.

    It costs by the members it looks for, not by those a record has: look for all of them in few records only.

    A field that ``codes`` has an enumeration for is read as its member. Parameters: ``$latest``, the latest time
    allowed; ``$key_ids``, fragments; ``$ending`` and ``$last_days``, services that have a last day. Columns: i, t, p,
    o, event_id, source, agency_id, event_type, occurred_at and the lake's data columns of the members (``pid`` is
    still ``user_key``).

    Run it with the optimizer's filter_pushdown off: pushed below the projection, every condition would read the JSON
    anew (measured: six times slower).
    """
    contract = event_contract()
    leaves = {name: _leaf(name, members, codes) for name in members.fields}
    lifted = ", ".join(_lifted(f'e."{name}"', f"e_{name}", leaf) for name, leaf in _ENVELOPE.items())
    lifted_data = ", ".join(_lifted(f'e.data."{name}"', f"d_{name}", leaf) for name, leaf in leaves.items())
    values = ", ".join(_values(leaves))
    size = " + ".join(_compact_size(leaves))
    holds = (_field_holds(contract.fields[name], members, codes, leaf) for name, leaf in leaves.items())
    fields = "".join(f"\n    AND {one}" for one in holds if one)
    required = " ".join(
        f"WHEN {_quoted(name)} THEN {' AND '.join(f'd_{field} IS NOT NULL' for field in kind.required)}"
        for name, kind in contract.types_of("agency").items()
        if name in members.types
    )
    spaced = "contains(v, ' ') OR contains(v, chr(10)) OR contains(v, chr(13)) OR contains(v, chr(9))"
    compact = "replace(replace(replace(replace(v, ' ', ''), chr(10), ''), chr(13), ''), chr(9), '')"
    # The values in this text come from the contract's own files; records arrive as columns.
    return f"""
WITH texts AS (
    SELECT i, t, p, o, agency_id::VARCHAR AS agency_id,
        CASE WHEN {spaced} THEN strlen({compact}) ELSE strlen(v) END AS compact_size,
        from_json(v, {_quoted(json.dumps({**_ENVELOPE, "data": leaves}))}) AS e
    FROM {chunk}
    WHERE plain AND agency_id <> '{EVALUATOR}' AND v IS NOT NULL
        AND strlen(v) <= {contract.max_value_bytes} AND json_valid(v)
),
parts AS (SELECT i, t, p, o, agency_id, compact_size, {lifted}, {lifted_data} FROM texts),
timed AS (SELECT *, TRY_CAST(e_time AS TIMESTAMPTZ) AS occurred_at FROM parts)
SELECT i, t, p, o, {_text("e_id")} AS event_id, e_source AS source, agency_id, e_type AS event_type, occurred_at,
    {values}
FROM timed
WHERE e_specversion = '"1.0"'
    AND {_identifier("e_id")}
    AND (e_source = '/agencies/' || agency_id OR (
        starts_with(e_source, '/agencies/' || agency_id || '/') AND regexp_full_match(
            substr(e_source, strlen(agency_id) + 12), '[A-Za-z0-9][A-Za-z0-9._-]{{0,63}}')))
    AND (e_dataschema IS NULL OR e_dataschema = {_quoted(contract.dataschema)})
    AND (e_datacontenttype IS NULL OR e_datacontenttype IN ({_listed(JSON_TYPES)}))
    AND regexp_full_match(e_time, '{_TIME}')
    AND occurred_at >= TIMESTAMPTZ '1970-01-01 00:00:00+00' AND occurred_at < TIMESTAMPTZ '2122-01-01 00:00:00+00'
    AND occurred_at <= $latest
    AND CASE e_type {required} ELSE false END
    AND compact_size = {size}{fields}
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


def _leaf(name: str, members: Members, codes: Codes) -> str:
    """What a field is read as: its enumeration, or raw JSON, which keeps its quotes."""
    return codes.of_field[name].name if name in codes.of_field and name not in members.spelt else "JSON"


def _lifted(path: str, name: str, leaf: str) -> str:
    return f"{path}::VARCHAR AS {name}" if leaf == "JSON" else f"{path} AS {name}"


def _values(leaves: Mapping[str, str]) -> list[str]:
    columns: list[str] = []
    for name, leaf in leaves.items():
        field, source = event_contract().fields[name], f"d_{name}"
        if leaf != "JSON":
            value = source
        elif field.kind == "count":
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


def _compact_size(leaves: Mapping[str, str]) -> list[str]:
    """The terms that add up to the size of the known members written without whitespace."""
    contract = event_contract()
    # Braces of both objects, names with quotes and colon, commas; the envelope's required members are always there.
    size = [str(4 + sum(len(name) + 4 for name in contract.envelope_required) - 2)]
    size += [_size(f"e_{name}", _ENVELOPE[name]) for name in contract.envelope_required if name != "data"]
    optional = {f"e_{name}": _ENVELOPE[name] for name in contract.envelope_optional}
    optional |= {f"d_{name}": leaf for name, leaf in leaves.items()}
    return size + [f"coalesce({_size(name, leaf)} + {len(name) - 2 + 4}, 0)" for name, leaf in optional.items()]


def _size(source: str, leaf: str) -> str:
    """Of a raw fragment its own size, of a value read from a string its size with two quotes."""
    return f"strlen({source})" if leaf == "JSON" else f"strlen({source}::VARCHAR) + 2"


def _field_holds(field: Field, members: Members, codes: Codes, leaf: str) -> str:
    """True where the field is absent, or allowed in the event's type and good; empty where it always is."""
    source = f"d_{field.name}"
    types = [name for name in members.types if field.name in event_contract().types[name].fields]
    if not types:
        return f"{source} IS NULL"
    holds = [_fragment_holds(field, source) if leaf == "JSON" else _member_holds(field, source, codes)]
    if len(types) < len(members.types):
        holds.insert(0, f"e_type IN ({_listed(types)})")
    if not any(holds):
        return ""
    required = [name for name in types if field.name in event_contract().types[name].required]
    together = " AND ".join(filter(None, holds))
    return together if required == list(members.types) else f"({source} IS NULL OR ({together}))"


def _member_holds(field: Field, source: str, codes: Codes) -> str:
    """True where a member of the field's enumeration is good as it stands; empty where all of them are."""
    code, number = codes.of_field[field.name], f"enum_code({source})"
    proved = "" if code.proved == code.size else f"{number} < {code.proved}"
    if field.kind != "service" or code.live == code.proved:
        return proved
    # Tehran's date is asked for only where a service has a last day at all.
    return (
        f"({number} < {code.live} OR CAST(timezone('Asia/Tehran', occurred_at) AS DATE)"
        f" <= $last_days[list_position($ending, {source}::VARCHAR)])"
    )


def _fragment_holds(field: Field, source: str) -> str:
    match field.kind:
        case "identifier" | "service" | "place":
            return _identifier(source)
        case "agency":
            return f"regexp_full_match({source}, '\"[a-z][a-z0-9-]{{1,39}}\"')"
        case "code":
            assert field.vocabulary is not None
            # A spelling in other letters of case is the parser's; the ones we know by heart are ours.
            return f"{source} IN ({_listed(_fragment(spelling) for spelling in spellings(field.vocabulary))})"
        case "user_key":
            zeros = _quoted(_fragment("0" * 64))
            # Its length apart: counted within the pattern it costs several times as much.
            return f"strlen({source}) = 66 AND regexp_full_match({source}, '\"[0-9a-f]*\"') AND {source} <> {zeros}"
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
                f" WHEN 'jalali' THEN {year} BETWEEN {FIRST_YEAR['jalali'] + 1} AND {LAST_YEAR['jalali'] - 1}"
                f" WHEN 'gregorian' THEN {year} BETWEEN {FIRST_YEAR['gregorian'] + 1}"
                f" AND {LAST_YEAR['gregorian'] - 1} ELSE false END"
            )
    return "false"


def _identifier(source: str) -> str:
    return f"(strlen({source}) <= 130 AND regexp_full_match({source}, '{IDENTIFIER}'))"


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


def _listed(texts: Iterable[str]) -> str:
    return ", ".join(map(_quoted, texts))


def _fragment(text: str) -> str:
    return f'"{text}"'


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
