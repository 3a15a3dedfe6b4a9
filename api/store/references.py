"""Which artifacts the database names, and for what: the basis of checks, backups and of clearing out."""

from __future__ import annotations

from sqlalchemy import Connection, select

from api.store.artifacts import ArtifactError, Artifacts
from api.store.tables import cases, histories, runs


def named(connection: Connection) -> dict[str, list[str]]:
    """SHA-256 → what it is there for, as "case case_…", "plan plan_…, its input case", "plan plan_…, its file …"."""
    out: dict[str, list[str]] = {}
    for what, table in (("case", cases), ("history", histories)):
        for id, sha256 in connection.execute(select(table.c.id, table.c.artifact).order_by(table.c.id)):
            out.setdefault(sha256, []).append(f"{what} {id}")
    for row in connection.execute(select(runs.c.id, runs.c.kind, runs.c.inputs, runs.c.files).order_by(runs.c.id)):
        for name, sha256 in (row.inputs or {}).items():
            out.setdefault(sha256, []).append(f"{row.kind} {row.id}, its input {name}")
        for path, entry in (row.files or {}).items():
            out.setdefault(entry["sha256"], []).append(f"{row.kind} {row.id}, its file {path}")
    return out


def faults(artifacts: Artifacts, names: dict[str, list[str]]) -> list[tuple[ArtifactError, list[str]]]:
    """What is wrong with the artifacts that are named, and with any other that lies there; reads every byte."""
    found = [(artifacts.fault(sha256), names.get(sha256, [])) for sha256 in sorted({*names, *artifacts.names()})]
    return [(fault, users) for fault, users in found if fault is not None]
