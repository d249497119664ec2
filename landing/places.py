"""Where a record is in Kafka, as the lake's tables have it: topic, partition number, offset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from landing.consumer import Partition
from warehouse.connection import Connection

Place = tuple[str, int, int]
_IN_RANGE = 'topic = $topic AND partition = $partition AND "offset" >= $start AND "offset" < $end'


def places(connection: Connection, view: str, where: str, given: Mapping[str, Any]) -> frozenset[Place]:
    """The places of a view's rows."""
    found = connection.execute(f'SELECT topic, partition, "offset" FROM {view} WHERE {where}', given)  # noqa: S608
    return frozenset((str(t), int(p), int(o)) for t, p, o in found.fetchall())


def places_in(connection: Connection, view: str, ranges: Mapping[Partition, tuple[int, int]]) -> set[Place]:
    """The places of a view's rows within ranges of offsets."""
    found: set[Place] = set()
    for (topic, number), (start, end) in ranges.items():
        given = {"topic": topic, "partition": number, "start": start, "end": end}
        found |= places(connection, view, _IN_RANGE, given)
    return found
