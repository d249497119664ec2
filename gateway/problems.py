"""What the gateway says where a request as a whole is not taken: a short document (RFC 9457) in two languages."""

from __future__ import annotations

import json
from typing import NamedTuple


class Text(NamedTuple):
    """The status of a problem, and what is read about it."""

    status: int
    en: str
    fa: str


PROBLEMS = {
    "bad_request": Text(
        400,
        "The request cannot be read as HTTP with one body",
        "درخواست به صورت HTTP با یک بدنه خوانده نشد",
    ),
    "bad_gzip": Text(
        400,
        "The body is not one gzip stream",
        "بدنه یک جریان درست gzip نیست",
    ),
    "bad_batch": Text(
        400,
        "The batch is not a JSON array",
        "دسته، آرایه JSON نیست",
    ),
    "no_events": Text(
        400,
        "The body holds no event",
        "بدنه هیچ رویدادی ندارد",
    ),
    "unauthorized": Text(
        401,
        "Send a token the gateway knows: Authorization: Bearer mzt_…",
        "توکن شناخته‌شده بفرستید: Authorization: Bearer mzt_…",
    ),
    "not_found": Text(
        404,
        "Events go to POST /v1/events",
        "رویدادها را به POST /v1/events بفرستید",
    ),
    "method_not_allowed": Text(
        405,
        "The method is not for this place",
        "این روش برای این نشانی نیست",
    ),
    "too_slow": Text(
        408,
        "The body did not arrive in time: send smaller batches",
        "بدنه به‌موقع نرسید: دسته‌های کوچک‌تر بفرستید",
    ),
    "body_too_large": Text(
        413,
        "The body is larger than 4 MiB, unpacked: send smaller batches",
        "بدنه پس از بازکردن بیش از ۴ مبی‌بایت است: دسته‌های کوچک‌تر بفرستید",
    ),
    "too_many_events": Text(
        413,
        "More than 10,000 events in one request",
        "بیش از ۱۰٬۰۰۰ رویداد در یک درخواست",
    ),
    "unknown_media_type": Text(
        415,
        "Send application/x-ndjson, application/cloudevents-batch+json or application/cloudevents+json",
        "نوع محتوا یکی از application/x-ndjson، cloudevents-batch+json یا cloudevents+json باشد",
    ),
    "unknown_encoding": Text(
        415,
        "The body may be packed with gzip alone",
        "بدنه را تنها با gzip می‌توان فشرد",
    ),
    "too_many_requests": Text(
        429,
        "Your agency has 8 requests in work: wait for one to be answered",
        "دستگاه شما ۸ درخواست در کار دارد: پاسخ یکی را منتظر بمانید",
    ),
    "quota_exceeded": Text(
        429,
        "Your agency's bytes a second are used up",
        "سهمیه بایت در ثانیه دستگاه شما پر شده است",
    ),
    "internal_error": Text(
        500,
        "The gateway failed; send the same again",
        "درگاه خطا داد؛ همان را دوباره بفرستید",
    ),
    "busy": Text(
        503,
        "The gateway is full: send the same again later",
        "درگاه پر است: همان را دیرتر دوباره بفرستید",
    ),
}
MEDIA_TYPE = "application/problem+json"


class Problem(Exception):
    """A request that is not taken; nothing of it went to the broker. ``retry_after`` is in seconds."""

    def __init__(self, code: str, *, retry_after: int | None = None, headers: dict[str, str] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.status = PROBLEMS[code].status
        self.headers = {**(headers or {}), **({} if retry_after is None else {"Retry-After": str(retry_after)})}

    def document(self) -> bytes:
        """The body of the answer."""
        text = PROBLEMS[self.code]
        shown = {"status": text.status, "code": self.code, "title": text.en, "title_fa": text.fa}
        return json.dumps(shown, ensure_ascii=False).encode()
