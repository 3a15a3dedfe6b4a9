"""What goes over the wire of signing, of labels and of what became of plans."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from api.http import examples
from api.http.schemas.wire import Asked, Json, Name, Told, example, rfc3339
from api.store.actuals import Actual
from api.store.signatures import Action, Entry, Log, Standing, State

Tag = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^\S(.*\S)?$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Comment = Annotated[str, Field(max_length=2000)]
_ENTRY: Json = {
    "seq": 2,
    "id": "signature_0198f0c0a1b",
    "plan_id": examples.PLAN_ID,
    "scope": "Two sites, one workload",
    "action": "approve",
    "content_sha256": examples.SHA256,
    "comment": "as discussed on Tuesday",
    "owner": "key_0198f0c0a1b",
    "owner_name": "board",
    "role": "approver",
    "at": examples.TIME,
    "previous": examples.SHA256,
    "sha256": examples.SHA256,
}


def standing_values(found: Standing | None, content: str) -> dict[str, str]:
    """Where a plan stands, as sentences of page and report are given it. content: the hash of what it holds now.

    state: "draft" for one that was never proposed, "changed" for one that is not what was. by: "" for somebody
    without a key.
    """
    if found is None:
        return {"state": "draft"}
    entry = found.entry
    return {
        "state": found.state if found.proposal.content_sha256 == content else "changed",
        "scope": entry.scope,
        "by": entry.owner_name,
        "on": str(rfc3339(entry.at_ms))[:10],
        "content": found.proposal.content_sha256[:12],
    }


class LabelRequest(Asked):
    """How a run is kept in lists; what is left out stays as it is. A plan that is signed keeps its name."""

    name: Annotated[str, Field(min_length=1, max_length=400, pattern=r"\S")] | None = None
    tags: Annotated[list[Tag], Field(max_length=20)] | None = None
    archived: bool | None = None
    model_config = example({"name": "2027, second look", "tags": ["board"], "archived": False})


class SignatureRequest(Asked):
    """propose, comment, approve, reject or withdraw. `content_sha256`: the content that the signer has seen; needed to
    approve. `scope`: what a proposed plan is for; the name of its case if left out. There is one plan of record for it.
    """

    action: Action
    comment: Comment = ""
    scope: Name = ""
    content_sha256: Sha256 | None = None
    model_config = example({"action": "approve", "comment": "as discussed", "content_sha256": examples.SHA256})


class SignatureEntry(Told):
    """One line of the log. `sha256` is over all the rest, as JSON with sorted names and without spaces, `at` as UTC
    milliseconds `at_ms`; `previous` is that of the line before."""

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
    at: str
    previous: str
    sha256: str
    model_config = example(_ENTRY)

    @classmethod
    def of(cls, entry: Entry) -> SignatureEntry:
        """As the API tells it."""
        return cls.told(entry)


class SignatureLog(BaseModel):
    """Lines of the log in their order. faults: where the log is not as it was written; empty for a whole one."""

    items: list[SignatureEntry]
    next: int | None = Field(None, description="The number to go on from, absent on the last page.")
    faults: list[str]
    model_config = example({"items": [_ENTRY], "next": None, "faults": []})


class PlanSignatures(BaseModel):
    """Where a plan stands. content_sha256: of what it holds now; unchanged: whether that is what was proposed, or
    approved (null for a plan that was never proposed)."""

    plan_id: str
    standing: State | None
    scope: str
    content_sha256: str
    unchanged: bool | None
    items: list[SignatureEntry]
    faults: list[str]
    model_config = example(
        {
            "plan_id": examples.PLAN_ID,
            "standing": "approved",
            "scope": "Two sites, one workload",
            "content_sha256": examples.SHA256,
            "unchanged": True,
            "items": [_ENTRY],
            "faults": [],
        }
    )

    @classmethod
    def of(cls, plan_id: str, log: Log, content: str) -> PlanSignatures:
        """As the API tells it; content: the hash of what the plan holds now."""
        found = log.standings.get(plan_id)
        return cls(
            plan_id=plan_id,
            standing=found.state if found else None,
            scope=found.entry.scope if found else "",
            content_sha256=content,
            unchanged=found.proposal.content_sha256 == content if found else None,
            items=[SignatureEntry.of(entry) for entry in log.of(plan_id)],
            faults=log.faults,
        )


class PlanOfRecord(Told):
    """The plan that holds for a scope until the next one is approved, and by whom it was approved."""

    scope: str
    plan_id: str
    content_sha256: str
    approved: str
    owner_name: str
    model_config = example(
        {
            "scope": "Two sites, one workload",
            "plan_id": examples.PLAN_ID,
            "content_sha256": examples.SHA256,
            "approved": examples.TIME,
            "owner_name": "board",
        }
    )

    @classmethod
    def of(cls, found: Standing) -> PlanOfRecord:
        """As the API tells it."""
        return cls.told(found.entry, approved=rfc3339(found.entry.at_ms))


class PlansOfRecord(BaseModel):
    """One for each scope, the newest first. faults: where the log of signatures is not as it was written."""

    items: list[PlanOfRecord]
    faults: list[str]
    model_config = example({"items": [], "faults": []})


class ActualRequest(Asked):
    """What became of the plan of record. ordered, delivered: `amount` modules of the type `what` at the site `place`.
    power_ready: `amount` MW more at the site `place`. demand: its mean over the plan's period that holds `day`, of the
    workload `what`, in the workload's unit, in all regions or in the region `place`. A correction is a further entry:
    what is counted adds up, of demand the newest entry holds.
    """

    kind: Literal["ordered", "delivered", "power_ready", "demand"]
    place: Annotated[str, Field(max_length=120)] = ""
    what: Annotated[str, Field(max_length=120)] = ""
    day: date
    amount: Annotated[float, Field(ge=-1e9, le=1e9, allow_inf_nan=False)]
    comment: Comment = ""
    model_config = example(
        {"kind": "delivered", "place": "near", "what": "m128", "day": "2027-02-03", "amount": 4, "comment": "lot 1"}
    )


class ActualEntry(Told):
    """One thing that happened, as it was entered."""

    id: str
    scope: str
    kind: str
    place: str
    what: str
    day: str
    amount: float
    comment: str
    owner_name: str
    created: str
    model_config = example(
        {
            "id": "actual_0198f0c0a1b",
            "scope": "Two sites, one workload",
            "kind": "delivered",
            "place": "near",
            "what": "m128",
            "day": "2027-02-03",
            "amount": 4,
            "comment": "lot 1",
            "owner_name": "planning desk",
            "created": examples.TIME,
        }
    )

    @classmethod
    def of(cls, one: Actual) -> ActualEntry:
        """As the API tells it."""
        return cls.told(one)


class ActualList(BaseModel):
    """Everything that was entered for a scope, in its order."""

    items: list[ActualEntry]
    model_config = example({"items": []})
