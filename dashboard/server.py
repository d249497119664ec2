"""Serve the public tier over HTTP: the report and its downloads, with headers that allow no more than they need.

It opens no database and knows no figure: it hands out the files of the version that is in service when asked.
"""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contracts.settings import Settings

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-cache",  # ask again: a version may have followed; what is unchanged answers 304
}
_STYLE = re.compile(rb"<style>(.*?)</style>", re.DOTALL)
_NOTHING_YET = "هنوز چیزی منتشر نشده است. Nothing is published yet.\n"
_NOT_HERE = "اینجا چنین صفحه‌ای نیست. There is no such page.\n"
_TROUBLE = "اکنون پاسخی نیست؛ دوباره بپرسید. No answer now; ask again.\n"


def content_security_policy(front: bytes) -> str:
    """The policy of a site whose pages carry the style of ``front``: that one style, and this origin's own files."""
    found = _STYLE.search(front)
    digest = base64.b64encode(hashlib.sha256(found[1]).digest()).decode() if found else ""
    style = f"'self' 'sha256-{digest}'" if digest else "'self'"
    return (
        f"default-src 'none'; script-src 'self'; style-src {style}; img-src 'self'; connect-src 'self'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )


def application(settings: Settings) -> Starlette:
    """The site as an ASGI application."""
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.middleware import Middleware
    from starlette.responses import PlainTextResponse
    from starlette.routing import Mount
    from starlette.staticfiles import StaticFiles

    folder = settings.published / "public"

    class _Files(StaticFiles):
        """Files of the version in service. Names that begin with a dot are how it is kept, not what is published."""

        async def check_config(self) -> None:
            """Nothing to check: the folder comes with the first publication."""

        async def get_response(self, path: str, scope: Any) -> Any:
            if any(part.startswith(".") for part in Path(path).parts):
                raise HTTPException(404)
            if not (folder / "index.html").exists():
                raise HTTPException(503)
            return await super().get_response("index.html" if path in ("", ".") else path, scope)

    def said(_: Any, error: Exception) -> PlainTextResponse:
        code = error.status_code if isinstance(error, HTTPException) else 503
        text = {404: _NOT_HERE, 405: "GET\n"}.get(code, _TROUBLE)
        if code == 503 and not (folder / "index.html").exists():
            text = _NOTHING_YET
        return PlainTextResponse(text, code, headers={"Retry-After": "5"} if code == 503 else None)

    # report/ and csv/ are links to the version in service; the files they lead to are of this folder.
    files = _Files(directory=folder, follow_symlink=True, check_dir=False)
    return Starlette(
        routes=[Mount("/", app=files)],
        middleware=[Middleware(_StrictHeaders, front=folder / "index.html")],
        exception_handlers={HTTPException: said, OSError: said},
    )


class _StrictHeaders:
    """Every answer, errors among them, carries the strict headers."""

    def __init__(self, app: ASGIApp, front: Path) -> None:
        self._app = app
        self._front = front
        self._known: tuple[tuple[int, int], str] = ((0, 0), "")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = {**HEADERS, "Content-Security-Policy": self._policy()}
                message["headers"] = [
                    *message["headers"],
                    *((name.lower().encode(), value.encode()) for name, value in headers.items()),
                ]
            await send(message)

        await self._app(scope, receive, with_headers)

    def _policy(self) -> str:
        """The policy of the front page in service, which is read once a version and not once an answer."""
        try:
            status = self._front.stat()
        except FileNotFoundError:
            return content_security_policy(b"")
        if self._known[0] != (seen := (status.st_ino, status.st_mtime_ns)):
            self._known = seen, content_security_policy(self._front.read_bytes())
        return self._known[1]


def serve(settings: Settings, *, port: int, host: str = "127.0.0.1") -> None:
    """Answer until stopped. OSError where the port is taken."""
    import uvicorn

    uvicorn.run(
        application(settings),
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=256,
        timeout_keep_alive=5,
        h11_max_incomplete_event_size=16_384,
    )
