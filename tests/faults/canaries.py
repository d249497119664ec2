"""Personal ids planted in what agencies say, and the search for them in everything that a home holds (I8).

The ids are new in every run and their check digits are right. Agencies put them where no id belongs, in the spellings
that people use; they also say person keys, which the lake replaces before it writes. Neither may come to lie anywhere
below the home: not in a file's bytes or name, not in what a Parquet or DuckDB file holds behind its compression, not
in what a command printed. Imports nothing of the product.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import hashlib
import hmac
import html
import json
import random
import re
import shutil
import sqlite3
import tempfile
import urllib.parse
import zipfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from faults.registry import Violation

PERSIAN = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")
MOST = 12  # planted ids of one kind and run: each is looked for in a dozen spellings
HEX = re.compile(rb"[0-9a-fA-F]{32,}")
DIGITS = b"0123456789"
BEGIN, CHUNK = 8, 1 << 22  # bytes: nothing that is looked for is shorter; how much is looked through at once


def national_id(rng: random.Random) -> str:
    """Ten digits with the check digit of the definition: weights 10 to 2, the rest of 11."""
    first = f"{rng.randrange(10**8, 10**9)}"
    rest = sum(int(digit) * weight for digit, weight in zip(first, range(10, 1, -1), strict=True)) % 11
    return f"{first}{rest if rest < 2 else 11 - rest}"


def personal(rng: random.Random) -> str:
    """A national id, a mobile number or an e-mail address that nobody has."""
    kind = rng.randrange(4)
    if kind == 2:
        return f"0912{rng.randrange(10**7):07d}"
    return f"canary-{rng.randrange(10**12):012d}@planted.example" if kind == 3 else national_id(rng)


def spelled(rng: random.Random, one: str) -> str:
    """The id as somebody may write it."""
    return rng.choice(_spellings(one))


def record(rng: random.Random, good: dict[str, Any], one: str) -> bytes:
    """A good event's document with the id in a place where none belongs: no parser may take it."""
    return rng.choice(list(records(good, one)))


def records(good: dict[str, Any], one: str) -> Iterator[bytes]:
    """Every such document: the id as people write it in every field, and encoded wherever no text is free."""

    def changed(path: tuple[str, ...], value: Any) -> bytes:
        document = json.loads(json.dumps(good))
        (document["data"] if path[0] == "data" else document)[path[-1]] = value
        return json.dumps(document, ensure_ascii=len(path) > 1).encode()

    for said in _spellings(one):
        for field in ("user_key", "transaction_id", "visit_id", "service_id", "channel", "national_id"):
            yield changed(("data", field), said)
        for field in ("source", "type", "time", "subject"):
            yield changed((field,), said)
        yield changed(("data", "user_key"), {"of": [said]})
    for said in (one, *_encodings(one)):
        yield changed(("data", said), True)  # a member named by it
        yield changed((said,), {said: said})
        yield changed(("data", "note"), said)
        yield changed(("data", "channel"), said)
        yield changed(("source",), f"/agencies/{said}")
        yield json.dumps(good).encode()[:-2] + b', "person": "' + said.encode() + b'"'  # it does not end
        yield f"{said};{good['id']};portal".encode()
        yield f"<event><person>{said}</person></event>".encode()


def _spellings(one: str) -> list[str]:
    """As people write it."""
    return [one, f"{one[:3]}-{one[3:9]}-{one[9]}", one.translate(PERSIAN), f" {one} "] if len(one) == 10 else [one]


def _encodings(one: str) -> list[str]:
    """As programs write it."""
    quoted = urllib.parse.quote(one.translate(PERSIAN), safe="")
    return [base64.b64encode(one.encode()).decode(), one.encode().hex(), one[::-1], quoted]


def _forms(one: str) -> set[bytes]:
    plain, persian = one.encode(), one.translate(PERSIAN)
    forms = {
        base64.urlsafe_b64encode(plain), plain.hex().upper().encode(), urllib.parse.quote(one, safe="").encode(),
        json.dumps(persian)[1:-1].encode(), str(int(one)).encode() if one.isdigit() and int(one) >= 10**8 else plain,
    }  # fmt: skip
    return forms | {text.strip().encode() for text in (*_spellings(one), *_encodings(one))}


