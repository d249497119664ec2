"""Whether all is in order between this machine and the platform: asked as the agency, with its bundle alone.

The ping is a heartbeat, the agency's sign of life: only what is written shows that it may be written, and only the
broker's time of arrival tells how far this machine's clock is off. ``quiet`` writes nothing and then knows neither.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from dataclasses import dataclass

from contracts.errors import MizanError
from contracts.event_contract import event_contract
from producers import envelope
from producers.identifiers import new_event_id
from producers.login import AgencyLogin
from producers.publisher import Publisher

# Events more than five minutes ahead are refused; a clock this far off is on its way there.
CLOCK_SECONDS = 60.0


@dataclass(frozen=True)
class Finding:
    """One thing looked at: ``ok`` is None where it could not be told; ``fix`` by language where there is one."""

    name: str
    ok: bool | None
    found: str
    fix: dict[str, str] | None = None


_NOT_TRIED = "not tried"
_KEY_FIX = {
    "fa": "بسته تازه بگیرید: بی کلید انتقال شخص‌ها شمرده نمی‌شوند",
    "en": "Ask for a new bundle: without the transport key no person is counted",
}
_CONTRACT_FIX = {
    "fa": "بسته نرم‌افزاری را به نسخه سامانه برسانید یا بسته تازه بگیرید",
    "en": "Install the package of the platform's version, or ask for a new bundle",
}
_CLOCK_FIX = {"fa": "ساعت سامانه را تنظیم کنید (NTP)", "en": "Set the clock of this machine (NTP)"}
_LOGIN_FIX = {
    "fa": "نشانی، شبکه، گواهی و گذرواژه را ببینید؛ گذرواژه تازه را گرداننده سامانه می‌دهد",
    "en": "Look at address, network, certificate and password; the platform's operators issue a new one",
}
_TOPIC_FIX = {
    "fa": "از گرداننده سامانه بخواهید دسترسی این دستگاه را ببیند",
    "en": "Ask the platform's operators to look at this agency's access",
}


def ping(
    login: AgencyLogin, *, quiet: bool = False, now: Callable[[], float] = time.time
) -> tuple[list[Finding], MizanError | None]:
    """What was found, in order, and the error that ended it if one did. ``now`` is this machine's clock in seconds."""
    findings = [_key(login), _contract(login)]
    try:
        publisher = Publisher(login.agency_id, login.kafka)
    except MizanError as error:
        rest = [Finding(name, None, _NOT_TRIED) for name in ("topic", "clock")]
        return [*findings, Finding("login", False, str(error), _LOGIN_FIX), *rest], error
    with publisher:
        findings.append(Finding("login", True, f"{login.kafka.username} at {login.kafka.bootstrap_servers}"))
        if quiet:
            return [*findings, *(Finding(name, None, _NOT_TRIED) for name in ("topic", "clock"))], None
        begun = now()
        try:
            arrived = publisher.arrival(_heartbeat(login, begun))
        except MizanError as error:
            return [
                *findings,
                Finding("topic", False, str(error), _TOPIC_FIX),
                Finding("clock", None, _NOT_TRIED),
            ], error
        ended = now()
    findings.append(Finding("topic", True, f"a heartbeat is on {publisher.topic}"))
    return [*findings, _clock(arrived, begun, ended)], None


def _key(login: AgencyLogin) -> Finding:
    if login.transport_key is None or login.user_key_id is None:
        return Finding("key", False, "no transport key, or no id of it", _KEY_FIX)
    return Finding("key", True, f"transport key {login.user_key_id}")


def _contract(login: AgencyLogin) -> Finding:
    own = event_contract().version
    if login.contract_version is None:
        return Finding("contract", None, f"{own} here; the bundle does not say the platform's", _CONTRACT_FIX)
    same = login.contract_version == own
    found = f"{own} here, {login.contract_version} when the bundle was made"
    return Finding("contract", same, own if same else found, None if same else _CONTRACT_FIX)


def _clock(arrived: float, begun: float, ended: float) -> Finding:
    """The broker wrote the event down at some moment between our two; where it fell outside, our clock is off."""
    off = 0.0 if begun <= arrived <= ended else begun - arrived if arrived < begun else ended - arrived
    if abs(off) <= CLOCK_SECONDS:
        return Finding("clock", True, f"within {max(1, round(abs(off) + ended - begun))} s of the broker's")
    return Finding("clock", False, f"{abs(off):,.0f} s {'ahead of' if off > 0 else 'behind'} the broker's", _CLOCK_FIX)


def _heartbeat(login: AgencyLogin, at: float) -> bytes:
    moment = dt.datetime.fromtimestamp(at, dt.UTC)
    source = envelope.source_of(login.agency_id, login.system)
    data = {"contract_version": event_contract().version}
    return envelope.encode(envelope.build(new_event_id(), source, envelope.full_type("agency.heartbeat"), moment, data))
