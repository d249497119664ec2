"""Every table of the lake: damage is named, and the runbook followed to the letter mends it.

Files of events and quarantine come back from Kafka: test_refetch.py and test_refetch_quarantine.py.
"""

import datetime as dt
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from landing_stage import Stage, visit
from runbook import follow

from catalogue.load import OPERATOR, load_tables
from contracts.errors import Halted
from contracts.settings import Settings
from landing.decisions import drop
from landing.drain import land
from landing.verify import verify
from pipeline.steps import run
from warehouse.lake import Lake
from warehouse.landing_log import live_files

pytestmark = pytest.mark.integration

# What Kafka never had; and the tables whose logs say what landed.
TABLES = ("verdicts", "outcomes", "month_closings", "catalogue/agencies")
LANDED = ("events", "quarantine", "quarantine_decisions")
FILE, LAKE = "A lost file", "A damaged or old lake"
DAMAGES = {
    "file gone": ("LAKE_FILE_MISSING", FILE),
    "file cut": ("LAKE_FILE_MISSING", FILE),
    "byte flipped": ("LAKE_FILE_MISSING", FILE),
    "log entry gone": ("LAKE_LOG_DAMAGED", LAKE),
    "log entry cut": ("LAKE_LOG_DAMAGED", LAKE),
    "log truncated": ("LAKE_VERSION_WENT_BACK", LAKE),
    "old copy": ("LAKE_VERSION_WENT_BACK", LAKE),
    "table gone": ("LAKE_VERSION_WENT_BACK", LAKE),
}

# One of each section, and the damage that no step notices before `mizan verify`.
FOLLOWED = ("byte flipped", "log entry cut", "old copy")


@pytest.fixture(scope="module")
def stage(landing_broker: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One home that was landed, judged, built and published; each damage is mended before the next."""
    stage = Stage(landing_broker, tmp_path_factory.mktemp("damaged") / "home")
    agency, lake = stage.agency(partitions=1), Lake(stage.settings)
    shutil.copytree(lake.uri, stage.settings.home / "old")
    load_tables(stage.settings, OPERATOR, {"agencies": [{"agency_id": agency, "name_en": "One"}]})
    stage.send(agency, [*(visit(agency, f"e-{i}") for i in range(5)), b"{"])
    land(stage.settings)
    drop(stage.settings, reason="not_json", by="N", note="a test of the agency")
    run(stage.settings)
    asked = {"calendar": "jalali", "month": "1399-01", "action": "reopen", "vintage": 1, "version": 1}
    lake.append("month_closings", [{**asked, "decided_by": "N", "note": "T", "decided_at": dt.datetime.now(dt.UTC)}])
    land(stage.settings)  # notes how far every table was
    yield stage
    stage.clear()


def harm(table: Path, name: str, old: Path) -> None:
    """Do one damage to a table."""
    data = table / sorted(path.name for path in table.glob("*.parquet"))[-1]
    entries = sorted((table / "_delta_log").glob("0*.json"))
    if name == "file gone":
        data.unlink()
    elif name == "file cut":
        data.write_bytes(data.read_bytes()[:-9])
    elif name == "byte flipped":
        whole = bytearray(data.read_bytes())
        whole[len(whole) // 3] ^= 4
        data.write_bytes(whole)
    elif name == "log entry gone":
        entries[0].unlink()
    elif name == "log entry cut":
        entries[-1].write_bytes(entries[-1].read_bytes()[:-30])
    elif name == "log truncated":
        entries[-1].unlink()
    else:
        shutil.rmtree(table)
        if name == "old copy":
            shutil.copytree(old, table)


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_to_a_table_that_kafka_never_had_is_named_and_mended_from_a_copy(stage: Stage, damage: str):
    halt, section = DAMAGES[damage]
    lake, copy = Path(Lake(stage.settings).uri), stage.settings.home / f"copy-{damage}"
    assert all(live_files(Lake(stage.settings).open(table, {})) for table in TABLES)
    shutil.copytree(lake, copy)
    tables = TABLES + LANDED if damage.startswith("log") or damage == "old copy" else (*TABLES, LANDED[2])
    if damage == "table gone":
        tables = TABLES  # without events there is no lake
    for table in tables:
        harm(lake / table, damage, stage.settings.home / "old" / table)
    found = verify(stage.settings, refetch=True).problems
    for table in tables:
        assert any(one.kind == halt and f"{table}" in one.where for one in found), (table, found)
    if damage != "byte flipped":
        for step in (land, run):
            with pytest.raises(Halted, match=r"LAKE_") as halted:
                step(stage.settings)
            assert halted.value.exit_code == 4
    for table in tables:
        shutil.rmtree(lake / table, ignore_errors=True)
        shutil.copytree(copy / table, lake / table)
    if damage in FOLLOWED:
        follow(stage, section)
    assert land(stage.settings, until_empty=True).halts == []
    assert verify(stage.settings, deep=True).ok


def test_a_step_that_cannot_read_a_small_table_says_so_by_the_halts_name(stage: Stage):
    lake = Path(Lake(stage.settings).uri)
    (path,) = (lake / "catalogue/agencies").glob("*.parquet")
    whole = path.read_bytes()
    path.write_bytes(bytes(255 - byte if 4 < at < len(whole) - 8 else byte for at, byte in enumerate(whole)))
    with pytest.raises(Halted, match="LAKE_FILE_MISSING"):
        run(stage.settings)
    path.write_bytes(whole)
    assert verify(stage.settings).ok
