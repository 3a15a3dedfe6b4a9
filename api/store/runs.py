"""Runs: pieces of accepted work, their states, events and results.

States: queued → running → finished | failed | cancelled. Only the attempt that a row names may add events or a result
(fencing); the first final state wins, so a result is published once whatever was frozen, killed or run twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, func, insert, select, update

from api.store import audit, pages
from api.store.database import Database, now_ms
from api.store.tables import events, runs

State = Literal["queued", "running", "finished", "failed", "cancelled"]
Wish = Literal["", "stop", "cancel"]
FINAL: tuple[State, ...] = ("finished", "failed", "cancelled")
Json = dict[str, Any]
_DAY_MS = 86_400_000


@dataclass(frozen=True)
class Run:
    """One row of `runs`; times in UTC milliseconds."""

    id: str
    kind: str
    name: str
    state: State
    wish: Wish
    request: Json
    inputs: dict[str, str]
    attempt: int
    submission: int
    executor: str
    event_seq: int
    progress: Json | None
    summary: Json | None
    problem: Json | None
    files: dict[str, Json] | None
    owner: str
    created_ms: int
    started_ms: int | None
    finished_ms: int | None
    tags: list[str] = field(default_factory=list)
    archived_ms: int | None = None

    @property
    def is_final(self) -> bool:
        """Whether it has ended, however."""
        return self.state in FINAL

    @property
    def workflow_id(self) -> str:
        """The name of the run's present job; a resubmitted run has a new one."""
        return f"{self.id}.{self.submission}"


