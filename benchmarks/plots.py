"""The plots of docs/benchmarks.md, drawn from the rows of the run that the tables show."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import svg

Row = Mapping[str, Any]


class Plot(NamedTuple):
    """One drawing: its file's name, the text of an alternative, and the SVG."""

    name: str
    alternative: str
    drawing: str


def of(benchmark: str, rows: Sequence[Row]) -> list[Plot]:
    """The plots of a benchmark's rows; none for most."""
    return DRAWN[benchmark](rows) if rows and benchmark in DRAWN else []


def write(folder: Path, plots: Sequence[Plot]) -> list[str]:
    """Put them below ``folder``; the lines of Markdown that show them, for a page beside it."""
    folder.mkdir(exist_ok=True)
    for plot in plots:
        (folder / f"{plot.name}.svg").write_text(plot.drawing, encoding="utf-8")
    return [f"![{plot.alternative}]({folder.name}/{plot.name}.svg)" for plot in plots]


def _growth(rows: Sequence[Row]) -> list[Plot]:
    """Cost and memory of every step against the history's size."""
    batches = [row for row in rows if row["step"] != "rebuild"]
    rebuilds = [row for row in rows if row["step"] == "rebuild"]
    return [
        _against_history(name, title, unit, chosen, column)
        for name, title, unit, chosen, column in (
            ("growth", "CPU of a small batch", "CPU microseconds per new event", batches, "cpu_us_per_event"),
            ("growth-rebuild", "A build from nothing", "CPU microseconds per event", rebuilds, "cpu_us_per_event"),
            ("growth-memory", "Peak memory", "megabytes", rows, "peak_rss_mb"),
        )
        if chosen
    ]


def _against_history(name: str, title: str, unit: str, rows: Sequence[Row], column: str) -> Plot:
    series: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        series.setdefault(row["step"], []).append((row["history"], row[column]))
    series = {step: sorted(points) for step, points in series.items()}
    said = "; ".join(
        f"{step} {points[0][1]:,.0f} at {svg.short(points[0][0])}, {points[-1][1]:,.0f} at {svg.short(points[-1][0])}"
        for step, points in series.items()
    )
    drawing = svg.lines(title, series, "events of history in the lake", unit)
    return Plot(name, f"{title}, {unit} by events of history: {said}", drawing)


def _peers(name: str, title: str, unit: str, column: str) -> Callable[[Sequence[Row]], list[Plot]]:
    def drawn(rows: Sequence[Row]) -> list[Plot]:
        # Of two questions that all are asked, the first.
        first = [row for row in rows if row.get("of") != "agency and channel"]
        newest = [row for row in first if row["events"] == first[-1]["events"]]
        values = {row["measurement"]: float(row[column]) for row in newest}
        said = "; ".join(f"{one} {value:,.2f}" for one, value in values.items())
        events = svg.short(newest[0]["events"])
        drawing = svg.bars(f"{title}, {events} events", values, "ours", unit)
        return [Plot(name, f"{title}, {events} events, {unit}: {said}", drawing)]

    return drawn


DRAWN: Mapping[str, Callable[[Sequence[Row]], list[Plot]]] = {
    "growth": _growth,
    "landing_peers": _peers(
        "landing-peers",
        "A topic to Parquet",
        "CPU-seconds per million events; ours alone checks, makes pids, takes out repeats, sets bad records aside",
        "cpu_seconds_per_million",
    ),
    "month_peers": _peers(
        "month-peers",
        "Persons and visits of a month",
        "CPU-seconds; theirs of the nation by channel, ours of every scope and table",
        "cpu_seconds",
    ),
}
