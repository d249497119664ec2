"""An agency's program in a process of its own: says the events of a file through the SDK, spooled, until all are sent.

``python reporter.py BUNDLE SPOOL FILE EVENTS_A_SECOND SECONDS``. It says one event after another and then flushes
until the broker has every one; 75 where that does not come within SECONDS. Ended at any moment and started again, it
goes on as a real one would: from what its own record (FILE.said) knows to be on the spool.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
import time
from pathlib import Path

from contracts.errors import MizanError, TryAgain
from producers import Agency


def main(bundle: Path, spool: Path, file: Path, rate: float, seconds: float) -> int:
    deadline = time.monotonic() + seconds
    record = file.with_suffix(".said")
    known = set(record.read_text().split()) if record.exists() else set()
    agency = Agency.from_bundle(bundle, spool=spool, durable=False)
    ways = {
        "ir.egov.transaction.received.v1": agency.received,
        "ir.egov.transaction.completed.v1": agency.completed,
        "ir.egov.visit.recorded.v1": agency.visited,
    }
    with record.open("a", buffering=1) as said:
        for line in file.read_text().splitlines():
            event = json.loads(line)
            if event["id"] not in known:
                moment = dt.datetime.fromisoformat(event["time"])
                ways[event["type"]](event_id=event["id"], time=moment, **event["data"])
                said.write(event["id"] + "\n")
                time.sleep(1 / rate)
    while True:
        try:
            agency.flush()
            break
        except TryAgain as error:
            sys.stderr.write(f"{error}\n")
            if time.monotonic() > deadline:
                return 75
    agency.close()
    return 0


if __name__ == "__main__":
    paths = [Path(argument) for argument in sys.argv[1:4]]
    try:
        sys.exit(main(paths[0], paths[1], paths[2], float(sys.argv[4]), float(sys.argv[5])))
    except MizanError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(error.exit_code)
