"""What a task does with a call that is wrong: an operator's form is mended, not tried again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def no_retry_when_wrong() -> Iterator[None]:
    """Fail the task for good where the work raises UsageError: trying again changes nothing."""
    # Imported here: DAG files are read often, and by processes that run no task.
    from airflow.sdk.exceptions import AirflowFailException

    from contracts.errors import UsageError

    try:
        yield
    except UsageError as refused:
        raise AirflowFailException(str(refused)) from refused
