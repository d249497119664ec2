"""What the tests of landing share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from landing_stage import Stage

from contracts.settings import Settings


@pytest.fixture
def stage(landing_broker: Settings, tmp_path: Path) -> Iterator[Stage]:
    """A home of the test's own beside the broker of landings."""
    stage = Stage(landing_broker, tmp_path / "home")
    yield stage
    stage.clear()
