"""The lives of a partition, one behind the other, as one row of offsets that never goes back.

A topic that was deleted and made anew, or a log that was cut, counts from a lower offset again. The lake goes on
counting: *its* offset is Kafka's plus the partition's shift (0 in a partition's first life). So an offset names one
record for ever, ranges still tile, and whatever was proved of a partition before still holds. ``mizan accept-loss``
alone begins a new life. Kafka's own offsets are spoken here, in the plan and by the client, nowhere else.

Two transaction ids a partition, beside its next offset, say what a plan needs to know:

* ``land:shift:<topic>:<partition>``: the shift. Not there: 0.
* ``land:epoch:<topic>:<partition>``: the leader epoch under which Kafka told the end that was landed to. If a log was
  cut since (a leader elected that lacked records), that epoch ends below our next offset, however far it has grown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Protocol

from contracts.settings import KafkaLogin
from landing.consumer import CHUNK_RECORDS, Chunk, Partition, Reader, Stopped

SHIFT, EPOCH = "shift", "epoch"
NO_EPOCH = -1  # Kafka's own word for it


def shift_mark(partition: Partition) -> str:
    """The shift's name in the lake's log. Without a slash: it is no place."""
    return f"{SHIFT}:{partition[0]}:{partition[1]}"


def epoch_mark(partition: Partition) -> str:
    """The leader epoch's name in the lake's log."""
    return f"{EPOCH}:{partition[0]}:{partition[1]}"


def shifts_of(landed: Mapping[str, int], partitions: Iterable[Partition]) -> dict[Partition, int]:
    """Lake offset minus Kafka's, of the partitions that have a shift."""
    found = {partition: landed.get(shift_mark(partition), 0) for partition in partitions}
    return {partition: shift for partition, shift in found.items() if shift}


def epochs_of(landed: Mapping[str, int], partitions: Iterable[Partition]) -> dict[Partition, int]:
    """The leader epoch that each partition was landed under; those landed before it was kept are left out."""
    found = {partition: landed.get(epoch_mark(partition), NO_EPOCH) for partition in partitions}
    return {partition: epoch for partition, epoch in found.items() if epoch >= 0}


def in_lake(offsets: Mapping[Partition, int], shifts: Mapping[Partition, int]) -> dict[Partition, int]:
    """Kafka's offsets as the lake's."""
    return {partition: offset + shifts.get(partition, 0) for partition, offset in offsets.items()}


def cut_below(
    login: KafkaLogin, landed: Mapping[str, int], ranges: Mapping[Partition, tuple[int, int]]
) -> set[Partition]:
    """Of ``ranges`` (from the next offsets to the ends) those whose log was cut below the next offset and grew again.

    Reads one record of each. Raises TryAgain where Kafka does not answer.
    """
    one_each = {at: (start, min(start + 1, end)) for at, (start, end) in ranges.items() if start < end}
    if not one_each:
        return set()
    with reader(login, one_each, landed, checked=True) as reading:
        for _ in reading.chunks():
            pass
        return {at for at, stop in reading.stopped.items() if stop.reason == "PARTITION_OFFSET_CHANGED"}


class Reading(Protocol):
    """What landing and replay use of a reader."""

    @property
    def position(self) -> Mapping[Partition, int]:
        """How far each partition has been read."""

    @property
    def stopped(self) -> Mapping[Partition, Stopped]:
        """The partitions that failed."""

    def chunks(self) -> Iterator[Chunk]:
        """Records in chunks until every partition is at its end."""

    def mirror(self) -> None:
        """Copy the positions to the offsets of a group."""

    def __enter__(self) -> Reading: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def reader(
    login: KafkaLogin,
    ranges: Mapping[Partition, tuple[int, int]],
    landed: Mapping[str, int],
    most: int | None = None,
    *,
    checked: bool = False,
) -> Reading:
    """A reader of ``ranges`` in the lake's offsets, whose chunks and positions are in the lake's offsets too.

    ``checked``: the ranges begin at the next offsets; a log that was cut below one is told as a stopped partition.
    """
    shifts, epochs = shifts_of(landed, ranges), epochs_of(landed, ranges) if checked else {}
    kafkas = {at: (start - shifts.get(at, 0), end - shifts.get(at, 0)) for at, (start, end) in ranges.items()}
    inner = Reader(login, kafkas, CHUNK_RECORDS if most is None else most, epochs)
    return _Shifted(inner, shifts) if shifts else inner


class _Shifted:
    """A reader in Kafka's offsets, shown in the lake's."""

    def __init__(self, inner: Reader, shifts: Mapping[Partition, int]) -> None:
        self._inner = inner
        self._shifts = shifts

    @property
    def position(self) -> Mapping[Partition, int]:
        return in_lake(self._inner.position, self._shifts)

    @property
    def stopped(self) -> Mapping[Partition, Stopped]:
        return self._inner.stopped

    def chunks(self) -> Iterator[Chunk]:
        for chunk in self._inner.chunks():
            chunk.offsets = [
                offset + self._shifts.get((topic, partition), 0)
                for topic, partition, offset in zip(chunk.topics, chunk.partitions, chunk.offsets, strict=True)
            ]
            yield chunk

    def mirror(self) -> None:
        self._inner.mirror()

    def __enter__(self) -> Reading:
        self._inner.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._inner.__exit__(kind, error, trace)
