"""What a public version withholds: small numbers, what moved a little, whole blocks beside them, what still follows.

Leaves for each table with numbers of people a relation ``withheld_<table>``: row_id and a flag for each such measure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from contracts.settings import Settings
from disclosure.attack import Exposed, Seen, attack, surely_moved
from disclosure.relations import Flags, Numbers
from warehouse.connection import Connection
from warehouse.metric_tables import MetricTable
from warehouse.numbers_told import last_told
from warehouse.public_blocks import Blocks
from warehouse.public_cells import Cells, cells_of, flagged, measures

_ROUNDS = 24
_GENTLE = 8  # rounds; what is still not proved safe then loses all that speaks of it
_FEW = 4  # patterns that are judged one by one; more of them are mended without


@dataclass(frozen=True)
class Withheld:
    """The cells and what is shown of them. ``told``: the last number that readers were told, NaN where none was.

    ``is_proved``: the attacker was asked about all that is ``shown`` and found nothing; ``exposed``: what could not
    be helped. ``small``: withheld for its own sake.
    """

    cells: Cells
    need: Numbers
    told: Numbers
    small: Flags
    shown: Flags
    is_proved: bool
    exposed: tuple[Exposed, ...]
    rounds: int
    programs: int


def withhold(connection: Connection, tables: Sequence[MetricTable], settings: Settings, *, before: str) -> Withheld:
    """Decide for every public number of shaped tables. ``before``: the attached public version in service, if any."""
    listed = measures(tables)
    k = settings.min_cell
    small = flagged(connection, tables, k)
    cells = cells_of(connection, tables, small, k)
    told = last_told(connection, before=before, k=k)
    decided = _decide(cells, Blocks(connection, listed, cells, k, settings.calendar), told, k)
    _write_flags(connection, tables, small, decided.shown)
    return decided


def _decide(cells: Cells, blocks: Blocks, told: Numbers, k: int) -> Withheld:
    need = np.where(cells.can_hide, float(k), 0.0)
    with np.errstate(invalid="ignore"):
        moved = np.abs(cells.numbers - told)
        small = ~cells.shown | (cells.can_hide & (moved > 0) & (moved < k))
    fixed = (moved == 0) & ~small
    shown = blocks.settle(small, fixed, told)
    seen = tuple(Seen.nothing(len(need)) for _ in cells.sums)
    left: dict[int, tuple[Exposed, ...]] = {}
    waiting = list(range(len(cells.sums)))
    rounds = programs = 0
    while waiting and rounds < _ROUNDS:
        rounds += 1
        gone = np.zeros(len(shown), dtype=bool)
        for number in waiting:
            found = attack(cells.sums[number], cells.numbers, shown, need, most=_FEW, seen=seen[number])
            if any(not one.because_of for one in found.exposed) and not found.is_proved:
                # Nothing is shown around it that could be withheld: it must be judged by itself.
                found = attack(cells.sums[number], cells.numbers, shown, need, seen=seen[number])
            programs += found.programs
            left[number] = found.exposed
            for one in (*found.exposed, *_moved(cells, number, shown, told, k)):
                free = [cell for cell in one.because_of if shown[cell] and cells.can_hide[cell] and not fixed[cell]]
                # The second calendar first: it tells of the same events once more.
                cheapest = sorted(free, key=lambda cell: (not blocks.is_beside[cell], cells.numbers[cell], cell))
                gone[cheapest if rounds > _GENTLE else cheapest[:1]] = True
        before = shown
        shown = blocks.without(~shown | gone) if gone.any() else shown
        changed = np.flatnonzero(before & ~shown)
        waiting = [place for place, sums in enumerate(cells.sums) if np.isin(changed, sums.members.indices).any()]
    exposed = tuple(one for place in sorted(left) for one in left[place])
    is_proved = not waiting and not exposed
    return Withheld(cells, need, told, small, shown, is_proved, exposed, rounds, programs)


def _moved(cells: Cells, number: int, shown: Flags, told: Numbers, k: int) -> list[Exposed]:
    """What two versions tell of a few people, with the moved numbers that tell it."""
    known = shown & ~np.isnan(told)
    moves = np.where(known, cells.numbers - np.nan_to_num(told), 0.0)
    found = surely_moved(cells.sums[number], moves, known, float(k))
    return [replace(one, because_of=tuple(cell for cell in one.because_of if moves[cell] > 0)) for one in found]


def _write_flags(connection: Connection, tables: Sequence[MetricTable], small: Mapping[str, str], shown: Flags) -> None:
    cells = pa.table({"cell": np.flatnonzero(~shown)})
    connection.register("given_withheld", cells)
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE withheld_places AS "
        "SELECT table_name, measure, row_id FROM places SEMI JOIN given_withheld AS given ON given.cell = places.cell"
    )
    connection.unregister("given_withheld")
    for name, relation in small.items():
        mine = [one.name for one in measures(tables) if one.table.name == name]
        flags = ", ".join(f"small.{one} OR coalesce(bool_or(places.measure = '{one}'), false) AS {one}" for one in mine)
        connection.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE withheld_{name} AS
            SELECT small.row_id, {flags}
            FROM {relation} AS small
            LEFT JOIN withheld_places AS places ON places.table_name = '{name}' AND places.row_id = small.row_id
            GROUP BY small.row_id, {", ".join(f"small.{one}" for one in mine)}
            """  # noqa: S608 names of the build's tables
        )
