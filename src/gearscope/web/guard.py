"""Who may ask: a small ASGI layer in front of everything, the page's own files included. No torch.

    host      only names this server was started under: a foreign name that resolves to the loopback is refused
    token     in the printed address once, then a cookie (HttpOnly, SameSite=Strict); or `Authorization: Bearer`
    origin    API requests from other sites are refused, by `Origin` and `Sec-Fetch-Site`
    writes    need the header `X-Gearscope`, which a form of another site cannot send
    size      bodies are counted while they are read

Every answer carries a content policy that allows this server alone, and may not be framed.
"""

import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs, urlencode

from fastapi import HTTPException

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

WRITE_HEADER = "x-gearscope"
_SAFE = ("GET", "HEAD")
_HEADERS = (
    (
        "content-security-policy",
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'",
    ),
    ("x-frame-options", "DENY"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), microphone=(), geolocation=()"),
)


class _RefusedError(HTTPException):
    """Also understood by the application, where a body grows too large while it is read there."""


class Guard:
    """Wraps an application. `hosts` are allowed `Host` headers, port included."""

    def __init__(self, app: Application, *, token: str, hosts: frozenset[str], cookie: str, body_bytes: int) -> None:
        assert token, "a token is always needed"
        self._app, self._token, self._hosts = app, token, hosts
        self._cookie, self._body_bytes = cookie, body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, pass on, or refuse one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # nothing here speaks WebSocket: the server closes the connection
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        reply = _with_headers(send, api=scope["path"].startswith("/api"))
        try:
            self._check(scope, headers)
            if self._brings_token(scope):
                await self._welcome(scope, reply)
                return
            self._check_token(headers)
            await self._app(scope, _counted(receive, self._body_bytes), reply)
        except _RefusedError as refused:
            await _answer(reply, refused.status_code, json.dumps({"error": refused.detail}))

    def _check(self, scope: Scope, headers: dict[str, str]) -> None:
        host = headers.get("host", "").lower()
        if host not in self._hosts:
            raise _RefusedError(421, "this server answers under its own address alone; open the printed one.")
        if scope["path"].startswith("/api") and headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            raise _RefusedError(403, "requests from other sites are refused.")
        if scope["method"] not in _SAFE:
            if headers.get("origin", f"http://{host}").lower() != f"http://{host}":
                raise _RefusedError(403, "writes from other origins are refused.")
            if WRITE_HEADER not in headers:
                raise _RefusedError(403, "a write needs the header X-Gearscope.")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._body_bytes:
            raise _RefusedError(413, f"a body of at most {self._body_bytes} bytes was expected.")

    def _brings_token(self, scope: Scope) -> bool:
        """Whether the printed address was opened: the page, with the right token in its query."""
        if scope["method"] != "GET" or scope["path"] != "/":
            return False
        found = parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
        return len(found) == 1 and self._same(found[0])

    async def _welcome(self, scope: Scope, send: Send) -> None:
        """Exchange the token for a cookie and take it out of the address."""
        rest = {k: v for k, v in parse_qs(scope["query_string"].decode("latin-1")).items() if k != "token"}
        location = "/" + (f"?{urlencode(rest, doseq=True)}" if rest else "")
        cookie = f"{self._cookie}={self._token}; Path=/; HttpOnly; SameSite=Strict"
        await _answer(send, 303, "", {"location": location, "set-cookie": cookie, "cache-control": "no-store"})

    def _check_token(self, headers: dict[str, str]) -> None:
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        given = [bearer.strip()] if scheme.lower() == "bearer" else []
        # cookies of other programs on this machine arrive too, in whatever form: only ours is looked at
        pairs = (pair.strip().partition("=") for pair in headers.get("cookie", "").split(";"))
        given += [value for name, _, value in pairs if name == self._cookie]
        if not any(self._same(token) for token in given):
            raise _RefusedError(401, "open the address that gearscope printed: it carries the token.")

    def _same(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(), self._token.encode())


def _counted(receive: Receive, most: int) -> Receive:
    seen = 0

    async def counting() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > most:
            raise _RefusedError(413, f"a body of at most {most} bytes was expected.")
        return message

    return counting


def _with_headers(send: Send, *, api: bool) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            extra = [(name.encode(), value.encode()) for name, value in _HEADERS]
            extra += [(b"cache-control", b"no-store")] if api else []
            message = {**message, "headers": [*message.get("headers", []), *extra]}
        await send(message)

    return sending


async def _answer(send: Send, status: int, body: str, headers: dict[str, str] | None = None) -> None:
    said = {"content-type": "application/json", **(headers or {})}
    lines = [(name.encode(), value.encode("latin-1")) for name, value in said.items()]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": body.encode()})
