"""A run of a landing row: agencies with seeded streams, the real `mizan land`, and the whole proof at the end."""

from __future__ import annotations

import datetime as dt
import json
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from landing_stage import Stage

from faults import canaries, oracle, schedule
from faults.build_run import numbers
from faults.registry import Violation
from faults.rig import Rig
from faults.schedule import Said, Stream

TRIES = 12  # retries by a scheduler that never gives up; a healthy landing needs two


class LandingRun:
    """One home, some agencies, everything they were acknowledged for, and the violations found on the way."""

    def __init__(self, rig: Rig, agencies: int = 2, cap: int | None = None, **environment: str) -> None:
        from catalogue.load import load_tables

        self.rig, self.rng = rig, rig.rng
        if cap is not None:
            environment["MIZAN_LAND_CAP"] = str(cap)
        self.stage: Stage = rig.stage(**environment)
        self.streams = [Stream(rig.rng, self.stage.agency(rig.rng.choice((1, 2, 3)))) for _ in range(agencies)]
        self.catalogue = schedule.catalogue(stream.agency for stream in self.streams)
        load_tables(self.stage.settings, "catalogue", self.catalogue)
        self.records: list[Said] = []
        self.violations: list[Violation] = []
        self.heard: list[str] = []  # what commands complained of

    @property
    def lake(self) -> Path:
        """The lake's folder."""
        return Path(self.stage.settings.lake_uri)

    @property
    def login(self) -> dict[str, Any]:
        """The administrator's login, for librdkafka."""
        return self.stage.settings.kafka_admin().for_librdkafka()

    def broke(self, invariant: str, what: str) -> None:
        """Note a violation."""
        self.violations.append(Violation(invariant, what))

    def send(self, count: int) -> None:
        """``count`` records, shared out among the agencies, all acknowledged."""
        batch: list[Said] = []
        for stream in self.streams:
            batch += stream.take(count // len(self.streams))
        self.rng.shuffle(batch)
        schedule.produce(self.login, batch)
        self.records += batch
        unsure = [said for said in batch if not said.was_acknowledged]
        if unsure:
            self.broke("I9", f"the broker did not acknowledge {len(unsure)} records")

    def killed(self, *command: str, fault: str, optional: bool = False) -> bool:
        """Run `mizan …` with FAULTPOINT and expect its death by SIGKILL; ``optional``: it may never get there."""
        code, out, err = self.stage.run(*command, FAULTPOINT=fault)
        self.heard += [out, err]
        if code != -signal.SIGKILL and not (optional and code == 0):
            self.broke("I12", f"{fault} ended with {code}: {err[-300:]}")
        return code == -signal.SIGKILL

    def ended(self, code: int, err: str, allowed: Sequence[int]) -> None:
        """I12: a process ends with a code that is documented for what happened to it, and says why."""
        self.heard.append(err)
        if code not in allowed or "Traceback" in err:
            self.broke("I12", f"exit {code}, allowed are {tuple(allowed)}: {err[-600:]}")

    def land(self, *, tries: int = TRIES) -> None:
        """What a scheduler does: `land` again and again until nothing is left. I9 where that does not come."""
        from contracts.errors import Fenced, MizanError
        from landing.drain import land

        trouble = ""
        for _ in range(tries):
            try:
                land(self.stage.settings, until_empty=True)
                return
            except Fenced as error:
                trouble = str(error)
            except MizanError as error:
                trouble = f"{type(error).__name__}: {error}"
                break
        self.broke("I9", f"landing does not end: {trouble}")

    def check(self, *, losses: int = 0, either_way: oracle.EitherWay | None = None) -> list[dict[str, Any]]:
        """I1 to I4, I8 and I9 from outside, then the product's own proof; the events that must be counted."""
        from landing.verify import verify

        ends = oracle.end_offsets(self.login, self.records)
        found, kept = oracle.check_landing(self.lake, self.records, ends, losses, either_way)
        self.violations += found
        proof = verify(self.stage.settings, deep=True)
        for problem in proof.problems:
            self.broke("I4", f"verify: {problem.kind} {problem.where}: {problem.hint}")
        self.check_ids()
        return kept

    def check_ids(self) -> None:
        """I8: no planted id and no person key as it was said lies anywhere in the home."""
        planted = {one for stream in self.streams for one in stream.planted}
        keys = {said.event["pid"] for said in self.records if said.event is not None and said.event["pid"] is not None}
        self.violations += canaries.sweep(self.stage.settings.home, canaries.Needles(planted, keys), self.heard)

    def check_numbers(self, kept: Sequence[dict[str, Any]]) -> None:
        """I6 and I7: the build equals the oracle, and a full rebuild equals the build."""
        self.pass_all_batches()
        self.violations += numbers(self.stage.settings, self.catalogue, kept)
        self.check_ids()

    def pass_all_batches(self) -> None:
        """A verdict `passed` for every batch that has none: the gate is not what these rows try."""
        from warehouse.lake import Lake

        lake = Lake(self.stage.settings)
        judged = {(row["batch_id"], row["agency_id"]) for row in lake.open("verdicts").rows().to_pylist()}
        landed = {
            (row["batch_id"], row["agency_id"])
            for row in oracle.read_table(self.lake / "events").rows("batch_id", "agency_id")
        }
        now = dt.datetime.now(dt.UTC)
        lake.append(
            "verdicts",
            [
                {"batch_id": batch, "agency_id": agency, "verdict": "passed", "decided_at": now}
                for batch, agency in sorted(landed - judged)
            ],
        )


def problems_of(stage: Stage, *options: str) -> tuple[int, list[dict[str, str]]]:
    """`mizan verify --json`: its exit code and problems."""
    code, out, _ = stage.run("verify", "--json", *options)
    return code, json.loads(out)["problems"] if out.strip() else []
