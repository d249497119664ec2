"""Land every agency's `[next offset, end offset)`, then stop.

Runs each minute, and sooner when the watcher sees end offsets ahead of the lake. The same as `mizan land
--until-empty`. Rows and offsets are one commit, so a run that is killed, retried or cleared lands nothing twice.
The run is skipped, and wakes nothing downstream, when nothing landed and nothing was left behind by a run that died.

When it halts (exit code 4 by hand): docs/runbooks/halts.md.
"""

from __future__ import annotations

from airflow.sdk import AssetOrTimeSchedule, CronTriggerTimetable, dag, task

from scheduler.assets import LANDING_TIMEOUT, OWNER, RETRIES, START, kafka_backlog, lake_events


@dag(
    schedule=AssetOrTimeSchedule(timetable=CronTriggerTimetable("* * * * *", timezone="UTC"), assets=[kafka_backlog]),
    start_date=START,
    catchup=False,
    max_active_runs=1,
    tags=["mizan", "landing"],
    default_args={"owner": OWNER, **RETRIES},
    doc_md=__doc__,
)
def land_events() -> None:
    """Kafka to lake."""

    @task(outlets=[lake_events], execution_timeout=LANDING_TIMEOUT)
    def land() -> int:
        from airflow.sdk.exceptions import AirflowSkipException

        from pipeline.steps import land_events as land_now

        landed = land_now()
        if not landed.work_waits:
            raise AirflowSkipException("nothing landed, nothing waits")
        return landed.lake_version

    land()


land_events()
