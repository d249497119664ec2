"""The SDK: ``with Agency.from_bundle(folder) as agency: agency.completed(…)``.

Every method says what happened, in the past tense, checks it against the contract and returns the event's id.
An event that breaks the contract raises Refusal and goes nowhere.

With a ``spool`` folder an accepted event is on disk before the method returns and is sent again until the broker
has it, also after a crash and a restart. Without one, ``flush`` (and the end of the ``with`` block) waits for the
broker and raises if an event did not arrive.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import re
import time as clock
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Unpack

from contracts.errors import TryAgain, UsageError
from contracts.event import Record, Rejection, parse
from contracts.event_contract import event_contract
from contracts.identity import NotAPerson, canonical_id, user_key_maker
from contracts.keys import read_key
from contracts.settings import KafkaLogin, agency_id
from producers import envelope
from producers.fields import (
    CompletionFields,
    ControlTotalFields,
    DeclarationFields,
    InquiryFields,
    RetractionFields,
    TransactionFields,
    VisitFields,
)
from producers.identifiers import new_event_id
from producers.login import AgencyLogin, read_bundle
from producers.plain_events import PlainEvents
from producers.refusal import Refusal
from producers.spool import Spool

if TYPE_CHECKING:
    from producers.publisher import Publisher

# A canonical id pasted into a field would pass the platform's detectors, which know bare ids: refused here.
_CANONICAL = re.compile(r"\s*(?:nid|legal|foreign)\s*:[\s\d_-]{8,}", re.IGNORECASE)
SPOOLED_BEFORE_SENDING = 500
SECONDS_BEFORE_SENDING = 1.0


class Agency:
    """One agency (or one ``system`` of it) that reports its events. Not for use by several threads at once.

    ``bootstrap_servers`` and the login arguments are those of Kafka; ``password_file``, ``transport_key_file``
    are files of mode 0600. ``durable=False`` keeps the spool without fsync: it then survives a crash of the
    program, not of the machine. The connection is opened when the first event is to be sent.
    """

    def __init__(
        self,
        agency: str,
        bootstrap_servers: str,
        *,
        username: str | None = None,
        password_file: Path | str | None = None,
        ca_file: Path | str | None = None,
        security_protocol: str | None = None,
        sasl_mechanism: str | None = None,
        transport_key_file: Path | str | None = None,
        user_key_id: str | None = None,
        system: str | None = None,
        spool: Path | str | None = None,
        durable: bool = True,
    ) -> None:
        kafka = KafkaLogin(
            bootstrap_servers,
            security_protocol or ("SASL_SSL" if username else "PLAINTEXT"),
            sasl_mechanism or ("SCRAM-SHA-512" if username else None),
            username,
            None if password_file is None else Path(password_file),
            None if ca_file is None else Path(ca_file),
        )
        key = None if transport_key_file is None else read_key(Path(transport_key_file))
        self._begin(AgencyLogin(agency_id(agency), kafka, system, key, user_key_id), spool, durable)

    @classmethod
    def from_bundle(cls, folder: Path | str, *, spool: Path | str | None = None, durable: bool = True) -> Agency:
        """The agency of a bundle that ``mizan agency add --out`` wrote."""
        agency = cls.__new__(cls)
        agency._begin(read_bundle(Path(folder)), spool, durable)
        return agency

    def _begin(self, login: AgencyLogin, spool: Path | str | None, durable: bool) -> None:
        self._login = login
        self._source = envelope.source_of(login.agency_id, login.system)
        self._plain = PlainEvents(login.agency_id, self._source)
        self._key = None if login.transport_key is None else user_key_maker(login.transport_key)
        self._publisher: Publisher | None = None
        self._unflushed = 0
        self._is_together = False
        self._spool = None if spool is None else Spool(Path(spool), durable=durable)
        self._last_sending = clock.monotonic()

    @property
    def agency_id(self) -> str:
        """The id of the agency."""
        return self._login.agency_id

    def received(
        self,
        *,
        person: str | None = None,
        time: dt.datetime | None = None,
        event_id: str | None = None,
        **fields: Unpack[TransactionFields],
    ) -> str:
        """A transaction was received: all information to start it is there."""
        return self._say("transaction.received", fields, person, time, event_id)

    def completed(
        self,
        *,
        person: str | None = None,
        time: dt.datetime | None = None,
        event_id: str | None = None,
        **fields: Unpack[CompletionFields],
    ) -> str:
        """A transaction was completed: there is nothing more to decide."""
        return self._say("transaction.completed", fields, person, time, event_id)

    def visited(
        self,
        *,
        person: str | None = None,
        time: dt.datetime | None = None,
        event_id: str | None = None,
        **fields: Unpack[VisitFields],
    ) -> str:
        """Somebody visited the agency through a channel."""
        return self._say("visit.recorded", fields, person, time, event_id)

    def inquiry_answered(
        self, *, time: dt.datetime | None = None, event_id: str | None = None, **fields: Unpack[InquiryFields]
    ) -> str:
        """The agency answered another agency's inquiry."""
        return self._say("inquiry.answered", fields, None, time, event_id)

    def retracted(
        self, *, time: dt.datetime | None = None, own_event_id: str | None = None, **fields: Unpack[RetractionFields]
    ) -> str:
        """An event sent before is taken back; ``event_id`` names it, ``own_event_id`` is this event's own id."""
        return self._say("event.retracted", fields, None, time, own_event_id)

    def heartbeat(
        self,
        *,
        window_connected: bool | None = None,
        time: dt.datetime | None = None,
        event_id: str | None = None,
        contract_version: str | None = None,
    ) -> str:
        """The agency's systems are alive."""
        fields = {
            "contract_version": contract_version or event_contract().version,
            "window_connected": window_connected,
        }
        return self._say("agency.heartbeat", fields, None, time, event_id)

    def control_total(
        self, *, time: dt.datetime | None = None, event_id: str | None = None, **fields: Unpack[ControlTotalFields]
    ) -> str:
        """How many events of one type this agency has for one Tehran date."""
        given: dict[str, Any] = dict(fields)
        if isinstance(given.get("date"), dt.date) and not isinstance(given["date"], dt.datetime):
            given["date"] = given["date"].isoformat()
        return self._say("agency.control_total", given, None, time, event_id)

    def declared(
        self, *, time: dt.datetime | None = None, event_id: str | None = None, **fields: Unpack[DeclarationFields]
    ) -> str:
        """The agency declares a figure it cannot report event by event."""
        return self._say("agency.declaration", fields, None, time, event_id)

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """What is said in the block is accepted as one: on disk, with one fsync, when the block ends.

        Without it each method of a durable spool waits for an fsync of its own. Whatever ends the block, events said
        before it are accepted. Without a spool, the block changes nothing.
        """
        self._is_together = True
        try:
            yield
        finally:
            self._is_together = False
            if self._spool is not None:
                self._spool.sync()
                self._send_when_due()

    def flush(self) -> None:
        """Wait until the broker has every event said so far.

        Raises TryAgain where it does not answer (spooled events stay on disk; without a spool they are lost
        unless said again) and UsageError where it refuses the login.
        """
        if self._spool is not None:
            self._send_spooled()
        elif self._publisher is not None and self._unflushed:
            count, self._unflushed = self._unflushed, 0
            if self._publisher.flush() < count:
                raise TryAgain("not every event was acknowledged", hint="use a spool folder to lose none")

    def close(self) -> None:
        """Give everything back without waiting for the broker; call ``flush`` first."""
        if self._publisher is not None:
            self._publisher.close()
            self._publisher = None
        if self._spool is not None:
            self._spool.close()

    def __enter__(self) -> Agency:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.flush()
        finally:
            self.close()

    def _say(
        self,
        name: str,
        fields: Mapping[str, Any],
        person: str | None,
        time: dt.datetime | None,
        event_id: str | None,
    ) -> str:
        data = {field: value for field, value in fields.items() if value is not None}
        _refuse_canonical_ids(data)
        if person is not None:
            if "user_key" in data:
                raise UsageError("give person or user_key, not both")
            data["user_key"] = self._key_of(person)
            if self._login.user_key_id is not None:
                data.setdefault("user_key_id", self._login.user_key_id)
        now = dt.datetime.now(dt.UTC)
        identifier = event_id if event_id is not None else new_event_id()
        event_type = envelope.full_type(name)
        plain = self._plain.written(identifier, event_type, time or now, now, data)
        self._accept(plain or self._judged(identifier, event_type, time or now, now, data))
        return identifier

    def _judged(
        self, identifier: str, event_type: str, time: dt.datetime, now: dt.datetime, data: Mapping[str, Any]
    ) -> bytes:
        """The event's bytes, which the contract's parser accepts. Raises Refusal where it does not."""
        event = envelope.build(identifier, self._source, event_type, time, data)
        try:
            value = envelope.encode(event)
        except (TypeError, ValueError, RecursionError):
            raise Refusal.of(Rejection("bad_type", "contract", "a value that JSON or UTF-8 cannot hold")) from None
        verdict = parse(Record(value, self.agency_id), now)
        if isinstance(verdict, Rejection):
            raise Refusal.of(verdict)
        return value

    def _key_of(self, person: str) -> str:
        if self._key is None:
            raise UsageError("a person can be keyed only with the transport key", hint="give transport_key_file")
        try:
            canonical = canonical_id(person)
        except NotAPerson as error:
            raise Refusal.of_person(str(error)) from None
        return self._key(canonical)

    def _accept(self, value: bytes) -> None:
        if self._spool is None:
            self._connection().send(value)
            self._unflushed += 1
            return
        if self._is_together:
            self._spool.write(value)
            return
        self._spool.append(value)
        self._send_when_due()

    def _send_when_due(self) -> None:
        assert self._spool is not None
        waited = clock.monotonic() - self._last_sending
        if self._spool.pending >= SPOOLED_BEFORE_SENDING or waited >= SECONDS_BEFORE_SENDING:
            try:
                self._send_spooled(answer_seconds=1.0)
            except TryAgain:
                # Accepted means on disk, which it is: the broker's absence is not the caller's trouble until flush.
                # The next try comes no sooner than in thirty seconds, so that reporting never slows the reporter.
                self._last_sending = clock.monotonic() + 30

    def _send_spooled(self, answer_seconds: float | None = None) -> None:
        from producers.delivery import deliver

        assert self._spool is not None
        self._last_sending = clock.monotonic()
        if self._spool.pending:
            deliver(self._spool, self._connection(answer_seconds))

    def _connection(self, answer_seconds: float | None = None) -> Publisher:
        if self._publisher is None:
            # Imported late: checking and spooling need no Kafka client.
            from producers.publisher import ANSWER_SECONDS, Publisher

            self._publisher = Publisher(
                self.agency_id, self._login.kafka, answer_seconds=answer_seconds or ANSWER_SECONDS
            )
        return self._publisher


def _refuse_canonical_ids(data: Mapping[str, Any]) -> None:
    for name, value in data.items():
        if isinstance(value, str) and ":" in value and _CANONICAL.fullmatch(value):
            raise Refusal.of(Rejection("pii_leak", "privacy", name))
