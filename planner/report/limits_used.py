"""How much of each limit a plan uses: power by site, supply by module type."""

from __future__ import annotations

import numpy as np
import pandas as pd

from planner.case import by_period
from planner.report.figures import View


def power_used(view: View) -> pd.DataFrame:
    """For every site with modules: the period in which its modules' peak draw comes closest to its power."""
    words, n = view.words, view.case.horizon.periods
    stock, phases = view.tables["stock"], view.tables["phases"]
    drawn = stock.groupby(["site", "period", "branch"])["power_mw"].sum().groupby(level=[0, 1]).max()
    rows = []
    for site in view.case.sites:
        if site.id not in drawn.index.get_level_values(0):
            continue
        used = drawn.loc[site.id].reindex(range(n), fill_value=0.0).to_numpy(float)
        has = by_period(site.power_mw, n, 0.0)
        for row in phases[phases["site"] == site.id].to_dict("records"):
            if row["branch"] <= 0:
                life = site.phases[int(row["phase"])].life_periods
                has[int(row["arrival_period"]) : int(row["arrival_period"]) + life] += float(row["mw"])
        share = np.divide(used, has, out=np.zeros(n), where=has > 0)
        tight = int(share.argmax())
        if used[tight] > 0:
            rows.append((words.name(site.names), view.periods[tight], used[tight], has[tight], share[tight]))
    rows.sort(key=lambda row: -row[4])
    names = [words("site"), words("limits.tightest"), words.labelled(words("limits.used"), "MW")]
    names += [words.labelled(words("limits.available"), "MW"), words("share")]
    return pd.DataFrame([(*row[:4], words.percent(row[4])) for row in rows], columns=names)


def supply_used(view: View) -> pd.DataFrame:
    """For every module type with a supply limit: what arrives over the horizon against what could arrive."""
    words, n = view.words, view.case.horizon.periods
    arrivals = view.mean("orders", ["module_type", "arrival_period"], ["modules"])
    rows = []
    for kind in view.case.module_types:
        limit = by_period(kind.supply, n, np.inf)
        own = arrivals[arrivals["module_type"] == kind.id]
        used = np.bincount(own["arrival_period"].to_numpy(np.int64), weights=own["modules"], minlength=n)
        possible = np.arange(n) >= kind.lead_periods
        if not np.isfinite(limit[possible]).all() or not possible.any():
            continue
        total = float(limit[possible].sum())
        full = int((used[possible] >= limit[possible] - 0.5).sum())
        share = float(used.sum()) / total if total else 0.0
        rows.append((words.name(kind.names), float(used.sum()), total, words.percent(share), full))
    names = [words("module_type"), words.labelled(words("limits.ordered"), words("modules"))]
    names += [
        words.labelled(words("limits.supply_total"), words("modules")),
        words("share"),
        words("limits.full_periods"),
    ]
    return pd.DataFrame(rows, columns=names)
