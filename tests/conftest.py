"""What tests of several rooms share: one real broker for the whole run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.settings import Settings

# Taken out of the environment: the settings refuse a MIZAN_ name that is none of theirs.
LENT_BROKER_HOME = os.environ.pop("MIZAN_TEST_BROKER_HOME", None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long files first: with several processes, the last file to start decides when the run ends."""
    items.sort(key=lambda item: "integration" not in item.path.parts)


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings whose local broker is up. Started by the first test that asks, stopped after the last.

    MIZAN_TEST_BROKER_HOME names a folder whose broker is used instead, and left running: tests then start at once.
    """
    yield from _running(Path(LENT_BROKER_HOME) if LENT_BROKER_HOME else tmp_path_factory.mktemp("broker"))


@pytest.fixture(scope="session")
def landing_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A broker for tests that land everything it holds: no other test writes there."""
    yield from _running(tmp_path_factory.mktemp("landing-broker"))


def _running(home: Path) -> Iterator[Settings]:
    from broker import local
    from contracts.keys import create_keys

    settings = Settings.load({"MIZAN_HOME": str(home)}, folder=home)
    create_keys(settings)
    lent = str(home) == LENT_BROKER_HOME
    try:
        local.up(settings)
        yield settings
    finally:
        if not lent:
            local.down(settings)
