"""Serve the public tier over HTTP: the report and its downloads, with headers that allow no more than they need.

It opens no database and knows no figure: it hands out the files of the version that is in service when asked. A file is
opened once and sent from that opening, so an answer is of one version, however long its reader takes. An ETag is of the
very file: it changes with a version where the content does, and only there.
"""

from __future__ import annotations

import asyncio
import base64
import errno
import hashlib
import os
import re
import stat
from mimetypes import guess_type
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from contracts.failpoints import failpoint
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
ANSWER_SECONDS = 10.0  # until an answer begins; where the disk takes longer, it is 503
NOT_FOUND = "report/404.html"  # of the version in service, in both languages
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
        f"default-src 'none'; script-src 'self'; style-src {style}; img-src 'self'; font-src 'self'; "
        "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )


def application(settings: Settings) -> Starlette:
    """The site as an ASGI application."""
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.middleware import Middleware
    from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
    from starlette.routing import Mount
    from starlette.staticfiles import NotModifiedResponse, StaticFiles

    folder = settings.published / "public"

    class _Held(FileResponse):
        """An opened file, sent from this opening: what its name leads to meanwhile does not matter."""

        def __init__(self, file: BinaryIO, name: str) -> None:
            self._file = file
            status = os.fstat(file.fileno())
            kind = guess_type(name)[0] or "application/octet-stream"
            etag = f'"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}"'
            path = f"/dev/fd/{file.fileno()}"
            super().__init__(path, headers={"etag": etag}, media_type=kind, stat_result=status)

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            with self._file:
                await super().__call__(scope, receive, send)

    class _Files(StaticFiles):
        """Files of the version in service. Names that begin with a dot are how it is kept, not what is published."""

        async def check_config(self) -> None:
            """Nothing to check: the folder comes with the first publication."""

        async def get_response(self, path: str, scope: Any) -> Any:
            if scope["method"] not in ("GET", "HEAD"):
                raise HTTPException(405, headers={"Allow": "GET, HEAD"})
            if any(part.startswith(".") for part in Path(path).parts if path != "."):
                raise HTTPException(404)
            # On another thread: a disk that hangs costs one answer its time, and the others none.
            name = "index.html" if path in ("", ".") else path
            opening = asyncio.ensure_future(asyncio.to_thread(self._open, name))
            try:
                response = _Held(*await asyncio.wait_for(asyncio.shield(opening), ANSWER_SECONDS))
            except TimeoutError:
                opening.add_done_callback(_close)
                raise
            asked = [tag.strip().removeprefix("W/") for tag in _header(scope, b"if-none-match").split(",")]
            if response.headers["etag"] in asked or asked == ["*"]:
                with response._file:
                    return NotModifiedResponse(response.headers)
            return response

        def _open(self, path: str) -> tuple[BinaryIO, str]:
            failpoint("dashboard.open")
            if not (folder / "index.html").exists():
                raise HTTPException(503)
            try:
                full_path, status = self.lookup_path(path)
                if status is None or not stat.S_ISREG(status.st_mode):
                    raise HTTPException(404)
                return Path(full_path).open("rb"), full_path
            except ValueError:  # a null byte
                raise HTTPException(404) from None
            except OSError as error:
                if error.errno in (errno.ENAMETOOLONG, errno.ENOENT):
                    raise HTTPException(404) from None
                raise

    async def said(_: Any, error: Exception) -> Response:
        code = error.status_code if isinstance(error, HTTPException) else 503
        if code == 404 and (page := await asyncio.to_thread(_read, folder / NOT_FOUND)) is not None:
            return HTMLResponse(page, code)
        text = {404: _NOT_HERE, 405: "GET\n"}.get(code, _TROUBLE)
        if code == 503 and not (folder / "index.html").exists():
            text = _NOTHING_YET
        headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
        return PlainTextResponse(text, code, headers=headers | ({"Retry-After": "5"} if code == 503 else {}))

    # report/ and csv/ are links to the version in service; the files they lead to are of this folder.
    files = _Files(directory=folder, follow_symlink=True, check_dir=False)
    return Starlette(
        routes=[Mount("/", app=files)],
        middleware=[Middleware(_StrictHeaders, front=folder / "index.html")],
        exception_handlers={HTTPException: said, OSError: said, TimeoutError: said},
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
            if self._known[0] != (seen := (status.st_ino, status.st_mtime_ns)):
                self._known = seen, content_security_policy(self._front.read_bytes())
        except OSError:
            return content_security_policy(b"")
        return self._known[1]


def _read(page: Path) -> bytes | None:
    """A small page; None where it cannot be read."""
    try:
        return page.read_bytes()
    except OSError:
        return None


def _close(opening: asyncio.Future[tuple[BinaryIO, str]]) -> None:
    """Close a file that was opened too late for its answer."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result()[0].close()


def _header(scope: Any, name: bytes) -> str:
    return ",".join(value.decode("latin-1") for one, value in scope["headers"] if one == name)


def limits() -> dict[str, Any]:
    """How the server speaks and to how many: uvicorn's settings, apart from where it listens and what it logs."""
    from dashboard.patience import ImpatientProtocol

    return {
        "http": ImpatientProtocol,
        "ws": "none",
        "lifespan": "off",
        "server_header": False,
        "access_log": False,
        "limit_concurrency": 256,
        "timeout_keep_alive": 5,
        "timeout_graceful_shutdown": 10,
        "h11_max_incomplete_event_size": 16_384,
    }


def serve(settings: Settings, *, port: int, host: str = "127.0.0.1") -> None:
    """Answer until stopped. OSError where the port is taken."""
    import uvicorn

    uvicorn.run(application(settings), host=host, port=port, log_level="warning", **limits())
