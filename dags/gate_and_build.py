"""Gate each agency's new batches, bring the facts up to date, and rebuild each touched month.

The work list is the lake's own log: batches without a verdict, then the months that the counted events touch. A
closed gate holds that agency's batch and no other's: the months are built without it, and `report_closed_gates`
fails, so that the run shows it. Release a batch with `mizan gate release`. The same as `mizan gate` and `mizan build`.

When `report_closed_gates` is red: docs/operating.md#a-closed-gate; a release as a form: the DAG `release_batch`.
"""

from __future__ import annotations

from airflow.sdk import dag, task

from scheduler.assets import (
    BUILD_POOL,
    BUILD_TIMEOUT,
    GATE_TIMEOUT,
    MONTH_TIMEOUT,
    OWNER,
    RETRIES,
    SHORT_TIMEOUT,
    START,
    lake_events,
    marts,
)


@dag(
    schedule=[lake_events],
    start_date=START,
    catchup=False,
    max_active_runs=1,
    tags=["mizan", "expectations", "transforms"],
    default_args={"owner": OWNER, **RETRIES},
    doc_md=__doc__,
)
def gate_and_build() -> None:
    """Lake to marts."""

    @task(execution_timeout=GATE_TIMEOUT)
    def gate() -> list[str]:
        from pipeline.steps import gate_batches

        return gate_batches()

    @task(pool=BUILD_POOL, trigger_rule="all_success", execution_timeout=BUILD_TIMEOUT)
    def update_facts() -> list[str]:
        from pipeline.steps import update_facts as update

        return update()

    @task(pool=BUILD_POOL, execution_timeout=MONTH_TIMEOUT, map_index_template="{{ task.op_kwargs['month'] }}")
    def refresh_month(month: str) -> None:
        from pipeline.steps import refresh_month as refresh

        refresh(month)

    @task(outlets=[marts], trigger_rule="none_failed", execution_timeout=SHORT_TIMEOUT)
    def announce() -> None:
        """The marts are up to date; publishing may start."""

    @task(retries=0, execution_timeout=SHORT_TIMEOUT)
    def report_closed_gates(held: list[str]) -> None:
        from airflow.sdk.exceptions import AirflowFailException

        if held:
            raise AirflowFailException("closed gates: " + ", ".join(held))

    held = gate()
    report_closed_gates(held)
    months = update_facts()
    held >> months
    refresh_month.expand(month=months) >> announce()


gate_and_build()
