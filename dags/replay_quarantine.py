"""Judge open quarantined records again, with today's contract and catalogue, as long as Kafka retains them.

By hand, after a service was registered or a contract version deployed; for one reason code or one agency, or for all.
The same as `mizan quarantine replay`. What is accepted passes the gate as a batch of its own. Events are committed
before the decision on their records, and found again by their offsets: running it twice, or killing it, lands nothing
twice. The run is skipped, and wakes nothing downstream, when nothing was decided.

What is in quarantine, and giving it up: docs/operating.md#quarantine.
"""

from __future__ import annotations

from airflow.sdk import Param, dag, task

from contracts.reasons import reasons
from contracts.settings import AGENCY_ID
from scheduler.assets import MAINTENANCE_TIMEOUT, OWNER, RETRIES, START, lake_events


@dag(
    schedule=None,
    start_date=START,
    catchup=False,
    max_active_runs=1,
    tags=["mizan", "landing"],
    default_args={"owner": OWNER, **RETRIES},
    params={
        "reason": Param(
            None,
            type=["null", "string"],
            enum=[None, *reasons()],
            values_display={code: f"{code}: {one.what['en']}" for code, one in reasons().items()},
            title="One reason code alone",
            description="Empty: all that is open.",
        ),
        "agency": Param(
            None,
            type=["null", "string"],
            pattern=f"^{AGENCY_ID.pattern}$",
            title="One agency alone",
            description="Its id; empty: all agencies.",
        ),
    },
    doc_md=__doc__,
)
def replay_quarantine() -> None:
    """Quarantine to lake."""

    @task(outlets=[lake_events], execution_timeout=MAINTENANCE_TIMEOUT)
    def replay(params: dict[str, str | None] | None = None) -> int:
        from airflow.sdk.exceptions import AirflowSkipException

        from pipeline.steps import replay_quarantine as replay_now

        asked = params or {}
        done = replay_now(asked.get("reason"), asked.get("agency"))
        # A record that turns out to be a duplicate is open no more, which agency_status shows.
        if not (done.events or done.finished or done.duplicates):
            raise AirflowSkipException("nothing was decided")
        return done.lake_version

    replay()


replay_quarantine()
