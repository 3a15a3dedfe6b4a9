"""Running the service: `tideplan serve` and `tideplan worker` come down to these two calls."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from api.app import logs
from api.app.lock import exclusive
from api.store import migrations
from api.store.database import Database
from api.store.keys import Keys
from api.store.settings import Settings
from api.store.trouble import UnfitError, trouble

if TYPE_CHECKING:
    from api.service.services import Services

GRACEFUL_SHUTDOWN_S = 3


class RefusedError(RuntimeError):
    """The service will not start like this; the message says what to change."""


def lock_name(settings: Settings) -> str:
    """What a process locks in its data folder: everything on SQLite, its own executor id on PostgreSQL."""
    return f"executor-{settings.executor}" if settings.is_postgres else "tideplan"


def serve(settings: Settings, beside: Callable[[Services], None] | None = None) -> None:
    """Serve until SIGTERM or SIGINT. beside: called with the services that come up, in time to work next to them.

    Raises RefusedError when it cannot work like this (folder, database, port), or when the address is open to others
    and there is no API key; LockedError when another process works on the data folder.
    """
    logs.configure(settings.log_level)
    with _said_at_start(), exclusive(settings.data_folder, lock_name(settings)):
        if not settings.is_postgres:
            migrations.upgrade(settings)
        elif settings.is_loopback:
            _refuse_unfit(settings)
        if not settings.is_loopback:
            _refuse_without_keys(settings)
        listening = _bound(settings)
        import uvicorn

        from api.app.app import create_app
        from api.app.protocol import Impatient

        app = create_app(settings)
        if beside is not None:
            beside(app.state.services)
        config = uvicorn.Config(
            app,
            http=Impatient,
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_S,
        )
        server = uvicorn.Server(config)
        with suppress(KeyboardInterrupt):
            server.run(sockets=[listening])
        if not server.started:
            raise RefusedError("the service did not come up; the log says why")


def work(settings: Settings) -> None:
    """Work on jobs without serving, until SIGTERM or SIGINT. Raises RefusedError on SQLite."""
    from api.service.services import Services

    if not settings.is_postgres:
        raise RefusedError(
            "a worker of its own needs PostgreSQL (TIDEPLAN_DATABASE_URL); on SQLite `serve` works itself"
        )
    logs.configure(settings.log_level)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with _said_at_start(), exclusive(settings.data_folder, lock_name(settings)):
        _refuse_unfit(settings)
        services = Services(settings)
        services.start()
        while not ended.wait(1.0):
            pass
        services.stop()


@contextmanager
def _said_at_start() -> Iterator[None]:
    """A fault of the surroundings keeps the service from starting, with what to do about it."""
    try:
        yield
    except (OSError, SQLAlchemyError, UnfitError) as fault:
        found = trouble(fault)
        if found is not None:
            raise RefusedError(str(found)) from fault
        if isinstance(fault, OSError):
            place = f"{fault.filename}: " if fault.filename else ""
            raise RefusedError(f"{place}{fault.strerror}; take another folder with --data") from fault
        raise


def _bound(settings: Settings) -> socket.socket:
    """The socket to listen on."""
    host = settings.host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, settings.port))
    except OSError as fault:
        listening.close()
        raise RefusedError(
            f"{settings.host}:{settings.port}: {fault.strerror}; take another --port or --host"
        ) from fault
    listening.set_inheritable(False)  # a solve child must not keep the port
    return listening


def _refuse_unfit(settings: Settings) -> None:
    """PostgreSQL that is away, or has not been upgraded yet, is waited for; any other database is not ours to serve."""
    database = Database(settings)
    try:
        migrations.current(database)
    except SQLAlchemyError as fault:
        found = trouble(fault)
        if found is None or not found.passes:
            raise
    finally:
        database.close()


def _refuse_without_keys(settings: Settings) -> None:
    database = Database(settings)
    try:
        if migrations.current(database) != migrations.HEAD:
            raise RefusedError("the database is not at this version's revision: run `tideplan db upgrade` first")
        if not Keys(database).active():
            raise RefusedError(
                f"{settings.host} can be reached by others and there is no API key: create one with "
                "`tideplan keys create`, or bind 127.0.0.1"
            )
    finally:
        database.close()
