"""Who did what to which content, in the transaction that did it: what is not in the log did not happen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from sqlalchemy import Connection, insert, select

from api.store.database import Database, now_ms
from api.store.documents import new_id
from api.store.tables import audit

Action = Literal[
    "case stored",
    "case replaced",
    "history stored",
    "run accepted",
    "stop asked",
    "cancel asked",
    "plan proposed",
    "plan commented",
    "plan approved",
    "plan rejected",
    "plan withdrawn",
    "run labelled",
    "run deleted",
    "actual entered",
    "key created",
    "key revoked",
    "restored",
]
COMMAND_LINE = "command line"
"""The owner of what is done by whoever has the machine."""


@dataclass(frozen=True)
class Deed:
    """One thing that was done. owner: id of the key, "local" on an open service. hashes: name → SHA-256."""

    at_ms: int
    owner: str
    action: str
    subject: str
    hashes: dict[str, str]


def note(
    connection: Connection, owner: str, action: Action, subject: str, hashes: Mapping[str, str] | None = None
) -> None:
    """Write down what the transaction does."""
    deed = Deed(now_ms(), owner, action, subject, dict(hashes or {}))
    connection.execute(insert(audit).values(id=new_id("deed"), **asdict(deed)))


def deeds(database: Database, since_ms: int = 0) -> Iterator[Deed]:
    """Everything that was done since a moment, in its order."""
    columns: tuple[Any, ...] = (audit.c.at_ms, audit.c.owner, audit.c.action, audit.c.subject, audit.c.hashes)
    query = select(*columns).where(audit.c.at_ms >= since_ms).order_by(audit.c.at_ms, audit.c.id)
    with database.read() as connection:
        for row in connection.execution_options(yield_per=500).execute(query):
            yield Deed(*row)
