"""Every way a catalogue file can be wrong: where it is told, and that nothing is written."""

import pytest

from catalogue import read
from catalogue.faults import BadCatalogue
from catalogue.load import load_directory, load_tables
from catalogue.tables import create
from contracts.settings import Settings

HEADERS = {
    "places": "place_id,kind,parent_id,name_fa,name_en,valid_from,valid_to",
    "agencies": "agency_id,name_fa,name_en,parent_id,level,province,district,expected_to_report,valid_from,valid_to",
    "services": "service_id,agency_id,name_fa,name_en,declared_level,audience,nature,lifecycle,launched_at,"
    "primary_channel,channels,countability,block_reason,via_window,valid_from,valid_to",
    "mandates": "mandate_id,law_fa,law_en,scope,measure,threshold_low,threshold_high,valid_from,due,valid_to",
    "assessments": "round,assessed_from,assessed_to,release_on,framework_version,evaluator,agency_id,indicator,score,"
    "scope,scope_reason,method",
}
GOOD = {
    "places": ["qom,province,,,,,", "qom-c,county,qom,,,,", "kahak,district,qom-c,,,,"],
    "agencies": ["root,,,,national,,,true,,", "leaf,,,root,provincial,qom,kahak,false,2020-01-01,2020-12-31"],
    "services": ["s1,leaf,,,full,citizen|business,transactional,live,,portal,portal|phone,countable,,true,,"],
    "mandates": ["m1,,,national,electronic_share,0.75,0.8,2018-04-29,2021-04-29,"],
    "assessments": ["1396,2017-08-23,2017-09-22,,v1,,leaf,web_presence,28.5,full,,desk"],
}


@pytest.fixture
def settings(tmp_path):
    settings = Settings.load({"MIZAN_HOME": str(tmp_path / "home")}, folder=tmp_path)
    create(settings)
    return settings


def write(folder, **changes):
    folder.mkdir(exist_ok=True)
    for name, rows in (GOOD | changes).items():
        content = rows if isinstance(rows, bytes) else ("\n".join([HEADERS[name], *rows]) + "\n").encode()
        (folder / f"{name}.csv").write_bytes(content)
    return folder


def faults_of(settings, folder):
    with pytest.raises(BadCatalogue) as caught:
        load_directory(settings, folder)
    assert not any(vars(read.current(settings)).values())
    return caught.value.faults


def test_the_good_files_load(settings, tmp_path):
    load_directory(settings, write(tmp_path / "f"))
    assert read.current(settings).assessments[0]["score"] == 28.5


SERVICE = "s1,leaf,,,full,citizen,transactional,live,,portal,portal,countable,,true,,"
AGENCY = "leaf,,,root,provincial,qom,kahak,false,2020-01-01,2020-12-31"


