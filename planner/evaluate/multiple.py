"""The build-ahead ratio: the largest multiple of the P50 demand that what stands can serve in full.

lambda_t = max lambda such that, with the modules of period t, lambda times the P50 course is served without shortfall
on every typical day: within latency, residency, bandwidth and deferral windows, with whole gangs that yield as always.
Gangs are placed anew, for they are work like any other; campaigns keep the modules that the plan gives them. Money,
energy, carbon and shares play no part. docs/model.md §8.

Sites that the same work may use are one place here and regions that may use the same sites one origin (no price tells
them apart), which makes a day a small linear program. Without training each day stands for itself and the least of them
counts; whole gangs are the same on all days of a period, so that days that bind are then solved together.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from planner.arrays import BoolArray, FloatArray, IntArray
from planner.case import WorkloadKind, by_period
from planner.demand import Course
from planner.program.blocks import Arrays, Builder
from planner.program.instance import Instance
from planner.program.training import gang_places, gang_sizes
from planner.solve.native import Outcome, Settings, run

_TOLERANCE = 1e-7
# Whole gangs of one period are looked for so long; what is found then is a multiple that can be served.
_GANGS = Settings("highs", seconds=20.0, gap=1e-7)
# The simplex method of HiGHS stops up to 1e-5 short of these optima; its interior point with crossover does not.
_LINEAR = Settings("highs", options=(("solver", "ipm"),))
_THREADS = 2
# Work that has less than this part in what binds is not named.
_NAMED = 0.01


@dataclass(frozen=True)
class Multiple:
    """ratio: nan where the course asks for nothing. day, step: where it binds (-1: nowhere). workloads, sites: ids of
    the work that competes there and of the sites that are full, the most important first. gangs: workload, site, module
    type and count with which the ratio is reached, where there is training."""

    ratio: float
    day: int = -1
    step: int = -1
    workloads: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    gangs: tuple[tuple[str, str, str, int], ...] = ()


@dataclass(frozen=True)
class _Place:
    """What is alike in all days of a period. `group`: (S,) place of each site; `origin`: workload and regions."""

    group: IntArray
    origin_workload: IntArray  # (O,)
    origin_member: BoolArray  # (O, R)
    pair_origin: IntArray
    pair_group: IntArray
    usable: FloatArray  # (S, K) modules that may be busy
    room: FloatArray  # (G, K) the same by place


def largest_multiples(inst: Instance, course: Course, capacity: FloatArray, held: FloatArray) -> list[list[Multiple]]:
    """By branch and period. capacity: (B, S, K, T) modules that stand; held: those of them that campaigns hold."""
    B, T = len(capacity), capacity.shape[-1]
    keys = [[(t, capacity[b, ..., t].tobytes(), held[b, ..., t].tobytes()) for t in range(T)] for b in range(B)]
    places = {keys[b][t]: (b, t) for b in range(B) for t in range(T)}  # branches that are alike are asked once

    def one(place: tuple[int, int]) -> Multiple:
        b, t = place
        return largest_multiple(inst, course, t, capacity[b, ..., t], held[b, ..., t])

    with ThreadPoolExecutor(_THREADS) as pool:  # the solver runs outside of Python's lock
        known = dict(zip(places, pool.map(one, places.values()), strict=True))
    return [[known[key] for key in row] for row in keys]


def largest_multiple(inst: Instance, course: Course, period: int, stands: FloatArray, held: FloatArray) -> Multiple:
    """lambda_t for (S, K) modules that stand, of which campaigns hold `held`."""
    days = [d for d in range(course.days.days) if course.days.weight[period, d] > 0]
    asked = course.values[:, :, period]
    if not days or not (asked[:, :, days] > 0).any():
        return Multiple(float("nan"))
    usable = np.maximum(inst.availability * stands - held, 0.0)
    place = _places(inst, course, period, usable)
    model = _Model(inst, course, period, place)
    trains = model.volume.max(initial=0.0) > 0
    return model.told(_with_gangs(model, days) if trains else model.tightest(days))


def _with_gangs(model: _Model, days: list[int]) -> _Solved:
    """The best whole gangs for all days: those days together that bind, until no other day binds more."""
    chosen = [model.order(days)[0]]
    while True:
        best = model.solve(chosen)
        tight = model.tightest(days, gangs=best.gangs)
        if tight.days[0] in chosen or tight.multiple >= best.multiple * (1 - _TOLERANCE):
            return tight
        chosen.append(tight.days[0])


def _places(inst: Instance, course: Course, period: int, usable: FloatArray) -> _Place:
    """Sites taken together that all work may use alike, and regions that may use the same places."""
    served = [i for i, w in enumerate(inst.case.workloads) if w.kind is not WorkloadKind.training]
    limits = inst.case.network.bandwidth_gbps
    banded_sites = {s for row in limits.values() for s in row}
    asked = np.asarray(course.values[:, :, period].any(axis=(2, 3)), bool)  # (W, R)
    wanted = [(w, r) for w in served for r in np.flatnonzero(asked[w])]
    seen: dict[tuple[bytes, str], int] = {}
    group = np.zeros(len(inst.case.sites), int)
    for s, site in enumerate(inst.case.sites):
        may = np.array([inst.allowed[w, r, s] for w, r in wanted], bool)
        group[s] = seen.setdefault((may.tobytes(), site.id if site.id in banded_sites else ""), len(seen))
    first = np.array([int(np.flatnonzero(group == g)[0]) for g in range(len(seen))])
    origins: dict[tuple[int, bytes, str], list[int]] = {}
    for w, r in wanted:
        name = inst.case.regions[r].id
        key = (w, inst.allowed[w, r, first].tobytes(), name if name in limits else "")
        origins.setdefault(key, []).append(int(r))
    member = np.zeros((len(origins), len(inst.case.regions)), bool)
    for o, regions in enumerate(origins.values()):
        member[o, regions] = True
    workload = np.array([key[0] for key in origins], int)
    reach = np.array([np.frombuffer(key[1], bool) for key in origins], bool).reshape(len(origins), len(first))
    room = np.zeros((len(first), usable.shape[1]))
    np.add.at(room, group, usable)
    # a place where nothing that can run the work stands is of no use to it
    able: BoolArray = (inst.throughput > 0).astype(float).dot(room.T).reshape(len(inst.throughput), -1) > 0.0
    origin, at = np.nonzero(reach & able[workload])
    return _Place(group, workload, member, origin, at, usable, room)


@dataclass(frozen=True)
class _Solved:
    multiple: float
    gangs: FloatArray  # (J, S, K)
    days: list[int]
    outcome: Outcome
    builder: Builder
    arrays: Arrays


class _Model:
    """The program of some days of one period: maximise lambda."""

    def __init__(self, inst: Instance, course: Course, period: int, place: _Place) -> None:
        self.inst, self.course, self.period, self.place = inst, course, period, place
        self.hours = course.days.step_hours
        # (W, R, D, H) in the instance's scaled units
        self.asked = course.values[:, :, period] / inst.unit_scale[:, None, None, None]
        self.late = np.array([w.kind is WorkloadKind.deferrable for w in inst.case.workloads], bool)
        self.jobs = inst.of_kind(WorkloadKind.training)
        share = course.days.weight[period][:, None] * self.hours
        self.volume = np.einsum("jrdh,dh->j", self.asked[self.jobs], share) / share.sum()
        self.size = gang_sizes(inst)
        self.spaces = np.floor(
            np.where(
                gang_places(inst) & (self.volume > 0)[:, None, None],
                place.usable / np.maximum(self.size, 1.0)[:, None, :] + 1e-9,
                0.0,
            )
        )  # (J, S, K) most gangs of a job alone

    def order(self, days: Sequence[int]) -> list[int]:
        """The days by what is asked on them, the most first."""
        need = self.inst.pflops_per_unit
        size = np.einsum("w,wrdh->dh", need, self.asked).max(axis=1)
        return sorted(days, key=lambda d: (-size[d], d))

    def tightest(self, days: Sequence[int], *, gangs: FloatArray | None = None) -> _Solved:
        """The day with the least lambda, each by itself, with gangs held as they are."""
        held = np.zeros(self.spaces.shape) if gangs is None else gangs
        least: _Solved | None = None
        for d in self.order(days):
            found = self.solve([d], gangs=held, most=np.inf if least is None else least.multiple)
            if least is None or found.multiple < least.multiple * (1 - _TOLERANCE):
                least = found
        assert least is not None
        return least

    def solve(self, days: Sequence[int], *, gangs: FloatArray | None = None, most: float = np.inf) -> _Solved:
        """lambda for the days together, up to `most`. gangs: held as they are (None: chosen, whole)."""
        builder = self._build(list(days))
        arrays = builder.arrays()
        index = builder.columns["gangs"]
        cells = np.argwhere(self.spaces > 0)
        if gangs is not None:
            at = gangs[tuple(cells.T)]
            lower, upper = arrays.lower.copy(), arrays.upper.copy()
            lower[index] = upper[index] = at
            arrays = replace(arrays, lower=lower, upper=upper)
        linear = gangs is not None or not len(cells)
        top = arrays.upper.copy()
        top[builder.columns["multiple"]] = most
        arrays = replace(arrays, upper=top, integer=arrays.integer & (not linear))
        outcome = run(arrays, _LINEAR if linear else _GANGS)
        if outcome.x is None:
            raise ArithmeticError(f"the build-ahead ratio of period {self.period} ended with {outcome.status}")
        out = np.zeros(self.spaces.shape)
        out[tuple(cells.T)] = outcome.x[index] if linear else np.round(outcome.x[index])
        multiple = max(0.0, float(outcome.x[builder.columns["multiple"]][0]))
        return _Solved(multiple, out, list(days), outcome, builder, arrays)

    def _build(self, days: list[int]) -> Builder:
        inst, place, hours = self.inst, self.place, self.hours
        H, D = len(hours), len(days)
        block = Builder()
        top = block.column("multiple", 1, cost=-1.0)[0]
        origins = len(place.origin_workload)
        late = np.flatnonzero(self.late[place.origin_workload])
        prompt = np.flatnonzero(~self.late[place.origin_workload])
        asked = np.einsum("or,ordh->doh", place.origin_member, self.asked[place.origin_workload][:, :, days])
        flow = block.column("flow", (D, len(place.pair_origin), H), upper=self._open_hours())
        g, k = np.nonzero(place.room > 0)
        runs = inst.throughput[:, k] > 0  # (W, cells)
        w, cell = np.nonzero(runs & ~np.isin(np.arange(len(runs)), self.jobs)[:, None])
        load = block.column("load", (D, len(w), H))
        backlog = block.column("backlog", (D, len(late), H))
        gangs = block.column("gangs", int((self.spaces > 0).sum()), upper=self.spaces[self.spaces > 0], integer=True)

        def balance(name: str, which: IntArray, length: FloatArray) -> IntArray:
            row = block.row(name, (D, len(which), H), lower=0.0, upper=0.0)
            at = np.full(origins, -1)
            at[which] = np.arange(len(which))
            mine = at[place.pair_origin] >= 0
            block.add(row[:, at[place.pair_origin[mine]]], flow[:, mine], length)
            block.add(row, top, -asked[:, which] * length)
            return row

        balance("demand", prompt, np.ones(H))
        row = balance("deferral", late, hours)
        if H > 1:
            block.add(row, backlog, 1.0)
            block.add(row, np.roll(backlog, 1, axis=2), -1.0)
        if self.course.days.hourly:
            window = np.zeros((D, len(late), H))
            for i, o in enumerate(late):
                for back in range(inst.workload(int(place.origin_workload[o])).window_hours - 1):
                    window[:, i] += np.roll(asked[:, o] * hours, back, axis=1)
            row = block.row("window", backlog.shape, upper=0.0)
            block.add(row, backlog, 1.0)
            block.add(row, top, -window)
        self._add_rates(block, flow, days, top)
        serve, at = np.unique(
            np.stack([place.origin_workload[place.pair_origin], place.pair_group]), axis=1, return_inverse=True
        )
        row = block.row("serving", (D, serve.shape[1], H), upper=0.0)
        block.add(row[:, at.ravel()], flow, inst.burst[place.origin_workload[place.pair_origin], None])
        served_at = np.full((len(runs), len(place.room)), -1)
        served_at[serve[0], serve[1]] = np.arange(serve.shape[1])
        needed = served_at[w, g[cell]]
        useful = needed >= 0
        block.add(row[:, needed[useful]], load[:, useful], -inst.throughput[w, k[cell]][useful, None])
        capacity = block.row("capacity", (D, len(g), H), upper=place.room[g, k][:, None])
        block.add(capacity[:, cell], load, 1.0)
        self._add_gangs(block, gangs, capacity, g, k, top)
        self._add_bandwidth(block, flow, days)
        return block

    def _open_hours(self) -> FloatArray:
        """(pairs, H) upper bounds of flow: 0 outside the hours in which work may run."""
        place, H = self.place, len(self.hours)
        upper = np.full((len(place.pair_origin), H), np.inf)
        if not self.course.days.hourly:
            return upper
        for p, w in enumerate(place.origin_workload[place.pair_origin]):
            allowed = self.inst.workload(int(w)).allowed_hours
            if self.late[w] and allowed:
                upper[p] = 0.0
                for first, last in allowed:
                    upper[p, first:last] = np.inf
        return upper

    def _add_rates(self, block: Builder, flow: IntArray, days: list[int], top: int) -> None:
        of_pair = self.place.origin_workload[self.place.pair_origin]
        for w, spec in enumerate(self.inst.case.workloads):
            if not self.late[w] or spec.max_rate_factor is None or not self.asked[w].any():
                continue
            mean = self.asked[w].sum(axis=0)[days] @ self.hours / self.hours.sum()
            row = block.row("rate", (len(days), len(self.hours)), upper=0.0, name=f"rate|{spec.id}")
            block.add(row[:, None], flow[:, of_pair == w], 1.0)
            block.add(row, top, -spec.max_rate_factor * mean[:, None])

    def _add_gangs(
        self, block: Builder, gangs: IntArray, capacity: IntArray, g: IntArray, k: IntArray, top: int
    ) -> None:
        """Whole gangs: what they deliver, that they fit, and that they yield no more than they may."""
        inst, place, hours = self.inst, self.place, self.hours
        D, H = capacity.shape[0], len(hours)
        j, s, kind = np.argwhere(self.spaces > 0).T
        modules = self.size[j, kind]
        cell = np.full(place.room.shape, -1)
        cell[g, k] = np.arange(len(g))
        at = cell[place.group[s], kind]
        yields = np.array([inst.workload(x).preemptible for x in self.jobs], bool).reshape(-1)
        stays = ~yields[j]
        block.add(capacity[:, at[stays]], gangs[stays, None], modules[stays, None])
        # gangs of a job in one place and of one type yield together
        of, which = np.unique(np.stack([j[~stays], at[~stays]]), axis=1, return_inverse=True)
        active = block.column("active", (D, of.shape[1], H))
        block.add(capacity[:, of[1]], active, 1.0)
        most = block.row("yield_most", active.shape, upper=0.0)
        block.add(most, active, 1.0)
        block.add(most[:, which.ravel()], gangs[~stays, None], -modules[~stays, None])
        share = np.array([1 - inst.workload(x).max_yield_share for x in self.jobs]).reshape(-1)
        least = block.row("yield_least", active.shape[:2], lower=0.0)
        block.add(least[:, :, None], active, hours)
        block.add(least[:, which.ravel()], gangs[~stays], -(modules * share[j] * hours.sum())[~stays])
        fit = block.row("gangs_fit", place.usable.shape, upper=place.usable)
        block.add(fit[s, kind], gangs, modules)
        cards = np.array([inst.workload(x).gang_cards or 1 for x in self.jobs], float).reshape(-1, 1)
        output = inst.throughput[self.jobs] * cards / inst.cards * share[:, None]
        trained = np.flatnonzero(self.volume > 0)
        row = block.row("training", len(self.jobs), lower=0.0)
        block.add(row[j], gangs, output[j, kind])
        block.add(row[trained], top, -self.volume[trained])

    def _add_bandwidth(self, block: Builder, flow: IntArray, days: list[int]) -> None:
        inst, place = self.inst, self.place
        T = inst.case.horizon.periods
        sites, regions = [x.id for x in inst.case.sites], [x.id for x in inst.case.regions]
        of_pair = place.origin_workload[place.pair_origin]
        traffic = np.array([x.traffic_gb_per_unit_hour for x in inst.case.workloads]) * inst.unit_scale * 8 / 3600
        for region, limits in inst.case.network.bandwidth_gbps.items():
            for site, limit in limits.items():
                mine = place.origin_member[place.pair_origin, regions.index(region)] & (
                    place.pair_group == place.group[sites.index(site)]
                )
                top = float(by_period(limit, T, np.inf)[self.period])
                row = block.row("bandwidth", (len(days), len(self.hours)), upper=top, name=f"bandwidth|{region}|{site}")
                block.add(row[:, None], flow[:, mine], traffic[of_pair[mine], None])

    def told(self, solved: _Solved) -> Multiple:
        """What binds, from the prices: lambda = 1 / sum of what the work that binds takes of what is full."""
        inst, place = self.inst, self.place
        (day,) = solved.days
        duals = solved.outcome.duals
        if duals is None:
            return Multiple(solved.multiple, day, gangs=self._named(solved.gangs))
        column = solved.arrays.matrix[:, [int(solved.builder.columns["multiple"][0])]].toarray().ravel()
        part = np.maximum(-column * duals, 0.0)  # by row; the whole column's part is 1
        rows = solved.builder.rows
        by_workload = np.zeros(len(inst.case.workloads))
        by_step = np.zeros(len(self.hours))
        late = np.flatnonzero(self.late[place.origin_workload])
        prompt = np.flatnonzero(~self.late[place.origin_workload])
        for name, which in (("demand", prompt), ("deferral", late)):
            share = part[rows[name].index[0]]
            np.add.at(by_workload, place.origin_workload[which], share.sum(axis=1))
            by_step += share.sum(axis=0)
        by_workload[self.jobs] += part[rows["training"].index]
        full = np.abs(duals[rows["capacity"].index[0]]).sum(axis=1)
        g, _ = np.nonzero(place.room > 0)
        by_group = np.bincount(g, weights=full, minlength=len(place.room)) if len(g) else np.zeros(len(place.room))
        fit = np.abs(duals[rows["gangs_fit"].index]).sum(axis=1)
        by_site = np.where(place.usable.sum(axis=1) > 0, by_group[place.group], 0.0) + fit
        names = [inst.case.workloads[i].id for i in _ranked(by_workload)]
        sites = [inst.case.sites[i].id for i in _ranked(by_site)]
        step = int(by_step.argmax()) if by_step.any() else -1
        return Multiple(solved.multiple, day, step, tuple(names), tuple(sites), self._named(solved.gangs))

    def _named(self, gangs: FloatArray) -> tuple[tuple[str, str, str, int], ...]:
        case = self.inst.case
        return tuple(
            (case.workloads[self.jobs[j]].id, case.sites[s].id, case.module_types[k].id, int(gangs[j, s, k]))
            for j, s, k in np.argwhere(gangs > 0.5)
        )


def _ranked(share: FloatArray) -> list[int]:
    """Positions of what has a part worth naming, the largest first."""
    total = float(share.sum())
    order = np.argsort(-share, kind="stable")
    return [int(i) for i in order if total > 0 and share[i] >= _NAMED * total]
