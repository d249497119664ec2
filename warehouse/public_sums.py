"""The leaves of the public cells: what every published count is a sum of (see disclosure/sums.py).

Days are cut at every month boundary of either calendar. A leaf is a scope, a channel, a reason where there is one, and
such a run of days: a service's, or what an agency has beyond its services; a district's, or what a place has beyond the
places in it. The nation is the sum of its places and, where the figures say so, of its agencies too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array

from disclosure.sums import Sums
from warehouse.connection import Connection
from warehouse.public_cells import Measure

# A ministry's agencies change from day to day: they are its parts only where the figures agree in every month.
_EDGES = """
    SELECT parent.scope, parent.scope_id, part.scope AS part_scope, part.scope_id AS part_id,
        parent.scope = 'ministry' AS must_agree
    FROM dim_scope AS part INNER JOIN dim_scope AS parent ON part.parent_key = parent.scope_key
    WHERE NOT (parent.scope = 'national' AND part.scope IN ('agency', 'ministry'))
"""


def sums_of(connection: Connection, listed: Sequence[Measure], cells: int) -> tuple[Sums, ...]:
    """For each quantity that adds up its leaves. ``cells``: how many there are, unpublished ones included."""
    _make_slots(connection)
    withheld = connection.execute(
        "SELECT quantity FROM public_cells GROUP BY quantity HAVING bool_or(shown) AND NOT bool_and(shown)"
    ).fetchall()
    there = {quantity for (quantity,) in withheld}
    flows = sorted({one.quantity for one in listed if _adds_up(one) and "channels" not in one.spec} & there)
    firsts = sorted({one.quantity for one in listed if one.spec.get("people") == "first"})
    found = []
    for quantity in flows:
        _channels(connection, listed, quantity)
        _make_leaves(connection, quantity)
        found.append(_read(connection, cells))
    for quantity in firsts:
        _make_own_leaves(connection, quantity)
        found.append(_read(connection, cells))
    return tuple(one for one in found if one.members.nnz)


def _adds_up(measure: Measure) -> bool:
    return "people" not in measure.spec and "stock" not in measure.spec


def _make_slots(connection: Connection) -> None:
    """``slots``: the days between neighbouring month boundaries; ``slot_runs``: which times contain them."""
    connection.execute(
        """
        CREATE OR REPLACE TEMP TABLE slots AS
        SELECT
            row_number() OVER (ORDER BY day) - 1 AS slot, day AS starts_on, lead(day) OVER (ORDER BY day) AS ends_before
        FROM (
            SELECT starts_on AS day FROM time_tellings WHERE is_month
            UNION SELECT ends_before FROM time_tellings WHERE is_month
        )
        QUALIFY ends_before IS NOT NULL;
        CREATE OR REPLACE TEMP TABLE slot_runs AS
        SELECT slots.slot, runs.calendar, runs.starts_on, runs.ends_before, bool_or(runs.is_month) AS is_month
        FROM slots INNER JOIN time_tellings AS runs
            ON runs.starts_on <= slots.starts_on AND runs.ends_before >= slots.ends_before
        GROUP BY ALL
        """
    )


def _channels(connection: Connection, listed: Sequence[Measure], quantity: str) -> None:
    """``leaf_channels``: of which channels of ``quantity`` a cell's number is made, for each quantity and channel."""
    connection.execute(
        """
        CREATE OR REPLACE TEMP TABLE leaf_channels AS
        WITH own AS (SELECT DISTINCT channel FROM public_cells WHERE quantity = $quantity),
        parted AS (SELECT channel FROM own WHERE channel <> 'all' OR (SELECT count(*) FROM own) = 1)
        SELECT $quantity AS quantity, own.channel, parted.channel AS leaf_channel
        FROM own INNER JOIN parted ON own.channel IN ('all', parted.channel)
        """,
        {"quantity": quantity},
    )
    for one in listed:
        if one.beside("channels_of") == quantity:
            for channel in one.spec["channels"]:
                connection.execute(
                    "INSERT INTO leaf_channels SELECT $quantity, 'all', $channel WHERE $channel IN "
                    "(SELECT leaf_channel FROM leaf_channels)",
                    {"quantity": one.quantity, "channel": channel},
                )


