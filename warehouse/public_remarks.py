"""What a public version says of its own withholding: how many numbers, of which kinds, and of how many users."""

from __future__ import annotations

import numpy as np

from contracts.errors import GateClosed
from contracts.settings import Settings
from disclosure.relations import Flags
from warehouse.connection import Connection
from warehouse.public_withheld import Withheld
from warehouse.restated import tables_of

_KEY = "disclosure."
_COUNTS = ("numbers", "told", "small", "moved", "beside", "public_already")
_FINE = 100  # a share in whole per cents says of whom it is, to a hundredth of them all


def loss(connection: Connection, withheld: Withheld, shown: Flags) -> dict[str, float]:
    """Counts of numbers: all, told, withheld as small, for having moved, beside others; shares of numbers and users.

    ``public_already``: withheld ones that follow from numbers that were told before: nothing can be done for them.
    ``users_withheld`` is over the active users of all months, scopes and channels: of what the table would add up to.
    """
    cells = withheld.cells
    kinds = connection.execute("SELECT kind = 'true' AS people FROM public_cells ORDER BY cell").fetchnumpy()
    people = np.asarray(kinds["people"], dtype=bool)
    all_users, hidden_users = (float(cells.numbers[people & where].sum()) for where in (shown | True, ~shown))
    moved = withheld.small & cells.shown  # moved a little, or came after others of their time were told
    return {
        "numbers": len(shown),
        "told": int(shown.sum()),
        "small": int((~cells.shown).sum()),
        "moved": int((moved & ~shown).sum()),
        "beside": int((cells.shown & ~moved & ~shown).sum()),
        "public_already": len({one.cell for one in withheld.exposed}),
        "numbers_withheld": round(float((~shown).mean()), 4) if len(shown) else 0.0,
        "users": all_users,
        "users_withheld": round(hidden_users / all_users, 4) if all_users else 0.0,
    }


def write_counts(
    connection: Connection, settings: Settings, withheld: Withheld | None, shown: Flags | None, *, target: str
) -> None:
    """Add to the public tier's ``_meta`` what was withheld. Without ``withheld``: what ``wanted`` said."""
    insert = f"INSERT INTO {target}.marts._meta"
    if withheld is None or shown is None:
        connection.execute(f"{insert} SELECT key, value FROM wanted.marts._meta WHERE starts_with(key, '{_KEY}')")  # noqa: S608
        return
    counted = loss(connection, withheld, shown)
    rows = {
        f"{_KEY}{name}": counted[name] for name in ("numbers", "told", "small", "moved", "beside", "public_already")
    }
    rows[f"{_KEY}numbers_withheld_percent"] = round(100 * counted["numbers_withheld"])
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
