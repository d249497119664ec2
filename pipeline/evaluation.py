"""The national evaluation as steps: which rounds wait, and one of them. Tasks pass rounds' names, never scores."""

from __future__ import annotations

from contracts.settings import Settings


def rounds_to_evaluate(name: str | None = None, settings: Settings | None = None) -> list[str]:
    """Take landed scores into the facts; the rounds whose ranking changed by them, or the one asked for.

    Raises UsageError for a round nobody scored.
    """
    from transforms.rounds import rounds_to_evaluate as found

    return found(settings or Settings.load(), name)


def evaluate_round(name: str, settings: Settings | None = None) -> int:
    """Rank one round's agencies anew; how many there are. Raises UsageError for a round nobody scored."""
    from transforms.rounds import evaluate_round as evaluate

    return evaluate(settings or Settings.load(), name)
