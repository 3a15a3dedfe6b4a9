"""Agreements recomputed from the orders alone: prices by volume, commitments, and every cell of their table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.arrays import FloatArray
from planner.case import Case
from planner.verify.report import Book


@dataclass(frozen=True)
class CalledOff:
    """(F, A, T) by agreement and order period: modules called off; the same up to the period, with those before the
    horizon; discount in force; money that it takes off the period's prices; modules missing and what is paid for them,
    in the last period. discount: (F, K, T) share off the price of what arrives."""

    modules: FloatArray
    to_date: FloatArray
    share: FloatArray
    saved: FloatArray
    missing: FloatArray
    paid: FloatArray
    discount: FloatArray


def called_off(case: Case, orders: FloatArray, signed: FloatArray, capex: FloatArray) -> CalledOff:
    """What orders come to in agreements. orders: (F, S, K, T) by arrival; signed: (F, A); capex: (K, T)."""
    F, _, K, T = orders.shape
    modules, to_date, share, saved, missing, paid = (np.zeros((F, len(case.agreements), T)) for _ in range(6))
    discount = np.zeros((F, K, T))
    types = [k.id for k in case.module_types]
    for a, one in enumerate(case.agreements):
        last = T - 1 if one.last is None else one.last
        for f in range(F):
            holds, total = one.signed or not one.commitment or signed[f, a] > 0.5, float(one.called_off)
            for q in range(one.first, last + 1):
                own = [(k, q + case.module_types[k].lead_periods) for k in map(types.index, one.module_types)]
                arriving = [(k, t, float(orders[f, :, k, t].sum())) for k, t in own if t < T]
                modules[f, a, q] = sum(n for _, _, n in arriving)
                total += modules[f, a, q]
                to_date[f, a, q] = total
                best = [b.discount for b in one.breaks if total >= b.from_modules - 1e-6]
                if holds and best:
                    share[f, a, q] = best[-1]
                    saved[f, a, q] = sum(best[-1] * capex[k, t] * n for k, t, n in arriving)
                    for k, t, _ in arriving:
                        discount[f, k, t] = best[-1]
            if holds:
                missing[f, a, last] = max(one.commitment - total, 0.0)
                paid[f, a, last] = missing[f, a, last] * one.shortfall_price
    return CalledOff(modules, to_date, share, saved, missing, paid, discount)


def check_agreements(
    case: Case, found: CalledOff, signed: FloatArray, shown: dict[str, FloatArray], book: Book
) -> None:
    """price_break, commitment, agreements: the table has a row for every period of an agreement that holds.

    shown: (F, A, T) by column of the table, `rows` counting its rows.
    """
    T = found.modules.shape[-1]
    axes = ("future", "agreement", "period")
    book.labels = {**book.labels, "agreement": [x.id for x in case.agreements]}
    t = np.arange(T)
    first = np.array([x.first for x in case.agreements], int)
    last = np.array([T - 1 if x.last is None else x.last for x in case.agreements], int)
    free = np.array([x.signed or not x.commitment for x in case.agreements], bool)
    held = (free | (signed > 0.5))[..., None] & (t >= first[:, None]) & (t <= last[:, None])
    book.limit("agreements", shown["rows"], "equal", held.astype(float), axes, at="table agreements, rows")
    asked = np.where((t == first[:, None]) & ~free[:, None], np.minimum(signed, 1.0)[..., None], 0.0)
    for check, column, value in (
        ("agreements", "signs", asked),
        ("agreements", "called_off", found.modules * held),
        ("agreements", "to_date", found.to_date * held),
        ("price_break", "discount", found.share),
        ("price_break", "saved", found.saved),
        ("commitment", "missing", found.missing),
        ("commitment", "paid", found.paid),
    ):
        book.limit(check, shown[column], "equal", value, axes, at=f"table agreements, {column}")
