"""What the SDK says when it does not take an event: the reason and how to mend it, in two languages."""

from __future__ import annotations

from contracts.errors import BadInput
from contracts.event import Rejection
from contracts.reasons import reasons

# The raw id never leaves the caller, so this reason is the SDK's own: the platform never sees such an event.
_PERSON_WHAT = {"en": "The person's id is not valid", "fa": "شناسه شخص درست نیست"}
_PERSON_FIX = {
    "en": "Give nid:, legal: or foreign: and the digits as issued, check digit included",
    "fa": "پیشوند nid: یا legal: یا foreign: و همه رقم‌ها را همان‌گونه که صادر شده است بدهید",
}


class Refusal(BadInput):
    """An event was not accepted; nothing was written or sent. No message repeats a value of the event."""

    def __init__(self, reason_code: str, detail: str, what: dict[str, str], fix: dict[str, str]) -> None:
        place = f" [{detail}]" if detail else ""
        super().__init__(f"{reason_code}{place}: {what['en']} / {what['fa']}", hint=f"{fix['en']} / {fix['fa']}")
        self.reason_code = reason_code
        self.detail = detail
        self.what = what
        self.fix = fix

    @classmethod
    def of(cls, rejection: Rejection) -> Refusal:
        """The refusal that says what the contract's parser found."""
        reason = reasons()[rejection.reason_code]
        return cls(rejection.reason_code, rejection.detail, dict(reason.what), dict(reason.fix))

    @classmethod
    def of_person(cls, why: str) -> Refusal:
        """The refusal of an id that belongs to no person; ``why`` holds no digit of it."""
        return cls("person_invalid", why, _PERSON_WHAT, _PERSON_FIX)
