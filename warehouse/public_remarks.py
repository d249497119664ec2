"""What a public version says of its own withholding: how many numbers, of which kinds, and of how many users."""

from __future__ import annotations

import numpy as np

from contracts.errors import GateClosed
from contracts.settings import Settings
from disclosure.relations import Flags, Numbers
from warehouse.connection import Connection
from warehouse.public_gate import Told
from warehouse.public_withheld import Withheld
from warehouse.restated import tables_of

_KEY = "disclosure."
_COUNTS = ("numbers", "told", "told_on", "small", "second_calendar", "moved", "beside", "public_already")
_FINE = 100  # a share in whole per cents says of whom it is, to a hundredth of them all


def loss(connection: Connection, withheld: Withheld, told: Told, calendar: str) -> dict[str, float]:
    """Counts of numbers: all, told (anew, and on as they were), and withheld, for each reason.

    The reasons: small (or mostly one person's), in the second calendar, moved by a few, beside others.

    ``calendar`` is the home's; numbers that only the other one has are told again there, cut at other days.
    ``public_already``: withheld ones that follow from numbers that were told before: nothing can be done for them.
    Three shares: ``numbers_withheld`` of all; ``large_withheld`` of the home calendar's numbers that are not small:
    what protecting the small ones costs; ``users_withheld`` of the active users of all months, scopes and channels.
    """
    cells = withheld.cells
    found = connection.execute(
        "SELECT kind = 'true' AS people, calendar = $calendar AS home FROM public_cells ORDER BY cell",
        {"calendar": calendar},
    ).fetchnumpy()
    people, home = (np.asarray(found[name], dtype=bool) for name in ("people", "home"))
    hidden = ~(told.anew | told.on)
    gone = cells.shown & hidden
    moved = gone & withheld.small  # moved a little, or came after others of their time were told
    return {
        "numbers": len(hidden),
        "told": int(told.anew.sum()),
        "told_on": int(told.on.sum()),
        "small": int((hidden & ~cells.shown).sum()),
        "second_calendar": int((gone & ~moved & ~home).sum()),
        "moved": int(moved.sum()),
        "beside": int((gone & ~moved & home).sum()),
        "public_already": len({one.cell for one in withheld.exposed}),
        "numbers_withheld": _share(np.ones(len(hidden)), hidden),
        "large_withheld": _share(np.ones(len(hidden)), hidden, cells.shown & home),
        "users": float(cells.numbers[people].sum()),
        "users_withheld": _share(cells.numbers, hidden, people),
    }


def _share(weights: Numbers, part: Flags, whole: Flags | None = None) -> float:
    within = np.ones(len(part), dtype=bool) if whole is None else whole
    total = float(weights[within].sum())
    return round(float(weights[within & part].sum()) / total, 4) if total else 0.0


def write_counts(
    connection: Connection, settings: Settings, withheld: Withheld | None, told: Told | None, *, target: str
) -> None:
    """Add to the public tier's ``_meta`` what was withheld. Without ``withheld``: what ``wanted`` said."""
    insert = f"INSERT INTO {target}.marts._meta"
    if withheld is None or told is None:
        connection.execute(f"{insert} SELECT key, value FROM wanted.marts._meta WHERE starts_with(key, '{_KEY}')")  # noqa: S608
        return
    counted = loss(connection, withheld, told, settings.calendar)
    rows = {f"{_KEY}{name}": counted[name] for name in _COUNTS}
    for name in ("numbers_withheld", "large_withheld"):
        rows[f"{_KEY}{name}_percent"] = round(100 * counted[name])
    if counted["users"] >= _FINE * settings.min_cell:
        # A per cent of them is k at least: no more is said of them.
        rows[f"{_KEY}users_withheld_percent"] = round(100 * counted["users_withheld"])
    rows[f"{_KEY}min_cell"] = settings.min_cell
    for key, value in rows.items():
        connection.execute(f"{insert} VALUES ($key, $value)", {"key": key, "value": f"{value:.0f}"})


def check_again(connection: Connection, settings: Settings) -> None:
    """A version that is to be published anew was kept from readers' arithmetic as today's are. GateClosed if not."""
    found = {}
    if "_meta" in tables_of(connection, "wanted"):
        found = dict(connection.execute("SELECT key, value FROM wanted.marts._meta").fetchall())
    if int(found.get(f"{_KEY}min_cell", 0)) < settings.min_cell:
        raise GateClosed(
            "the public tier of the version wanted back was published under weaker rules",
            hint="publish the build instead: mizan publish",
        )
