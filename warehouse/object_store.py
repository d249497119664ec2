"""An S3-compatible object store: how it is reached, and what its answers mean.

Two libraries speak to it: ``deltalake`` commits, pyarrow's own S3 file system does everything else. Both find the
credentials themselves, in the standard AWS environment variables or files: nothing here reads, keeps or tells them.
Endpoint and scheme are said to both in the same words, from the standard AWS_ENDPOINT_URL.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from contracts.errors import MizanError, TryAgain, UsageError

if TYPE_CHECKING:
    from pyarrow.fs import S3FileSystem

SCHEME = "s3://"
# A store that does not answer is given up after about a minute: a step then ends as one that may be tried again.
_PATIENCE = {"max_retries": "8", "retry_timeout": "60s", "connect_timeout": "5s", "timeout": "60s"}
_ATTEMPTS = 8
# Options of the Delta library that put something else in the place of the store's conditional put.
_UNSAFE = ("AWS_S3_ALLOW_UNSAFE_RENAME", "AWS_S3_LOCKING_PROVIDER", "AWS_COPY_IF_NOT_EXISTS")
_CODE = re.compile(r"<Code>(\w+)</Code>|AWS Error (\w+)")
# Codes that say: not now. Every other one says that something is set wrongly.
_PASSING = {
    "NETWORK_CONNECTION", "SLOW_DOWN", "SERVICE_UNAVAILABLE", "INTERNAL_FAILURE", "REQUEST_TIMEOUT", "THROTTLING",
    "SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout",
}  # fmt: skip


def is_stored(uri: str) -> bool:
    """True where a URI names something in an object store."""
    return uri.startswith(SCHEME)


def storage_options() -> dict[str, str]:
    """What ``deltalake`` is told beside the standard AWS variables and files, which it reads itself.

    UsageError where the environment would have it commit without the store's conditional put.
    """
    for name in _UNSAFE:
        if os.environ.get(name) or os.environ.get(name.lower()):
            raise UsageError(f"{name} is set: commits rest on the store's conditional put alone", hint=f"unset {name}")
    options = {"conditional_put": "etag", **_PATIENCE}
    endpoint = _endpoint()
    if endpoint:
        options["endpoint"] = endpoint
        options["allow_http"] = str(endpoint.startswith("http://")).lower()
    return options


@cache
def file_system() -> S3FileSystem:
    """The store as pyarrow's file system; one a process, usable by all its threads."""
    from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem

    endpoint = urlsplit(_endpoint() or "")
    return S3FileSystem(
        scheme=endpoint.scheme or None,
        endpoint_override=endpoint.netloc or None,
        connect_timeout=5.0,
        request_timeout=60.0,
        allow_delayed_open=True,  # a small object is one request
        retry_strategy=AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
    )


def _endpoint() -> str | None:
    """The store's address; None for AWS itself. Without TLS only on this machine, or where AWS_ALLOW_HTTP says so."""
    name = next((one for one in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL") if os.environ.get(one)), None)
    if name is None:
        return None
    address = os.environ[name].rstrip("/")
    parts = urlsplit(address)
    # The text is never quoted: what looks like a URL may hold a password.
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or parts.query or parts.path:
        raise UsageError(f"{name} must be http(s)://host[:port]", hint="secrets stand in AWS's own variables or files")
    is_allowed = os.environ.get("AWS_ALLOW_HTTP", "").lower() in ("1", "true") or _is_loopback(parts.hostname)
    if parts.scheme == "http" and not is_allowed:
        raise UsageError(f"{name} is without TLS", hint="https://…; or AWS_ALLOW_HTTP=true, on a network that is yours")
    return address


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextlib.contextmanager
def asked(uri: str) -> Iterator[None]:
    """What the store refuses or does not answer in this block, in our words: TryAgain, or UsageError with its code.

    The libraries' own words are not passed on: they quote requests, which name the access key.
    """
    try:
        yield
    except (MizanError, FileNotFoundError):
        raise
    except Exception as error:
        told = _told(urlsplit(uri).netloc, str(error)) if is_stored(uri) else None
        if told is None:
            raise
        raise told from None


def _told(bucket: str, text: str) -> MizanError | None:
    """The libraries' words about the store in ours; None where they are about something else."""
    if "S3 error" not in text and "AWS Error" not in text:
        return None
    found = _CODE.search(text)
    code = (found[1] or found[2]) if found else ""
    if code and code not in _PASSING:
        hint = "see the bucket's name and rules, AWS_ENDPOINT_URL, AWS_REGION and the credentials"
        return UsageError(f"the store of {SCHEME}{bucket} refuses: {code}", hint=hint)
    return TryAgain(f"the store of {SCHEME}{bucket} does not answer" + (f" ({code})" if code else ""))
