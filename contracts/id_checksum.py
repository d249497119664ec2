"""The checksum of event ids that may go with a control total and says whether the very events that were sent are there.

Definition: the XOR of the SHA-256 digests of the distinct event ids (UTF-8) of one source, Tehran date and event type,
in lower-case hex. Of the 64 digits the first 16 or more are sent. The order does not matter, no id has to be kept, and
the checksums of two parts XOR to that of the whole; that of no events is all zeros.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

# Mizan compares this many leading digits: 64 bits, so a wrong set passes once in 10^19.
COMPARED_DIGITS = 16


def id_checksum(event_ids: Iterable[str]) -> str:
    """The checksum of a set of event ids, 64 hex digits; an id given twice counts once."""
    combined = 0
    for event_id in set(event_ids):
        combined ^= int.from_bytes(hashlib.sha256(event_id.encode()).digest(), "big")
    return f"{combined:064x}"
