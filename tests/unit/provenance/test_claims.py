import datetime as dt

import pytest

from contracts.errors import BadInput, UsageError
from provenance.claim_files import find, read, shipped
from provenance.claim_report import document
from provenance.figures import PublishedTables

QOM = {"scope": "province", "scope_id": "qom"}


def cell(measure, key=None, **more):
    return {"table": more.pop("table", "levels"), "key": key or QOM, "measure": measure} | more


@pytest.fixture
def levels(put):
    for day, services in ((dt.date(2020, 3, 20), 640), (dt.date(2020, 6, 1), 651)):
        put(
            "levels",
            as_of=day,
            scope="province",
            scope_id="qom",
            services=services,
            services_status="value",
            share_lower=318 / 651,
            share_lower_status="value",
            share_upper=433 / 651,
            share_upper_status="value",
            share_of_known=318 / 536,
            share_of_known_status="value",
        )


UNTIL = {"newest": {"as_of": dt.date(2020, 9, 21)}}


def test_a_number_that_the_published_cell_shows_is_confirmed(levels, checked):
    outcome = checked(
        {"id": "services", "quoted": {"value": 651, "unit": "count"}, "figures": [cell("services", **UNTIL)]}
    )
    assert (outcome.verdict, outcome.number.value) == ("confirmed", 651)


def test_the_newest_row_on_or_before_the_day_speaks(levels, checked):
    figure = cell("services", newest={"as_of": dt.date(2020, 5, 31)})
    assert checked({"id": "s", "quoted": {"value": 651, "unit": "count"}, "figures": [figure]}).verdict == "differs"


def test_unknown_levels_leave_a_range_and_a_cut_percentage_is_its_lower_end(levels, checked):
    figures = [cell("share_lower", **UNTIL, factor=100), cell("share_upper", **UNTIL, factor=100)]
    outcome = checked(
        {
            "id": "electronic",
            "kind": "share_bounds",
            "quoted": {"value": 48, "unit": "percent", "wording": "stated"},
            "figures": figures,
            "expect": "confirmed_as_range",
        }
    )
    assert outcome.is_expected
    assert outcome.number.range.low == pytest.approx(48.85, abs=0.005)
    assert outcome.number.range.high == pytest.approx(66.51, abs=0.005)
    assert set(outcome.because) >= {"unknown_share", "truncated"}


@pytest.mark.parametrize(
    ("status", "verdict"),
    [("not_provided", "not_provided"), ("suppressed", "withheld"), ("not_applicable", "not_applicable")],
)
def test_a_cell_without_a_number_is_no_zero(put, checked, status, verdict):
    put("t", scope="province", scope_id="qom", n=None, n_status=status)
    outcome = checked({"id": "n", "quoted": {"value": 0, "unit": "count"}, "figures": [cell("n", table="t")]})
    assert (outcome.verdict, outcome.number) == (verdict, None)


def test_a_row_or_a_table_that_is_not_there_is_not_published(levels, checked):
    elsewhere = {"scope": "province", "scope_id": "yazd"}
    for figure in (cell("services", elsewhere, **UNTIL), cell("n", table="nowhere")):
        assert checked({"id": "s", "figures": [figure]}).verdict == "not_published"


def test_a_scaled_count_stands_for_more_and_is_exact_to_half_an_event(put, checked):
    put("users", month="1402-06", n=3_500, n_status="value")
    figure = cell("n", {"month": "1402-06"}, table="users", scaled=True)
    quoted = {"value": 35_000_000, "unit": "count", "wording": "over", "step": 1_000_000}
    outcome = checked({"id": "users", "quoted": quoted, "figures": [figure]}, scale=0.0001)
    assert (outcome.verdict, outcome.number.value) == ("confirmed", 35_000_000)
    assert outcome.number.range.high == pytest.approx(35_005_000)
    assert "scaled" in outcome.because


@pytest.fixture
def window(put):
    for month, users in (("1402-01", 13_000_000), ("1402-06", 35_000_000)):
        put("users", month=month, n=users, n_status="value")


def users(month):
    return cell("n", {"month": month}, table="users")


