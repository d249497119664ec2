"""Records hold user_keys until they are re-keyed: what must never reach a disk before that."""

from __future__ import annotations

import resource

from warehouse.connection import Connection, memory_connection

MEMORY_MB = 600


def forbid_core_dumps() -> None:
    """A core dump of this process would hold keys and payloads."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def unspilling_connection(megabytes: int = MEMORY_MB) -> Connection:
    """An in-memory database, bounded, that writes no temporary files."""
    connection = memory_connection()
    connection.execute(f"SET temp_directory = ''; SET memory_limit = '{megabytes}MB'")
    return connection
