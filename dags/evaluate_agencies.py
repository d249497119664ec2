"""Rank the agencies of each round of the national evaluation whose scores changed, one mapped task a round; publish.

Daily, because a round falls due without an event, or by hand for one round. Scores land with `land_events` and pass the
gate like everything else. Running it again changes no number; a mapped task gives the number of agencies of its round.
The same as `mizan build`, round by round.

What the evaluator sends and what is computed of it: docs/evaluator.md.
"""

from __future__ import annotations

from airflow.sdk import CronTriggerTimetable, Param, dag, task

from scheduler.assets import BUILD_POOL, BUILD_TIMEOUT, MONTH_TIMEOUT, OWNER, RETRIES, SHORT_TIMEOUT, START, marts


@dag(
    schedule=CronTriggerTimetable("0 3 * * *", timezone="Asia/Tehran"),
    start_date=START,
    catchup=False,
    max_active_runs=1,
    tags=["mizan", "transforms", "evaluation"],
    default_args={"owner": OWNER, **RETRIES},
    params={
        "round": Param(
            None,
            type=["null", "string"],
            maxLength=128,
            title="One round alone",
            description="As the evaluator names it, such as 1396-06; empty: every round whose scores changed.",
        )
    },
    doc_md=__doc__,
)
def evaluate_agencies() -> None:
    """Scores to rankings."""

    @task(pool=BUILD_POOL, execution_timeout=BUILD_TIMEOUT)
    def list_rounds(params: dict[str, str | None] | None = None) -> list[str]:
        from pipeline.evaluation import rounds_to_evaluate

        return rounds_to_evaluate((params or {}).get("round"))

    @task(pool=BUILD_POOL, execution_timeout=MONTH_TIMEOUT, map_index_template="{{ task.op_kwargs['name'] }}")
    def evaluate_round(name: str) -> int:
        from pipeline.evaluation import evaluate_round as evaluate

        return evaluate(name)

    @task(outlets=[marts], trigger_rule="none_failed", execution_timeout=SHORT_TIMEOUT)
    def announce() -> None:
        """The marts are up to date; publishing may start."""

    evaluate_round.expand(name=list_rounds()) >> announce()


evaluate_agencies()
