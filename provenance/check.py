"""Check claims against a published version: what each recomputes to, its verdict, and why it is not just its number."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from contracts.errors import BadInput
from provenance.claim_files import LACKS, Claim, ClaimFile, Quoted
from provenance.figures import WITHOUT_A_NUMBER, Cell, PublishedTables
from provenance.kinds import COMPUTATIONS, Number, solve_points
from provenance.wording import Range, point

# Of several rows of one mandate the gravest speaks for it.
_COMPLIANCE = ("met", "not_measurable", "not_met", "overdue")
# What two decimals of a solved percentage leave open.
_SOLVED_TO = 0.05


@dataclass(frozen=True)
class Outcome:
    """A claim, checked. ``number``: from published figures; ``by_quotes``: the same from the text's own numbers."""

    claim: Claim
    verdict: str
    number: Number | None = None
    by_quotes: Number | None = None
    text: str | None = None
    cells: tuple[Cell, ...] = ()
    instead: tuple[Cell, ...] = ()
    because: tuple[str, ...] = ()
    readings: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_expected(self) -> bool:
        """True where the verdict is the one the file expects."""
        return self.verdict == self.claim.expect


def check(claims: ClaimFile, tables: PublishedTables) -> list[Outcome]:
    """Every claim of a file, in order."""
    return [_Checked(claims, claim, tables).outcome() for claim in claims.claims]


