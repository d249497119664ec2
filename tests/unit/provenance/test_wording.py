import pytest

from provenance.wording import Range, implied


@pytest.mark.parametrize(
    ("wording", "value", "step", "inside", "outside"),
    [
        ("exact", 651, 1, (651,), (650.9, 652)),
        ("over", 35, 1, (35, 35.99), (34.9, 36)),
        ("almost", 3, 1, (2.5, 2.99), (3, 2.29)),
        ("about", 13, 1, (12.5, 13.5), (12.4, 13.6)),
        ("rounded", 19.3, 0.1, (19.26, 19.34), (19.2, 19.4)),
        ("truncated", 48, 1, (48, 48.85), (47.9, 49)),
        ("stated", 88, 1, (87.59, 88.9), (87.4, 89)),
        ("at_least", 30, 1, (30, 100), (29.9,)),
    ],
)
def test_a_wording_leaves_its_own_range_open(wording, value, step, inside, outside):
    meaning = implied(wording, value, step)
    assert all(number in meaning for number in inside)
    assert not any(number in meaning for number in outside)


def test_from_one_number_to_another_is_one_range():
    meaning = implied("about", 75, 1, 80)
    assert 74.5 in meaning
    assert 80.5 in meaning
    assert 81 not in meaning


def test_over_thirty_five_by_about_thirteen_million_is_growth_of_159_to_188_percent():
    ratio = implied("over", 35, 1).over(implied("about", 13, 1))
    assert (ratio.low - 1) * 100 == pytest.approx(159.3, abs=0.05)
    assert (ratio.high - 1) * 100 == pytest.approx(188.0, abs=0.05)


def test_ranges_meet_where_one_lies_inside_the_other():
    assert Range(0, 10).meets(Range(4, 5))
    assert Range(4, 5).meets(Range(0, 10))
    assert not Range(48, 49, True).meets(Range(49, 66))
