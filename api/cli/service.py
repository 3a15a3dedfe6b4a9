"""serve, worker, doctor, db and keys: running the service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.cli.command import Use, command
from api.cli.exits import Exit, UsageError
from api.cli.options import Screen, TimeLimit
from api.cli.plans import EXAMPLES
from api.cli.ranges import Within
from forecasts.fault import Fault

if TYPE_CHECKING:
    from api.store.backup import Done
    from api.store.keys import Keys
    from api.store.settings import Settings

Data = Annotated[Path | None, typer.Option(help="Data folder (TIDEPLAN_DATA_FOLDER).", metavar="DIR")]
DatabaseUrl = Annotated[
    str | None, typer.Option("--database", help="postgresql://… (TIDEPLAN_DATABASE_URL); SQLite if left out.")
]

db = typer.Typer(help="The service's database.", no_args_is_help=True)
keys = typer.Typer(help="API keys.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add its commands to the app."""
    for one in (serve, worker, doctor, backup, restore, audit):
        app.command()(command(one))
    app.add_typer(db, name="db")
    app.add_typer(keys, name="keys")


@dataclass(frozen=True)
class At:
    """Where the service keeps things."""

    data: Data = None
    database: DatabaseUrl = None

    def settings(self, **more: Any) -> Settings:
        """Settings from the environment, with what the command line says on top. Raises ValidationError."""
        from api.store.settings import Settings

        given = {"data_folder": self.data, "database_url": self.database, **more}
        return Settings(**{name: value for name, value in given.items() if value is not None})


def serve(
    at: At,
    screen: Annotated[Screen, Use(without=("json",))],
    host: Annotated[
        str | None, typer.Option(help="Address to bind (TIDEPLAN_HOST); others than loopback need a key.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port (TIDEPLAN_PORT).", min=0, max=65535)] = None,
    example: Annotated[
        str | None,
        typer.Option(help=f"Plan this bundled example as soon as the service is up: {' or '.join(EXAMPLES)}."),
    ] = None,
    time_limit: TimeLimit = 120.0,
) -> None:
    """Serve the API and the page until interrupted.

    With --example the service plans a bundled example (for one future, the 80 % quantile of every demand) while it
    serves; page and terminal show how it goes.
    """
    from api.app.server import serve as run
    from api.cli import console

    settings = at.settings(host=host, port=port)
    text = screen.words
    address = f"http://{settings.host}:{settings.port}/"
    beside = None
    if example is not None:
        from api.cli.live import ExampleRun
        from api.cli.plans import example_case

        beside = ExampleRun(example, example_case(example, 0.8), time_limit, address, text).start
    console.say(text("cli.serving", url=address))
    run(settings, beside)


def worker(at: At, _screen: Annotated[Screen, Use(without=("json",))]) -> None:
    """Work on jobs without serving (PostgreSQL only)."""
    from api.app.server import work

    work(at.settings())


def doctor(
    at: At,
    screen: Screen,
    deep: Annotated[bool, typer.Option("--deep", help="Read every stored file and the whole database, too.")] = False,
) -> None:
    """Look for what would keep tideplan from working here: packages, solver, folders, database, port."""
    from api.app.doctor import diagnose
    from api.cli import console

    findings = diagnose(at.settings(), deep=deep)
    bad = [finding for finding in findings if not finding.ok]
    if screen.json:
        console.show_json({"ok": not bad, "findings": [finding.__dict__ for finding in findings]})
    else:
        text = screen.words
        signs = {"ok": "✓", "warning": "!", "error": "✗"}
        rows = [[signs[f.level], f.name, f"{f.detail} {f.remedy}".strip()] for f in findings]
        console.out().print(console.table(text("cli.doctor"), [("", False), ("", False), ("", False)], rows))
    if bad:
        raise typer.Exit(int(Exit.unhealthy))


Backup = Annotated[Path, typer.Argument(help="The backup's folder.", metavar="FOLDER")]


def backup(folder: Backup, at: At, screen: Screen) -> None:
    """Back everything up into a new folder, while the service runs or not. Damaged files are named (exit 6)."""
    from api.store.backup import backup as make

    _told("cli.backup_made", make(at.settings(), folder), screen)


def restore(folder: Backup, at: At, screen: Screen) -> None:
    """Bring a backup into an empty data folder and database, SQLite or PostgreSQL; nothing may run on them."""
    from api.app.lock import exclusive
    from api.app.server import lock_name
    from api.store.backup import restore as bring_in

    settings = at.settings()
    with exclusive(settings.data_folder, lock_name(settings)):
        done = bring_in(settings, folder)
    _told("cli.backup_restored", done, screen)


