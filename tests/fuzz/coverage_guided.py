"""The parser under coverage-guided fuzzing, seeded with the corpus: ``python tests/fuzz/coverage_guided.py SECONDS``.

Any bytes end as an event or with a reason of the list, in bounded time and memory; what quarantine keeps of them is
made as well. An input that breaks that is written to ``var/fuzz`` and belongs into the corpus once it is mended.
"""

from __future__ import annotations

import datetime as dt
import sys
import tempfile
from pathlib import Path

import atheris

ROOT = Path(__file__).resolve().parents[2]
FOUND = ROOT / "var" / "fuzz"
LONGEST_SECONDS, MOST_MB, LONGEST_INPUT = 5, 1024, 8_192
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

with atheris.instrument_imports(include=["contracts", "json"]):
    from contracts.event import Event, Record, excerpt, parse
    from contracts.reasons import reasons

from corpus_cases import AGENCY, KNOWN, cases  # noqa: E402 what is instrumented comes first

CODES = frozenset(reasons())


def judge(value: bytes) -> None:
    """One input: AssertionError where it ends as nothing that may come out."""
    verdict = parse(Record(value, AGENCY), dt.datetime.now(dt.UTC), KNOWN)
    assert isinstance(verdict, Event) or verdict.reason_code in CODES
    assert len(excerpt(value)) <= 2_000


def main() -> None:
    """Fuzz for so many seconds, from the corpus' own records."""
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    FOUND.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mizan-fuzz-") as seeds:
        for number, case in enumerate(case for case in cases() if case.value):
            Path(seeds, f"seed-{number}").write_bytes(case.value or b"")
        options = (f"-max_total_time={seconds}", f"-timeout={LONGEST_SECONDS}", f"-rss_limit_mb={MOST_MB}")
        more = (f"-max_len={LONGEST_INPUT}", f"-artifact_prefix={FOUND}/", "-print_final_stats=1")
        atheris.Setup([sys.argv[0], *options, *more, seeds], judge)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
