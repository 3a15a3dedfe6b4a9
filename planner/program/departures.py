"""What leaves the fleet before its time: standing modules that are retired, or moved to another site.

A departure e is a row of the fleet that the case opens to it and what becomes of its modules: they are retired, or
moved to one site. What is moved stands again after the type's `moving_periods`, to the row's own end of life.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.arrays import BoolArray, FloatArray, IntArray
from planner.case import Case, by_period


@dataclass(frozen=True)
class Departures:
    """row, site, kind: (E,) of the fleet row. to: (E,) site that modules are moved to, -1 where they are retired.

    modules: (E,) of the row. open: (E, T) whether they may leave at the start of a period. life: (E, T) periods that
    are left to them then. price: (E, T) of a module, in the case's currency; below 0 where money is received.
    off, on: (E, T, T) 1 where a module that leaves in t is missing at its site in u, and stands at the other one.
    """

    row: IntArray
    site: IntArray
    kind: IntArray
    to: IntArray
    modules: FloatArray
    open: BoolArray
    life: IntArray
    price: FloatArray
    off: FloatArray
    on: FloatArray
    shape: tuple[int, int, int]  # sites, types, periods

    def __len__(self) -> int:
        return len(self.row)

    def left(self, departures: FloatArray) -> FloatArray:
        """(B, S, K, T) modules missing where they stood. departures: (B, E, T) modules by the period they leave in."""
        return self._at(self.site, np.einsum("bet,etu->beu", departures, self.off))

    def moved(self, departures: FloatArray) -> FloatArray:
        """(B, S, K, T) modules that stand where they were moved to."""
        return self._at(self.to, np.einsum("bet,etu->beu", departures, self.on))

    def _at(self, site: IntArray, modules: FloatArray) -> FloatArray:
        """(B, S, K, T) modules (B, E, T) at their sites (E,)."""
        S, K, _ = self.shape
        place = np.eye(S)[site][:, :, None] * np.eye(K)[self.kind][:, None, :]
        return np.asarray(np.einsum("esk,beu->bsku", place, modules), float)

    def least(self, standing: FloatArray) -> FloatArray:
        """(S, K, T) modules that stand whatever leaves. standing: (S, K, T) without departures."""
        whole = np.zeros((1, len(self), self.shape[2]))
        for e in np.unique(self.row, return_index=True)[1]:  # the first of a row may leave whenever any other may
            whole[0, e, np.flatnonzero(self.open[e])[:1]] = self.modules[e]
        return np.asarray(standing - self.left(whole)[0], float)

    def most(self, standing: FloatArray) -> FloatArray:
        """(S, K, T) modules that can stand without any order."""
        each = np.where(self.open, self.modules[:, None], 0.0)
        there = np.zeros((1, *self.shape))
        for e in np.flatnonzero(self.to >= 0):
            there[0, self.to[e], self.kind[e]] += (each[e, :, None] * self.on[e]).max(axis=0, initial=0.0)
        return np.asarray(standing + there[0], float)


def find_departures(case: Case) -> Departures:
    """Every departure that the case allows, in the order of its fleet: retiring first, then each site to move to."""
    horizon, T = case.horizon, case.horizon.periods
    sites = {s.id: i for i, s in enumerate(case.sites)}
    types = {k.id: i for i, k in enumerate(case.module_types)}
    found: list[tuple[int, int]] = []
    for i, item in enumerate(case.fleet):
        found += [(i, -1)] if item.may_retire else []
        found += [(i, sites[s]) for s in item.may_move_to]
    E = len(found)
    row = np.array([i for i, _ in found], int)
    to = np.array([s for _, s in found], int)
    t = np.arange(T)
    begin, end, life = np.zeros(E, int), np.full(E, T), np.zeros((E, T), int)
    price, away = np.zeros((E, T)), np.zeros(E, int)
    for e, (i, s) in enumerate(found):
        item = case.fleet[i]
        kind = case.module_types[types[item.module_type]]
        if item.online is not None:
            first = horizon.period_of(item.online)
            begin[e] = max(first + (horizon.period_start(first) < item.online), 0)
        life[e] = kind.life_periods
        if item.retire is not None:
            last = horizon.period_of(item.retire)
            end[e] = max(last + (horizon.period_start(last) < item.retire), 0)
            life[e] = np.maximum(end[e] - t, 1)
        price[e] = -by_period(kind.resale_price, T, 0.0) if s < 0 else by_period(kind.moving_cost, T, 0.0)
        away[e] = kind.moving_periods
    back = t + away[:, None]  # (E, T) period from which a moved module stands again
    moved = (to >= 0)[:, None]
    may = (begin[:, None] <= t) & (t < end[:, None]) & (~moved | (back < np.minimum(end, T)[:, None]))
    lasts = t < end[:, None, None]  # (E, 1, T) over u
    return Departures(
        row=row,
        site=np.array([sites[case.fleet[i].site] for i in row], int),
        kind=np.array([types[case.fleet[i].module_type] for i in row], int),
        to=to,
        modules=np.array([case.fleet[i].modules for i in row], float),
        open=may,
        life=life,
        price=price,
        off=((t[:, None] <= t) & lasts & may[:, :, None]).astype(float),
        on=((back[:, :, None] <= t) & lasts & (may & moved)[:, :, None]).astype(float),
        shape=(len(sites), len(types), T),
    )
