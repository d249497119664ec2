"""Publish the marts: a new version of `analyst/` and `public/`, swapped in whole, after the metrics' own gate.

Readers keep the version they opened. Nothing new, nothing published. The same as `mizan publish`.
"""

from __future__ import annotations

from airflow.sdk import dag, task

from scheduler.assets import BUILD_POOL, BUILD_TIMEOUT, OWNER, RETRIES, START, marts, published


@dag(
    schedule=[marts],
    start_date=START,
    catchup=False,
    max_active_runs=1,
    tags=["mizan", "warehouse"],
    default_args={"owner": OWNER, **RETRIES},
    doc_md=__doc__,
)
def publish_warehouse() -> None:
    """Marts to published snapshots."""

    @task(pool=BUILD_POOL, outlets=[published], execution_timeout=BUILD_TIMEOUT)
    def publish() -> int:
        from pipeline.steps import publish_marts

        return publish_marts().version

    publish()


publish_warehouse()
