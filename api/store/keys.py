"""API keys: 256 random bits, kept as a hash, with a role.

A plain SHA-256 is enough because nobody can guess the key; the database holds nothing that opens the door.
"""

from __future__ import annotations

import hashlib
import secrets
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import Literal, get_args

from sqlalchemy import insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from api.store import audit
from api.store.database import Database, now_ms
from api.store.documents import new_id
from api.store.tables import api_keys

Role = Literal["viewer", "planner", "approver", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
PREFIX = "tp_"
LONGEST_DAYS = 3660
_DAY_MS = 86_400_000


def reaches(role: Role, wanted: Role) -> bool:
    """Whether a role may do all that another one may."""
    return ROLES.index(role) >= ROLES.index(wanted)


@dataclass(frozen=True)
class ApiKey:
    """A key without its secret; times in UTC milliseconds."""

    id: str
    name: str
    role: Role
    created_ms: int
    revoked_ms: int | None = None
    expires_ms: int | None = None
    used_ms: int | None = None

    @property
    def is_active(self) -> bool:
        """Neither revoked nor past its end."""
        return self.revoked_ms is None and (self.expires_ms is None or now_ms() < self.expires_ms)


_COLUMNS = tuple(api_keys.c[field.name] for field in fields(ApiKey))
_USE_IS_NOTED_MS = 60_000


class Keys:
    def __init__(self, database: Database) -> None:
        self.database = database

    def create(self, name: str, role: Role, days: float | None = None) -> tuple[ApiKey, str]:
        """A new key and its secret, shown this once; days: how long it is good for, None: until it is revoked.

        Raises ValueError for an unknown role, an empty name or no time at all.
        """
        if days is not None and not 0 < days <= LONGEST_DAYS:
            raise ValueError(f"days: found {days:g}; allowed: more than 0, at most {LONGEST_DAYS}")
        if role not in ROLES:
            raise ValueError(f"role: found {role!r}; allowed: {', '.join(ROLES)}")
        if not name.strip() or len(name) > 200:
            raise ValueError("name: allowed: 1 to 200 characters")
        secret = PREFIX + secrets.token_urlsafe(32)
        now = now_ms()
        key = ApiKey(new_id("key"), name, role, now, expires_ms=None if days is None else now + round(days * _DAY_MS))
        with self.database.write() as connection:
            connection.execute(insert(api_keys).values(**key.__dict__, sha256=_digest(secret)))
            audit.note(connection, audit.COMMAND_LINE, "key created", key.id)
        return key, secret

    def all(self) -> list[ApiKey]:
        """Every key, revoked ones too."""
        with self.database.read() as connection:
            return [ApiKey(*row) for row in connection.execute(select(*_COLUMNS).order_by(api_keys.c.created_ms))]

    def active(self) -> list[ApiKey]:
        """Keys that may be used."""
        return [key for key in self.all() if key.is_active]

    def needed(self) -> bool:
        """Whether a request needs a key: there is one that was not revoked. One that ran out still keeps the door."""
        query = select(api_keys.c.id).where(api_keys.c.revoked_ms.is_(None)).limit(1)
        with self.database.read() as connection:
            return connection.execute(query).first() is not None

    def revoke(self, id: str) -> bool:
        """False when there is no such key or it was revoked before."""
        change = (
            update(api_keys).where(api_keys.c.id == id, api_keys.c.revoked_ms.is_(None)).values(revoked_ms=now_ms())
        )
        with self.database.write() as connection:
            done = connection.execute(change).rowcount == 1
            if done:
                audit.note(connection, audit.COMMAND_LINE, "key revoked", id)
            return done

    def find(self, secret: str) -> ApiKey | None:
        """The active key with this secret; that it was used is noted once a minute."""
        with self.database.read() as connection:
            row = connection.execute(select(*_COLUMNS).where(api_keys.c.sha256 == _digest(secret))).one_or_none()
        key = None if row is None else ApiKey(*row)
        if key is None or not key.is_active:
            return None
        if now_ms() - (key.used_ms or 0) > _USE_IS_NOTED_MS:
            with suppress(SQLAlchemyError), self.database.write() as connection:  # reading goes on without it
                connection.execute(update(api_keys).where(api_keys.c.id == key.id).values(used_ms=now_ms()))
        return key


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