_ALIVE = """
    CREATE OR REPLACE TEMP TABLE alive AS
    WITH months AS (
        SELECT scope, scope_id, channel, item, calendar, starts_on, ends_before, number
        FROM public_cells WHERE quantity = $quantity AND channel IN (SELECT leaf_channel FROM leaf_channels)
            AND (item <> 'all' OR NOT EXISTS (SELECT 1 FROM public_cells WHERE quantity = $quantity AND item <> 'all'))
    )
    SELECT scope, scope_id, channel, item, slot
    FROM months INNER JOIN slot_runs USING (calendar, starts_on, ends_before)
    WHERE slot_runs.is_month
    GROUP BY ALL
    HAVING count(DISTINCT calendar) = (SELECT count(DISTINCT calendar) FROM months)
"""


def _make_leaves(connection: Connection, quantity: str) -> None:
    """``leaves`` (leaf, tie), ``members`` (leaf, cell) and ``signs`` (leaf, tie, sign) of a quantity that adds up."""
    connection.execute(_ALIVE, {"quantity": quantity})
    connection.execute(
        f"""
        -- Whether the parts give the whole, channel by channel: always, never more than it, or neither.
        CREATE OR REPLACE TEMP TABLE joints AS
        WITH edges AS (
            {_EDGES}
            UNION ALL
            SELECT 'national', 'IR', 'agency', scope_id, true FROM dim_scope WHERE scope = 'agency'
        ),
        leafy AS (
            SELECT * FROM public_cells
            WHERE quantity = $quantity AND channel IN (SELECT leaf_channel FROM leaf_channels)
        ),
        compared AS (
            SELECT
                whole.cell, whole.scope, whole.scope_id, whole.channel, whole.item,
                edges.must_agree, edges.part_scope = 'agency' AND whole.scope = 'national' AS is_tie,
                any_value(whole.number) - sum(part.number) AS rest
            FROM leafy AS whole
            INNER JOIN edges USING (scope, scope_id)
            INNER JOIN leafy AS part
                ON part.scope = edges.part_scope AND part.scope_id = edges.part_id AND part.calendar = whole.calendar
                AND part.starts_on = whole.starts_on AND part.ends_before = whole.ends_before
                AND part.channel = whole.channel AND part.item = whole.item
            GROUP BY ALL
        )
        SELECT
            scope, scope_id, channel, item, is_tie, max(rest) > 0 AS has_more,
            if(bool_or(must_agree), min(rest) = 0 AND max(rest) = 0, min(rest) >= 0) AS holds
        FROM compared GROUP BY ALL
        """,  # noqa: S608 our own words
        {"quantity": quantity},
    )
    connection.execute(
        f"""
        -- Each scope's way up, as far as the sums hold.
        CREATE OR REPLACE TEMP TABLE ways AS
        WITH RECURSIVE edges AS ({_EDGES}),
        nodes AS (SELECT DISTINCT scope, scope_id, channel, item FROM alive),
        up AS (
            SELECT nodes.*, nodes.scope AS top_scope, nodes.scope_id AS top_id FROM nodes
            UNION ALL
            SELECT up.scope, up.scope_id, up.channel, up.item, edges.scope, edges.scope_id
            FROM up
            INNER JOIN edges ON edges.part_scope = up.top_scope AND edges.part_id = up.top_id
            INNER JOIN joints
                ON joints.scope = edges.scope AND joints.scope_id = edges.scope_id AND joints.channel = up.channel
                AND joints.item = up.item AND NOT joints.is_tie AND joints.holds
        )
        SELECT * FROM up;
        CREATE OR REPLACE TEMP TABLE leaves AS
        SELECT row_number() OVER (ORDER BY alive.scope, alive.scope_id, channel, item, slot) - 1 AS leaf, alive.*
        FROM alive LEFT JOIN (FROM joints WHERE NOT is_tie) AS joints USING (scope, scope_id, channel, item)
        WHERE joints.holds IS NULL OR NOT joints.holds OR joints.has_more
        """  # noqa: S608 our own words
    )
    _join_members(connection)
    connection.execute(
        """
        CREATE OR REPLACE TEMP TABLE signs AS
        WITH tied AS (SELECT channel, item FROM joints WHERE is_tie AND holds)
        SELECT
            leaf, dense_rank() OVER (ORDER BY channel, item, slot) - 1 AS tie,
            if(top_scope = 'agency', 1, -1) AS sign
        FROM leaves INNER JOIN ways USING (scope, scope_id, channel, item)
        INNER JOIN tied USING (channel, item)
        WHERE top_scope IN ('agency', 'national')
        """
    )


