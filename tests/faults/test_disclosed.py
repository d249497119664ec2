"""The check of the threshold bites: whatever gives a withheld number away in a published version is named."""

from __future__ import annotations

import contextlib
import csv
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts.settings import Settings
from faults.build_run import BuildRun
from faults.disclosed import check_public
from faults.rig import Rig
from warehouse.publish import publish

Rows = list[dict[str, Any]]
FEW = range(1, 10)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BuildRun]:
    """Two versions, of which the second restates the first."""
    folder = tmp_path_factory.mktemp("disclosed")
    run = BuildRun(Rig("disclosed", 1, Settings.load({}, folder=folder), folder, contextlib.ExitStack()))
    run.add(50)
    run.update()
    publish(run.settings)
    run.add(25)
    run.update()
    publish(run.settings)
    yield run
    shutil.rmtree(folder)


@pytest.fixture
def public(published: BuildRun, tmp_path: Path) -> Path:
    """A copy of the public tier, to be spoilt."""
    shutil.copytree(published.settings.published / "public", tmp_path / "public", symlinks=True)
    return tmp_path / "public"


def found(run: BuildRun, public: Path) -> list[str]:
    broken = check_public(public, lambda version: run.kept[: run.kept_at[version]], run.catalogue["agencies"])
    assert {one.invariant for one in broken} <= {"I11"}
    return [one.what for one in broken]


def spoil(public: Path, table: str, change: Callable[[Rows], None], version: int = 2) -> None:
    path = public / "parquet" / table / f"v{version:06d}.parquet"
    whole = pq.read_table(path)
    rows = whole.to_pylist()
    change(rows)
    path.chmod(0o600)
    pq.write_table(pa.Table.from_pylist(rows, schema=whole.schema), path)


def withheld(rows: Rows, measure: str) -> dict[str, Any]:
    return next(row for row in rows if row[f"{measure}_status"] == "suppressed")


def withheld_for_few(run: BuildRun, version: int) -> Callable[[Rows], dict[str, Any]]:
    """The first row of monthly_users whose persons are few, not one that is withheld beside others."""
    grain = ("calendar", "month", "scope", "scope_id", "channel")
    path = run.settings.published / "analyst" / "parquet" / "monthly_users" / f"v{version:06d}.parquet"
    few = {tuple(row[name] for name in grain) for row in pq.read_table(path).to_pylist() if row["active_users"] in FEW}
    return lambda rows: next(row for row in rows if tuple(row[name] for name in grain) in few)


def test_what_is_published_keeps_to_the_threshold(published, public):
    assert found(published, public) == []


def test_a_number_of_few_persons_is_named_in_any_version(published, public):
    for version in (1, 2):
        chosen = withheld_for_few(published, version)
        spoil(public, "monthly_users", lambda rows, chosen=chosen: chosen(rows).update(active_users=4), version)
    said = found(published, public)
    assert [one[:9] for one in said] == ["version 1", "version 2"]
    assert all("shows active_users = 4" in one for one in said)


def test_the_threshold_is_the_one_that_the_version_states(published, public):
    spoil(public, "_meta", lambda rows: next(r for r in rows if r["key"] == "min_cell").update(value="1000"))
    assert any("k is 1000" in one for one in found(published, public))


def test_transactions_of_few_persons_are_named_by_the_persons_and_not_by_their_number(published, public):
    spoil(public, "monthly_transactions", lambda rows: withheld(rows, "completed").update(completed=5_000))
    assert any("shows completed = 5000" in one for one in found(published, public))


def test_a_share_of_a_withheld_number_is_named(published, public):
    spoil(public, "monthly_channel_share", lambda rows: withheld(rows, "share").update(share=0.25))
    assert any("computed from a withheld transactions" in one for one in found(published, public))


def test_an_earlier_vintage_that_says_what_was_withheld_is_named(published, public):
    spoil(public, "monthly_users_vintages", lambda rows: withheld(rows, "active_users").update(active_users=40))
    assert any("monthly_users_vintages" in one and "withheld" in one for one in found(published, public))


def test_a_restatement_that_tells_a_withheld_number_is_named(published, public):
    def tell(rows: Rows) -> None:
        next(row for row in rows if row["new_status"] == "suppressed").update(new_value=3.0)

    spoil(public, "restatements", tell)
    assert any("a restatement of" in one for one in found(published, public))


def test_a_passport_of_a_withheld_number_is_named(published, public):
    cells = pq.read_table(public / "parquet" / "monthly_users" / "v000002.parquet").to_pylist()
    cell = withheld(cells, "active_users")
    grain = ("calendar", "month", "scope", "scope_id", "channel")
    key = "{" + ",".join(f'"{name}":"{cell[name]}"' for name in grain) + "}"
    spoil(
        public,
        "figure_passports",
        lambda rows: rows[0].update(table_name="monthly_users", measure="active_users", key=key),
    )
    assert any("a passport of monthly_users" in one for one in found(published, public))


def test_a_number_that_only_the_csv_file_tells_is_named(published, public):
    path = (public / "csv" / "monthly_users.csv").resolve()
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    withheld(rows, "new_users").update(new_users="2")
    path.chmod(0o600)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    assert (
        found(published, public) == [one for one in found(published, public) if "monthly_users.csv tells" in one] != []
    )
