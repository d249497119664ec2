"""Loading: registers, history, refusals with their lines."""

import csv
import datetime as dt

import pytest

from catalogue import read
from catalogue.agencies import ensure_agency
from catalogue.faults import BadCatalogue
from catalogue.load import Counts, load_directory, load_tables
from catalogue.tables import create, tables
from contracts.errors import BadInput, Fenced, UsageError
from contracts.settings import Settings

PLACES = """\
place_id,kind,parent_id,name_fa,name_en
qom,province,,قم,Qom
qom-county,county,qom,شهرستان قم,Qom county
kahak,district,qom-county,کهک,Kahak
"""
AGENCIES = """\
agency_id,name_fa,name_en,parent_id,level,province,district,expected_to_report,valid_from,valid_to
energy,وزارت نیرو,Ministry of Energy,,national,,,true,,
qom-water,آب و فاضلاب قم,Qom Water,energy,provincial,qom,,true,2018-03-21,
"""
SERVICES = """\
service_id,agency_id,name_fa,name_en,declared_level,audience,nature,lifecycle,launched_at,primary_channel,channels,\
countability,block_reason,via_window,valid_from,valid_to
bill,qom-water,قبض,Bill,full,citizen|business,transactional,live,2019-01-01,portal,portal|counter_office,\
countable,,false,,
old-bill,qom-water,قبض پیشین,Old bill,none,citizen,informational,retired,,,,blocked,no counter,,,2020-03-19
"""


@pytest.fixture
def settings(tmp_path):
    settings = Settings.load({"MIZAN_HOME": str(tmp_path / "home")}, folder=tmp_path)
    create(settings)
    return settings


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "files"
    folder.mkdir()
    for name, text in (("places", PLACES), ("agencies", AGENCIES), ("services", SERVICES)):
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    return folder


def versions(settings):
    from warehouse.lake import Lake

    return {name: Lake(settings).open(t.lake_name, t.lake_columns).version for name, t in tables().items()}


def edit(folder, name, old, new):
    text = (folder / name).read_text(encoding="utf-8")
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")


def refusal(settings, folder):
    before = versions(settings)
    with pytest.raises(BadCatalogue) as caught:
        load_directory(settings, folder)
    assert caught.value.exit_code == 65
    assert versions(settings) == before
    return [str(fault) for fault in caught.value.faults]


def test_three_files_become_the_catalogue(settings, folder):
    loaded = load_directory(settings, folder)
    assert loaded.tables == {"places": Counts(added=3), "agencies": Counts(added=2), "services": Counts(added=2)}
    catalogue = read.current(settings)
    water = next(row for row in catalogue.agencies if row["agency_id"] == "qom-water")
    assert (water["name_fa"], water["parent_id"], water["expected_to_report"]) == ("آب و فاضلاب قم", "energy", True)
    assert (water["valid_from"], water["valid_to"], water["official_id"]) == (dt.date(2018, 3, 21), None, None)
    assert {row["loaded_from"] for row in catalogue.places} == {"catalogue"}


def test_what_an_event_is_judged_against(settings, folder):
    load_directory(settings, folder)
    known = read.known(settings)
    assert known.services == {"bill": None, "old-bill": dt.date(2020, 3, 19)}
    assert known.places == {"qom": "province", "qom-county": "county", "kahak": "district"}
    assert known.user_key_ids == {"t1"}


def test_a_retired_lifecycle_without_an_end_retires_no_service(settings, folder):
    edit(folder, "services.csv", ",,,2020-03-19", ",,,")
    load_directory(settings, folder)
    assert read.known(settings).services["old-bill"] is None


def test_loading_the_same_twice_commits_nothing(settings, folder):
    load_directory(settings, folder)
    before = versions(settings)
    loaded = load_directory(settings, folder)
    assert versions(settings) == before
    assert loaded.tables["services"] == Counts(unchanged=2)


def test_a_change_is_one_commit_of_its_table_and_keeps_the_history(settings, folder):
    from warehouse.lake import Lake

    load_directory(settings, folder)
    before = versions(settings)
    edit(folder, "services.csv", "Old bill,none", "Old bill,partial")
    assert load_directory(settings, folder).tables["services"] == Counts(changed=1, unchanged=1)
    after = versions(settings)
    assert after == before | {"services": before["services"] + 1}
    table = tables()["services"]
    earlier = Lake(settings).open(table.lake_name, table.lake_columns, version=before["services"]).rows().to_pylist()
    assert {row["declared_level"] for row in earlier} == {"full", "none"}
    assert {row["declared_level"] for row in read.current(settings).services} == {"full", "partial"}


def test_a_row_that_left_the_file_is_removed_and_what_referred_to_it_is_told(settings, folder):
    load_directory(settings, folder)
    (folder / "services.csv").unlink()
    (folder / "places.csv").unlink()
    edit(folder, "agencies.csv", AGENCIES.splitlines()[2] + "\n", "")
    loaded = load_directory(settings, folder)
    assert loaded.tables == {"agencies": Counts(removed=1, unchanged=1)}
    assert loaded.remarks == ["services.agency_id names agencies that are gone: qom-water"]


def test_registers_own_their_rows(settings, folder):
    load_directory(settings, folder)
    load_tables(settings, "simulate:x", {"agencies": [{"agency_id": "simulated"}]})
    load_directory(settings, folder)
    assert {row["agency_id"] for row in read.current(settings).agencies} == {"energy", "qom-water", "simulated"}
    load_tables(settings, "simulate:x", {"agencies": []})
    assert {row["agency_id"] for row in read.current(settings).agencies} == {"energy", "qom-water"}


