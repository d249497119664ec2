"""Releases: what a month said when somebody closed it, signed, whole or not there at all, kept for ever.

``$MIZAN_HOME/releases/<month>-<vintage>/`` holds ``cells/<table>.parquet`` (the analysts' rows of the month),
``definitions/<table>.json`` and ``.sql``, ``release.json`` (what it is, with the SHA-256 of every file),
``release.sig`` and ``release.pub``. It is made beside and renamed; nothing here ever changes or removes one.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.durable import sha256, sync
from contracts.errors import MizanError, UsageError
from contracts.failpoints import failpoint
from contracts.reporting_time import Month
from contracts.settings import Settings
from warehouse import month_closings
from warehouse.connection import Connection, build_connection, memory_connection
from warehouse.metric_tables import MetricTable, metric_tables, quoted
from warehouse.month_closings import CLOSE, REOPEN, Closing, release_folder, releases_folder
from warehouse.publish import in_service
from warehouse.published import Manifest, manifest, open_published
from warehouse.signing import create_signing_key, sign

FORMAT = 1
# What publishing says of a row is not part of the cells: it changes without any figure changing.
_REMARKS = frozenset({"completeness", "completeness_status", "state", "vintage", "held_agencies"})
_FILE_MODE, _FOLDER_MODE = 0o440, 0o750


@dataclass(frozen=True)
class Release:
    """A closed month: its folder, its vintage, the hash of its cells, and whether this call closed it."""

    folder: Path
    month: Month
    vintage: int
    content_hash: str
    is_new: bool


def close(settings: Settings, month: Month, *, by: str, note: str, now: dt.datetime | None = None) -> Release:
    """Write the month's release and enter it in the ledger. The next publication shows the month as final.

    Closing what is final already changes nothing. Raises UsageError for a month that is open, not published, not
    published as built, or short of a batch that the gate holds; MizanError where its release is there with other
    figures.
    """
    by, note = _named(by, note)
    now = now or dt.datetime.now(dt.UTC)
    failpoint("close.start")
    create_signing_key(settings)
    # The build database's turn keeps publications and other closings away until the release is whole.
    with build_connection(settings) as connection:
        standing, found = _closable(connection, settings, month, now)
        vintage, version = int(standing["vintage"]), found.version
        folder = release_folder(settings, month.label, vintage)
        before = month_closings.latest(settings).get((month.calendar, month.label))
        if before is not None and before.closed_vintage == vintage and folder.exists():
            return Release(folder, month, vintage, str(before.content_hash), False)
        work = releases_folder(settings) / f".work-{month.label}"
        shutil.rmtree(work, ignore_errors=True)
        facts = {
            "format": FORMAT,
            "calendar": month.calendar,
            "month": month.label,
            "vintage": vintage,
            "published_version": version,
            "published_at": found.as_of.isoformat(),
            "lake": dict(found.lake),
            "signed_by": by,
            "note": note,
            "closed_at": now.isoformat(),
        }
        content_hash = _write(connection, settings, month, work, facts)
        failpoint("close.files")
        if folder.exists():
            _check_same(folder, content_hash)
            shutil.rmtree(work)
        else:
            work.rename(folder)
            sync(folder.parent)
        failpoint("close.rename")
        row = Closing(month.calendar, month.label, CLOSE, vintage, version, content_hash, by, note, now)
        month_closings.add(settings, row)
        failpoint("close.ledger")
    return Release(folder, month, vintage, content_hash, True)


def reopen(settings: Settings, month: Month, *, by: str, note: str, now: dt.datetime | None = None) -> int:
    """Enter in the ledger that a closed month is not final any more; its vintage. Its releases stay.

    Raises UsageError where the month is not closed.
    """
    by, note = _named(by, note)
    before = month_closings.latest(settings).get((month.calendar, month.label))
    if before is None or before.action != CLOSE:
        raise UsageError(f"{month.label} is not closed", hint="mizan month ls shows which months are")
    found, standing = manifest(settings, "analyst"), _standing(settings, month)
    version = before.version if found is None else found.version
    vintage = before.vintage if standing is None else int(standing["vintage"])
    now = now or dt.datetime.now(dt.UTC)
    month_closings.add(settings, Closing(month.calendar, month.label, REOPEN, vintage, version, None, by, note, now))
    return vintage


def content_hash(connection: Connection, tables: Mapping[str, tuple[str, list[str]]]) -> str:
    """SHA-256 (hex) over cells: for each table, by name, its columns and its rows in order.

    ``tables`` maps a name to a SELECT's FROM clause and the columns that count. Equal cells, equal hash.
    """
    digest = hashlib.sha256()
    for name, (source, columns) in sorted(tables.items()):
        digest.update(f"{name}\0{','.join(columns)}\0".encode())
        listed = ", ".join(f"coalesce({quoted(column)}::VARCHAR, '\\N')" for column in columns)
        rows = connection.execute(f"SELECT concat_ws(chr(31), {listed}) AS row_text FROM {source} ORDER BY 1")  # noqa: S608
        while batch := rows.fetchmany(10_000):
            digest.update("".join(f"{row}\n" for (row,) in batch).encode())
    return digest.hexdigest()


def _named(by: str, note: str) -> tuple[str, str]:
    by, note = by.strip(), note.strip()
    if not by or not note:
        raise UsageError("a month is closed or reopened by a name and with a note")
    return by, note


def _standing(settings: Settings, month: Month) -> dict[str, Any] | None:
    """The month's line in month_states as published; None where there is none."""
    if manifest(settings, "analyst") is None:
        return None
    with open_published(settings) as published:
        rows = published.execute(
            "SELECT state, vintage FROM marts.month_states WHERE calendar = $calendar AND month = $month",
            {"calendar": month.calendar, "month": month.label},
        ).fetchall()
    return {"state": rows[0][0], "vintage": rows[0][1]} if rows else None


