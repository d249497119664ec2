"""What has become of rejected records: the quarantine is only added to, decisions on it lie in a table beside it.

A position without a decision is open. Decisions are only added to as well; where a drop and a replay of one record
meet, the replay stands: its event is in the lake, whatever was said of the record.
"""

from __future__ import annotations

from contracts.errors import UsageError
from contracts.lake_tables import lake_tables
from warehouse.connection import Connection, view_files
from warehouse.lake import Lake, Snapshot

TABLE = "quarantine_decisions"
STATES = ("open", "replayed", "duplicate", "dropped")


def decisions(lake: Lake) -> Snapshot | None:
    """The newest decisions; None in a lake made before there were any."""
    try:
        return lake.open(TABLE)
    except UsageError:
        return None


def states_version(lake: Lake) -> str:
    """Another text whenever a rejection or a decision was added."""
    decided = decisions(lake)
    return f"{lake.open('quarantine').version}" + (f"/{decided.version}" if decided else "")


def view_quarantine(connection: Connection, name: str, quarantine: Snapshot, decided: Snapshot | None) -> None:
    """(Re)create the temporary view ``name``: the rejections, each with the ``state`` that holds now.

    Where something was decided: ``decided_by``, ``decided_at``, ``decision_note``, and ``decision_batch``, the replay
    that brought the event or the name of the drop.
    """
    columns = dict(lake_tables()["quarantine"])
    view_files(connection, f"{name}_rejections", quarantine.files, columns)
    view_files(connection, f"{name}_decisions", decided.files if decided else [], dict(lake_tables()[TABLE]))
    # By the alphabet a replay comes after a duplicate, and both after a drop: the greatest is the one that stands.
    connection.execute(f"""
        CREATE OR REPLACE TEMP VIEW "{name}" AS
        SELECT
            r.* REPLACE (coalesce(d.last.decision, r.state) AS state),
            d.last.decided_by AS decided_by, d.last.decided_at AS decided_at,
            d.last.note AS decision_note, d.last.batch_id AS decision_batch
        FROM "{name}_rejections" AS r
        LEFT JOIN (
            SELECT topic, partition, "offset", arg_max(one, ROW(decision, decided_at)) AS last
            FROM "{name}_decisions" AS one GROUP BY topic, partition, "offset"
        ) AS d ON d.topic = r.topic AND d.partition = r.partition AND d."offset" = r."offset"
    """)  # noqa: S608 our own names
