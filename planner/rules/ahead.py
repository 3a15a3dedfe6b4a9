"""A floor on the build-ahead ratio, met as far as it can be with hardware that is worth having.

Lead times, supply, power and budget often allow less than the floor asks for. Taken by itself "as near to it as can be"
would give up whatever does not count in it, campaigns among it. So the floor is eased: what is missing from it costs
a multiple of what the dearest hardware would, and the whole program, dispatch and all, is searched with that price.
What the plan found can serve (`planner.evaluate.multiple`) is the floor that it is then held to, and a linear program
for each such period says what no plan exceeds; what lies between the two is not known (docs/decisions/0074, 0110).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from forecasts.words.note import Note
from planner.arrays import FloatArray, IntArray
from planner.case import Case, by_period
from planner.demand import Demand
from planner.evaluate.multiple import largest_multiples
from planner.program.blocks import Block, Layout, Program, flatten
from planner.program.build import build_program
from planner.program.decisions import whole_decisions
from planner.program.instance import Instance, standing_after
from planner.program.reserve import KIND
from planner.program.tighten import tightened
from planner.program.training import campaign_sizes
from planner.rules.neighbour import Values
from planner.rules.sketch import around, busier_days, searched
from planner.solve import Limits, solve_lp
from planner.solve.native import Settings, run
from planner.words.wording import noted

# What is missing costs so many times the dearest hardware: nothing that serves is too dear to build ahead with. In a
# small case a single module may be many times what is missing, and the search is exact: there the floor goes first.
_WORTH, _WORTH_SMALL = 2.0, 100.0
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
    whole = build_program(floored, demand)
    if flatten(whole).columns <= _EXACT_COLUMNS:
        worth = _WORTH_SMALL
        program = relaxed = eased(tightened(whole), worth)
        x = run(flatten(program), replace(_EXACT, seed=limits.seed)).x
        values: Values | None = None if x is None else program.layout.values(np.round(x), whole_decisions())
    else:
        worth = _WORTH
        few = build_program(floored, busier_days(case, demand), merge_steps=1, pooled=True)
        program = eased(peak_days(tightened(few)), worth)
        reserve = tuple(block for block in program.blocks if block.key.kind == KIND)
        relaxed = replace(program, blocks=reserve)  # days taken together in the others prove nothing
        values = searched(program if near is None else around(program, near), limits, limits.seconds)[0]
    if values is None:
        return floored, (), None
    reached, gangs = reached_by(program.inst, values)
    values = {**values, "ahead_gangs": gangs}  # those of the search are of few days, and need not fit all
    short = reached < wanted - _HAIR
    lowered = np.where(short, np.maximum(reached * (1 - _HAIR), 0.0), wanted)
    most = reachable(relaxed, np.flatnonzero(short))
    label = case.horizon.period_label
    notes = tuple(_note(label(int(t)), wanted[t], lowered[t], most[int(t)], worth) for t in np.flatnonzero(short))
    return with_floor(case, lowered), notes, values


def _note(period: str, wanted: float, held: float, most: float, worth: float) -> Note:
    """Why a floor is lowered. most: what no plan exceeds, up to `wanted`."""
    digits = next(n for n in range(4, 12) if f"{held:.{n}g}" != f"{wanted:.{n}g}")
    told = {"period": period, "wanted": f"{wanted:g}", "held": f"{held:.{digits}g}", "most": f"{most:.{digits}g}"}
    if told["most"] == told["held"]:
        return noted("note.ahead_bound", **told)
    ruled_out = most < wanted * (1 - _HAIR)
    return noted("note.ahead_most" if ruled_out else "note.ahead_open", **told, worth=f"{worth:g}")


def peak_days(program: Program) -> Program:
    """The program with the floor's block of one day a period and branch, the one that asks for most: a relaxation."""
    most: dict[tuple[int, int], tuple[float, Block]] = {}
    for block in program.blocks:
        if block.key.kind == KIND:
            place = (block.key.future, block.key.period)
            asked = float(-block.coupling[block.layout.rows["demand"].index.ravel()].sum())
            if place not in most or asked > most[place][0]:
                most[place] = (asked, block)
    kept = {id(block) for _, block in most.values()}
    return replace(program, blocks=tuple(b for b in program.blocks if b.key.kind != KIND or id(b) in kept))


