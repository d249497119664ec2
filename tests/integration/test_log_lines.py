"""What the steps say of a batch, line by line, until its figures are published; and what they never say."""

import json

import pytest
from landing_stage import Stage, visit

pytestmark = pytest.mark.integration


def lines(stderr: str) -> list[dict[str, object]]:
    said = [json.loads(line) for line in stderr.splitlines()]
    assert all(list(one)[:3] == ["time", "level", "event"] for one in said)
    return said


def test_a_batch_is_followed_by_its_id_from_landing_to_the_published_version(stage: Stage):
    agency = stage.agency(partitions=1)
    # Ids with letters that no UUID and no digest has: a batch's id must not look like one of them by chance.
    ids = [f"visitor-{n}" for n in range(3)]
    sent = [visit(agency, each) for each in ids]
    stage.send(agency, [*sent, sent[0], b"not an event"])
    code, out, err = stage.run("run", MIZAN_LOG="json")
    assert code == 0, err
    said = lines(err)
    (landed,) = (one for one in said if one["event"] == "batch landed")
    assert landed["step"] == "land"
    assert (landed["agencies"], landed["events"], landed["quarantined"], landed["duplicates"]) == (1, 3, 1, 1)
    of_batch = [one for one in said if one.get("batch_id") == landed["batch_id"]]
    assert [(one["event"], one.get("agency"), one.get("verdict")) for one in of_batch] == [
        ("batch landed", None, None),
        ("batch judged", agency, "warned"),
        ("batch counted", agency, None),
    ]
    (published,) = (one for one in said if one["event"] == "version published")
    assert (published["published_version"], published["step"]) == (1, "publish")
    assert published["lake_version"] == landed["lake_version"] == of_batch[2]["lake_version"]
    # Nobody's key, no event and no secret is in a line.
    persons = {event["data"]["user_key"] for event in map(json.loads, sent)}
    assert not [needle for needle in (*persons, *ids, "not an event") if needle in out + err]


def test_a_command_that_fails_ends_with_a_line_that_says_so(stage: Stage):
    code, _, err = stage.run("month", "close", "1399-01", "--by", "N", "--note", "T", MIZAN_LOG="json")
    last = lines(err)[-1]
    assert (code, last["level"], last["exit_code"]) == (2, "error", 2)
    code, _, err = stage.run("month", "close", "1399-01", "--by", "N", "--note", "T")
    assert (code, err.splitlines()[0]) == (2, f"mizan: {last['event']}")


def test_without_being_asked_for_no_line_of_json_is_said(stage: Stage):
    agency = stage.agency(partitions=1)
    stage.send(agency, [visit(agency, "e-1")])
    code, _, err = stage.run("land", "--until-empty")
    assert (code, "{" in err) == (0, False)
