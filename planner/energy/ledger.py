"""The ledger's two tables, by tariff band and by site, from a plan's tables or a replay's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd

from planner.case import Case
from planner.demand import Demand
from planner.plan.tables import Column, Table

BANDS_TABLE = Table(
    "energy_by_band",
    "Energy by site, period and tariff band",
    (
        Column("period", "integer", "", "period"),
        Column("label", "string", "", "period in words"),
        Column("start", "date", "", "first day of the period"),
        Column("site", "string", "", "site"),
        Column("band", "string", "", "tariff band, or mean where hours have no band"),
        Column("it_kwh", "number", "kWh", "at the machines"),
        Column("facility_kwh", "number", "kWh", "with cooling and losses"),
        Column("cost", "number", "currency", "energy cost"),
        Column("price_per_kwh", "number", "currency/kWh", "cost / facility energy (empty without energy)"),
    ),
)
SITES_TABLE = Table(
    "energy_by_site",
    "Energy, cost and emissions by site and period",
    (
        Column("period", "integer", "", "period"),
        Column("label", "string", "", "period in words"),
        Column("start", "date", "", "first day of the period"),
        Column("site", "string", "", "site"),
        Column("it_kwh", "number", "kWh", "at the machines"),
        Column("facility_kwh", "number", "kWh", "with cooling and losses"),
        Column("pue", "number", "", "facility / machine energy (empty without energy)"),
        Column("pue_limit", "number", "", "the site's limit (empty without one)"),
        Column("energy_cost", "number", "currency", "cost of energy"),
        Column("demand_charge", "number", "currency", "charge on the highest or declared power"),
        Column("total_cost", "number", "currency", "energy and demand charge"),
        Column("price_per_kwh", "number", "currency/kWh", "energy cost / facility energy (empty without energy)"),
        Column("pflops_hours", "number", "PFLOPS.h", "busy compute, dense FP16"),
        Column(
            "kwh_per_pflops_hour", "number", "kWh/(PFLOPS.h)", "facility energy / busy compute (empty without work)"
        ),
        Column("green_kwh", "number", "kWh", "facility energy covered by contracted green power"),
        Column("location_tonnes", "number", "t", "emissions by the grid's factor"),
        Column("market_tonnes", "number", "t", "emissions after contracted green power"),
    ),
)


@dataclass(frozen=True)
class Ledger:
    """bands and sites: see BANDS_TABLE and SITES_TABLE. basis: "planned" or "replayed". covered: (period) share of the
    period's days that the figures stand for."""

    case: Case
    basis: str
    bands: pd.DataFrame
    sites: pd.DataFrame
    covered: Mapping[int, float]

    def tables(self) -> dict[str, tuple[Table, pd.DataFrame]]:
        """Name → its description and its rows."""
        return {"energy_by_band": (BANDS_TABLE, self.bands), "energy_by_site": (SITES_TABLE, self.sites)}

    def total(self) -> dict[str, float]:
        """Sums over sites and periods, with the weighted PUE and energy per PFLOPS-hour."""
        s = self.sites
        names = ("it_kwh", "facility_kwh", "energy_cost", "demand_charge", "total_cost", "pflops_hours", "green_kwh")
        out = {name: float(s[name].sum()) for name in (*names, "location_tonnes", "market_tonnes")}
        out["pue"] = _ratio(out["facility_kwh"], out["it_kwh"])
        out["kwh_per_pflops_hour"] = _ratio(out["facility_kwh"], out["pflops_hours"])
        return out


class PlanLike(Protocol):
    """What is read of a plan (`planner.plan.Plan`)."""

    @property
    def case(self) -> Case:
        """What was planned."""

    @property
    def demand(self) -> Demand:
        """Typical days that were planned for."""

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """Tables of `planner.plan.tables`."""


class ReplayLike(Protocol):
    """What is read of a replay (`planner.replay.ReplayResult`)."""

    @property
    def tables(self) -> Mapping[str, pd.DataFrame]:
        """Tables of a replay."""