NOW = {
    "id": "now",
    "quoted": {"value": 35, "unit": "count", "wording": "over", "step": 1},
    "figures": [users("1402-06")],
    "expect": "differs",
}
THEN = {
    "id": "then",
    "quoted": {"value": 13, "unit": "count", "wording": "about", "step": 1},
    "figures": [users("1402-01")],
    "expect": "differs",
}


def test_a_ratio_that_is_said_as_growth_is_found_out(window, checked):
    growth = {
        "id": "growth",
        "kind": "growth_pct",
        "quoted": {"value": 280, "unit": "percent", "wording": "stated"},
        "figures": [users("1402-06"), users("1402-01")],
        "from_quotes": ["now", "then"],
        "expect": "differs",
    }
    outcome = checked(NOW, THEN, growth)
    assert outcome.verdict == "differs"
    assert outcome.number.value == pytest.approx(169.23, abs=0.005)
    assert outcome.by_quotes.range.low == pytest.approx(159.26, abs=0.005)
    assert outcome.by_quotes.range.high == pytest.approx(188.0, abs=0.005)
    assert "ratio_said_as_growth" in outcome.because


def test_four_times_and_sixteen_points_are_solved_in_both_readings(put, checked):
    put("rounds", round="2", mean=16 / 3, mean_status="value")
    put("rounds", round="3", mean=64 / 3, mean_status="value")
    means = [cell("mean", {"round": name}, table="rounds") for name in ("2", "3")]
    points = {
        "id": "points",
        "kind": "growth_points",
        "quoted": {"value": 16, "unit": "points"},
        "figures": means[::-1],
    }
    times = {"id": "times", "kind": "ratio", "quoted": {"value": 4, "unit": "ratio"}, "figures": means[::-1]}
    solved = {
        "id": "both",
        "kind": "solve_points",
        "from_quotes": ["points", "times"],
        "figures": means,
        "expect": "confirmed_on_a_reading",
    }
    outcome = checked(points, times, solved)
    assert outcome.is_expected
    assert outcome.readings == {
        "4 times as much: 5.33 to 21.33": "confirmed",
        "5 times as much: 4.00 to 20.00": "differs",
    }


def test_a_share_whose_base_was_not_said_is_tried_on_every_base(put, checked):
    for base, share in (("all", 0.61), ("new", 0.53)):
        put("shares", base=base, share=share, share_status="value")
    figures = [cell("share", {"base": base}, table="shares", factor=100, name=base) for base in ("all", "new")]
    claim = {
        "id": "citizens",
        "kind": "readings",
        "quoted": {"value": 53, "unit": "percent", "wording": "stated"},
        "figures": figures,
        "expect": "confirmed_on_a_reading",
    }
    outcome = checked(claim)
    assert outcome.readings == {"all": "differs", "new": "confirmed"}
    assert outcome.is_expected


def test_rows_that_cannot_be_judged_leave_a_count_open(put, checked):
    for district, full, status in (("kahak", 4, "value"), ("markazi", 0, "value"), ("jafarieh", None, "not_provided")):
        put("districts", district=district, full=full, full_status=status)
    claim = {
        "id": "districts",
        "quoted": {"value": 1, "unit": "count"},
        "figures": [
            cell(
                "full",
                {"district": ["kahak", "markazi", "jafarieh"]},
                table="districts",
                combine="count",
                where={"full": {"at_least": 1}},
            )
        ],
        "expect": "confirmed_as_range",
    }
    outcome = checked(claim)
    assert (outcome.number.range.low, outcome.number.range.high) == (1, 2)
    assert outcome.is_expected


def test_a_remainder_of_quoted_percentages_is_a_range(checked):
    parts = [
        {
            "id": name,
            "kind": "unsaid",
            "lacks": "figure",
            "quoted": {"value": value, "unit": "percent", "wording": "stated"},
        }
        for name, value in (("portal", 73), ("counter", 17))
    ]
    rest = {
        "id": "app",
        "kind": "remainder",
        "quoted": {"value": 10, "unit": "percent", "wording": "about"},
        "from_quotes": ["portal", "counter"],
    }
    outcome = checked(*parts, rest)
    assert (outcome.by_quotes.range.low, outcome.by_quotes.range.high) == (8.0, 11.0)
    assert outcome.verdict == "confirmed_as_range"