def test_of_two_registers_that_speak_of_one_thing_the_last_to_speak_is_heard(settings, folder):
    load_directory(settings, folder)
    load_tables(settings, "simulate:x", {"services": [{"service_id": "bill", "agency_id": "energy"}]})
    heard = [row for row in read.current(settings).services if row["service_id"] == "bill"]
    assert [row["agency_id"] for row in heard] == ["energy"]
    assert load_directory(settings, folder).tables["services"] == Counts(changed=1, unchanged=1)
    heard = [row for row in read.current(settings).services if row["service_id"] == "bill"]
    assert [row["agency_id"] for row in heard] == ["qom-water"]
    load_tables(settings, "catalogue", {"services": []})
    assert [row["agency_id"] for row in read.current(settings).services] == ["energy"]


def test_an_added_agency_gives_way_to_the_file_that_names_it(settings, folder):
    assert ensure_agency(settings, "qom-water", name_en="Added")
    assert ensure_agency(settings, "other", name_en="Other")
    load_directory(settings, folder)
    assert not ensure_agency(settings, "qom-water", name_en="Added again")
    assert ensure_agency(settings, "third", parent_id="energy", province="qom", district="kahak")
    names = {row["agency_id"]: row["name_en"] for row in read.current(settings).agencies}
    assert names == {"energy": "Ministry of Energy", "qom-water": "Qom Water", "other": "Other", "third": None}


@pytest.mark.parametrize(
    "wrong", [{"parent_id": "nobody"}, {"province": "kahak"}, {"district": "qom"}, {"province": "nowhere"}]
)
def test_an_agency_is_not_added_below_what_is_not_there(settings, folder, wrong):
    load_directory(settings, folder)
    with pytest.raises(UsageError):
        ensure_agency(settings, "third", **wrong)


@pytest.mark.parametrize(
    "text",
    ["../../x", "..\\x", "%2e%2e/", "a/b", ".", "CON", "a" * 300, "-x", "a\nb", ";rm", "'a'", "--", "$(x)", "شهر", "a"],
)
def test_what_is_no_agency_id_is_refused_wherever_it_comes_from(settings, folder, text):
    with pytest.raises(UsageError):
        ensure_agency(settings, text)
    with pytest.raises(BadInput):
        load_tables(settings, "catalogue", {"agencies": [{"agency_id": text}]})


def test_a_second_writer_is_fenced(settings):
    from warehouse.lake import Lake
    from warehouse.whole_table import replace_rows

    table = tables()["agencies"]
    now = dt.datetime.now(dt.UTC)
    row = {"agency_id": "aa", "loaded_from": "x", "loaded_at": now}
    first, second = (Lake(settings).open(table.lake_name, table.lake_columns) for _ in range(2))
    replace_rows(first, [row], {})
    with pytest.raises(Fenced):
        replace_rows(second, [row], {})


def test_versions_of_one_agency_are_kept_apart_by_date(settings, folder):
    lines = [
        "mid,,Middle,energy,national,,,true,,2020-03-20",
        "mid,,Middle,,national,,,true,2020-03-20,",
    ]
    edit(folder, "agencies.csv", AGENCIES, AGENCIES + "\n".join(lines) + "\n")
    load_directory(settings, folder)
    rows = [row for row in read.current(settings).agencies if row["agency_id"] == "mid"]
    for day, parent in ((dt.date(2020, 3, 19), "energy"), (dt.date(2020, 3, 20), None)):
        assert [row["parent_id"] for row in read.as_of(rows, day)] == [parent]


def test_the_digest_follows_the_trees_and_nothing_else(settings, folder):
    load_directory(settings, folder)
    before = read.digest(read.current(settings))
    edit(folder, "agencies.csv", "Qom Water", "Water of Qom")
    edit(folder, "services.csv", "Old bill,none", "Old bill,partial")
    load_directory(settings, folder)
    ensure_agency(settings, "newcomer")
    assert read.digest(read.current(settings)) == before
    edit(folder, "agencies.csv", "Water of Qom,energy", "Water of Qom,")
    load_directory(settings, folder)
    assert read.digest(read.current(settings)) != before


def test_what_is_exported_loads_again_without_a_change(settings, folder, tmp_path):
    from catalogue.csv_files import write_file

    edit(folder, "services.csv", "Old bill", "=HYPERLINK(1)")
    load_directory(settings, folder)
    catalogue = read.current(settings)
    out = tmp_path / "out"
    out.mkdir()
    for name, table in tables().items():
        write_file(table, out / table.file_name, catalogue.rows(name))
    with (out / "services.csv").open(encoding="utf-8", newline="") as file:
        assert {row["name_en"] for row in csv.DictReader(file)} == {"Bill", "'=HYPERLINK(1)"}
    before = versions(settings)
    load_directory(settings, out)
    assert versions(settings) == before
    assert {row["name_en"] for row in read.current(settings).services} == {"Bill", "=HYPERLINK(1)"}


def test_a_folder_without_catalogue_files_is_an_error_of_the_call(settings, tmp_path):
    with pytest.raises(UsageError):
        load_directory(settings, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError):
        load_directory(settings, tmp_path / "empty")


def test_a_misspelt_file_is_told(settings, folder):
    (folder / "agency.csv").write_text("agency_id\n")
    assert load_directory(settings, folder).remarks == ["agency.csv is no catalogue file and was left alone"]


def test_all_faults_are_told_at_once(settings, folder):
    edit(folder, "agencies.csv", "true,2018", "yes,2018")
    edit(folder, "places.csv", "kahak,district", "Kahak,village")
    faults = refusal(settings, folder)
    assert [fault.split(":")[:2] for fault in faults] == [["places.csv", "4"]] * 2 + [["agencies.csv", "3"]]
