"""Ctrl-C ends a command that goes on until it, whatever it calls meanwhile."""

import contextlib
import os
import signal

import pytest

from console.interruption import until_ctrl_c


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)
    signal.sigtimedwait([], 1)  # where the handler runs at the latest


def looped(turn) -> int:
    """How often ``turn`` was called in a loop until Ctrl-C."""
    turns = 0
    try:
        with until_ctrl_c() as stopped:
            while not stopped.wait(0) and turns < 3:
                turns += 1
                turn()
    except KeyboardInterrupt:
        return turns
    pytest.fail("nothing was raised")


def test_ctrl_c_ends_the_wait_at_once():
    assert looped(press) == 1


def test_a_library_that_takes_it_does_not_keep_the_loop_going():
    def swallowed():
        with contextlib.suppress(BaseException):
            press()

    assert looped(swallowed) == 1


def test_afterwards_ctrl_c_is_what_it_was():
    before = signal.getsignal(signal.SIGINT)
    with until_ctrl_c():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
