"""Rebuild the months from A to B from the facts, both ends included, one mapped task a month, then publish.

Give both ends in one calendar. Running it again changes no number. The same as `mizan build --month`, month by month.
"""

from __future__ import annotations

from airflow.sdk import Param, dag, task

from scheduler.assets import BUILD_POOL, MONTH_TIMEOUT, OWNER, RETRIES, SHORT_TIMEOUT, START, marts

MONTH = "^[0-9]{4}-(0[1-9]|1[0-2])$"


@dag(
    schedule=None,
    start_date=START,
    catchup=False,
    max_active_runs=1,
    tags=["mizan", "transforms", "operator"],
    default_args={"owner": OWNER, **RETRIES},
    params={
        "from": Param("1399-01", type="string", pattern=MONTH, title="First month"),
        "to": Param("1399-06", type="string", pattern=MONTH, title="Last month"),
    },
    doc_md=__doc__,
)
def backfill_months() -> None:
    """An operator's months, again."""

    @task(execution_timeout=SHORT_TIMEOUT)
    def list_months(params: dict[str, str] | None = None) -> list[str]:
        from pipeline.steps import months_between

        assert params is not None
        return months_between(params["from"], params["to"])

    @task(pool=BUILD_POOL, execution_timeout=MONTH_TIMEOUT, map_index_template="{{ task.op_kwargs['month'] }}")
    def refresh_month(month: str) -> None:
        from pipeline.steps import refresh_month as refresh

        refresh(month)

    @task(outlets=[marts], trigger_rule="none_failed", execution_timeout=SHORT_TIMEOUT)
    def announce() -> None:
        """The marts are up to date; publishing may start."""

    refresh_month.expand(month=list_months()) >> announce()


backfill_months()
