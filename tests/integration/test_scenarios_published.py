"""The five reports' figures, from events through the broker to the published tables of one home."""

import datetime as dt
import hashlib
from pathlib import Path

import public_attacker
import pytest
from five_reports import SCALE, compliance, newest

from provenance.check import check
from provenance.claim_files import read, shipped
from provenance.explain import explain
from provenance.figures import PublishedTables
from warehouse.published import open_published

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1800)]
IN_ABAN_1398, IN_ESFAND_1398, IN_KHORDAD_1397 = "2019-10-26", "2020-03-05", "2018-05-20"
IN_SHAHRIVAR_1399, IN_SHAHRIVAR_1402 = "2020-09-21", "2023-09-22"


@pytest.fixture(scope="module")
def published(scenarios_home):
    with open_published(scenarios_home, "analyst") as tables:
        yield tables


def test_every_claim_of_the_five_texts_is_what_its_file_says(published):
    for outcomes in (check(read(path), PublishedTables(published, float(SCALE))) for path in shipped()):
        assert not [(one.claim.id, one.verdict) for one in outcomes if not one.is_expected]


def test_a_figure_is_explained_down_to_offsets_and_files_and_counts_up_again(scenarios_home):
    explained = explain(
        scenarios_home, "period_totals", {"period": "1399-H1", "scope_key": "province:qom"}, "completed"
    )
    events = explained["inputs"]["events"][0]
    assert events["recounts"] == [{"measure": "completed", "published": 2_300, "recounted": 2_300, "matches": True}]
    for parts in ("partitions", "batches", "files"):
        assert sum(part["events"] for part in events[parts]) == 2_300
    for file in events["files"]:
        assert hashlib.sha256(Path(file["path"]).read_bytes()).hexdigest() == file["sha256"]


# Qom province, first half of 1399


def test_qom_completes_twenty_three_million_in_six_jalali_months(published):
    query = """
        SELECT sum(completed), count(*) FROM marts.monthly_transactions
        WHERE calendar = 'jalali' AND scope_key = 'province:qom' AND channel = 'all'
        AND month BETWEEN '1399-01' AND '1399-06'
    """
    assert published.execute(query).fetchone() == (2_300, 6)
    half = """
        SELECT completed, days FROM marts.period_totals
        WHERE period = '1399-H1' AND scope_key = 'province:qom' AND channel = 'all'
    """
    assert published.execute(half).fetchall() == [(2_300, 186)]


def test_fifty_four_agencies_answered_and_how_many_were_asked_is_not_provided(published):
    agencies = "SELECT count(DISTINCT agency_id) FROM marts.dim_agency WHERE agency_id LIKE 'qom-%'"
    assert published.execute(agencies).fetchone() == (54,)
    coverage = """
        SELECT DISTINCT population, coverage_status FROM marts.figure_passports
        WHERE table_name = 'period_totals' AND measure = 'completed'
        AND json_extract_string(key, '$.period') = '1399-H1'
        AND json_extract_string(key, '$.scope') = 'province' AND json_extract_string(key, '$.scope_id') = 'qom'
    """
    assert published.execute(coverage).fetchall() == [(None, "not_provided")]


def test_what_agencies_declare_stands_beside_what_landed_and_what_cannot_be_counted_is_not_provided(published):
    half = """
        SELECT completed, declared FROM marts.period_totals
        WHERE calendar = 'jalali' AND period = '1399-H1' AND scope_key = 'national:IR' AND channel = 'all'
    """
    assert published.execute(half).fetchall() == [(2_300, 2_300)]
    services = """
        SELECT declared_status, count(*), count(declared) FROM marts.period_totals
        WHERE calendar = 'jalali' AND period = '1399-01/1399-06' AND scope = 'service' AND channel = 'all'
        AND declared_status <> 'value' AND completed_status <> 'value'
        GROUP BY ALL ORDER BY ALL
    """
    blocked, launching = 61, 43  # six of the 49 being launched cannot be counted either
    assert published.execute(services).fetchall() == [
        ("not_applicable", launching, 0),
        ("not_provided", blocked, 0),
    ]