def plan_ledger(plan: PlanLike) -> Ledger:
    """The ledger of a plan on its typical days, mean over its futures."""
    case, probability = plan.case, plan.demand.probability
    days = plan.demand.days
    billed = plan.tables["billed"]
    weight = np.where(billed["branch"] < 0, 1.0, probability[np.maximum(billed["branch"].to_numpy(int), 0)])
    charge = (billed["cost"] * weight).groupby([billed["period"], billed["site"]]).sum()
    hours = days.weight.sum(axis=1) * days.step_hours.sum()
    use = plan.tables["utilisation"]
    pflops = use["module_type"].map({k.id: k.module_pflops for k in case.module_types})
    work = use["owned"] * use["mean_busy"] * hours[use["period"].to_numpy(int)] * pflops.astype(float)
    busy = work.groupby([use["period"], use["site"]]).sum()
    covered = dict.fromkeys(range(case.horizon.periods), 1.0)
    return _ledger(case, "planned", plan.tables["energy"], charge, busy, covered)


def replay_ledger(case: Case, replay: ReplayLike) -> Ledger:
    """The ledger of a replay: the hours of its course."""
    billed, idle, days = replay.tables["billed"], replay.tables["idle"], replay.tables["days"]
    charge = billed.groupby(["period", "site"])["cost"].sum()
    pflops = idle["module_type"].map({k.id: k.module_pflops for k in case.module_types})
    busy = (idle["busy_module_hours"] * pflops.astype(float)).groupby([idle["period"], idle["site"]]).sum()
    count = days.groupby("period").size()
    covered = {t: float(count[t]) / case.horizon.days(t) for t in count.index.tolist()}
    return _ledger(case, "replayed", replay.tables["energy"], charge, busy, covered)


def _ledger(
    case: Case,
    basis: str,
    energy: pd.DataFrame,
    charge: pd.Series[float],
    busy: pd.Series[float],
    covered: Mapping[int, float],
) -> Ledger:
    label = {t: case.horizon.period_label(t) for t in range(case.horizon.periods)}
    start = {t: case.horizon.period_start(t) for t in range(case.horizon.periods)}
    site = {s.id: s for s in case.sites}
    own = energy[energy["facility_mwh"].abs() + energy["it_mwh"].abs() + energy["cost"].abs() > 0]
    own = own.sort_values(["period", "site", "band"], kind="stable").reset_index(drop=True)
    facility = own["facility_mwh"] * 1000
    bands = BANDS_TABLE.frame(
        {
            "period": own["period"],
            "label": own["period"].map(label),
            "start": own["period"].map(start),
            "site": own["site"],
            "band": own["band"],
            "it_kwh": own["it_mwh"] * 1000,
            "facility_kwh": facility,
            "cost": own["cost"],
            "price_per_kwh": _divide(own["cost"], facility),
        }
    )
    sums = bands.groupby(["period", "site"])[["it_kwh", "facility_kwh", "cost"]].sum()
    places = sums.index.union(charge[charge != 0].index)
    sums = sums.reindex(places, fill_value=0.0)
    periods = [int(str(t)) for t in places.get_level_values(0)]
    names = [str(s) for s in places.get_level_values(1)]
    demand = charge.reindex(places, fill_value=0.0).to_numpy(float)
    work = busy.reindex(places, fill_value=0.0).to_numpy(float)
    it, total, cost = (sums[c].to_numpy(float) for c in ("it_kwh", "facility_kwh", "cost"))
    location = np.array([site[s].carbon_kg_per_kwh for s in names])
    market = np.array([site[s].market_carbon() for s in names])
    sites = SITES_TABLE.frame(
        {
            "period": periods,
            "label": [label[t] for t in periods],
            "start": [start[t] for t in periods],
            "site": names,
            "it_kwh": it,
            "facility_kwh": total,
            "pue": _divide(total, it),
            "pue_limit": [np.nan if site[s].pue_limit is None else site[s].pue_limit for s in names],
            "energy_cost": cost,
            "demand_charge": demand,
            "total_cost": cost + demand,
            "price_per_kwh": _divide(cost, total),
            "pflops_hours": work,
            "kwh_per_pflops_hour": _divide(total, work),
            "green_kwh": total * np.array([site[s].green_share for s in names]),
            "location_tonnes": total * location / 1000,
            "market_tonnes": total * market / 1000,
        }
    )
    return Ledger(case, basis, bands, sites, covered)


def _divide(top: object, bottom: object) -> np.typing.NDArray[np.float64]:
    """top / bottom, NaN where nothing stands below."""
    a, b = np.asarray(top, float), np.asarray(bottom, float)
    return np.asarray(np.where(b > 0, a / np.where(b > 0, b, 1.0), np.nan), float)


def _ratio(top: float, bottom: float) -> float:
    return top / bottom if bottom > 0 else float("nan")
