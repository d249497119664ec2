"""The derived AsyncAPI document names every topic, and on each the types that its sender may send."""

import json
import subprocess
import sys

import jsonschema

from contracts.async_api import async_api
from contracts.event_contract import event_contract

CONTRACT = event_contract()
DOCUMENT = async_api()


def test_each_topic_carries_the_types_of_its_sender() -> None:
    channels = {channel["address"]: set(channel["messages"]) for channel in DOCUMENT["channels"].values()}
    assert channels == {
        "egov.events.v1.{agency_id}": set(CONTRACT.types_of("agency")),
        "egov.assessments.v1": {"ir.egov.assessment.scored.v1", "ir.egov.event.retracted.v1"},
    }


def test_every_reference_of_the_document_leads_somewhere() -> None:
    def references(node: object) -> list[str]:
        if isinstance(node, dict):
            return [node["$ref"]] if "$ref" in node else [ref for child in node.values() for ref in references(child)]
        return [ref for child in node for ref in references(child)] if isinstance(node, list) else []

    found = references(DOCUMENT)
    assert found
    for reference in found:
        at = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            at = at[step]


def test_a_message_s_schema_takes_its_own_type_and_no_other() -> None:
    schema = DOCUMENT["components"]["messages"]["ir.egov.assessment.scored.v1"]["payload"]["schema"]
    jsonschema.Draft202012Validator.check_schema(schema)
    event = {
        "specversion": "1.0",
        "id": "a-1",
        "source": "/evaluators/it-council",
        "type": "ir.egov.assessment.scored.v1",
        "time": "2017-10-01T00:00:00Z",
        "data": {"round": "1395", "agency_id": "customs", "indicator": "integration", "score": 61.5},
    }
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid(event)
    assert not validator.is_valid(event | {"type": "ir.egov.visit.recorded.v1"})
    assert not validator.is_valid(event | {"data": {"round": "1395"}})


def test_the_command_line_prints_it() -> None:
    call = [sys.executable, "-m", "console.main", "contract", "--asyncapi"]
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == DOCUMENT
