"""Backups that work while the service runs, and bringing them in again.

A backup is a folder: `tables/NAME.jsonl` (every row of our tables, read in one snapshot), `artifacts/` (checked one by
one while they are copied) and `manifest.json` with the hash of every file. It belongs to neither database: what was on
SQLite may be restored on PostgreSQL and the other way round. The job engine's tables are left out on purpose: a run
that had not ended is found without a job after a restore, and the reaper queues it again.

Artifacts are only ever added, so that copying them after the snapshot finds all that the snapshot names.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import MetaData, Table, func, insert, select

from api.store import audit, migrations, references
from api.store.artifacts import Artifacts, hash_of
from api.store.database import Database
from api.store.settings import Settings
from api.store.tables import metadata, workers
from api.store.version import VERSION

FORMAT = 1
MANIFEST = "manifest.json"
_ROWS = 500


class BackupError(ValueError):
    """A backup that cannot be made or brought in; `faults` holds each as where, found, allowed."""

    def __init__(self, faults: list[dict[str, str]]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{f['where']}: found {f['found']}; allowed: {f['allowed']}" for f in faults))


@dataclass(frozen=True)
class Done:
    """What a backup holds, or a restore brought in. damaged: artifacts that could not be taken, and who names them."""

    folder: Path
    rows: dict[str, int]
    artifacts: int
    bytes: int
    damaged: list[str]


def backup(settings: Settings, folder: Path) -> Done:
    """Write a backup into a new folder, which appears whole or not at all.

    Raises BackupError when the folder is there already, UnfitError for a database at another revision.
    """
    if folder.exists():
        raise _refused(folder, "something that exists", "a folder that does not exist yet")
    database = Database(settings)
    if database.file is not None and not database.file.is_file():
        raise _refused(database.file, "no file", "the database of a service")
    draft = folder.with_name(f".{folder.name}.{uuid4().hex}")
    try:
        found = migrations.current(database)
        if found != migrations.HEAD:
            raise migrations.behind(found)
        (draft / "tables").mkdir(parents=True)
        done = _written(settings, database, draft)
        draft.rename(folder)
        return Done(folder, *done)
    finally:
        database.close()
        shutil.rmtree(draft, ignore_errors=True)


def _written(settings: Settings, database: Database, draft: Path) -> tuple[dict[str, int], int, int, list[str]]:
    rows: dict[str, int] = {}
    hashes: dict[str, str] = {}
    with database.snapshot() as connection:
        for table in metadata.sorted_tables:
            if table is not workers:  # who works belongs to this moment
                path = draft / "tables" / f"{table.name}.jsonl"
                with path.open("w", encoding="utf-8") as out:
                    rows[table.name] = 0
                    for row in connection.execution_options(yield_per=_ROWS).execute(select(table)).mappings():
                        out.write(json.dumps(dict(row)) + "\n")
                        rows[table.name] += 1
                hashes[f"tables/{path.name}"] = hash_of(path)
        names = references.named(connection)
    source, target = Artifacts(settings.data_folder / "artifacts"), Artifacts(draft / "artifacts")
    size, damaged = 0, []
    for sha256, users in sorted(names.items()):
        fault = source.fault(sha256)
        if fault is None:
            stored = target.put_file(source.path(sha256))
            if stored.sha256 != sha256:  # it rotted between the look and the copy
                raise OSError(f"{source.path(sha256)} changed while it was copied")
            size += stored.bytes
        else:
            damaged.append(f"{fault} It is needed by {'; '.join(users)}.")
    shutil.rmtree(target.incoming)
    about: dict[str, Any] = {
        "format": FORMAT,
        "tideplan": VERSION,
        "revision": migrations.HEAD,
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "rows": rows,
        "tables": hashes,
        "artifacts": sorted(target.names()),
        "damaged": damaged,
    }
    text = json.dumps(about, indent=1, ensure_ascii=False)
    sealed = json.dumps({"sha256": hashlib.sha256(text.encode()).hexdigest(), "backup": about}, indent=1)
    (draft / MANIFEST).write_text(sealed + "\n", encoding="utf-8")
    return rows, len(about["artifacts"]), size, damaged


def restore(settings: Settings, folder: Path) -> Done:
    """Bring a backup into an empty database and data folder. Every hash is looked at first; a fault changes nothing.

    The caller holds the lock of the data folder. Raises BackupError, UnfitError.
    """
    about = _manifest(folder)
    source = Artifacts(folder / "artifacts", for_writing=False)
    wrong = [f"tables/{Path(name).name}" for name, sha256 in about["tables"].items() if _hash(folder / name) != sha256]
    wrong += [str(fault) for fault in map(source.fault, about["artifacts"]) if fault is not None]
    if wrong:
        raise BackupError([{"where": str(folder), "found": one, "allowed": "a whole backup"} for one in wrong])
    database = Database(settings)
    try:
        _refuse_filled(database, about["revision"])
        target = Artifacts(settings.data_folder / "artifacts")
        size = sum(target.put_file(source.path(sha256)).bytes for sha256 in about["artifacts"])
        if migrations.current(database) is None:
            migrations.to_revision(settings, database, about["revision"])
        with database.write() as connection:
            there = MetaData()
            there.reflect(connection)
            for ours in metadata.sorted_tables:
                path = folder / "tables" / f"{ours.name}.jsonl"
                if path.is_file():
                    _fill(connection, there.tables[ours.name], path)
    finally:
        database.close()
    migrations.upgrade(settings)
    database = Database(settings)
    with database.write() as connection:
        audit.note(connection, audit.COMMAND_LINE, "restored", about["made"])
    database.close()
    return Done(folder, about["rows"], len(about["artifacts"]), size, about["damaged"])


def _fill(connection: Any, table: Table, path: Path) -> None:
    batch: list[dict[str, Any]] = []
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            batch.append(json.loads(line))
            if len(batch) == _ROWS:
                connection.execute(insert(table), batch)
                batch = []
    if batch:
        connection.execute(insert(table), batch)


def _refuse_filled(database: Database, revision: str) -> None:
    found = migrations.current(database)
    if found is None:
        return
    if found != revision:
        raise _refused(database.place, f"revision {found}", f"a database without tables, or revision {revision}")
    with database.read() as connection:
        for table in metadata.sorted_tables:
            count = connection.execute(select(func.count()).select_from(table)).scalar_one()
            if count and table is not workers:
                raise _refused(database.place, f"{count} rows in {table.name}", "an empty database")


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        sealed = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        about: dict[str, Any] = sealed["backup"]
        text = json.dumps(about, indent=1, ensure_ascii=False)
        whole = hashlib.sha256(text.encode()).hexdigest() == sealed["sha256"] and about["format"] == FORMAT
    except (OSError, ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise _refused(folder / MANIFEST, "no readable list of a backup", "a folder that `tideplan backup` made")
    if about["revision"] > migrations.HEAD:
        found = f"a backup at revision {about['revision']} by tideplan {about['tideplan']}"
        raise _refused(folder, found, f"at most {migrations.HEAD}: use the newer tideplan")
    return about


def _hash(path: Path) -> str:
    return hash_of(path) if path.is_file() else ""


def _refused(where: object, found: str, allowed: str) -> BackupError:
    return BackupError([{"where": str(where), "found": found, "allowed": allowed}])