def _told(key: str, done: Done, screen: Screen) -> None:
    """What a backup or a restore came to; what it could not take ends with exit 6."""
    from rich.markup import escape

    from api.cli import console

    if screen.json:
        console.show_json({**done.__dict__, "folder": str(done.folder)})
    else:
        text = screen.words
        size = f"{done.bytes / 2**20:.1f}"
        said = text(key, folder=done.folder, rows=sum(done.rows.values()), files=done.artifacts, mb=size)
        console.out().print(escape(said))
        for line in done.damaged:
            console.out().print(escape(line))
    if done.damaged:
        raise typer.Exit(int(Exit.unhealthy))


@db.command("upgrade")
@command
def db_upgrade(at: At, screen: Screen) -> None:
    """Bring the database to this version's schema; SQLite is copied first."""
    from rich.markup import escape

    from api.cli import console
    from api.store import migrations

    settings = at.settings()
    settings.data_folder.mkdir(parents=True, exist_ok=True)
    done = migrations.upgrade(settings)
    if screen.json:
        console.show_json({"before": done.before, "after": done.after, "backup": done.backup})
        return
    text = screen.words
    key = "cli.db_current" if done.before == done.after else "cli.db_upgraded"
    console.out().print(text(key, before=done.before or "–", after=done.after))
    if done.backup is not None:
        console.out().print(escape(text("cli.db_backup", path=done.backup)))


@keys.command("create")
@command
def keys_create(
    name: Annotated[str, typer.Argument(help="Who or what the key is for.")],
    at: At,
    screen: Screen,
    role: Annotated[str, typer.Option(help="viewer, planner, approver or admin.")] = "planner",
    days: Annotated[
        float | None,
        Within(0, 3660, above=True),
        typer.Option(help="How long it is good for; until it is revoked if left out."),
    ] = None,
) -> None:
    """Create an API key; its secret is shown this once."""
    from rich.markup import escape

    from api.cli import console
    from api.store.keys import ROLES

    if role not in ROLES:
        raise UsageError([Fault("--role", role, ", ".join(ROLES))])
    with _keys(at) as held:
        key, secret = held.create(name, role, days)
    if screen.json:
        told = {"id": key.id, "name": key.name, "role": key.role, "expires": _day(key.expires_ms)}
        console.show_json(told | {"secret": secret})
        return
    text = screen.words
    console.out().print(escape(text("cli.key_created", name=key.name, role=key.role, id=key.id)))
    typer.echo(secret)


@keys.command("list")
@command
def keys_list(at: At, screen: Screen) -> None:
    """List the API keys, revoked ones too. Secrets are not kept and cannot be shown."""
    from api.cli import console

    with _keys(at) as held:
        found = held.all()
    times = ("created", "used", "expires", "revoked")
    rows = [[k.id, k.name, k.role, *(_day(getattr(k, f"{time}_ms")) for time in times)] for k in found]
    names = ("id", "name", "role", *times)
    if screen.json:
        console.show_json({"keys": [dict(zip(names, row, strict=True)) for row in rows]})
        return
    text = screen.words
    if not rows:
        console.out().print(text("cli.no_keys"))
        return
    shown = [[cell or "–" for cell in row] for row in rows]
    console.out().print(console.table(text("cli.keys"), [(text(f"cli.key_column.{n}"), False) for n in names], shown))


@keys.command("revoke")
@command
def keys_revoke(
    id: Annotated[str, typer.Argument(help="The key's id, as `tideplan keys list` shows it.")],
    at: At,
    screen: Screen,
) -> None:
    """Revoke an API key: whoever uses it is refused from the next request on."""
    from rich.markup import escape

    from api.cli import console

    with _keys(at) as held:
        done = held.revoke(id)
        active = [key.id for key in held.active()]
    if not done:
        raise UsageError([Fault("ID", id, ", ".join(active) or "no key is active")])
    if screen.json:
        console.show_json({"revoked": id, "active": len(active)})
        return
    console.out().print(escape(screen.words("cli.key_revoked", id=id, count=len(active))))


def audit(
    at: At,
    _screen: Annotated[Screen, Use(without=("json",))],
    days: Annotated[float, Within(0, 36_600), typer.Option(help="How far back.")] = 30.0,
) -> None:
    """Who did what to which content, oldest first: one JSON object a line."""
    from json import dumps

    from api.store.audit import deeds
    from api.store.database import now_ms

    with _keys(at) as held:
        for deed in deeds(held.database, now_ms() - round(days * 86_400_000)):
            moment = datetime.fromtimestamp(deed.at_ms / 1000, UTC).isoformat(timespec="milliseconds")
            typer.echo(dumps({"at": moment, **deed.__dict__}, ensure_ascii=False))


@contextmanager
def _keys(at: At) -> Iterator[Keys]:
    """The service's keys; a SQLite database that is not there yet is made."""
    from api.store import migrations
    from api.store.database import Database
    from api.store.keys import Keys

    settings = at.settings()
    if not settings.is_postgres:
        settings.data_folder.mkdir(parents=True, exist_ok=True)
        migrations.upgrade(settings)
    store = Database(settings)
    try:
        yield Keys(store)
    finally:
        store.close()


def _day(ms: int | None) -> str | None:
    return None if ms is None else datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
