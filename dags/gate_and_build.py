"""Gate each agency's new batches, bring the facts up to date, and rebuild each touched month.

The work list is the lake's own log: batches without a verdict, then the months that the counted events touch. A
closed gate holds that agency's batch and no other's: the months are built without it, and `report_closed_gates`
fails, so that the run shows it. Release a batch with `mizan gate release`. The same as `mizan gate` and `mizan build`.
"""

from __future__ import annotations

from airflow.sdk import dag, task

from scheduler.assets import BUILD_POOL, OWNER, RETRIES, START, lake_events, marts


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

    @task
    def gate() -> list[str]:
        from pipeline.steps import gate_batches

        return gate_batches()

    @task(pool=BUILD_POOL, trigger_rule="all_success")
    def update_facts() -> list[str]:
        from pipeline.steps import update_facts as update

        return update()

    @task(pool=BUILD_POOL, map_index_template="{{ task.op_kwargs['month'] }}")
    def refresh_month(month: str) -> None:
        from pipeline.steps import refresh_month as refresh

        refresh(month)

    @task(outlets=[marts], trigger_rule="none_failed")
    def announce() -> None:
        """The marts are up to date; publishing may start."""

    @task(retries=0)
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
