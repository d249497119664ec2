"""Whatever step meets a missing or damaged file of the lake says so by the halt's name and exits 4."""

from collections.abc import Callable
from pathlib import Path

import pytest
from landing_stage import Stage, visit

from contracts.errors import Halted
from contracts.settings import Settings
from landing.drain import land
from pipeline.steps import judge_batches, publish_marts, run
from transforms.refresh import update
from warehouse.lake import Lake

pytestmark = pytest.mark.integration


def halted(step: Callable[[Settings], object], settings: Settings) -> None:
    with pytest.raises(Halted, match="LAKE_FILE_MISSING") as error:
        step(settings)
    assert error.value.exit_code == 4


@pytest.mark.parametrize("table", ["events", "quarantine"])
def test_every_step_names_a_missing_or_damaged_file_and_nothing_is_published(stage: Stage, table: str):
    agency = stage.agency(partitions=1)
    stage.send(agency, [*(visit(agency, f"e-{i}") for i in range(5)), b"{"])
    land(stage.settings)
    path = next((Path(Lake(stage.settings).uri) / table).glob("*.parquet"))
    whole = path.read_bytes()
    path.unlink()
    for step in (judge_batches, update, publish_marts, run):
        halted(step, stage.settings)
    # Flipped, but of the same size: no step looks for that before it reads.
    path.write_bytes(bytes(255 - byte if 4 < at < len(whole) - 8 else byte for at, byte in enumerate(whole)))
    halted(run, stage.settings)
    code, out, err = stage.run("build")
    assert (code, "LAKE_FILE_MISSING" in err, "Traceback" in err) == (4, True, False), (out, err)
    assert not list(stage.settings.published.glob("*/v*"))
    path.write_bytes(whole)
    run(stage.settings)
    assert list(stage.settings.published.glob("*/v*"))
