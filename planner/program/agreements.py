"""Agreements with suppliers: what is called off in them, the prices that this brings, and what a commitment asks.

An agreement a counts the modules of its types that are ordered in its periods; a break p of it makes modules cheaper
from the order period on in which that count, its own orders with it, reaches a number. Taken together, what is ordered
costs the less for each module the more of it there is: no convex cost, so that whether a break is reached is a switch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.arrays import BoolArray, FloatArray, IntArray
from planner.case import Case

_TRACE = 1e-6


@dataclass(frozen=True)
class Agreements:
    """signing: (A,) whether the plan decides that it is signed; first, last: (A,) order periods that count.

    counts: (A, K, T) whether orders of a type that arrive in a period are called off in it; lead: (K,) their lead.
    commitment: (A,) modules still to be called off; price: (A,) of one that is missing, in the case's currency.
    of: (P,) the agreement of each break; needed: (P,) modules still to be called off for it; gain: (P,) by how much
    more of the price its modules are cheaper than with the break before it.
    """

    signing: BoolArray
    first: IntArray
    last: IntArray
    counts: BoolArray
    lead: IntArray
    commitment: FloatArray
    price: FloatArray
    of: IntArray
    needed: FloatArray
    gain: FloatArray

    def __len__(self) -> int:
        return len(self.signing)

    def called_off(self, orders: FloatArray) -> FloatArray:
        """(B, A, T) modules called off by order period. orders: (B, S, K, T) by arrival."""
        by_type, T = orders.sum(axis=1), orders.shape[-1]
        out = np.zeros((len(orders), len(self), T))
        for k, lead in enumerate(self.lead):
            own = by_type[:, None, k] * self.counts[:, k]
            out[..., : T - int(lead)] += own[..., int(lead) :]
        return out

    def reached(self, orders: FloatArray, signed: FloatArray) -> FloatArray:
        """(B, P, T) 1 where a break holds for what is ordered in a period. signed: (B, A) as decided."""
        total = np.cumsum(self.called_off(orders), axis=-1)[:, self.of]
        t = np.arange(orders.shape[-1])
        inside = (t >= self.first[self.of, None]) & (t <= self.last[self.of, None])
        holds = (~self.signing | (signed > 0.5))[:, self.of, None]
        return np.asarray(inside & holds & (total >= self.needed[:, None] - _TRACE), float)

    def discounted(self, orders: FloatArray, reached: FloatArray) -> FloatArray:
        """(B, P, K, T) modules by arrival that a break makes cheaper."""
        out = np.zeros((len(orders), len(self.of), *orders.shape[2:]))
        for k, lead in enumerate(self.lead):
            n = orders.shape[-1] - int(lead)
            out[:, :, k, int(lead) :] = reached[..., :n]
        return np.asarray(out * self.counts[self.of] * orders.sum(axis=1)[:, None], float)

    def discount(self, orders: FloatArray, signed: FloatArray) -> FloatArray:
        """(B, K, T) share of the price by which what arrives in a period is cheaper."""
        modules = self.discounted(np.ones_like(orders[:, :1]), self.reached(orders, signed))
        return np.asarray(np.einsum("bpkt,p->bkt", modules, self.gain), float)

    def most_discount(self) -> FloatArray:
        """(K, T) the largest share that any plan may get."""
        best = np.zeros(len(self))
        np.add.at(best, self.of, self.gain)
        return np.asarray((best[:, None, None] * self.counts).max(axis=0, initial=0.0), float)

    def most_asked(self) -> FloatArray:
        """(K,) the most modules of a type that breaks and commitments, one after the other, may make worth ordering."""
        asked = self.commitment.copy()
        np.maximum.at(asked, self.of, self.needed)
        return np.asarray(asked @ self.counts.any(axis=2), float)

    def missing(self, orders: FloatArray, signed: FloatArray) -> FloatArray:
        """(B, A) modules of the commitment that are not called off."""
        owed = self.commitment * (~self.signing | (signed > 0.5))
        return np.asarray(np.maximum(owed - self.called_off(orders).sum(axis=-1), 0.0), float)

    def paid(self, orders: FloatArray, signed: FloatArray) -> FloatArray:
        """(B, T) money paid for what is missing of commitments, undiscounted, in the case's currency."""
        last = np.eye(orders.shape[-1])[self.last].reshape(len(self), orders.shape[-1])
        return np.asarray((self.missing(orders, signed) * self.price) @ last, float)


def find_agreements(case: Case) -> Agreements:
    """The agreements of a case and their breaks, in the order of the case."""
    T, types = case.horizon.periods, [k.id for k in case.module_types]
    lead = np.array([k.lead_periods for k in case.module_types], int)
    items = case.agreements
    first = np.array([x.first for x in items], int)
    last = np.array([x.until(T) for x in items], int)
    placed = np.arange(T) - lead[:, None]
    member = np.array([[k in x.module_types for k in types] for x in items], bool).reshape(len(items), len(types))
    span = (placed >= first[:, None, None]) & (placed <= last[:, None, None])
    breaks = [(a, b.from_modules - x.called_off) for a, x in enumerate(items) for b in x.breaks]
    gain = [np.diff([0.0, *(b.discount for b in x.breaks)]) for x in items]
    return Agreements(
        signing=np.array([not x.in_force for x in items], bool),
        first=first,
        last=last,
        counts=member[:, :, None] & span,
        lead=lead,
        commitment=np.array([max(x.commitment - x.called_off, 0) for x in items], float),
        price=np.array([x.shortfall_price for x in items], float),
        of=np.array([a for a, _ in breaks], int),
        needed=np.array([max(n, 0) for _, n in breaks], float),
        gain=np.concatenate([np.zeros(0), *gain]),
    )
