"""Rebuild the months from A to B from the facts, both ends included, one mapped task a month, then publish.

Give both ends in one calendar. Running it again changes no number. The same as `mizan build --month`, month by month.

When it is needed and what it leaves alone: docs/operating.md.
"""

from __future__ import annotations

from airflow.sdk import Param, dag, task

from scheduler.assets import BUILD_POOL, MONTH, MONTH_TIMEOUT, OWNER, RETRIES, SHORT_TIMEOUT, START, marts


@dag(
    schedule=None,
    start_date=START,
    catchup=False,
    max_active_runs=1,
    tags=["mizan", "transforms", "operator"],
    default_args={"owner": OWNER, **RETRIES},
    params={
        "from": Param(
            "1399-01",
            type="string",
            pattern=MONTH,
            title="First month",
            description="Such as 1399-01 (Jalali) or 2020-03 (Gregorian).",
        ),
        "to": Param(
            "1399-06", type="string", pattern=MONTH, title="Last month", description="Included; of the same calendar."
        ),
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
