"""What became of plans of record: orders placed and delivered, power ready, demand as it came. Only ever added to."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Literal

from sqlalchemy import Connection, insert, select

from api.store import audit
from api.store.database import Database
from api.store.tables import actuals

Kind = Literal["ordered", "delivered", "power_ready", "demand"]


@dataclass(frozen=True)
class Actual:
    """One thing that happened. place: site, or region ("" for all). what: module type, or workload. day: YYYY-MM-DD,
    of demand any of its period. amount: modules, MW, or mean demand in the workload's unit."""

    id: str
    scope: str
    kind: Kind
    place: str
    what: str
    day: str
    amount: float
    comment: str
    owner: str
    owner_name: str
    created_ms: int


_COLUMNS = tuple(actuals.c[one.name] for one in fields(Actual))


class Actuals:
    def __init__(self, database: Database) -> None:
        self.database = database

    def add(self, connection: Connection, actual: Actual) -> None:
        """Write down what happened."""
        connection.execute(insert(actuals).values(**asdict(actual)))
        audit.note(connection, actual.owner, "actual entered", actual.id)

    def of(self, scope: str) -> list[Actual]:
        """Everything that was entered for a scope, in its order."""
        query = select(*_COLUMNS).where(actuals.c.scope == scope).order_by(actuals.c.created_ms, actuals.c.id)
        with self.database.read() as connection:
            return [Actual(*row) for row in connection.execute(query)]
