"""Counts of the gateway, in Prometheus' text format. No agency is named: whoever reads them learns of none."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import accumulate

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass
class Metrics:
    """What happened since the gateway started."""

    requests: Counter[int] = field(default_factory=Counter)  # by status
    events: Counter[str] = field(default_factory=Counter)  # by verdict
    refusals: Counter[str] = field(default_factory=Counter)  # by reason code
    body_bytes: int = 0
    turned_out: int = 0
    _waits: list[int] = field(default_factory=lambda: [0] * (len(SECONDS) + 1))
    _waited: float = 0.0

    def waited(self, seconds: float) -> None:
        """One request's events took so long from its last byte to its verdicts."""
        self._waits[bisect_left(SECONDS, seconds)] += 1
        self._waited += seconds

    def text(self, gauges: Mapping[str, tuple[str, float]]) -> str:
        """The page; ``gauges`` are name to (help, value) as of now."""
        histogram = "mizan_gateway_seconds"
        lines = [
            *_counter("requests", "Requests answered.", (({"status": str(s)}, n) for s, n in self.requests.items())),
            *_counter("events", "Events by verdict.", (({"verdict": v}, n) for v, n in self.events.items())),
            *_counter("refused_events", "By reason.", (({"reason": r}, n) for r, n in self.refusals.items())),
            *_counter("body_bytes", "Bytes of bodies, unpacked.", [({}, self.body_bytes)]),
            *_counter("connections_turned_out", "Strangers' connections cut to make room.", [({}, self.turned_out)]),
            f"# HELP {histogram} From a request's last byte to its verdicts.",
            f"# TYPE {histogram} histogram",
        ]
        bounds = [*(f"{second:g}" for second in SECONDS), "+Inf"]
        for bound, count in zip(bounds, accumulate(self._waits), strict=True):
            lines.append(f'{histogram}_bucket{{le="{bound}"}} {count}')
        lines += [f"{histogram}_sum {self._waited:.6f}", f"{histogram}_count {sum(self._waits)}"]
        for name, (meaning, value) in gauges.items():
            lines += [f"# HELP mizan_gateway_{name} {meaning}", f"# TYPE mizan_gateway_{name} gauge"]
            lines.append(f"mizan_gateway_{name} {value:g}")
        return "\n".join(lines) + "\n"


def _counter(name: str, meaning: str, values: Iterable[tuple[Mapping[str, str], int]]) -> Iterable[str]:
    full = f"mizan_gateway_{name}_total"
    yield f"# HELP {full} {meaning}"
    yield f"# TYPE {full} counter"
    for labels, value in values:
        shown = ",".join(f'{label}="{text}"' for label, text in labels.items())
        yield f"{full}{{{shown}}} {value}" if shown else f"{full} {value}"
