"""Simulated people. No id here belongs to anybody, and all of them follow from the scenario's seed.

National ids are made with a valid check digit and start with 9, far from the numbers of registry offices;
the key they are turned into is the simulation's own, not the counting domain's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from contracts.identity import user_key
from producers.apportionment import choose, spread

# A prime just below 10**8: multiplying by anything permutes the eight free digits and never gives 99999999.
_PRIME = 99_999_989
_STRIDE = 61_803_399


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
        self._ages = ages
        self._places = places
        # Cached, because the same few meet again and again; bounded, because at full scale they are millions.
        self.citizen = lru_cache(maxsize=65_536)(self._citizen)
        self.business_key = lru_cache(maxsize=16_384)(self._business_key)

    def _citizen(self, number: int) -> Citizen:
        return Citizen(
            user_key(self._key, f"nid:{national_id(number + self._offset)}"),
            choose(self._ages, spread(3 * number + 1)),
            choose(self._places, spread(7 * number + 2)),
        )

    def _business_key(self, number: int) -> str:
        return user_key(self._key, f"legal:{legal_id(number + self._offset)}")


def national_id(number: int) -> str:
    """Ten digits with a valid check digit; different for the first 99,999,989 numbers."""
    digits = f"9{number * _STRIDE % _PRIME:08d}"
    remainder = sum(int(digit) * (10 - place) for place, digit in enumerate(digits)) % 11
    return f"{digits}{remainder if remainder < 2 else 11 - remainder}"


def legal_id(number: int) -> str:
    """Eleven digits of a legal person with a valid check digit; different for the first 99,999,989 numbers."""
    digits = f"99{number * _STRIDE % _PRIME:08d}"
    shift = int(digits[9]) + 2
    weights = (29, 27, 23, 19, 17) * 2
    remainder = sum((int(digit) + shift) * weight for digit, weight in zip(digits, weights, strict=True)) % 11
    return f"{digits}{0 if remainder == 10 else remainder}"
