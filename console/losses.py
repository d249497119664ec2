"""`mizan accept-loss`: the one way past offsets that Kafka no longer has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from console.output import JSON_OPTION, note, print_json, say
from contracts.errors import UsageError
from contracts.settings import Settings

if TYPE_CHECKING:
    from warehouse.losses import AcceptedLoss


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("accept-loss")(accept)


def accept(
    where: Annotated[str, typer.Argument(metavar="TOPIC[/PARTITION]", help="Such as egov.events.v1.tax/0.")],
    by: Annotated[str, typer.Option("--by", help="Who answers for it; is published.")],
    reason: Annotated[str, typer.Option("--reason", help="Why the offsets are gone; is published.")],
    begin: Annotated[
        int | None, typer.Argument(metavar="[FROM", help="The first lost offset: where the partition stands.")
    ] = None,
    until: Annotated[int | None, typer.Argument(metavar="TO]", help="The offset to go on from.")] = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """Enter what Kafka lost and let the partition go on. Exits 2 where nothing is lost.

    With FROM and TO: records that Kafka deleted before they landed. Without: a topic that is gone or was made anew
    (TOPIC), or a log that was cut (TOPIC/PARTITION); the next life of the partition is read from its first record.
    """
    from landing.begin_anew import begin_anew
    from landing.losses import accept_loss

    if (begin is None) != (until is None):
        raise UsageError("FROM and TO go together", hint="without either, the life of the topic's partitions is closed")
    if begin is None or until is None:
        closed = begin_anew(Settings.load(), where, by=by, reason=reason)
        losses, version, is_new = closed.losses, closed.lake_version, closed.is_new
    else:
        done = accept_loss(Settings.load(), where, begin, until, by=by, reason=reason)
        losses, version, is_new = (done.loss,), done.lake_version, done.is_new
    if as_json:
        shown = [_shown(loss) for loss in losses]
        # A range is one loss, as one object; a topic is a list of them.
        document = shown[0] if begin is not None else {"losses": shown}
        print_json({**document, "lake_version": version, "is_new": is_new})
        return
    for loss in losses:
        lost = "the rest of it is lost" if loss.offsets is None else f"{loss.offsets:,} offsets lost"
        say(f"{loss.topic}/{loss.partition}: {lost}; landing goes on from {loss.next_offset}")
    note("accepted" if is_new else "was accepted before; nothing changed")
    note("the next version published says so in accepted_losses")


def _shown(loss: AcceptedLoss) -> dict[str, object]:
    left_out = ("last_day_before", "accepted_at")
    return {name: value for name, value in vars(loss).items() if name not in left_out}
