"""Whole numbers from shares: how a scenario's totals come out exactly, however it is scaled."""

from __future__ import annotations

from collections.abc import Sequence

_GOLDEN = 0x9E3779B97F4A7C15  # 2**64 divided by the golden ratio
_MASK = 2**64 - 1


def apportion(total: int, weights: Sequence[float]) -> list[int]:
    """Whole numbers in proportion to ``weights`` that add up to ``total``: largest remainder, ties to the first."""
    whole = sum(weights)
    exact = [total * weight / whole for weight in weights]
    shares = [int(share) for share in exact]
    order = sorted(range(len(exact)), key=lambda place: (shares[place] - exact[place], place))
    for place in order[: total - sum(shares)]:
        shares[place] += 1
    return shares


def spread(index: int) -> float:
    """A number in [0, 1) for every index, so that any run of indices is spread evenly over [0, 1).

    Choosing by it instead of by chance keeps a share true within one or two events, also in small scales.
    """
    return ((index * _GOLDEN) & _MASK) / 2**64


def choose(shares: Sequence[tuple[str, float]], point: float) -> str:
    """The name whose part of [0, 1) holds ``point``; the shares add up to 1, the last takes the rest."""
    for name, share in shares:
        point -= share
        if point < 0:
            return name
    return shares[-1][0]


def scatter(total: int, weights: Sequence[float], offset: float) -> list[int]:
    """Whole numbers that add up to ``total``, laid over the places at even steps of weight from ``offset`` in [0, 1).

    Unlike ``apportion`` it does not favour the same places for every small total: the offset moves them.
    """
    counts = [0] * len(weights)
    whole = sum(weights)
    place, reached = 0, weights[0]
    for step in range(total):
        point = (step + offset) * whole / total
        while point >= reached and place < len(weights) - 1:
            place += 1
            reached += weights[place]
        counts[place] += 1
    return counts
