"""What tests of several rooms share: one real broker for the whole run, and one home of all scenarios."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.settings import Settings

# Taken out of the environment: the settings refuse a MIZAN_ name that is none of theirs.
LENT_BROKER_HOME = os.environ.pop("MIZAN_TEST_BROKER_HOME", None)
LENT_SCENARIOS_HOME = os.environ.pop("MIZAN_TEST_SCENARIOS_HOME", None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long files first: with several processes, the last file to start decides when the run ends.

    Before all the one that makes the home of all scenarios: the tests in the browser need it too.
    """
    makes_home = "test_scenarios_published.py"
    items.sort(key=lambda item: (item.path.name != makes_home, "integration" not in item.path.parts))


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


@pytest.fixture(scope="session")
def scenarios_home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The home of all five scenarios, published: made once a run, by the first process that asks. Only to be read.

    MIZAN_TEST_SCENARIOS_HOME names one that is there already.
    """
    if LENT_SCENARIOS_HOME:
        return Settings.load({"MIZAN_HOME": LENT_SCENARIOS_HOME}, folder=Path(LENT_SCENARIOS_HOME))
    from five_reports import shared_home_of_all

    base = tmp_path_factory.getbasetemp()
    # Processes of one run have folders side by side.
    return shared_home_of_all((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "five-reports")


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
