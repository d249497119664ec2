"""The one place that speaks to Great Expectations, and it does so as a process of its own.

``python -m expectations.verdict`` reads requests from stdin and writes answers to stdout, one JSON document a line.
A process, because a gate must survive its judge: one that hangs can be killed, one that dies leaves the gate closed,
and whatever it prints, warns or holds open stays with it. judge.py is the other end of the pipe.

first     {"ready": true}, once Great Expectations is imported, or {"ready": false, "broken": why not}
request   {"rows": [{column: value}, …],
           "expectations": [{"name", "column", "at_least", "at_most", "severity"}, …]}
answer    {"failed": [{"name", "severity", "rows": [place of a row, …]}, …], "broken": null or what went wrong}
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

_PLACE = "row_place"


def evaluate(request: Mapping[str, Any]) -> dict[str, Any]:
    """Judge one frame. An expectation that could not be evaluated, for whatever reason, makes the answer *broken*."""
    import great_expectations as gx
    import great_expectations.expectations as gxe
    import pandas as pd

    rows: Sequence[Mapping[str, Any]] = request["rows"]
    table = pd.DataFrame({_PLACE: range(len(rows))})
    for spec in request["expectations"]:
        # Numbers and blanks; anything else stays as it is, so that the expectation itself stumbles over it.
        values = pd.Series([row[spec["column"]] for row in rows], dtype="object")
        numeric = all(value is None or isinstance(value, int | float) for value in values)
        table[spec["column"]] = values.astype("float64") if numeric else values

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    batch = context.data_sources.add_pandas("summary").add_dataframe_asset("frame")
    definition = context.validation_definitions.add(
        gx.ValidationDefinition(
            name="gate",
            data=batch.add_batch_definition_whole_dataframe("all"),
            suite=context.suites.add(
                gx.ExpectationSuite(
                    "gate",
                    expectations=[
                        gxe.ExpectColumnValuesToBeBetween(
                            column=spec["column"],
                            min_value=spec["at_least"],
                            max_value=spec["at_most"],
                            severity=spec["severity"],
                            meta={"name": spec["name"]},
                        )
                        for spec in request["expectations"]
                    ],
                )
            ),
        )
    )
    outcome = definition.run(
        batch_parameters={"dataframe": table},
        # Never COMPLETE: it returns failing rows. The frame has no person in it, and rows are named by their place.
        result_format={
            "result_format": "SUMMARY",
            "unexpected_index_column_names": [_PLACE],
            "partial_unexpected_count": max(len(rows), 1),
        },
    )
    return _answer(outcome.results, request["expectations"], len(rows))


def _answer(results: Sequence[Any], asked: Sequence[Mapping[str, Any]], row_count: int) -> dict[str, Any]:
    """Results in our words. Fewer results than asked, or rows not looked at, are as broken as an exception."""
    failed, seen = [], set()
    for result in results:
        name = result.expectation_config.meta["name"]
        seen.add(name)
        found = result.result
        if found.get("element_count") != row_count:
            return {"failed": [], "broken": f"{name}: {_first_line(result.exception_info)}"}
        places = [entry[_PLACE] for entry in found.get("partial_unexpected_index_list") or ()]
        if len(places) != found["unexpected_count"] or result.success != (not places):
            return {"failed": [], "broken": f"{name}: result and rows do not agree"}
        if places:
            severity = str(getattr(result.expectation_config.severity, "value", result.expectation_config.severity))
            failed.append({"name": name, "severity": severity, "rows": [int(place) for place in places]})
    missing = {spec["name"] for spec in asked} - seen
    return {"failed": failed, "broken": f"not evaluated: {sorted(missing)}" if missing else None}


def _first_line(exception_info: object) -> str:
    """The message of an exception_info, which is one record or a record per metric. It holds no row values of ours."""
    records = [exception_info] if isinstance(exception_info, dict) else []
    if records and "exception_message" not in records[0]:
        records = [record for record in records[0].values() if isinstance(record, dict)]
    messages = [str(record["exception_message"]) for record in records if record.get("exception_message")]
    return messages[0].splitlines()[0][:200] if messages else "not evaluated"


def main() -> None:
    """Answer requests until stdin ends. Only answers reach stdout; everything else a library prints goes to stderr."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    from contracts.failpoints import failpoint

    try:
        import great_expectations  # noqa: F401 the three seconds it takes are not the first frame's
    except Exception as error:
        _say(answers, {"ready": False, "broken": _described(error)})
        return
    _say(answers, {"ready": True})
    for line in sys.stdin:
        try:
            failpoint("gate.judge")
            answer = evaluate(json.loads(line))
        except Exception as error:
            # Whatever it was, the gate stays closed for these rows, and the operator reads its class.
            answer = {"failed": [], "broken": _described(error)}
        _say(answers, answer)


def _say(answers: TextIO, answer: Mapping[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]


if __name__ == "__main__":
    main()