def test_qom_offers_651_services_of_which_48_to_66_percent_are_fully_electronic(scenarios_home, published):
    levels = published.execute(f"""
        SELECT services, "full", partial, unknown, share_lower, share_upper, share_of_known
        FROM {newest("service_levels", IN_SHAHRIVAR_1399, "province", "qom")}
    """).fetchall()
    assert levels == [(651, 318, 218, 115, 318 / 651, 433 / 651, 318 / 536)]
    assert [round(100 * share, 2) for share in levels[0][4:]] == [48.85, 66.51, 59.33]
    page = scenarios_home.published / "public/report/fa/province/qom.html"
    assert "بین <bdi>۴۸٫۸۵</bdi> تا <bdi>۶۶٫۵۱</bdi> درصد" in page.read_text()


def test_145_services_are_new_in_two_states_and_128_of_them_are_transactional(published):
    def new(dimension: str) -> dict[str, int]:
        query = f"""
            SELECT code, services FROM {newest("service_shares", IN_SHAHRIVAR_1399, "province", "qom")}
            WHERE base = 'new' AND dimension = ? AND services > 0
        """
        return dict(published.execute(query, [dimension]).fetchall())

    assert new("lifecycle") == {"launching": 49, "live": 96}
    nature = new("nature")
    assert nature["transactional"] + nature["transactional_interactive"] == 128
    assert sum(nature.values()) == 145


@pytest.mark.parametrize(("base", "services"), [("all", 651), ("new", 145)])
def test_53_73_and_17_percent_hold_for_both_bases_and_the_app_is_what_is_left(published, base, services):
    # Shares of all services change with the catalogue, those of new ones with every launch: each has its own days.
    query = """
        SELECT code, round(100 * share), total_services FROM marts.service_shares
        WHERE scope_key = 'province:qom' AND base = ? AND as_of <= CAST(? AS DATE)
        AND (dimension = 'primary_channel' OR dimension = 'audience' AND code = 'citizen')
        QUALIFY row_number() OVER (PARTITION BY dimension, code ORDER BY as_of DESC) = 1
    """
    rows = published.execute(query, [base, IN_SHAHRIVAR_1399]).fetchall()
    shares = {code: share for code, share, _ in rows}
    assert (shares["citizen"], shares["portal"], shares["counter_office"]) == (53, 73, 17)
    assert 8 <= shares["mobile_app"] <= 11
    assert {total for *_, total in rows} == {services}


def test_use_moves_from_counters_to_portals_and_apps(published):
    query = """
        SELECT channel, share FROM marts.monthly_channel_share
        WHERE calendar = 'jalali' AND scope_key = 'province:qom' AND month = ?
    """
    first, last = (dict(published.execute(query, [month]).fetchall()) for month in ("1399-01", "1399-06"))
    assert last["counter_office"] < first["counter_office"]
    assert last["portal"] + last["mobile_app"] > first["portal"] + first["mobile_app"]


def test_speed_and_rejections_are_published_for_every_month(published):
    query = """
        SELECT count(*), bool_and(duration_p50 <= duration_p90), bool_and(reject_rate BETWEEN 0 AND 1)
        FROM marts.monthly_transactions
        WHERE calendar = 'jalali' AND scope_key = 'province:qom' AND channel = 'all'
        AND month BETWEEN '1399-01' AND '1399-06'
    """
    assert published.execute(query).fetchone() == (6, True, True)


# The national evaluation, 1395 to 1397


def test_three_rounds_have_their_agencies_and_means_and_partial_scope_is_never_averaged(published):
    query = """
        SELECT round, agencies, partial_scope, round(mean_score, 6) FROM marts.evaluation_rounds
        WHERE cohort = 'all' ORDER BY round
    """
    assert published.execute(query).fetchall() == [
        ("1395", 62, 2, 19.3),
        ("1396-06", 83, 2, 28.0),
        ("1396-12", 93, 6, 38.95),
    ]