def test_a_state_is_that_of_every_row(put, checked):
    for agency, state in (("a", "never"), ("b", "never")):
        put("status", agency_id=agency, connection_state=state)
    figure = cell("connection_state", {"agency_id": ["a", "b"]}, table="status", combine="texts")
    for said, verdict in (("never", "confirmed"), ("connected", "differs")):
        claim = {"id": "s", "kind": "state", "quoted": {"value": said, "unit": "state"}, "figures": [figure]}
        assert checked(claim).verdict == verdict


def test_the_gravest_row_speaks_for_a_mandate(put, checked):
    for agency, state in (("a", "met"), ("b", "overdue"), ("c", "not_measurable")):
        put("mandates", mandate_id="all-online", scope_id=agency, compliance=state)
    figure = cell("compliance", {"mandate_id": "all-online"}, table="mandates")
    figure["combine"] = "texts"
    outcome = checked({"id": "m", "kind": "mandate", "figures": [figure], "expect": "overdue"})
    assert outcome.is_expected
    assert outcome.text == "met: 1, not_measurable: 1, overdue: 1"


def test_coverage_is_never_a_hundred_percent_where_nobody_said_how_many_were_asked(put, checked):
    put("t", scope="province", scope_id="qom", n=54, n_status="value")
    key = '{"scope":"province","scope_id":"qom"}'
    put(
        "figure_passports",
        table_name="t",
        measure="n",
        key=key,
        coverage=None,
        coverage_status="not_provided",
        inputs="{}",
    )
    claim = {"id": "asked", "kind": "coverage", "figures": [cell("n", table="t")], "expect": "not_provided"}
    outcome = checked(claim)
    assert outcome.is_expected
    assert "missing_denominator" in outcome.because


def test_what_was_not_said_is_not_provided_or_not_measurable(checked):
    for lacks, verdict in (("population", "not_provided"), ("criterion", "not_measurable")):
        assert checked({"id": "x", "kind": "unsaid", "lacks": lacks, "expect": verdict}).is_expected


def test_two_rows_for_one_figure_are_a_mistake_of_the_file(levels, checked):
    with pytest.raises(UsageError, match="2 rows of levels"):
        checked({"id": "s", "figures": [cell("services")]})


def test_an_unknown_column_names_the_nearest(levels, checked):
    with pytest.raises(UsageError) as told:
        checked({"id": "s", "figures": [cell("servises")]})
    assert "services" in (told.value.hint or "")


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ({"id": "a", "kind": "guess", "figures": [cell("n")]}, "kind is 'guess'"),
        ({"id": "a", "expect": "true", "figures": [cell("n")]}, "expect is 'true'"),
        ({"id": "a"}, "no figures and no quotes"),
        ({"id": "a", "figures": [cell("n")], "because": ["hearsay"]}, "because is 'hearsay'"),
        ({"id": "a", "figures": [cell("n")], "from_quotes": ["b"]}, "there is no claim b"),
        ({"id": "a", "figures": [cell("n")], "colour": 1}, "colour is no field"),
    ],
)
def test_a_claim_file_says_where_it_is_wrong(claims, entry, complaint):
    with pytest.raises(BadInput, match=complaint):
        claims(entry)


def test_a_checked_file_is_one_document(levels, published, claims, checked):
    entry = {"id": "services", "quoted": {"value": 651, "unit": "count"}, "figures": [cell("services", **UNTIL)]}
    told = document(claims(entry), [checked(entry)])
    (claim,) = told["claims"]
    assert claim["verdict"] == "confirmed"
    assert claim["figures"][0]["explain"] == (
        "mizan explain levels scope=province scope_id=qom as_of=2020-06-01 --measure services"
    )


def test_a_shipped_file_is_found_by_the_beginning_of_its_name():
    for path in shipped():
        assert find(path.stem[:3]) == [path]
        assert read(path).source.id == path.stem
    with pytest.raises(UsageError, match="no claim file"):
        find("nothing-like-it")


def test_the_reader_knows_its_tables(levels, published):
    assert PublishedTables(published).tables() == ("levels",)
