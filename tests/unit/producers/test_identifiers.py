"""Event ids are UUIDs of version 7 that sort by time; shares come out exactly."""

from __future__ import annotations

import datetime as dt
import time
import uuid
from random import Random

import pytest

from contracts.identity import canonical_id, is_legal_id, is_national_id
from producers import identifiers
from producers.apportionment import apportion, choose, scatter, spread
from producers.citizens import Population, legal_id, national_id


def millisecond(event_id: str) -> int:
    return uuid.UUID(event_id).int >> 80


def test_an_event_id_is_a_uuid_of_version_7_with_its_millisecond() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid.UUID(identifiers.new_event_id())
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert before <= made.int >> 80 <= time.time_ns() // 1_000_000 + 1


def test_event_ids_of_a_process_sort_as_they_were_made() -> None:
    made = [identifiers.new_event_id() for _ in range(20_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_event_ids_go_on_rising_when_the_clock_steps_back(monkeypatch: pytest.MonkeyPatch) -> None:
    first = identifiers.new_event_id()
    monkeypatch.setattr(time, "time_ns", lambda: 1_000_000_000)
    assert identifiers.new_event_id() > first


def test_a_seeded_id_has_the_same_shape_and_follows_the_seed() -> None:
    at = int(dt.datetime(2020, 3, 21, tzinfo=dt.UTC).timestamp() * 1000)
    made = identifiers.seeded_event_id(at, Random(1))
    assert made == identifiers.seeded_event_id(at, Random(1)) != identifiers.seeded_event_id(at, Random(2))
    assert (uuid.UUID(made).version, uuid.UUID(made).variant) == (7, uuid.RFC_4122)
    assert millisecond(made) == at


@pytest.mark.parametrize("total", [0, 1, 7, 23_000, 2_300])
def test_shares_add_up_and_stay_within_one_of_the_exact(total: int) -> None:
    weights = [118, 158, 172, 178, 184, 190]
    for counts in (apportion(total, weights), scatter(total, weights, 0.37)):
        assert sum(counts) == total
        assert all(abs(count - total * weight / 1000) <= 1 for count, weight in zip(counts, weights, strict=True))


def test_any_run_of_indices_is_spread_evenly() -> None:
    for start in (0, 12_345, 10**9):
        run = [spread(index) for index in range(start, start + 400)]
        for share in (0.1, 0.3, 0.56):
            assert abs(sum(point < share for point in run) - 400 * share) <= 4


def test_the_last_share_takes_the_rest() -> None:
    assert choose((("a", 0.3), ("b", 0.7)), 0.299) == "a"
    assert choose((("a", 0.3), ("b", 0.7)), 0.3) == "b"
    assert choose((("a", 0.3), ("b", 0.6)), 0.999) == "b"


def test_simulated_ids_are_valid_distinct_and_start_with_9() -> None:
    numbers = range(0, 99_999_989, 99_991)
    national, legal = [national_id(n) for n in numbers], [legal_id(n) for n in numbers]
    assert all(is_national_id(digits) and digits[0] == "9" for digits in national)
    assert all(is_legal_id(digits) for digits in legal)
    assert len(set(national)) == len(set(legal)) == len(national)
    assert canonical_id(national[5]) == f"nid:{national[5]}"


def test_a_simulated_person_stays_the_same_and_another_seed_has_others() -> None:
    shares = (("18_34", 0.5), ("35_49", 0.5))
    people, others = Population("x", 1, shares, shares), Population("x", 2, shares, shares)
    assert people.citizen(7) == Population("x", 1, shares, shares).citizen(7)
    assert people.citizen(7).user_key != others.citizen(7).user_key
