"""Simulated people. No id here belongs to anybody, and all of them follow from the scenario's seed.

National ids are made with a valid check digit and start with 9, far from the numbers of registry offices;
the key they are turned into is the simulation's own, not the counting domain's.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from operator import mul

from contracts.identity import keyed_digest
from producers.apportionment import spread

# A prime just below 10**8: multiplying by anything permutes the eight free digits and never gives 99999999.
_PRIME = 99_999_989
_STRIDE = 61_803_399
# Of a national id's first nine digits; the sum that nine characters "0" have.
_WEIGHTS = range(10, 1, -1)
_OF_ZEROS = ord("0") * sum(_WEIGHTS)


def seeded(name: str, seed: int, scale: float) -> tuple[str, str]:
    """What seeds one telling of a scenario, and the tag in its ids: another seed or scale shares no id with it."""
    text = f"{name}|{seed}|{scale!r}"
    return text, hashlib.sha256(text.encode()).hexdigest()[:6]


@dataclass(frozen=True, slots=True)
class Citizen:
    """What an agency knows of a person: a key, an age band and a home. ``place`` is the scenario's kind of home."""

    user_key: str
    age_band: str
    place: str


class Population:
    """People numbered from 0: number n is always the same person of a scenario and seed.

    ``ages`` and ``places`` are shares that add up to 1.
    """

    def __init__(
        self, scenario: str, seed: int, ages: Sequence[tuple[str, float]], places: Sequence[tuple[str, float]]
    ) -> None:
        self._key = hashlib.sha256(f"simulated people|{scenario}|{seed}".encode()).digest()
        self._offset = int.from_bytes(self._key[:4], "big")
        # As contracts.identity.user_key, for many: what it makes of the key alone is made once.
        self._digest = keyed_digest(self._key)
        self._ages = _Shares(ages)
        self._places = _Shares(places)
        # Cached, because the same few meet again and again; bounded, because at full scale they are millions.
        self.citizen = lru_cache(maxsize=65_536)(self._citizen)
        self.business_key = lru_cache(maxsize=16_384)(self._business_key)

    def _citizen(self, number: int) -> Citizen:
        return Citizen(
            self._user_key(f"nid:{national_id(number + self._offset)}"),
            self._ages.choose(spread(3 * number + 1)),
            self._places.choose(spread(7 * number + 2)),
        )

    def _business_key(self, number: int) -> str:
        return self._user_key(f"legal:{legal_id(number + self._offset)}")

    def _user_key(self, canonical: str) -> str:
        return self._digest(canonical.encode("ascii")).hex()


class _Shares:
    """As apportionment.choose, for many points of the same shares."""

    def __init__(self, shares: Sequence[tuple[str, float]]) -> None:
        self._names = [name for name, _ in shares]
        self._ends = list(accumulate(share for _, share in shares[:-1]))

    def choose(self, point: float) -> str:
        """The name whose part of [0, 1) holds ``point``; the last takes the rest."""
        return self._names[bisect_right(self._ends, point)]


def national_id(number: int) -> str:
    """Ten digits with a valid check digit; different for the first 99,999,989 numbers."""
    digits = f"9{number * _STRIDE % _PRIME:08d}"
    remainder = (sum(map(mul, digits.encode("ascii"), _WEIGHTS)) - _OF_ZEROS) % 11
    return f"{digits}{remainder if remainder < 2 else 11 - remainder}"


def legal_id(number: int) -> str:
    """Eleven digits of a legal person with a valid check digit; different for the first 99,999,989 numbers."""
    digits = f"99{number * _STRIDE % _PRIME:08d}"
    shift = int(digits[9]) + 2
    weights = (29, 27, 23, 19, 17) * 2
    remainder = sum((int(digit) + shift) * weight for digit, weight in zip(digits, weights, strict=True)) % 11
    return f"{digits}{0 if remainder == 10 else remainder}"
