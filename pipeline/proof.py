"""The proof from Kafka's offsets to the figures: the lake's own, and with ``deep`` a full rebuild beside the build."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from contracts.settings import Settings

if TYPE_CHECKING:
    from landing.verify import Proof

# The lake may move while a rebuild takes its time.
_TRIES = 3


def prove(settings: Settings, *, deep: bool = False, refetch: bool = False) -> Proof:
    """``landing.verify.verify``; with ``deep`` the figures of a full rebuild must have the build's content hash too.

    The rebuild lies in a folder of its own below ``build/`` and goes when it is compared; the build itself is copied
    there and brought up to date as the next step would, so that nothing of the home changes.
    """
    from landing.verify import verify

    proof = verify(settings, deep=deep, refetch=refetch)
    if deep and proof.ok:
        compare_rebuild(proof, settings)
    return proof


def compare_rebuild(proof: Proof, settings: Settings) -> None:
    """Note a problem where a full rebuild gives other figures than the build does, at one version of the lake."""
    from transforms.refresh import update
    from warehouse.connection import build_turn

    if not settings.build_file.exists():
        proof.notes.append("nothing is built yet: no figures to compare")
        return
    with tempfile.TemporaryDirectory(prefix="proof-", dir=settings.build_file.parent) as folder:
        anew, ahead = (_beside(settings, Path(folder) / name) for name in ("anew", "ahead"))
        with build_turn(settings):
            shutil.copyfile(settings.build_file, ahead.build_file)
            unwritten = settings.build_file.with_name(settings.build_file.name + ".wal")
            if unwritten.exists():
                shutil.copyfile(unwritten, ahead.build_file.with_name(ahead.build_file.name + ".wal"))
        for _ in range(_TRIES):
            update(anew)
            update(ahead)
            (version, expected), (other, found) = _hashed(anew), _hashed(ahead)
            if version == other:
                break
        else:
            proof.notes.append("the lake moved on under every rebuild: the figures are not compared")
            return
    proof.checked["figures_at_lake_version"] = int(version)
    if expected != found:
        proof.add("content_hash", "build", f"a full rebuild gives {expected[:12]}, the build {found[:12]}")


def _beside(settings: Settings, home: Path) -> Settings:
    """The same lake, with another build."""
    values = {**settings.values, "MIZAN_HOME": str(home), "MIZAN_LAKE_URI": settings.lake_uri}
    beside = replace(settings, values=values)
    beside.build_file.parent.mkdir(parents=True)
    return beside


def _hashed(settings: Settings) -> tuple[str, str]:
    from transforms.refresh import content_hash
    from warehouse.connection import build_connection

    with build_connection(settings) as connection:
        ((version,),) = connection.execute("SELECT value FROM ops_state WHERE name = 'lake_version'").fetchall()
        return str(version), content_hash(connection)
