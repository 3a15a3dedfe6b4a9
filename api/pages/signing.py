"""What a plan's page says of its signing: where it stands, what was signed, and what this reader may do about it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from api.http.schemas.signed import PlanSignatures, standing_values
from api.http.security import Caller
from api.pages.common import Reader, catalogue, standing_told
from api.service.services import Services
from api.store.runs import Run
from api.store.signatures import LOCAL, Action, Signer, content_sha256, refusal

_LIKELIEST: tuple[Action, ...] = ("propose", "approve", "reject", "withdraw", "comment")


@dataclass(frozen=True)
class Signing:
    """sentence, paper: where the plan stands, and the rule of a style sheet that prints it above every sheet. scope:
    what a proposal is for. scopes: those that exist. faults: of the log. actions: what this reader may do now, the
    likeliest first."""

    told: PlanSignatures
    sentence: str
    paper: str
    scope: str
    scopes: list[str]
    faults: list[str]
    actions: list[Action]
    own_proposal: bool

    @property
    def may_propose(self) -> bool:
        """Whether a scope is asked for."""
        return "propose" in self.actions


def signing_of(services: Services, caller: Caller, reader: Reader, run: Run) -> Signing:
    """Of a finished plan."""
    t = catalogue(reader.language)
    log, content = services.signatures.log(), content_sha256(run)
    found = log.standings.get(run.id)
    by = Signer(caller.owner, caller.name, caller.role)
    sentence, paper = standing_told(standing_values(found, content), reader.language)
    case = json.loads(services.artifacts.read(run.inputs["case"]))
    return Signing(
        told=PlanSignatures.of(run.id, log, content),
        sentence=sentence,
        paper=paper,
        scope=found.entry.scope if found else str(case["meta"]["name"])[:400],
        scopes=sorted({entry.scope for entry in log.entries if entry.scope}),
        faults=[t["log_entry"].format(seq=seq) for seq in log.broken]
        + ([t["log_gone"].format(count=log.gone)] if log.gone else []),
        actions=[one for one in _LIKELIEST if refusal(found, one, by, content) is None],
        own_proposal=found is not None and found.state == "proposed" and found.proposal.owner == caller.owner != LOCAL,
    )
