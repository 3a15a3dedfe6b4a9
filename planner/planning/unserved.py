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
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from planner.arrays import FloatArray
from planner.case import Case
from planner.case.movable import limit_fields, with_fields
from planner.demand import Demand
from planner.plan import Plan
from planner.planning.elastic import loosest
from planner.program.blocks import Arrays, Program, flatten
from planner.program.build import build_program
from planner.program.instance import make_instance
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
# Kinds of limits that can stand in the way of service; a floor on what is ordered can, by what it keeps from the rest.
_IN_THE_WAY = (
    *("budget", "supply", "site_power", "site_space", "min_order", "vendor_share", "domestic_share"),
    *("build_ahead_maximum", "carbon_cap", "green_share", "utilisation", "type_count"),
    *("latency", "bandwidth", "max_rate", "lease_maximum"),
)


def _limits(case: Case) -> list[str]:
    """Kinds of limits that the case has and that could stand in the way of service."""
    has = {field.kind for field in limit_fields(case)}
    return [kind for kind in _IN_THE_WAY if kind in has]


def _opened(case: Case, demand: Demand, kinds: Collection[str]) -> Case:
    """The case with nothing left to wish for in these kinds of limits."""
    inst = make_instance(case, demand)
    fields = [field for field in limit_fields(case) if field.kind in kinds]
    return with_fields(case, [(field, loosest(case, inst, field)) for field in fields])


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

    def least(self, opened: Collection[str] = ()) -> tuple[float, float] | None:
        """The least unserved with these limits opened: the bound and what was reached."""
        case = self.plan.case
        if opened:
            case = _opened(case, self.plan.demand, opened)
        _, arrays, weight = self._asked(case)
        return self._solved(replace(arrays, cost=weight))

    def cost_of(self, unserved: float) -> float | None:
        """What leaving no more than this unserved costs at least, in the case's currency."""
        program, arrays, weight = self._asked(self.plan.case)
        found = self._solved(arrays.with_rows(sp.csr_matrix(weight[None]), -np.inf, unserved + _CLOSE))
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