def test_a_first_round_has_no_growth_and_the_third_has_points_percent_and_a_matched_cohort(published):
    query = """
        SELECT cohort, growth_pct_status, round(growth_points, 2), round(growth_pct, 1) FROM marts.evaluation_rounds
        WHERE round = ? ORDER BY cohort
    """
    first = published.execute(query, ["1395"]).fetchall()
    assert {status for _, status, *_ in first} == {"not_applicable"}
    third = published.execute(query, ["1396-12"]).fetchall()
    assert third[0] == ("all", "value", 10.95, 39.1)
    assert third[1][0] == "matched"
    assert third[1] != third[0]


def test_participation_goes_from_a_third_over_five_to_a_third_over_twenty_one(published):
    query = """
        SELECT round(mean_participation, 2) FROM marts.evaluation_rounds
        WHERE cohort = 'all' AND round >= '1396-06' ORDER BY round
    """
    assert published.execute(query).fetchall() == [(5.33,), (21.33,)]


def test_the_third_round_is_ranked_as_told_with_its_population(published):
    query = """
        SELECT agency_id, round(score, 6), rank, population FROM marts.agency_ranking
        WHERE round = '1396-12' AND rank IS NOT NULL ORDER BY rank
    """
    ranked = published.execute(query).fetchall()
    assert ranked[:7] == [
        ("central-insurance", 97, 1, 87),
        ("economy-ministry", 79, 2, 87),
        ("customs", 78, 3, 87),
        ("standards-organization", 72, 4, 87),
        ("state-trading", 69, 5, 87),
        ("tax-administration", 68, 6, 87),
        ("transport-infrastructure", 67, 7, 87),
    ]
    assert [row[:2] for row in ranked[-2:]] == [("thermal-power", 9), ("pasteur-institute", 3)]


def test_who_was_scored_on_web_presence_alone_has_no_rank(published):
    query = """
        SELECT count(*), count(rank), bool_and(rank_status = 'not_applicable') FROM marts.agency_ranking
        WHERE round = '1396-12' AND scope_flag = 'web_presence_only' AND agency_id IN
        ('education-ministry', 'agricultural-engineering', 'pension-organization', 'educational-testing')
    """
    assert published.execute(query).fetchone() == (4, 0, True)


def test_of_nine_quarters_due_by_spring_1397_three_had_a_round(published):
    query = "SELECT count(*), count(*) FILTER (WHERE held) FROM marts.evaluation_calendar"
    assert published.execute(query).fetchone() == (9, 3)
    assert compliance(published, "evaluation-every-three-months", IN_KHORDAD_1397) == {"IR": "not_met"}


def test_the_priority_projects_ask_for_75_to_80_percent_and_nothing_measured_it_then(published):
    assert compliance(published, "priority-projects-1397", IN_KHORDAD_1397) == {"IR": "not_measurable"}
    query = "SELECT DISTINCT threshold_low, threshold_high FROM marts.mandate_compliance WHERE mandate_id = ?"
    assert published.execute(query, ["priority-projects-1397"]).fetchall() == [(0.75, 0.8)]


def test_paper_falls_at_deeds_and_tax_and_the_central_banks_is_not_provided(published):
    query = """
        SELECT month, online_share, online_share_status FROM marts.inquiries
        WHERE calendar = 'jalali' AND agency_id = ? AND counterpart_agency_id = 'all'
        AND month IN ('1396-10', '1397-02') ORDER BY month
    """
    for agency in ("deeds-organization", "tax-administration"):
        (_, first, _), (_, last, _) = published.execute(query, [agency]).fetchall()
        assert 0 < first < last < 1
    told = published.execute(query, ["central-bank"]).fetchall()
    assert told == [("1396-10", None, "not_provided"), ("1397-02", None, "not_provided")]


# The national window, 1402


def test_the_window_has_thirty_five_million_users_ever_and_thirteen_in_farvardin(published):
    query = """
        SELECT month, registered_users FROM marts.monthly_users
        WHERE calendar = 'jalali' AND scope_key = 'national:IR' AND channel = 'national_window'
        AND month IN ('1402-01', '1402-06') ORDER BY month
    """
    users = published.execute(query).fetchall()
    assert users == [("1402-01", 1_300), ("1402-06", 3_500)]
    assert round(100 * (users[1][1] / users[0][1] - 1)) == 169


