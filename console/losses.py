"""`mizan accept-loss`: the one way past offsets that Kafka no longer has."""

from __future__ import annotations

from typing import Annotated

import typer

from console.output import JSON_OPTION, data, note, print_json
from contracts.settings import Settings


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("accept-loss")(accept)


def accept(
    partition: Annotated[str, typer.Argument(metavar="TOPIC/PARTITION", help="Such as egov.events.v1.tax/0.")],
    begin: Annotated[int, typer.Argument(metavar="FROM", help="The first lost offset: where the partition stands.")],
    until: Annotated[int, typer.Argument(metavar="TO", help="The offset to go on from.")],
    by: Annotated[str, typer.Option("--by", help="Who answers for it; is published.")],
    reason: Annotated[str, typer.Option("--reason", help="Why the offsets are gone; is published.")],
    as_json: bool = JSON_OPTION,
) -> None:
    """Enter offsets as lost and let their partition go on. Exits 2 where they are not lost."""
    from landing.losses import accept_loss

    done = accept_loss(Settings.load(), partition, begin, until, by=by, reason=reason)
    if as_json:
        shown = {
            name: value
            for name, value in vars(done.loss).items()
            if name != "last_day_before" and name != "accepted_at"
        }
        print_json({**shown, "lake_version": done.lake_version, "is_new": done.is_new})
        return
    data.print(f"{partition}: {done.loss.offsets:,} offsets lost; landing goes on from {until}", markup=False)
    note("accepted" if done.is_new else "was accepted before; nothing changed")
    note("the next version published says so in accepted_losses")
