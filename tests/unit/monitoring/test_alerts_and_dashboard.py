"""Alerts and the Grafana dashboard: they speak of metrics there are, page for what pages, and fire when they should."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from monitoring.metrics import METRICS

ROOT = Path(__file__).resolve().parents[3]
SHIPPED = ROOT / "deploy" / "monitoring"
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((SHIPPED / "alerts.yml").read_text())["groups"] for rule in group["rules"]
]
NAME = re.compile(r"\b(?:kafka|mizan)_[a-z_]+\b")
PAGES = {"LandingHalted", "FiguresTooOld", "LakeDamaged", "PersonalDataSent"}


def dashboards() -> Iterator[str]:
    for panel in json.loads((SHIPPED / "grafana.json").read_text())["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))


def used(expression: str) -> Iterator[tuple[str, set[str]]]:
    """The metrics of an expression, each with the labels it is asked by."""
    for found in NAME.finditer(expression):
        selected = re.match(r"\{([^}]*)\}", expression[found.end() :])
        yield found[0], set(re.findall(r"(\w+)\s*[=!]", selected[1])) if selected else set()


@pytest.mark.parametrize("expression", [*(rule["expr"] for rule in RULES), *dashboards()])
def test_every_expression_speaks_of_metrics_and_labels_there_are(expression: str):
    found = list(used(expression))
    assert found
    for name, labels in found:
        assert name in METRICS
        assert labels <= set(METRICS[name].labels)


def test_only_a_halt_old_figures_a_damaged_lake_and_a_leak_wake_a_person():
    assert {rule["alert"] for rule in RULES if rule["labels"]["severity"] == "page"} == PAGES
    assert {rule["labels"]["severity"] for rule in RULES} == {"page", "ticket"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_names_a_page_that_is_there(rule: dict[str, Any]):
    page, _, part = rule["annotations"]["runbook"].partition("#")
    text = (ROOT / page).read_text()
    headings = {re.sub(r"[^a-z0-9 -]", "", line.lower()).strip().replace(" ", "-") for line in
                re.findall(r"^#+ (.*)$", text, re.MULTILINE)}  # fmt: skip
    assert not part or part in headings


def test_every_alert_is_tried(tmp_path: Path):
    told = yaml.safe_load(Path(__file__).with_name("alerts_fire.yml").read_text())["tests"]
    tried = {one["alertname"] for test in told for one in test["alert_rule_test"] if one.get("exp_alerts")}
    assert tried == {rule["alert"] for rule in RULES} - {"SourceForged"}  # fires as PersonalDataSent does


def test_alerts_fire_on_what_they_are_for(tmp_path: Path):
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool (Debian: prometheus) is not here")
    for file in (SHIPPED / "alerts.yml", Path(__file__).with_name("alerts_fire.yml")):
        shutil.copy(file, tmp_path)
    done = subprocess.run(
        [promtool, "test", "rules", "alerts_fire.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_lists_every_metric_as_the_exporter_has_it():
    page = (ROOT / "docs" / "monitoring.md").read_text()
    for name, metric in METRICS.items():
        labels = ", ".join(metric.labels) or "–"
        assert f"| `{name}` | {metric.kind} | {labels} | {metric.meaning} |" in page
