"""What a power cut or a failing disk leaves is known by name: an empty log entry, a build file with a bad checksum."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.errors import Halted
from contracts.settings import Settings
from warehouse.connection import BuildDamaged, build_connection
from warehouse.lake import Lake
from warehouse.landing_log import check_files, open_table


def test_an_empty_log_entry_halts_though_the_library_reads_it_as_a_commit_of_nothing(settings: Settings):
    lake = Lake(settings)
    lake.create()
    lake.append("events", [{"event_id": "e-1"}])
    entry = Path(lake.location("events"), "_delta_log", f"{1:020d}.json")
    check_files(open_table(lake, "events"))
    entry.write_bytes(b"")
    with pytest.raises(Halted) as halted:
        check_files(open_table(lake, "events"))
    assert halted.value.reason == "LAKE_LOG_DAMAGED"
    assert entry.name in str(halted.value)


def test_a_flipped_byte_in_the_build_file_is_known_and_the_file_set_aside(settings: Settings):
    with build_connection(settings) as connection:
        connection.execute("CREATE TABLE numbers AS SELECT range AS n FROM range(100000)")
    content = bytearray(settings.build_file.read_bytes())
    content[100] ^= 0xFF
    settings.build_file.write_bytes(content)
    with pytest.raises(BuildDamaged), build_connection(settings):
        pass
    assert settings.build_file.with_name(f"{settings.build_file.name}.damaged").exists()
    with build_connection(settings) as connection:
        assert connection.execute("SELECT count(*) FROM duckdb_tables() WHERE NOT internal").fetchall() == [(0,)]
