"""Load the catalogue's CSV files: agencies, places, services and what else lies in the folder.

Daily from `$MIZAN_HOME/catalogue` if that folder is there, or by hand from a folder you name. A bad file is refused
whole, with line numbers, and the catalogue stays as it was. The same as `mizan catalogue load`.

When a file is refused (exit code 65 by hand): docs/runbooks/halts.md#other-ends.
"""

from __future__ import annotations

from airflow.sdk import CronTriggerTimetable, Param, dag, task

from scheduler.assets import OWNER, RETRIES, SHORT_TIMEOUT, START


@dag(
    schedule=CronTriggerTimetable("30 1 * * *", timezone="Asia/Tehran"),
    start_date=START,
    catchup=False,
    max_active_runs=1,
    tags=["mizan", "catalogue"],
    default_args={"owner": OWNER, **RETRIES},
    params={
        "directory": Param(
            None,
            type=["null", "string"],
            maxLength=4096,
            title="Folder of CSV files",
            description="On the scheduler's machine; empty: $MIZAN_HOME/catalogue, where it is there.",
        )
    },
    doc_md=__doc__,
)
def sync_catalogue() -> None:
    """CSV to catalogue."""

    @task(execution_timeout=SHORT_TIMEOUT)
    def load(params: dict[str, str | None] | None = None) -> None:
        from airflow.sdk.exceptions import AirflowSkipException

        from pipeline.steps import sync_catalogue as sync

        if not sync((params or {}).get("directory")):
            raise AirflowSkipException("no catalogue folder")

    load()


sync_catalogue()
