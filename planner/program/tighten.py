"""Rows that every plan in whole numbers keeps and its relaxation does not: they cost no plan and raise the bound.

Gangs are what makes the relaxation weak: in fractions, a gang of 10,000 cards runs as a tenth of itself all year on a
tenth of the cards. The rows go into the program that is solved, never into what prices are read from.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from planner.arrays import FloatArray, IntArray
from planner.case import by_period
from planner.program.blocks import Program, Rows
from planner.program.instance import Instance
from planner.program.power import phase_places
from planner.program.training import campaign_sizes, gang_output, gang_sizes

# Below this fraction a rounding row needs coefficients that solvers do not like.
_LEAST_FRACTION = 0.02
# So many further gangs are looked at one by one for the narrowest step.
_STEPS = 40
# Rows of a campaign for every set of its periods up to so many of them.
_ALL_SETS = 4


class _Cuts:
    """Rows over master columns, collected one by one."""

    def __init__(self) -> None:
        self._parts: list[tuple[IntArray, FloatArray]] = []
        self.lower: list[float] = []
        self.upper: list[float] = []

    def add(self, *terms: tuple[IntArray, FloatArray | float], lower: float = -np.inf, upper: float = np.inf) -> None:
        columns = np.concatenate([np.atleast_1d(c) for c, _ in terms])
        values = np.concatenate([np.broadcast_to(np.asarray(v, float), np.shape(np.atleast_1d(c))) for c, v in terms])
        self._parts.append((columns, values))
        self.lower.append(lower)
        self.upper.append(upper)

    def __len__(self) -> int:
        return len(self._parts)

    def matrix(self, columns: int) -> sp.csr_matrix:
        row = np.repeat(np.arange(len(self._parts)), [len(c) for c, _ in self._parts])
        column = np.concatenate([c for c, _ in self._parts])
        value = np.concatenate([v for _, v in self._parts])
        return sp.csr_matrix((value, (row, column)), shape=(len(self._parts), columns))


def tightened(program: Program) -> Program:
    """The program with these rows at the end of its master."""
    families = {
        "campaign_gang": _campaign_gangs(program),
        "campaign_periods": _campaign_periods(program),
        "gang_steps": _gang_steps(program),
        "training_rounding": _training_rounding(program),
    }
    master, rows = program.master, dict(program.layout.rows)
    for family, cuts in families.items():
        if not len(cuts):
            continue
        rows[family] = Rows(family, np.arange(master.rows, master.rows + len(cuts)))
        master = master.with_rows(cuts.matrix(master.columns), cuts.lower, cuts.upper)
    return replace(program, master=master, layout=replace(program.layout, rows=rows))


def affordable(program: Program) -> Program:
    """The program without orders that cost more than all orders can save: no best plan has them.

    A price of 1e10 beside others of 100 is out of the solvers' reach; where it is never paid, it need not be.
    """
    inst = program.inst
    orders = program.layout.columns["orders"]
    dear = np.broadcast_to(inst.least_capex * inst.charge(inst.life) > inst.worth * (1 + 1e-6), orders.shape)
    upper, cost = program.master.upper.copy(), program.master.cost.copy()
    upper[orders[dear]] = cost[orders[dear]] = 0.0
    return replace(program, master=replace(program.master, upper=upper, cost=cost))


def _campaign_gangs(program: Program) -> _Cuts:
    """Work of a campaign needs its whole gang: as many orders, and phases of power, as the gang lacks.

    With done_ct = days_t gang_cards speed / card_days, need = ceil(G_ck / a_k - most that can stand without orders up
    to t) and phases_needed likewise for the power of the gang alone, for every campaign, place and period:
      sum_t done_ct share_cskt <= place_csk
      sum_{tau<=t} done_c,tau share_csk,tau <= sum_{tau<=t} orders_sk,tau / need, and on_cskt <= the same
      sum_{tau<=t} done_c,tau share_csk,tau <= sum_{tau<=t} phases_sp,tau / phases_needed, and on_cskt <= the same
    They hold because a campaign that has done any work had its whole gang standing at one time, and because no more
    than the whole of a campaign is ever done.
    """
    inst = program.inst
    cuts, columns, upper = _Cuts(), program.layout.columns, program.master.upper
    jobs = inst.case.campaigns
    types, days = [k.id for k in inst.case.module_types], inst.weight.sum(axis=1)
    size, standing = campaign_sizes(inst), inst.most_standing + _most_leased(inst)
    phase_of = {s: i for i, (s, p) in enumerate(phase_places(inst)) if p == 0 and len(inst.case.sites[s].phases) == 1}
    for b in range(inst.branches):
        for c, job in enumerate(jobs):
            share, on, place = (columns[f"campaign_{name}"][b, c] for name in ("share", "on", "place"))
            for s, k in np.argwhere(upper[place] > 0):
                live = np.flatnonzero(upper[share[s, k]] > 0)
                done = job.gang_cards / job.card_days * job.speed.get(types[k], 0.0) * days
                cuts.add((share[s, k, live], done[live]), (place[s, k], -1.0), upper=0.0)
                modules = size[c, k] / inst.availability[k]
                for t in live:
                    so_far = live[live <= t]
                    sources: list[tuple[IntArray, float]] = []
                    need = np.ceil(modules - standing[s, k, : t + 1].max() - 1e-6)
                    if need > 0:
                        sources.append((columns["orders"][b, s, k, : t + 1], need))
                    pue = inst.pue_max[s, : t + 1].min()
                    lack_mw = modules * inst.peak_kw[k] * pue / 1000 - inst.power_mw[s, : t + 1].max()
                    if lack_mw > 1e-6 and s in phase_of and not _leased_power(inst, int(s), int(k)):
                        phases = np.ceil(lack_mw / inst.case.sites[s].phases[0].mw - 1e-6)
                        sources.append((columns["phases"][b, phase_of[int(s)], : t + 1], phases))
                    for column, count in sources:
                        cuts.add((share[s, k, so_far], done[so_far]), (column, -1.0 / count), upper=0.0)
                        cuts.add((on[s, k, t], 1.0), (column, -1.0 / count), upper=0.0)
                        if t == live[-1]:  # a campaign is placed where it runs: placed and never run, it may be dropped
                            cuts.add((place[s, k], 1.0), (column, -1.0 / count), upper=0.0)
    return cuts


def _campaign_periods(program: Program) -> _Cuts:
    """A campaign works in whole periods: half of its gang in two of them is not one of them.

    At its one place, what a set S of periods finishes, w_sk(S) = min(1, sum_{t in S} done_ct), is a submodular function
    of S, so that for every S (Nemhauser and Wolsey 1988, III.3):
      unfinished_c + sum_sk [w_sk(S) place_csk + sum_{t not in S} (w_sk(S + t) - w_sk(S)) on_cskt] >= 1
    """
    inst = program.inst
    cuts, columns, upper = _Cuts(), program.layout.columns, program.master.upper
    types, days = [k.id for k in inst.case.module_types], inst.weight.sum(axis=1)
    for b in range(inst.branches):
        for c, job in enumerate(inst.case.campaigns):
            on, place = columns["campaign_on"][b, c], columns["campaign_place"][b, c]
            spots = np.argwhere(upper[place] > 0)
            live = np.flatnonzero((upper[on] > 0).any(axis=(0, 1)))
            speed = np.array([job.speed.get(k, 0.0) for k in types])
            done = np.where(upper[on] > 0, job.gang_cards / job.card_days * speed[None, :, None] * days, 0.0)
            for chosen in _period_sets(live):
                inside = np.isin(np.arange(len(days)), chosen)
                terms: list[tuple[IntArray, FloatArray | float]] = [(columns["campaign_unfinished"][b, [c]], 1.0)]
                for s, k in spots:
                    work = done[s, k] @ inside
                    more = np.where(inside, 0.0, np.minimum(work + done[s, k], 1.0) - min(work, 1.0))
                    later = np.flatnonzero(more > 1e-9)
                    terms += [(place[s, [k]], min(float(work), 1.0)), (on[s, k, later], more[later])]
                cuts.add(*terms, lower=1.0)
    return cuts


def _period_sets(live: IntArray) -> list[IntArray]:
    """Sets of periods that a row each is made of: all of a few periods, of many those without a gap."""
    if len(live) <= _ALL_SETS:
        return [np.array(s, np.int64) for r in range(len(live) + 1) for s in itertools.combinations(live.tolist(), r)]
    ends = range(len(live) + 1)
    return [live[:0], *(live[a:b] for a in ends for b in ends if a < b)]


def _gang_steps(program: Program) -> _Cuts:
    """Capacity counts for gangs in steps: half of what a gang needs runs none of it.

    From gangs_fit, for every size G among the gangs of a place: sum_j floor(G_j/G) gangs_j + sum_c floor(G_c/G) on_c is
    at most floor(a cap / G), and cap = n + x, what stands whatever is decided and what else is there. With
    g = floor(a n / G) and d the least x/k that makes room for k more, the line from (0, g) lies on or above all steps:
      sum_j floor(G_j/G) gangs_jskt + sum_c floor(G_c/G) on_cskt <= g + (cap_skt - n_skt) / d
    """
    inst = program.inst
    cuts, columns, upper = _Cuts(), program.layout.columns, program.master.upper
    names = (("gangs", gang_sizes(inst)), ("campaign_on", campaign_sizes(inst)))
    held = [(columns[name][:, i], size) for name, sizes in names for i, size in enumerate(sizes)]
    if not held:
        return cuts
    possible = np.stack([upper[index] > 0 for index, _ in held])  # (holders, B, S, K, T)
    leases = _lease_columns(program)
    for b, s, k, t in np.argwhere(possible.any(axis=0)):
        here = [
            (index[b, s, k, t], size[k])
            for (index, size), can in zip(held, possible[:, b, s, k, t], strict=True)
            if can
        ]
        room, standing = inst.availability[k], inst.least_standing[s, k, t]
        for size in sorted({size for _, size in here}):
            step = size / room
            already, width = gang_step(standing, step)
            if standing / step - already < 1e-6 and width >= step * (1 - 1e-6):
                continue  # gangs_fit says the same
            terms: list[tuple[IntArray, FloatArray | float]] = [
                (np.array([column]), float(np.floor(other / size + 1e-9))) for column, other in here if other >= size
            ]
            terms.append((columns["stock"][b, s, k, [t]], -1.0 / width))
            terms += [(column[b, [t]], -1.0 / width) for column in leases.get((int(s), int(k)), ())]
            cuts.add(*terms, upper=float(already - standing / width))
    return cuts


def gang_step(standing: float, step: float) -> tuple[float, float]:
    """(g, d) with floor((standing + x) / step) <= g + x / d for every whole x >= 0, and equal at x = 0.

    step: modules that one gang takes, those that are not available counted in.
    """
    already = float(np.floor(standing / step + 1e-9))
    lacking = step * (already + 1) - standing + step * np.arange(_STEPS + 1)
    later = float(lacking[-1]) / (_STEPS + 1)  # without rounding, x/k only grows with k
    lacking = np.ceil(lacking - 1e-6)
    return already, min(float((lacking[:-1] / np.arange(1, _STEPS + 1)).min()), later)


def _lease_columns(program: Program) -> dict[tuple[int, int], list[IntArray]]:
    """By site and type: columns (B, T) of the modules that leases add."""
    inst = program.inst
    sites, types = [s.id for s in inst.case.sites], [k.id for k in inst.case.module_types]
    out: dict[tuple[int, int], list[IntArray]] = {}
    for i, lease in enumerate(inst.case.leases):
        place = (sites.index(lease.site), types.index(lease.module_type))
        out.setdefault(place, []).append(program.layout.columns["lease_active"][:, i])
    return out


def _most_leased(inst: Instance) -> FloatArray:
    """(S, K, T) most modules that leases can add."""
    out = np.zeros(inst.standing.shape)
    sites, types = [s.id for s in inst.case.sites], [k.id for k in inst.case.module_types]
    for lease in inst.case.leases:
        most = by_period(lease.maximum_modules, inst.case.horizon.periods, 0.0)
        out[sites.index(lease.site), types.index(lease.module_type)] += most
    return out


def _leased_power(inst: Instance, site: int, kind: int) -> bool:
    """Whether a lease of this type stands at the site on somebody else's power."""
    s, k = inst.case.sites[site].id, inst.case.module_types[kind].id
    return any(x.site == s and x.module_type == k and not x.uses_site_power for x in inst.case.leases)


