"""The validation report: offline, in two languages, and deaf to whatever an agency calls itself."""

from __future__ import annotations

import json
import re
import stat
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from contracts.settings import Settings
from dashboard.validation_report import render, report_path, write_report

HOSTILE = "</title><script>alert(1)</script>\u202e{{ 7 * 7 }}\" onload='x"


class Page(HTMLParser):
    """Tags, their attributes, and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def record() -> dict[str, Any]:
    spec = {
        "name": "every_event_once",
        "severity": "critical",
        "column": "duplicate_ids",
        "en": "No event twice",
        "fa": "هیچ رویدادی دو بار نیست",
        "at_least": None,
        "at_most": 0,
    }

    def pair(agency: str, failed: dict[str, str]) -> dict[str, Any]:
        return {
            "batch_id": "b1",
            "agency_id": agency,
            "landed": 1234567,
            "quarantined": 0,
            "observed": {"every_event_once": 3 if failed else 0},
            "failed": failed,
            "notes": [HOSTILE] if failed else [],
        }

    finding = {"expectation": "every_event_once", "severity": "critical", "observed": 3}
    held = {
        "batch_id": "b1",
        "agency_id": "tax",
        "verdict": "held",
        "findings": [
            finding,
            {"expectation": "gate_itself", "severity": "critical", "observed": None, "note": HOSTILE},
        ],
        "decided_at": "2026-01-02T03:04:05+00:00",
        "decided_by": "gate",
        "reason": None,
    }
    released = {"agency_id": "post", "verdict": "released", "decided_by": HOSTILE, "reason": HOSTILE}
    return {
        "run": {
            "decided_at": "2026-01-02T03:04:05+00:00",
            "expectations": [spec],
            "pairs": [pair("post", {}), pair("tax", {"every_event_once": "critical"})],
        },
        "standing": [held, {**held, **released}],
        "history": [
            {
                "decided_at": "2026-01-02T03:04:05+00:00",
                "decided_by": "gate",
                "reason": None,
                "passed": 1,
                "warned": 0,
                "held": 1,
                "released": 0,
            }
        ],
        "names": {"tax": {"fa": HOSTILE, "en": HOSTILE}},
    }


def test_held_batches_come_first_with_their_reasons(record):
    text = Page(render(record)).text
    assert text.index("tax") < text.index("post")
    assert "1,234,567" in text
    assert "هیچ رویدادی دو بار نیست" in text
    assert "the gate stays closed" in text


def test_hostile_names_stay_text(record):
    html = render(record)
    page = Page(html)
    assert "script" not in {tag for tag, _ in page.tags}
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert page.text.count("<script>alert(1)</script>") >= 4
    assert "{{ 7 * 7 }}" in page.text


def test_the_page_needs_nothing_from_anywhere(record):
    html = render(record)
    page = Page(html)
    assert not {"script", "link", "img", "iframe", "object", "form", "base"} & {tag for tag, _ in page.tags}
    assert not re.findall(r"(?:https?:)?//[\w.]+", html)
    policies = [a["content"] for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert "default-src 'none'" in str(policies)


def test_persian_is_marked_as_such(record):
    page = Page(render(record))
    persian = [attributes for _, attributes in page.tags if attributes.get("lang") == "fa"]
    assert len(persian) > 15
    assert all(attributes.get("dir") == "rtl" for attributes in persian)


def test_the_file_is_written_whole_and_read_only(tmp_path: Path, record):
    settings = Settings.load({"MIZAN_HOME": str(tmp_path)}, folder=tmp_path)
    assert "Nothing was judged yet" in write_report(settings).read_text()
    (tmp_path / "gate").mkdir()
    (tmp_path / "gate" / "run.json").write_text(json.dumps(record))
    assert write_report(settings) == report_path(settings) == tmp_path / "published" / "validation" / "index.html"
    assert stat.S_IMODE(report_path(settings).stat().st_mode) == 0o440
    assert [path.name for path in report_path(settings).parent.iterdir()] == ["index.html"]
