"""A published folder and the dashboard's server over it, on a real socket."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser.published_site import served
from served import FRONT, Client

from contracts.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.load({"MIZAN_HOME": str(tmp_path / "home")}, folder=tmp_path)


@pytest.fixture
def public(settings: Settings) -> Path:
    """A published folder as a publication leaves it: links to the version in service."""
    folder = settings.published / "public"
    pages = folder / ".report" / "v000001" / "report" / "fa"
    pages.mkdir(parents=True)
    (pages / "agencies.html").write_bytes(b"<p>agencies</p>")
    (folder / "report").symlink_to(".report/v000001/report")
    (folder / "index.html").write_bytes(FRONT)
    (folder.parent / "analyst").mkdir()
    (folder.parent / "analyst" / "secret.txt").write_text("exact")
    return folder


@pytest.fixture
def client(settings: Settings) -> Iterator[Client]:
    with served(settings) as origin:
        yield Client(int(origin.rpartition(":")[2]))
