"""Events over HTTP: what is accepted, what is refused and how it is said. Real broker, real sockets."""

from __future__ import annotations

import gzip
import json
import logging
import os
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from corpus_cases import cases
from gateway_rig import Served, event, lines, served
from topic_content import values_on_topic

from broker.administration import add_agencies, allow_gateway
from contracts.event import Event
from contracts.reference import AGENCY, reference
from contracts.settings import KafkaLogin, Settings
from gateway import logins, server
from gateway.bodies import BATCH, NDJSON, SINGLE
from gateway.logins import add_token
from gateway.outlet import Outlet
from producers.checking import check_lines

pytestmark = pytest.mark.integration
NATIONAL_ID = "0013542419"


@pytest.fixture(scope="module")
def site(broker: Settings) -> Iterator[Served]:
    allow_gateway(broker)
    with pytest.MonkeyPatch.context() as patch, served(broker) as running:
        patch.setattr(logins, "LOOK_SECONDS", 0.0)  # a new login is known at once
        yield running


@pytest.fixture
def agency(broker: Settings, site: Served) -> Iterator[str]:
    name = f"gw-{uuid.uuid4().hex[:8]}"
    add_agencies(broker, [name])
    _, site.token = add_token(broker, name)
    yield name
    site.token = ""


def test_what_is_accepted_is_on_the_agencys_topic_to_the_byte(broker: Settings, site: Served, agency: str) -> None:
    said = [event(agency, number) for number in range(6)]
    odd = json.dumps(said[3], indent=2).replace("2020-05-01", "\\u0032020-05-01").encode()
    sent = [
        (lines(said[0]) + b"\r\n\n" + lines(said[1]), NDJSON, {}),
        (gzip.compress(lines(said[2])), NDJSON, {"Content_Encoding": "gzip"}),
        (b" [" + odd + b" ,\n" + json.dumps(said[4]).encode() + b"] ", BATCH, {}),
        (json.dumps(said[5]).encode(), SINGLE + "; charset=UTF-8", {}),
    ]
    for body, kind, headers in sent:
        answer = site.post(body, kind, **headers)
        assert answer.status == 202, answer.body
        assert set(answer.verdicts) == {"accepted"}
    found = values_on_topic(broker, agency)
    assert odd in found
    assert sorted(json.loads(value)["id"] for value in found) == sorted(one["id"] for one in said)


def test_every_event_has_a_verdict_of_its_own_and_the_reason_in_two_languages(
    broker: Settings, site: Served, agency: str
) -> None:
    good = event(agency)
    bad = event(agency, note=NATIONAL_ID)
    leak = event(agency, visit_id=NATIONAL_ID)
    answer = site.post(
        lines(good) + b"\n" + lines(bad, leak, event("another"), good | {"data": {**good["data"], "channel": "app"}})
    )
    assert answer.status == 207
    document = answer.document
    assert [event["number"] for event in document["events"]] == [1, 3, 4, 5, 6]
    assert answer.verdicts == ["accepted", "pii_leak", "pii_leak", "source_mismatch", "id_conflict"]
    assert document["events"][2]["field"] == "visit_id"
    assert (document["accepted"], document["refused"], document["try_again"]) == (1, 4, 0)
    assert set(document["reasons"]) == {"pii_leak", "source_mismatch", "id_conflict"}
    for texts in document["reasons"].values():
        assert all(texts[part][language] for part in ("what", "fix") for language in ("fa", "en"))
    assert NATIONAL_ID.encode() not in answer.body
    assert [json.loads(value) for value in values_on_topic(broker, agency)] == [good]


def test_nothing_accepted_is_422_and_the_brief_answer_leaves_the_accepted_out(site: Served, agency: str) -> None:
    answer = site.post(lines({"a": 1}))
    assert (answer.status, answer.verdicts) == (422, ["missing_field"])
    brief = site.post(lines(event(agency), event(agency, channel="pigeon")), Prefer="return=minimal")
    assert (brief.status, brief.headers["preference-applied"]) == (207, "return=minimal")
    assert [one["number"] for one in brief.document["events"]] == [2]
    assert brief.document["accepted"] == 1


def test_the_verdicts_are_those_of_mizan_check_for_the_whole_corpus(
    broker: Settings, site: Served, agency: str
) -> None:
    of_corpus = (case.value for case in cases() if case.value and not case.headers)
    values = [value for value in of_corpus if b"\n" not in value and value.strip() and len(value) < 50_000]
    assert len(values) > 150
    values = [value.replace(b"/agencies/tax-north", f"/agencies/{agency}".encode()) for value in values]
    wanted = [
        "accepted" if isinstance(verdict, Event) else verdict.reason.code for verdict in check_lines(values, agency)
    ]
    answer = site.post(b"\n".join(values))
    assert answer.verdicts == wanted
    assert len(values_on_topic(broker, agency)) == wanted.count("accepted") > 10