def test_the_window_has_eighty_million_visits_a_month_and_its_agencies_do_not_add_up(published):
    query = """
        SELECT avg(visits) FROM marts.monthly_visits
        WHERE calendar = 'jalali' AND scope_key = 'national:IR' AND channel = 'national_window' AND month >= '1402-01'
    """
    assert published.execute(query).fetchone() == (8_000.0,)
    assert round(8_000 / 3_500, 2) == 2.29
    parts = """
        SELECT sum(visits) / 6 FROM marts.monthly_visits
        WHERE calendar = 'jalali' AND scope = 'agency' AND channel = 'national_window' AND month >= '1402-01'
    """
    assert published.execute(parts).fetchone()[0] > 8_000


def test_five_mandates_are_each_met_or_not_by_ministry(published):
    assert set(compliance(published, "window-1401-services-30", IN_SHAHRIVAR_1402).values()) == {"met"}
    connected = compliance(published, "window-1402-connected", IN_SHAHRIVAR_1402)
    assert {who for who, word in connected.items() if word == "not_met"} == {"agriculture-ministry", "labour-ministry"}
    assert connected["justice-ministry"] == "met"
    through = compliance(published, "window-1402-services-all", IN_SHAHRIVAR_1402)
    assert (through["energy-ministry"], through["oil-ministry"]) == ("met", "not_met")
    assert compliance(published, "window-1402-inquiries-online", IN_SHAHRIVAR_1402) == {"IR": "not_met"}
    smart = compliance(published, "window-1402-smart-20", IN_SHAHRIVAR_1402)
    # Where services of unknown level could make up the difference, nobody can say.
    assert (smart["justice-ministry"], smart["agriculture-ministry"]) == ("not_met", "not_measurable")


def test_connection_is_a_timeline_with_reasons(published):
    query = """
        SELECT day, connection_state, reason FROM marts.agency_status
        WHERE agency_id = ? AND since = day AND day >= DATE '2023-03-21' ORDER BY day
    """
    timelines = {
        agency: [row[1:] for row in published.execute(query, [agency]).fetchall()]
        for agency in ("welfare", "veterinary", "rural-cooperatives", "agriculture-ministry")
    }
    assert timelines == {
        "welfare": [("connected", "on_window"), ("disconnected", "left_window")],
        "veterinary": [("connected", "on_window"), ("standard_lost", "old_contract")],
        "rural-cooperatives": [("connecting", "not_on_window")],
        "agriculture-ministry": [("connected", "on_window")],
    }


def test_a_ministrys_connection_is_counts_by_state_over_what_belongs_to_it(published):
    query = """
        SELECT connection_state, count(*) FROM marts.agency_status AS s
        INNER JOIN marts.dim_agency AS a ON s.agency_id = a.agency_id
        WHERE a.ministry_id = 'agriculture-ministry' AND a.expected_to_report AND s.day = CAST(? AS DATE) GROUP BY ALL
    """
    states = dict(published.execute(query, [str(dt.date(2023, 9, 20))]).fetchall())
    assert states == {"connected": 2, "standard_lost": 1, "connecting": 1, "never": 1}


def test_ministries_are_electronic_as_told_and_three_are_connected_and_low(published):
    def share(ministry: str) -> float:
        query = f"SELECT electronic_share FROM {newest('service_levels', IN_SHAHRIVAR_1402, 'ministry', ministry)}"
        return published.execute(query).fetchone()[0]

    assert share("justice-ministry") == share("energy-ministry") == 1
    assert round(100 * share("ict-ministry")) == 97
    assert all(share(f"{name}-ministry") > 0.7 for name in ("education", "health", "sport"))
    assert all(share(f"{name}-ministry") < 0.3 for name in ("agriculture", "heritage", "oil"))


# Tehran province, Aban 1398


