"""OpenLineage: each landing with the offsets it took, each publication with the lake's versions it rests on.

Told from the lake's own log, so a batch is told of with the very ranges its commit has, whoever landed it and however
often it was told before: its run has the same id every time (a UUID of the batch's id).
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import attr
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    InputDatasetFacet,
    dataset_version_dataset,
    input_statistics_input_dataset,
    output_statistics_output_dataset,
    set_producer,
)

from contracts.settings import Settings
from warehouse.lake import Lake
from warehouse.landing_log import LandedCommit, commits

PRODUCER = "urn:egov-mizan"
OFFSETS = "urn:egov-mizan:offsets-facet:1"  # offsets_facet.json
NAMESPACE = "mizan"  # of jobs
set_producer(PRODUCER)


@attr.define
class OffsetsFacet(InputDatasetFacet):
    """What a landing took from a topic, by partition: start, end, rows, quarantined, duplicates, gaps."""

    partitions: dict[str, dict[str, Any]] = attr.field(factory=dict)

    @staticmethod
    def _get_schema() -> str:
        return OFFSETS


@dataclass(frozen=True)
class Told:
    """How far was told: the version of ``events`` (-1: nothing) and the published version (0: none)."""

    events: int = -1
    published: int = 0


def events(settings: Settings, after: Told) -> Iterator[tuple[Told, RunEvent]]:
    """What happened since ``after``, oldest first, a START and a COMPLETE each; with how far that is then told."""
    from warehouse.published import manifest

    told = after
    for commit in commits(Lake(settings), "events", after.events):
        told = Told(commit.version, told.published)
        if commit.kind in ("land", "replay"):
            for event in _landing(settings, commit):
                yield told, event
    found = manifest(settings, "analyst")
    if found is not None and found.version > after.published:
        told = Told(told.events, found.version)
        for event in _publication(settings, found.version, found.as_of, found.lake):
            yield told, event


def _landing(settings: Settings, commit: LandedCommit) -> Iterator[RunEvent]:
    broker = f"kafka://{settings.kafka().bootstrap_servers.split(',')[0]}"
    topics: dict[str, dict[str, dict[str, Any]]] = {}
    for place, part in commit.partitions.items():
        topic, _, number = place.rpartition("/")
        topics.setdefault(topic, {})[number] = {k: v for k, v in asdict(part).items() if k != "topic_id"}
    for place, count in commit.said.get("replayed", {}).items():
        topic, _, number = place.rpartition("/")
        topics.setdefault(topic, {})[number] = {"replayed": count}
    inputs = [
        InputDataset(
            namespace=broker,
            name=topic,
            inputFacets={
                "mizan_offsets": OffsetsFacet(partitions=parts),
                "inputStatistics": input_statistics_input_dataset.InputStatisticsInputDatasetFacet(
                    rowCount=sum(_read(part) for part in parts.values())
                ),
            },
        )
        for topic, parts in sorted(topics.items())
    ]
    files = [file for file in commit.files if file["path"]]
    space, name = _place(settings, "events")
    output = OutputDataset(
        namespace=space,
        name=name,
        facets={"version": dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=str(commit.version))},
        outputFacets={
            "outputStatistics": output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
                rowCount=sum(agency["rows"] for agency in commit.said.get("agencies", {}).values()),
                size=sum(int(file["size"]) for file in files),
                fileCount=len(files),
            )
        },
    )
    at = dt.datetime.fromisoformat(commit.said["landed_at"])
    yield from _run("landing" if commit.kind == "land" else "replay", commit.batch_id, at, inputs, [output])


def _place(settings: Settings, name: str) -> tuple[str, str]:
    """Namespace and name of a table of the lake, as OpenLineage names files and objects."""
    location = Lake(settings).location(name)
    scheme, _, rest = location.partition("://")
    bucket, _, key = rest.partition("/")
    return (f"{scheme}://{bucket}", key) if rest else ("file", location)


def _read(part: Mapping[str, Any]) -> int:
    if "replayed" in part:
        return int(part["replayed"])
    return int(part["rows"] + part["quarantined"] + part["duplicates"])


def _publication(settings: Settings, version: int, at: dt.datetime, lake: Mapping[str, Any]) -> Iterator[RunEvent]:
    versioned = dataset_version_dataset.DatasetVersionDatasetFacet
    inputs = [
        InputDataset(namespace=space, name=place, facets={"version": versioned(datasetVersion=str(of))})
        for name, of in sorted(lake.items())
        if isinstance(of, int)
        for space, place in [_place(settings, name)]
    ]
    outputs = [
        OutputDataset(
            namespace="file",
            name=str(settings.published / tier),
            facets={"version": versioned(datasetVersion=str(version))},
        )
        for tier in ("analyst", "public")
    ]
    yield from _run("publishing", f"version-{version}", at, inputs, outputs)


def _run(
    job: str, name: str, at: dt.datetime, inputs: list[InputDataset], outputs: list[OutputDataset]
) -> Iterator[RunEvent]:
    run = Run(runId=str(uuid.uuid5(uuid.NAMESPACE_URL, f"{PRODUCER}/{job}/{name}")))
    for state in (RunState.START, RunState.COMPLETE):
        yield RunEvent(
            eventType=state,
            eventTime=at.isoformat(),
            run=run,
            job=Job(namespace=NAMESPACE, name=job),
            producer=PRODUCER,
            inputs=inputs,
            outputs=outputs,
        )