def _closable(
    connection: Connection, settings: Settings, month: Month, now: dt.datetime
) -> tuple[dict[str, Any], Manifest]:
    """The month's published standing and the version in service; UsageError where the month may not be closed."""
    standing, found = _standing(settings, month), manifest(settings, "analyst")
    if standing is None or found is None:
        raise UsageError(f"{month.label} is not published", hint="mizan month ls shows what is; mizan run publishes")
    if standing["state"] == "open":
        raise UsageError(
            f"{month.label} is open: not all expected agencies have told of it yet",
            hint="mizan month ls shows how many have; thirty days after its end nobody is waited for",
        )
    held = connection.execute(
        "SELECT DISTINCT agency_id FROM held_scopes WHERE calendar = $calendar AND month = $month ORDER BY agency_id",
        {"calendar": month.calendar, "month": month.label},
    ).fetchall()
    if held:
        raise UsageError(
            f"{month.label} misses batches that the gate holds: {', '.join(agency for (agency,) in held)}",
            hint="mizan gate shows them; mizan gate release BATCH --agency ID --by NAME --reason TEXT",
        )
    if in_service(connection, settings, now) is None:
        raise UsageError("the build has figures that are not published", hint="run: mizan publish")
    return standing, found


def _write(connection: Connection, settings: Settings, month: Month, work: Path, facts: Mapping[str, Any]) -> str:
    """Write a whole release into ``work``, durable and signed; the hash of its cells."""
    for part in (work, work / "cells", work / "definitions"):
        part.mkdir(parents=True)
        part.chmod(_FOLDER_MODE)
    monthly = [table for table in metric_tables(connection) if table.is_monthly]
    tables: dict[str, Any] = {}
    hashed: dict[str, tuple[str, list[str]]] = {}
    # A version is read without reaching another file: what is written goes through a connection of its own.
    with open_published(settings) as published, memory_connection(settings) as files:
        for table in monthly:
            rows = _cells(published, files, table, month, work / "cells" / f"{table.name}.parquet")
            if rows:
                counted = [name for name in table.columns if name not in _REMARKS]
                tables[table.name] = {"rows": rows, "columns": counted}
                hashed[table.name] = (_parquet(work, table.name), counted)
        total = content_hash(files, hashed)
    for table in monthly:
        ((query,),) = connection.execute(
            "SELECT query FROM ops_published WHERE table_name = $name", {"name": table.name}
        ).fetchall()
        contract = json.dumps(table.contract, ensure_ascii=False, indent=1)
        (work / "definitions" / f"{table.name}.json").write_text(contract + "\n", encoding="utf-8")
        (work / "definitions" / f"{table.name}.sql").write_text(query, encoding="utf-8")
    document = {
        **facts,
        "content_hash": total,
        "tables": tables,
        "files": {str(path.relative_to(work)): sha256(path) for path in files_of(work)},
    }
    text = (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode()
    signature, public_key = sign(settings, text)
    for name, content in (("release.json", text), ("release.sig", signature), ("release.pub", public_key)):
        (work / name).write_bytes(content)
    for path in files_of(work):
        path.chmod(_FILE_MODE)
        sync(path)
    for part in (work / "cells", work / "definitions", work):
        sync(part)
    return total


def _cells(published: Connection, files: Connection, table: MetricTable, month: Month, path: Path) -> int:
    """Write the month's published rows of one table; how many."""
    target = str(path).replace("'", "''")
    order = ", ".join(map(quoted, table.keys))
    where = f"calendar = '{month.calendar}' AND month = '{month.label}'"
    select = f"SELECT * FROM marts.{table.name} WHERE {where} ORDER BY {order}"  # noqa: S608 names of the build
    cells = published.sql(select).to_arrow_table()
    if cells.num_rows:
        files.register("cells", cells)
        files.execute(f"COPY cells TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
        files.unregister("cells")
    return int(cells.num_rows)


def _parquet(folder: Path, table: str) -> str:
    path = str(folder / "cells" / f"{table}.parquet").replace("'", "''")
    return f"read_parquet('{path}')"


def released_cells(folder: Path, document: Mapping[str, Any]) -> dict[str, tuple[str, list[str]]]:
    """A release's tables in the form content_hash takes."""
    return {name: (_parquet(folder, name), list(entry["columns"])) for name, entry in document["tables"].items()}


def _check_same(folder: Path, found: str) -> None:
    """A release of this vintage is there, of a closing that died or of one that was reopened: it must say the same."""
    try:
        told = json.loads((folder / "release.json").read_text(encoding="utf-8"))["content_hash"]
    except (OSError, ValueError, KeyError) as error:
        raise MizanError(f"{folder} is damaged", hint="mizan verify says how; restore it from a backup") from error
    if told != found:
        raise MizanError(f"{folder} holds other figures under the same vintage", hint="mizan verify")


def files_of(folder: Path) -> Iterator[Path]:
    """The files below a release's folder, in order."""
    return iter(sorted(path for path in folder.rglob("*") if path.is_file()))
