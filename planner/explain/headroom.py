"""Until when what stands lasts: the plan's demand served by nothing but what stands and is already on its way.

The same program as a plan's, with nothing left to decide about hardware: no module arrives or leaves early, no lease
starts, no phase of power is built; a candidate site that could host nothing stays closed. What stands then goes where
leaving work unserved costs most, as in every plan. A workload of a region lasts until the first period in which more
than a thousandth of what it asks stays unserved, future by future.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from planner.arrays import FloatArray, IntArray
from planner.case import Case, WorkloadKind
from planner.case.policy import BuildAhead
from planner.plan import Plan
from planner.planning import make_plan
from planner.solve import Limits
from planner.words.wording import Wording

SHORT = 1e-3
"""Share of what is asked in a period beyond which a workload counts as short: less is what solvers leave."""


@dataclass(frozen=True)
class Headroom:
    """rows: workload, region ("" for training, which has none), and the period, by number, in which it is first short
    in the earliest, the middle (half of the probability) and the latest future; as many as there are periods where it
    is not short within the horizon. everything: the same of all rows together, future by future. multiples: (T,) the
    largest multiple of the P50 demand that what stands serves in full in every period (docs/model.md §8). plan: the one
    without orders.
    """

    rows: pd.DataFrame
    everything: Mapping[str, int]
    multiples: FloatArray
    plan: Plan

    def sentences(self, words: Wording) -> list[str]:
        """Until when everything is served, and what demand could be served in full by period."""
        horizon = self.plan.case.horizon
        first = self.everything
        dates = {
            name: horizon.period_start(int(t)).isoformat() if t < horizon.periods else words("headroom.beyond")
            for name, t in first.items()
        }
        told = words("headroom.all" if first["earliest"] < horizon.periods else "headroom.all_lasts", **dates)
        known = [(t, m) for t, m in enumerate(self.multiples) if np.isfinite(m)]
        parts = [words("headroom.part", period=horizon.period_label(t), ratio=words.ratio(m)) for t, m in known]
        return [told, *([words("headroom.multiples", parts=words.joined(parts))] if parts else [])]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        horizon = self.plan.case.horizon
        starts = [*(horizon.period_start(t).isoformat() for t in range(horizon.periods)), None]
        rows = [{**row, **{name: starts[row[name]] for name in _WHEN}} for row in self.rows.to_dict("records")]
        ratio = [float(m) if np.isfinite(m) else None for m in self.multiples]
        return {"lasts_until": rows, "multiple_of_p50": ratio}


_WHEN = ("earliest", "middle", "latest")


def headroom(plan: Plan, *, limits: Limits | None = None, stop: threading.Event | None = None) -> Headroom:
    """Raises what `make_plan` raises: InfeasibleError where what stands needs power that is still to be built, or more
    of it or of space than there is, so that some of it would have to leave."""
    still = make_plan(nothing_ordered(plan), demand=plan.demand, limits=limits, stop=stop)
    asked, missing = _asked_and_missing(still)
    periods = asked.shape[-1]
    short = missing > SHORT * np.maximum(asked, 1e-9)
    first = np.where(short.any(axis=-1), short.argmax(axis=-1), periods)  # (F, W, R)
    rows = []
    for w, workload in enumerate(still.case.workloads):
        regions = [""] if workload.kind is WorkloadKind.training else [r.id for r in still.case.regions]
        for r, region in enumerate(regions):
            if (asked[:, w, r] > 0).any():
                rows.append((workload.id, region, *_when(first[:, w, r], still.demand.probability)))
    # a row for every branch of the futures
    multiples = still.tables["capacity"].groupby("period")["build_ahead_ratio"].min().to_numpy(float)
    everything = dict(zip(_WHEN, _when(first.min(axis=(1, 2)), still.demand.probability), strict=True))
    return Headroom(pd.DataFrame(rows, columns=["workload", "region", *_WHEN]), everything, multiples, still)


def nothing_ordered(plan: Plan) -> Case:
    """The case with nothing to order, lease, retire or move and without limits that could ask for orders.

    A campaign that must be finished is worth more than all other work, since it may now be impossible.
    """
    case = plan.case
    asked = plan.tables["unserved"].groupby("workload")["asked_unit_hours"].sum()
    dearest = sum(float(asked.get(w.id, 0.0)) * float(np.max(w.shortfall_cost)) for w in case.workloads)
    policy = case.policy.model_copy(
        update={
            "build_ahead": BuildAhead(), "capacity_targets_eflops": None, "domestic_share_floor": None,
            "utilisation_floor": None, "green_share_floor": None, "carbon_cap_tonnes": None, "resilience": None,
            "budget": None,
        }
    )  # fmt: skip
    return case.model_copy(
        update={
            "module_types": [k.model_copy(update={"supply": 0.0}) for k in case.module_types],
            "leases": [],
            "fleet": [row.staying() for row in case.fleet],
            "sites": [s.model_copy(update={"phases": []}) for s in case.sites],
            "workloads": [w.model_copy(update={"minimum_service": 0.0}) for w in case.workloads],
            "campaigns": [
                c if c.value is not None else c.model_copy(update={"value": max(dearest, 1.0)}) for c in case.campaigns
            ],
            "policy": policy,
        }
    )


def _asked_and_missing(plan: Plan) -> tuple[FloatArray, FloatArray]:
    """(F, W, R, T) unit-hours; training stands in the first region's place, for all of them."""
    case, demand = plan.case, plan.demand
    hours = demand.days.weight[:, :, None] * demand.days.step_hours
    asked = np.einsum("fwrtdh,tdh->fwrt", demand.values, hours)
    missing = np.zeros_like(asked)
    w_at = {w.id: i for i, w in enumerate(case.workloads)}
    r_at = {r.id: i for i, r in enumerate(case.regions)}
    short, training = plan.tables["shortfall"], plan.tables["training"]
    f, t, d, h = (short[c].to_numpy(int) for c in ("future", "period", "day", "step"))
    w, r = short["workload"].map(w_at).to_numpy(int), short["region"].map(r_at).to_numpy(int)
    np.add.at(missing, (f, w, r, t), short["shortfall"].to_numpy(float) * hours[t, d, h])
    f, t = (training[c].to_numpy(int) for c in ("future", "period"))
    w = training["workload"].map(w_at).to_numpy(int)
    np.add.at(missing, (f, w, np.zeros(len(w), int), t), training["shortfall_unit_hours"].to_numpy(float))
    for i, workload in enumerate(case.workloads):
        if workload.kind is WorkloadKind.training:
            asked[:, i, 0], asked[:, i, 1:] = asked[:, i].sum(axis=1), 0.0
    return asked, missing


def _when(values: IntArray, probability: FloatArray) -> tuple[int, int, int]:
    """The least value, the least that half of the probability does not exceed, the largest."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(probability[order])
    middle = int(values[order][np.searchsorted(reached, 0.5 - 1e-12)])
    return int(values.min()), middle, int(values.max())
