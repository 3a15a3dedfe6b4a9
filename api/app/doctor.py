"""`tideplan doctor`: what is in order on this machine and what is not, each with a remedy."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from sqlalchemy import text

from api.app.lock import holder
from api.app.server import lock_name
from api.store import migrations, references
from api.store.artifacts import Artifacts
from api.store.database import Database
from api.store.keys import Keys
from api.store.settings import Settings
from api.store.trouble import trouble
from api.store.version import ROOT, VERSION

Level = Literal["ok", "warning", "error"]
_DISK_WARNING_GB = 5.0
_DISK_ERROR_GB = 0.5
_SOLVER_SECONDS = 120


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: its name, what was found, and what to do about it (empty: nothing need be done)."""

    name: str
    level: Level
    detail: str
    remedy: str = ""

    @property
    def ok(self) -> bool:
        """Whether tideplan can work like this; a warning does not keep it from working."""
        return self.level != "error"


def diagnose(settings: Settings | None = None, *, deep: bool = False) -> list[Finding]:
    """Look at everything, change nothing but a missing data folder; an unexpected fault becomes a finding itself.

    deep: read every stored file and the whole database, too.
    """
    settings = settings or Settings()
    out = []
    for name, look in (_LOOKS | _DEEP if deep else _LOOKS).items():
        try:
            out.append(look(settings))
        except Exception as fault:  # noqa: BLE001 - one broken part must not hide the others
            met = trouble(fault)
            said = (met.detail, met.remedy) if met is not None else (f"{type(fault).__name__}: {fault}"[:500],)
            out.append(Finding(name, "error", *said))
    return out


def _python(_settings: Settings) -> Finding:
    found = f"tideplan {VERSION}, Python {sys.version.split()[0]} on {sys.platform}"
    if sys.platform != "linux":
        return Finding("python", "warning", found, "only Linux ends a solver with its server; use Linux for a service")
    return Finding("python", "ok", found)


def _packages(_settings: Settings) -> Finding:
    needed = (
        "ortools",
        "numpy",
        "scipy",
        "pandas",
        "statsmodels",
        "pyarrow",
        "fastapi",
        "uvicorn",
        "sqlalchemy",
        "dbos",
    )
    versions, missing = [], []
    for name in needed:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        return Finding(
            "packages", "error", f"missing: {', '.join(missing)}", "run `make setup`, or install tideplan again"
        )
    return Finding("packages", "ok", ", ".join(versions))


def _solver(_settings: Settings) -> Finding:
    code = (
        "from ortools.linear_solver import pywraplp as p\n"
        "names = [n for n in ('SCIP', 'GLOP', 'HIGHS') if p.Solver.CreateSolver(n)]\n"
        "print(', '.join(names))"
    )
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    done = subprocess.run(
        [sys.executable, "-P", "-c", code],
        capture_output=True,
        text=True,
        timeout=_SOLVER_SECONDS,
        env=os.environ | {"PYTHONPATH": path},
    )
    if done.returncode or "SCIP" not in done.stdout or "GLOP" not in done.stdout:
        found = (done.stderr or done.stdout).strip()[-300:] or f"exit code {done.returncode}"
        return Finding("solver", "error", found, "install ortools again; it needs a machine with AVX and glibc 2.28")
    return Finding("solver", "ok", f"OR-Tools with {done.stdout.strip()}")


def _machine(settings: Settings) -> Finding:
    import psutil

    memory_gb = psutil.virtual_memory().total / 2**30
    found = (
        f"{os.cpu_count()} cores, {memory_gb:.1f} GB memory; a solve may take {settings.solve_memory_mb / 1024:.1f} GB"
    )
    if settings.solve_slots * settings.solve_memory_mb / 1024 > memory_gb:
        return Finding("machine", "warning", found, "lower TIDEPLAN_SOLVE_MEMORY_MB or TIDEPLAN_SOLVE_SLOTS")
    return Finding("machine", "ok", found)


def _folder(settings: Settings) -> Finding:
    folder = settings.data_folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / f".doctor-{os.getpid()}"
    probe.write_bytes(b"")
    probe.unlink()
    free_gb = shutil.disk_usage(folder).free / 2**30
    found = f"{folder}, {free_gb:.1f} GB free"
    if free_gb < _DISK_ERROR_GB:
        return Finding("data folder", "error", found, "free some space, or take another folder (TIDEPLAN_DATA_FOLDER)")
    if free_gb < _DISK_WARNING_GB:
        return Finding("data folder", "warning", found, "free some space before long")
    return Finding("data folder", "ok", found)


