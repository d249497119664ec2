"""From records to rows: good ones in columns, the doubtful one by one through the contract's parser.

The rows of one batch lie in an in-memory database that never spills to disk: a ``user_key`` is re-keyed to its ``pid``
before anything is written anywhere.
"""

from __future__ import annotations

import bisect
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from contracts.event import FUTURE_ALLOWANCE, JSON_TYPES, Event, Known, Record, Rejection, excerpt, parse
from contracts.event_contract import event_contract
from contracts.identity import keyed_digest
from contracts.lake_tables import data_columns
from contracts.platform_key import PAYLOAD_DIGEST, QUARANTINE_DIGEST, subkey
from landing.cluster import Topic
from landing.codes import make_codes
from landing.consumer import Chunk
from landing.decode_sql import digest_content, good_rows_query
from landing.members import Members, all_members, members_in, some_of
from landing.quick_json import read_object
from landing.rekeying import LandingKeys, digest_links, rekeyed_sql
from warehouse.connection import Connection
from warehouse.lake import arrow_schema

VALIDATOR_VERSION = f"{event_contract().version}+3"  # the part after + grows when landing judges otherwise
DETECTOR_VERSION = "1"
# Keys of people seen lately, so that a person's second event costs no second hash: some 50 MB at most.
REMEMBERED_KEYS = 200_000
# Records of a batch that are asked for the members their senders use, and of the rest, whether asking it pays.
SAMPLED = 256
# A second look costs a tenth of a second at least, in which the parser judges as many, and then each record about a
# third of what the parser costs: it must prove as many.
FEWEST = 2_000
PAYS = 1 / 3
# Headers that say nothing new; any other are the parser's.
_PLAIN_HEADERS = (None, [], *([("content-type", media.encode())] for media in JSON_TYPES))

_HEAD = {"i": "INTEGER", "t": "INTEGER", "p": "INTEGER", "o": "BIGINT"}
_ENVELOPE = {
    "event_id": "VARCHAR",
    "source": "VARCHAR",
    "agency_id": "VARCHAR",
    "event_type": "VARCHAR",
    "occurred_at": "TIMESTAMPTZ",
}
# Before re-keying the column `pid` still holds the user_key, as text.
_DECODED = {**_HEAD, **_ENVELOPE, **data_columns(), "pid": "VARCHAR"}
_CHUNK = pa.schema(
    [
        ("i", pa.int32()),
        ("t", pa.int32()),
        ("p", pa.int32()),
        ("o", pa.int64()),
        ("agency_id", pa.dictionary(pa.int32(), pa.string())),
        ("v", pa.string()),
        ("plain", pa.bool_()),
    ]
)


class Rejected(NamedTuple):
    """One record set aside: where it is, why, and a keyed digest of its bytes. No values."""

    topic: str
    partition: int
    offset: int
    time: int  # Kafka's timestamp, milliseconds since 1970
    agency_id: str
    reason_code: str
    stage: str
    detail: str
    digest: bytes
    size: int
    excerpt: str


