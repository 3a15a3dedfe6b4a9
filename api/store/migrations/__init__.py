"""Bringing the database to the schema that this version speaks.

SQLite upgrades itself when the server starts, after a copy of the file was laid beside it. PostgreSQL is upgraded by
`tideplan db upgrade` only. Alembic and the job engine are imported only when there is something to do.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import inspect, text

from api.store.database import Database
from api.store.settings import Settings

HEAD = "0001"  # a test holds this to the newest file in versions/
ENGINE_SCHEMA = "dbos"


@dataclass(frozen=True)
class Upgrade:
    """What an upgrade did: revisions before and after, and the copy that was made (SQLite, unless it was empty)."""

    before: str | None
    after: str
    backup: Path | None


def current(database: Database) -> str | None:
    """The revision that the database stands at; None when it is empty."""
    with database.read() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return str(found) if found else None


def upgrade(settings: Settings) -> Upgrade:
    """Bring the database to HEAD; a database that already stands there is left alone.

    Raises RuntimeError when the database is newer than this version.
    """
    database = Database(settings)
    try:
        before = current(database)
        if before == HEAD:
            return Upgrade(before, HEAD, None)
        if before is not None and before > HEAD:
            raise RuntimeError(
                f"the database stands at revision {before}, newer than this version's {HEAD}: use the newer tideplan"
            )
        backup = None if settings.is_postgres or before is None else copy_of(Path(str(database.engine.url.database)))
        _run_alembic(settings, database)
        return Upgrade(before, HEAD, backup)
    finally:
        database.close()


def copy_of(file: Path) -> Path:
    """A consistent copy of a live SQLite file, made by SQLite itself."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    copy = file.with_name(f"{file.stem}.before-{HEAD}.{stamp}.sqlite")
    source, target = sqlite3.connect(file), sqlite3.connect(copy)
    try:
        source.backup(target)
    finally:
        target.close()
        source.close()
    return copy


def _run_alembic(settings: Settings, database: Database) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    with database.writer.begin() as connection:
        database.lock_for(connection, "tideplan-migrations")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    if settings.is_postgres:
        from dbos import DBOS

        DBOS.migrate(settings.sqlalchemy_url, schema=ENGINE_SCHEMA)
