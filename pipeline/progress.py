"""How far each step has come, as a note beside the build: a hint that spares idle runs, never a truth.

A step notes the versions of the lake it started from, after it has done its work. A missing, old or damaged note only
means that the step runs once more, and every step may.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from contracts.reporting_time import tehran_today
from contracts.settings import Settings

State = Mapping[str, Any]
_JUDGE_AGAIN = "judge_again"


def landed_state(settings: Settings) -> State:
    """What the gate has to look at: the versions of landed rows and rejections."""
    from warehouse.lake import Lake

    lake = Lake(settings)
    return {name: lake.open(name).version for name in ("events", "quarantine")}


def counted_state(settings: Settings) -> State:
    """What published numbers rest on: verdicts, closings, losses, erasures, catalogue, and the day: months grow old.

    Decisions on rejected records too: agency_status counts the open ones, and a drop, or a replay that finds nothing
    but duplicates, brings no batch and so no verdict that would tell.
    """
    from catalogue.tables import tables
    from contracts.errors import UsageError
    from warehouse.lake import Lake
    from warehouse.losses import losses_counted
    from warehouse.quarantine_states import decisions
    from warehouse.rewriting import times_rewritten
    from warehouse.transport_keys import key_changes

    lake = Lake(settings)
    try:
        closings = lake.open("month_closings").version
    except UsageError:
        closings = None  # a lake made before months were closed by name
    decided, events = decisions(lake), lake.open("events")
    replaced = [change.new_key_id for change in key_changes(lake)]
    return {
        "verdicts": lake.open("verdicts").version,
        "quarantine_decisions": None if decided is None else decided.version,
        "month_closings": closings,
        "losses": losses_counted(events),
        "rewritten": times_rewritten(events),
        "transport_key": replaced[-1] if replaced else None,
        "day": tehran_today().isoformat(),
        **{one.lake_name: lake.open(one.lake_name, one.lake_columns).version for one in tables().values()},
    }


def noted(settings: Settings, step: str) -> State | None:
    """What a step noted last; None where there is no readable note."""
    state = _read(settings).get(step)
    return state if isinstance(state, dict) else None


def judge_again_at(settings: Settings) -> dt.datetime | None:
    """When the next batch is due that the gate's own judge failed on; None where none waits or no note is readable."""
    try:
        return dt.datetime.fromisoformat((noted(settings, _JUDGE_AGAIN) or {})["at"])
    except (KeyError, TypeError, ValueError):
        return None


def note_judge_again(settings: Settings, at: dt.datetime | None) -> None:
    """Note when the gate should run again for want of a judge."""
    note(settings, _JUDGE_AGAIN, None if at is None else {"at": at.isoformat()})


def note(settings: Settings, step: str, state: State | None) -> None:
    """Note that ``step`` has done everything up to ``state``."""
    path = _path(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.write_text(json.dumps(_read(settings) | {step: state}), encoding="utf-8")
    draft.replace(path)


def _read(settings: Settings) -> dict[str, Any]:
    try:
        found = json.loads(_path(settings).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _path(settings: Settings) -> Path:
    return settings.build_file.with_name("progress.json")
