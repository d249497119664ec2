"""The validation report: one HTML file about what the gate saw, readable without a network.

It is made of $MIZAN_HOME/gate/run.json, which the gate writes, and of nothing else. Everything in it is escaped: an
agency's name is text, whatever it looks like.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from contracts.settings import Settings

VERDICTS = {
    "passed": ("پذیرفته", "Passed"),
    "warned": ("با هشدار", "Warned"),
    "held": ("نگه‌داشته", "Held"),
    "released": ("آزادشده", "Released"),
}
SEVERITIES = {"critical": ("بحرانی", "critical"), "warning": ("هشدار", "warning")}
PAIRS_SHOWN = 500


def report_path(settings: Settings) -> Path:
    """Where the report is."""
    return settings.published / "validation" / "index.html"


def write_report(settings: Settings) -> Path:
    """Write the report of the last gate run, whole or not at all; before the first run it says that there was none."""
    target = report_path(settings)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    temporary.write_text(render(_record(settings)), encoding="utf-8")
    temporary.chmod(0o440)
    temporary.replace(target)
    return target


def render(record: Mapping[str, Any]) -> str:
    """The page for one record of the gate (run, standing, history, names)."""
    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    environment.filters |= {"number": _number, "moment": _moment}
    template = environment.from_string(
        files("dashboard").joinpath("validation_report.html.jinja").read_text(encoding="utf-8")
    )
    run = record.get("run") or {"decided_at": None, "expectations": [], "pairs": []}
    pairs = [{**pair, "verdict": _verdict(pair), "rank": list(VERDICTS).index(_verdict(pair))} for pair in run["pairs"]]
    pairs.sort(key=lambda pair: (-pair["rank"], pair["agency_id"], pair["batch_id"]))
    standing = record.get("standing", [])
    return template.render(
        run=run,
        pairs=pairs[:PAIRS_SHOWN],
        left_out=max(0, len(pairs) - PAIRS_SHOWN),
        counts={name: sum(pair["verdict"] == name for pair in pairs) for name in ("passed", "warned", "held")},
        held=[entry for entry in standing if entry["verdict"] == "held"],
        released=[entry for entry in standing if entry["verdict"] == "released"],
        history=record.get("history", []),
        names=record.get("names", {}),
        sentences={spec["name"]: spec for spec in run["expectations"]} | {"gate_itself": _GATE_ITSELF},
        verdicts=VERDICTS,
        severities=SEVERITIES,
    )


_GATE_ITSELF = {
    "en": "The batch could be judged (Great Expectations gave no result: the gate stays closed, later runs try again)",
    "fa": "دسته سنجیده شد (سنجش نتیجه نداد؛ دروازه بسته ماند و در اجراهای بعد دوباره سنجیده می‌شود)",
}


def _record(settings: Settings) -> dict[str, Any]:
    try:
        record: dict[str, Any] = json.loads((settings.home / "gate" / "run.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    return record


def _verdict(pair: Mapping[str, Any]) -> str:
    severities = set(pair["failed"].values())
    return "held" if "critical" in severities else "warned" if severities else "passed"


def _number(value: float | int | None) -> str:
    """A number for people: whole ones with separators, shares with four digits, blank as a dash."""
    if value is None:
        return "–"
    return f"{int(value):,}" if float(value).is_integer() else f"{value:.4g}"


def _moment(text: str | None) -> str:
    """An ISO instant to the second, in UTC."""
    if text is None:
        return "–"
    return dt.datetime.fromisoformat(text).astimezone(dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
