"""API keys: 256 random bits, kept as a hash, with a role.

A plain SHA-256 is enough because nobody can guess the key; the database holds nothing that opens the door.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Literal, get_args

from sqlalchemy import insert, select, update

from api.store.database import Database, now_ms
from api.store.documents import new_id
from api.store.tables import api_keys

Role = Literal["viewer", "planner", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)
PREFIX = "tp_"


@dataclass(frozen=True)
class ApiKey:
    """A key without its secret; times in UTC milliseconds."""

    id: str
    name: str
    role: Role
    created_ms: int
    revoked_ms: int | None


class Keys:
    def __init__(self, database: Database) -> None:
        self.database = database

    def create(self, name: str, role: Role) -> tuple[ApiKey, str]:
        """A new key and its secret, shown this once. Raises ValueError for an unknown role or an empty name."""
        if role not in ROLES:
            raise ValueError(f"role: found {role!r}; allowed: {', '.join(ROLES)}")
        if not name.strip() or len(name) > 200:
            raise ValueError("name: allowed: 1 to 200 characters")
        secret = PREFIX + secrets.token_urlsafe(32)
        key = ApiKey(new_id("key"), name, role, now_ms(), None)
        with self.database.write() as connection:
            connection.execute(insert(api_keys).values(**key.__dict__, sha256=_digest(secret)))
        return key, secret

    def all(self) -> list[ApiKey]:
        columns = (api_keys.c.id, api_keys.c.name, api_keys.c.role, api_keys.c.created_ms, api_keys.c.revoked_ms)
        with self.database.read() as connection:
            return [ApiKey(*row) for row in connection.execute(select(*columns).order_by(api_keys.c.created_ms))]

    def active(self) -> list[ApiKey]:
        return [key for key in self.all() if key.revoked_ms is None]

    def revoke(self, id: str) -> bool:
        """False when there is no such key or it was revoked before."""
        change = (
            update(api_keys).where(api_keys.c.id == id, api_keys.c.revoked_ms.is_(None)).values(revoked_ms=now_ms())
        )
        with self.database.write() as connection:
            return connection.execute(change).rowcount == 1

    def find(self, secret: str) -> ApiKey | None:
        """The active key with this secret."""
        columns = (api_keys.c.id, api_keys.c.name, api_keys.c.role, api_keys.c.created_ms, api_keys.c.revoked_ms)
        query = select(*columns).where(api_keys.c.sha256 == _digest(secret), api_keys.c.revoked_ms.is_(None))
        with self.database.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else ApiKey(*row)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
