"""Tokens: who may write. They live in ``tokens.json`` in the home, as hashes.

    {"tokens": [{"name": "ci", "created": "2026-01-31T12:00:00Z", "sha256": "<64 hex digits>"}]}

A token is 256 random bits, so that a plain SHA-256 gives nothing away: there is no dictionary to
try. Commands write the file, a server only reads it, and finds changes by asking for its state.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

FILE_NAME = "tokens.json"
LOCK_NAME = "tokens.lock"
PREFIX = "cw_"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class TokenNameError(ValueError):
    """A name that can't be taken, or that no token has."""


class TokenFileError(RuntimeError):
    """``tokens.json`` can't be read or written; until that is mended, nobody may write.

    Attributes:
        problem: what is wrong, without where the file is.
    """

    def __init__(self, file: Path, problem: str) -> None:
        super().__init__(f"{file} {problem}")
        self.problem = problem


class Token(BaseModel):
    """What is kept of a token."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    created: AwareDatetime
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class _Content(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    tokens: tuple[Token, ...]


def add(home: Path, name: str) -> str:
    """A new token, which is kept nowhere; makes ``home`` where it is missing.

    Raises:
        TokenNameError: taken, or not 1 to 64 of letters, digits and, inside, ``. _ -``.
        TokenFileError: the tokens can't be read or written.
    """
    if not _NAME.fullmatch(name):
        raise TokenNameError(
            f"{name!r} can't name a token; allowed: letters, digits and . _ - inside, "
            "up to 64 characters"
        )
    token = PREFIX + secrets.token_urlsafe(32)
    with _alone(home):
        kept = known(home)
        if name in (other.name for other in kept):
            raise TokenNameError(f"there is a token {name!r} already; remove it or choose another")
        entry = Token(
            name=name, created=datetime.now(UTC).replace(microsecond=0), sha256=_hash(token)
        )
        _write(home, [*kept, entry])
    return token


def remove(home: Path, name: str) -> None:
    """Forget a token: whoever has it may no longer write.

    Raises:
        TokenNameError: there is none of this name.
        TokenFileError: the tokens can't be read or written.
    """
    if not known(home):  # nor is a home made for it
        raise TokenNameError(f"no token {name!r}: there are none")
    with _alone(home):
        kept = known(home)
        left = [token for token in kept if token.name != name]
        if len(left) == len(kept):
            names = ", ".join(token.name for token in kept)
            raise TokenNameError(f"no token {name!r}; there are: {names}")
        _write(home, left)


def known(home: Path) -> tuple[Token, ...]:
    """All tokens, in the order they were added; none where there is no file.

    Raises:
        TokenFileError: the file can't be read, or isn't what :func:`add` writes.
    """
    file = home / FILE_NAME
    try:
        state = file.stat()
        return _read(file, state.st_mtime_ns, state.st_size, state.st_ino)
    except FileNotFoundError:
        if file.is_symlink():
            raise TokenFileError(file, "is a link that leads nowhere") from None
        return ()
    except OSError as error:
        raise TokenFileError(file, f"can't be read: {error.strerror}") from error
    except ValidationError as error:
        found = error.errors()[0]
        place = ".".join(map(str, found["loc"]))
        problem = f"is damaged: {f'{place}: ' if place else ''}{found['msg']}"
        raise TokenFileError(file, problem) from None


def check(home: Path, token: str) -> str | None:
    """The name of a token, or None where it is not known; takes as long whichever it is.

    Raises:
        TokenFileError: see :func:`known`.
    """
    given = _hash(token)
    name = None
    for other in known(home):
        if hmac.compare_digest(given, other.sha256):
            name = other.name
    return name


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


@lru_cache(maxsize=8)
def _read(file: Path, _changed: int, _size: int, _inode: int) -> tuple[Token, ...]:
    return _Content.model_validate_json(file.read_bytes()).tokens


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Keeps other commands from changing the file meanwhile."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        # The lock is a file of its own, as the tokens' is replaced.
        lock = os.open(home / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        problem = f"can't be written: {error.filename}: {error.strerror}"
        raise TokenFileError(home / FILE_NAME, problem) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _write(home: Path, kept: Sequence[Token]) -> None:
    file = home / FILE_NAME
    temporary = file.with_suffix(".tmp")
    text = _Content(tokens=tuple(kept)).model_dump_json(indent=1)
    try:
        temporary.unlink(missing_ok=True)  # of a command that was killed
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with os.fdopen(os.open(temporary, flags, 0o600), "w", encoding="utf-8") as stream:
            stream.write(text + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(file)
    except OSError as error:
        raise TokenFileError(file, f"can't be written: {error.strerror}") from error
    # Two changes within a tick of the clock may look alike.
    _read.cache_clear()
