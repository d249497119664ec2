"""What a step says has fields of a closed list, here and in the log of whoever logs through structlog."""

import logging

import pytest
import structlog

from contracts.logs import tell

log = logging.getLogger("mizan.test")


def test_fields_go_with_the_line_and_those_that_are_none_stay_away(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "mizan"):
        tell(log, "batch landed", step="land", batch_id="b-1", agency=None)
    (record,) = caplog.records
    assert (record.getMessage(), record.fields) == ("batch landed", {"step": "land", "batch_id": "b-1"})


def test_a_field_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="user_key"):
        tell(log, "batch landed", user_key="b0")


def test_structlog_has_the_fields_while_the_line_is_said_and_not_after(caplog: pytest.LogCaptureFixture) -> None:
    seen = []
    handler = logging.Handler()
    handler.emit = lambda record: seen.append(structlog.contextvars.get_contextvars())
    log.addHandler(handler)
    try:
        with caplog.at_level(logging.INFO, "mizan"):
            tell(log, "batch landed", batch_id="b-1")
    finally:
        log.removeHandler(handler)
    assert seen == [{"batch_id": "b-1"}]
    assert structlog.contextvars.get_contextvars() == {}