def unkeyed(ids: Iterable[str], salts: Iterable[str]) -> dict[bytes, str]:
    """What somebody without a key can compute of ids, by digest: plain, salted before and after, a salt as the key."""
    found: dict[bytes, str] = {}
    for one in ids:
        for text in (one, f"nid:{one}"):
            for name in ("md5", "sha1", "sha256"):
                found[hashlib.new(name, text.encode()).digest()] = f"{name} of {one}"
                for salt in salts:
                    for said in (salt + text, text + salt, f"{salt}|{text}", f"{salt}:{text}", f"{text}|{salt}"):
                        found[hashlib.new(name, said.encode()).digest()] = f"{name} of {one}, salted"
                    found[hmac.digest(salt.encode(), text.encode(), name)] = f"{name} of {one}, keyed by a name"
    return found


class Needles:
    """What is looked for: ids in all their spellings; keys in hex, in base64 and as bytes; digests in columns and hex.

    A key or digest is known by its first 16 bytes: the lake keeps no more of one. ``secrets`` are texts that are looked
    for as they are, in hex and in base64.
    """

    def __init__(
        self,
        ids: Collection[str] = (),
        keys: Collection[bytes] = (),
        digests: Mapping[bytes, str] | None = None,
        secrets: Mapping[str, str] | None = None,
    ) -> None:
        self._literals = {form: one for one in ids for form in _forms(one)}
        self._begins: dict[bytes, list[bytes]] = {}
        self._hex = {digest[:16].hex().encode(): name for digest, name in (digests or {}).items()}
        self._hex |= {key[:16].hex().encode(): f"key {key.hex()[:12]}" for key in keys}
        for key in sorted(keys)[: 2 * MOST]:
            self._literals |= {key: f"key {key.hex()[:12]}", base64.b64encode(key)[:20]: f"key {key.hex()[:12]}"}
        for secret, name in (secrets or {}).items():
            plain = secret.encode()
            forms = (
                plain,
                plain.hex().encode(),
                base64.b64encode(plain).rstrip(b"="),
                json.dumps(secret)[1:-1].encode(),
            )
            self._literals |= dict.fromkeys(forms, name)

        for form in self._literals:
            self._begins.setdefault(form[:BEGIN], []).append(form)
        self._words = np.sort(np.frombuffer(b"".join(self._begins), ">u8").astype(np.uint64))
        self._pairs = np.zeros(1 << 16, bool)
        self._pairs[[int.from_bytes(begin[:2], "big") for begin in self._begins]] = True

    def in_bytes(self, data: bytes) -> set[str]:
        """The names of what the bytes hold. Digits amid other digits are another number."""
        found = set()
        for place in self._places(data):
            for form in self._begins[data[place : place + BEGIN]]:
                beside = data[max(place - 1, 0) : place] + data[place + len(form) : place + len(form) + 1]
                amid = form.isdigit() and any(byte in DIGITS for byte in beside)
                if not amid and data.startswith(form, place):
                    found.add(self._literals[form])
        for run in HEX.findall(data) if self._hex else ():
            lower = run.lower()
            found |= {
                self._hex[lower[at : at + 32]] for at in range(len(lower) - 31) if lower[at : at + 32] in self._hex
            }
        return found

    def _places(self, data: bytes) -> Iterator[int]:
        """Where something begins as a literal does. All literals at once: looking for one by one takes minutes."""
        for start in range(0, max(len(data) - BEGIN + 1, 0) if self._begins else 0, CHUNK):
            part = np.frombuffer(data[start : start + CHUNK + BEGIN - 1], np.uint8)
            pairs = part[: len(part) - BEGIN + 1].astype(np.uint16) << 8 | part[1 : len(part) - BEGIN + 2]
            at = np.flatnonzero(self._pairs[pairs])
            words = np.zeros(len(at), np.uint64)
            for further in range(BEGIN):
                words = words << np.uint64(8) | part[at + further]
            near = np.minimum(np.searchsorted(self._words, words), len(self._words) - 1)
            yield from (start + int(one) for one in at[self._words[near] == words])


def sweep(
    folder: Path, needles: Needles, heard: Iterable[str] = (), spared: Callable[[str], bool] = lambda name: False
) -> list[Violation]:
    """I8 of every file below a folder, and of what commands printed; what is found is named, but not quoted whole.

    ``spared`` says which files, by their name below the folder, may hold what is looked for.
    """
    found: dict[str, set[str]] = {}
    seen: set[int] = set()
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if spared(name):
            continue
        found.setdefault(name, set()).update(needles.in_bytes(name.encode()))
        if path.is_symlink() or not path.is_file() or (inode := path.stat().st_ino) in seen:
            continue
        seen.add(inode)
        for data in _contents(path):
            found[name] |= needles.in_bytes(data)
    found["what was printed"] = needles.in_bytes("\n".join(heard).encode())
    return [
        Violation("I8", f"{name} holds {len(hits)} planted ids, such as {min(hits)[:40]}…")
        for name, hits in found.items()
        if hits
    ][:10]


