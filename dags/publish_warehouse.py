"""Publish the marts: a new version of `analyst/` and `public/`, swapped in whole, after the metrics' own gate.

Readers keep the version they opened. Nothing new, nothing published. The same as `mizan publish`.

Then OpenLineage is told, as by `mizan lineage`, where its own settings (OPENLINEAGE_URL, OPENLINEAGE_CONFIG) say where,
and the version is copied to a PostgreSQL, as by `mizan publish --to postgres`, where MIZAN_POSTGRES_URL or
MIZAN_POSTGRES_URL_FILE names one.
"""

from __future__ import annotations

from airflow.sdk import dag, task

from scheduler.assets import BUILD_POOL, BUILD_TIMEOUT, OWNER, RETRIES, SHORT_TIMEOUT, START, marts, published


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

    @task(execution_timeout=SHORT_TIMEOUT)
    def tell_lineage() -> int:
        from airflow.sdk.exceptions import AirflowSkipException

        from contracts.settings import Settings
        from monitoring.telling import is_asked_for, tell

        if not is_asked_for():
            raise AirflowSkipException("no OPENLINEAGE_URL, no OPENLINEAGE_CONFIG")
        return tell(Settings.load())

    @task(execution_timeout=BUILD_TIMEOUT)
    def copy_to_postgres() -> int:
        from airflow.sdk.exceptions import AirflowSkipException

        from contracts.settings import Settings
        from pipeline.steps import copies_are_asked_for, copy_to_postgres

        settings = Settings.load()
        if not copies_are_asked_for(settings):
            raise AirflowSkipException("no MIZAN_POSTGRES_URL, no MIZAN_POSTGRES_URL_FILE")
        return copy_to_postgres(settings).version

    publish() >> [tell_lineage(), copy_to_postgres()]


publish_warehouse()
