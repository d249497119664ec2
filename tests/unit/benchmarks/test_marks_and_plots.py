"""The guard over costs names what got dearer; the plots say in words what they draw."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import marks, plots

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(marks, "ROWS", tmp_path)
    monkeypatch.setattr(marks, "MARKS", tmp_path / "marks.json")
    (tmp_path / "marks.json").write_text(json.dumps({"month_build: measurement=facts, events=10, history=10": 100.0}))
    return tmp_path


def build(bench: Path, ratio: float, events: int = 10) -> list[str]:
    row = {"measurement": "facts", "events": events, "history": events, "cpu_ratio_to_count_distinct": ratio}
    (bench / "month_build.jsonl").write_text(json.dumps(row) + "\n")
    return marks.dearer(["month_build"])


def test_what_is_dearer_than_its_mark_and_the_tolerance_is_named(bench: Path) -> None:
    (line,) = build(bench, 100 * (1 + marks.TOLERANCE) + 1)
    assert "measurement=facts" in line
    assert "marked 100.00" in line


def test_within_the_tolerance_nothing_is_named(bench: Path) -> None:
    assert build(bench, 100 * (1 + marks.TOLERANCE)) == []


def test_a_mark_holds_for_its_own_number_of_events_alone(bench: Path) -> None:
    assert build(bench, 1000, events=20) == []
    assert marks.unmarked(["month_build"]) == ["month_build: measurement=facts, events=20, history=20"]


def test_what_other_programs_take_is_theirs(bench: Path) -> None:
    rows = [
        {"measurement": name, "events": 10, "cpu_ratio_to_limit": 9.0} for name in ("chdb uniqExact", "ours, month")
    ]
    (bench / "month_peers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert [name for name, _ in marks.measured(["month_peers"])] == ["month_peers: measurement=ours, month, events=10"]


def test_every_committed_mark_is_of_a_measurement_that_is_guarded() -> None:
    marked = json.loads((Path(marks.__file__).parent / "marks.json").read_text())
    assert marked
    assert {name.partition(":")[0] for name in marked} <= set(marks.GUARDED)


def test_a_plot_of_growth_draws_a_line_a_step_and_says_its_ends() -> None:
    rows = [
        {"history": history, "step": step, "cpu_us_per_event": cost, "peak_rss_mb": 300}
        for step, costs in {"land": (140.0, 130.0), "facts": (300.0, 320.0)}.items()
        for history, cost in zip((1_000_000, 10_000_000), costs, strict=True)
    ]
    cost, _, memory = plots.of("growth", [*rows, {**rows[0], "step": "rebuild"}])
    drawn = ElementTree.fromstring(cost.drawing)
    assert len(drawn.findall(f"{SVG}polyline")) == 2
    assert "land 140 at 1 M, 130 at 10 M; facts 300 at 1 M, 320 at 10 M" in cost.alternative
    assert len(ElementTree.fromstring(memory.drawing).findall(f"{SVG}polyline")) == 3


def test_a_bar_is_as_long_as_its_number() -> None:
    rows = [
        {"measurement": name, "events": 1000, "cpu_seconds": spent}
        for name, spent in (("ours, month", 2.0), ("chdb uniqExact", 4.0))
    ]
    (plot,) = plots.of("month_peers", rows)
    ours, other = (
        float(bar.attrib["width"])
        for bar in ElementTree.fromstring(plot.drawing).findall(f"{SVG}rect")
        if bar.attrib["class"] != "page"
    )
    assert other == pytest.approx(2 * ours, rel=0.01)
