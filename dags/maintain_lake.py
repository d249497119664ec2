"""Keep the lake fast: merge small files, write a checkpoint, remove files that no version needs.

Nightly. Landing may go on meanwhile: a commit that loses the race is planned again. The same as `mizan compact`.

When it names a damaged or missing file: docs/runbooks/halts.md#a-lost-file.
"""

from __future__ import annotations

from airflow.sdk import CronTriggerTimetable, dag, task

from scheduler.assets import MAINTENANCE_TIMEOUT, OWNER, RETRIES, START


@dag(
    schedule=CronTriggerTimetable("0 2 * * *", timezone="Asia/Tehran"),
    start_date=START,
    catchup=False,
    max_active_runs=1,
    tags=["mizan", "lake"],
    default_args={"owner": OWNER, **RETRIES},
    doc_md=__doc__,
)
def maintain_lake() -> None:
    """Compaction, checkpoint, vacuum."""

    @task(execution_timeout=MAINTENANCE_TIMEOUT)
    def compact() -> None:
        from pipeline.steps import compact_lake

        compact_lake()

    compact()


maintain_lake()
