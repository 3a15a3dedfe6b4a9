"""Faults of the surroundings, by name: a full disk, a database that is away, a file that rotted.

Whatever raised it (the operating system, SQLite, PostgreSQL, our own store), a fault gets one kind, which is the slug
of a problem type, a sentence that says what was met, and one that says what to do.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from api.store.artifacts import ArtifactError


@dataclass(frozen=True)
class Trouble:
    """kind: slug of a problem type. detail: what was met. remedy: what whoever runs the service does about it."""

    kind: str
    detail: str
    remedy: str

    @property
    def passes(self) -> bool:
        """Whether the same request may succeed later without anybody changing it."""
        return self.kind in ("database-away", "disk-full")

    def __str__(self) -> str:
        return f"{self.detail} {self.remedy}"


_REMEDIES = {
    "disk-full": "Free some space on the disk of the data folder and of the database.",
    "storage-read-only": "Let the service write its data folder and its database file, or take another folder.",
    "database-away": "Start the database, or mend TIDEPLAN_DATABASE_URL; nothing that was accepted is lost.",
    "database-damaged": "Stop the service, lay the damaged file aside and bring a backup in with `tideplan restore`.",
    "database-unfit": "Run `tideplan db upgrade`, or name the right database.",
    "artifact-damaged": "Store the same case or history again: that puts it right. `tideplan doctor --deep` names all.",
    "artifact-missing": "Store the same case or history again: that puts it right. `tideplan doctor --deep` names all.",
}
_BY_ERRNO = {errno.ENOSPC: "disk-full", errno.EDQUOT: "disk-full"} | dict.fromkeys(
    (errno.EROFS, errno.EACCES, errno.EPERM), "storage-read-only"
)
_BY_SQLITE = {
    sqlite3.SQLITE_FULL: "disk-full",
    sqlite3.SQLITE_READONLY: "storage-read-only",
    sqlite3.SQLITE_CORRUPT: "database-damaged",
    sqlite3.SQLITE_NOTADB: "database-damaged",
    sqlite3.SQLITE_BUSY: "database-away",
    sqlite3.SQLITE_LOCKED: "database-away",
    sqlite3.SQLITE_CANTOPEN: "database-away",
    sqlite3.SQLITE_IOERR: "database-away",
    sqlite3.SQLITE_PERM: "storage-read-only",
}
_BY_SQLSTATE = {  # two characters: a whole class (PostgreSQL, appendix A)
    "53100": "disk-full",
    "25006": "storage-read-only",
    "42P01": "database-unfit",
    "3D000": "database-away",
    "XX": "database-damaged",
    "08": "database-away",
    "53": "database-away",
    "57": "database-away",
    "58": "database-away",
}


class UnfitError(RuntimeError):
    """A database that this version cannot work with: newer, older, or somebody else's."""

    def __init__(self, detail: str, remedy: str) -> None:
        self.trouble = Trouble("database-unfit", detail, remedy)
        super().__init__(str(self.trouble))


def trouble(error: BaseException) -> Trouble | None:
    """What an error has to say about the surroundings; None for faults of our own."""
    for one in _chain(error):
        if isinstance(one, UnfitError):
            return one.trouble
        kind = _kind(one)
        if kind is not None:
            return Trouble(kind, _sentence(one), _REMEDIES[kind])
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        yield error
        if isinstance(error, DBAPIError) and error.orig is not None:
            yield error.orig
        error = error.__cause__ or error.__context__


def _kind(error: BaseException) -> str | None:
    if isinstance(error, ArtifactError):
        return f"artifact-{error.fault}"
    if isinstance(error, OSError):
        return _BY_ERRNO.get(error.errno or 0)
    if isinstance(error, PoolTimeoutError):
        return "database-away"
    if isinstance(error, sqlite3.Error):
        if "no such table" in str(error):
            return "database-unfit"
        return _BY_SQLITE.get((getattr(error, "sqlite_errorcode", None) or 0) & 0xFF)
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str):
        return _BY_SQLSTATE.get(state) or _BY_SQLSTATE.get(state[:2])
    if type(error).__module__.startswith("psycopg") and type(error).__name__ == "OperationalError":
        return "database-away"  # it could not be reached, so it gave no state
    return None


def _sentence(error: BaseException) -> str:
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}."
    return f"{' '.join(str(error).split())[:300].rstrip('.')}."
