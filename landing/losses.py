"""Let a partition go on past offsets that Kafka no longer has: by name, with a reason, never silently."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contracts.errors import UsageError
from contracts.failpoints import failpoint
from contracts.lake_tables import lake_tables
from contracts.reporting_time import tehran_date
from contracts.settings import Settings
from contracts.topics import sender_of
from landing.cluster import Cluster, Topic
from landing.consumer import Partition
from landing.incarnations import in_lake, shifts_of
from landing.plan import place
from landing.quarantine import recorded
from warehouse.connection import memory_connection, view_files
from warehouse.lake import Lake, Snapshot
from warehouse.landing_log import PartitionRange, as_said, commit, marks, next_offsets, open_table
from warehouse.losses import KIND, AcceptedLoss, accepted_losses, commit_losses

_RUNBOOK = "see docs/runbooks/halts.md"


@dataclass(frozen=True)
class Acceptance:
    """The loss as the lake's log has it, and whether this call entered it."""

    loss: AcceptedLoss
    lake_version: int
    is_new: bool


def accept_loss(settings: Settings, name: str, begin: int, until: int, *, by: str, reason: str) -> Acceptance:
    """Enter ``[begin, until)`` of the partition ``name`` (``topic/number``) as lost; landing goes on from ``until``.

    ``begin`` must be where the partition stands, and Kafka's oldest record must lie at ``until`` or beyond: what can
    still be read is not lost. The same call again changes nothing. Raises UsageError where any of that fails (nothing
    is written then), Fenced where another writer came first, TryAgain where Kafka does not answer.
    """
    partition = parsed_place(name)
    by, reason = given("--by", by), given("--reason", reason)
    if not 0 <= begin < until:
        raise UsageError(
            f"{begin} to {until} is no range of offsets", hint="FROM is the first lost offset, TO the next"
        )
    lake = Lake(settings)
    # Both handles before anything is judged, as landing does: a commit on them is refused if anything moved since.
    quarantine, events = open_table(lake, "quarantine"), open_table(lake, "events")
    known = next(
        (
            loss
            for loss in accepted_losses(events)
            if (loss.topic, loss.partition, loss.first_offset, loss.next_offset) == (*partition, begin, until)
        ),
        None,
    )
    if known is not None:
        return Acceptance(known, events.version, False)
    landed = next_offsets(events)
    topic = _lost(Cluster(settings.kafka()), partition, landed, begin, until)
    with memory_connection(settings) as connection:
        # A run may have set records aside and died before they were lost: those are not.
        aside = len(recorded(connection, quarantine, {partition: (begin, until)}))
    now = dt.datetime.now(dt.UTC)
    loss = AcceptedLoss(
        agency_id=topic.agency_id,
        topic=topic.name,
        partition=partition[1],
        first_offset=begin,
        next_offset=until,
        offsets=until - begin - aside,
        cause="trimmed",
        last_day_before=last_day(settings, events, partition),
        accepted_at=now,
        accepted_by=by,
        reason=reason,
    )
    part = PartitionRange(topic.uuid, begin, until, rows=0, quarantined=aside, duplicates=0, gaps=until - begin - aside)
    offsets = {name: until, topic.name: topic.uuid_bits}
    version = enter(quarantine, events, [loss], offsets, {name: part})
    return Acceptance(loss, version, True)


def enter(
    quarantine: Snapshot,
    events: Snapshot,
    losses: Sequence[AcceptedLoss],
    offsets: Mapping[str, int],
    parts: Mapping[str, PartitionRange],
    begun: Mapping[str, object] | None = None,
) -> int:
    """Commit losses and the marks that follow through the handles they were judged on; the version of ``events``.

    The same marks go to the quarantine, and first: a landing that was stopped before its own two commits is fenced by
    it. Raises Fenced.
    """
    before = next_offsets(quarantine)
    ahead = {name: max(end, before.get(name, 0)) for name, end in offsets.items() if "/" in name}
    commit(quarantine, [], marks({**offsets, **ahead}), {"kind": KIND, "batch_id": ""})
    failpoint("quarantine.post_commit")
    version = commit_losses(events, losses, offsets, as_said(parts), begun)
    failpoint("events.post_commit")
    return version


def parsed_place(name: str) -> Partition:
    """Topic and number of a place as the log has it. UsageError for anything else."""
    topic, slash, number = name.rpartition("/")
    # The name as the log has it: no sign, no leading zero, Latin digits.
    if not slash or sender_of(topic) is None or not number.isdecimal() or place(topic, int(number)) != name:
        raise UsageError(f"not a partition: {name!r}", hint="TOPIC/PARTITION, such as egov.events.v1.tax/0")
    return topic, int(number)


def given(option: str, text: str) -> str:
    """What an operator gave, trimmed. UsageError where that is nothing."""
    if not text.strip():
        raise UsageError(f"{option} is empty", hint="both are published beside the figures")
    return text.strip()


def _lost(cluster: Cluster, partition: Partition, landed: dict[str, int], begin: int, until: int) -> Topic:
    """The partition's topic, if ``[begin, until)`` is what it misses; else UsageError."""
    name, number = partition
    where, topic = place(*partition), cluster.topics().get(partition[0])
    if topic is None or number not in topic.partitions:
        raise UsageError(f"the broker has no partition {where}, or does not show it", hint=_RUNBOOK)
    if landed.get(name, topic.uuid_bits) != topic.uuid_bits:
        raise UsageError(f"{name} was deleted and made anew: its offsets are not those that landed", hint=_RUNBOOK)
    start = landed.get(where, 0)
    first = in_lake(cluster.first_offsets([partition]), shifts_of(landed, [partition]))[partition]
    if first <= start:
        raise UsageError(f"nothing is lost: {where} stands at {start}, the oldest record kept is {first}")
    if begin != start:
        raise UsageError(f"{where} stands at {start}, not at {begin}", hint=f"{start} to {first} is lost")
    if until > first:
        raise UsageError(f"offsets from {first} on can still be read", hint=f"{start} to {first} is lost")
    return topic


def last_day(settings: Settings, events: Snapshot, partition: Partition) -> dt.date | None:
    """The Tehran day of the newest event of a partition; None where there is none."""
    with memory_connection(settings) as connection:
        view_files(connection, "landed", events.files, dict(lake_tables()["events"]))
        ((newest,),) = connection.execute(
            "SELECT max(occurred_at) FROM landed WHERE topic = $topic AND partition = $partition",
            {"topic": partition[0], "partition": partition[1]},
        ).fetchall()
    return None if newest is None else tehran_date(newest)