def test_a_systems_token_speaks_for_that_system_alone(broker: Settings, site: Served, agency: str) -> None:
    _, token = add_token(broker, agency, "portal")
    own, of_agency = f"/agencies/{agency}/portal", event(agency)
    answer = site.post(lines(event(agency, source=own), of_agency, event(agency, source=own + "x")), token=token)
    assert answer.verdicts == ["accepted", "source_mismatch", "source_mismatch"]
    # The agency's own token may speak for its systems, as its Kafka user may.
    assert site.post(lines(event(agency, source=own), of_agency)).status == 202


def test_every_answer_carries_the_strict_headers(site: Served, agency: str) -> None:
    asked = [
        (202, site.post(lines(event(agency)))),
        (401, site.post(b"x", token="mzt_no")),
        (404, site.ask("GET", "/nothing")),
        (404, site.ask("GET", "/v1/events/", headers={"Host": "elsewhere"})),
        (405, site.ask("GET", "/v1/events")),
        (415, site.post(b"x", "text/plain")),
        (200, site.ask("GET", "/healthz")),
        (200, site.ask("GET", "/openapi.json")),
    ]
    for status, answer in asked:
        assert answer.status == status
        for name, text in server.HEADERS.items():
            if (status, name) != (200, "Cache-Control"):
                assert answer.headers[name.lower()] == text
        assert not {"server", "access-control-allow-origin", "location"} & answer.headers.keys()
    assert asked[1][1].headers["www-authenticate"].startswith("Bearer")
    assert asked[4][1].headers["allow"] == "POST"


def test_a_failure_of_ours_is_500_without_a_trace_and_with_the_strict_headers(
    site: Served, agency: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise ValueError(NATIONAL_ID)

    monkeypatch.setattr(server, "judge_and_send", fail)
    answer = site.post(lines(event(agency)))
    assert (answer.status, answer.document["code"]) == (500, "internal_error")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert b"Traceback" not in answer.body
    assert NATIONAL_ID.encode() not in answer.body
    assert NATIONAL_ID not in caplog.text


def test_nothing_of_an_event_is_logged(site: Served, agency: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    secret = uuid.uuid4().hex
    site.post(lines(event(agency, visit_id=secret), event(agency, nickname=secret)) + secret.encode())
    assert secret not in caplog.text
    assert site.token not in caplog.text


def test_the_counts_follow_and_name_no_agency(site: Served, agency: str) -> None:
    def count(name: str) -> float:
        found = [line for line in text().splitlines() if line.startswith(name + " ")]
        return float(found[0].split()[1]) if found else 0.0

    def text() -> str:
        return site.ask("GET", "/metrics").body.decode()

    before = count('mizan_gateway_events_total{verdict="accepted"}')
    site.post(lines(*(event(agency, number) for number in range(7)), event(agency, channel="pigeon")))
    assert count('mizan_gateway_events_total{verdict="accepted"}') == before + 7
    assert count('mizan_gateway_refused_events_total{reason="unknown_channel"}') >= 1
    assert count("mizan_gateway_requests_in_work") == count("mizan_gateway_held_bytes") == 0
    assert agency not in text()


def test_while_the_broker_is_away_every_event_is_to_be_tried_again_and_health_says_so(
    broker: Settings, agency: str, site: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = broker.kafka_gateway()
    away = KafkaLogin("127.0.0.1:1", "PLAINTEXT", None, None, None, login.ca_file)
    monkeypatch.setattr(server, "Outlet", lambda login: Outlet(login, acknowledge_seconds=1))
    with served(broker, away) as lonely:
        answer = lonely.post(lines(event(agency), event(agency, channel="pigeon")), token=site.token)
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        assert answer.verdicts == ["try_again", "unknown_channel"]
        assert lonely.ask("GET", "/healthz").status == 503
    assert site.ask("GET", "/healthz").document == {"status": "ok"}


def test_an_agency_whose_topic_is_not_there_harms_no_other(broker: Settings, site: Served, agency: str) -> None:
    nobody = f"no-{uuid.uuid4().hex[:8]}"
    _, token = add_token(broker, nobody)
    assert site.post(lines(event(nobody)), token=token).verdicts == ["try_again"]
    assert site.post(lines(event(agency))).verdicts == ["accepted"]


def test_the_example_with_curl_on_the_agencies_page_is_accepted(
    broker: Settings, site: Served, agency: str, tmp_path: Path
) -> None:
    page = reference().replace(AGENCY, agency)
    block = page[page.index("echo '") : page.index("```", page.index("echo '"))]
    words = "\n".join(line for line in block.splitlines() if not line.startswith("kcat"))
    environment = os.environ | {"GATEWAY": f"http://127.0.0.1:{site.port}", "TOKEN": site.token}
    call = ["bash", "-eu", "-c", words.replace("curl ", "curl --silent --fail-with-body ")]
    done = subprocess.run(call, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["accepted"] == 1
    assert len(values_on_topic(broker, agency)) == 1
