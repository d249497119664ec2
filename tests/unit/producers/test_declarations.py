"""Declarations from a CSV file: what becomes an event, and what is refused by name."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest
from test_base_install import without_platform

from contracts.errors import BadInput
from producers.checking import LineError
from producers.declarations import CellError, read_declarations

DAY = dt.date(2020, 4, 10)
HEADER = "period,calendar,measure,value,service_id,channel\n"


def read(text: str | bytes, system: str | None = None):
    return read_declarations(text if isinstance(text, bytes) else text.encode(), "tax", system, DAY)


def test_every_row_is_a_declaration_with_an_id_that_follows_from_it() -> None:
    text = (
        "\ufeff"
        + HEADER
        + "1399-01,jalali,transactions_completed,1200,tax-return,portal\r\n\r\n1399-01,jalali,services_total,۳۴۵,,\r\n"
    )
    text += "1399-01,jalali,services_full,not_provided,,\r\n"
    values, errors = read(text)
    assert errors == []
    events = [json.loads(value) for value in values]
    assert [one["data"]["value"] for one in events] == [1200, 345, "not_provided"]
    assert events[1]["data"] == {"period": "1399-01", "calendar": "jalali", "measure": "services_total", "value": 345}
    assert {one["source"] for one in events} == {"/agencies/tax"}
    assert events[0]["time"].startswith("2020-04-10T12:00:00+04:30")
    assert read(text)[0] == values
    other = read(text.replace("1200", "1201"))[0]
    assert [json.loads(value)["id"] == one["id"] for value, one in zip(other, events, strict=True)] == [
        False,
        True,
        True,
    ]
    assert json.loads(read(text, "desk")[0][0])["source"] == "/agencies/tax/desk"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEADER.replace("channel", "nickname"), "unknown columns.*nickname"),
        (HEADER.replace("value,", ""), "missing.*value"),
        (HEADER.replace("channel", "value"), "twice"),
        (HEADER.replace(",", ";"), "unknown columns"),
        ("", "missing"),
        (HEADER.encode() + b"\xff", "UTF-8"),
        (HEADER + '1399-01,"jalali', "not CSV"),
    ],
)
def test_what_is_no_table_of_declarations_is_refused_as_a_whole(text: str | bytes, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        read(text)


@pytest.mark.parametrize("cell", ["=1+1", "+5", "-5", "@SUM(A1)", "\t=1", '"=HYPERLINK(""x"")"'])
def test_a_formula_is_refused_by_line_and_column_and_not_repeated(cell: str) -> None:
    values, (error,) = read(HEADER + f"1399-01,jalali,transactions_completed,{cell},,\n")
    assert values == []
    assert isinstance(error, CellError)
    assert (error.line, error.column) == (2, "value")
    assert cell.strip() not in str(error.what)


def test_faults_of_the_contract_have_its_reasons_and_the_files_lines() -> None:
    rows = [
        "1399-01,jalali,transactions_completed,1.5,,",
        "1399-13,jalali,transactions_completed,5,,",
        "1399-01,jalali,transactions_completed,7,,pigeon",
    ]
    rows += [
        "1399-01,jalali,transactions_completed,9,0013542419,",
        "1399-01,jalali,transactions_completed",
        "1399-01,jalali,transactions_completed,1,,,more",
    ]
    _, errors = read(HEADER + "\n".join(rows))
    contract = {error.line: error.reason.code for error in errors if isinstance(error, LineError)}
    assert contract == {2: "bad_type", 3: "schema_violation", 4: "unknown_channel", 5: "pii_leak"}
    assert [error.line for error in errors if isinstance(error, CellError)] == [6, 7]


def test_the_command_checks_a_file_without_the_platform(tmp_path: Path) -> None:
    run = "sys.argv = ['mizan', *sys.argv[1:]]\nfrom console.main import main\nmain()\n"
    file = tmp_path / "totals.csv"
    file.write_text(HEADER + "1399-01,jalali,transactions_completed,12,,\n", encoding="utf-8")
    good = without_platform(run, "declare", str(file), "--agency", "tax", "--on", "2020-04-10", "--check")
    assert good.returncode == 0, good.stderr
    file.write_text(HEADER + "1399-01,jalali,transactions_completed,=A1,,\n", encoding="utf-8")
    bad = without_platform(run, "declare", str(file), "--agency", "tax", "--on", "2020-04-10", "--check")
    assert bad.returncode == 65
    assert "line 2: value: a cell begins as a formula does" in bad.stderr