class _Checked:
    """One claim on its way to an outcome."""

    def __init__(self, claims: ClaimFile, claim: Claim, tables: PublishedTables) -> None:
        self.claims = claims
        self.claim = claim
        self.tables = tables
        self.cells = tuple(tables.cell(figure) for figure in claim.figures)
        self.because = list(claim.because)
        self.readings: dict[str, str] = {}

    def outcome(self) -> Outcome:
        number, by_quotes, text = None, None, None
        kind = self.claim.kind
        if kind == "unsaid":
            verdict = LACKS[self.claim.lacks or ""]
        elif kind == "mandate":
            verdict, text = self._mandate()
        elif kind == "coverage":
            verdict, number = self._coverage()
        elif (weakest := self._without_a_number()) is not None:
            verdict = weakest
        elif kind == "state":
            text = ", ".join(cell.text or "" for cell in self.cells)
            verdict = "confirmed" if all(cell.text == self._quoted().value for cell in self.cells) else "differs"
        elif kind in ("readings", "every"):
            verdict = self._each()
        elif kind == "solve_points":
            verdict, number = self._solved()
        else:
            by_quotes = self._from_quotes()
            number = _computed(kind, [_number(cell) for cell in self.cells]) if self.cells else None
            verdict = self._judged(number or by_quotes)
            self._explain(number, by_quotes)
        if self.tables.scale != 1.0 and any(cell.figure.scaled and cell.status == "value" for cell in self.cells):
            self._say("scaled")
        instead = tuple(self.tables.cell(figure) for figure in self.claim.instead)
        return Outcome(
            self.claim,
            verdict,
            number,
            by_quotes,
            text,
            self.cells,
            instead,
            tuple(self.because),
            self.readings,
        )

    def _say(self, reason: str) -> None:
        if reason not in self.because:
            self.because.append(reason)

    def _quoted(self) -> Quoted:
        if self.claim.quoted is None:
            raise BadInput(f"{self.claims.path.name}, {self.claim.id}: quoted is missing")
        return self.claim.quoted

    def _without_a_number(self) -> str | None:
        """The verdict where one of the figures has no number."""
        statuses = {cell.status for cell in self.cells}
        for status in WITHOUT_A_NUMBER[::-1]:
            if status in statuses:
                return "withheld" if status == "suppressed" else status
        return None

    def _quotes(self) -> list[Number]:
        """The numbers that other claims of the text quote, as this one names them."""
        quotes = [self.claims.claim(name).quoted for name in self.claim.from_quotes]
        return [Number(float(quote.value), quote.range) for quote in quotes if quote is not None]

    def _from_quotes(self) -> Number | None:
        numbers = self._quotes()
        if self.claim.kind == "remainder" and numbers and self._quoted().unit == "percent":
            numbers.insert(0, Number(100.0, point(100.0)))
        return _computed(self.claim.kind, numbers) if numbers else None

    def _judged(self, number: Number | None) -> str:
        if number is None:
            raise BadInput(f"{self.claims.path.name}, {self.claim.id}: nothing to compute from")
        # Unknown rows and bare wordings leave a range open; a scale only rounds.
        is_range = self.claim.kind == "share_bounds" or not self.cells or any(cell.has_unknown for cell in self.cells)
        if self.claim.quoted is None or self.claim.quoted.range.meets(number.range):
            return "confirmed_as_range" if is_range and number.range.low != number.range.high else "confirmed"
        return "differs"

    def _explain(self, number: Number | None, by_quotes: Number | None) -> None:
        """Reasons that follow from the numbers themselves."""
        quoted = self.claim.quoted
        if self.claim.kind == "share_bounds" and number is not None and number.range.low < number.range.high:
            self._say("unknown_share")
        if quoted is None or number is None or isinstance(quoted.value, str):
            return
        said, steps = quoted.value, number.value / quoted.step
        if quoted.wording in ("stated", "truncated") and quoted.unit in ("percent", "points"):
            cut, rounded = math.floor(steps + 1e-9) * quoted.step, round(steps) * quoted.step
            if math.isclose(said, cut) and not math.isclose(said, rounded):
                self._say("truncated")
        if self.claim.kind == "growth_pct" and not quoted.range.meets(number.range):
            quotes = by_quotes.range if by_quotes is not None else number.range
            if quoted.range.meets(Range(quotes.low + 100, quotes.high + 100, quotes.is_open)):
                self._say("ratio_said_as_growth")

    def _each(self) -> str:
        """``readings``: true on all, some or none of them; ``every``: true of each figure."""
        wanted = self._quoted().range
        fits = []
        for cell in self.cells:
            assert cell.range is not None
            fits.append(wanted.meets(cell.range))
            self.readings[cell.figure.name] = "confirmed" if fits[-1] else "differs"
        if all(fits):
            return "confirmed"
        return "confirmed_on_a_reading" if any(fits) and self.claim.kind == "readings" else "differs"

    def _solved(self) -> tuple[str, Number]:
        """The x of x + p = t x, read as "t times as much" and as "t times more"; the published pair decides."""
        points, times = (number.value for number in self._quotes())
        before, after = (_number(cell).value for cell in self.cells)
        fits = []
        for factor in (times, times + 1):
            start, end = solve_points(points, factor)
            fits.append(abs(start - before) <= _SOLVED_TO and abs(end - after) <= _SOLVED_TO)
            name = f"{factor:g} times as much: {start:.2f} to {end:.2f}"
            self.readings[name] = "confirmed" if fits[-1] else "differs"
        verdict = "confirmed_on_a_reading" if any(fits) else "differs"
        return verdict, Number(before, point(before))

    def _coverage(self) -> tuple[str, Number | None]:
        """How many of those asked are in the figure, as its passport says."""
        (cell,) = self.cells
        if cell.status != "value":
            return ("withheld" if cell.status == "suppressed" else cell.status), None
        passport = cell.passport or {}
        status = passport.get("coverage_status", "not_provided")
        if status != "value":
            self._say("missing_denominator")
            return str(status), None
        share = 100 * float(passport["coverage"])
        number = Number(share, point(share))
        quoted = self.claim.quoted
        return ("confirmed" if quoted is None or quoted.range.meets(number.range) else "differs"), number

    def _mandate(self) -> tuple[str, str]:
        """The gravest compliance of the mandate's rows; the text counts them."""
        (cell,) = self.cells
        found = [str(row[cell.figure.measure]) for row in cell.rows if row[cell.figure.measure] is not None]
        if not found:
            return (cell.status if cell.status in ("not_published", "not_provided") else "not_measurable"), ""
        counts = {state: found.count(state) for state in _COMPLIANCE if state in found}
        return max(counts, key=_COMPLIANCE.index), ", ".join(f"{state}: {count}" for state, count in counts.items())


def _number(cell: Cell) -> Number:
    if cell.value is None or cell.range is None:
        raise BadInput(f"{cell.figure.table}.{cell.figure.measure} is no number: {cell.text}")
    return Number(cell.value, cell.range)


def _computed(kind: str, numbers: Sequence[Number]) -> Number:
    try:
        return COMPUTATIONS[kind](numbers)
    except (ValueError, ZeroDivisionError) as error:
        raise BadInput(f"{kind} of {len(numbers)} figures: {error}") from error
