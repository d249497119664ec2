"""Every row of the fault matrix, as often as every change asks for; `make faults` runs the full counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts.settings import Settings
from faults import registry
from faults.registry import Row, missing, rows
from faults.rig import rigged

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("row", "seed"),
    [
        pytest.param(row, seed, id=f"{row.id}-{seed}")
        for row in rows().values()
        for seed in range(1, row.every_change + 1)
    ],
)
def test_no_promise_breaks(row: Row, seed: int, landing_broker: Settings, tmp_path: Path):
    lacking = missing(row)
    if lacking:
        pytest.skip(f"{row.id} needs {', '.join(lacking)}")
    with rigged(row.id, seed, landing_broker, tmp_path / "run") as rig:
        found = row.run(rig, seed)
    assert not found, f"ROWS={row.id} make faults SEED={seed} replays this"


def test_every_module_of_rows_is_in_the_matrix():
    found = {path.stem for path in Path(registry.__file__).with_name("rows").glob("*.py")} - {"__init__"}
    assert found == set(registry.MODULES)
