"""What `mizan accept-loss` refuses before it asks anybody: exit 2, and nothing is written."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from console.commands import register
from contracts.settings import Settings
from warehouse.lake import Lake

PLACE = "egov.events.v1.tax/0"
WHO = ("--by", "Head of operations", "--reason", "retention")


@pytest.mark.parametrize(
    "words",
    [
        ("egov.events.v1.tax", "0", "7", *WHO),
        ("egov.events.v1.tax/", "0", "7", *WHO),
        ("egov.events.v1.tax/-1", "0", "7", *WHO),
        ("egov.events.v1.tax/00", "0", "7", *WHO),
        ("egov.events.v1.tax/۰", "0", "7", *WHO),
        ("egov.events.v1.TAX/0", "0", "7", *WHO),
        ("other/0", "0", "7", *WHO),
        ("../../etc/0", "0", "7", *WHO),
        (PLACE, "7", "7", *WHO),
        (PLACE, "8", "7", *WHO),
        (PLACE, "zero", "7", *WHO),
        (PLACE, "0", "7.5", *WHO),
        (PLACE, "0", "7", "--by", " ", "--reason", "retention"),
        (PLACE, "0", "7", "--by", "Head of operations", "--reason", ""),
        (PLACE, "0", "7", "--by", "Head of operations"),
        (PLACE, "0", *WHO),
    ],
)
def test_a_call_that_names_no_lost_range_is_refused(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("MIZAN_HOME", str(tmp_path))
    lake = Lake(Settings.load({"MIZAN_HOME": str(tmp_path)}, folder=tmp_path))
    lake.create()
    app = typer.Typer()
    register(app)
    result = CliRunner().invoke(app, ["accept-loss", *words])
    code = result.exit_code if not hasattr(result.exception, "exit_code") else result.exception.exit_code
    assert code == 2, result.output
    assert [lake.open(name).version for name in ("events", "quarantine")] == [0, 0]