def _training_rounding(program: Program) -> _Cuts:
    """Mixed-integer rounding (Nemhauser and Wolsey 1988, II.1.7) of the rows `training`.

    What runs is at most what is held: sum_sk a_jk gangs_jskt + shortfall >= v. With each output a among a_jk and
    f = v/a - floor(v/a):
      sum_sk (floor(a_jk/a) + min(frac(a_jk/a) / f, 1)) gangs_jskt + shortfall / (a f) >= ceil(v/a)
    """
    cuts = _Cuts()
    rows = program.layout.rows.get("training")
    if rows is None:
        return cuts
    inst = program.inst
    master, columns = program.master, program.layout.columns
    output = np.broadcast_to(gang_output(inst)[:, None], columns["gangs"].shape[1:4])  # (J, S, K)
    for (f, j, t), row in np.ndenumerate(rows.index):
        gangs = columns["gangs"][inst.branch_of[f], j, :, :, t]
        short = columns["training_shortfall"][f, j, [t]]
        volume = float(master.row_lower[row])
        free = (master.upper[gangs] > 0) & (output[j] > 0)
        for one in np.unique(np.round(output[j][free], 12)):
            fraction = volume / one - np.floor(volume / one)
            if not _LEAST_FRACTION <= fraction <= 1 - 1e-9:
                continue
            ratio = output[j][free] / one
            base = np.floor(ratio + 1e-9)
            rounded = base + np.minimum(np.maximum(ratio - base, 0.0) / fraction, 1.0)
            cuts.add(
                (gangs[free], rounded),
                (short, 1 / (one * fraction)),
                lower=float(np.ceil(volume / one)),
            )
    return cuts
