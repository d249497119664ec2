"""The national evaluation told from its definitions: scores in force, ranking, rounds. Slow on purpose, fractions only.

A row of ``files`` has the columns of assessments.csv; one of ``said`` also event_id, source, occurred_at. Retracted
events are not handed in. Imports nothing of ours.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

Row = Mapping[str, Any]
INDICATORS = ("web_presence", "interactive", "transactional", "integration", "participation")
NOT_PROVIDED, NOT_APPLICABLE = "not_provided", "not_applicable"
EVER = dt.date(1, 1, 1)


def in_force(files: Iterable[Row], said: Iterable[Row]) -> list[Row]:
    """One row per key: the stream's latest word, else the file's."""
    kept: dict[tuple[Any, ...], Row] = {}
    ordered = sorted(said, key=lambda row: (row["occurred_at"], row["event_id"]))
    # A file that tells one score with a method and one without means the one that says what it is.
    for row in [*sorted(files, key=lambda row: row["method"] is not None), *ordered]:
        method = row["method"] or "desk"
        key = (row["round"], row["framework_version"], row["agency_id"], row["indicator"], method)
        kept[key] = {**row, "method": method}
    return list(kept.values())


def ranking(rows: Sequence[Row], frameworks: Sequence[Row]) -> dict[tuple[str, str], dict[str, Any]]:
    """Rows of agency_ranking by (round, agency_id): a number, or why there is none."""
    announced: dict[Any, dt.date] = {}
    for row in frameworks:
        before = announced.get(row["framework_version"], EVER)
        announced[row["framework_version"]] = max(before, row["announced_on"] or EVER)
    ended = _ended(rows)
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for name in ended:
        here = [row for row in rows if row["round"] == name]
        versions = {row["framework_version"] for row in here}
        chosen = max(versions, key=lambda version: (announced.get(version, EVER), version or ""))
        here = [row for row in here if row["framework_version"] == chosen]
        weights = {row["indicator"]: row["weight"] for row in frameworks if row["framework_version"] == chosen}
        for agency in {row["agency_id"] for row in here}:
            found[name, agency] = _agency([row for row in here if row["agency_id"] == agency], weights)
        ranked = [row for (of, _), row in found.items() if of == name and row["is_ranked"]]
        places = sorted({row["score"] for row in ranked}, reverse=True)
        for row in (row for (of, _), row in found.items() if of == name):
            row["population"] = len(ranked)
            if row["is_ranked"]:
                row["rank"] = places.index(row["score"]) + 1
    for (name, agency), row in found.items():
        rounds = [of for (of, who), other in found.items() if who == agency and other["has_desk"]]
        earlier = _earlier(rounds, name, ended)
        row["previous_round"] = earlier if row["has_desk"] else None
        before = found[earlier, agency] if row["has_desk"] and earlier else None
        if ended[name] is None or not row["has_desk"]:
            row |= dict.fromkeys(("growth_points", "growth_pct", "ratio"), NOT_PROVIDED)
        elif before is None or before["scope_flag"] != row["scope_flag"]:
            row |= dict.fromkeys(("growth_points", "growth_pct", "ratio"), NOT_APPLICABLE)
        else:
            row |= _growth(row["score"], before["score"])
    return found


def rounds(
    ranked: Mapping[tuple[str, str], dict[str, Any]], rows: Sequence[Row]
) -> dict[tuple[str, str], dict[str, Any]]:
    """Rows of evaluation_rounds by (round, cohort)."""
    ended, found = _ended(rows), {}
    for name in ended:
        here = {agency: row for (of, agency), row in ranked.items() if of == name}
        found[name, "all"] = _means(list(here.values()))
    for name in ended:
        earlier = _earlier(list(ended), name, ended)
        mine = found[name, "all"]
        if earlier is not None:
            pairs = [
                (row, ranked[earlier, agency])
                for (of, agency), row in ranked.items()
                if of == name and row["is_ranked"] and ranked.get((earlier, agency), {"is_ranked": False})["is_ranked"]
            ]
            matched = _means([now for now, _ in pairs])
            before = _mean([then["score"] for _, then in pairs], bool(pairs))
            matched |= {"previous_round": earlier} | _growth_of_means(matched["mean_score"], before)
            found[name, "matched"] = matched
            mine |= {"previous_round": earlier}
            mine |= _growth_of_means(mine["mean_score"], found[earlier, "all"]["mean_score"])
        else:
            word = NOT_PROVIDED if ended[name] is None else NOT_APPLICABLE
            mine |= {"previous_round": None} | dict.fromkeys(("growth_points", "growth_pct", "ratio"), word)
    return found


def _agency(rows: Sequence[Row], weights: Mapping[str, float | None]) -> dict[str, Any]:
    desk = {row["indicator"]: row["score"] for row in rows if row["method"] == "desk"}
    field = {row["indicator"]: row["score"] for row in rows if row["method"] == "field"}
    scopes = {row["scope"] for row in rows if row["method"] == "desk"}
    scope = "web_presence_only" if "web_presence_only" in scopes else "full" if "full" in scopes else None
    score = desk.get("web_presence") if scope == "web_presence_only" else _weighed(desk, weights)
    is_ranked = scope == "full" and score is not None
    found: dict[str, Any] = {
        name: desk[name]
        if desk.get(name) is not None
        else NOT_APPLICABLE
        if weights and name not in weights
        else NOT_PROVIDED
        for name in INDICATORS
    }
    return found | {
        "score": NOT_PROVIDED if score is None else Fraction(score),
        "rank": NOT_APPLICABLE if scope == "web_presence_only" else NOT_PROVIDED,
        "scope_flag": scope,
        "is_ranked": is_ranked,
        "has_desk": any(row["method"] == "desk" for row in rows),
        "field_score": (NOT_PROVIDED if _weighed(field, weights) is None else _weighed(field, weights))
        if field
        else NOT_APPLICABLE,
    }


def _weighed(scores: Mapping[str, float | None], weights: Mapping[str, float | None]) -> Fraction | None:
    total, weight = Fraction(0), Fraction(0)
    for indicator, part in weights.items():
        score = scores.get(indicator)
        if part is None or score is None:
            return None
        total, weight = total + Fraction(part) * Fraction(score), weight + Fraction(part)
    return total / weight if weight else None


def _means(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    full = [row for row in rows if row["scope_flag"] == "full"]
    return {
        "agencies": len(rows),
        "partial_scope": sum(1 for row in rows if row["scope_flag"] == "web_presence_only"),
        "scored": sum(1 for row in full if row["is_ranked"]),
        "mean_score": _mean([row["score"] for row in full], bool(full)),
        **{f"mean_{name}": _mean([row[name] for row in full], bool(full)) for name in INDICATORS},
    }


def _mean(values: Sequence[Any], is_asked: bool) -> Any:
    numbers = [Fraction(value) for value in values if not isinstance(value, str)]
    if numbers:
        return sum(numbers) / len(numbers)
    return NOT_PROVIDED if is_asked else NOT_APPLICABLE


def _growth_of_means(now: Any, before: Any) -> dict[str, Any]:
    if isinstance(now, str):
        return dict.fromkeys(("growth_points", "growth_pct", "ratio"), now)
    return _growth(now, before)


def _growth(now: Any, before: Any) -> dict[str, Any]:
    if isinstance(now, str) or isinstance(before, str):
        return dict.fromkeys(("growth_points", "growth_pct", "ratio"), NOT_PROVIDED)
    points = {"growth_points": now - before}
    if before == 0:
        return points | dict.fromkeys(("growth_pct", "ratio"), NOT_APPLICABLE)
    return points | {"growth_pct": 100 * (now / before - 1), "ratio": now / before}


def _ended(rows: Sequence[Row]) -> dict[str, dt.date | None]:
    found: dict[str, dt.date | None] = {}
    for name in sorted({row["round"] for row in rows}):
        days = {column: [row[column] for row in rows if row["round"] == name and row[column]] for column in _ENDS}
        found[name] = next((max(days[column]) for column in _ENDS if days[column]), None)
    return found


_ENDS = ("assessed_to", "release_on", "assessed_from")


def _earlier(names: Sequence[str], name: str, ended: Mapping[str, dt.date | None]) -> str | None:
    """The round before, of those named."""
    mine = ended[name]
    if mine is None:
        return None
    before = [(end, other) for other in names if (end := ended[other]) is not None and (end, other) < (mine, name)]
    return max(before)[1] if before else None
