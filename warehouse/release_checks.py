"""The proof of releases: every one is whole, signed by us, says what its ledger row says, and none is missing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from contracts.durable import sha256
from contracts.settings import Settings
from warehouse.connection import Connection, memory_connection
from warehouse.month_closings import CLOSE, ledger, releases_folder
from warehouse.releases import content_hash, files_of, released_cells
from warehouse.signing import is_signed, trusted_keys

_OWN = ("release.json", "release.sig", "release.pub")
_RESTORE = "restore the folder from a backup"


def release_folders(settings: Settings) -> list[Path]:
    """The releases, by name; what a closing that died left in the making is none."""
    folder = releases_folder(settings)
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def release_problems(settings: Settings) -> list[tuple[str, str, str]]:
    """What does not hold: kind, where, hint. Empty where every release is as it was signed."""
    found: list[tuple[str, str, str]] = []
    told: dict[str, Mapping[str, Any]] = {}
    trusted = trusted_keys(settings)
    with memory_connection(settings, threads=1) as connection:
        for folder in release_folders(settings):
            problems = list(_problems_of(connection, folder, trusted, told))
            found += [(kind, f"releases/{folder.name}{where}", hint) for kind, where, hint in problems]
    for row in ledger(settings):
        if row.action != CLOSE:
            continue
        name = f"{row.month}-{row.vintage}"
        if not (releases_folder(settings) / name).is_dir():
            found.append(("RELEASE_MISSING", f"releases/{name}", f"closed by {row.decided_by}; {_RESTORE}"))
        elif name in told and told[name].get("content_hash") != row.content_hash:
            found.append(("RELEASE_CONTENT", f"releases/{name}", "the ledger names other figures for this closing"))
    return found


def _problems_of(
    connection: Connection, folder: Path, trusted: list[bytes], told: dict[str, Mapping[str, Any]]
) -> Iterator[tuple[str, str, str]]:
    """What does not hold in one release; its document is noted in ``told`` where it can be read."""
    missing = [name for name in _OWN if not (folder / name).is_file()]
    if missing:
        yield "RELEASE_DAMAGED", f"/{missing[0]}", f"the file is missing; {_RESTORE}"
        return
    text, signature, public_key = ((folder / name).read_bytes() for name in _OWN)
    if not is_signed(text, signature, public_key):
        yield "RELEASE_SIGNATURE", "/release.sig", f"release.json is not what was signed; {_RESTORE}"
        return
    if public_key not in trusted:
        yield "RELEASE_SIGNATURE", "/release.pub", "signed by a key that is not ours (keys/release-signing*.pub)"
    document = json.loads(text)
    told[folder.name] = document
    there = {str(path.relative_to(folder)): path for path in files_of(folder)}
    for name in sorted(document["files"].keys() | there.keys() - set(_OWN)):
        if name not in there:
            yield "RELEASE_DAMAGED", f"/{name}", f"the file is missing; {_RESTORE}"
        elif name not in document["files"]:
            yield "RELEASE_DAMAGED", f"/{name}", "the file is not part of what was signed"
        elif sha256(there[name]) != document["files"][name]:
            yield "RELEASE_DAMAGED", f"/{name}", f"the file is not what was signed; {_RESTORE}"
        else:
            continue
        return
    if content_hash(connection, released_cells(folder, document)) != document["content_hash"]:
        yield "RELEASE_CONTENT", "/release.json", "its cells do not give its content hash"