@pytest.mark.parametrize(
    ("table", "row", "told"),
    [
        ("places", "Qom,province,,,,,", "place_id is no id"),
        ("places", "قم,province,,,,,", "place_id is no id"),
        ("places", ",province,,,,,", "place_id is blank"),
        ("places", "x,village,,,,,", "kind is not in the closed list"),
        ("places", "x,,,,,,", "kind is blank"),
        ("places", "x,district,nowhere,,,,", "which places does not have"),
        ("places", "x,district,kahak,,,,", "its parent kahak is a district"),
        ("places", "x,county,qom-c,,,,", "its parent qom-c is a county"),
        ("places", "x,province,qom,,,,", "a province has no parent"),
        ("places", "x,province,,,,2020-02-30,", "not a day of the calendar"),
        ("places", "x,province,,,,1399-01-01,", "write 2020-03-20"),
        ("places", "x,province,,,,20/03/2020,", "not an ISO date"),
        ("places", "x,province,,,,,9999-12-31", "leave it blank"),
        ("places", "x,province,,,,2021-01-01,2020-01-01", "valid_from lies after valid_to"),
        ("places", "qom,province,,,,,", "has the same place_id, valid_from as places.csv:2"),
        ("places", "qom,province,,,,2020-01-01,", "is valid at the same time as places.csv:2"),
        ("places", "x,province,,,", "5 cells under 7 columns"),
        ("places", "x,province,,,,,,", "8 cells under 7 columns"),
        ("places", f"x,province,,{'a' * 2001},,,", "holds 2,001 characters"),
        ("places", 'x,province,,"a\nb",,,', "line break"),
        ("places", "x,province,,a\u202eb,,,", "turns the reading direction"),
        ("places", "x,province,,a\x07b,,,", "control character"),
        ("places", 'x,province,,"a,,,', "not CSV"),
        ("agencies", AGENCY.replace("leaf", "../x"), "agency_id is no id"),
        ("agencies", AGENCY.replace("leaf", "new").replace("root", "none"), "parent_id names none"),
        ("agencies", AGENCY.replace("leaf", "new").replace(",qom,", ",kahak,"), "province names kahak, which is a"),
        ("agencies", AGENCY.replace("leaf", "new").replace("kahak", "qom"), "district names qom, which is a province"),
        ("agencies", AGENCY.replace("leaf", "new").replace("kahak", "nowhere"), "district names nowhere"),
        ("agencies", AGENCY.replace("leaf", "new").replace("false", "1"), "neither true nor false"),
        ("agencies", AGENCY.replace("leaf", "new").replace("provincial", "local"), "level is not in the closed list"),
        ("agencies", AGENCY.replace("2020-01-01,2020-12-31", "2020-06-01,"), "is valid at the same time"),
        ("agencies", "root,,,leaf,national,,,true,2020-06-01,2020-07-01", "same time"),
        ("services", SERVICE.replace("s1,leaf", "s2,nobody"), "agency_id names nobody"),
        ("services", SERVICE.replace("s1,leaf", "s2,"), "agency_id is blank"),
        ("services", SERVICE.replace("s1", "0013542419"), "reads like a national id"),
        ("services", SERVICE.replace("s1", "a b"), "is no service id"),
        ("services", SERVICE.replace("s1", "s2").replace("full", "fully"), "declared_level is not in the closed list"),
        ("services", SERVICE.replace("s1", "s2").replace("citizen", "citizen||business"), "an empty place in its list"),
        ("services", SERVICE.replace("s1", "s2").replace("citizen", "citizen|citizen"), "names a code twice"),
        ("services", SERVICE.replace("s1", "s2").replace("citizen", "citizen;business"), "not in the closed list"),
        ("services", SERVICE.replace("s1", "s2").replace("live", "alive"), "lifecycle is not in the closed list"),
        ("mandates", "m2,,,planet,x,,,,,", "scope is not in the closed list"),
        ("mandates", "m2,,,national,x,80%,,,,", "threshold_low is not a number"),
        ("mandates", "m2,,,national,x,0.9,0.8,,,", "threshold_low lies after threshold_high"),
        ("mandates", "m2,,,national,x,NaN,,,,", "is not a number"),
        ("mandates", "m2,,,national,x,-1,,,,", "is not a number"),
        ("assessments", "1396,,,,v1,,nobody,x,1,full,,desk", "agency_id names nobody"),
        ("assessments", "1396,,,,v1,,leaf,x,1,partial,,desk", "scope is not in the closed list"),
        ("assessments", "1396,,,,v1,,leaf,web_presence,30,full,,desk", "has the same round"),
    ],
)
def test_a_bad_row_is_refused_with_its_line_and_a_reason(settings, tmp_path, table, row, told):
    faults = faults_of(settings, write(tmp_path / "f", **{table: [*GOOD[table], row]}))
    assert faults[0].where == f"{table}.csv:{len(GOOD[table]) + 2}"
    assert told in str(faults[0])


def test_parents_that_form_a_ring_are_refused_also_where_they_do_only_for_a_while(settings, tmp_path):
    rows = [
        "aa,,,bb,,,,,,2020-06-30",
        "aa,,,,,,,,2020-07-01,",
        "bb,,,,,,,,,2020-05-31",
        "bb,,,aa,,,,,2020-06-01,",
    ]
    faults = faults_of(settings, write(tmp_path / "f", agencies=[*GOOD["agencies"], *rows]))
    assert [str(f) for f in faults] == [
        "agencies.csv:5: parents form a ring from 2020-06-01: aa > bb > aa (one of them has no parent)"
    ]
    rows[0] = "aa,,,bb,,,,,,2020-05-31"
    rows[1] = "aa,,,,,,,,2020-06-01,"
    load_directory(settings, write(tmp_path / "f", agencies=[*GOOD["agencies"], *rows]))


