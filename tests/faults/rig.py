"""What one run of a row is given: a fresh folder, the shard's broker, a random generator of its seed."""

from __future__ import annotations

import contextlib
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from landing_stage import Stage

from contracts.settings import Settings


class Rig:
    """One run. Whatever it starts is ended by ``finally_``, in reverse order, also when the run fails."""

    def __init__(self, row_id: str, seed: int, broker: Settings, folder: Path, ends: contextlib.ExitStack) -> None:
        self.row_id, self.seed = row_id, seed
        self.broker = broker
        self.folder = folder
        self.rng = random.Random(f"{row_id}:{seed}")
        self._ends = ends

    def finally_(self, end: Callable[..., Any], *arguments: Any) -> None:
        """Call this when the run is over."""
        self._ends.callback(end, *arguments)

    def enter(self, manager: contextlib.AbstractContextManager[Any]) -> Any:
        """Enter a context that ends with the run."""
        return self._ends.enter_context(manager)

    def stage(self, broker: Settings | None = None, **environment: str) -> Stage:
        """A home with keys and an empty lake beside the shard's broker (or another); its topics go with the run."""
        stage = Stage(broker or self.broker, self.folder / "home", **environment)
        self.finally_(stage.clear)
        return stage

    def own_broker(self) -> Settings:
        """A broker of this run alone, for rows that kill or starve it. Costs some seconds."""
        from broker import local
        from contracts.keys import create_keys

        home = self.folder / "broker-home"
        settings = Settings.load({"MIZAN_HOME": str(home)}, folder=home)
        create_keys(settings)
        self.finally_(local.down, settings)
        local.up(settings)
        return settings


@contextlib.contextmanager
def rigged(row_id: str, seed: int, broker: Settings, folder: Path) -> Iterator[Rig]:
    """A rig whose folder is removed afterwards."""
    folder.mkdir(parents=True)
    try:
        with contextlib.ExitStack() as ends:
            yield Rig(row_id, seed, broker, folder, ends)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
