"""Bringing the database to the schema that this version speaks.

SQLite upgrades itself when the server starts, after a copy of the file was laid beside it. PostgreSQL is upgraded by
`tideplan db upgrade` only. Alembic and the job engine are imported only when there is something to do.
"""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import inspect, text

from api.store.database import Database
from api.store.settings import Settings
from api.store.trouble import UnfitError

HEAD = "0003"  # a test holds this to the newest file in versions/
ENGINE_SCHEMA = "dbos"
_REVISION = re.compile(r"[0-9]{4}")


@dataclass(frozen=True)
class Upgrade:
    """What an upgrade did: revisions before and after, and the copy that was made (SQLite, unless it was empty)."""

    before: str | None
    after: str
    backup: Path | None


def current(database: Database) -> str | None:
    """The revision that the database stands at; None when it is empty.

    Raises UnfitError when it is newer than this version, or holds something else than tideplan.
    """
    with database.read() as connection:
        tables = inspect(connection).get_table_names()
        ours = "alembic_version" in tables
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar() if ours else None
    foreign = set(tables) - {"alembic_version"} if found is None else not _REVISION.fullmatch(str(found))
    if foreign:
        here = f"revision {found!r}" if found else f"the tables {', '.join(sorted(tables)[:5])}"
        raise UnfitError(
            f"The database {database.place} holds something else than tideplan ({here}).",
            "Name another one (TIDEPLAN_DATABASE_URL), or another folder (TIDEPLAN_DATA_FOLDER).",
        )
    if found is not None and found > HEAD:
        raise UnfitError(
            f"The database {database.place} stands at revision {found}, newer than this version's {HEAD}.",
            "Use the newer tideplan, or restore a backup that this one made.",
        )
    return str(found) if found else None


def behind(found: str | None) -> UnfitError:
    """What to say of a database at an older revision, which only a person upgrades."""
    return UnfitError(
        f"The database stands at revision {found or 'none'}, this version needs {HEAD}.", "Run `tideplan db upgrade`."
    )


def upgrade(settings: Settings) -> Upgrade:
    """Bring the database to HEAD; a database that already stands there is left alone. Raises UnfitError."""
    database = Database(settings)
    try:
        before = current(database)
        if before == HEAD:
            return Upgrade(before, HEAD, None)
        backup = None if settings.is_postgres or before is None else copy_of(Path(str(database.engine.url.database)))
        to_revision(settings, database, HEAD)
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


def to_revision(settings: Settings, database: Database, revision: str) -> None:
    """Bring the database to a revision, and the job engine's tables with it."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    with database.writer.begin() as connection:
        database.lock_for(connection, "tideplan-migrations")
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
    if settings.is_postgres:
        from dbos import DBOS

        DBOS.migrate(settings.sqlalchemy_url, schema=ENGINE_SCHEMA)