def _join_members(connection: Connection) -> None:
    connection.execute(
        """
        CREATE OR REPLACE TEMP TABLE members AS
        SELECT leaves.leaf, cells.cell
        FROM leaves
        INNER JOIN ways USING (scope, scope_id, channel, item)
        INNER JOIN slot_runs USING (slot)
        INNER JOIN leaf_channels ON leaf_channels.leaf_channel = leaves.channel
        INNER JOIN public_cells AS cells
            ON cells.quantity = leaf_channels.quantity AND cells.channel = leaf_channels.channel
            AND cells.scope = ways.top_scope AND cells.scope_id = ways.top_id
            AND cells.calendar = slot_runs.calendar AND cells.starts_on = slot_runs.starts_on
            AND cells.ends_before = slot_runs.ends_before AND cells.item IN ('all', leaves.item)
        """
    )


def _make_own_leaves(connection: Connection, quantity: str) -> None:
    """The same for what adds up over time alone: each scope and channel has leaves of its own."""
    connection.execute(
        """
        CREATE OR REPLACE TEMP TABLE leaf_channels AS
        SELECT DISTINCT $quantity AS quantity, channel, channel AS leaf_channel
        FROM public_cells WHERE quantity = $quantity
        """,
        {"quantity": quantity},
    )
    connection.execute(_ALIVE, {"quantity": quantity})
    connection.execute(
        """
        CREATE OR REPLACE TEMP TABLE leaves AS
        SELECT row_number() OVER (ORDER BY scope, scope_id, channel, item, slot) - 1 AS leaf, * FROM alive;
        CREATE OR REPLACE TEMP TABLE ways AS
        SELECT DISTINCT scope, scope_id, channel, item, scope AS top_scope, scope_id AS top_id FROM alive;
        CREATE OR REPLACE TEMP TABLE signs AS SELECT 0::BIGINT AS leaf, 0::BIGINT AS tie, 0 AS sign WHERE false
        """
    )
    _join_members(connection)
    connection.execute(
        """
        INSERT INTO members
        SELECT leaves.leaf, cells.cell
        FROM leaves INNER JOIN slots USING (slot)
        INNER JOIN public_cells AS cells USING (scope, scope_id, channel, item)
        WHERE cells.stock_of = $quantity AND slots.ends_before <= cells.ends_before
        """,
        {"quantity": quantity},
    )


def _read(connection: Connection, cells: int) -> Sums:
    (((leaves,),), ((ties,),)) = (
        connection.execute("SELECT count(*) FROM leaves").fetchall(),
        connection.execute("SELECT coalesce(max(tie) + 1, 0) FROM signs").fetchall(),
    )
    members = connection.execute("SELECT leaf, cell FROM members").fetchnumpy()
    signs = connection.execute("SELECT leaf, tie, sign FROM signs").fetchnumpy()
    ones = np.ones(len(members["leaf"]))
    return Sums(
        csr_array((ones, (members["leaf"], members["cell"])), shape=(leaves, cells)),
        csr_array((np.asarray(signs["sign"], dtype=np.float64), (signs["leaf"], signs["tie"])), shape=(leaves, ties)),
    )
