"""Let a held batch of one agency count after all, in somebody's name; build and publish follow by themselves.

By hand, after the cause was looked at and the batch found right; name and reason are kept for ever. A batch that is
not held is refused, and nothing is written. The same as `mizan gate release`.

What a closed gate says and what to look at first: docs/operating.md#a-closed-gate.
"""

from __future__ import annotations

from airflow.sdk import Param, dag, task

from contracts.settings import AGENCY_ID
from scheduler.assets import OWNER, RETRIES, SHORT_TIMEOUT, START, lake_events
from scheduler.refusals import no_retry_when_wrong


@dag(
    schedule=None,
    start_date=START,
    catchup=False,
    max_active_runs=1,
    tags=["mizan", "expectations", "operator"],
    default_args={"owner": OWNER, **RETRIES},
    params={
        "batch": Param(
            type="string",
            pattern="^[0-9A-Za-z-]{8,64}$",
            title="Batch",
            description="As the red task report_closed_gates names it, after the agency.",
        ),
        "agency": Param(
            type="string",
            pattern=f"^{AGENCY_ID.pattern}$",
            title="Agency",
            description="Whose part of the batch is held.",
        ),
        "by": Param(
            type="string",
            minLength=2,
            maxLength=200,
            title="Who answers for it",
            description="Your name; it stands beside the verdict for ever.",
        ),
        "reason": Param(
            type="string", minLength=2, maxLength=2000, title="Reason", description="Why the batch is right as it is."
        ),
    },
    doc_md=__doc__,
)
def release_batch() -> None:
    """Held to released."""

    @task(outlets=[lake_events], execution_timeout=SHORT_TIMEOUT)
    def release(params: dict[str, str] | None = None) -> None:
        from pipeline.steps import release_batch as release_now

        assert params is not None
        with no_retry_when_wrong():
            release_now(params["batch"], params["agency"], by=params["by"], reason=params["reason"])

    release()


release_batch()