def _lock(settings: Settings) -> Finding:
    process = holder(settings.data_folder, lock_name(settings))
    return Finding("server", "ok", f"process {process} serves this folder" if process else "none serves this folder")


def _database(settings: Settings) -> Finding:
    if not settings.is_postgres and not _file(settings).exists():
        return Finding("database", "ok", f"{_file(settings)} does not exist yet; the first start makes it")
    database = Database(settings)
    try:
        found = migrations.current(database)
        kind = database.engine.dialect.name
        if found == migrations.HEAD:
            return Finding("database", "ok", f"{kind} at revision {found}")
        remedy = "run `tideplan db upgrade`" if settings.is_postgres else "the next start upgrades it, after a copy"
        level: Level = "error" if settings.is_postgres else "warning"
        return Finding("database", level, f"{kind} at revision {found or 'none'}, not {migrations.HEAD}", remedy)
    finally:
        database.close()


def _port(settings: Settings) -> Finding:
    if settings.port == 0:
        return Finding("port", "ok", "any free port")
    if holder(settings.data_folder, lock_name(settings)):
        return Finding("port", "ok", f"{settings.port}, in the hands of the server")
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host.strip("[]"), settings.port))
        except OSError as fault:
            return Finding("port", "error", f"{settings.host}:{settings.port}: {fault.strerror}", "take another --port")
    return Finding("port", "ok", f"{settings.host}:{settings.port} is free")


def _file(settings: Settings) -> Path:
    return Path(settings.sqlalchemy_url.removeprefix("sqlite:///"))


def _access(settings: Settings) -> Finding:
    keys = 0
    if settings.is_postgres or _file(settings).exists():  # looking must not make the file
        database = Database(settings)
        try:
            keys = len(Keys(database).active()) if migrations.current(database) == migrations.HEAD else 0
        finally:
            database.close()
    found = f"binds {settings.host}:{settings.port}, {keys} API keys"
    if not settings.is_loopback and not keys:
        return Finding("access", "error", found, "run `tideplan keys create`: without a key it will not start")
    if not settings.is_loopback and not settings.allowed_hosts:
        return Finding("access", "warning", found, "name the hosts it is reached by in TIDEPLAN_ALLOWED_HOSTS")
    return Finding("access", "ok", found)


def _stored(settings: Settings) -> Finding:
    """Every artifact, against the hash that it is named by."""
    artifacts = Artifacts(settings.data_folder / "artifacts", for_writing=False)
    names: dict[str, list[str]] = {}
    if settings.is_postgres or _file(settings).exists():
        database = Database(settings)
        try:
            if migrations.current(database) == migrations.HEAD:
                with database.snapshot() as connection:
                    names = references.named(connection)
        finally:
            database.close()
    found = references.faults(artifacts, names)
    if not found:
        looked_at = {*names, *artifacts.names()}
        size_mb = sum(artifacts.path(sha256).stat().st_size for sha256 in looked_at) / 2**20
        return Finding("stored files", "ok", f"{len(looked_at)} files, {size_mb:.1f} MB, each as it was stored")
    told = [f"{fault} {'Needed by ' + '; '.join(users) if users else 'Nothing needs it'}." for fault, users in found]
    remedy = "store a named case or history again, which puts its file right; ask again for a named result"
    level: Level = "error" if any(users for _, users in found) else "warning"
    return Finding("stored files", level, " ".join(told), remedy)


def _integrity(settings: Settings) -> Finding:
    """SQLite's own check of its whole file; PostgreSQL has its own tools."""
    if settings.is_postgres or not _file(settings).exists():
        return Finding("database file", "ok", "none of SQLite")
    database = Database(settings)
    try:
        with database.read() as connection:
            said = [str(row[0]) for row in connection.execute(text("PRAGMA integrity_check(20)"))]
            said += [
                f"a row of {row[0]} names what is not there"
                for row in connection.execute(text("PRAGMA foreign_key_check"))
            ]
    finally:
        database.close()
    if said == ["ok"]:
        return Finding("database file", "ok", f"{_file(settings)} is whole")
    remedy = "stop the service, lay the file aside and bring a backup in with `tideplan restore`"
    return Finding("database file", "error", "; ".join(said)[:2000], remedy)


_DEEP: dict[str, Callable[[Settings], Finding]] = {"database file": _integrity, "stored files": _stored}
_LOOKS: dict[str, Callable[[Settings], Finding]] = {
    "python": _python,
    "packages": _packages,
    "solver": _solver,
    "machine": _machine,
    "data folder": _folder,
    "server": _lock,
    "database": _database,
    "access": _access,
    "port": _port,
}