class Decoder:
    """Decodes a batch of chunks of the given topics into the view ``landed`` of ``connection``.

    The view ``suspected`` has those rows of ``landed`` that the table ``suspects`` names by their number ``r``.
    """

    def __init__(self, connection: Connection, topics: Sequence[Topic], known: Known, keys: LandingKeys) -> None:
        self._connection = connection
        self._topics = {topic.name: number for number, topic in enumerate(topics)}
        self._agencies = [topic.agency_id for topic in topics]
        self._known = known
        self.keys = keys
        self._pid = keys.events.pid_maker()
        content_key = subkey(keys.events.links[0], PAYLOAD_DIGEST)
        connection.execute("SET VARIABLE content_key = $key", {"key": content_key.hex()})
        self._later_links = digest_links(connection, keys.events)
        self._raw_digest = keyed_digest(subkey(keys.quarantine.links[0], QUARANTINE_DIGEST))
        self._pids: dict[str, bytes] = {}
        self.sampled, self.fewest = SAMPLED, FEWEST
        self._codes = make_codes(connection, known)
        self._types = {**_DECODED, **self._codes.column_types()}
        self._skipped: set[int] = set()
        self.begin_batch()

    def begin_batch(self) -> None:
        """Start an empty batch."""
        self._chunks: list[Chunk] = []
        self._tables: list[pa.Table] = []
        self._first: list[int] = []  # each chunk's first record number within the batch
        self._count = 0
        self._connection.execute(
            "DROP VIEW IF EXISTS landed; DROP VIEW IF EXISTS suspected; DROP TABLE IF EXISTS decoded"
        )

    def add(self, chunk: Chunk, skip: frozenset[tuple[str, int, int]] = frozenset()) -> None:
        """Take a chunk into the batch; positions in ``skip`` are passed over when it is decoded."""
        skipped = {
            i
            for i in range(len(chunk) if skip else 0)
            if (chunk.topics[i], chunk.partitions[i], chunk.offsets[i]) in skip
        }
        self._tables.append(self._columns(chunk, skipped))
        self._skipped |= {self._count + i for i in skipped}
        self._chunks.append(chunk)
        self._first.append(self._count)
        self._count += len(chunk)

    def decode(self) -> list[Rejected]:
        """Make ``landed`` of the batch's good rows; return the rest."""
        now = dt.datetime.now(dt.UTC)
        self._prove(now)
        accepted: list[dict[str, Any]] = []
        rejected: list[Rejected] = []
        for (i,) in self._connection.sql("SELECT i FROM chunk ANTI JOIN decoded USING (i) ORDER BY i").fetchall():
            if i in self._skipped:
                continue
            chunk, at = self._find(i)
            judged = self._judge(chunk, at, now)
            if isinstance(judged, Event):
                accepted.append({**self._place(i), **_row(judged)})
            else:
                rejected.append(self._rejected(chunk, at, judged))
        self._connection.unregister("chunk")
        self._tables.clear()
        self._skipped.clear()
        if accepted:
            self._also(pa.Table.from_pylist(accepted, schema=arrow_schema(_DECODED)))
        self._rekey()
        return rejected

    def _prove(self, now: dt.datetime) -> None:
        """Make ``decoded`` of the rows of ``chunk`` that the columns prove, with the columns that those rows need.

        Nearly every record has the members that a sample of the batch shows. All others are looked for in the rest
        where a sample of it shows that this spares the parser work: of spoilt records it proves none.
        """
        connection = self._connection
        connection.register("chunk", pa.concat_tables(self._tables) if self._tables else _CHUNK.empty_table())
        usual = members_in(map(self._value, some_of(self._count, self.sampled)))
        usual = usual if usual.types else all_members()
        given = {"latest": now + FUTURE_ALLOWANCE, **self._codes.given}
        connection.execute("SET disabled_optimizers = 'filter_pushdown'")
        query, parameters = self._good_rows("chunk", usual, given)
        connection.execute(f"CREATE OR REPLACE TEMP TABLE decoded AS {query}", parameters)
        if usual != all_members() and self._rows("decoded") < self._count:
            connection.execute(
                "CREATE OR REPLACE TEMP TABLE unusual AS FROM chunk ANTI JOIN decoded USING (i) WHERE plain"
            )
            self._look_again(usual, given)
            connection.execute("DROP TABLE unusual")
        connection.execute("SET disabled_optimizers = ''")

    def _look_again(self, usual: Members, given: Mapping[str, Any]) -> None:
        """Prove what can be proved of the table ``unusual``: a sample of it, and the rest if that pays."""
        connection = self._connection
        count = self._rows("unusual")
        if count < self.fewest:
            return
        step = max(1, count // self.sampled)
        members = members_in(
            v
            for (v,) in connection.sql(f"SELECT v FROM unusual WHERE hash(i) % {step} = 0").fetchall()  # noqa: S608
        )
        if not members.looks_beyond(usual):
            return
        for part in (f"hash(i) % {step} = 0", f"hash(i) % {step} <> 0"):
            connection.execute(f"CREATE OR REPLACE TEMP VIEW asked AS FROM unusual WHERE {part}")
            rows = self._rows("asked")
            query, parameters = self._good_rows("asked", members, given)
            proved = connection.sql(query, params=parameters).to_arrow_table()
            self._also(proved)
            if proved.num_rows < rows * PAYS or step == 1:
                break
        connection.execute("DROP VIEW asked")

    def _rows(self, table: str) -> int:
        (count,) = self._connection.sql(f"SELECT count(*) FROM {table}").fetchall()[0]  # noqa: S608 our own table
        return int(count)

    def _good_rows(self, chunk: str, members: Members, given: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        """The query, and those of the parameters that it asks for: DuckDB refuses any other."""
        query = good_rows_query(chunk, members, self._codes)
        return query, {name: value for name, value in given.items() if f"${name}" in query}

    def _also(self, rows: pa.Table) -> None:
        """Add rows to ``decoded``, and the columns they need."""
        if not rows.num_rows:
            return
        held = set(self._columns_held())
        new = [name for name in rows.column_names if name not in held and rows.column(name).null_count < rows.num_rows]
        for name in new:
            self._connection.execute(f'ALTER TABLE decoded ADD COLUMN "{name}" {self._types[name]}')
        kept = rows.select([name for name in rows.column_names if name in held or name in new])
        self._connection.register("more", kept)
        self._connection.execute("INSERT INTO decoded BY NAME SELECT * FROM more")
        self._connection.unregister("more")

    def _columns_held(self) -> list[str]:
        return [row[0] for row in self._connection.sql("DESCRIBE decoded").fetchall()]

    def conflict(self, i: int) -> Rejected:
        """The rejection of an accepted record whose id came before with another content."""
        chunk, at = self._find(i)
        return self._rejected(chunk, at, Rejection("id_conflict", "domain", "", excerpt(chunk.values[at])))

    def _rejected(self, chunk: Chunk, i: int, rejection: Rejection) -> Rejected:
        """The quarantine's view of one record."""
        value, topic = chunk.values[i], chunk.topics[i]
        return Rejected(
            topic,
            chunk.partitions[i],
            chunk.offsets[i],
            chunk.times[i],
            self._agencies[self._topics[topic]],
            rejection.reason_code,
            rejection.stage,
            rejection.detail,
            self.keys.quarantine.digest(QUARANTINE_DIGEST, self._raw_digest(value or b"")[:16]),
            len(value or b""),
            rejection.excerpt,
        )

    def _find(self, number: int) -> tuple[Chunk, int]:
        at = bisect.bisect_right(self._first, number) - 1
        return self._chunks[at], number - self._first[at]

    def _value(self, number: int) -> bytes | None:
        chunk, i = self._find(number)
        return chunk.values[i]

    def _judge(self, chunk: Chunk, i: int, now: dt.datetime) -> Event | Rejection:
        agency = self._agencies[self._topics[chunk.topics[i]]]
        try:
            record = Record(chunk.values[i], agency, tuple(chunk.headers[i] or ()))
            return parse(record, now, self._known, read_object)
        except Exception as error:
            # The parser promises never to raise: this is our fault, the record waits for its mending.
            return Rejection("internal_error", "wire", type(error).__name__)

    def _place(self, number: int) -> dict[str, Any]:
        chunk, i = self._find(number)
        topic = self._topics[chunk.topics[i]]
        return {"i": number, "t": topic, "p": chunk.partitions[i], "o": chunk.offsets[i]}

    def _columns(self, chunk: Chunk, skipped: set[int]) -> pa.Table:
        plain = list(map(_PLAIN_HEADERS.__contains__, chunk.headers))
        for i in skipped:
            plain[i] = False
        topics = pa.array(list(map(self._topics.__getitem__, chunk.topics)), pa.int32())
        return pa.table(
            [
                pa.array(range(self._count, self._count + len(chunk)), pa.int32()),
                topics,
                pa.array(chunk.partitions, pa.int32()),
                pa.array(chunk.offsets, pa.int64()),
                pa.DictionaryArray.from_arrays(topics, pa.array(self._agencies, pa.string())),
                _texts(chunk.values),
                pa.array(plain, pa.bool_()),
            ],
            schema=_CHUNK,
        )

    def _rekey(self) -> None:
        """The view ``landed``: ``decoded`` with the pid in place of the user_key, and the digest of the content."""
        found = self._connection.sql("SELECT DISTINCT pid FROM decoded WHERE pid IS NOT NULL").to_arrow_table()
        keys: list[str] = found.column(0).to_pylist()
        if len(self._pids) + len(keys) > REMEMBERED_KEYS:
            self._pids.clear()
        known = self._pids
        new = [key for key in keys if key not in known]
        known.update(zip(new, map(self._pid, new), strict=True))
        table = pa.table({"user_key": found.column(0), "pid": pa.array([known[key] for key in keys], pa.binary())})
        self._connection.register("found_pids", table)
        self._connection.execute("CREATE OR REPLACE TEMP TABLE pids AS SELECT * FROM found_pids")
        self._connection.unregister("found_pids")
        held, long = set(self._columns_held()), self._codes.long_columns()
        listed = ", ".join(
            (f'decoded."{name}"::VARCHAR AS "{name}"' if name in long else f'decoded."{name}"')
            if name in held
            else f'NULL::{kind} AS "{name}"'
            for name, kind in self._types.items()
            if name != "pid"
        )
        # Views, so that the digest is computed once, when the row is written, and of the few ``suspects`` that repeat
        # an id or seem to: under a condition on ``landed`` it would be computed of all. Cut to half, SHA-256 of key and
        # content cannot be extended by an attacker.
        data = held & data_columns().keys()
        counted = ", ".join(f'count("{name}")' for name in sorted(data))
        rows, *values = self._connection.sql(f"SELECT count(*), {counted} FROM decoded").fetchall()[0]  # noqa: S608
        whole = {name for name, count in zip(sorted(data), values, strict=True) if count == rows}
        content = digest_content(data, whole).replace('"pid"', 'decoded."pid"')
        digest = f"unhex(substr(sha256(concat(getvariable('content_key'), {content})), 1, 32))"
        for link in self._later_links:
            digest = rekeyed_sql(digest, link)
        self._connection.execute("CREATE OR REPLACE TEMP TABLE suspects (r BIGINT)")
        for view, source in (
            ("landed", "decoded"),
            ("suspected", "decoded SEMI JOIN suspects ON suspects.r = decoded.rowid"),
        ):
            self._connection.execute(
                f"""
                CREATE OR REPLACE TEMP VIEW "{view}" AS
                SELECT decoded.rowid AS r, {listed}, pids.pid AS pid,
                    {digest} AS payload_digest
                FROM {source} LEFT JOIN pids ON pids.user_key = decoded.pid
                """  # noqa: S608 our own column names
            )


def _row(event: Event) -> dict[str, Any]:
    """An event of the parser as decoded columns; ``pid`` holds the user_key still."""
    row: dict[str, Any] = {
        "event_id": event.event_id,
        "source": event.source,
        "agency_id": event.agency_id,
        "event_type": event.event_type,
        "occurred_at": event.occurred_at,
    }
    for name, value in event.data.items():
        field = event_contract().field(event.event_type, name)
        if field.kind == "declared_value":
            row["declared_status"] = value if isinstance(value, str) else "value"
            value = None if isinstance(value, str) else value
        row[field.column] = value
    return row


def _texts(values: list[bytes | None]) -> pa.Array:
    """The values as text; null where a value is absent or not UTF-8."""
    try:
        return pa.array(values, pa.string())
    except (pa.ArrowInvalid, UnicodeDecodeError):
        return pa.array([_utf8(value) for value in values], pa.string())


def _utf8(value: bytes | None) -> str | None:
    try:
        return None if value is None else value.decode("utf-8")
    except UnicodeDecodeError:
        return None
