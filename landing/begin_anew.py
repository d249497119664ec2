"""Let go of a topic that is gone or another one now, or of a log that was cut: by name, with a reason.

What landed stays. The old life of each partition is closed where the lake stands, and the lake goes on counting from
there: a topic made anew is read from its first record, a log that was cut from the oldest record it keeps. What of it
landed before is known by (source, event id) and counted as a duplicate.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from contracts.errors import UsageError
from contracts.settings import Settings
from contracts.topics import sender_of
from landing.cluster import Cluster, Topic
from landing.consumer import Partition
from landing.incarnations import NO_EPOCH, cut_below, epoch_mark, in_lake, shift_mark, shifts_of
from landing.losses import enter, given, last_day, parsed_place
from landing.plan import is_fresh, landed_partitions, place
from landing.quarantine import recorded
from warehouse.connection import memory_connection
from warehouse.lake import Lake, Snapshot
from warehouse.landing_log import PartitionRange, commits, next_offsets, open_table
from warehouse.losses import AcceptedLoss, accepted_losses


@dataclass(frozen=True)
class Begun:
    """The losses that stand for the closed lives, one a partition, and whether this call entered them."""

    losses: tuple[AcceptedLoss, ...]
    lake_version: int
    is_new: bool


@dataclass(frozen=True)
class _Closing:
    """A partition whose life ends here: why, and Kafka's offset at which the next one begins."""

    cause: str
    kafka_begin: int


def begin_anew(settings: Settings, name: str, *, by: str, reason: str) -> Begun:
    """Close the life of a topic's partitions, or of one (``topic/number``), that Kafka no longer carries on.

    A topic that is gone or was made anew is closed as a whole; of a log that was cut, the partitions that were. The
    same call again changes nothing. Raises UsageError where Kafka still carries on (nothing is written then), Fenced
    where another writer came first, TryAgain where Kafka does not answer.
    """
    topic_name, number = _named(name)
    by, reason = given("--by", by), given("--reason", reason)
    lake = Lake(settings)
    # Both handles before anything is judged, as landing does: a commit on them is refused if anything moved since.
    quarantine, events = open_table(lake, "quarantine"), open_table(lake, "events")
    landed, aside_next = next_offsets(events), next_offsets(quarantine)
    numbers = landed_partitions(landed).get(topic_name, [])
    known = [(topic_name, one) for one in numbers if number in (None, one)]
    if not known:
        raise UsageError(f"nothing of {name} has landed: there is nothing to let go of")
    topic = Cluster(settings.kafka()).topics().get(topic_name)
    closings = _closings(settings, topic, landed, known, whole=number is None)
    if not closings:
        if not all(is_fresh(landed, partition) for partition in known):
            raise UsageError(f"nothing is lost: Kafka goes on where {name} stands", hint="mizan verify")
        entered = [one for one in accepted_losses(events) if (one.topic, one.partition) in known]
        return Begun(tuple(entered), events.version, False)
    ids = {where: part.topic_id for one in commits(lake, "events") for where, part in one.partitions.items()}
    now = dt.datetime.now(dt.UTC)
    losses, parts, begun = [], {}, {}
    offsets = {topic_name: landed[topic_name] if topic is None else topic.uuid_bits}
    for partition, closing in closings.items():
        where = place(*partition)
        # Verdicts of a landing that died stand beyond the next offset: their offsets are taken.
        start, end = landed[where], max(landed[where], aside_next.get(where, 0))
        aside = _set_aside(settings, quarantine, partition, start, end)
        losses.append(
            AcceptedLoss(
                agency_id=str(sender_of(topic_name)),
                topic=topic_name,
                partition=partition[1],
                first_offset=start,
                next_offset=end,
                offsets=None,
                cause=closing.cause,
                last_day_before=last_day(settings, events, partition),
                accepted_at=now,
                accepted_by=by,
                reason=reason,
            )
        )
        parts[where] = PartitionRange(ids[where], start, end, 0, aside, 0, end - start - aside)
        shift = end - closing.kafka_begin
        offsets |= {where: end, shift_mark(partition): shift, epoch_mark(partition): NO_EPOCH}
        begun[where] = {"topic_id": "" if topic is None else topic.uuid, "closed": ids[where], "shift": shift}
    version = enter(quarantine, events, losses, offsets, parts, begun)
    return Begun(tuple(losses), version, True)


def _named(name: str) -> tuple[str, int | None]:
    if "/" in name:
        return parsed_place(name)
    if sender_of(name) is None:
        raise UsageError(f"not a topic: {name!r}", hint="TOPIC or TOPIC/PARTITION, such as egov.events.v1.tax/0")
    return name, None


def _closings(
    settings: Settings, topic: Topic | None, landed: Mapping[str, int], known: Iterable[Partition], *, whole: bool
) -> dict[Partition, _Closing]:
    """The partitions of ``known`` whose life has ended; none where all of them go on, or were closed before."""
    waited = [partition for partition in known if not is_fresh(landed, partition)]
    another = topic is not None and topic.uuid_bits != landed.get(topic.name)
    if waited and another and not whole:
        raise UsageError("the topic was deleted and made anew: it is let go of as a whole", hint="name TOPIC alone")
    if topic is None and waited and not whole:
        raise UsageError("the topic is gone: it is let go of as a whole", hint="name TOPIC alone")
    if topic is None:
        # All of them where one is waited for: a topic that comes back is another one for every partition.
        return dict.fromkeys(known, _Closing("deleted", 0)) if waited else {}
    if another:
        return dict.fromkeys(known, _Closing("made_anew", 0)) if waited else {}
    gone = [partition for partition in waited if partition[1] not in topic.partitions]
    return {**dict.fromkeys(gone, _Closing("deleted", 0)), **_cut(settings, landed, known, gone)}


def _cut(
    settings: Settings, landed: Mapping[str, int], known: Iterable[Partition], gone: Iterable[Partition]
) -> dict[Partition, _Closing]:
    cluster = Cluster(settings.kafka())
    there = [partition for partition in known if partition not in set(gone)]
    firsts = cluster.first_offsets(there)
    ends = in_lake(cluster.end_offsets(there), shifts_of(landed, there))
    starts = {partition: landed[place(*partition)] for partition in there}
    grown = cut_below(settings.kafka(), landed, {at: (starts[at], ends[at]) for at in there})
    return {at: _Closing("cut", firsts[at]) for at in there if ends[at] < starts[at] or at in grown}


def _set_aside(settings: Settings, quarantine: Snapshot, partition: Partition, start: int, end: int) -> int:
    with memory_connection(settings) as connection:
        return len(recorded(connection, quarantine, {partition: (start, end)} if start < end else {}))