def _contents(path: Path) -> Iterator[bytes]:
    """A file's bytes, and the values behind its compression, its pages or its escapes."""
    raw = path.read_bytes()
    yield raw.rstrip(b"\0")  # Kafka lays its indexes out long before they are full
    yield from _unescaped(raw)
    if raw[:4] == b"PAR1" and raw.endswith(b"PAR1"):
        yield from _columns(path)
    elif raw[:2] == b"\x1f\x8b":
        yield gzip.decompress(raw)
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                yield archive.read(name)
    elif raw[8:12] == b"DUCK":
        yield from _tables(path)
    elif raw[:15] == b"SQLite format 3":
        for values in _sqlite(path):
            yield values
            yield from _unescaped(values)


def _columns(path: Path) -> Iterator[bytes]:
    """A Parquet file's values, column by column: a fault may have left one, or the whole file, beyond reading."""
    # A damaged footer may name a column in what is no UTF-8, which pyarrow tells as a UnicodeDecodeError.
    with contextlib.suppress(OSError, UnicodeDecodeError, pa.ArrowException), pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            for column in range(file.metadata.num_columns):
                with contextlib.suppress(OSError, UnicodeDecodeError, pa.ArrowException):
                    name = file.metadata.row_group(group).column(column).path_in_schema
                    yield _values(file.read_row_group(group, columns=[name]))


def _unescaped(raw: bytes) -> Iterator[bytes]:
    """What JSON or HTML stands for, where the bytes have escapes."""
    if b"\\u" in raw:
        yield re.sub(rb"\\u([0-9a-fA-F]{4})", lambda escape: chr(int(escape[1], 16)).encode("utf-8", "replace"), raw)
    if b"&#" in raw:
        yield html.unescape(raw.decode("utf-8", "replace")).encode()


def _sqlite(path: Path) -> Iterator[bytes]:
    """Every value of every column, a line each, table by table; of a copy, with what its log holds."""
    with tempfile.TemporaryDirectory() as folder:
        for one in path.parent.glob(f"{path.name}*"):
            shutil.copy(one, folder)
        with contextlib.closing(sqlite3.connect(Path(folder) / path.name)) as connection:
            connection.text_factory = bytes
            for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                rows = connection.execute(f'SELECT * FROM "{table.decode()}"')
                values = {value for row in rows for value in row if value is not None}
                yield b"\n".join(value if isinstance(value, bytes) else str(value).encode() for value in values)


def _tables(path: Path) -> Iterator[bytes]:
    """Every value of every table; of a copy, with what its write-ahead log holds."""
    with tempfile.TemporaryDirectory() as folder:
        for one in path.parent.glob(f"{path.name}*"):
            if one.is_file():
                shutil.copy(one, folder)
        yield from _tables_of(Path(folder) / path.name)


def _tables_of(path: Path) -> Iterator[bytes]:
    with duckdb.connect(str(path)) as connection:
        named = connection.execute(
            "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = current_database()"
        ).fetchall()
        for schema, table in named:
            yield _values(connection.sql(f'FROM "{schema}"."{table}"').to_arrow_table())


def _values(table: pa.Table) -> bytes:
    """Every distinct text, number and blob of a table, a line each; blobs in hex too."""
    parts: list[bytes] = []
    for column in table.columns:
        kind = column.type
        if pa.types.is_nested(kind):
            parts += [part for value in column.to_pylist() for part in _leaves(value)]
            continue
        if pa.types.is_dictionary(kind):
            column = column.cast(kind.value_type)
            kind = column.type
        if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
            column = pc.cast(column, pa.string())
        elif not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or _is_blob(kind)):
            continue
        values = (value for value in column.unique().to_pylist() if value is not None)
        parts += [part for value in values for part in _leaves(value)]
    return b"\n".join(parts)


def _leaves(value: Any) -> Iterator[bytes]:
    """The texts, numbers and blobs of a value, however deep."""
    if isinstance(value, bytes):
        yield value
        yield value.hex().encode()
    elif isinstance(value, Mapping):
        for one in (*value, *value.values()):
            yield from _leaves(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _leaves(one)
    elif value is not None:
        yield str(value).encode()


def _is_blob(kind: pa.DataType) -> bool:
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)
