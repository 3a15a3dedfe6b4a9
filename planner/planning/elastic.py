"""How far the fields of a case must be loosened, at least: excess over their numbers, as little as there can be.

The program is built from a case in which the fields are loosened far, so that no bound that follows from them is left;
then every field gets its old number back with an excess to pay for. Whole numbers stay whole.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from planner.arrays import BoolArray, FloatArray, IntArray
from planner.case import Case
from planner.case.movable import LimitField
from planner.case.network import latency_ms
from planner.program.blocks import Arrays, Program, flatten
from planner.program.capacity import useful_modules
from planner.program.instance import Instance
from planner.program.limit_rows import master_rows
from planner.program.reserve import KIND as RESERVE
from planner.solve.native import Outcome, Settings, run

# Limits whose number stands alone on one side of a row of the master of the same name: the row's unit per the field's.
RIGHT_HAND: Mapping[str, float] = {
    "site_power": 1.0,
    "site_space": 1.0,
    "supply": 1.0,
    "budget": 1.0,  # in the program's money unit
    "capacity_target": 1000.0,
    "carbon_cap": 1.0,
}
_SLACK = ("slack_service", "slack_limit")


def loosest(case: Case, inst: Instance, field: LimitField) -> FloatArray:
    """The field's numbers with nothing left to wish for: (periods,) or (1,), NaN where there is no limit."""
    T = case.horizon.periods
    modules = useful_modules(inst)
    mw = float((modules * inst.peak_kw).max(initial=0.0) * inst.pue_max.max(initial=1.0) / 1000)
    added = {
        "site_power": mw,
        "site_space": float((modules * inst.racks).max(initial=0.0)),
        "supply": float(modules.max(initial=0.0)),
        "lease_maximum": float(modules.max(initial=0.0)),
        "budget": _all_money(case, inst, modules),
        "carbon_cap": _all_carbon(inst, mw * len(case.sites)),
        "bandwidth": 1e5,
        "phase_count": float(math.ceil(mw / max(_phase_mw(case, field), 1e-9))) if field.kind == "phase_count" else 0.0,
        "max_rate": 24.0,
        "build_ahead_maximum": 100.0,
        "type_count": float(len(case.module_types)),
    }
    if field.kind in added:
        return field.clipped(field.values + added[field.kind])
    if field.kind == "latency":
        return np.array([max(float(np.max(latency_ms(case), initial=0.0)), float(field.values[0]))])
    end = field.most if field.loosens > 0 else field.least
    return np.where(field.limited, min(end, float(T) * 1e6), np.nan)


def _all_money(case: Case, inst: Instance, modules: FloatArray) -> float:
    each = inst.capex.max(axis=1) * inst.money_unit
    phases = sum(p.capex * p.max_count for s in case.sites for p in s.phases) + sum(s.opening_cost for s in case.sites)
    charges = float(inst.order_cost.sum()) * inst.money_unit * len(case.sites)
    return float((modules * each).sum() + inst.min_order @ each + phases + charges)


def _all_carbon(inst: Instance, more_mw: float) -> float:
    mw = float(np.where(np.isfinite(inst.power_mw), inst.power_mw, 0.0).sum(axis=0).max(initial=0.0)) + more_mw
    return float(mw * inst.period_hours.max(initial=0.0) * inst.carbon.max(initial=0.0)) + 1.0


def _phase_mw(case: Case, field: LimitField) -> float:
    site = next(s for s in case.sites if s.id == field.place["site"])
    return site.phases[int(field.place["phase"]) - 1].mw


def without_slack(program: Program) -> Program:
    """The program with every limit meant in earnest: the priced slack of its blocks is shut."""
    blocks = []
    for block in program.blocks:
        upper = block.upper.copy()
        for name in (*_SLACK, "shortfall") if block.key.kind == RESERVE else _SLACK:
            if name in block.layout.columns:
                upper[block.layout.columns[name].ravel()] = 0.0
        blocks.append(replace(block, upper=upper))
    return replace(program, blocks=tuple(blocks))


