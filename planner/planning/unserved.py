"""Why work stays unserved, checked by solving again; "unknown" where that does not tell.

Linear relaxations of the whole program answer three questions, each exactly in one direction:
* least: the least work that any plan leaves unserved within all limits, whatever it costs. What the plan leaves beyond
  it is left because of money.
* limits: which limits of the case, each taken out alone, let less stay unserved than that.
* full: what serving all but `least` costs at least. Where that is more than the plan costs, leaving it is cheaper.
Work is measured in shares of what each workload asks over the horizon, added up over workloads.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from planner.arrays import FloatArray
from planner.case import Case
from planner.plan import Plan
from planner.program.blocks import Arrays, Program, flatten
from planner.program.build import build_program
from planner.program.merge import merge_steps
from planner.program.origins import find_origins
from planner.solve import solve_lp

_MOST_COLUMNS = 60_000
_SECONDS = 20.0
# A limit stands in the way when opening it alone serves at least this part of what stays unserved.
_HELPS = 0.01
_CLOSE = 1e-6
# More than any site of the world, in MW; where power is opened, no plan wants for it.
_ANY_MW = 1e6


def _opened(case: Case, limit: str) -> Case:
    """The case without one kind of limit."""
    policy, types, sites = case.policy, case.module_types, case.sites
    without: dict[str, dict[str, Any]] = {
        "budget": {"budget": None},
        "vendor_share": {"vendor_share_cap": {}},
        "domestic_share": {"domestic_share_floor": None},
        "carbon_cap": {"carbon_cap_tonnes": None},
        "green_share": {"green_share_floor": None},
        "utilisation": {"utilisation_floor": None},
        "build_ahead_maximum": {"build_ahead": policy.build_ahead.model_copy(update={"maximum": None})},
    }
    if limit in without:
        return case.model_copy(update={"policy": policy.model_copy(update=without[limit])})
    of_types: dict[str, dict[str, Any]] = {"supply": {"supply": None}, "order_size": {"min_order": 1}}
    if limit in of_types:
        changed = [k.model_copy(update=of_types[limit]) for k in types]
        return case.model_copy(update={"module_types": changed})
    of_sites: dict[str, dict[str, Any]] = {"site_power": {"power_mw": _ANY_MW}, "site_space": {"space_racks": None}}
    return case.model_copy(update={"sites": [s.model_copy(update=of_sites[limit]) for s in sites]})


def _limits(case: Case) -> list[str]:
    """Kinds of limits that the case has and that could stand in the way of service."""
    policy = case.policy
    has = {
        "budget": policy.budget is not None,
        "supply": any(k.supply is not None for k in case.module_types),
        "site_power": True,
        "site_space": any(s.space_racks is not None for s in case.sites),
        "order_size": any(k.min_order > 1 for k in case.module_types),
        "vendor_share": bool(policy.vendor_share_cap),
        "domestic_share": policy.domestic_share_floor is not None,
        "build_ahead_maximum": policy.build_ahead.maximum is not None,
        "carbon_cap": policy.carbon_cap_tonnes is not None,
        "green_share": policy.green_share_floor is not None,
        "utilisation": policy.utilisation_floor is not None,
    }
    return [name for name, given in has.items() if given]


@dataclass(frozen=True)
class _Question:
    """The plan's case and demand on `steps` merged steps a day (None: all), as questions to linear programs."""

    plan: Plan
    steps: int | None
    until: float

    def _asked(self, case: Case) -> tuple[Program, Arrays, FloatArray]:
        """The program in one piece and (columns,) the weight of unserved work in its columns."""
        program = build_program(case, self.plan.demand, merge_steps=self.steps)
        inst = program.inst
        inner = inst if self.steps is None else merge_steps(inst, self.steps)
        arrays = flatten(program)
        upper, weight = arrays.upper.copy(), np.zeros(arrays.columns)
        hours = inst.weight[:, :, None] * inst.step_hours
        asked = np.einsum("f,fwrtdh,tdh->w", inst.probability, inst.demand, hours)
        per_unit = np.divide(1.0, asked, out=np.zeros_like(asked), where=asked > 0)
        owner = find_origins(inner).workload
        start = program.master.columns
        for block in program.blocks:
            columns = block.layout.columns
            if block.key.kind == "day":
                scale = inst.probability[block.key.future] * inst.weight[block.key.period, block.key.day]
                weight[start + columns["shortfall"]] = scale * per_unit[owner][:, None] * inner.step_hours
            elif "shortfall" in columns:
                upper[start + columns["shortfall"].ravel()] = 0.0
            # limits that carry a slack in blocks are kept in earnest
            for name in ("slack_service", "slack_limit"):
                if name in columns:
                    upper[start + columns[name].ravel()] = 0.0
            start += len(block.cost)
        late = program.layout.columns["training_shortfall"]
        jobs = inst.of_kind_training()
        weight[late] = inst.probability[:, None, None] * per_unit[jobs][:, None] * inst.period_hours
        return program, replace(arrays, upper=upper), weight

    def least(self, opened: Sequence[str] = ()) -> float | None:
        """The least unserved with these limits opened; None where no time is left or the solver gave none."""
        if time.monotonic() > self.until:
            return None
        case = self.plan.case
        for limit in opened:
            case = _opened(case, limit)
        _, arrays, weight = self._asked(case)
        found = solve_lp(replace(arrays, cost=weight), seconds=max(self.until - time.monotonic(), 0.1))
        return float(found.objective) if found.status == "optimal" else None

    def cost_of(self, unserved: float) -> float | None:
        """What leaving no more than this unserved costs at least, in the case's currency."""
        if time.monotonic() > self.until:
            return None
        program, arrays, weight = self._asked(self.plan.case)
        arrays = replace(
            arrays,
            matrix=sp.csr_matrix(sp.vstack([arrays.matrix, sp.csr_matrix(weight[None])])),
            row_lower=np.append(arrays.row_lower, -np.inf),
            row_upper=np.append(arrays.row_upper, unserved + 1e-9),
        )
        found = solve_lp(arrays, seconds=max(self.until - time.monotonic(), 0.1))
        return found.objective * program.money_unit if found.status == "optimal" else None


