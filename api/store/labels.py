"""How runs are kept in lists: their names and tags, put away or not, found by words, in an order; and deleted.

The name is what people call a run; what it is made of stays as it was accepted.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, String, cast, delete, func, or_, select, update

from api.store import audit
from api.store.database import Database, now_ms
from api.store.pages import Row
from api.store.runs import Run
from api.store.tables import events, idempotency, runs

Order = Literal["newest", "oldest", "name", "cost", "gap"]
_ORDERS: dict[Order, tuple[Any, ...]] = {
    "newest": (runs.c.created_ms.desc(), runs.c.id.desc()),
    "oldest": (runs.c.created_ms, runs.c.id),
    "name": (func.lower(runs.c.name), runs.c.id),
    "cost": (runs.c.summary["cost"].as_float().nulls_last(), runs.c.id),
    "gap": (runs.c.summary["gap"].as_float().nulls_last(), runs.c.id),
}


@dataclass(frozen=True)
class Sought:
    """What a list is to hold. words: parts of the name or of tags, all of which must be there. archived: those put away
    in place of the others. ids: only these."""

    words: tuple[str, ...] = ()
    state: str | None = None
    tag: str | None = None
    archived: bool = False
    ids: tuple[str, ...] | None = None

    def where(self) -> list[ColumnElement[bool]]:
        """As conditions on the table of runs."""
        tags = cast(runs.c.tags, String)
        away = runs.c.archived_ms
        found: list[ColumnElement[bool]] = [away.is_not(None) if self.archived else away.is_(None)]
        found += [
            or_(runs.c.name.icontains(word, autoescape=True), tags.icontains(_kept(word), autoescape=True))
            for word in self.words
        ]
        if self.state is not None:
            found.append(runs.c.state == self.state)
        if self.tag is not None:
            found.append(tags.contains(f'"{_kept(self.tag)}"', autoescape=True))
        if self.ids is not None:
            found.append(runs.c.id.in_(self.ids))
        return found


def _kept(text: str) -> str:
    """A text as it stands inside the JSON of a column."""
    return json.dumps(text)[1:-1]


@dataclass(frozen=True)
class Found:
    """A leaf of a list. count: of all that was found; tags: every tag that runs of this kind bear."""

    rows: list[Row]
    count: int
    tags: list[str]


class Labels:
    def __init__(self, database: Database) -> None:
        self.database = database

    def found(self, kind: str, sought: Sought, order: Order, *, first: int, limit: int) -> Found:
        """Runs of a kind from the number `first` on (0: the first)."""
        where = [runs.c.kind == kind, *sought.where()]
        query = select(runs).where(*where).order_by(*_ORDERS[order]).offset(first).limit(limit)
        tagged = select(runs.c.tags).where(runs.c.kind == kind, cast(runs.c.tags, String) != "[]")
        with self.database.read() as connection:
            rows: list[Row] = [dict(row) for row in connection.execute(query).mappings()]
            count = connection.execute(select(func.count()).select_from(runs).where(*where)).scalar_one()
            tags = sorted({tag for row in connection.execute(tagged) for tag in row[0]})
        return Found(rows, int(count), tags)

    def label(
        self,
        connection: Connection,
        run: Run,
        owner: str,
        *,
        name: str | None = None,
        tags: list[str] | None = None,
        archived: bool | None = None,
    ) -> None:
        """Change what is given."""
        values: dict[str, Any] = {}
        if name is not None:
            values["name"] = name
        if tags is not None:
            values["tags"] = list(dict.fromkeys(tags))
        if archived is not None:
            values["archived_ms"] = (run.archived_ms or now_ms()) if archived else None
        if values:
            connection.execute(update(runs).where(runs.c.id == run.id).values(**values))
            audit.note(connection, owner, "run labelled", run.id)

    def delete(self, connection: Connection, run: Run, owner: str) -> bool:
        """Take a run that has ended out of the database, with its events; False when it has not ended.

        Its files stay: others may rest on them, and `tideplan doctor --deep` tells which nobody needs.
        """
        if not run.is_final:  # what is final stays final
            return False
        connection.execute(delete(events).where(events.c.run_id == run.id))
        connection.execute(delete(runs).where(runs.c.id == run.id))
        connection.execute(delete(idempotency).where(idempotency.c.resource == run.id))  # asked again, it is made anew
        files = {path: entry["sha256"] for path, entry in (run.files or {}).items()}
        audit.note(connection, owner, "run deleted", run.id, {**run.inputs, **files})
        return True
