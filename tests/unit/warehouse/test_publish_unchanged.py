"""A table that did not change is not written again: its files get a second name, as long as they are what was said."""

from __future__ import annotations

import datetime as dt
import os

from warehouse.publish import publish
from warehouse.published import manifest

TABLES = ("dim_month", "monthly_users", "monthly_visits")


def _inodes(settings, version: int) -> dict[str, int]:
    """The files of the tables above in a version, both tiers, by name; Parquet and CSV."""
    files = {}
    for table in TABLES:
        for tier in ("analyst", "public"):
            path = settings.published / tier / "parquet" / table / f"v{version:06d}.parquet"
            files[f"{tier}/{table}.parquet"] = path.stat().st_ino
        files[f"{table}.csv"] = (
            (settings.published / "public" / ".csv" / f"v{version:06d}" / f"{table}.csv").stat().st_ino
        )
    return files


def test_the_files_of_unchanged_tables_are_shared_with_the_version_before(settings, build):
    build.put("monthly_users", active_users=50)
    build.put("monthly_visits", visits=90)
    publish(settings)
    build.put("monthly_users", active_users=70)
    publish(settings)
    first, second = _inodes(settings, 1), _inodes(settings, 2)
    shared = {name for name, inode in second.items() if first[name] == inode}
    assert {"analyst/dim_month.parquet", "public/dim_month.parquet", "dim_month.csv"} <= shared
    assert not {name for name in shared if "monthly_users" in name}
    for tier in ("analyst", "public"):
        found = manifest(settings, tier)
        assert found is not None
        assert f"parquet/dim_month/v{found.version:06d}.parquet" in found.checksums


def test_what_moved_by_a_few_is_written_anew_for_analysts_alone(settings, build):
    build.put("monthly_users", active_users=50)
    publish(settings)
    build.put("monthly_users", active_users=51)
    publish(settings)
    first, second = _inodes(settings, 1), _inodes(settings, 2)
    anew = {name for name, inode in second.items() if first[name] != inode}
    assert anew == {"analyst/monthly_users.parquet"}


def test_a_file_that_is_not_what_was_published_is_written_anew(settings, build):
    build.put("monthly_users", active_users=50)
    publish(settings)
    damaged = settings.published / "public" / "parquet" / "dim_month" / "v000001.parquet"
    damaged.chmod(0o600)
    damaged.write_bytes(b"something else")
    publish(settings, force=True)
    anew = settings.published / "public" / "parquet" / "dim_month" / "v000002.parquet"
    assert not anew.samefile(damaged)
    assert anew.read_bytes()[:4] == b"PAR1"


def test_a_shared_file_is_as_old_as_the_version_that_is_kept_not_as_its_first_name(settings, build):
    now = dt.datetime.now(dt.UTC)
    build.put("monthly_users", active_users=50)
    publish(settings)
    old = now - dt.timedelta(days=3)
    for path in (settings.published / "analyst").rglob("v000001*"):
        os.utime(path, (old.timestamp(), old.timestamp()))
    for _ in range(6):
        publish(settings, force=True)
    folder = settings.published / "analyst"
    assert not (folder / "v000001.duckdb").exists()
    # The second version left the newest five only now, and was made today.
    assert (folder / "v000002.duckdb").exists()
    assert (folder / "parquet" / "dim_month" / "v000002.parquet").exists()
