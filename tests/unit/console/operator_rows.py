"""What an operator may mistype, command by command: for every argument and option, the words and the wrong values.

``{}`` stands for the wrong value. FREE: whatever is typed is taken as it is; the row says why.
"""

from __future__ import annotations

from dataclasses import dataclass

IDS = ["../../x", "..\\x", "%2e%2e/", "a/b", ".", "CON", "a" * 300, "-x", "a\nb", ";rm", "'q'", '"q"', "--", "$(id)"]
IDS += ["`id`", "تهران", "ta\u200bx", "Tax", "a", "evaluator"]
MONTHS = [
    "2026-13",
    "2026-1",
    "9999-99",
    "",
    "1399-00",
    "1399/01",
    "۱۳۹۹-۰۱",
    "1399-01\n",
    "1700-01",
    "2100-01",
    "1500-01",
]
FILES = ["nowhere", ".", "", "nowhere\n", "../../nowhere"]
DAYS = ["2020-02-30", "2020", "yesterday", "1399-01-01x", ""]
COUNTS = ["0", "-1", "x", "1e3", "1.5", ""]
SCALES = ["0", "-1", "nan", "inf", "2", "x", ""]
REASONS = ["nonsense", "NOT_JSON", "", "$(x)", "../x"]
NOBODY = ["", "  ", "\t"]
TABLES = ["nowhere", "../agencies", "", "agencies; drop"]


@dataclass(frozen=True)
class Free:
    """Nothing can be mistyped there, because ..."""

    why: str


FOLDER = Free("a folder that is not there is made")
TEXT = Free("a name or a reason, kept as it is typed")
Row = tuple[str, list[str]] | Free

