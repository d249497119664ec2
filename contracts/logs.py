"""What a step says of its work: one event a line, its facts as fields that have the same names everywhere.

By the standard library's logging, which the agency SDK has too. In a task of Airflow the log is structlog's, whose
lines take the fields of any logger from its context: they are handed over there, so that both logs read the same.
"""

from __future__ import annotations

import logging
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import Any

# Names of batches, agencies and months, versions and counts. No event, no person and no key is named in a log.
FIELDS = frozenset(
    {"step", "batch_id", "agency", "month", "verdict", "lake_version", "published_version", "exit_code"}
    | {"agencies", "batches", "events", "quarantined", "duplicates", "done", "of"}
)


def tell(log: logging.Logger, event: str, **fields: Any) -> None:
    """Say one event at level info; a field that is None is left out. ValueError for a field that nobody knows."""
    if unknown := fields.keys() - FIELDS:
        raise ValueError(f"no field of our logs: {', '.join(sorted(unknown))}")
    known = {name: value for name, value in fields.items() if value is not None}
    with _structlog_context(known):
        log.info(event, extra={"fields": known}, stacklevel=2)


def _structlog_context(fields: dict[str, Any]) -> AbstractContextManager[None]:
    # Only where something has loaded it already: whoever does not log through it need not have it.
    structlog: Any = sys.modules.get("structlog")
    return nullcontext() if structlog is None else structlog.contextvars.bound_contextvars(**fields)
