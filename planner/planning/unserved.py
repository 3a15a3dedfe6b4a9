"""Why work stays unserved, checked by solving again; "unknown" where that does not tell.

Small programs are asked in whole numbers; of large ones the linear relaxations, whose bounds hold, too, but in which a
limit that is opened may help where it does not in whole numbers. Three questions:
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
from planner.solve.native import Settings, run

_MOST_COLUMNS = 60_000
_SECONDS = 20.0
# A limit stands in the way when opening it alone serves at least this part of what stays unserved.
_HELPS = 0.01
_CLOSE = 1e-6
# Programs of so many columns are solved in whole numbers.
_WHOLE_COLUMNS = 3_000
_GAP = 1e-6
NOTHING = 1e-4
"""What is less than this part of the unserved work is not told apart from nothing."""
# More than any site of the world, in MW and in modules; where these are opened, no plan wants for them.
_ANY_MW = 1e6
_ANY_MODULES = 1e5


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
        "type_count": {"max_module_types": {}},
    }
    if limit in without:
        return case.model_copy(update={"policy": policy.model_copy(update=without[limit])})
    of_work: dict[str, dict[str, Any]] = {
        "latency": {"latency_ms": None},
        "max_rate": {"max_rate_factor": None},
    }
    if limit in of_work:
        works = [w.model_copy(update=of_work[limit]) for w in case.workloads]
        return case.model_copy(update={"workloads": works})
    if limit == "bandwidth":
        return case.model_copy(update={"network": case.network.model_copy(update={"bandwidth_gbps": {}})})
    if limit == "lease_maximum":
        leases = [x.model_copy(update={"maximum_modules": _ANY_MODULES}) for x in case.leases]
        return case.model_copy(update={"leases": leases})
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
        "type_count": bool(policy.max_module_types),
        "latency": any(w.latency_ms is not None for w in case.workloads),
        "bandwidth": bool(case.network.bandwidth_gbps),
        "max_rate": any(w.max_rate_factor is not None for w in case.workloads),
        "lease_maximum": bool(case.leases),
    }
    return [name for name, given in has.items() if given]


@dataclass(frozen=True)
class _Question:
    """The plan's case and demand on `steps` merged steps a day (None: all), as questions to programs.

    whole: they are asked in whole numbers, else to their linear relaxations.
    """

    plan: Plan
    steps: int | None
    whole: bool
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

    def _solved(self, arrays: Arrays) -> tuple[float, float] | None:
        """The proven bound, and what was reached; None where no time is left or the solver gave none."""
        left = self.until - time.monotonic()
        if left <= 0:
            return None
        if self.whole and arrays.integer.any():
            found = run(arrays, Settings("scip", seconds=left, gap=_GAP, seed=1))
            return (found.bound, found.objective) if found.x is not None else None
        linear = solve_lp(arrays, seconds=max(left, 0.1))
        return (float(linear.objective), float(linear.objective)) if linear.status == "optimal" else None

    def least(self, opened: Sequence[str] = ()) -> tuple[float, float] | None:
        """The least unserved with these limits opened: the bound and what was reached."""
        case = self.plan.case
        for limit in opened:
            case = _opened(case, limit)
        _, arrays, weight = self._asked(case)
        return self._solved(replace(arrays, cost=weight))

    def cost_of(self, unserved: float) -> float | None:
        """What leaving no more than this unserved costs at least, in the case's currency."""
        program, arrays, weight = self._asked(self.plan.case)
        arrays = replace(
            arrays,
            matrix=sp.csr_matrix(sp.vstack([arrays.matrix, sp.csr_matrix(weight[None])])),
            row_lower=np.append(arrays.row_lower, -np.inf),
            row_upper=np.append(arrays.row_upper, unserved + _CLOSE),
        )
        found = self._solved(arrays)
        return None if found is None else found[0] * program.money_unit


def why_unserved(plan: Plan, *, seconds: float = _SECONDS) -> dict[str, Any]:
    """What stands in the way of serving what the plan leaves unserved; empty where it leaves nothing.

    left, least: see the module (least None: not known). whole: asked in whole numbers. limits: kinds of limits that
    each alone stand in the way (of `opened`, those that the case has). together: several do, none of them alone.
    timing: what remains with all of them opened, where that is no less. more_cost: by how much serving all but `least`
    costs more at least, in the case's currency (None: not known, or no more).
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
        "whole": False,
        "opened": [],
        "limits": [],
        "together": False,
        "timing": None,
        "more_cost": None,
    }
    whole = int(plan.certificate.get("columns", _WHOLE_COLUMNS + 1)) <= _WHOLE_COLUMNS
    question = _Question(plan, None if whole else _steps(plan), whole, time.monotonic() + seconds)
    found = question.least()
    if found is None:
        return out
    least = min(max(found[0], 0.0), left)
    out |= {"least": least, "whole": whole}
    if least > NOTHING:
        limits = out["opened"] = _limits(plan.case)
        out["limits"] = [one for one in limits if _helped(question.least([one]), least, left)]
        without = None if out["limits"] else question.least(limits)
        if without is not None and without[0] >= least - NOTHING * left:
            out["timing"] = without[0]
        out["together"] = _helped(without, least, left)
    if least < left * (1 - NOTHING):
        cost = question.cost_of(least)
        objective = float(plan.certificate["objective"])
        if cost is not None and cost > objective * (1 + _CLOSE):
            out["more_cost"] = cost - objective
    return out


def _helped(after: tuple[float, float] | None, before: float, left: float) -> bool:
    """Whether less was reached, by enough to be worth saying."""
    return after is not None and after[1] < before - _HELPS * left


def _steps(plan: Plan) -> int | None:
    """How many steps a day are kept, so that a linear program takes seconds."""
    for steps in (None, 6, 3):
        program = build_program(plan.case, plan.demand, merge_steps=steps)
        if sum(len(b.cost) for b in program.blocks) + program.master.columns <= _MOST_COLUMNS:
            return steps
    return 1