def reachable(program: Program, periods: IntArray) -> dict[int, float]:
    """By period, a multiple that no plan exceeds (up to the floor): the linear relaxation, whatever it costs.

    periods: (periods,) their numbers.
    """
    rows = program.layout.columns.get("ahead")
    out: dict[int, float] = {}
    arrays = flatten(program)
    upper = arrays.upper.copy()
    start = program.master.columns
    for block in program.blocks:  # what cannot be served is not bought off
        if block.key.kind == KIND:
            upper[start + block.layout.columns["shortfall"].ravel()] = 0.0
        start += len(block.cost)
    for t in periods:
        assert rows is not None
        cost = np.zeros(arrays.columns)
        cost[rows[:, t]] = -1.0
        found = solve_lp(replace(arrays, cost=cost, upper=upper))
        out[int(t)] = float(found.x[rows[:, t]].max()) if found.status == "optimal" else np.inf
    return out


def reached_by(inst: Instance, values: Values) -> tuple[FloatArray, FloatArray]:
    """(T,) the multiple that whole decisions (1, ...) can serve, inf where nothing is asked for; (1, J, S, K, T) the
    gangs with which they do.

    A lease counts for its minimum term from every start; what a plan keeps longer is left out, which only lowers it.
    """
    T = len(inst.discount)
    stands = np.stack([standing_after(np.arange(T), life, T) for life in inst.life])
    left = np.asarray(values["departures"], float)
    capacity = inst.standing + (inst.departures.moved(left) - inst.departures.left(left))[0]
    capacity += np.einsum("sku,kut->skt", values["orders"][0], stands)
    sites = {s.id: i for i, s in enumerate(inst.case.sites)}
    types = {k.id: i for i, k in enumerate(inst.case.module_types)}
    for lease, starts in zip(inst.case.leases, values["lease_start"][0], strict=True):
        for back in range(min(lease.minimum_term_periods, T)):
            capacity[sites[lease.site], types[lease.module_type], back:] += starts[: T - back]
    held = np.einsum("cskt,ck->skt", values["campaign_on"][0], campaign_sizes(inst))
    multiples = largest_multiples(inst, inst.course, capacity[None], held[None])[0]
    jobs = {inst.workload(j).id: i for i, j in enumerate(inst.of_kind_training())}
    gangs = np.zeros((1, len(jobs), len(sites), len(types), T))
    for t, one in enumerate(multiples):
        for work, site, kind, count in one.gangs:
            gangs[0, jobs[work], sites[site], types[kind], t] += count
    found = np.array([one.ratio for one in multiples])
    return np.where(np.isnan(found), np.inf, found), gangs


def with_floor(case: Case, floor: FloatArray) -> Case:
    """The case with a floor (periods,) of the build-ahead ratio."""
    values: list[float | None] = [float(v) for v in floor]
    ahead = case.policy.build_ahead.model_copy(update={"minimum": values})
    return case.model_copy(update={"policy": case.policy.model_copy(update={"build_ahead": ahead})})


def eased(program: Program, worth: float = _WORTH) -> Program:
    """The program, to be written out in one piece, with a priced column of what is missing in every floor's row.

    The price is that of so many PFLOPS of the P50 peak.
    """
    rows = program.layout.rows.get("build_ahead_minimum")
    if rows is None:
        return program
    index = rows.index.ravel()
    branches = rows.index.shape[0]
    master, n = program.master, len(index)
    extra = sp.csr_matrix((np.ones(n), (index, np.arange(n))), shape=(master.rows, n))
    inst = program.inst
    price = np.tile(missing_price(inst, worth) * inst.p50_peak, branches) / branches
    columns = {**program.layout.columns, "floor_missing": np.arange(master.columns, master.columns + n)}
    return replace(program, master=master.with_columns(extra, cost=price), layout=Layout(columns, program.layout.rows))


def missing_price(inst: Instance, worth: float = _WORTH) -> FloatArray:
    """(T,) money for a PFLOPS missing in each period: `worth` times what owning the dearest one costs.

    Ownership of a module that arrives in a period: its charge, spread over the periods in which it stands by their
    discount factors, and its upkeep.
    """
    T = len(inst.discount)
    charge = inst.capex * inst.charge(inst.life)
    total = np.concatenate([[0.0], np.cumsum(inst.discount)])
    end = np.minimum(np.arange(T) + inst.life[:, None], T)
    share = inst.discount / (total[end] - total[:T])
    usable = inst.pflops * inst.availability
    cost = charge * share + inst.opex.max(axis=0) * inst.discount
    return np.asarray(worth * (cost[usable > 0] / usable[usable > 0, None]).max(axis=0, initial=0.0), float)
