"""How much one batch may hold: less where memory ran out, in this process or in one that died (decision 23)."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

from contracts.errors import TryAgain
from contracts.settings import Settings

log = logging.getLogger("mizan.landing")

# With the client's queue and the decoded rows a worker stays under 1 GB.
BATCH_RECORDS = 100_000
BATCH_BYTES = 36 * 2**20
# How often a batch may be halved: then it holds a hundred records. After a death, which may have had another reason,
# less often: an eighth costs little.
MOST_HALVINGS = 10
AFTER_DEATH = 3


class Bounds:
    """The bounds of a batch after ``halvings`` halvings."""

    def __init__(self, halvings: int = 0) -> None:
        self.halvings = halvings

    @property
    def records(self) -> int:
        """Records of a batch, at most."""
        return BATCH_RECORDS >> self.halvings

    @property
    def size(self) -> int:
        """Bytes of a batch's values, at most but for its last chunk."""
        return BATCH_BYTES >> self.halvings

    def halve(self) -> None:
        """After memory ran out. Raises TryAgain where a batch is as small as it gets."""
        if self.halvings >= MOST_HALVINGS:
            raise TryAgain(
                f"memory runs out even for a batch of {self.records} records", hint="give landing more memory"
            ) from None
        self.halvings += 1
        log.warning("memory ran out: batches of %d records from here on", self.records)


@contextlib.contextmanager
def bounds_of(settings: Settings) -> Iterator[Bounds]:
    """The bounds for one run. A note beside the build says while it runs how large its batches are.

    The kernel's way of saying that memory ran out is to kill, and libraries abort: such a process tells nobody, but
    its note stays, and the next run begins with half. Any other end takes the note away.
    """
    note = settings.build_file.parent / "landing-batch"
    died = -1
    # A hint alone: without it a run begins with whole batches.
    with contextlib.suppress(OSError, ValueError):
        died = int(note.read_text("ascii"))
    bounds = Bounds(min(max(died + 1, 0), AFTER_DEATH))
    with contextlib.suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(str(bounds.halvings), "ascii")
    try:
        yield bounds
    finally:
        with contextlib.suppress(OSError):
            note.unlink(missing_ok=True)
