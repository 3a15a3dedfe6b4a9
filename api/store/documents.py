"""Stored cases, histories and the answers promised to idempotency keys."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update

from api.store import pages
from api.store.database import Database, now_ms
from api.store.tables import cases, histories, idempotency

Json = dict[str, Any]


def new_id(prefix: str) -> str:
    """An id that sorts by time and cannot be guessed: prefix_ + 11 hex digits of milliseconds + 16 random ones."""
    return f"{prefix}_{time.time_ns() // 1_000_000:011x}{secrets.token_hex(8)}"


@dataclass(frozen=True)
class StoredCase:
    id: str
    name: str
    version: int
    artifact: str
    warnings: list[Json]
    owner: str
    created_ms: int
    updated_ms: int


@dataclass(frozen=True)
class StoredHistory:
    id: str
    name: str
    artifact: str
    format: str
    timezone: str
    mapping: Json
    bytes: int
    report: Json
    owner: str
    created_ms: int

    @property
    def read(self) -> list[str]:
        """How its file is to be read: KEY=VALUE, as `tideplan history --read` takes them."""
        return list(self.mapping.get("read", []))

    def reading(self, max_rows: int) -> Json:
        """What work that reads the file is told."""
        return {"timezone": self.timezone, "read": self.read, "max_rows": max_rows}


@dataclass(frozen=True)
class Promise:
    """What a key was used for: the hash of the request and the resource that answered it."""

    body_sha256: str
    resource: str


class Documents:
    def __init__(self, database: Database) -> None:
        self.database = database

    # cases

    def add_case(
        self, connection: Connection, *, id: str, name: str, artifact: str, warnings: list[Json], owner: str
    ) -> None:
        """Store the first version of a case."""
        now = now_ms()
        connection.execute(
            insert(cases).values(
                id=id,
                name=name,
                version=1,
                artifact=artifact,
                warnings=warnings,
                owner=owner,
                created_ms=now,
                updated_ms=now,
            )
        )

    def replace_case(
        self, connection: Connection, id: str, version: int, *, name: str, artifact: str, warnings: list[Json]
    ) -> bool:
        """Put a new version in the place of `version`; False when it is not the newest any more."""
        change = (
            update(cases)
            .where(cases.c.id == id, cases.c.version == version)
            .values(version=version + 1, name=name, artifact=artifact, warnings=warnings, updated_ms=now_ms())
        )
        return connection.execute(change).rowcount == 1

    def case(self, id: str) -> StoredCase | None:
        """The newest version of a case."""
        with self.database.read() as connection:
            row = connection.execute(select(cases).where(cases.c.id == id)).mappings().one_or_none()
        return None if row is None else StoredCase(**row)

    def case_page(self, after: str | None, limit: int) -> pages.Page:
        """Cases, newest first."""
        with self.database.read() as connection:
            return pages.newest_first(connection, select(cases), cases, after, limit)

    # histories

    def add_history(self, connection: Connection, history: StoredHistory) -> None:
        """Store a history."""
        connection.execute(insert(histories).values(**history.__dict__))

    def history(self, id: str) -> StoredHistory | None:
        """A stored history."""
        with self.database.read() as connection:
            row = connection.execute(select(histories).where(histories.c.id == id)).mappings().one_or_none()
        return None if row is None else StoredHistory(**row)

    def history_page(self, after: str | None, limit: int) -> pages.Page:
        """Histories, newest first."""
        with self.database.read() as connection:
            return pages.newest_first(connection, select(histories), histories, after, limit)

    # promises

    def promise(self, connection: Connection, owner: str, key: str) -> Promise | None:
        """What was answered under an idempotency key."""
        query = select(idempotency.c.body_sha256, idempotency.c.resource)
        row = connection.execute(query.where(idempotency.c.owner == owner, idempotency.c.key == key)).one_or_none()
        return None if row is None else Promise(*row)

    def keep_promise(self, connection: Connection, owner: str, key: str, promise: Promise) -> None:
        """Keep what was answered under an idempotency key."""
        connection.execute(
            insert(idempotency).values(
                owner=owner, key=key, body_sha256=promise.body_sha256, resource=promise.resource, created_ms=now_ms()
            )
        )
