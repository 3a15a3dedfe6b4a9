"""Running the service: `tideplan serve` and `tideplan worker` come down to these two calls."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from api.app import logs
from api.app.lock import exclusive
from api.store import migrations
from api.store.database import Database
from api.store.keys import Keys
from api.store.settings import Settings

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

    Raises RefusedError when the address is open to others and there is no API key, LockedError when another process
    works on the data folder.
    """
    logs.configure(settings.log_level)
    with exclusive(settings.data_folder, lock_name(settings)):
        if not settings.is_postgres:
            migrations.upgrade(settings)
        if not settings.is_loopback:
            _refuse_without_keys(settings)
        import uvicorn

        from api.app.app import create_app

        app = create_app(settings)
        if beside is not None:
            beside(app.state.services)
        uvicorn.run(
            app,
            host=settings.host.strip("[]"),
            port=settings.port,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=GRACEFUL_SHUTDOWN_S,
        )


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
    with exclusive(settings.data_folder, lock_name(settings)):
        services = Services(settings)
        services.start()
        while not ended.wait(1.0):
            pass
        services.stop()


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
