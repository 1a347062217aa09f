"""Who may write, and who may read.

Once a token exists, writing takes one. Without any, only this machine may write, and then what
asks must be a program: a page in a browser on this machine is reached by strangers' scripts. Such
a script is known by its ``Origin``; by a body that is not JSON, the only one it may send unasked;
and, where a stranger's name was made to lead to this machine, by the ``Host``.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Request, Response, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi.security.utils import get_authorization_scheme_param
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from service import tokens
from service.api.errors import MEDIA_TYPE, PROBLEMS, problem

logger = logging.getLogger("cellwise")

Reading = Literal["open", "token"]
"""Who may read: everyone, or who has a token."""

ALWAYS_OPEN = ("/health", "/", "/page/")
"""Paths, and beginnings of paths, that hold no data: the server's state, and the page, which asks
for a token itself."""

PROBLEMS.update(
    {
        "token-needed": (
            401,
            "A token is needed",
            "Send `Authorization: Bearer TOKEN`. `cellwise token add NAME` on the server's machine "
            "makes a token and shows it once.",
        ),
        "writing-refused": (
            403,
            "Writing is not allowed from there",
            "As long as no token exists, only programs on the server's own machine may write. "
            "`cellwise token add NAME` there makes a token.",
        ),
        "not-json": (
            415,
            "The body must be JSON",
            "Without a token, a body needs `Content-Type: application/json`: other kinds can be "
            "sent by any page that is open in a browser on the server's machine.",
        ),
        "tokens-unreadable": (
            503,
            "The server's tokens can't be read",
            "`tokens.json` in the server's home is damaged, or not readable for the server. Until "
            "that is mended nobody may write: who is allowed to is not known.",
        ),
    }
)

RESPONSES: dict[int | str, dict[str, Any]] = {
    str(status): {
        "description": title,
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}},
    }
    for status, title, _ in (
        PROBLEMS[slug]
        for slug in ("token-needed", "writing-refused", "not-json", "tokens-unreadable")
    )
}
"""What :func:`may_write` may answer, for the OpenAPI document of the calls that use it."""

_BEARER = HTTPBearer(
    scheme_name="token",
    bearerFormat="cw_...",
    description="Made by `cellwise token add NAME` on the server's machine.",
    auto_error=False,
)
_HOST = re.compile(r"(?P<name>[^\s:/@\[\]]+|\[(?P<v6>[0-9A-Fa-f:.]+)\])(:\d+)?")
_SIGNS_OF_A_PROXY = ("forwarded", "via", "x-real-ip")
_MAKE_ONE = "`cellwise token add NAME` on the server's machine makes one"


class AccessError(Exception):
    """A request that is not allowed.

    Attributes:
        slug: its type of problem, one of those that this module adds.
        detail: what is wrong, and what to do.
    """

    def __init__(self, slug: str, detail: str) -> None:
        super().__init__(detail)
        self.slug = slug
        self.detail = detail


async def may_write(
    request: Request,
    # For the OpenAPI document alone.
    _: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)],
) -> str | None:
    """Dependency of every call that writes: the token's name, None for this machine without one.

    The app needs :func:`install`.

    Raises:
        AccessError: not allowed; 401, 403, 415 or 503.
    """
    given = _presented(request)
    with _readable():
        some_exist = bool(tokens.known(_home(request)))
    if some_exist:
        return _holder(request, given, "Writing")
    if not _from_this_machine(request):
        raise AccessError(
            "writing-refused",
            "no token exists yet, so only the server's own machine may write, and what comes "
            f"through a proxy doesn't count as that. {_MAKE_ONE}, to be sent as "
            "`Authorization: Bearer TOKEN`.",
        )
    _from_no_web_page(request)
    if given is not None:
        return _holder(request, given, "Writing")
    return None


def _home(connection: HTTPConnection) -> Path:
    home: Path = connection.app.state.home
    return home


def _presented(connection: HTTPConnection) -> str | None:
    scheme, token = get_authorization_scheme_param(connection.headers.get("authorization"))
    return token if scheme.lower() == "bearer" and token else None


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except tokens.TokenFileError as error:
        # The path is the operator's to know.
        logger.error("%s", error)  # noqa: TRY400  (no defect of the program's)
        raise AccessError(
            "tokens-unreadable",
            f"{tokens.FILE_NAME} in the server's home {error.problem}; until that is mended there, "
            "it is not known who may write.",
        ) from error


def _holder(connection: HTTPConnection, token: str | None, what: str) -> str:
    """The name of a token.

    Raises:
        AccessError: none was sent, it is not known, or the file of tokens can't be read.
    """
    if token is None:
        raise AccessError(
            "token-needed", f"{what} needs `Authorization: Bearer TOKEN`; {_MAKE_ONE}."
        )
    with _readable():
        name = tokens.check(_home(connection), token)
    if name is None:
        raise AccessError(
            "token-needed", f"this token is not known here, or no longer; {_MAKE_ONE}."
        )
    return name


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


def _from_this_machine(request: Request) -> bool:
    for name in request.headers:
        # uvicorn believes X-Forwarded-For of a proxy on this machine, and the proxy may pass on
        # what a client wrote there: with such a header, the peer's address tells nothing.
        if name in _SIGNS_OF_A_PROXY or name.startswith("x-forwarded-"):
            return False
    server = request.scope.get("server")
    own = _address(server[0]) if server else None
    if request.client is None:
        # A Unix socket has no addresses at all. A connection that was reset at once has lost its
        # peer's, but not its own.
        return own is None
    peer = _address(request.client.host)
    # The peer of a network connection has an address: what has only a name is in this process.
    return peer is None or peer.is_loopback or peer == own


def _from_no_web_page(request: Request) -> None:
    hosts = request.headers.getlist("host")
    if len(hosts) != 1 or not _leads_here(request, hosts[0]):
        raise AccessError(
            "writing-refused",
            "without a token, Host must be localhost or the address that the server listens on; it "
            f"is {' and '.join(map(repr, hosts)) or 'missing'}. {_MAKE_ONE}.",
        )
    own = f"{request.scope['scheme']}://{hosts[0]}".lower()
    for origin in request.headers.getlist("origin"):
        if origin.lower() != own:
            raise AccessError(
                "writing-refused",
                f"without a token, pages of other origins ({origin}) may not write; {_MAKE_ONE}.",
            )
    has_body = "transfer-encoding" in request.headers or (
        request.headers.get("content-length", "0") != "0"
    )
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if has_body and media_type != "application/json":
        raise AccessError(
            "not-json",
            f"the body is {media_type or 'of no type'}; send `Content-Type: application/json`.",
        )


def _leads_here(request: Request, host: str) -> bool:
    """Whether a Host is one that nobody else's name server could answer for."""
    found = _HOST.fullmatch(host)
    if found is None:
        return False
    name = (found["v6"] or found["name"]).lower().removesuffix(".")
    if name == "localhost":
        return True
    server = request.scope.get("server")
    address = _address(name)
    if address is None:
        return server is not None and name == server[0].lower()
    # 0.0.0.0 and :: are what a server that listens everywhere calls its address.
    if address.is_loopback or address.is_unspecified:
        return True
    return server is not None and address == _address(server[0])


class Closed:
    """ASGI middleware: lets nobody in without a token, but to what is always open."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 401 or 503."""
        if scope["type"] != "lifespan" and not _always_open(scope["path"]):
            connection = HTTPConnection(scope)
            try:
                _holder(connection, _presented(connection), "Reading")
            except AccessError as error:
                await _refusal(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _always_open(path: str) -> bool:
    return path in ALWAYS_OPEN or path.startswith(ALWAYS_OPEN[-1])


def _refusal(error: AccessError) -> Response:
    answer = problem(error.slug, error.detail)
    if error.slug == "token-needed":
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


async def _on_access(_: Request, error: Exception) -> Response:
    assert isinstance(error, AccessError)
    return _refusal(error)


def install(app: FastAPI, home: Path, read: Reading = "open") -> None:
    """Let ``app`` use :func:`may_write` with the tokens of ``home``; ``read`` says who may read.

    An open app gets nothing that a reading request passes through.
    """
    app.state.home = home
    app.add_exception_handler(AccessError, _on_access)
    if read == "token":
        app.add_middleware(Closed)
