"""Planned against metered: the difference in energy and cost as volume, efficiency, PUE and price, without a rest.

    facility energy = V e u,  cost = V e u p
    V work (PFLOPS-hours), e machine energy per unit of work, u facility / machine energy (PUE), p cost per facility kWh

Each factor's part is its Shapley value: the mean, over all orders in which the factors may change from planned to
metered, of what its own change does (Albrecht, François and Schoors 2002, "A Shapley decomposition of carbon
emissions without residuals"). Parts add up to the difference exactly, do not depend on an order, and bear zeros,
where the logarithmic mean Divisia index breaks down.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import factorial

import numpy as np
import pandas as pd

from planner.arrays import FloatArray
from planner.energy.ledger import Ledger
from planner.energy.metered import Metered
from planner.plan.tables import Column, Table

RECONCILIATION_TABLE = Table(
    "energy_reconciliation",
    "Planned against metered energy",
    (
        Column("period", "integer", "", "period"),
        Column("label", "string", "", "period in words"),
        Column("site", "string", "", "site"),
        Column(
            "covered", "number", "", "share of the period's hours that was metered; planned figures are scaled to it"
        ),
        Column("planned_kwh", "number", "kWh", "facility energy planned"),
        Column("metered_kwh", "number", "kWh", "facility energy metered"),
        Column("volume_kwh", "number", "kWh", "part of the difference: more or less work"),
        Column("efficiency_kwh", "number", "kWh", "part of the difference: machine energy per unit of work"),
        Column("pue_kwh", "number", "kWh", "part of the difference: cooling and losses"),
        Column("planned_cost", "number", "currency", "energy cost planned"),
        Column(
            "metered_cost", "number", "currency", "energy cost metered (with the planned price where none was read)"
        ),
        Column("volume_cost", "number", "currency", "part of the difference: volume"),
        Column("efficiency_cost", "number", "currency", "part of the difference: efficiency"),
        Column("pue_cost", "number", "currency", "part of the difference: PUE"),
        Column("price_cost", "number", "currency", "part of the difference: price"),
        Column("planned_pue", "number", "", "planned PUE"),
        Column("metered_pue", "number", "", "metered PUE"),
        Column("assumed", "string", "", "what was not metered and was taken as planned"),
    ),
)

_NOTHING = 1e-6
"""kWh, PFLOPS-hours or money below which there is nothing to divide by."""


@dataclass(frozen=True)
class Reconciliation:
    """table: see RECONCILIATION_TABLE. unmatched: (period label, site) that were metered without a plan, or planned
    in a
    metered period without a reading."""

    table: pd.DataFrame
    unmatched: tuple[tuple[str, str, str], ...]

    def tables(self) -> dict[str, tuple[Table, pd.DataFrame]]:
        """Name → its description and its rows."""
        return {"energy_reconciliation": (RECONCILIATION_TABLE, self.table)}


def shapley(before: FloatArray, after: FloatArray) -> FloatArray:
    """(rows, factors) part of each factor in prod(after) - prod(before); rows add up to the difference.

    before, after: (rows, factors).
    """
    n = before.shape[1]
    out = np.zeros(before.shape)
    for i in range(n):
        others = [j for j in range(n) if j != i]
        for size in range(n):
            weight = factorial(size) * factorial(n - size - 1) / factorial(n)
            for moved in combinations(others, size):
                rest = np.ones(len(before))
                for j in others:
                    rest = rest * (after[:, j] if j in moved else before[:, j])
                out[:, i] += weight * rest * (after[:, i] - before[:, i])
    return out


def reconcile(ledger: Ledger, metered: Metered) -> Reconciliation:
    """Compare a ledger with readings, period by period and site by site.

    Planned figures are scaled to the hours that were metered. What a reading does not say (machine energy, work, cost)
    is taken as planned and named in `assumed`, so that its part of the difference is zero or lies with efficiency:
    without work, volume is as planned; without machine energy, PUE; without cost, price.
    """
    case = ledger.case
    planned = ledger.sites.set_index(["period", "site"])
    read = metered.sites.set_index(["period", "site"])
    both = [place for place in read.index.tolist() if place in planned.index]
    p, m = planned.loc[both], read.loc[both]
    share = m["covered"].to_numpy(float) / np.array([ledger.covered.get(t, 1.0) for t, _ in both])
    old = {c: p[c].to_numpy(float) * share for c in ("it_kwh", "facility_kwh", "energy_cost", "pflops_hours")}
    new = {c: m[c].to_numpy(float) for c in ("it_kwh", "facility_kwh", "pflops_hours")}
    new["energy_cost"] = m["cost"].to_numpy(float)
    lacking = {c: np.isnan(v) for c, v in new.items()}
    pue = _factor(old["facility_kwh"], old["it_kwh"])
    price = _factor(old["energy_cost"], old["facility_kwh"])
    new["it_kwh"] = np.where(lacking["it_kwh"], new["facility_kwh"] / np.where(pue > 0, pue, 1.0), new["it_kwh"])
    new["energy_cost"] = np.where(lacking["energy_cost"], new["facility_kwh"] * price, new["energy_cost"])
    new["pflops_hours"] = np.where(lacking["pflops_hours"], old["pflops_hours"], new["pflops_hours"])
    before, after = _factors(old, new)
    energy = shapley(before[:, :3], after[:, :3])
    cost = shapley(before, after)
    # What no product of factors can say: energy without machine energy counts as PUE, money without energy as price.
    unsaid = new["facility_kwh"] - old["facility_kwh"] - energy.sum(axis=1)
    energy[:, 2] += unsaid
    column = np.where(np.abs(unsaid) > _NOTHING, 2, 3)
    cost[np.arange(len(cost)), column] += new["energy_cost"] - old["energy_cost"] - cost.sum(axis=1)
    words = {"pflops_hours": "work", "it_kwh": "PUE", "energy_cost": "price"}
    assumed = ["; ".join(words[c] for c in words if lacking[c][i]) for i in range(len(both))]
    table = RECONCILIATION_TABLE.frame(
        {
            "period": [t for t, _ in both],
            "label": [case.horizon.period_label(t) for t, _ in both],
            "site": [s for _, s in both],
            "covered": m["covered"].to_numpy(float),
            "planned_kwh": old["facility_kwh"],
            "metered_kwh": new["facility_kwh"],
            "volume_kwh": energy[:, 0],
            "efficiency_kwh": energy[:, 1],
            "pue_kwh": energy[:, 2],
            "planned_cost": old["energy_cost"],
            "metered_cost": new["energy_cost"],
            "volume_cost": cost[:, 0],
            "efficiency_cost": cost[:, 1],
            "pue_cost": cost[:, 2],
            "price_cost": cost[:, 3],
            "planned_pue": np.where(old["it_kwh"] > 0, pue, np.nan),
            "metered_pue": np.where(new["it_kwh"] > 0, _factor(new["facility_kwh"], new["it_kwh"]), np.nan),
            "assumed": assumed,
        }
    )
    return Reconciliation(table, _unmatched(ledger, planned, read))


def _factor(top: FloatArray, bottom: FloatArray) -> FloatArray:
    some = bottom > _NOTHING
    return np.asarray(np.where(some, top / np.where(some, bottom, 1.0), 0.0), float)


def _factors(old: dict[str, FloatArray], new: dict[str, FloatArray]) -> tuple[FloatArray, FloatArray]:
    """(rows, 4) work, machine energy per work, PUE, price, planned and metered; their products are the costs.

    Where energy was drawn without any work on one side, work cannot explain it: both sides are given one unit of
    work, so that the difference lies with efficiency. A ratio over nothing is taken from the other side, so that it
    explains nothing.
    """
    stuck = np.zeros(len(old["it_kwh"]), bool)
    for side in (old, new):
        stuck |= (side["pflops_hours"] <= _NOTHING) & (side["it_kwh"] > 0)
    out = []
    for side in (old, new):
        work = np.where(stuck, 1.0, side["pflops_hours"])
        out.append(
            np.stack(
                [
                    work,
                    _factor(side["it_kwh"], work),
                    _factor(side["facility_kwh"], side["it_kwh"]),
                    _factor(side["energy_cost"], side["facility_kwh"]),
                ],
                axis=1,
            )
        )
    before, after = out
    for one, other, side in ((before, after, old), (after, before, new)):
        for i, bottom in ((1, one[:, 0]), (2, side["it_kwh"]), (3, side["facility_kwh"])):
            one[:, i] = np.where(bottom > _NOTHING, one[:, i], other[:, i])
    return before, after


def _unmatched(ledger: Ledger, planned: pd.DataFrame, read: pd.DataFrame) -> tuple[tuple[str, str, str], ...]:
    label = ledger.case.horizon.period_label
    seen = {t for t, _ in read.index.tolist()}
    extra = [(label(t), s, "metered, not planned") for t, s in read.index.tolist() if (t, s) not in planned.index]
    silent = [
        (label(t), s, "planned, not metered")
        for t, s in planned.index.tolist()
        if t in seen and (t, s) not in read.index
    ]
    return tuple(extra + silent)
