"""A lake of its own per test."""

from __future__ import annotations

from pathlib import Path

import pytest
from lake_bench import LakeBench


@pytest.fixture
def bench(tmp_path: Path) -> LakeBench:
    """An empty lake with the random worlds' catalogue."""
    return LakeBench(tmp_path)
