"""How the cost of futures becomes one objective: the mean, or the mean and CVaR."""

from __future__ import annotations

import numpy as np

from planner.arrays import FloatArray
from planner.case import CVaR
from planner.program.blocks import RiskTerms
from planner.program.master import Master


def add_objective(master: Master) -> tuple[FloatArray, RiskTerms | None]:
    """(master columns,) cost, and how block costs enter it.

    expected: sum_w pi_w cost_w
    cvar(alpha, v): (1 - v) sum_w pi_w cost_w + v [zeta + sum_w pi_w z_w / (1 - alpha)], z_w >= cost_w - zeta, z >= 0
    (Rockafellar and Uryasev 2000). With v = 0, or one future, it is the mean.
    """
    inst = master.instance
    rule = inst.case.risk.objective
    pi = inst.probability
    if not isinstance(rule, CVaR) or rule.weight == 0 or len(pi) == 1:
        return master.expected_cost(), None
    raw, share = master.raw_cost(), master.future_share()
    expected = master.expected_cost()
    zeta = master.decide("value_at_risk", (1,), 0, lower=-np.inf)[0]
    excess = master.per_future("excess", ())
    row = master.row("risk_excess", len(pi), lower=0.0)
    master.add(row, excess, 1.0)
    master.add(row, zeta, 1.0)
    column, future = np.nonzero(share * (raw != 0)[:, None])
    master.add(row[future], column, -raw[column])
    cost = np.zeros(master.column_count)
    cost[: len(expected)] = (1 - rule.weight) * expected
    cost[zeta] = rule.weight
    cost[excess] = rule.weight * pi / (1 - rule.alpha)
    return cost, RiskTerms(row, 1 - rule.weight, pi)
