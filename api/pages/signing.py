"""What a plan's page says of its signing: where it stands, what was signed, and what this reader may do about it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from api.http.schemas.signed import PlanSignatures, standing_values
from api.http.security import Caller
from api.pages.common import Reader, words
from api.service.services import Services
from api.store.runs import Run
from api.store.signatures import LOCAL, Action, Standing, content_sha256


@dataclass(frozen=True)
class Signing:
    """sentence, short: where the plan stands, as on paper. scope: what a proposal is for. scopes: those that exist."""

    told: PlanSignatures
    sentence: str
    short: str
    scope: str
    scopes: list[str]
    actions: list[Action]
    own_proposal: bool

    @property
    def may_propose(self) -> bool:
        """Whether a scope is asked for."""
        return "propose" in self.actions


def signing_of(services: Services, caller: Caller, reader: Reader, run: Run) -> Signing:
    """Of a finished plan."""
    log, text = services.signatures.log(), words(reader.language)
    found = log.standings.get(run.id)
    values = standing_values(found)
    values["by"] = values.get("by") or text("standing.without_key")
    case = json.loads(services.artifacts.read(run.inputs["case"]))
    own = found is not None and found.state == "proposed" and found.proposal.owner == caller.owner != LOCAL
    return Signing(
        told=PlanSignatures.of(run.id, log, content_sha256(run)),
        sentence=text(f"standing.{values['state']}", **values),
        short=text(f"standing.{values['state']}.short", **values),
        scope=found.entry.scope if found else str(case["meta"]["name"])[:400],
        scopes=sorted({entry.scope for entry in log.entries if entry.scope}),
        actions=_actions(caller, found, own),
        own_proposal=own,
    )


def _actions(caller: Caller, found: Standing | None, own: bool) -> list[Action]:
    """What this reader may do now, the likeliest first; commenting always comes last."""
    out: list[Action] = []
    if found is None or found.state in ("rejected", "withdrawn"):
        out.append("propose")
    elif found.state == "proposed":
        if caller.may("approver"):
            out += ["reject"] if own else ["approve", "reject"]
        if found.proposal.owner == caller.owner or caller.may("admin"):
            out.append("withdraw")
    return [*out, "comment"]
