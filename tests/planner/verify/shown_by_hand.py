"""The columns that follow from the decisions of the hand-made plan of `test_verify`, one formula at a time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from planner.demand import Demand
from planner.plan.tables import TABLES

Tables = dict[str, pd.DataFrame]
STARTS = [date(2026, 1, 1), date(2026, 4, 1), date(2026, 7, 1)]
SHARE = (0.7, 0.3)
CARDS = {"gpu": 16, "npu": 8}
PFLOPS = {"gpu": 16.0, "npu": 2.4}
PEAK_KW = {"gpu": 60, "npu": 20}
CAPEX = {"gpu": (500, 480, 460), "npu": (70, 70, 70)}
PUE = {"A": (1.2, 1.2, 1.3), "B": (1.1, 1.1, 1.1)}
CARBON = {"A": (0.6, 0.3), "B": (0.2, 0.04)}  # kg/kWh, location- and market-based (1 - green share)
VALLEY = np.arange(24) < 8


def show(
    plan: Tables,
    demand: Demand,
    facility_kw: Callable[[int, int, int, str], np.ndarray],
    busy: Callable[[int, int, int, str, str], np.ndarray],
) -> None:
    """Fill in what follows. facility_kw(future, period, day, site) and busy(…, type): (24,) of the hours of a day."""
    orders, phases, stock = plan["orders"], plan["phases"], plan["stock"]
    for table in (orders, phases):
        table["order_date"] = [STARTS[t] for t in table["order_period"]]
        table["arrival_date"] = [STARTS[t] for t in table["arrival_period"]]
    kind, count = orders["module_type"], orders["modules"]
    orders["cards"] = count * kind.map(CARDS)
    orders["pflops"] = count * kind.map(PFLOPS)
    orders["capex"] = [float(n * CAPEX[k][t]) for n, k, t in zip(count, kind, orders["arrival_period"], strict=True)]
    orders["order_cost"] = kind.map({"gpu": 90.0, "npu": 0.0})
    phases["mw"], phases["capex"] = 0.5, 9000.0
    plan["openings"]["cost"] = 7000.0
    plan["leases"]["cost"] = 30.0 * plan["leases"]["active"]
    stands = stock["owned"] + stock["leased"]
    stock["pflops"] = stands * stock["module_type"].map(PFLOPS)
    top = [PUE[s][t] for s, t in zip(stock["site"], stock["period"], strict=True)]
    stock["power_mw"] = stands * stock["module_type"].map(PEAK_KW) * top / 1000
    plan["billed"]["cost"] = 40 * plan["billed"]["billed_kw"]
    training, hours = plan["training"], 24 * demand.days.weight.sum(axis=1)
    work = training["workload"].map({"train": 8.0, "tune": 1.5})
    per_gang = training["workload"].map({"train": 9.0, "tune": 2.0})  # a gang's work an hour, less what it may yield
    modules = training["workload"].map({"train": 2, "tune": 1})
    keeps = training["workload"].map({"train": 0.75, "tune": 1.0})
    span = hours[training["period"].to_numpy()]
    training["delivered_unit_hours"] = work * span
    training["held_module_hours"] = modules * span
    training["busy_module_hours"] = modules * keeps * work / per_gang * span
    _capacity(plan, demand)
    _use(plan, demand, facility_kw, busy)


def _table(name: str, records: list[dict[str, Any]]) -> pd.DataFrame:
    return TABLES[name].frame({c.name: [record[c.name] for record in records] for c in TABLES[name].columns})


def _capacity(plan: Tables, demand: Demand) -> None:
    stock, records = plan["stock"], []
    for b in range(2):
        for t in range(3):
            here = stock[(stock["branch"] == b) & (stock["period"] == t)]
            usable = float((here["pflops"] * here["module_type"].map({"gpu": 0.95, "npu": 1.0})).sum())
            records.append(
                {
                    "branch": b,
                    "period": t,
                    "start": STARTS[t],
                    "installed_pflops": float(here["pflops"].sum()),
                    "usable_pflops": usable,
                    "p50_peak_pflops": 100.0,
                    "p90_peak_pflops": 120.0,
                    "capacity_to_peak": usable / 100,
                    # without a table of its gangs no ratio is claimed
                    "build_ahead_ratio": np.nan,
                    "months_ahead": np.nan,
                    "binding_day": "",
                    "binding_hour": "",
                    "binding_workloads": "",
                    "binding_sites": "",
                }
            )
    plan["capacity"] = _table("capacity", records)


def _use(
    plan: Tables,
    demand: Demand,
    facility_kw: Callable[[int, int, int, str], np.ndarray],
    busy: Callable[[int, int, int, str, str], np.ndarray],
) -> None:
    stock, weight = plan["stock"], demand.days.weight
    used, energy, carbon = [], [], []
    for t in range(3):
        hours = 24 * weight[t].sum()
        for s in "AB":
            racks = 0.0
            kwh = {"flat": 0.0, "valley": 0.0}
            for f, p in enumerate(SHARE):
                for d in range(2):
                    kw = facility_kw(f, t, d, s)
                    kwh["valley"] += p * weight[t, d] * kw[VALLEY].sum()
                    kwh["flat"] += p * weight[t, d] * kw[~VALLEY].sum()
            for band, amount in kwh.items():
                price = {"flat": 0.6, "valley": 0.3}[band]
                energy.append(
                    {
                        "period": t,
                        "site": s,
                        "band": band,
                        "it_mwh": amount / PUE[s][t] / 1000,
                        "facility_mwh": amount / 1000,
                        "cost": amount * price,
                    }
                )
            mwh = sum(kwh.values()) / 1000
            location, market = CARBON[s]
            carbon.append(
                {
                    "period": t,
                    "site": s,
                    "facility_mwh": mwh,
                    "location_tonnes": mwh * location,
                    "market_tonnes": mwh * market,
                    "cost": mwh * location * 50,
                }
            )
            rows = []
            for k in ("gpu", "npu"):
                stands = [0.0, 0.0]
                for f in range(2):
                    here = stock.query("branch == @f and period == @t and site == @s and module_type == @k")
                    stands[f] = float((here["owned"] + here["leased"]).sum())
                mean = sum(p * n for p, n in zip(SHARE, stands, strict=True))
                racks += mean * {"gpu": 2, "npu": 1}[k]
                if mean == 0:
                    continue
                at_work, held, peak = 0.0, 0.0, 0.0
                for f, p in enumerate(SHARE):
                    for d in range(2):
                        modules = busy(f, t, d, s, k)
                        at_work += p * weight[t, d] * modules.sum()
                        idles = (0.25 if (s, k) == ("B" if t < 2 else "A", "npu") else 0.0) + (
                            1.0 if (s, k, t) == ("A", "gpu", 1) else 0.0
                        )  # of tune's gang, and of the campaign that runs half the period
                        held += p * weight[t, d] * 24 * idles
                        peak = max(peak, float(modules.max()) / stands[f] if stands[f] else 0.0)
                share, taken = at_work / (mean * hours), (at_work + held) / (mean * hours)
                rows.append(
                    {"module_type": k, "owned": mean, "mean_busy": share, "mean_held": taken, "peak_busy": peak}
                )
            occupancy = racks / 60 if s == "A" else np.nan
            used += [{"period": t, "site": s, "rack_occupancy": occupancy, **row} for row in rows]
    plan["energy"], plan["carbon"] = _table("energy", energy), _table("carbon", carbon)
    plan["utilisation"] = _table("utilisation", used)