def test_forty_percent_of_services_are_electronic_in_the_nation_and_44_in_tehran(published):
    for scope, scope_id, services, share in (("national", "IR", 1_000, 0.4), ("province", "tehran", 800, 0.44)):
        query = f"SELECT services, electronic_share FROM {newest('service_levels', IN_ABAN_1398, scope, scope_id)}"
        assert published.execute(query).fetchall() == [(services, share)]


def test_every_one_of_eighty_agencies_is_at_its_desk_and_who_was_expected_is_not_provided(published):
    query = """
        SELECT count(*), count(*) FILTER (WHERE participates), count(expected) FROM (
            SELECT * FROM marts.service_desk WHERE agency_id LIKE 'tehran-%' AND as_of <= CAST(? AS DATE)
            QUALIFY row_number() OVER (PARTITION BY agency_id ORDER BY as_of DESC) = 1
        )
    """
    assert published.execute(query, [IN_ABAN_1398]).fetchone() == (80, 80, 0)


def test_why_people_come_is_told_by_agencies_and_by_people_apart(published):
    query = """
        SELECT reason FROM marts.reasons_in_person
        WHERE calendar = 'jalali' AND month = '1398-07' AND scope_key = 'national:IR' AND channel = 'all'
        AND reported_by = ? AND rank <= 2 ORDER BY rank
    """
    by_agencies, by_people = (published.execute(query, [who]).fetchall() for who in ("agency", "citizen"))
    assert by_agencies == [("telecom_tariff",), ("infrastructure_cost",)]
    assert by_people == [("prefers_in_person",), ("not_aware",)]


# Qom's districts, Esfand 1398


def test_one_of_five_districts_has_electronic_processes_and_the_others_zeros_are_told(published):
    query = """
        SELECT district, "full", full_status, expected FROM marts.district_services WHERE as_of <= CAST(? AS DATE)
        QUALIFY row_number() OVER (PARTITION BY district ORDER BY as_of DESC) = 1
        ORDER BY district
    """
    assert published.execute(query, [IN_ESFAND_1398]).fetchall() == [
        ("jafarieh", 0, "value", True),
        ("kahak", 4, "value", True),
        ("khalajestan", 0, "value", True),
        ("markazi", 0, "value", True),
        ("salafchegan", 0, "value", True),
    ]


def test_six_months_for_every_process_are_overdue_in_all_five_districts(published):
    words = compliance(published, "service-desk-six-months", IN_ESFAND_1398)
    assert words == dict.fromkeys(("jafarieh", "kahak", "khalajestan", "markazi", "salafchegan"), "overdue")


def test_the_desk_that_is_called_electronic_is_seen_to_need_a_visit(published):
    query = "SELECT DISTINCT declared_level, observed_level FROM marts.service_desk WHERE agency_id = ?"
    assert published.execute(query, ["county-governor-qom"]).fetchall() == [("full", "partial")]


def test_what_nobody_used_is_listed_as_unobserved_and_kahaks_processes_are_what_they_are_called(published):
    query = """
        SELECT DISTINCT observed_level FROM (
            SELECT * FROM marts.service_observations WHERE service_id SIMILAR TO ?
            QUALIFY row_number() OVER (PARTITION BY service_id ORDER BY as_of DESC) = 1
        )
    """
    assert published.execute(query, ["county-governor-qom-06"]).fetchall() == [("unknown",)]
    assert published.execute(query, ["kahak-governor-0[1-4]"]).fetchall() == [("full",)]


def test_activity_came_and_went_in_four_districts_but_not_in_kahak(published):
    query = """
        SELECT scope_id FROM marts.activity_gaps
        WHERE scope = 'district' AND days > 30 AND gap_to < DATE '2020-03-20' ORDER BY scope_id
    """
    assert published.execute(query).fetchall() == [("jafarieh",), ("khalajestan",), ("markazi",), ("salafchegan",)]


@pytest.mark.parametrize("quantity", ["visits", "completed"])
def test_no_withheld_number_follows_and_by_the_threshold_alone_some_would(scenarios_home, quantity):
    public_attacker.check(scenarios_home, quantity, k=10)