ROWS: dict[str, dict[str, Row]] = {
    "doctor": {},
    "check": {"file": ("check {}", FILES), "--agency": ("check - --agency {}", IDS)},
    "send": {
        "file": ("send {} --agency tax", FILES),
        "--agency": ("send f.ndjson --agency {}", IDS),
        "--bundle": ("send f.ndjson --agency tax --bundle {}", FILES),
    },
    "declare": {
        "file": ("declare {} --agency tax --on 2020-04-10", FILES),
        "--agency": ("declare f.csv --on 2020-04-10 --agency {}", IDS),
        "--on": ("declare f.csv --agency tax --on {}", DAYS),
        "--bundle": ("declare f.csv --agency tax --on 2020-04-10 --bundle {}", FILES),
    },
    "rejects": {
        "--agency": ("rejects --agency {}", IDS),
        "--limit": ("rejects --agency tax --limit {}", COUNTS),
    },
    "ping": {"--bundle": ("ping --bundle {}", FILES), "--agency": ("ping --agency {}", IDS)},
    "simulate": {
        "name": ("simulate {} --to out", ["nowhere", "../qom", ""]),
        "--scale": ("simulate qom-1399-h1 --to out --scale {}", SCALES),
        "--seed": ("simulate qom-1399-h1 --to out --seed {}", ["x", "1.5", ""]),
        "--to": FOLDER,
        "--months": (
            "simulate qom-1399-h1 --to out --months {}",
            [*MONTHS, "1399-03/1399-01", "1399-01/", "1399-01..2020-05", "2026-13/1399-06"],
        ),
        "--month": ("simulate qom-1399-h1 --to out --month {}", MONTHS),
    },
    "init": {},
    "land": {"--shard": ("land --shard {}", ["x", "0/2", "3/2", "1/0", "-1/2", "1", "1/2/3", "۱/۲", ""])},
    "verify": {},
    "compact": {},
    "accept-loss": {
        "where": ("accept-loss {} 0 5 --by me --reason gone", ["x", "x/0", "egov.events.v1.tax", "a/b/c", ""]),
        "begin": ("accept-loss egov.events.v1.tax/0 {} 5 --by me --reason gone", ["x", "-1", "1.5", "5"]),
        "until": ("accept-loss egov.events.v1.tax/0 3 {} --by me --reason gone", ["x", "-1", "1.5", "3", "0"]),
        "--by": ("accept-loss egov.events.v1.tax/0 0 5 --reason gone --by={}", NOBODY),
        "--reason": ("accept-loss egov.events.v1.tax/0 0 5 --by me --reason={}", NOBODY),
    },
    "backup": {
        "folder": ("backup {}", ["home", "home/inside"]),
        "--with-keys": ("backup DIR --with-keys {}", ["DIR/keys", ".", "home/keys"]),
        "--keep": ("backup DIR --keep {}", COUNTS),
    },
    "restore": {
        "folder": ("restore {}", FILES),
        "--at": ("restore DIR --at {}", ["yesterday", "", "../x"]),
        "--with-keys": ("restore DIR --with-keys {}", FILES),
        "--after-version": ("restore DIR --after-version {}", COUNTS),
    },
    "build": {"--month": ("build --month {}", MONTHS)},
    "run": {},
    "status": {},
    "gate": {},
    "gate release": {
        "batch": ("gate release {} --agency tax --by me --reason looked", ["nowhere", "", "../x"]),
        "--agency": ("gate release batch --by me --reason looked --agency {}", IDS),
        "--by": ("gate release batch --agency tax --reason looked --by={}", NOBODY),
        "--reason": ("gate release batch --agency tax --by me --reason={}", NOBODY),
    },
    "publish": {
        "--rollback": ("publish --rollback {}", ["v0", "-1", "../v1", "v1.duckdb", "v", "v999", "999", ""]),
        "--to": ("publish --to {}", ["mysql", "Postgres", "postgres", ""]),
        "--tier": ("publish --to postgres --tier {}", ["exact", "Analyst", "analyst", ""]),
    },
    "bi-check": {"--tier": ("bi-check --tier {}", ["exact", "Analyst", ""])},
    "dashboard": {
        "--port": ("dashboard --port {}", ["0", "-1", "65536", "x", ""]),
        "--host": ("dashboard --host {}", ["0.0.0.0", "nowhere", "::", "127.0.0.1:80", ""]),
    },
    "metrics": {
        "--port": ("metrics --port {}", ["0", "-1", "65536", "x", ""]),
        "--host": ("metrics --host {}", ["nowhere", "127.0.0.1:80", "0.0.0.300", ""]),
    },
    "lineage": {"--to": ("lineage --to {}", [".", ""])},
    "key ls": {},
    "key drop-pids": {
        "--by": ("key drop-pids --by={}", NOBODY),
    },
    "key rotate": {
        "--by": ("key rotate --reason yearly --by={}", NOBODY),
        "--reason": ("key rotate --by me --reason={}", NOBODY),
    },
    "key replace-transport": {
        "--by": ("key replace-transport --reason leaked --by={}", NOBODY),
        "--reason": ("key replace-transport --by me --reason={}", NOBODY),
        "--retire-at": (
            "key replace-transport --by me --reason leaked --retire-at {}",
            ["yesterday", "2026-12-22", "2026-12-22T00:00", "2026-13-01T00:00Z", ""],
        ),
    },
    "forget": {
        "--by": ("forget --reason asked --by={}", NOBODY),
        "--reason": ("forget --by me --reason={}", NOBODY),
        "--kafka-days": ("forget --by me --reason asked --kafka-days {}", ["-1", "x", "1.5", ""]),
    },
    "demo": {
        "--scenario": ("demo --scenario {}", ["nowhere", "../qom", ""]),
        "--seed": ("demo --seed {}", ["x", "1.5", ""]),
    },
    "up": {},
    "down": {},
    "explain": {
        "table": ("explain {} month=1399-01", TABLES),
        "keys": ("explain monthly_users {}", ["month", "=1399-01", ""]),
        "--measure": ("explain monthly_users month=1399-01 --measure {}", ["nothing", ""]),
    },
    "contract": {},
    "claim check": {"file": ("claim check {}", TABLES), "--scale": ("claim check all --scale {}", SCALES)},
    "config show": {},
    "broker up": {},
    "broker down": {},
    "broker status": {},
    "agency add": {
        "agency": ("agency add {}", IDS),
        "--name-fa": TEXT,
        "--name-en": TEXT,
        "--parent": ("agency add known --parent {}", IDS),
        "--province": ("agency add known --province {}", ["nowhere", "../qom"]),
        "--district": ("agency add known --district {}", ["nowhere", "../kahak"]),
        "--out": FOLDER,
    },
    "agency add-system": {
        "agency": ("agency add-system {} desk", IDS),
        "system": ("agency add-system tax {}", ["../x", "a/b", "", "تهران", "a\nb", "x" * 300]),
        "--out": FOLDER,
    },
    "agency rotate": {
        "agency": ("agency rotate {}", IDS),
        "--system": ("agency rotate tax --system {}", ["../x", "a/b", "تهران", "a\nb"]),
        "--out": FOLDER,
    },
    "agency revoke": {
        "agency": ("agency revoke {}", IDS),
        "--system": ("agency revoke tax --system {}", ["../x", "a/b", "تهران", "a\nb"]),
    },
    "agency ls": {},
    "gateway run": {
        "--port": ("gateway run --port {}", ["0", "-1", "65536", "x", ""]),
        "--host": ("gateway run --host {}", ["0.0.0.0", "nowhere", "::", "127.0.0.1:80", ""]),
        "--certificate": ("gateway run --certificate {}", FILES),
        "--key": ("gateway run --key {}", FILES),
        "--client-ca": ("gateway run --client-ca {}", FILES),
    },
    "gateway up": {"--port": ("gateway up --port {}", ["0", "-1", "65536", "x", ""])},
    "gateway down": {},
    "gateway token add": {
        "agency": ("gateway token add {}", IDS),
        "--system": ("gateway token add tax --system {}", ["../x", "a/b", "", "تهران", "a\nb"]),
    },
    "gateway token revoke": {
        "agency": ("gateway token revoke {}", IDS),
        "--system": ("gateway token revoke tax --system {}", ["../x", "a/b", "", "تهران", "a\nb"]),
        "--name": ("gateway token revoke tax --name {}", ["nowhere", "", "../x"]),
    },
    "gateway token ls": {},
    "evaluator add": {"--out": FOLDER},
    "evaluator rotate": {"--out": FOLDER},
    "evaluator send": {"file": ("evaluator send {}", FILES), "--bundle": ("evaluator send f --bundle {}", FILES)},
    "catalogue load": {"directory": ("catalogue load {}", ["nowhere", "../../nowhere"])},
    "catalogue ls": {},
    "catalogue show": {
        "table": ("catalogue show {}", TABLES),
        "ids": Free("ids that are not there are no rows"),
        "--as-of": ("catalogue show agencies --as-of {}", [*DAYS, *MONTHS]),
    },
    "catalogue export": {"directory": FOLDER},
    "import canada-service-inventory": {
        "file": ("import canada-service-inventory {} --to out", ["nowhere", "."]),
        "--scale": ("import canada-service-inventory --to out --as-events --scale {}", ["many", "0", "-1", "2", "nan"]),
        "--to": FOLDER,
    },
    "quarantine ls": {},
    "quarantine show": {
        "--reason": ("quarantine show --reason {}", REASONS),
        "--agency": ("quarantine show --agency {}", IDS),
        "--limit": ("quarantine show --limit {}", [*COUNTS, "1000000000000"]),
    },
    "quarantine replay": {
        "--reason": ("quarantine replay --reason {}", REASONS),
        "--agency": ("quarantine replay --agency {}", IDS),
    },
    "quarantine drop": {
        "--reason": ("quarantine drop --by me --note why --reason {}", REASONS),
        "--agency": ("quarantine drop --reason not_json --by me --note why --agency {}", IDS),
        "--by": ("quarantine drop --reason not_json --note why --by={}", NOBODY),
        "--note": ("quarantine drop --reason not_json --by me --note={}", NOBODY),
    },
    "month ls": {},
    "month close": {
        "month": ("month close {} --by me --note looked", MONTHS),
        "--by": ("month close 1399-01 --note looked --by={}", NOBODY),
        "--note": ("month close 1399-01 --by me --note={}", NOBODY),
    },
    "month reopen": {
        "month": ("month reopen {} --by me", MONTHS),
        "--by": ("month reopen 1399-01 --by={}", NOBODY),
        "--note": ("month reopen 1399-01 --by me --note={}", NOBODY),
    },
}
# What is wrong of several words together, or of none in particular.
TOGETHER = [
    "nonsense",
    "build --month 1399-01 --full",
    "simulate qom-1399-h1 --to out --month 1399-01 --months 1399-01",
    "import canada-service-inventory --to out --scale 0.5",
    "restore DIR --check --force",
    "restore DIR --check --after-version 3",
]
