"""What keeps modules busy, hour by hour of the typical days: the placed work, gangs, and campaigns."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from planner.arrays import FloatArray
from planner.demand import TypicalDays

_KEY = ["period", "day", "step", "site", "module_type", "workload"]


def at_work(tables: Mapping[str, pd.DataFrame], days: TypicalDays, probability: FloatArray) -> pd.DataFrame:
    """period, day, step, site, module_type, workload (or campaign), busy: modules at work, mean over futures.

    The table `load` holds no campaigns; they are at work for their share of the period, in every hour the same.
    probability: (futures,).
    """
    load, campaigns = tables["load"], tables["campaigns"]
    work = load[_KEY].assign(busy=load["busy"] * probability[load["future"].to_numpy(int)])
    campaigns = campaigns[campaigns["share"] > 0]
    if campaigns.empty:
        return work
    branch = campaigns["branch"].to_numpy(int)
    weight = np.where(branch < 0, 1.0, probability[np.maximum(branch, 0)])
    rows = campaigns.rename(columns={"campaign": "workload"}).assign(
        busy=campaigns["modules"] * campaigns["share"] * weight
    )
    used = pd.DataFrame(days.used(), columns=["period", "day"])
    steps = pd.DataFrame({"step": np.arange(days.steps)})
    hours = rows.merge(used, on="period").merge(steps, how="cross")
    return pd.concat([work, hours[[*_KEY, "busy"]]], ignore_index=True)