@dataclass(frozen=True)
class Event:
    seq: int
    kind: str
    data: Json
    at_ms: int


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended; `problem` (RFC 9457 members) only with "failed"."""

    state: State
    summary: Json | None = None
    problem: Json | None = None
    files: dict[str, Json] | None = None


@dataclass(frozen=True)
class Figures:
    """Runs by (kind, state); age of the oldest that waits, s; of those that finished within a day the mean seconds by
    kind and the mean gap of plans; failed runs by problem type."""

    counts: dict[tuple[str, ...], float] = field(default_factory=dict)
    queue_age_s: float = 0.0
    seconds_mean: dict[str, float] = field(default_factory=dict)
    gap_mean: float = 0.0
    failures: dict[str, float] = field(default_factory=dict)


class Runs:
    def __init__(self, database: Database) -> None:
        self.database = database

    # reading

    def get(self, id: str, kind: str | None = None) -> Run | None:
        """A run, of that kind if one is named."""
        with self.database.read() as connection:
            return _get(connection, id, kind)

    def page(
        self, kind: str, *, where: Iterable[ColumnElement[bool]] = (), after: str | None, limit: int
    ) -> pages.Page:
        """Runs of a kind, newest first."""
        query = select(runs).where(runs.c.kind == kind, *where)
        with self.database.read() as connection:
            return pages.newest_first(connection, query, runs, after, limit)

    def questions_on(self, plan_id: str, limit: int = 50) -> list[Run]:
        """What was asked about a plan, the newest first."""
        about = runs.c.request[("asked", "plan_id")].as_string() == plan_id
        query = select(runs).where(runs.c.kind == "question", about).order_by(runs.c.created_ms.desc()).limit(limit)
        with self.database.read() as connection:
            return [_run(row) for row in connection.execute(query).mappings()]

    def events_after(self, id: str, seq: int, limit: int = 500) -> list[Event]:
        """Events of a run after number `seq`, in order."""
        query = select(events).where(events.c.run_id == id, events.c.seq > seq).order_by(events.c.seq).limit(limit)
        with self.database.read() as connection:
            return [Event(r.seq, r.kind, r.data, r.at_ms) for r in connection.execute(query)]

    def unfinished(self) -> list[Run]:
        """Runs that have not ended, oldest first."""
        query = select(runs).where(runs.c.state.not_in(FINAL)).order_by(runs.c.created_ms)
        with self.database.read() as connection:
            return [_run(row) for row in connection.execute(query).mappings()]

    def figures(self) -> Figures:
        """How all runs stand, and how those of the last day went."""
        now = now_ms()
        counts = select(runs.c.kind, runs.c.state, func.count()).group_by(runs.c.kind, runs.c.state)
        oldest = select(func.min(runs.c.created_ms)).where(runs.c.state == "queued")
        lately = (runs.c.state == "finished", runs.c.finished_ms > now - _DAY_MS)
        seconds = select(runs.c.kind, func.avg(runs.c.finished_ms - runs.c.started_ms) / 1000.0)
        gap = select(func.avg(runs.c.summary["gap"].as_float())).where(*lately, runs.c.kind == "plan")
        kind = runs.c.problem["type"].as_string()
        failed = select(kind, func.count()).where(runs.c.state == "failed").group_by(kind)
        with self.database.read() as connection:
            since = connection.execute(oldest).scalar()
            return Figures(
                {(kind, state): count for kind, state, count in connection.execute(counts)},
                0.0 if since is None else (now - since) / 1000,
                {k: float(s) for k, s in connection.execute(seconds.where(*lately).group_by(runs.c.kind))},
                float(connection.execute(gap).scalar() or 0.0),
                {str(k): count for k, count in connection.execute(failed)},
            )

    def heads(self, ids: Iterable[str]) -> dict[str, tuple[int, bool]]:
        """The newest event of each of these runs, and whether the run is final."""
        query = select(runs.c.id, runs.c.event_seq, runs.c.state).where(runs.c.id.in_(list(ids)))
        with self.database.read() as connection:
            return {id: (seq, state in FINAL) for id, seq, state in connection.execute(query)}

    # accepting

    def unfinished_of(self, connection: Connection, owner: str) -> int:
        """How many runs of an owner have not ended."""
        query = select(func.count()).select_from(runs).where(runs.c.owner == owner, runs.c.state.not_in(FINAL))
        return int(connection.execute(query).scalar_one())

    def add(
        self,
        connection: Connection,
        *,
        id: str,
        kind: str,
        name: str,
        request: Json,
        inputs: Mapping[str, str],
        owner: str,
    ) -> Run:
        """Store a new run, queued."""
        row: Json = {
            "id": id,
            "kind": kind,
            "name": name,
            "state": "queued",
            "wish": "",
            "request": request,
            "inputs": dict(inputs),
            "attempt": 0,
            "submission": 1,
            "executor": "",
            "event_seq": 0,
            "owner": owner,
            "created_ms": now_ms(),
        }
        connection.execute(insert(runs).values(**row))
        run = _get(connection, id, None)
        assert run is not None
        _add_event(connection, id, "state", {"state": "queued"})
        return run

    # working

    def begin_attempt(self, id: str, executor: str) -> Run | None:
        """Claim the run for a new attempt; earlier attempts can write nothing from here on. None: it is final."""
        claim = (
            update(runs)
            .where(runs.c.id == id, runs.c.state.not_in(FINAL))
            .values(
                attempt=runs.c.attempt + 1,
                state="running",
                executor=executor,
                progress=None,
                started_ms=func.coalesce(runs.c.started_ms, now_ms()),
            )
        )
        with self.database.write() as connection:
            if connection.execute(claim).rowcount == 0:
                return None
            run = _get(connection, id, None)
            assert run is not None
            _add_event(connection, id, "state", {"state": "running", "attempt": run.attempt})
            return run

    def note_progress(self, id: str, attempt: int, progress: Json) -> bool:
        """Keep the newest progress and add it to the events; False when the attempt is no longer the run's own."""
        keep = update(runs).where(*_is_of(id, attempt)).values(progress=progress)
        with self.database.write() as connection:
            if connection.execute(keep).rowcount == 0:
                return False
            _add_event(connection, id, "progress", progress)
            return True

    def wish_of(self, id: str, attempt: int) -> Wish | None:
        """What a user wishes for the run; None when the attempt is no longer the run's own."""
        query = select(runs.c.wish).where(*_is_of(id, attempt))
        with self.database.read() as connection:
            return connection.execute(query).scalar_one_or_none()

    def publish(self, id: str, attempt: int, outcome: Outcome) -> bool:
        """Enter the final state; False when another attempt owns the run or it is final already."""
        with self.database.write() as connection:
            return self._finish(connection, id, outcome, _is_of(id, attempt))

    def _finish(self, connection: Connection, id: str, outcome: Outcome, where: tuple[Any, ...]) -> bool:
        values: Json = {
            "state": outcome.state,
            "summary": outcome.summary,
            "problem": outcome.problem,
            "files": outcome.files,
            "finished_ms": now_ms(),
        }
        if connection.execute(update(runs).where(*where).values(**values)).rowcount == 0:
            return False
        data: Json = {"state": outcome.state}
        if outcome.problem:
            data["problem"] = outcome.problem
        _add_event(connection, id, "state", data)
        return True

    # steering

    def wish(self, id: str, wish: Literal["stop", "cancel"], owner: str = "local") -> Run | None:
        """Ask a run to stop or to be cancelled; a queued run ends at once. A cancel is never turned into a stop."""
        with self.database.write() as connection:
            run = _get(connection, id, None)
            if run is None or run.is_final:
                return run
            audit.note(connection, owner, "stop asked" if wish == "stop" else "cancel asked", id)
            if run.state == "queued":
                queued = (runs.c.id == id, runs.c.state == "queued")
                self._finish(connection, id, Outcome("cancelled"), queued)
            elif run.wish != "cancel" and run.wish != wish:
                connection.execute(update(runs).where(runs.c.id == id).values(wish=wish))
                _add_event(connection, id, "wish", {"wish": wish})
            return _get(connection, id, None)

    def resubmission(self, connection: Connection, seen: Run) -> Run | None:
        """Queue a run again whose job ended without a result; None when it has moved on since it was seen."""
        again = (
            update(runs)
            .where(*_is_of(seen.id, seen.attempt), runs.c.submission == seen.submission)
            .values(submission=runs.c.submission + 1, state="queued", progress=None)
        )
        if connection.execute(again).rowcount == 0:
            return None
        _add_event(connection, seen.id, "state", {"state": "queued"})
        return _get(connection, seen.id, None)


def _is_of(id: str, attempt: int) -> tuple[Any, ...]:
    return (runs.c.id == id, runs.c.attempt == attempt, runs.c.state.not_in(FINAL))


def _get(connection: Connection, id: str, kind: str | None) -> Run | None:
    query = select(runs).where(runs.c.id == id)
    if kind is not None:
        query = query.where(runs.c.kind == kind)
    row = connection.execute(query).mappings().one_or_none()
    return None if row is None else _run(row)


def _run(row: Mapping[Any, Any]) -> Run:
    return Run(**{str(name): value for name, value in row.items()})


def run_of(row: pages.Row) -> Run:
    """The run of a page's row."""
    return _run(row)


def _add_event(connection: Connection, id: str, kind: str, data: Json) -> None:
    # Raising the run's counter holds its row until the commit, so numbers appear in their order and without gaps.
    connection.execute(update(runs).where(runs.c.id == id).values(event_seq=runs.c.event_seq + 1))
    seq = connection.execute(select(runs.c.event_seq).where(runs.c.id == id)).scalar_one()
    connection.execute(insert(events).values(run_id=id, seq=seq, kind=kind, data=data, at_ms=now_ms()))
