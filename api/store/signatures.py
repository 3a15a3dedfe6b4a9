"""Signing plans: a log to which entries are only ever added, each sealed together with the one before it.

Who is proposed to, approves or rejects names the hash of the plan's content, so that what was signed can be told from
what is there. A plan's standing is never stored: it follows from the log. An approved plan is the plan of record of its
scope until the next one is approved there.

The databases refuse to change or delete an entry (triggers, migration 0003). Whoever gets past that breaks the chain of
hashes, or leaves the audit log telling of an entry that is gone: `Log.faults` says so.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any, Literal, get_args

from sqlalchemy import Connection, insert, select

from api.store import audit
from api.store.database import Database, now_ms
from api.store.keys import Role, reaches
from api.store.runs import Run
from api.store.tables import audit as deeds
from api.store.tables import runs, signatures

Action = Literal["propose", "comment", "approve", "reject", "withdraw"]
State = Literal["proposed", "approved", "superseded", "rejected", "withdrawn"]
ACTIONS: tuple[Action, ...] = get_args(Action)
_BECOMES: dict[Action, State] = {
    "propose": "proposed",
    "approve": "approved",
    "reject": "rejected",
    "withdraw": "withdrawn",
}
_DEEDS: dict[Action, audit.Action] = {
    "propose": "plan proposed",
    "comment": "plan commented",
    "approve": "plan approved",
    "reject": "plan rejected",
    "withdraw": "plan withdrawn",
}
_BEGINNING = "0" * 64
LOCAL = "local"
"""The owner of what is done on a service without keys, where nobody can be told from anybody."""


def digest(value: Any) -> str:
    """SHA-256 of a value as JSON with sorted names."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def content_sha256(run: Run) -> str:
    """The hash of all that a finished plan is: what it was made from, every file of its result, its summary."""
    files = {path: entry["sha256"] for path, entry in (run.files or {}).items()}
    return digest({"plan": run.id, "inputs": run.inputs, "files": files, "summary": run.summary})


@dataclass(frozen=True)
class Signer:
    """Who signs: the key's id ("local" on an open service), its name and its role."""

    owner: str
    owner_name: str
    role: Role


@dataclass(frozen=True)
class Said:
    """What is said of a plan. scope: of a proposal. named_sha256: the content that the signer has seen."""

    action: Action
    scope: str = ""
    comment: str = ""
    named_sha256: str | None = None


@dataclass(frozen=True)
class Entry:
    """One line of the log; `sha256` is over all the rest, the hash of the line before included."""

    seq: int
    id: str
    plan_id: str
    scope: str
    action: Action
    content_sha256: str
    comment: str
    owner: str
    owner_name: str
    role: str
    at_ms: int
    previous: str
    sha256: str = ""

    @property
    def seal(self) -> str:
        """What `sha256` has to be."""
        return digest({name: value for name, value in asdict(self).items() if name != "sha256"})


_COLUMNS = tuple(signatures.c[one.name] for one in fields(Entry))


@dataclass(frozen=True)
class Standing:
    """Where a plan stands. entry: what brought it there; proposal: by whom it was proposed last."""

    state: State
    entry: Entry
    proposal: Entry


class RefusedError(Exception):
    """An entry that the log does not take, with the kind of problem."""

    def __init__(
        self, kind: Literal["not-found", "not-to-be-signed", "content-changed", "forbidden"], detail: str
    ) -> None:
        self.kind, self.detail = kind, detail
        super().__init__(detail)


@dataclass(frozen=True)
class Log:
    """The whole log as it stands. told: seals of which the audit log tells."""

    entries: tuple[Entry, ...]
    told: frozenset[str] = field(default=frozenset())

    @cached_property
    def broken(self) -> list[int]:
        """Numbers of entries that are not as they were written, or whose predecessor is gone."""
        out, previous = [], _BEGINNING
        for number, entry in enumerate(self.entries, start=1):
            if entry.seq != number or entry.previous != previous or entry.seal != entry.sha256:
                out.append(entry.seq)
            previous = entry.sha256
        return out

    @cached_property
    def gone(self) -> int:
        """How many entries of which the audit log tells are gone."""
        return len(self.told - {entry.sha256 for entry in self.entries})

    @property
    def faults(self) -> list[str]:
        """Where the log is not as it was written, in words; empty for a whole one."""
        out = [f"entry {seq} is not as it was written, or the one before it is gone" for seq in self.broken]
        return out + ([f"{self.gone} entries of which the audit log tells are gone"] if self.gone else [])

    @cached_property
    def standings(self) -> dict[str, Standing]:
        """Plan → where it stands; without those that were never proposed."""
        out: dict[str, Standing] = {}
        record: dict[str, str] = {}
        for entry in self.entries:
            state = _BECOMES.get(entry.action)
            if state is None or (state != "proposed" and entry.plan_id not in out):
                continue  # a comment, or a line whose proposal is gone: `faults` says so
            if state == "approved":
                before = record.get(entry.scope)
                if before is not None:
                    out[before] = Standing("superseded", entry, out[before].proposal)
                record[entry.scope] = entry.plan_id
            proposal = entry if state == "proposed" else out[entry.plan_id].proposal
            out[entry.plan_id] = Standing(state, entry, proposal)
        return out

    def of_record(self) -> list[Standing]:
        """The plan of record of every scope, the newest first."""
        found = [one for one in self.standings.values() if one.state == "approved"]
        return sorted(found, key=lambda one: -one.entry.seq)

    def of(self, plan_id: str) -> list[Entry]:
        """The lines about a plan."""
        return [entry for entry in self.entries if entry.plan_id == plan_id]

    def keeps(self, plan_id: str) -> bool:
        """Whether a plan may not be renamed or deleted any more: it is proposed, or was approved once."""
        found = self.standings.get(plan_id)
        return found is not None and found.state in ("proposed", "approved", "superseded")