def closed(program: Program) -> Arrays:
    """The program in one piece, without slack."""
    return flatten(without_slack(program))


def any_plan(arrays: Arrays, seconds: float, *, whole: bool) -> Outcome:
    """Any point of the program at all; whole: in whole numbers, else its relaxation."""
    free = replace(arrays, cost=np.zeros(arrays.columns))
    if whole and arrays.integer.any():
        return run(free, Settings("scip", seconds=seconds, seed=1))
    return run(free, Settings("highs", seconds=seconds), relax=True)


def elastic(program: Program, inst: Instance, field: LimitField) -> bool:
    """Whether `least_excess` can give a field back its number: one that stands alone on one side of a row.

    A candidate's power is multiplied by its opening.
    """
    if field.kind not in RIGHT_HAND or field.kind not in program.layout.rows:
        return False
    if "site" not in field.place:
        return True
    return not bool(inst.needs_opening[[s.id for s in inst.case.sites].index(field.place["site"])])


def least_excess(
    program: Program, fields: Sequence[LimitField], seconds: float, *, whole: bool
) -> list[FloatArray] | None:
    """(periods,) by which each field must be loosened at least, in its own unit, the sum being least; None if in vain.

    program: built with `fields` at their loosest; all must be `elastic`. One excess for a field's number, whatever the
    branches and futures.
    """
    inst = program.inst
    arrays, T = closed(program), inst.case.horizon.periods
    row_lower, row_upper = arrays.row_lower.copy(), arrays.row_upper.copy()
    entries: list[tuple[IntArray, IntArray, FloatArray]] = []
    costs, factors = [], []
    late = np.linspace(1.0, 0.99, T) if T > 1 else np.ones(1)
    for number, field in enumerate(fields):
        factor = RIGHT_HAND[field.kind] / (program.money_unit if field.kind == "budget" else 1.0)
        rows = master_rows(program, inst, field)
        limited = np.flatnonzero(field.limited)
        for t in limited:
            side = row_upper if field.loosens > 0 else row_lower
            side[rows[:, t]] = field.values[t] * factor
            column = number * T + t
            # what is built stays: an excess of power holds from its period on
            covered = limited[limited >= t] if field.spread == "onward" else np.array([t])
            at = rows[:, covered].ravel()
            # an excess is counted in the row's unit, so that money keeps its scale
            entries.append((at, np.full(at.shape, column), np.full(at.shape, -float(field.loosens))))
        factors.append(factor)
        size = max(float(np.nanmax(np.abs(field.values), initial=0.0)) * factor, 1e-9)
        costs.append(np.where(field.limited, late / (size if len(fields) > 1 else 1.0), 0.0))
    n = len(fields) * T
    r, c, v = (np.concatenate(part) for part in zip(*entries, strict=True))
    extra = sp.csr_matrix((v, (r, c)), shape=(arrays.rows, n))
    whole_excess: BoolArray = np.repeat([f.whole for f in fields], T)
    most = np.concatenate([np.where(f.limited, np.inf, 0.0) for f in fields])
    free = replace(arrays, cost=np.zeros(arrays.columns), row_lower=row_lower, row_upper=row_upper)
    padded = free.with_columns(extra, cost=np.concatenate(costs), upper=most, integer=whole_excess)
    if whole and padded.integer.any():
        x = run(padded, Settings("scip", seconds=seconds, gap=1e-4, seed=1)).x
    else:
        x = run(padded, Settings("highs", seconds=seconds), relax=True).x
    if x is None:
        return None
    found = np.maximum(x[arrays.columns :].reshape(len(fields), T), 0.0)
    found /= np.array(factors)[:, None]
    return [np.cumsum(one) if f.spread == "onward" else one for f, one in zip(fields, found, strict=True)]
