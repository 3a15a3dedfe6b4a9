"""What is owed beyond the horizon: the rest of a lease's minimum term, and of annuities that the plan began to pay.

Costs are those of the horizon (docs/model.md §2, Charges). With `costing: upfront` a purchase is paid in full, so that
a lease that still runs has to be, too: its rest is in the cost. With `costing: annuity` every item is charged for its
periods in the horizon alone, leases like purchases, and the rest of all of them is stated beside the cost.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from planner.arrays import FloatArray, IntArray
from planner.case import Costing, by_period
from planner.plan.tables import TABLES
from planner.program.instance import Instance
from planner.program.power import phase_places

Stated = Callable[[str], tuple[IntArray, tuple[IntArray, ...], FloatArray]]
"""Branch labels, positions and amounts of a group of decisions, each stated once."""


def owed_table(inst: Instance, stated: Stated, discount: FloatArray) -> pd.DataFrame:
    """One row for each decision that leaves something to pay after the last period. stated: see `Stated`.

    discount: (B, K, T) share of the price that agreements take off.
    """
    case, T = inst.case, inst.case.horizon.periods
    sites = np.array([s.id for s in case.sites], object)
    types = np.array([k.id for k in case.module_types], object)
    rows: list[pd.DataFrame] = []
    annuity = case.horizon.costing is Costing.annuity

    def add(
        kind: str,
        item: np.ndarray,
        site: np.ndarray,
        decided: tuple[IntArray, IntArray, FloatArray],
        life: IntArray,
        payment: FloatArray,
    ) -> None:
        """decided: branch, period and count, by row. payment: a period, by row; the rest is paid at the start of every
        period that is left of the life."""
        branch, period, count = decided
        left = np.maximum(period + life - T, 0)
        later = inst.discount_until(int(left.max(initial=0)) + T)
        total = np.concatenate([[0.0], np.cumsum(later)])
        some = left > 0
        rows.append(
            pd.DataFrame(
                {
                    "branch": branch,
                    "kind": kind,
                    "item": item,
                    "site": site,
                    "period": period,
                    "count": count.astype(int),
                    "periods_left": left,
                    "undiscounted": payment * count * left,
                    "discounted": payment * count * (total[T + left] - total[T]),
                    "counted": int(not annuity),
                }
            )[some]
        )

    branch, (_b, i, t), count = stated("lease_start")
    last = np.array([by_period(x.price_per_module_period, T, 0.0)[-1] for x in case.leases] or [0.0])
    term = np.array([x.minimum_term_periods for x in case.leases] or [1], int)
    name = np.array([x.id for x in case.leases] or [""], object)
    place = np.array([x.site for x in case.leases] or [""], object)
    add("lease", name[i], place[i], (branch, t, count), term[i], last[i])
    if annuity:
        branch, (b, s, k, t), count = stated("orders")
        price = inst.capex[k, t] * (1 - discount[b, k, t]) * inst.money_unit
        add("order", types[k], sites[s], (branch, t, count), inst.life[k], price * inst.payment(inst.life)[k])
        branch, (_b, s, k, t), count = stated("order_on")
        charge = inst.order_cost[k, t] * inst.money_unit * inst.payment(inst.life)[k]
        paid = charge > 0
        decided = (branch[paid], t[paid], count[paid])
        add("order charge", types[k][paid], sites[s][paid], decided, inst.life[k][paid], charge[paid])
        branch, (_b, p, t), count = stated("phases")
        places = phase_places(inst)
        items = [case.sites[s].phases[i] for s, i in places]
        life = np.array([x.life_periods for x in items] or [1], int)
        capex = np.array([x.capex for x in items] or [0.0])
        label = np.array([f"phase {i + 1}" for _, i in places] or [""], object)
        at = np.array([case.sites[s].id for s, _ in places] or [""], object)
        add("phase", label[p], at[p], (branch, t, count), life[p], (capex * inst.payment(life))[p])
        branch, (_b, s, t), count = stated("openings")
        life = np.array([x.opening_life_periods for x in case.sites], int)
        cost = np.array([x.opening_cost for x in case.sites])
        add("opening", sites[s], sites[s], (branch, t, count), life[s], (cost * inst.payment(life))[s])
    whole = pd.concat(rows, ignore_index=True)
    return TABLES["owed"].frame({c.name: whole[c.name] for c in TABLES["owed"].columns})