def why_unserved(plan: Plan, *, seconds: float = _SECONDS) -> dict[str, Any]:
    """What stands in the way of serving what the plan leaves unserved; empty where it leaves nothing.

    left, least: see the module (least None: not known). limits: kinds of limits that each alone stand in the way.
    together: several do, none of them alone. timing: what remains with all of them opened: it cannot be there in time.
    more_cost: by how much serving all but `least` costs more at least, in the case's currency (None: not known, or no
    more).
    """
    table = plan.tables["unserved"]
    asked = table.groupby("workload")["asked_unit_hours"].sum()
    missing = table.groupby("workload")["unserved_unit_hours"].sum()
    left = float((missing / asked).sum())
    if left <= _CLOSE:
        return {}
    out: dict[str, Any] = {
        "left": left,
        "least": None,
        "limits": [],
        "together": False,
        "timing": None,
        "more_cost": None,
    }
    question = _Question(plan, _steps(plan), time.monotonic() + seconds)
    least = question.least()
    if least is None:
        return out
    least = min(max(least, 0.0), left)
    out["least"] = least
    if least > _CLOSE:
        limits = _limits(plan.case)
        out["limits"] = [one for one in limits if _helped(question.least([one]), least, left)]
        out["timing"] = question.least(limits)
        out["together"] = not out["limits"] and _helped(out["timing"], least, left)
    if least < left * (1 - _HELPS):
        cost = question.cost_of(least)
        objective = float(plan.certificate["objective"])
        if cost is not None and cost > objective * (1 + _CLOSE):
            out["more_cost"] = cost - objective
    return out


def _helped(after: float | None, before: float, left: float) -> bool:
    return after is not None and after < before - _HELPS * left


def _steps(plan: Plan) -> int | None:
    """How many steps a day are kept, so that a linear program takes seconds."""
    for steps in (None, 6, 3):
        program = build_program(plan.case, plan.demand, merge_steps=steps)
        if sum(len(b.cost) for b in program.blocks) + program.master.columns <= _MOST_COLUMNS:
            return steps
    return 1
