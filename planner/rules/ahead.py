"""A floor on the build-ahead ratio, met as far as it can be with hardware that is worth having.

Lead times, supply, power and budget often allow less than the floor asks for. Taken by itself "as much as can be built"
then buys whatever gives most PFLOPS for the budget, be it of no use to any workload. So the floor is eased: what is
missing from it costs twice what the dearest hardware would, and the whole program, dispatch and all, is searched with
that price. What the plan found reaches is the floor that it is then held to (docs/decisions/0074).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from planner.arrays import FloatArray
from planner.case import Case, by_period
from planner.demand import Demand
from planner.program.blocks import Arrays, Layout, Program, flatten
from planner.program.build import build_program
from planner.program.instance import Instance, standing_after
from planner.program.tighten import tightened
from planner.rules.neighbour import Values
from planner.rules.sketch import around, busier_days, searched, whole_values
from planner.solve import Limits
from planner.solve.native import Settings, run

# What is missing costs so many times the dearest hardware: nothing that serves is too dear to build ahead with.
_WORTH = 2.0
# A hair below what is reached, so that rounding inside a solver does not make it unreachable.
_HAIR = 1e-6
_EXACT_COLUMNS, _EXACT = 8_000, Settings("highs", seconds=30.0, gap=1e-6)


def with_ratio(
    case: Case, demand: Demand, ratio: float, limits: Limits, near: Values | None = None
) -> tuple[Case, tuple[str, ...], Values | None]:
    """The case with a build-ahead floor of `ratio`, lowered in periods where not so much is built by then.

    demand: one future. limits: of the search. near: another plan's decisions, around which it stays where it is large
    (`planner.rules.sketch.around`). Second: a note for every period with a lowered floor. Third: decisions
    that meet it; None where none were found in time (the floor is then as it was asked for). The case's own floor is
    kept where it is higher.
    """
    own = by_period(case.policy.build_ahead.minimum, case.horizon.periods, 0.0)
    wanted = np.maximum(own, ratio)
    floored = with_floor(case, wanted)
    program = eased(tightened(build_program(floored, busier_days(case, demand), merge_steps=1, pooled=True)))
    arrays = flatten(program)
    if arrays.columns <= _EXACT_COLUMNS:
        x = run(arrays, replace(_EXACT, seed=limits.seed)).x
        values = None if x is None else whole_values(program, x)
    else:
        values = searched(program if near is None else around(program, near), limits, limits.seconds)[0]
    if values is None:
        return floored, (), None
    peak = np.where(demand.p50_peak > 0, demand.p50_peak, np.inf)
    reached = _usable(program, values) / peak
    short = (reached < wanted - 1e-9) & np.isfinite(peak)
    lowered = np.where(short, np.maximum(reached * (1 - _HAIR), 0.0), wanted)
    label = case.horizon.period_label
    notes = tuple(
        f"{label(int(t))}: a build-ahead ratio of {wanted[t]:g} cannot be built by then with hardware that serves; "
        f"held to {lowered[t]:.4g}."
        for t in np.flatnonzero(short)
    )
    return with_floor(case, lowered), notes, values


def with_floor(case: Case, floor: FloatArray) -> Case:
    values: list[float | None] = [float(v) for v in floor]
    ahead = case.policy.build_ahead.model_copy(update={"minimum": values})
    return case.model_copy(update={"policy": case.policy.model_copy(update={"build_ahead": ahead})})


def eased(program: Program) -> Program:
    """The program, to be written out in one piece, with a priced column of missing PFLOPS in every floor's row."""
    rows = program.layout.rows.get("build_ahead_minimum")
    if rows is None:
        return program
    index = rows.index.ravel()
    branches = rows.index.shape[0]
    master, n = program.master, len(index)
    extra = sp.csr_matrix((np.ones(n), (index, np.arange(n))), shape=(master.rows, n))
    price = np.tile(missing_price(program.facts["instance"]), branches) / branches
    zeros = np.zeros(n)
    grown = Arrays(
        sp.csr_matrix(sp.hstack([master.matrix, extra])),
        np.concatenate([master.cost, price]),
        np.concatenate([master.lower, zeros]),
        np.concatenate([master.upper, np.full(n, np.inf)]),
        master.row_lower,
        master.row_upper,
        np.concatenate([master.integer, np.zeros(n, bool)]),
    )
    columns = {**program.layout.columns, "floor_missing": np.arange(master.columns, master.columns + n)}
    return replace(program, master=grown, layout=Layout(columns, program.layout.rows))


def missing_price(inst: Instance) -> FloatArray:
    """(T,) money for a usable PFLOPS missing in each period: `_WORTH` times what owning the dearest one costs.

    Ownership of a module that arrives in a period: its charge, spread over the periods in which it stands by their
    discount factors, and its upkeep.
    """
    T = len(inst.discount)
    charge = inst.capex * inst.charge(inst.life)
    total = np.concatenate([[0.0], np.cumsum(inst.discount)])
    end = np.minimum(np.arange(T) + inst.life[:, None], T)
    share = inst.discount / (total[end] - total[:T])
    usable = inst.pflops * inst.availability
    cost = charge * share + inst.opex * inst.discount
    return np.asarray(_WORTH * (cost[usable > 0] / usable[usable > 0, None]).max(axis=0, initial=0.0), float)


def _usable(program: Program, values: Values) -> FloatArray:
    """(T,) usable PFLOPS of whole decisions: what stands, what arrives and has not ended, and leases.

    A lease counts for its minimum term from every start; what a plan keeps longer is left out, which only lowers the
    floor.
    """
    inst: Instance = program.facts["instance"]
    T = len(inst.discount)
    stands = np.stack([standing_after(np.arange(T), life, T) for life in inst.life])
    stock = inst.standing + np.einsum("sku,kut->skt", values["orders"][0], stands)
    usable = np.einsum("skt,k->t", stock, inst.pflops * inst.availability)
    types = {k.id: i for i, k in enumerate(inst.case.module_types)}
    for lease, starts in zip(inst.case.leases, values["lease_start"][0], strict=True):
        k = types[lease.module_type]
        active = np.zeros(T)
        for back in range(min(lease.minimum_term_periods, T)):
            active[back:] += starts[: T - back]
        usable = usable + active * inst.pflops[k] * inst.availability[k]
    return np.asarray(usable, float)
