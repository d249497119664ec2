"""The files of published versions: written beside, made durable, renamed whole, pointed to last, collected late.

``published/<tier>/`` holds vNNNNNN.duckdb, current.duckdb, CURRENT.json and parquet/<table>/vNNNNNN.parquet; the public
tier csv/, datapackage.json, index.html and report/ as well. ``published/.work/`` is where things are made; it is swept
at the next start.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from contracts.durable import sha256, sync
from contracts.failpoints import failpoint
from contracts.settings import Settings
from warehouse.published import POINTER, TIERS
from warehouse.version_floor import raise_floor, version_floor

KEPT_FOR = dt.timedelta(hours=24)
_FILE_MODE = {"analyst": 0o440, "public": 0o444}
_FOLDER_MODE = {"analyst": 0o750, "public": 0o755}
_VERSIONED = re.compile(r"v(\d{6,})(?:\.duckdb|\.parquet)?")


def version_name(version: int) -> str:
    """``v000012``."""
    return f"v{version:06d}"


def next_version(settings: Settings) -> int:
    """A number no file has ever had, even of a publication that died, or of a folder that an old copy replaced."""
    used = [version_floor(settings)]
    for tier in TIERS:
        folder = settings.published / tier
        if folder.exists():
            used += [int(match[1]) for path in folder.iterdir() if (match := _VERSIONED.fullmatch(path.name))]
            pointer = folder / POINTER
            if pointer.exists():
                used.append(json.loads(pointer.read_text())["version"])
    return max(used) + 1


def sweep(settings: Settings) -> None:
    """Remove what a publication that died left in the work folder; the caller holds the writer's turn."""
    shutil.rmtree(settings.published / ".work", ignore_errors=True)


class Tier:
    """One tier's version in the making."""

    def __init__(self, settings: Settings, name: str, version: int) -> None:
        self.name = name
        self.version = version
        self._settings = settings
        self.folder = settings.published / name
        self.working_folder = settings.published / ".work"
        self.mode = _FILE_MODE[name]
        self.checksums: dict[str, str] = {}
        for folder in (self.working_folder, self.folder):
            folder.mkdir(parents=True, exist_ok=True)
        settings.published.chmod(0o755)
        self.folder.chmod(_FOLDER_MODE[name])
        self.working_folder.chmod(0o700)
        self._prepared: list[tuple[Path, Path]] = []

    @property
    def database(self) -> Path:
        """The version's file under its final name."""
        return self.folder / f"{version_name(self.version)}.duckdb"

    @property
    def working_database(self) -> Path:
        """The same while it is written."""
        return self.working_folder / f"{self.name}-{version_name(self.version)}.duckdb"

    def settle(self) -> None:
        """Make the written database durable and give it its name."""
        failpoint("pub.file")
        self.place(self.working_database, self.database)
        failpoint("pub.rename")

    def place(self, made: Path, final: Path) -> None:
        """Move a finished file to its final name: complete on disk first, then visible. Notes its SHA-256."""
        made.chmod(self.mode)
        self.checksums[str(final.relative_to(self.folder))] = sha256(made)
        sync(made)
        if made == self.working_database:
            failpoint("pub.fsync")
        _make_folder(final.parent, _FOLDER_MODE[self.name])
        made.replace(final)
        sync(final.parent)

    def report_of(self, version: int) -> Path:
        """Where a version's pages are; this one's or an earlier one's."""
        return self.folder / ".report" / version_name(version)

    def place_folder(self, made: Path, final: Path) -> None:
        """Move a finished folder to its final name: every new file complete on disk first, then all visible at once."""
        folders = [made]
        for path in sorted(made.rglob("*")):
            if path.is_dir():
                folders.append(path)
            elif path.stat().st_nlink == 1:  # a link is an earlier version's file, which is complete
                path.chmod(self.mode)
                sync(path)
        for folder in reversed(folders):
            folder.chmod(_FOLDER_MODE[self.name])
            sync(folder)
        _make_folder(final.parent, _FOLDER_MODE[self.name])
        made.replace(final)
        sync(final.parent)

    def prepare_pointers(
        self, now: dt.datetime, lake: Mapping[str, object], source: str, earlier: Sequence[int]
    ) -> None:
        """Write everything that will point to this version beside what points to the last one.

        ``earlier`` are the versions that CURRENT.json listed until now. It lists this one and those that stay after
        ``collect``: a reader finds each version that is listed.
        """
        raise_floor(self._settings, self.version)
        stays = [one for one in earlier if self._stays(one, earlier, now)]
        current = self._beside("current.duckdb")
        current.hardlink_to(self.database)
        if (self.folder / ".csv" / version_name(self.version)).exists():
            self._beside("csv").symlink_to(Path(".csv") / version_name(self.version), target_is_directory=True)
        report = self.report_of(self.version)
        if report.exists():
            self._beside("report").symlink_to(Path(".report") / report.name / "report", target_is_directory=True)
            self._beside("index.html").hardlink_to(report / "index.html")
        package = self.working_folder / f"{self.name}-datapackage.json"
        if package.exists():
            package.chmod(self.mode)
            sync(package)
            package.replace(self._beside("datapackage.json"))
        pointer = self._beside(POINTER)
        document = {
            "version": self.version,
            "as_of": now.isoformat(),
            "lake": dict(lake),
            "database": self.database.name,
            "checksums": self.checksums,
            "versions": [*stays, self.version],
            "source": source,
        }
        pointer.write_text(json.dumps(document, indent=1), encoding="utf-8")
        pointer.chmod(0o444)
        sync(pointer)
        sync(self.folder)

    def _stays(self, version: int, earlier: Sequence[int], now: dt.datetime) -> bool:
        """Whether an earlier version is among the newest, or so young that a reader may be at it."""
        made = self.folder / f"{version_name(version)}.duckdb"
        if not made.exists():
            return False
        newer = sum(one > version for one in earlier) + 1
        age = now - dt.datetime.fromtimestamp(made.stat().st_mtime, dt.UTC)
        return newer < self._settings.published_keep or age <= KEPT_FOR

    def _beside(self, name: str) -> Path:
        """A hidden path next to ``name``, to be moved over it by ``point``."""
        path = self.folder / f".{name}.next"
        path.unlink(missing_ok=True)
        self._prepared.append((path, self.folder / name))
        return path

    def point(self) -> None:
        """Move the prepared pointers over the old ones, CURRENT.json last: readers see one or the other."""
        for prepared, final in self._prepared:
            prepared.replace(final)
        sync(self.folder)


def collect(tier: Tier) -> None:
    """Remove the files of versions that CURRENT.json does not list: too old now, or never served."""
    listed = set(json.loads((tier.folder / POINTER).read_text())["versions"])
    for path in [
        *tier.folder.glob("v*.duckdb"),
        *tier.folder.glob("parquet/*/v*.parquet"),
        *tier.folder.glob(".csv/v*"),
        *tier.folder.glob(".report/v*"),
    ]:
        match = _VERSIONED.fullmatch(path.name)
        if match is None or int(match[1]) in listed:
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _make_folder(folder: Path, mode: int) -> None:
    if not folder.exists():
        folder.mkdir(parents=True)
        folder.chmod(mode)
        sync(folder.parent)
