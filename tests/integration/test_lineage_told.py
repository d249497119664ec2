"""`mizan lineage`: every landing with its offsets and every publication with the lake's versions, told over HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from landing_stage import Stage, topic, visit

import monitoring
from landing.drain import land
from pipeline import steps
from warehouse.lake import Lake
from warehouse.landing_log import commits

pytestmark = pytest.mark.integration
FACET = Draft202012Validator(json.loads(Path(monitoring.__file__).with_name("offsets_facet.json").read_text()))


class Receiver(ThreadingHTTPServer):
    """What an OpenLineage server is to a client: POST /api/v1/lineage. ``refuse``: answer 503 from so many on."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.told: list[dict[str, Any]] = []
        self.refuse: int | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        full = self.server.refuse is not None and len(self.server.told) >= self.server.refuse
        if not full:
            assert self.path == "/api/v1/lineage"
            self.server.told.append(event)
        self.send_response(400 if full else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield server
        server.shutdown()
        serving.join()


def send(stage: Stage, agency: str, wave: int) -> None:
    good = [visit(agency, f"e-{wave}-{n}") for n in range(3)]
    stage.send(agency, [*good, good[0], b"no json"])
    land(stage.settings)


def test_a_landing_is_told_with_the_ranges_of_its_commit_and_a_publication_with_the_lake_s_versions(
    stage: Stage, receiver: Receiver
):
    agency = stage.agency(2)
    send(stage, agency, 1)
    steps.run(stage.settings)
    code, _, err = stage.run("lineage", OPENLINEAGE_URL=receiver.url)
    assert (code, err.strip()) == (0, "4 events told")
    assert [(one["eventType"], one["job"]["name"]) for one in receiver.told] == [
        ("START", "landing"), ("COMPLETE", "landing"), ("START", "publishing"), ("COMPLETE", "publishing"),
    ]  # fmt: skip
    (source,) = receiver.told[1]["inputs"]
    facet = source["inputFacets"]["mizan_offsets"]
    FACET.validate(facet)
    (commit,) = [one for one in commits(Lake(stage.settings), "events") if one.kind == "land"]
    assert source["name"] == topic(agency)
    assert {
        f"{topic(agency)}/{number}": (part["start"], part["end"]) for number, part in facet["partitions"].items()
    } == {place: (part.start, part.end) for place, part in commit.partitions.items()}
    assert source["inputFacets"]["inputStatistics"]["rowCount"] == 5
    (lake,) = receiver.told[1]["outputs"]
    assert lake["outputFacets"]["outputStatistics"]["rowCount"] == 3
    told = {
        one["name"].rpartition("/")[2]: one["facets"]["version"]["datasetVersion"] for one in receiver.told[3]["inputs"]
    }
    assert told["events"] == lake["facets"]["version"]["datasetVersion"] == str(commit.version)
    assert {one["name"].rpartition("/")[2] for one in receiver.told[3]["outputs"]} == {"analyst", "public"}


def test_what_was_told_is_not_told_again_and_what_was_not_taken_is(stage: Stage, receiver: Receiver):
    agency = stage.agency(1)
    for wave in (1, 2):
        send(stage, agency, wave)
    receiver.refuse = 2
    code, _, err = stage.run("lineage", OPENLINEAGE_URL=receiver.url)
    assert code == 75
    assert "does not take it" in err
    receiver.refuse = None
    assert stage.run("lineage", OPENLINEAGE_URL=receiver.url)[2].strip() == "2 events told"
    assert stage.run("lineage", OPENLINEAGE_URL=receiver.url)[2].strip() == "0 events told"
    runs = [one["run"]["runId"] for one in receiver.told]
    assert len(runs) == 2 * len(set(runs)) == 4


def test_a_batch_has_the_same_run_however_often_it_is_told(stage: Stage, tmp_path: Path):
    agency = stage.agency(1)
    send(stage, agency, 1)
    told = []
    for name in ("first", "second"):
        assert stage.run("lineage", "--to", str(tmp_path / name))[0] == 0
        told.append((tmp_path / name).read_text())
    assert told[0] == told[1]
    assert len(told[0].splitlines()) == 2


def test_nobody_to_tell_is_said(stage: Stage):
    code, _, err = stage.run("lineage")
    assert code == 2
    assert "OPENLINEAGE_URL" in err