def test_an_agency_that_is_its_own_parent_is_refused(settings, tmp_path):
    faults = faults_of(settings, write(tmp_path / "f", agencies=[*GOOD["agencies"], "aa,,,aa,,,,,,"]))
    assert "parents form a ring: aa > aa" in str(faults[0])


def test_a_long_chain_of_parents_is_no_ring_and_takes_no_time(settings):
    rows = [{"agency_id": f"a{n}", "parent_id": f"a{n + 1}" if n < 4_999 else None} for n in range(5_000)]
    load_tables(settings, "catalogue", {"agencies": rows})
    assert len(read.current(settings).agencies) == 5_000


@pytest.mark.parametrize(
    ("content", "where", "told"),
    [
        (b"", "places.csv:1", "has no header"),
        (HEADERS["places"].replace(",", ";").encode() + b"\n", "places.csv:1", "semicolons"),
        (HEADERS["places"].replace("parent_id", "parent").encode() + b"\n", "places.csv:1", "do you mean parent_id?"),
        (HEADERS["places"].encode() + b",kind\n", "places.csv:1", "kind stands there twice"),
        (b"place_id,kind\n", "places.csv:1", "missing columns: parent_id, name_fa, name_en"),
        (HEADERS["places"].encode("utf-16"), "places.csv:1", "UTF-16"),
        (HEADERS["places"].encode() + b"\nx,province,,\xd9,,,\n", "places.csv:2", "not UTF-8"),
        (HEADERS["places"].encode() + b"\nx,province,,\x00,,,\n", "places.csv:2", "NUL"),
        (HEADERS["places"].encode() + b'\nx,province,,"' + b"a" * 200_000 + b'",,,\n', "places.csv:2", "not CSV"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(settings, tmp_path, content, where, told):
    faults = faults_of(settings, write(tmp_path / "f", places=content))
    assert faults[0].where == where
    assert told in str(faults[0])


def test_what_is_no_plain_file_is_refused(settings, tmp_path):
    folder = write(tmp_path / "f")
    (folder / "places.csv").unlink()
    (folder / "places.csv").mkdir()
    assert "not a plain file" in str(faults_of(settings, folder)[0])


def test_bom_crlf_blank_lines_spaces_and_persian_digits_are_read(settings, tmp_path):
    lines = [HEADERS["places"], " qom , province ,,قم,Qom,۲۰۲۰-۰۳-۲۰,", "", ",,,,,,"]
    content = b"\xef\xbb\xbf" + "\r\n".join(lines).encode()
    changes = {name: [] for name in GOOD} | {"places": content}
    load_directory(settings, write(tmp_path / "f", **changes))
    (row,) = read.current(settings).places
    assert (row["place_id"], row["kind"], str(row["valid_from"])) == ("qom", "province", "2020-03-20")


def test_a_reference_to_what_an_earlier_load_brought_holds(settings, tmp_path):
    load_directory(settings, write(tmp_path / "f"))
    for name in ("places", "agencies", "mandates", "assessments"):
        (tmp_path / "f" / f"{name}.csv").unlink()
    (tmp_path / "f" / "services.csv").write_text("\n".join([HEADERS["services"], SERVICE.replace("s1", "s2")]))
    load_directory(settings, tmp_path / "f")
    assert [row["service_id"] for row in read.current(settings).services] == ["s2"]


def test_a_program_is_told_the_row_and_the_column(settings):
    with pytest.raises(BadCatalogue, match=r"agencies, row 2: unknown column nmae_en"):
        load_tables(settings, "x", {"agencies": [{"agency_id": "aa"}, {"agency_id": "bb", "nmae_en": "B"}]})
