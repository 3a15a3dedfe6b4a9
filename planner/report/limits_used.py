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
    rows = []
    for site in view.case.sites:
        own, built = stock[stock["site"] == site.id], phases[phases["site"] == site.id]
        tightest = (view.periods[0], 0.0, 0.0, 0.0)
        # a phase and what stands on it may be there in one branch and not in another
        for branch in sorted({*own["branch"], *built["branch"]} - {-1}) or [-1]:
            drawn = own[own["branch"].isin((-1, branch))].groupby("period")["power_mw"].sum()
            used = drawn.reindex(range(n), fill_value=0.0).to_numpy(float)
            has = by_period(site.power_mw, n, 0.0).copy()
            for row in built[built["branch"].isin((-1, branch))].to_dict("records"):
                life = site.phases[int(row["phase"])].life_periods
                has[int(row["arrival_period"]) : int(row["arrival_period"]) + life] += float(row["mw"])
            share = np.divide(used, has, out=np.zeros(n), where=has > 0)
            t = int(share.argmax())
            tightest = max(tightest, (view.periods[t], used[t], has[t], share[t]), key=lambda one: one[3])
        if tightest[1] > 0:
            rows.append((words.name(site.names), *tightest))
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