class Signatures:
    def __init__(self, database: Database) -> None:
        self.database = database

    def log(self) -> Log:
        """The log as it stands now."""
        with self.database.read() as connection:
            return self.log_in(connection)

    def log_in(self, connection: Connection) -> Log:
        """The same within a transaction."""
        rows = connection.execute(select(*_COLUMNS).order_by(signatures.c.seq))
        told = connection.execute(select(deeds.c.hashes).where(deeds.c.action.in_(_DEEDS.values())))
        return Log(tuple(Entry(*row) for row in rows), frozenset(row[0]["entry"] for row in told))

    def held(self, connection: Connection) -> Log:
        """The same, and nobody adds to it before the transaction ends: for what a signature must not come between."""
        self.database.lock_for(connection, "signatures")
        return self.log_in(connection)

    def add(self, connection: Connection, id: str, run: Run, said: Said, by: Signer) -> Entry:
        """Add an entry on a finished plan. Raises RefusedError."""
        log = self.held(connection)
        if connection.execute(select(runs.c.id).where(runs.c.id == run.id)).first() is None:
            raise RefusedError("not-found", f"There is no plan {run.id}.")  # deleted since it was read
        standing, content = log.standings.get(run.id), content_sha256(run)
        fault = refusal(standing, said.action, by, content, said.named_sha256)
        if fault is not None:
            raise fault
        last = log.entries[-1] if log.entries else None
        entry = Entry(
            seq=len(log.entries) + 1 if last is None else last.seq + 1,
            id=id,
            plan_id=run.id,
            scope=said.scope if said.action == "propose" or standing is None else standing.entry.scope,
            action=said.action,
            content_sha256=content,
            comment=said.comment,
            owner=by.owner,
            owner_name=by.owner_name,
            role=by.role,
            at_ms=now_ms(),
            previous=_BEGINNING if last is None else last.sha256,
        )
        sealed = {**asdict(entry), "sha256": entry.seal}
        connection.execute(insert(signatures).values(**sealed))
        hashes = {"content": content, "entry": entry.seal}
        audit.note(connection, by.owner, _DEEDS[said.action], run.id, hashes)
        return Entry(**sealed)


def refusal(
    standing: Standing | None, action: Action, by: Signer, content: str, named: str | None = None
) -> RefusedError | None:
    """Why an action is not taken from this signer now; None where it is. content: the hash of what the plan holds."""
    state = standing.state if standing is not None else None
    if action in ("approve", "reject") and not reaches(by.role, "approver"):
        return RefusedError("forbidden", f"found the role {by.role}; allowed: approver or higher")
    if named is not None and named != content:
        return RefusedError("content-changed", f"found {named}; allowed: {content}, which is what the plan holds now")
    if action == "propose" and state not in (None, "rejected", "withdrawn"):
        return RefusedError(
            "not-to-be-signed", f"found a plan that is {state}; allowed: one that is not proposed or approved"
        )
    if action in ("propose", "comment"):
        return None
    if standing is None or state != "proposed":
        return RefusedError(
            "not-to-be-signed", f"found a plan that is {state or 'not proposed'}; allowed: a proposed one"
        )
    proposal = standing.proposal
    own = proposal.owner == by.owner
    if proposal.content_sha256 != content:
        found = f"found {content}; allowed: {proposal.content_sha256}, which was proposed"
        return RefusedError("content-changed", found)
    if action == "approve" and own and by.owner != LOCAL:
        return RefusedError("forbidden", "found the key that proposed the plan; allowed: another approver's")
    if action == "withdraw" and not own and by.role != "admin":
        return RefusedError(
            "forbidden", "found another key than the one that proposed the plan; allowed: that, or an admin's"
        )
    return None
