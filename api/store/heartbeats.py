"""Who works: a heartbeat per executor, so that the work of one that fell silent is handed to another."""

from __future__ import annotations

from typing import Any

from sqlalchemy import delete, insert, select, update

from api.store.database import Database, now_ms
from api.store.tables import workers


class Heartbeats:
    def __init__(self, database: Database) -> None:
        self.database = database

    def beat(self, executor: str, about: dict[str, Any]) -> None:
        """Say that an executor is alive."""
        with self.database.write() as connection:
            alive = update(workers).where(workers.c.executor == executor).values(heartbeat_ms=now_ms(), claimed_by="")
            if connection.execute(alive).rowcount == 0:
                connection.execute(
                    insert(workers).values(executor=executor, heartbeat_ms=now_ms(), claimed_by="", about=about)
                )

    def claim_silent(self, reaper: str, timeout_s: float) -> list[str]:
        """Executors that were silent for `timeout_s`, now claimed by `reaper`; a claim lapses after as long again."""
        out = []
        with self.database.write() as connection:
            rows = connection.execute(select(workers.c.executor, workers.c.heartbeat_ms)).all()
            for executor, heartbeat_ms in rows:
                if executor == reaper or now_ms() - heartbeat_ms < timeout_s * 1000:
                    continue
                unchanged = (workers.c.executor == executor, workers.c.heartbeat_ms == heartbeat_ms)
                claim = update(workers).where(*unchanged).values(claimed_by=reaper, heartbeat_ms=now_ms())
                if connection.execute(claim).rowcount:
                    out.append(executor)
        return out

    def ages_s(self) -> dict[str, float]:
        """Seconds since each executor was last heard."""
        with self.database.read() as connection:
            rows = connection.execute(select(workers.c.executor, workers.c.heartbeat_ms)).all()
        return {executor: (now_ms() - heartbeat_ms) / 1000 for executor, heartbeat_ms in rows}

    def forget(self, executor: str, reaper: str = "") -> None:
        """Remove an executor that said good-bye, or whose work `reaper` has handed on."""
        with self.database.write() as connection:
            connection.execute(delete(workers).where(workers.c.executor == executor, workers.c.claimed_by == reaper))
