"""Close a month in somebody's name: write its signed release and publish the month as final.

By hand, when you answer for the month's figures. A month that is open, not published, or short of a held batch is
refused with the reason, and nothing is written. Running it again changes nothing. The same as `mizan month close`.

What closing means and how it is taken back: docs/operating.md#closing-a-month.
"""

from __future__ import annotations

from airflow.sdk import Param, dag, task

from scheduler.assets import BUILD_POOL, BUILD_TIMEOUT, MONTH, OWNER, RETRIES, START, published
from scheduler.refusals import no_retry_when_wrong


@dag(
    schedule=None,
    start_date=START,
    catchup=False,
    max_active_runs=1,
    tags=["mizan", "warehouse", "operator"],
    default_args={"owner": OWNER, **RETRIES},
    params={
        "month": Param(
            type="string",
            pattern=MONTH,
            title="Month",
            description="Such as 1399-01 (Jalali) or 2020-03 (Gregorian).",
        ),
        "by": Param(
            type="string",
            minLength=2,
            maxLength=200,
            title="Who answers for it",
            description="Your name; it stands beside the month for ever.",
        ),
        "note": Param(
            type="string", minLength=2, maxLength=2000, title="Note", description="What was looked at before closing."
        ),
    },
    doc_md=__doc__,
)
def close_month() -> None:
    """Somebody's word that a month is final."""

    @task(pool=BUILD_POOL, outlets=[published], execution_timeout=BUILD_TIMEOUT)
    def close(params: dict[str, str] | None = None) -> int:
        from pipeline.months import close_month as close_now

        assert params is not None
        with no_retry_when_wrong():
            done = close_now(params["month"], by=params["by"], note=params["note"])
        return int(done["version"])

    close()


close_month()
